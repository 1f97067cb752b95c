/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Certificate, contexts, handles and handshakes. Everything dies with a message on failure. */
#include <openssl/ssl.h>

/* A client and a server context that trust each other; TLS 1.3 only, early data allowed. */
struct tls_context {
	SSL_CTX *client;
	SSL_CTX *server;
};

#define TLS_ROOM (1 << 20)

/* Two handles that talk to each other. */
struct tls_pair {
	SSL *client;
	SSL *server;
};

/* Make the key, the self-signed certificate and both contexts, all in memory. */
void tls_context_init(struct tls_context *tls);

/* No tickets and no cache: nothing of a connection stays on the heap, so addresses come back. */
void tls_context_forget(struct tls_context *tls);

void tls_context_done(struct tls_context *tls);

/* Two new handles, not yet connected to anything. */
struct tls_pair tls_pair_new(const struct tls_context *tls);

/*
 * Join the two by memory BIOs with @room bytes each way: never blocks, says "want read" when the
 * other has said nothing and "want write" when the room is used up.
 */
void tls_pair_join(const struct tls_pair *pair, size_t room);

/* The same with room of its own for each way. */
void tls_pair_join_rooms(const struct tls_pair *pair, size_t to_server, size_t to_client);

/* Join the two by a socket pair; with @flags SOCK_NONBLOCK both ends never block. */
void tls_pair_join_socket(const struct tls_pair *pair, int flags);

/* Let both sides shake hands in turn on this thread until both have finished. */
void tls_pair_handshake(const struct tls_pair *pair);

/* SSL_clear() both, without a session to go on with: they can be joined anew. */
void tls_pair_clear(const struct tls_pair *pair);

void tls_pair_free(struct tls_pair *pair);

/* @len random bytes. The caller frees them. */
unsigned char *tls_random(size_t len);
