/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The peers' own account: which function moved how many bytes on which handle, and the SHA-256 of
 * each direction. It is kept from the buffers that the scenarios passed, never from a capture.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <openssl/ssl.h>

enum tls_fn {
	TLS_READ,
	TLS_READ_EX,
	TLS_PEEK,
	TLS_PEEK_EX,
	TLS_READ_EARLY,
	TLS_WRITE,
	TLS_WRITE_EX,
	TLS_WRITE_EX2,
	TLS_WRITE_EARLY,
	TLS_BIO_READ, /* through a BIO_f_ssl() over the handle, which calls no public function */
	TLS_BIO_WRITE,
	TLS_FN_COUNT,
};

enum tls_dir {
	DIR_SEND,
	DIR_RECV,
	DIR_COUNT,
};

struct account;
struct end;

/* An account for at most @capacity ends. All memory is taken here, so that the heap between
 * SSL_free() and the next SSL_new() stays as it was and addresses come back. */
struct account *account_new(size_t capacity, bool with_calls);

/* The next end of a connection; @name and @role must outlive the account. Borrowed. */
struct end *account_end(struct account *acc, const char *name, const char *role, SSL *ssl);

/* The handle of @end. */
SSL *end_ssl(const struct end *end);

/*
 * Call @fn on the handle and note what it moved. Returns what the plain functions return: bytes,
 * or <= 0 with SSL_get_error() telling why; the early data functions return bytes or <= 0 too.
 */
int end_call(struct end *end, enum tls_fn fn, void *buf, size_t len);

/* As end_call(), and die unless exactly @len bytes were moved. */
void end_must(struct end *end, enum tls_fn fn, void *buf, size_t len);

/* True where the library has the function (SSL_write_ex2 came with OpenSSL 3.3). */
bool tls_has(enum tls_fn fn);

/* Close every hash and write the account as one line of JSON; nothing can be noted after it. */
void account_print(struct account *acc, const char *scenario, FILE *out);

void account_free(struct account *acc);
