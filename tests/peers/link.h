/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Both ends of one connection, played by turns on one thread. */
#include <stddef.h>

struct account;
struct end;
struct tls_context;
struct tls_pair;

/* The two ends of one connection in the account. */
struct link {
	struct end *client;
	struct end *server;
};

/* Note both ends of @pair under @name, which must outlive the account. */
struct link link_of(struct account *acc, const char *name, const struct tls_pair *pair);

/* A connected pair on memory BIOs, noted under @name. */
struct link link_connect(struct tls_context *tls, struct account *acc, const char *name,
			 struct tls_pair *ret_pair);

/* Bytes that a call which returned @n moved; 0 where the handle has to wait for the other end. */
size_t link_moved(struct end *end, int n);

/* Take turns until @to has read the @len bytes that @from writes, then compare them. */
void link_exchange(struct end *from, struct end *to, size_t len);
