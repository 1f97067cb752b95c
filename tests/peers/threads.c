/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many connections at once, each between two threads of its own over a blocking socket. Both ends
 * say one numbered message after the other, in step with each other; or the one asks and the other
 * answers, in HTTP.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "account.h"
#include "peer.h"
#include "tls.h"

#define CONNECTIONS 16
#define LETTERS	    26
#define HEAD_SIZE   64

struct talker {
	struct end *end;
	pthread_t thread;
	unsigned int connection;
	const char *role;
	const char *other;
	const struct peer_options *opt;
};

static bool is_http(const struct talker *t)
{
	return !strcmp(t->opt->how, "http");
}

/* What a message begins with; it ends with as many letters as there is room for, and @ret_end. */
static int make_head(char *head, const struct talker *t, const char *role, unsigned int number,
		     const char **ret_end)
{
	*ret_end = is_http(t) ? "\r\n\r\n" : "\n";
	if (!is_http(t))
		return snprintf(head, HEAD_SIZE, "connection %02u, %s, message %07u ",
				t->connection, role, number);
	if (!strcmp(role, "client"))
		return snprintf(head, HEAD_SIZE, "GET /%02u/%07u HTTP/1.1\r\nX: ", t->connection,
				number);
	return snprintf(head, HEAD_SIZE,
			"HTTP/1.1 200 %02u/%07u\r\nContent-Length: 0\r\nX: ", t->connection,
			number);
}

/* Printable, and no two messages of a run are equal. */
static void make_message(char *msg, const struct talker *t, const char *role, unsigned int number)
{
	char head[HEAD_SIZE];
	const char *end;
	int n = make_head(head, t, role, number, &end);
	size_t n_end = strlen(end);

	if (n < 0 || (size_t)n + n_end > t->opt->size)
		peer_die("a message of %u bytes has no room for its number", t->opt->size);
	for (unsigned int i = 0; i < t->opt->size; i++)
		msg[i] = (char)('a' + (number + i) % LETTERS);
	memcpy(msg, head, (size_t)n);
	memcpy(msg + t->opt->size - n_end, end, n_end);
}

static void expect(const struct talker *t, unsigned int number, char *want, char *got)
{
	size_t have = 0;

	while (have < t->opt->size) {
		int n = end_call(t->end, TLS_READ, got + have, t->opt->size - have);

		if (n <= 0)
			peer_die("message %u of %s did not come", number, t->other);
		have += (size_t)n;
	}
	make_message(want, t, t->other, number);
	if (memcmp(want, got, have))
		peer_die("message %u of %s arrived changed", number, t->other);
}

static void *talk(void *arg)
{
	const struct talker *t = arg;
	const bool answers = is_http(t) && !strcmp(t->role, "server");
	char *msg = malloc(t->opt->size), *got = malloc(t->opt->size);

	if (!msg || !got)
		peer_die("no memory");
	if (SSL_do_handshake(end_ssl(t->end)) != 1)
		peer_die("handshake failed");
	for (unsigned int i = 0; i < t->opt->count; i++) {
		if (answers)
			expect(t, i, msg, got);
		make_message(msg, t, t->role, i);
		end_must(t->end, TLS_WRITE, msg, t->opt->size);
		if (!answers)
			expect(t, i, msg, got);
	}
	free(got);
	free(msg);
	return NULL;
}

static void start(struct talker *t)
{
	if (pthread_create(&t->thread, NULL, talk, t))
		peer_die("no thread");
}

static void finish(struct talker *t)
{
	if (pthread_join(t->thread, NULL))
		peer_die("a thread was lost");
}

void peer_threads(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct talker clients[CONNECTIONS], servers[CONNECTIONS];
	struct tls_pair pairs[CONNECTIONS];

	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		pairs[i] = tls_pair_new(tls);
		tls_pair_join_socket(&pairs[i], 0);
		clients[i] = (struct talker){ .role = "client", .other = "server" };
		clients[i].end = account_end(acc, "threads", "client", pairs[i].client);
		servers[i] = (struct talker){ .role = "server", .other = "client" };
		servers[i].end = account_end(acc, "threads", "server", pairs[i].server);
		clients[i].connection = servers[i].connection = i;
		clients[i].opt = servers[i].opt = opt;
	}
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		start(&clients[i]);
		start(&servers[i]);
	}
	for (unsigned int i = 0; i < CONNECTIONS; i++) {
		finish(&clients[i]);
		finish(&servers[i]);
		tls_pair_free(&pairs[i]);
	}
}
