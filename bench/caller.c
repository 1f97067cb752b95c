/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls SSL_write or SSL_read on an established TLS 1.3 connection, round by round, so that hooks
 * can come and go around the rounds of one process. Nothing passes a socket: what is written ends
 * in a null BIO, what is read has been put into memory before.
 *
 * Prints "ready PID", then answers each line "write|read SIZE RATE MILLISECONDS" with one line of
 * JSON. RATE is calls per second, 0 as fast as possible. Ends with its standard input.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "peer.h"
#include "tls.h"

#define MAX_SIZE  16384
#define NS	  1000000000LL
#define BATCH	  32 /* calls between two looks at the clocks when there is no rate */
#define CALIBRATE 10000

struct caller {
	struct tls_pair pair; /* the client is the one that calls */
	BIO *null;	      /* takes what it writes */
	char bytes[MAX_SIZE];
	int64_t clocks_cpu_ns; /* what looking at the clocks costs, and is in each measurement */
	int64_t clocks_wall_ns;
};

struct round {
	bool is_read;
	int size;
	long rate;
	long ms;
};

struct cost {
	int64_t calls;
	int64_t wall_ns;
	int64_t cpu_ns;
};

void peer_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("caller: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(EXIT_FAILURE);
}

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		peer_die("no clock");
	return ts.tv_sec * NS + ts.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NS, .tv_nsec = ns % NS };

	if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		peer_die("no sleep");
}

/* Put what the calls of a batch will read into memory; writes need nothing. */
static void prepare(struct caller *c, const struct round *round, int n)
{
	for (int i = 0; round->is_read && i < n; i++) {
		if (SSL_write(c->pair.server, c->bytes, round->size) != round->size)
			peer_die("nothing to read");
	}
}

static void call(struct caller *c, const struct round *round, int n)
{
	static char in[MAX_SIZE];
	SSL *ssl = c->pair.client;

	for (int i = 0; i < n; i++) {
		int moved = round->is_read ? SSL_read(ssl, in, round->size) :
					     SSL_write(ssl, c->bytes, round->size);

		if (moved != round->size)
			peer_die("a call moved %d of %d bytes", moved, round->size);
	}
}

/*
 * Whether a breakpoint of the kernel sits on the function. Only on x86: elsewhere it is not known
 * what to look for, and the answer is no.
 */
static bool is_hooked(const struct round *round)
{
#ifdef __x86_64__
	static const unsigned char int3 = 0xcc;
	const unsigned char *code = dlsym(RTLD_DEFAULT, round->is_read ? "SSL_read" : "SSL_write");

	if (!code)
		peer_die("no function to look at");
	return *code == int3;
#else
	(void)round;
	return false;
#endif
}

/* @n calls, with the time that they take; the clocks' own share is not theirs. */
static void measure(struct caller *c, const struct round *round, int n, struct cost *cost)
{
	int64_t wall = now(CLOCK_MONOTONIC);
	int64_t cpu = now(CLOCK_THREAD_CPUTIME_ID);

	call(c, round, n);
	cost->cpu_ns += now(CLOCK_THREAD_CPUTIME_ID) - cpu - c->clocks_cpu_ns;
	cost->wall_ns += now(CLOCK_MONOTONIC) - wall - c->clocks_wall_ns;
	cost->calls += n;
}

static void calibrate(struct caller *c)
{
	static const struct round nothing;
	struct cost cost = { 0 };

	for (int i = 0; i < CALIBRATE; i++)
		measure(c, &nothing, 0, &cost);
	c->clocks_cpu_ns = cost.cpu_ns / CALIBRATE;
	c->clocks_wall_ns = cost.wall_ns / CALIBRATE;
}

static void run(struct caller *c, const struct round *round)
{
	int64_t start = now(CLOCK_MONOTONIC), end = start + round->ms * NS / 1000, elapsed;
	struct cost cost = { 0 };
	int n = round->rate ? 1 : BATCH;

	while (now(CLOCK_MONOTONIC) < end) {
		prepare(c, round, n);
		if (round->rate)
			sleep_until(start + (cost.calls + 1) * NS / round->rate);
		measure(c, round, n, &cost);
	}
	elapsed = now(CLOCK_MONOTONIC) - start;
	printf("{\"calls\":%lld,\"wall_ns\":%lld,\"cpu_ns\":%lld,\"elapsed_ns\":%lld,"
	       "\"hooked\":%s}\n",
	       (long long)cost.calls, (long long)cost.wall_ns, (long long)cost.cpu_ns,
	       (long long)elapsed, is_hooked(round) ? "true" : "false");
}

/* Text, as a web page is: how the reader of a capture formats it depends on that. */
static void fill(char *bytes, size_t n)
{
	static const char text[] = "<p>The quick brown fox jumps over the lazy dog.</p>\r\n";

	for (size_t i = 0; i < n; i++)
		bytes[i] = text[i % (sizeof(text) - 1)];
}

static void init(struct caller *c)
{
	struct tls_context tls;

	tls_context_init(&tls);
	tls_context_forget(&tls);
	c->pair = tls_pair_new(&tls);
	tls_pair_join(&c->pair, TLS_ROOM);
	tls_pair_handshake(&c->pair);
	c->null = BIO_new(BIO_s_null());
	if (!c->null)
		peer_die("no null BIO");
	SSL_set0_wbio(c->pair.client, c->null);
	fill(c->bytes, sizeof(c->bytes));
	calibrate(c);
}

static bool parse(const char *line, struct round *ret)
{
	char fn[8];

	if (sscanf(line, "%7s %d %ld %ld", fn, &ret->size, &ret->rate, &ret->ms) != 4)
		return false;
	ret->is_read = !strcmp(fn, "read");
	return (ret->is_read || !strcmp(fn, "write")) && ret->size > 0 && ret->size <= MAX_SIZE &&
	       ret->rate >= 0 && ret->ms > 0;
}

int main(void)
{
	static struct caller c;
	struct round round;
	char line[64];

	init(&c);
	printf("ready %d\n", (int)getpid());
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!parse(line, &round))
			peer_die("not understood: %s", line);
		run(&c, &round);
		(void)fflush(stdout);
	}
	return 0;
}
