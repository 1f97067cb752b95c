/* SPDX-License-Identifier: Apache-2.0 */

/* Scenarios on two threads, joined by a blocking socket: the main thread is the client. */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "account.h"
#include "peer.h"
#include "tls.h"

#define BIG	       (256 * 1024)
#define READ_SIZE      16384
#define PROGRESS_EVERY 200

struct server {
	struct end *end;
	pthread_t thread;
};

static void shake(struct end *end)
{
	if (SSL_do_handshake(end_ssl(end)) != 1)
		peer_die("handshake failed");
}

static void read_all(struct end *end, size_t len)
{
	unsigned char in[READ_SIZE];

	while (len) {
		int n = end_call(end, TLS_READ, in, len < sizeof(in) ? len : sizeof(in));

		if (n <= 0)
			peer_die("the other end left, %zu bytes are missing", len);
		len -= (size_t)n;
	}
}

static struct end *server_start(struct tls_context *tls, struct account *acc, const char *name,
				void *(*run)(void *), struct server *server)
{
	struct tls_pair pair = tls_pair_new(tls);
	struct end *client = account_end(acc, name, "client", pair.client);

	tls_pair_join_socket(&pair, 0);
	server->end = account_end(acc, name, "server", pair.server);
	if (pthread_create(&server->thread, NULL, run, server->end))
		peer_die("no thread");
	shake(client);
	return client;
}

static void server_finish(struct server *server, struct end *client)
{
	struct tls_pair pair = { .client = end_ssl(client), .server = end_ssl(server->end) };

	if (pthread_join(server->thread, NULL))
		peer_die("the thread was lost");
	tls_pair_free(&pair);
}

/* --- write ---------------------------------------------------------------------------------- */

static void write_sizes(struct end *end)
{
	unsigned char *out = tls_random(BIG);
	int n;

	for (unsigned int i = 0; i < 256; i++)
		out[i] = (unsigned char)i;
	end_must(end, TLS_WRITE, out, BIG);
	end_must(end, TLS_WRITE, out + 255, 1);
	/* The manual leaves the result of writing nothing open; only that nothing moved matters. */
	n = end_call(end, TLS_WRITE, out, 0);
	if (n > 0)
		peer_die("a write of nothing moved %d bytes", n);
	end_must(end, TLS_WRITE_EX, out, 0);
	free(out);
}

static void *write_server(void *arg)
{
	struct end *end = arg;

	shake(end);
	read_all(end, BIG + 1);
	write_sizes(end);
	return NULL;
}

void peer_write(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct server server;
	struct end *client = server_start(tls, acc, "write", write_server, &server);

	(void)opt;
	write_sizes(client);
	read_all(client, BIG + 1);
	server_finish(&server, client);
}

/* --- stream --------------------------------------------------------------------------------- */

static void *stream_server(void *arg)
{
	struct end *end = arg;
	unsigned char in[READ_SIZE];
	int n;

	shake(end);
	do {
		n = end_call(end, TLS_READ, in, sizeof(in));
	} while (n > 0);
	if (SSL_get_error(end_ssl(end), n) != SSL_ERROR_ZERO_RETURN)
		peer_die("the client did not say good-bye");
	return NULL;
}

static bool told_to_stop(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

void peer_stream(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	unsigned char *msg = tls_random(opt->size);
	struct server server;
	struct end *client = server_start(tls, acc, "stream", stream_server, &server);

	for (uint64_t i = 0; (!opt->count || i < opt->count) && !told_to_stop(); i++) {
		memcpy(msg, &i, sizeof(i)); /* no two messages are equal */
		end_must(client, TLS_WRITE, msg, opt->size);
		if (i % PROGRESS_EVERY == 0) {
			printf("progress %llu\n", (unsigned long long)i);
			fflush(stdout);
		}
	}
	SSL_shutdown(end_ssl(client));
	server_finish(&server, client);
	free(msg);
}
