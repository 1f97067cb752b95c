/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A peer for each TLS library that is not OpenSSL: other.c plays both ends of connections and keeps
 * the account, other_NAME.c says how one library is called.
 */
#include <stdbool.h>
#include <stddef.h>

struct other_end;

/* One function that moves plaintext. Returns bytes, 0 where it has to wait; dies otherwise. */
struct other_fn {
	const char *name;
	bool send;
	bool peek;
	long (*call)(void *handle, void *buf, size_t len);
};

struct other_pair {
	struct other_end *client;
	struct other_end *server;
	int fds[2]; /* the client's and the server's */
};

/* What only one library can do. */
struct other_scenario {
	const char *name;
	void (*run)(void);
};

struct other_library {
	const struct other_fn *fns;
	size_t n_fns;
	const struct other_scenario *scenarios;
	size_t n_scenarios;
	const char *(*version)(void);
	/* Load the certificate and its key, PEM files. */
	void (*init)(const char *cert, const char *key);
	/* A handle on a descriptor that never blocks. */
	void *(*open)(bool server, int fd);
	/* One step of the handshake; true when this side has finished. */
	bool (*shake)(void *handle);
	/* The same handle for another connection; NULL: the library has nothing like it. */
	void (*clear)(void *handle, bool server, int fd);
	void (*close)(void *handle);
};

/* Each other_NAME.c has one. */
extern const struct other_library other_library;

/* Two ends in the account, not yet connected to anything. */
struct other_pair other_pair_new(const char *name, void *client, void *server);
/* A connected pair. */
struct other_pair other_connect(const char *name);
/* Shake hands in turn until both have finished. */
void other_shake(void *client, void *server);
/* Close both handles and descriptors. */
void other_close(struct other_pair *pair);
void *other_handle(const struct other_end *end);
/* Descriptors that never block, of the kind SOCK_STREAM or SOCK_DGRAM. */
void other_sockets(int kind, int *ret_fds);

/* Call @fn and note what it moved. Returns bytes, 0 where it has to wait. */
size_t other_call(struct other_end *end, const struct other_fn *fn, void *buf, size_t len);
/* The same, and die unless it moved @len bytes. */
void other_must(struct other_end *end, const struct other_fn *fn, void *buf, size_t len);
/* Note @len received bytes that nobody was given a buffer with. */
void other_note_unseen(struct other_end *end, size_t len);
/* Take turns until @to has read by @read the @len random bytes that @from says by @write. */
void other_exchange(struct other_end *from, const struct other_fn *write, struct other_end *to,
		    const struct other_fn *read, size_t len);
/* @len random bytes, which the caller frees. */
unsigned char *other_random(size_t len);

/* Print "other_peer: <message>" and exit with 1. */
__attribute__((noreturn, format(printf, 1, 2))) void other_die(const char *fmt, ...);
