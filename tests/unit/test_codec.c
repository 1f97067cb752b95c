/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/codec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <brotli/encode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"

#define MAX_OUT (64u << 20)

static const struct ecap_codec_limits wide = {
	.max_out = MAX_OUT,
	.max_ratio = 100000,
	.ratio_applies = 1 << 20,
};

/* ---------------------------------------------------------------------------------- encoders */

static void put_zlib(struct ecap_buf *to, const uint8_t *p, size_t n, int window_bits)
{
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)p, .avail_in = (unsigned int)n };
	size_t room = n + n / 8 + 64;

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = ecap_buf_reserve(to, room);
	z.avail_out = (unsigned int)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	to->len += z.total_out;
	(void)deflateEnd(&z);
}

static void put_gzip(struct ecap_buf *to, const uint8_t *p, size_t n)
{
	put_zlib(to, p, n, 15 + 16);
}

static void put_deflate(struct ecap_buf *to, const uint8_t *p, size_t n)
{
	put_zlib(to, p, n, 15);
}

static void put_naked(struct ecap_buf *to, const uint8_t *p, size_t n)
{
	put_zlib(to, p, n, -15);
}

static void put_br(struct ecap_buf *to, const uint8_t *p, size_t n)
{
	size_t size = BrotliEncoderMaxCompressedSize(n) + 16;

	assert_true(BrotliEncoderCompress(4, 22, BROTLI_MODE_GENERIC, n, p, &size,
					  ecap_buf_reserve(to, size)));
	to->len += size;
}

static void put_zstd(struct ecap_buf *to, const uint8_t *p, size_t n)
{
	size_t size = ZSTD_compressBound(n);

	size = ZSTD_compress(ecap_buf_reserve(to, size), size, p, n, 3);
	assert_false(ZSTD_isError(size));
	to->len += size;
}

static const struct {
	const char *what;
	enum ecap_coding coding;
	void (*put)(struct ecap_buf *to, const uint8_t *p, size_t n);
} encoders[] = {
	{ .what = "gzip", .coding = ECAP_CODING_GZIP, .put = put_gzip },
	{ .what = "deflate", .coding = ECAP_CODING_DEFLATE, .put = put_deflate },
	{ .what = "naked deflate", .coding = ECAP_CODING_DEFLATE, .put = put_naked },
	{ .what = "br", .coding = ECAP_CODING_BR, .put = put_br },
	{ .what = "zstd", .coding = ECAP_CODING_ZSTD, .put = put_zstd },
};

/* -------------------------------------------------------------------------------- decoding */

static void to_buf(void *arg, const uint8_t *p, size_t n)
{
	ecap_buf_put(arg, p, n);
}

/* Decode in pieces of @piece bytes; what comes of it at the end. */
static int decode(const enum ecap_coding *chain, size_t n_chain, const struct ecap_buf *in,
		  size_t piece, struct ecap_buf *out)
{
	ecap_cleanup(ecap_codec_freep) struct ecap_codec *c = NULL;
	int r = 0;

	ecap_buf_reset(out);
	assert_int_equal(ecap_codec_new(chain, n_chain, &wide, &c), 0);
	for (size_t at = 0; at < in->len && r == 0; at += piece) {
		size_t n = in->len - at < piece ? in->len - at : piece;

		r = ecap_codec_feed(c, in->data + at, n, to_buf, out);
	}
	assert_int_equal(ecap_codec_n_out(c), out->len);
	if (r < 0) {
		assert_int_equal(ecap_codec_end(c), r);
		assert_int_equal(ecap_codec_feed(c, in->data, in->len, to_buf, out), r);
	} else {
		assert_int_equal(ecap_codec_n_in(c), in->len);
	}
	return ecap_codec_end(c);
}

static void check_same(const struct ecap_buf *a, const struct ecap_buf *b, const char *what)
{
	if (a->len != b->len || (a->len && memcmp(a->data, b->data, a->len) != 0))
		fail_msg("%s: %zu bytes, not the %zu that were coded", what, a->len, b->len);
}

struct fixture {
	struct ecap_buf plain, coded, out;
};

static void *setup_buffers(struct fixture *f)
{
	ecap_buf_init(&f->plain, MAX_OUT);
	ecap_buf_init(&f->coded, MAX_OUT);
	ecap_buf_init(&f->out, MAX_OUT);
	return f;
}

static void free_buffers(struct fixture *f)
{
	ecap_buf_done(&f->plain);
	ecap_buf_done(&f->coded);
	ecap_buf_done(&f->out);
}

#define fixture_scope ecap_cleanup(free_buffers) struct fixture

/* Bytes that compress, but not to nothing. */
static void fill(struct ecap_buf *to, size_t n)
{
	uint32_t x = 1;

	ecap_buf_reset(to);
	while (to->len < n) {
		x = x * 1664525u + 1013904223u;
		ecap_buf_putc(to, (char)("abcdefghijklmnop"[x >> 28]));
	}
}

static void finds_codings_by_name(void **state)
{
	static const struct {
		const char *name;
		enum ecap_coding want;
	} names[] = {
		{ "gzip", ECAP_CODING_GZIP },	    { "X-GZIP", ECAP_CODING_GZIP },
		{ "Deflate", ECAP_CODING_DEFLATE }, { "br", ECAP_CODING_BR },
		{ "zstd", ECAP_CODING_ZSTD },	    { "identity", ECAP_CODING_IDENTITY },
		{ "", ECAP_CODING_UNKNOWN },	    { "gzip2", ECAP_CODING_UNKNOWN },
		{ "gzi", ECAP_CODING_UNKNOWN },	    { "compress", ECAP_CODING_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(names); i++)
		assert_int_equal(ecap_coding_find(names[i].name, strlen(names[i].name)),
				 names[i].want);
}

static void decodes_any_split(void **state)
{
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(encoders); i++) {
		for (size_t size = 0; size < 300; size += 23) {
			fill(&f.plain, size);
			ecap_buf_reset(&f.coded);
			encoders[i].put(&f.coded, f.plain.data, f.plain.len);
			for (size_t piece = 1; piece <= f.coded.len; piece++) {
				assert_int_equal(
					decode(&encoders[i].coding, 1, &f.coded, piece, &f.out), 0);
				check_same(&f.out, &f.plain, encoders[i].what);
			}
		}
	}
}

static void decodes_what_is_large(void **state)
{
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	fill(&f.plain, 3 << 20);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(encoders); i++) {
		ecap_buf_reset(&f.coded);
		encoders[i].put(&f.coded, f.plain.data, f.plain.len);
		assert_int_equal(decode(&encoders[i].coding, 1, &f.coded, SIZE_MAX / 2, &f.out), 0);
		check_same(&f.out, &f.plain, encoders[i].what);
		assert_int_equal(decode(&encoders[i].coding, 1, &f.coded, 1447, &f.out), 0);
		check_same(&f.out, &f.plain, encoders[i].what);
	}
}

static void decodes_chains(void **state)
{
	static const enum ecap_coding chain[] = { ECAP_CODING_GZIP, ECAP_CODING_IDENTITY,
						  ECAP_CODING_BR, ECAP_CODING_ZSTD,
						  ECAP_CODING_DEFLATE };
	static const enum ecap_coding nothing[] = { ECAP_CODING_IDENTITY };
	struct ecap_buf last;
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	ecap_buf_init(&last, MAX_OUT);
	fill(&f.plain, 5000);
	put_gzip(&f.coded, f.plain.data, f.plain.len);
	put_br(&last, f.coded.data, f.coded.len);
	ecap_buf_reset(&f.coded);
	put_zstd(&f.coded, last.data, last.len);
	ecap_buf_reset(&last);
	put_deflate(&last, f.coded.data, f.coded.len);
	for (size_t piece = 1; piece < last.len; piece += 7) {
		assert_int_equal(decode(chain, ECAP_ARRAY_SIZE(chain), &last, piece, &f.out), 0);
		check_same(&f.out, &f.plain, "chain");
	}
	assert_int_equal(decode(nothing, 1, &f.plain, 100, &f.out), 0);
	check_same(&f.out, &f.plain, "identity");
	last.len--;
	assert_int_equal(decode(chain, ECAP_ARRAY_SIZE(chain), &last, 100, &f.out), -ENODATA);
	ecap_buf_done(&last);
}

static void refuses_chains(void **state)
{
	static const enum ecap_coding codings[] = { ECAP_CODING_GZIP, ECAP_CODING_GZIP,
						    ECAP_CODING_GZIP, ECAP_CODING_GZIP,
						    ECAP_CODING_GZIP };
	static const enum ecap_coding unknown = ECAP_CODING_UNKNOWN;
	struct ecap_codec *c = NULL;

	(void)state;
	assert_int_equal(ecap_codec_new(codings, 5, &wide, &c), -E2BIG);
	assert_int_equal(ecap_codec_new(&unknown, 1, &wide, &c), -EINVAL);
	assert_null(c);
	ecap_codec_free(NULL);
}

/* Members of gzip and frames of zstd may follow each other; nothing else may follow. */
static void decodes_what_follows(void **state)
{
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	fill(&f.plain, 500);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(encoders); i++) {
		enum ecap_coding coding = encoders[i].coding;
		bool goes_on = coding == ECAP_CODING_GZIP || coding == ECAP_CODING_ZSTD;

		ecap_buf_reset(&f.coded);
		encoders[i].put(&f.coded, f.plain.data, 200);
		encoders[i].put(&f.coded, f.plain.data + 200, 300);
		for (size_t piece = 1; piece < f.coded.len; piece++) {
			int r = decode(&coding, 1, &f.coded, piece, &f.out);

			assert_int_equal(r, goes_on ? 0 : -EBADMSG);
			if (goes_on)
				check_same(&f.out, &f.plain, encoders[i].what);
			else
				assert_int_equal(f.out.len, 200);
		}
		ecap_buf_reset(&f.coded);
		encoders[i].put(&f.coded, f.plain.data, 500);
		ecap_buf_puts(&f.coded, "trailing");
		assert_int_equal(decode(&coding, 1, &f.coded, 9999, &f.out), -EBADMSG);
		check_same(&f.out, &f.plain, encoders[i].what);
	}
}

static void skips_frames_of_zstd(void **state)
{
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
	enum ecap_coding zstd = ECAP_CODING_ZSTD;
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	fill(&f.plain, 100);
	ecap_buf_put(&f.coded, skippable, sizeof(skippable));
	put_zstd(&f.coded, f.plain.data, f.plain.len);
	assert_int_equal(decode(&zstd, 1, &f.coded, 1, &f.out), 0);
	check_same(&f.out, &f.plain, "a frame behind one that is skipped");
}

/* libzstd of Debian still reads version 0.5, whose frames begin with 25 b5 2f fd. */
static void refuses_old_frames_of_zstd(void **state)
{
	static const uint8_t old[] = { 0x25, 0xb5, 0x2f, 0xfd, 0x04, 0xc0, 0, 0 };
	enum ecap_coding zstd = ECAP_CODING_ZSTD;
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	ecap_buf_put(&f.coded, old, sizeof(old));
	for (size_t piece = 1; piece <= sizeof(old); piece++)
		assert_int_equal(decode(&zstd, 1, &f.coded, piece, &f.out), -EBADMSG);
}

static void says_what_is_cut_off_or_damaged(void **state)
{
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	fill(&f.plain, 2000);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(encoders); i++) {
		size_t whole;

		ecap_buf_reset(&f.coded);
		encoders[i].put(&f.coded, f.plain.data, f.plain.len);
		whole = f.coded.len;
		for (f.coded.len = 1; f.coded.len < whole; f.coded.len++) {
			assert_int_equal(decode(&encoders[i].coding, 1, &f.coded, 64, &f.out),
					 -ENODATA);
			assert_true(f.out.len <= f.plain.len);
			if (f.out.len)
				assert_memory_equal(f.out.data, f.plain.data, f.out.len);
		}
		f.coded.len = whole;
		memset(f.coded.data + 2, 0xff, 16);
		assert_true(decode(&encoders[i].coding, 1, &f.coded, 64, &f.out) < 0);
	}
	for (enum ecap_coding coding = ECAP_CODING_GZIP; coding < ECAP_CODING_COUNT; coding++) {
		ecap_buf_reset(&f.coded);
		assert_int_equal(decode(&coding, 1, &f.coded, 1, &f.out), 0); /* nothing at all */
		ecap_buf_puts(&f.coded, "hello, this is plain text");
		assert_int_equal(decode(&coding, 1, &f.coded, 1, &f.out), -EBADMSG);
	}
}

static void count_only(void *arg, const uint8_t *p, size_t n)
{
	(void)p;
	*(uint64_t *)arg += n;
}

/* 16 MiB of nothing fit into some kilobytes. */
static void stops_at_the_limits(void **state)
{
	const struct ecap_codec_limits by_size = { .max_out = 1 << 20,
						   .max_ratio = UINT32_MAX,
						   .ratio_applies = 0 };
	const struct ecap_codec_limits by_ratio = { .max_out = MAX_OUT,
						    .max_ratio = 200,
						    .ratio_applies = 2 << 20 };
	fixture_scope f;

	(void)state;
	setup_buffers(&f);
	memset(ecap_buf_reserve(&f.plain, 16 << 20), 0, 16 << 20);
	f.plain.len = 16 << 20;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(encoders); i++) {
		ecap_cleanup(ecap_codec_freep) struct ecap_codec *a = NULL;
		ecap_cleanup(ecap_codec_freep) struct ecap_codec *b = NULL;
		uint64_t n = 0;

		ecap_buf_reset(&f.coded);
		encoders[i].put(&f.coded, f.plain.data, f.plain.len);
		assert_int_equal(ecap_codec_new(&encoders[i].coding, 1, &by_size, &a), 0);
		assert_int_equal(ecap_codec_feed(a, f.coded.data, f.coded.len, count_only, &n),
				 -EFBIG);
		assert_true(n <= by_size.max_out);
		n = 0;
		assert_int_equal(ecap_codec_new(&encoders[i].coding, 1, &by_ratio, &b), 0);
		assert_int_equal(ecap_codec_feed(b, f.coded.data, f.coded.len, count_only, &n),
				 -EFBIG);
		assert_in_range(n, (2 << 20) - 65536, (16 << 20) - 1);
		assert_true(ecap_codec_memory(b) > sizeof(void *));
		assert_true(ecap_codec_memory(b) < 32u << 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_codings_by_name),
		cmocka_unit_test(decodes_any_split),
		cmocka_unit_test(decodes_what_is_large),
		cmocka_unit_test(decodes_chains),
		cmocka_unit_test(refuses_chains),
		cmocka_unit_test(decodes_what_follows),
		cmocka_unit_test(skips_frames_of_zstd),
		cmocka_unit_test(refuses_old_frames_of_zstd),
		cmocka_unit_test(says_what_is_cut_off_or_damaged),
		cmocka_unit_test(stops_at_the_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
