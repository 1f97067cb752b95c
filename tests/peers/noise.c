/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many connections that say nothing of sense: random bytes, and random text, in calls of random
 * sizes. Both ends are on one thread, so that the bytes that a call may transfer are bounded, and
 * whoever starts it sets the pace: it waits for a line now and then.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "peer.h"
#include "tls.h"

#define MAX_CALL     65536
#define MAX_CALL_LOG 16
#define AT_ONCE	     (64 << 20) /* bytes between two lines */

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (splitmix64). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* As many of the small as of the large, up to MAX_CALL. */
static size_t random_size(uint64_t *state)
{
	uint64_t r = next_random(state);

	return 1 + (r >> 8) % (1u << (1 + r % MAX_CALL_LOG));
}

/* Fill @buf; @is_text: with what a line may have, and line ends. */
static void fill(uint64_t *state, unsigned char *buf, size_t n, bool is_text)
{
	static const char chars[] =
		"ABCDEGHILNOPSTUacdeghilnoprstuxyz/:.,-_?=&%+0123456789  \t\r\n\n";

	_Static_assert(sizeof(chars) - 1 <= 64, "six bits choose one of these");
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t r = next_random(state);
		size_t left = n - i < sizeof(r) ? n - i : sizeof(r);

		memcpy(buf + i, &r, left);
		for (size_t k = 0; is_text && k < left; k++)
			buf[i + k] = (unsigned char)chars[buf[i + k] & 63];
	}
}

/* The other end reads all of what was said, in calls of its own sizes. */
static void hear(uint64_t *state, SSL *to, const unsigned char *said, size_t n)
{
	static unsigned char got[MAX_CALL];
	size_t have = 0;

	while (have < n) {
		int r = SSL_read(to, got, (int)random_size(state));

		if (r <= 0)
			peer_die("read of noise: error %d", SSL_get_error(to, r));
		if (have + (size_t)r > n || memcmp(got, said + have, (size_t)r))
			peer_die("noise arrived changed");
		have += (size_t)r;
	}
}

/* One connection that carries exactly @size bytes, in both directions together. */
static void make_noise(uint64_t *state, const struct tls_context *tls, size_t size, bool is_text)
{
	static unsigned char said[MAX_CALL];
	struct tls_pair pair = tls_pair_new(tls);

	tls_pair_join(&pair, TLS_ROOM);
	tls_pair_handshake(&pair);
	while (size) {
		bool is_client = next_random(state) & 1;
		SSL *from = is_client ? pair.client : pair.server;
		size_t n = random_size(state);

		n = n < size ? n : size;
		fill(state, said, n, is_text);
		if (SSL_write(from, said, (int)n) != (int)n)
			peer_die("write of %zu bytes of noise", n);
		hear(state, is_client ? pair.server : pair.client, said, n);
		size -= n;
	}
	tls_pair_free(&pair);
}

/* Something that is what the rest is not: a request and its response. */
static void make_sense(const struct tls_context *tls)
{
	static const char request[] = "GET /sense HTTP/1.1\r\nHost: peer\r\n\r\n";
	static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsense";
	const size_t n_request = sizeof(request) - 1, n_response = sizeof(response) - 1;
	struct tls_pair pair = tls_pair_new(tls);
	uint64_t state = 0;

	tls_pair_join(&pair, TLS_ROOM);
	tls_pair_handshake(&pair);
	if (SSL_write(pair.client, request, (int)n_request) != (int)n_request)
		peer_die("write of a request");
	hear(&state, pair.server, (const unsigned char *)request, n_request);
	if (SSL_write(pair.server, response, (int)n_response) != (int)n_response)
		peer_die("write of a response");
	hear(&state, pair.client, (const unsigned char *)response, n_response);
	tls_pair_free(&pair);
}

void peer_noise(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	uint64_t state = opt->seed, since = 0;
	char line[16];

	(void)acc;
	make_sense(tls);
	for (unsigned int i = 0; i < opt->count; i++) {
		make_noise(&state, tls, opt->size, i % 2);
		since += opt->size;
		if (since < AT_ONCE)
			continue;
		since = 0;
		printf("progress %u\n", i + 1);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			peer_die("nobody wants more");
	}
}
