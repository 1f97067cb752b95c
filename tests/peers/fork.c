/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A server that forks after the handshake. The two ends talk through memory, so that parent and
 * child each have a whole connection of their own, with the same handles at the same addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "link.h"
#include "peer.h"
#include "tls.h"

#define ROUNDS	   20
#define CHILD_ENDS 4

/* Sizes that differ from round to round and between the two processes. */
static void talk(const struct link *link, size_t base)
{
	for (size_t i = 0; i < ROUNDS; i++) {
		link_exchange(link->client, link->server, base + i);
		link_exchange(link->server, link->client, 3 * base + i);
	}
}

/* Go on with the connection that was made before the fork, then make one more. */
static void child_run(struct tls_context *tls, struct tls_pair *inherited)
{
	struct account *acc = account_new(CHILD_ENDS, true);
	struct link link = link_of(acc, "inherited", inherited);
	struct tls_pair pair;

	talk(&link, 100);
	tls_pair_free(inherited);
	link = link_connect(tls, acc, "child", &pair);
	talk(&link, 150);
	tls_pair_free(&pair);
	account_print(acc, "fork", stdout);
	account_free(acc);
	fflush(stdout);
}

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
		peer_die("the child did not end well");
}

void peer_fork(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct tls_pair before, after;
	struct link link = link_connect(tls, acc, "before", &before);
	struct link own;
	pid_t child;

	(void)opt;
	talk(&link, 50);
	child = fork();
	if (child < 0)
		peer_die("no child");
	if (!child) {
		child_run(tls, &before);
		_exit(EXIT_SUCCESS);
	}
	own = link_connect(tls, acc, "parent", &after);
	talk(&own, 200);
	talk(&link, 250);
	wait_for(child);
	/* The child has freed its copies, and ended: ours are as they were. */
	talk(&link, 300);
	talk(&own, 350);
	tls_pair_free(&after);
	tls_pair_free(&before);
}
