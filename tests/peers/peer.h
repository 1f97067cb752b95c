/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every scenario gets, and the scenarios. Each returns only when all went as planned. */
#include <stdbool.h>

#define PEER_MAX_DEPTH	 4
#define PEER_MIN_MESSAGE 8
#define PEER_MAX_MESSAGE (64 << 20)

struct peer_options {
	unsigned int count; /* connections (reuse) or messages (threads: of each end; stream; 0:
			     * until told to stop) */
	unsigned int depth; /* TLS layers (nested), lives of a process (churn) */
	unsigned int size;  /* bytes of one message (stream, threads, large) or
			    * connection (noise) */
	unsigned int seed;  /* of what is left to chance (churn, noise) */
	const char *how;    /* which kind (brood, large, threads) */
	bool clear;	    /* SSL_clear instead of SSL_free and SSL_new (reuse) */
	bool thread;	    /* from a thread that is not the first (exec) */
	const char *exec;   /* the program to become; NULL: none (exec) */
};

struct account;
struct tls_context;

typedef void (*peer_scenario)(struct tls_context *tls, struct account *acc,
			      const struct peer_options *opt);

/* 256 KiB, one byte and nothing, each in one write, over a socket between two threads. */
void peer_write(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* A read that finds nothing, then one that gets 100 bytes. */
void peer_nonblock(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* Writes that take less than asked, and writes that are tried again. */
void peer_partial(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* Each public function that moves plaintext. */
void peer_every(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* opt->depth layers of TLS inside each other, all on one thread. */
void peer_nested(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* opt->count connections one after the other on the same handle addresses. */
void peer_reuse(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* Calls that a longjmp() leaves, several times on one thread, and what is said after them. */
void peer_longjmp(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* One connection over BIO_f_ssl(), which goes past the public functions. */
void peer_bio(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* A process and its child, each with a copy of one connection; the child has its own account. */
void peer_fork(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* One connection, then, if asked for, another program, which has to be this one's copy. */
void peer_exec(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* One connection between two threads, as many messages as fit, until "stop" or opt->count. */
void peer_stream(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/*
 * 16 connections between 32 threads; each end says opt->count numbered, printable messages; they
 * are requests and responses if opt->how is "http".
 */
void peer_threads(struct tls_context *tls, struct account *acc, const struct peer_options *opt);
/* One write of opt->size bytes; opt->how "ex": with the function that has an out argument. */
void peer_large(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* opt->count short processes, one after the other; opt->how is what is odd about them. */
void peer_brood(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/*
 * opt->count connections of opt->size random bytes each, and one of HTTP before them. Prints
 * progress after each 64 MiB, and waits for a line then.
 */
void peer_noise(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* opt->count steps of chance: connections, threads, children, and other lives by exec. */
void peer_churn(struct tls_context *tls, struct account *acc, const struct peer_options *opt);

/* Print "tls_peer: <message>: <reason of OpenSSL or errno>" and exit with 1. */
__attribute__((noreturn, format(printf, 1, 2))) void peer_die(const char *fmt, ...);
