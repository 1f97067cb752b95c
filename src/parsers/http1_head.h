/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parsers/codec.h"
#include "parsers/http_message.h"

/* Heads of HTTP/1.x messages: no state, no memory of their own. Used by http1*.c only. */

/* What a start line says; the spans point into it. */
struct ecap_http1_start {
	bool is_response;
	uint8_t minor;
	uint16_t status;
	uint32_t flags; /* enum ecap_http_flag */
	struct ecap_span method, target, reason;
};

/* What the fields say of the body (RFC 9112 6). */
struct ecap_http1_framing {
	bool has_length;
	bool is_length_bad; /* no number, or several that differ */
	bool has_te;
	bool is_chunked; /* the last transfer coding */
	bool is_coding_unknown;
	uint64_t length;
	size_t n_lengths;
	size_t n_hosts;
	/* content codings, then transfer codings, in the order in which they were applied */
	enum ecap_coding codings[ECAP_CODEC_MAX_CHAIN];
	size_t n_codings;
	enum ecap_coding te_codings[ECAP_CODEC_MAX_CHAIN];
	size_t n_te_codings;
	struct ecap_span content_coding; /* the first field's value */
};

/* Where a scan for what can not be a start line stands; zero at its first byte. */
struct ecap_http1_scan {
	size_t checked;
	size_t space; /* where the method ends; 0 as long as it does not */
};

/*
 * May these bytes, more of which follow, still become a start line? @any_method: also with a
 * method that we do not know. Looks at each byte once; @scan keeps the place.
 */
bool ecap_http1_may_start(struct ecap_http1_scan *scan, const uint8_t *p, size_t n,
			  bool any_method);

/* Take a line with its end (LF or CR LF) apart; false: it is no start line. */
bool ecap_http1_parse_start(const uint8_t *p, size_t n, struct ecap_http1_start *ret);

/* Is this line, with its end, empty? */
bool ecap_http1_is_empty_line(const uint8_t *p, size_t n);

/*
 * Take the lines of fields in the @n bytes at @p apart. Lists at most @max of them in @fields
 * (NULL: none), which point into @p; returns how many there are. Sets flags of the message, and
 * what the fields say of the body, of which all of them count.
 */
size_t ecap_http1_parse_fields(const uint8_t *p, size_t n, struct ecap_http_field *fields,
			       size_t max, uint32_t *flags, struct ecap_http1_framing *framing);

/*
 * The size in the first line of a chunk, with its end; white space behind it and extensions are
 * skipped. False: there is none, or more than 60 bits.
 */
bool ecap_http1_parse_chunk_size(const uint8_t *p, size_t n, uint64_t *ret);
