/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation of the parser fails once: what it has then is less, but in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "http1_log.h"
#include "parsers/http1.h"

/* The linker puts these in front of the allocator (--wrap). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static uint64_t n_until_failure; /* 0: none fails */
static bool has_failed;

static bool fails(void)
{
	if (!n_until_failure || --n_until_failure)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

static const char requests[] = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
			       "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\n\r\n";
static const char responses[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				"5\r\nhello\r\n0\r\nDigest: x\r\n\r\n"
				"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxy"
				"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
static uint8_t coded[256];
static size_t n_coded;

static void feed(struct ecap_http1 *c, unsigned int side, const void *bytes, size_t n, size_t piece)
{
	for (size_t at = 0; at < n; at += piece) {
		const struct ecap_http1_chunk chunk = {
			.side = side,
			.is_start = at == 0,
			.bytes = (const uint8_t *)bytes + at,
			.len = n - at < piece ? n - at : piece,
		};

		ecap_http1_feed(c, &chunk);
	}
}

/* All of it, with the @failing'th allocation missing; was there one? */
static bool run(uint64_t failing, size_t piece, struct ecap_http1_counters *ret)
{
	struct ecap_http1_shared shared = { .limits = ecap_http1_default_limits };
	ecap_cleanup(ecap_http1_freep) struct ecap_http1 *c = http1_quiet(&shared, true);

	has_failed = false;
	n_until_failure = failing;
	feed(c, 0, requests, sizeof(requests) - 1, piece);
	feed(c, 1, responses, sizeof(responses) - 1, piece);
	feed(c, 1, coded, n_coded, piece);
	ecap_http1_end(c, true, 0);
	n_until_failure = 0;
	*ret = shared.counters;
	ecap_http1_free(ecap_take_ptr(c));
	assert_int_equal(shared.memory, 0);
	return has_failed;
}

static void survives_each_failure(void **state)
{
	static const size_t pieces[] = { 1, 7, SIZE_MAX / 2 };
	struct ecap_http1_counters counters;
	z_stream z = { .next_in = (uint8_t *)"hello, hello", .avail_in = 12 };

	(void)state;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = coded;
	z.avail_out = sizeof(coded);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&z);
	n_coded = sizeof(coded) - z.avail_out;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(pieces); i++) {
		uint64_t failing = 1;

		assert_false(run(0, pieces[i], &counters));
		assert_int_equal(counters.exchanges, 3);
		assert_int_equal(counters.responses, 3);
		assert_int_equal(counters.raw_bytes, 0);
		while (run(failing, pieces[i], &counters)) {
			assert_true(counters.exchanges <= 6);
			failing++;
		}
		assert_in_range(failing, 20, 1000);
	}
}

static void has_none_to_begin_with(void **state)
{
	struct ecap_http1_shared shared = { .limits = ecap_http1_default_limits };
	const struct ecap_http1_opts opts = { .shared = &shared };
	struct ecap_http1 *c = NULL;

	(void)state;
	n_until_failure = 1;
	assert_true(ecap_http1_new(&opts, &c) < 0);
	assert_null(c);
	assert_int_equal(shared.memory, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_each_failure),
		cmocka_unit_test(has_none_to_begin_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
