/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One of many processes that come and go. It holds some connections in memory and does what chance
 * says: talk, sometimes on a thread of its own; end a connection and begin another on the same
 * handles; fork a child that goes on with copies of them, and maybe kill it; become another process
 * by exec. It ends after opt->count steps, or when the other end of its standard input is closed.
 *
 * Each life says at its end what its connections carried, and a child does before its parent.
 * "killed PID" names a child that may not have come to that. Whoever is killed leaves no account:
 * so what a direction carries repeats itself with a period, which a prefix shows, too.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "account.h"
#include "link.h"
#include "peer.h"
#include "tls.h"

#define CONNECTIONS 10
/* Two records: no message of ours needs more, and there are thousands of connections. */
#define ROOM	    (32 * 1024)
#define PERIOD	    251
#define LONGEST	    20000
#define CHILD_STEPS 60
/* Between two steps, on average: hundreds of us leave the processor to others. */
#define PACE_MS 100

struct slot {
	struct tls_pair pair;
	struct link link;
	unsigned char *pattern[DIR_COUNT]; /* what the client sends and receives */
	size_t said[DIR_COUNT];
};

struct churn {
	struct tls_context *tls;
	struct account *acc;
	uint64_t chance;
	unsigned int lives;
	pid_t child; /* 0: none */
	bool is_child;
	struct slot slots[CONNECTIONS];
};

/* --- chance --------------------------------------------------------------------------------- */

/* splitmix64, so that a seed means the same with every libc. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned int below(struct churn *c, unsigned int limit)
{
	return (unsigned int)(draw(&c->chance) % limit);
}

static bool in_thousand(struct churn *c, unsigned int n)
{
	return below(c, 1000) < n;
}

/* --- connections ---------------------------------------------------------------------------- */

/* The handles are new or as new: connect them. */
static void begin(struct churn *c, struct slot *slot)
{
	tls_pair_join(&slot->pair, ROOM);
	tls_pair_handshake(&slot->pair);
	slot->link = link_of(c->acc, "churn", &slot->pair);
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		free(slot->pattern[dir]);
		slot->pattern[dir] = tls_random(PERIOD);
		slot->said[dir] = 0;
	}
}

static void renew(struct churn *c, struct slot *slot)
{
	if (in_thousand(c, 400)) {
		tls_pair_clear(&slot->pair);
	} else {
		tls_pair_free(&slot->pair);
		slot->pair = tls_pair_new(c->tls);
	}
	begin(c, slot);
}

static size_t some_length(struct churn *c)
{
	if (in_thousand(c, 20))
		return 1 + below(c, LONGEST);
	return 1 + below(c, in_thousand(c, 300) ? 3000 : 300);
}

/* One message, by functions of chance; a part of it may be peeked at before it is read. */
static void talk(struct churn *c, struct slot *slot)
{
	enum tls_dir dir = below(c, DIR_COUNT);
	struct end *from = dir == DIR_SEND ? slot->link.client : slot->link.server;
	struct end *to = dir == DIR_SEND ? slot->link.server : slot->link.client;
	enum tls_fn out_fn = below(c, 2) ? TLS_WRITE : TLS_WRITE_EX;
	enum tls_fn in_fn = below(c, 2) ? TLS_READ : TLS_READ_EX;
	unsigned char out[LONGEST], in[LONGEST];
	size_t len = some_length(c), got = 0;

	for (size_t i = 0; i < len; i++)
		out[i] = slot->pattern[dir][(slot->said[dir] + i) % PERIOD];
	slot->said[dir] += len;
	end_must(from, out_fn, out, len);
	if (in_thousand(c, 100))
		(void)link_moved(to, end_call(to, TLS_PEEK, in, 1 + below(c, (unsigned int)len)));
	while (got < len)
		got += link_moved(to, end_call(to, in_fn, in + got, len - got));
	if (memcmp(in, out, len) != 0)
		peer_die("%zu bytes arrived changed", len);
}

struct errand {
	struct churn *churn;
	struct slot *slot;
};

static void *errand_run(void *arg)
{
	const struct errand *errand = arg;

	talk(errand->churn, errand->slot);
	return NULL;
}

static void talk_on_a_thread(struct churn *c, struct slot *slot)
{
	struct errand errand = { .churn = c, .slot = slot };
	pthread_t thread;

	if (pthread_create(&thread, NULL, errand_run, &errand) || pthread_join(thread, NULL))
		peer_die("no thread");
}

/* --- lives ---------------------------------------------------------------------------------- */

static void run(struct churn *c, unsigned int steps);

static void tell_account(struct churn *c)
{
	account_print(c->acc, "churn", stdout);
	fflush(stdout);
}

/* Let the child end; nothing of ours is printed before, so that lines do not mix. */
static void reap(struct churn *c, bool killed)
{
	int status;

	if (!c->child)
		return;
	if (waitpid(c->child, &status, 0) != c->child)
		peer_die("the child was lost");
	if (killed)
		printf("\nkilled %d\n", (int)c->child); /* it may have left half a line */
	else if (!WIFEXITED(status) || WEXITSTATUS(status))
		peer_die("the child did not end well");
	fflush(stdout);
	c->child = 0;
}

/* The child goes on with copies of our connections, under an account of its own. */
static void child_run(struct churn *c)
{
	unsigned int steps = 1 + below(c, CHILD_STEPS);

	c->is_child = true;
	c->child = 0;
	c->acc = account_new(2 * (CONNECTIONS + (size_t)steps), false);
	for (int i = 0; i < CONNECTIONS; i++) {
		if (c->slots[i].pair.client)
			c->slots[i].link = link_of(c->acc, "inherited", &c->slots[i].pair);
	}
	run(c, steps);
	tell_account(c);
	_exit(EXIT_SUCCESS); /* all handles are still open */
}

static void have_child(struct churn *c)
{
	uint64_t seed = draw(&c->chance);

	if (c->child || c->is_child)
		return;
	fflush(stdout);
	c->child = fork();
	if (c->child < 0)
		peer_die("no child");
	if (c->child)
		return;
	c->chance = seed;
	child_run(c);
}

static void maybe_kill_child(struct churn *c)
{
	if (!c->child || !in_thousand(c, 10))
		return;
	if (kill(c->child, SIGKILL) < 0)
		peer_die("the child can not be killed");
	reap(c, true);
}

/* Become another process: same pid, and the handles will be at the same addresses. */
static void live_again(struct churn *c, unsigned int steps)
{
	char count[16], lives[16], seed[16];
	char *const argv[] = {
		"tls_peer", "churn", "--count", count, "--depth", lives, "--seed", seed, NULL,
	};

	reap(c, false);
	tell_account(c);
	(void)snprintf(count, sizeof(count), "%u", steps);
	(void)snprintf(lives, sizeof(lives), "%u", c->lives - 1);
	(void)snprintf(seed, sizeof(seed), "%u", below(c, UINT32_MAX));
	(void)execv("/proc/self/exe", argv);
	peer_die("no other life");
}

/* --- steps ---------------------------------------------------------------------------------- */

static bool told_to_end(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) > 0 && (in.revents & POLLHUP);
}

static void rest(struct churn *c)
{
	struct timespec pause = { .tv_nsec = (long)below(c, 2 * PACE_MS) * 1000 * 1000 };

	(void)nanosleep(&pause, NULL);
}

static void step(struct churn *c)
{
	struct slot *slot = &c->slots[below(c, CONNECTIONS)];
	unsigned int what = below(c, 1000);

	maybe_kill_child(c);
	if (!slot->pair.client) {
		slot->pair = tls_pair_new(c->tls);
		begin(c, slot);
	} else if (what < 50) {
		renew(c, slot);
	} else if (what < 55) {
		have_child(c);
	} else if (what < 150) {
		talk_on_a_thread(c, slot);
	} else {
		talk(c, slot);
	}
}

static void run(struct churn *c, unsigned int steps)
{
	while (steps && !told_to_end()) {
		step(c);
		rest(c);
		steps--;
		if (c->lives > 1 && steps > 1 && !c->is_child && in_thousand(c, 3))
			live_again(c, steps);
	}
}

/* Half of all processes leave their connections open. */
static void finish(struct churn *c)
{
	bool tidy = below(c, 2);

	for (int i = 0; i < CONNECTIONS; i++) {
		if (tidy)
			tls_pair_free(&c->slots[i].pair);
		free(c->slots[i].pattern[DIR_SEND]);
		free(c->slots[i].pattern[DIR_RECV]);
	}
}

void peer_churn(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct churn c = { .tls = tls, .acc = acc, .chance = opt->seed, .lives = opt->depth };
	unsigned int at_once = opt->count < CONNECTIONS ? opt->count : CONNECTIONS;

	tls_context_forget(tls);
	for (unsigned int i = 0; i < at_once; i++) {
		c.slots[i].pair = tls_pair_new(tls);
		begin(&c, &c.slots[i]);
	}
	run(&c, opt->count - at_once);
	reap(&c, false);
	finish(&c);
}
