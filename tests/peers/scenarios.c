/* SPDX-License-Identifier: Apache-2.0 */

/* Scenarios on one thread, where the two ends take turns. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "account.h"
#include "link.h"
#include "peer.h"
#include "tls.h"

void peer_nonblock(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct tls_pair pair = tls_pair_new(tls);
	unsigned char *msg = tls_random(100);
	unsigned char in[1000];
	struct link link;

	(void)opt;
	tls_pair_join_socket(&pair, SOCK_NONBLOCK);
	tls_pair_handshake(&pair);
	link = link_of(acc, "nonblock", &pair);

	if (link_moved(link.server, end_call(link.server, TLS_READ, in, sizeof(in))))
		peer_die("bytes before any were sent");
	end_must(link.client, TLS_WRITE, msg, 100);
	if (link_moved(link.server, end_call(link.server, TLS_READ, in, sizeof(in))) != 100)
		peer_die("not the 100 bytes");
	tls_pair_free(&pair);
	free(msg);
}

/*
 * Room for two and a half records, a write of six: partial writes return what was taken, others
 * fail and are called again with the same buffer until all of it is gone.
 */
void peer_partial(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	static const long modes[] = { SSL_MODE_ENABLE_PARTIAL_WRITE, 0 };

	(void)opt;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct tls_pair pair = tls_pair_new(tls);
		struct link link;

		tls_pair_join(&pair, 40960);
		tls_pair_handshake(&pair);
		link = link_of(acc, modes[i] ? "partial" : "retried", &pair);
		SSL_set_mode(pair.client, modes[i]);
		link_exchange(link.client, link.server, 6 * 16384);
		tls_pair_free(&pair);
	}
}

/* Each function once, with a size of its own so that a mix-up shows. */
static void every_plain(struct end *from, struct end *to, size_t base)
{
	static const enum tls_fn writes[] = { TLS_WRITE, TLS_WRITE_EX, TLS_WRITE_EX2 };
	static const enum tls_fn reads[] = { TLS_READ, TLS_READ_EX };
	unsigned char in[512];

	for (size_t w = 0; w < sizeof(writes) / sizeof(writes[0]); w++) {
		for (size_t r = 0; r < sizeof(reads) / sizeof(reads[0]) && tls_has(writes[w]);
		     r++) {
			size_t len = base + 10 * w + r;
			unsigned char *out = tls_random(len);

			end_must(from, writes[w], out, len);
			end_must(to, reads[r], in, len);
			free(out);
		}
	}
}

/* Peeks shorter and longer than the read that follows, repeated peeks, a peek without a read. */
static void every_peek(struct end *from, struct end *to)
{
	static const struct {
		enum tls_fn fn;
		size_t len;
	} steps[] = {
		/* clang-format off */
		{ TLS_PEEK, 100 }, { TLS_READ, 40 }, { TLS_PEEK_EX, 200 }, { TLS_READ_EX, 260 },
		{ TLS_PEEK, 300 }, { TLS_PEEK, 300 }, { TLS_READ, 300 },
		{ TLS_PEEK_EX, 50 }, { TLS_PEEK, 20 }, { TLS_READ_EX, 300 },
		{ TLS_PEEK_EX, 16 },
		/* clang-format on */
	};
	unsigned char in[512];

	if (link_moved(to, end_call(to, TLS_PEEK, in, sizeof(in))))
		peer_die("bytes before any were sent");
	for (int i = 0; i < 4; i++) {
		unsigned char *out = tls_random(300);

		end_must(from, TLS_WRITE, out, 300);
		free(out);
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		end_must(to, steps[i].fn, in, steps[i].len);
}

/* The handshake of a resumed connection with data in both directions before its end. */
static void early_exchange(const struct tls_pair *pair, const struct link *link)
{
	unsigned char *hello = tls_random(700), *answer = tls_random(600);
	unsigned char in[1024];

	end_must(link->client, TLS_WRITE_EARLY, hello, 500);
	end_must(link->client, TLS_WRITE_EARLY, hello + 500, 200);
	end_must(link->server, TLS_READ_EARLY, in, 300);
	end_must(link->server, TLS_READ_EARLY, in, 200);
	end_must(link->server, TLS_READ_EARLY, in, 200);
	end_must(link->server, TLS_WRITE_EARLY, answer, 400);
	end_must(link->server, TLS_WRITE_EARLY, answer + 400, 200);

	if (SSL_do_handshake(pair->client) != 1)
		peer_die("the client did not finish");
	if (end_call(link->server, TLS_READ_EARLY, in, sizeof(in)) > 0)
		peer_die("more early data than was sent");
	if (SSL_get_early_data_status(pair->client) != SSL_EARLY_DATA_ACCEPTED)
		peer_die("early data was refused");
	tls_pair_handshake(pair);
	end_must(link->client, TLS_READ, in, 400);
	end_must(link->client, TLS_READ_EX, in, 200);
	free(answer);
	free(hello);
}

/*
 * The hello and the early data wait in the library together. The first calls find no room for all
 * of it, which they say after they have taken the data: the call that ends it sends no more.
 */
static void early_retried(const struct tls_pair *pair, const struct link *link)
{
	unsigned char *hello = tls_random(700);
	size_t got = 0, tries = 0;
	unsigned char in[1024];

	while (!link_moved(link->client, end_call(link->client, TLS_WRITE_EARLY, hello, 700))) {
		tries++;
		got += link_moved(link->server,
				  end_call(link->server, TLS_READ_EARLY, in + got, 700 - got));
	}
	if (!tries)
		peer_die("the early data was sent at once");
	while (got < 700)
		got += link_moved(link->server,
				  end_call(link->server, TLS_READ_EARLY, in + got, 700 - got));
	if (memcmp(in, hello, got))
		peer_die("the early data arrived changed");

	if (end_call(link->server, TLS_READ_EARLY, in, sizeof(in)) > 0)
		peer_die("more early data than was sent");
	tls_pair_handshake(pair);
	free(hello);
}

/* What the client keeps of a connection in order to resume it; each goes for one resumption. */
static SSL_SESSION *resumable(const struct tls_pair *pair)
{
	/* The tickets came with the first bytes that the client read. */
	SSL_SESSION *session = SSL_get1_session(pair->client);

	if (!session || !SSL_SESSION_get_max_early_data(session))
		peer_die("no session that allows early data");
	/* A handle that is freed without a shutdown takes its session with it. */
	SSL_shutdown(pair->client);
	SSL_shutdown(pair->server);
	return session;
}

/* One resumed connection; @session becomes what the next one resumes. */
static void every_early(struct tls_context *tls, struct account *acc, SSL_SESSION **session,
			bool retried)
{
	struct tls_pair pair = tls_pair_new(tls);
	struct link link = link_of(acc, retried ? "early, retried" : "early", &pair);

	tls_pair_join_rooms(&pair, retried ? 256 : TLS_ROOM, TLS_ROOM);
	if (SSL_set_session(pair.client, *session) != 1)
		peer_die("the session was refused");
	SSL_SESSION_free(*session);
	if (retried)
		early_retried(&pair, &link);
	else
		early_exchange(&pair, &link);
	every_plain(link.client, link.server, 90);
	every_plain(link.server, link.client, 120);
	*session = resumable(&pair);
	tls_pair_free(&pair);
}

void peer_every(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct tls_pair pair;
	struct link link = link_connect(tls, acc, "plain", &pair);
	SSL_SESSION *session;

	(void)opt;
	every_plain(link.client, link.server, 30);
	every_plain(link.server, link.client, 60);
	every_peek(link.client, link.server);
	every_peek(link.server, link.client);
	session = resumable(&pair);
	tls_pair_free(&pair);
	every_early(tls, acc, &session, false);
	every_early(tls, acc, &session, true);
	SSL_SESSION_free(session);
}

/* --- nested: the BIO of an inner handle calls the public functions of the outer one --------- */

static int outer_result(BIO *bio, struct end *outer, int n)
{
	BIO_clear_retry_flags(bio);
	if (n > 0)
		return n;
	if (SSL_get_error(end_ssl(outer), n) == SSL_ERROR_WANT_WRITE)
		BIO_set_retry_write(bio);
	else
		BIO_set_retry_read(bio);
	return -1;
}

static int outer_write(BIO *bio, const char *buf, int len)
{
	struct end *outer = BIO_get_data(bio);

	return outer_result(bio, outer,
			    end_call(outer, TLS_WRITE, (void *)(uintptr_t)buf, (size_t)len));
}

static int outer_read(BIO *bio, char *buf, int len)
{
	struct end *outer = BIO_get_data(bio);

	return outer_result(bio, outer, end_call(outer, TLS_READ, buf, (size_t)len));
}

static long outer_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *outer_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outer TLS");

	if (!method || BIO_meth_set_write(method, outer_write) != 1 ||
	    BIO_meth_set_read(method, outer_read) != 1 ||
	    BIO_meth_set_ctrl(method, outer_ctrl) != 1)
		peer_die("no BIO method");
	return method;
}

static void put_inside(SSL *inner, const BIO_METHOD *method, struct end *outer)
{
	BIO *bio = BIO_new(method);

	if (!bio)
		peer_die("no BIO");
	BIO_set_data(bio, outer);
	BIO_set_init(bio, 1);
	SSL_set_bio(inner, bio, bio);
}

/* The inner layers shake hands inside their first read and write, so calls nest there too. */
void peer_nested(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	static const char *const names[] = { "layer 0", "layer 1", "layer 2", "layer 3" };
	struct tls_pair pairs[PEER_MAX_DEPTH] = { 0 };
	struct link links[PEER_MAX_DEPTH] = { 0 };
	BIO_METHOD *method = outer_method();
	unsigned int i;

	links[0] = link_connect(tls, acc, names[0], &pairs[0]);
	link_exchange(links[0].client, links[0].server, 50);
	for (i = 1; i < opt->depth; i++) {
		pairs[i] = tls_pair_new(tls);
		links[i] = link_of(acc, names[i], &pairs[i]);
		put_inside(pairs[i].client, method, links[i - 1].client);
		put_inside(pairs[i].server, method, links[i - 1].server);
		link_exchange(links[i].client, links[i].server, 1000 + i);
		link_exchange(links[i].server, links[i].client, 40000 + i);
	}
	link_exchange(links[0].server, links[0].client, 60);
	while (i-- > 0)
		tls_pair_free(&pairs[i]);
	BIO_meth_free(method);
}

/* --- reuse ---------------------------------------------------------------------------------- */

void peer_reuse(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	struct tls_pair pair = { 0 };

	tls_context_forget(tls);
	for (unsigned int i = 0; i < opt->count; i++) {
		struct link link;

		if (!pair.client)
			pair = tls_pair_new(tls);
		tls_pair_join(&pair, TLS_ROOM);
		tls_pair_handshake(&pair);
		link = link_of(acc, "reuse", &pair);
		link_exchange(link.client, link.server, 8 + i % 97);
		link_exchange(link.server, link.client, 8 + i % 89);
		if (opt->clear) {
			tls_pair_clear(&pair);
		} else {
			tls_pair_free(&pair);
		}
	}
	tls_pair_free(&pair);
}
