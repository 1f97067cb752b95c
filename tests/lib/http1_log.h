/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "parsers/http1.h"

/* What is done to a parser: bytes of a side, or a gap. Its number is its time. */
struct http1_step {
	unsigned int side;
	bool joined; /* no read or write begins here */
	uint64_t gap;
	const char *bytes;
	size_t len;
};

struct http1_run {
	struct ecap_http1_limits limits;
	bool from_start;
	bool is_closed;
	size_t cut;	/* a piece ends at this byte of all; 0: none */
	bool byte_wise; /* each byte is a piece */
};

struct http1_account {
	uint64_t fed[2];
	uint64_t messages[2]; /* bytes on the wire, less what was missing in bodies */
	uint64_t raw[2];
	struct ecap_http1_counters counters;
};

/*
 * Feed a parser and write down all that it says, a line each, without regard to how raw bytes were
 * cut. Aborts if a promise is broken that holds for any input: each byte is told of once, in
 * order, exchanges end once, no memory is left.
 *
 *   request 1 GET / 1.1 @0+18 t1-1 {chunked} [Host: x] "body" 4/4
 *   response 1 200 OK 1.1 ...
 *   exchange 1 + + {unsure} interim=1
 *   raw 0 @5 "bytes"
 */
void http1_log(const struct http1_run *run, const struct http1_step *steps, size_t n,
	       struct ecap_buf *log, struct http1_account *ret);

/* A parser whose events nobody looks at; it fails the test if there is no memory. */
struct ecap_http1 *http1_quiet(struct ecap_http1_shared *shared, bool from_start);
