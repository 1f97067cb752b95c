/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Very many short processes: each is forked from one that has a connection in memory, makes a few
 * calls on its copy of it and is gone. opt->how is what is odd about them:
 *
 *   plain   they write and read a message
 *   ref     they only take a reference, and no byte passes
 *   open    they leave a connection of their own open, too
 *   clear   they make the handles ready for another connection, and none comes
 *   thread  another thread than the first makes the calls, and ends the process
 *   leader  the same, after the first thread has ended
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "account.h"
#include "peer.h"
#include "tls.h"

#define AT_A_TIME      4
#define PROGRESS_EVERY 1000
/* The number of the child that says it: nobody else says the same. */
#define MESSAGE	    "child %08u\n"
#define MESSAGE_LEN 15

/* What a child has; its account is that it ends well. */
struct child {
	struct tls_context *tls;
	struct tls_pair pair;
	unsigned int number;
};

typedef void (*child_run)(struct child *child);

static void say(const struct tls_pair *pair, unsigned int number)
{
	char out[MESSAGE_LEN + 1], in[MESSAGE_LEN];

	(void)snprintf(out, sizeof(out), MESSAGE, number);
	if (SSL_write(pair->client, out, MESSAGE_LEN) != MESSAGE_LEN ||
	    SSL_read(pair->server, in, MESSAGE_LEN) != MESSAGE_LEN ||
	    memcmp(in, out, MESSAGE_LEN) != 0)
		_exit(EXIT_FAILURE);
}

static void run_plain(struct child *child)
{
	say(&child->pair, child->number);
}

static void run_ref(struct child *child)
{
	if (SSL_up_ref(child->pair.client) != 1)
		_exit(EXIT_FAILURE);
}

static void run_open(struct child *child)
{
	struct tls_pair own = tls_pair_new(child->tls);

	say(&child->pair, child->number);
	tls_pair_join(&own, TLS_ROOM);
	tls_pair_handshake(&own);
	say(&own, child->number);
}

static void run_clear(struct child *child)
{
	say(&child->pair, child->number);
	tls_pair_clear(&child->pair);
}

static void *say_and_end(void *arg)
{
	struct child *child = arg;

	say(&child->pair, child->number);
	_exit(EXIT_SUCCESS);
}

static void run_thread(struct child *child)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, say_and_end, child))
		(void)pthread_join(thread, NULL);
	_exit(EXIT_FAILURE); /* the thread ends the process before */
}

/* Whether the first thread has ended: the kernel's word for that comes after its exit was told. */
static int leader_has_ended(void)
{
	char path[64], stat[128], *state;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (n <= 0)
		_exit(EXIT_FAILURE);
	(void)close(fd);
	stat[n] = '\0';
	state = strrchr(stat, ')');
	return state && state[1] == ' ' && state[2] == 'Z';
}

static void *outlive_leader(void *arg)
{
	while (!leader_has_ended())
		(void)sched_yield();
	return say_and_end(arg);
}

static void run_leader(struct child *child)
{
	/* The frame that @child is in may be gone before the other thread looks. */
	static struct child kept;
	pthread_t thread;

	kept = *child;
	if (pthread_create(&thread, NULL, outlive_leader, &kept))
		_exit(EXIT_FAILURE);
	pthread_exit(NULL);
}

static const struct {
	const char *how;
	child_run run;
} kinds[] = {
	{ "plain", run_plain }, { "ref", run_ref },	  { "open", run_open },
	{ "clear", run_clear }, { "thread", run_thread }, { "leader", run_leader },
};

static child_run find_kind(const char *how)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].how, how))
			return kinds[i].run;
	}
	peer_die("no such kind of child: %s", how);
}

static void start(struct child *child, child_run run)
{
	pid_t pid = fork();

	if (pid < 0)
		peer_die("no child");
	if (pid)
		return;
	run(child);
	_exit(EXIT_SUCCESS);
}

static void wait_for_one(void)
{
	int status;

	if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		peer_die("a child did not end well");
}

void peer_brood(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	child_run run = find_kind(opt->how);
	struct child child = { .tls = tls, .pair = tls_pair_new(tls) };

	(void)acc;
	tls_pair_join(&child.pair, TLS_ROOM);
	tls_pair_handshake(&child.pair);
	for (; child.number < opt->count; child.number++) {
		if (child.number >= AT_A_TIME)
			wait_for_one();
		if (child.number % PROGRESS_EVERY == 0) {
			printf("progress %u\n", child.number);
			fflush(stdout);
		}
		start(&child, run);
	}
	for (unsigned int i = 0; i < opt->count && i < AT_A_TIME; i++)
		wait_for_one();
	tls_pair_free(&child.pair);
}
