/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/codec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

/* What a decoder writes at a time. */
#define OUT_SIZE 16384

/* RFC 8878 7.2: a decoder of a content coding need not accept larger windows (1 << 23). */
#define ZSTD_WINDOW_LOG 23

/* RFC 1950 2.2: method and flags. */
#define DEFLATE_HEAD 2

/* zlib's own numbers for inflateInit2(): a window of 32 KiB, and which wrapper. */
#define WINDOW_BITS	  15
#define WINDOW_BITS_GZIP  (WINDOW_BITS + 16)
#define WINDOW_BITS_NAKED (-WINDOW_BITS)

struct stage {
	enum ecap_coding coding;
	size_t memory; /* of zlib's and brotli's, by their allocators */
	uint64_t n_out;
	bool is_begun;
	bool is_ended;
	z_stream z;
	uint8_t head[4]; /* of deflate, to tell its forms apart (2 bytes); of a frame of zstd */
	size_t n_head;
	BrotliDecoderState *br;
	ZSTD_DStream *zstd;
	uint8_t out[OUT_SIZE];
};

struct ecap_codec {
	struct ecap_codec_limits limits;
	uint64_t n_in;
	int err;
	ecap_codec_out_fn *out; /* of the call under way */
	void *arg;
	size_t n_stages;
	struct stage stages[]; /* in the order of decoding */
};

static int stage_feed(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n);

/* ---------------------------------------------------------------------------------- allocators */

/* Both libraries free without a size, so it stands in front of what they get. */
union prefix {
	size_t size;
	max_align_t align;
};

static void *counted_alloc(void *opaque, size_t size)
{
	struct stage *s = opaque;
	union prefix *p;

	if (size > SIZE_MAX - sizeof(*p))
		return NULL;
	p = malloc(sizeof(*p) + size);
	if (!p)
		return NULL;
	p->size = size;
	s->memory += size;
	return p + 1;
}

static void counted_free(void *opaque, void *address)
{
	struct stage *s = opaque;
	union prefix *p = address;

	if (!p)
		return;
	p--;
	s->memory -= p->size;
	free(p);
}

static void *zlib_alloc(void *opaque, unsigned int items, unsigned int size)
{
	return counted_alloc(opaque, (size_t)items * size);
}

/* ------------------------------------------------------------------------------------ decoders */

/* @s has made @n bytes: within the limits they go to the next decoder, or out. */
static int pass_on(struct ecap_codec *c, size_t index, size_t n)
{
	struct stage *s = &c->stages[index];
	uint64_t room = c->limits.max_out - s->n_out;
	bool is_over = n > room;
	int r = 0;

	if (is_over)
		n = (size_t)room;
	if (s->n_out + n > c->limits.ratio_applies &&
	    (s->n_out + n) / c->limits.max_ratio > c->n_in)
		return -EFBIG;
	s->n_out += n;
	if (index + 1 < c->n_stages)
		r = stage_feed(c, index + 1, s->out, n);
	else if (n)
		c->out(c->arg, s->out, n);
	return r < 0 || !is_over ? r : -EFBIG;
}

static int zlib_begin(struct stage *s, int window_bits)
{
	s->z.zalloc = zlib_alloc;
	s->z.zfree = counted_free;
	s->z.opaque = s;
	s->is_begun = true;
	return inflateInit2(&s->z, window_bits) == Z_OK ? 0 : -ENOMEM;
}

/* Another member of a gzip file may follow the end of one (RFC 1952 2.2). */
static int zlib_goes_on(struct stage *s)
{
	if (s->coding != ECAP_CODING_GZIP || s->z.next_in[0] != 0x1f)
		return -EBADMSG;
	s->is_ended = false;
	return inflateReset(&s->z) == Z_OK ? 0 : -EBADMSG;
}

static int inflate_all(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n)
{
	struct stage *s = &c->stages[index];
	int r = 0, z;

	/* zlib counts in 32 bits; what is fed here are chunks of a stream. */
	s->z.next_in = (uint8_t *)(uintptr_t)p;
	s->z.avail_in = (unsigned int)n;
	do {
		if (s->is_ended && s->z.avail_in)
			r = zlib_goes_on(s);
		if (r < 0 || s->is_ended)
			return r;
		s->z.next_out = s->out;
		s->z.avail_out = OUT_SIZE;
		z = inflate(&s->z, Z_NO_FLUSH);
		s->is_ended = z == Z_STREAM_END;
		if (z == Z_MEM_ERROR)
			return -ENOMEM;
		r = pass_on(c, index, OUT_SIZE - s->z.avail_out);
		/* Z_BUF_ERROR: there was nothing left to do. */
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
			return -EBADMSG;
	} while (r == 0 && (s->z.avail_in || !s->z.avail_out));
	return r;
}

static int gzip_feed(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n)
{
	struct stage *s = &c->stages[index];
	int r = s->is_begun ? 0 : zlib_begin(s, WINDOW_BITS_GZIP);

	return r < 0 ? r : inflate_all(c, index, p, n);
}

/*
 * "deflate" means zlib's wrapper, but some servers send what is in it. A wrapper begins with a
 * method of 8 and a check of two bytes (RFC 1950 2.2); no encoder begins naked data so: it would
 * be a stored block with padding that is not zero.
 */
static int deflate_feed(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n)
{
	struct stage *s = &c->stages[index];
	bool is_wrapped;
	int r;

	if (s->is_begun)
		return inflate_all(c, index, p, n);
	while (n && s->n_head < DEFLATE_HEAD) {
		s->head[s->n_head++] = *p++;
		n--;
	}
	if (s->n_head < DEFLATE_HEAD)
		return 0;
	is_wrapped = (s->head[0] & 0x0f) == 8 && (s->head[0] << 8 | s->head[1]) % 31 == 0;
	r = zlib_begin(s, is_wrapped ? WINDOW_BITS : WINDOW_BITS_NAKED);
	if (r == 0)
		r = inflate_all(c, index, s->head, DEFLATE_HEAD);
	return r < 0 || !n ? r : inflate_all(c, index, p, n);
}

static int br_feed(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n)
{
	struct stage *s = &c->stages[index];
	BrotliDecoderResult result;
	int r;

	if (!s->br)
		s->br = BrotliDecoderCreateInstance(counted_alloc, counted_free, s);
	if (!s->br)
		return -ENOMEM;
	do {
		uint8_t *out = s->out;
		size_t room = OUT_SIZE;

		if (s->is_ended)
			return n ? -EBADMSG : 0;
		result = BrotliDecoderDecompressStream(s->br, &n, &p, &room, &out, NULL);
		s->is_begun = true;
		s->is_ended = result == BROTLI_DECODER_RESULT_SUCCESS;
		r = pass_on(c, index, OUT_SIZE - room);
		if (result == BROTLI_DECODER_RESULT_ERROR)
			return -EBADMSG;
	} while (r == 0 && (n || result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT));
	return r;
}

static int zstd_begin(struct stage *s)
{
	if (s->zstd)
		return 0;
	s->zstd = ZSTD_createDStream();
	if (!s->zstd ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
		return -ENOMEM;
	s->is_begun = true;
	return 0;
}

/*
 * libzstd may know formats from before RFC 8878, which nobody sends and few look after: only frames
 * (3.1.1), and those that are skipped (3.1.2), are handed to it. 1: one begins, 0: more decide.
 */
static int zstd_magic(struct stage *s, const uint8_t **p, size_t *n)
{
	uint32_t magic;

	s->is_ended = false;
	while (*n && s->n_head < sizeof(s->head)) {
		s->head[s->n_head++] = *(*p)++;
		--*n;
	}
	if (s->n_head < sizeof(s->head))
		return 0;
	magic = (uint32_t)s->head[0] | (uint32_t)s->head[1] << 8 | (uint32_t)s->head[2] << 16 |
		(uint32_t)s->head[3] << 24;
	return magic == ZSTD_MAGICNUMBER ||
			       (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START ?
		       1 :
		       -EBADMSG;
}

/* Decode to the end of the frame or of what there is. */
static int zstd_frame(struct ecap_codec *c, size_t index, ZSTD_inBuffer *in)
{
	struct stage *s = &c->stages[index];
	ZSTD_outBuffer out;
	int r;

	do {
		size_t left;

		out = (ZSTD_outBuffer){ .dst = s->out, .size = OUT_SIZE };
		left = ZSTD_decompressStream(s->zstd, &out, in);
		if (ZSTD_isError(left))
			return -EBADMSG;
		s->is_ended = left == 0;
		r = pass_on(c, index, out.pos);
		/* A full buffer may hide more, unless the frame is over. */
	} while (r == 0 && !s->is_ended && (in->pos < in->size || out.pos == out.size));
	if (s->is_ended)
		s->n_head = 0;
	return r;
}

static int zstd_feed(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n)
{
	struct stage *s = &c->stages[index];
	int r = zstd_begin(s);

	while (r == 0 && n) {
		ZSTD_inBuffer in = { .src = s->head, .size = sizeof(s->head) };

		if (s->n_head < sizeof(s->head)) {
			r = zstd_magic(s, &p, &n);
			if (r <= 0)
				return r;
			r = zstd_frame(c, index, &in);
			continue;
		}
		in = (ZSTD_inBuffer){ .src = p, .size = n };
		r = zstd_frame(c, index, &in);
		p += in.pos;
		n -= in.pos;
	}
	return r;
}

static void gzip_done(struct stage *s)
{
	if (s->is_begun)
		(void)inflateEnd(&s->z);
}

static void br_done(struct stage *s)
{
	BrotliDecoderDestroyInstance(s->br);
}

static void zstd_done(struct stage *s)
{
	(void)ZSTD_freeDStream(s->zstd);
}

/* ------------------------------------------------------------------------------------- codings */

static const struct {
	const char *names[2];
	int (*feed)(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n);
	void (*done)(struct stage *s);
} codings[] = {
	[ECAP_CODING_UNKNOWN] = { .feed = NULL },
	[ECAP_CODING_IDENTITY] = { .names = { "identity" } },
	/* RFC 9110 8.4.1.3: "x-gzip" is to be taken for it */
	[ECAP_CODING_GZIP] = { .names = { "gzip", "x-gzip" },
			       .feed = gzip_feed,
			       .done = gzip_done },
	[ECAP_CODING_DEFLATE] = { .names = { "deflate" }, .feed = deflate_feed, .done = gzip_done },
	[ECAP_CODING_BR] = { .names = { "br" }, .feed = br_feed, .done = br_done },
	[ECAP_CODING_ZSTD] = { .names = { "zstd" }, .feed = zstd_feed, .done = zstd_done },
};
_Static_assert(ECAP_ARRAY_SIZE(codings) == ECAP_CODING_COUNT, "a coding without a row");

const char *ecap_coding_name(enum ecap_coding coding)
{
	return codings[coding].names[0];
}

enum ecap_coding ecap_coding_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ECAP_CODING_COUNT; i++) {
		for (size_t k = 0; k < ECAP_ARRAY_SIZE(codings[i].names); k++) {
			const char *known = codings[i].names[k];

			if (known && strlen(known) == len && strncasecmp(known, name, len) == 0)
				return (enum ecap_coding)i;
		}
	}
	return ECAP_CODING_UNKNOWN;
}

static int stage_feed(struct ecap_codec *c, size_t index, const uint8_t *p, size_t n)
{
	return n ? codings[c->stages[index].coding].feed(c, index, p, n) : 0;
}

/* -------------------------------------------------------------------------------------- chains */

int ecap_codec_new(const enum ecap_coding *list, size_t n, const struct ecap_codec_limits *limits,
		   struct ecap_codec **ret)
{
	struct ecap_codec *c;
	size_t n_stages = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i] == ECAP_CODING_UNKNOWN)
			return -EINVAL;
		n_stages += list[i] != ECAP_CODING_IDENTITY;
	}
	if (n_stages > ECAP_CODEC_MAX_CHAIN)
		return -E2BIG;
	c = calloc(1, sizeof(*c) + n_stages * sizeof(c->stages[0]));
	if (!c)
		return -ENOMEM;
	c->limits = *limits;
	for (size_t i = n; i-- > 0;) { /* what was applied last comes off first */
		if (list[i] != ECAP_CODING_IDENTITY)
			c->stages[c->n_stages++].coding = list[i];
	}
	*ret = c;
	return 0;
}

void ecap_codec_free(struct ecap_codec *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_stages; i++)
		codings[c->stages[i].coding].done(&c->stages[i]);
	free(c);
}

int ecap_codec_feed(struct ecap_codec *c, const uint8_t *p, size_t n, ecap_codec_out_fn *out,
		    void *arg)
{
	/* zlib counts in 32 bits */
	const size_t most = 1u << 30;

	c->out = out;
	c->arg = arg;
	while (n && c->err == 0) {
		size_t part = n < most ? n : most;

		c->n_in += part;
		if (c->n_stages)
			c->err = stage_feed(c, 0, p, part);
		else
			out(arg, p, part);
		p += part;
		n -= part;
	}
	return c->err;
}

int ecap_codec_end(const struct ecap_codec *c)
{
	if (c->err || !c->n_in)
		return c->err;
	for (size_t i = 0; i < c->n_stages; i++) {
		if (!c->stages[i].is_ended)
			return -ENODATA;
	}
	return 0;
}

uint64_t ecap_codec_n_in(const struct ecap_codec *c)
{
	return c->n_in;
}

uint64_t ecap_codec_n_out(const struct ecap_codec *c)
{
	return c->n_stages ? c->stages[c->n_stages - 1].n_out : c->n_in;
}

size_t ecap_codec_memory(const struct ecap_codec *c)
{
	size_t n = sizeof(*c) + c->n_stages * sizeof(c->stages[0]);

	for (size_t i = 0; i < c->n_stages; i++)
		n += c->stages[i].memory + ZSTD_sizeof_DStream(c->stages[i].zstd);
	return n;
}
