/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One call with very many bytes, over a socket between two threads. The call returns the whole
 * length; the reads at the other end return a TLS record at most.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "account.h"
#include "peer.h"
#include "tls.h"

#define MAX_READ 16384

struct reader {
	struct end *end;
	size_t len;
};

static void shake(struct end *end)
{
	if (SSL_do_handshake(end_ssl(end)) != 1)
		peer_die("handshake failed");
}

/* Reads of sizes that differ, so that their edges do not lie where those of the records do. */
static void *reader_run(void *arg)
{
	const struct reader *reader = arg;
	unsigned char in[MAX_READ];
	size_t got = 0, size = 1;
	int n;

	shake(reader->end);
	while (got < reader->len) {
		n = end_call(reader->end, TLS_READ, in, size);
		if (n <= 0)
			peer_die("%zu of %zu bytes arrived", got, reader->len);
		got += (size_t)n;
		size = size % MAX_READ + 4099;
		size = size < MAX_READ ? size : MAX_READ;
	}
	return NULL;
}

void peer_large(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	enum tls_fn fn = strcmp(opt->how, "ex") ? TLS_WRITE : TLS_WRITE_EX;
	unsigned char *out = tls_random(opt->size);
	struct tls_pair pair = tls_pair_new(tls);
	struct end *client = account_end(acc, "large", "client", pair.client);
	struct reader reader = {
		.end = account_end(acc, "large", "server", pair.server),
		.len = opt->size,
	};
	pthread_t thread;

	tls_pair_join_socket(&pair, 0);
	if (pthread_create(&thread, NULL, reader_run, &reader))
		peer_die("no thread");
	shake(client);
	end_must(client, fn, out, opt->size);
	if (pthread_join(thread, NULL))
		peer_die("the thread was lost");
	tls_pair_free(&pair);
	free(out);
}
