/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tls_peer SCENARIO [options]: both ends of TLS connections in one process.
 *
 * Prints "ready PID", waits for a line on stdin before its first TLS call, plays the scenario and
 * prints as its last line what the ends said to each other, as JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "account.h"
#include "peer.h"
#include "tls.h"

#define FEW_ENDS  64
#define MAX_COUNT 1000000

static const struct {
	const char *name;
	peer_scenario run;
	unsigned int count; /* default of --count */
	bool many;	    /* two ends per count */
	bool no_calls;	    /* too many calls to list them */
} scenarios[] = {
	{ .name = "write", .run = peer_write },
	{ .name = "nonblock", .run = peer_nonblock },
	{ .name = "partial", .run = peer_partial },
	{ .name = "every", .run = peer_every },
	{ .name = "nested", .run = peer_nested },
	{ .name = "reuse", .run = peer_reuse, .count = 10000, .many = true, .no_calls = true },
	{ .name = "longjmp", .run = peer_longjmp },
	{ .name = "fork", .run = peer_fork },
	{ .name = "bio", .run = peer_bio },
	{ .name = "exec", .run = peer_exec },
	{ .name = "stream", .run = peer_stream, .no_calls = true },
	{ .name = "threads", .run = peer_threads, .count = 100, .no_calls = true },
	{ .name = "large", .run = peer_large },
	{ .name = "brood", .run = peer_brood, .count = 100, .no_calls = true },
	{ .name = "noise", .run = peer_noise, .count = 16, .no_calls = true },
	{ .name = "churn", .run = peer_churn, .count = 100, .many = true, .no_calls = true },
};

void peer_die(const char *fmt, ...)
{
	unsigned long tls_error = ERR_get_error();
	int saved = errno;
	va_list ap;

	fputs("tls_peer: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (tls_error)
		fprintf(stderr, ": %s\n", ERR_error_string(tls_error, NULL));
	else
		fprintf(stderr, ": errno %d\n", saved);
	exit(EXIT_FAILURE);
}

__attribute__((noreturn)) static void usage(void)
{
	fputs("usage: tls_peer SCENARIO [--count N] [--depth N] [--size N] [--clear] [--thread] "
	      "[--exec PROGRAM] [--seed N] [--how KIND]\nscenarios:",
	      stderr);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		fprintf(stderr, " %s", scenarios[i].name);
	fputc('\n', stderr);
	exit(2);
}

static unsigned int number(const char *text, unsigned long max)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > max)
		usage();
	return (unsigned int)n;
}

static void parse_options(int argc, char **argv, struct peer_options *opt)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "depth", required_argument, NULL, 'd' },
		{ "size", required_argument, NULL, 's' },
		{ "clear", no_argument, NULL, 'c' },
		{ "thread", no_argument, NULL, 't' },
		{ "exec", required_argument, NULL, 'e' },
		{ "seed", required_argument, NULL, 'r' },
		{ "how", required_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'n')
			opt->count = number(optarg, MAX_COUNT);
		else if (c == 'd')
			opt->depth = number(optarg, PEER_MAX_DEPTH);
		else if (c == 's')
			opt->size = number(optarg, PEER_MAX_MESSAGE);
		else if (c == 'c')
			opt->clear = true;
		else if (c == 't')
			opt->thread = true;
		else if (c == 'e')
			opt->exec = optarg;
		else if (c == 'r')
			opt->seed = number(optarg, UINT_MAX);
		else if (c == 'h')
			opt->how = optarg;
		else
			usage();
	}
	if (optind != argc || opt->depth < 1 || opt->size < PEER_MIN_MESSAGE)
		usage();
}

static void wait_for_go(void)
{
	char line[16];

	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	/* Unbuffered: what follows the line belongs to the scenario, which polls the descriptor. */
	setvbuf(stdin, NULL, _IONBF, 0);
	if (!fgets(line, sizeof(line), stdin))
		exit(EXIT_FAILURE);
}

static size_t find_scenario(const char *name)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (!strcmp(scenarios[i].name, name))
			return i;
	}
	usage();
}

int main(int argc, char **argv)
{
	struct peer_options opt = { .depth = 2, .size = 1024, .how = "plain" };
	struct tls_context tls;
	struct account *acc;
	size_t which;

	if (argc < 2)
		usage();
	which = find_scenario(argv[1]);
	opt.count = scenarios[which].count;
	parse_options(argc - 1, argv + 1, &opt);
	signal(SIGPIPE, SIG_IGN);

	tls_context_init(&tls);
	acc = account_new(scenarios[which].many ? 2 * (size_t)opt.count : FEW_ENDS,
			  !scenarios[which].no_calls);
	wait_for_go();
	scenarios[which].run(&tls, acc, &opt);
	account_print(acc, scenarios[which].name, stdout);
	account_free(acc);
	tls_context_done(&tls);
	return EXIT_SUCCESS;
}
