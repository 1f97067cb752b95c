/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A process that becomes another program while it has a connection. Without address space
 * randomisation the other program's handles are where those of the first one were.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "account.h"
#include "link.h"
#include "peer.h"
#include "tls.h"

#define ROUNDS 20

static void *become(void *arg)
{
	const char *path = arg;

	execl(path, path, "exec", (char *)NULL);
	peer_die("cannot execute %s", path);
}

static void become_from_thread(const char *path)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, become, (void *)(uintptr_t)path))
		peer_die("no thread");
	pthread_join(thread, NULL);
}

void peer_exec(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	char line[16];
	struct tls_pair pair;
	struct link link = link_connect(tls, acc, opt->exec ? "before" : "after", &pair);

	for (size_t i = 0; i < ROUNDS; i++) {
		link_exchange(link.client, link.server, 100 + i);
		link_exchange(link.server, link.client, 300 + i);
	}
	if (!opt->exec) {
		tls_pair_free(&pair);
		return;
	}
	account_print(acc, "exec", stdout);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		peer_die("no cue to become the other program");
	if (opt->thread)
		become_from_thread(opt->exec);
	else
		become((void *)(uintptr_t)opt->exec);
}
