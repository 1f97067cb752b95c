/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/*
 * Decoders of content codings (RFC 9110 8.4.1), one behind the other as "Content-Encoding: gzip,
 * br" asks for. Bytes in with any split, decoded bytes out through a callback; no descriptor and
 * no clock. Input is hostile: output is bounded by size and by its ratio to the input.
 */

enum ecap_coding {
	ECAP_CODING_UNKNOWN,
	ECAP_CODING_IDENTITY,
	ECAP_CODING_GZIP,    /* RFC 1952, several members too */
	ECAP_CODING_DEFLATE, /* RFC 1950, or RFC 1951 alone, as some servers send it */
	ECAP_CODING_BR,	     /* RFC 7932 */
	ECAP_CODING_ZSTD,    /* RFC 8878, windows of up to 8 MiB */
	ECAP_CODING_COUNT,
};

/* A chain of more codings is refused; nobody sends it. */
#define ECAP_CODEC_MAX_CHAIN 4

struct ecap_codec_limits {
	uint64_t max_out;	/* bytes that one decoder of the chain may make */
	uint32_t max_ratio;	/* of that to the input of the chain; deflate reaches 1032 */
	uint64_t ratio_applies; /* from so many bytes of output on */
};

struct ecap_codec;

/* Gets what was decoded, in order; @p is borrowed for the call. */
typedef void ecap_codec_out_fn(void *arg, const uint8_t *p, size_t n);

/* The coding of that name, in any case ("x-gzip" is gzip); UNKNOWN if it is none of ours. */
enum ecap_coding ecap_coding_find(const char *name, size_t len);

/* Its usual name; NULL for UNKNOWN. */
const char *ecap_coding_name(enum ecap_coding coding);

/*
 * Decoders for a body to which the codings of @list were applied, the first one first; identity is
 * skipped. -EINVAL: an unknown coding, -E2BIG: too many, -ENOMEM.
 */
int ecap_codec_new(const enum ecap_coding *list, size_t n, const struct ecap_codec_limits *limits,
		   struct ecap_codec **ret);
void ecap_codec_free(struct ecap_codec *c);
ECAP_DEFINE_FREEP(struct ecap_codec, ecap_codec_free)

/*
 * Decode @n more bytes and hand out what they give. 0, or for ever after: -EBADMSG (not in this
 * coding, or something follows its end), -EFBIG (beyond the limits), -ENOMEM. What was handed out
 * before an error is good; how much that is, and when a ratio is too good, depends on the split.
 */
int ecap_codec_feed(struct ecap_codec *c, const uint8_t *p, size_t n, ecap_codec_out_fn *out,
		    void *arg);
/*
 * Is this a place where the coded body may end? 0, the error that there was, or -ENODATA: more
 * must follow. A body of no bytes at all is whole.
 */
int ecap_codec_end(const struct ecap_codec *c);

/* Bytes that have been fed, and handed out. */
uint64_t ecap_codec_n_in(const struct ecap_codec *c);
uint64_t ecap_codec_n_out(const struct ecap_codec *c);
/* Memory that it holds now. */
size_t ecap_codec_memory(const struct ecap_codec *c);
