/* SPDX-License-Identifier: Apache-2.0 */

/* A program that never calls SSL_read() or SSL_write(): BIO_f_ssl() goes past them. */
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "link.h"
#include "peer.h"
#include "tls.h"

#define ROUNDS 30

static void say(struct end *from, struct end *to, size_t len)
{
	unsigned char *out = tls_random(len), *in = tls_random(len);

	end_must(from, TLS_BIO_WRITE, out, len);
	end_must(to, TLS_BIO_READ, in, len);
	if (memcmp(in, out, len))
		peer_die("%zu bytes arrived changed", len);
	free(in);
	free(out);
}

void peer_bio(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct tls_pair pair;
	struct link link = link_connect(tls, acc, "bio", &pair);

	(void)opt;
	for (size_t i = 0; i < ROUNDS; i++) {
		say(link.client, link.server, 100 + i);
		say(link.server, link.client, 300 + i);
	}
	tls_pair_free(&pair);
}
