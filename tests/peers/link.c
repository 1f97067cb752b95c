/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "account.h"
#include "peer.h"
#include "tls.h"

struct link link_of(struct account *acc, const char *name, const struct tls_pair *pair)
{
	return (struct link){
		.client = account_end(acc, name, "client", pair->client),
		.server = account_end(acc, name, "server", pair->server),
	};
}

size_t link_moved(struct end *end, int n)
{
	int why;

	if (n > 0)
		return (size_t)n;
	why = SSL_get_error(end_ssl(end), n);
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		peer_die("a call failed with error %d", why);
	return 0;
}

void link_exchange(struct end *from, struct end *to, size_t len)
{
	unsigned char *out = tls_random(len), *in = tls_random(len);
	size_t sent = 0, got = 0;

	while (got < len) {
		if (sent < len)
			sent += link_moved(from, end_call(from, TLS_WRITE, out + sent, len - sent));
		got += link_moved(to, end_call(to, TLS_READ, in + got, len - got));
	}
	if (memcmp(in, out, len))
		peer_die("%zu bytes arrived changed", len);
	free(in);
	free(out);
}

struct link link_connect(struct tls_context *tls, struct account *acc, const char *name,
			 struct tls_pair *ret_pair)
{
	*ret_pair = tls_pair_new(tls);
	tls_pair_join(ret_pair, TLS_ROOM);
	tls_pair_handshake(ret_pair);
	return link_of(acc, name, ret_pair);
}
