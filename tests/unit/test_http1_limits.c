/* SPDX-License-Identifier: Apache-2.0 */
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

#define GET "GET / HTTP/1.1\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\n"

static struct http1_step step(unsigned int side, const void *bytes, size_t len)
{
	return (struct http1_step){ .side = side, .bytes = bytes, .len = len };
}

static struct http1_step text(unsigned int side, const char *bytes)
{
	return step(side, bytes, strlen(bytes));
}

/* What the parser says with @limits, as a string in @log; the counters. */
static struct ecap_http1_counters run(const struct ecap_http1_limits *limits,
				      const struct http1_step *steps, size_t n,
				      struct ecap_buf *log)
{
	const struct http1_run how = { .limits = *limits, .from_start = true, .is_closed = true };
	struct http1_account account;

	ecap_buf_init(log, 16 << 20);
	http1_log(&how, steps, n, log, &account);
	ecap_buf_putc(log, '\0');
	assert_int_equal(log->err, 0);
	return account.counters;
}

static void assert_says(const struct ecap_buf *log, const char *what)
{
	if (!strstr((const char *)log->data, what))
		fail_msg("does not say \"%s\":\n%s", what, (const char *)log->data);
}

static void head_beyond_the_limit_is_raw(void **state)
{
	struct ecap_http1_limits limits = ecap_http1_default_limits;
	const struct http1_step steps[] = {
		text(0, "GET / HTTP/1.1\r\nX: 0123456789\r\n\r\n"),
		text(0, GET),
		text(0, "GET /0123456789012345 HTTP/1.1\r\n\r\n"),
	};
	ecap_cleanup(ecap_buf_done) struct ecap_buf log = { 0 };
	struct ecap_http1_counters counters;

	(void)state;
	limits.max_head = 32;
	counters = run(&limits, steps, 3, &log);
	assert_says(&log, "raw 0 @0 \"GET / HTTP/1.1\\r\\nX: 0123456789");
	assert_says(&log, "request 1 GET / 1.1 @33+18");
	assert_says(&log, "raw 0 @51 \"GET /0123456789");
	assert_int_equal(counters.too_large_heads, 2);
	assert_int_equal(counters.requests, 1);
}

/* All fields count for the framing, listed or not. */
static void fields_beyond_the_limit_are_not_listed(void **state)
{
	struct ecap_http1_limits limits = ecap_http1_default_limits;
	const struct http1_step steps[] = {
		text(0,
		     "PUT / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nContent-Length: 2\r\n\r\nxy" GET),
		text(1, OK "Transfer-Encoding: chunked\r\n\r\n0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"),
	};
	ecap_cleanup(ecap_buf_done) struct ecap_buf log = { 0 };
	struct ecap_http1_counters counters;

	(void)state;
	limits.max_fields = 2;
	counters = run(&limits, steps, 2, &log);
	assert_says(&log, "{fields_cut} [A: 1] [B: 2] \"xy\" 2/2\n");
	assert_says(&log, "request 2");
	assert_says(&log, "{fields_cut,chunked} [Transfer-Encoding: chunked] +[A: 1] +[B: 2]\n");
	assert_int_equal(counters.cut_fields, 2);
}

static void body_beyond_the_limit_is_cut(void **state)
{
	struct ecap_http1_limits limits = ecap_http1_default_limits;
	const struct http1_step steps[] = {
		text(0, "PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234"),
		text(0, "56789" GET),
		text(1, OK "Content-Length: 8\r\n\r\nabcdefgh"),
	};
	ecap_cleanup(ecap_buf_done) struct ecap_buf log = { 0 };
	struct ecap_http1_counters counters;

	(void)state;
	limits.max_body = 8;
	counters = run(&limits, steps, 3, &log);
	assert_says(&log, "{body_cut} [Content-Length: 10] \"01234567\" 10/10\n");
	assert_says(&log, "t3-3 [Content-Length: 8] \"abcdefgh\" 8/8\n");
	assert_int_equal(counters.cut_bodies, 1);
}

/* A response that is coded as @head says; its body is @n zeros. */
static struct http1_step bomb(const char *head, size_t n, uint8_t *out, size_t room)
{
	ecap_autofree uint8_t *zeros = calloc(1, n);
	z_stream z = { .next_in = zeros, .avail_in = (unsigned int)n };
	size_t len = strlen(head);

	assert_non_null(zeros);
	memcpy(out, head, len);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = out + len;
	z.avail_out = (unsigned int)(room - len);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&z);
	return step(1, out, room - z.avail_out);
}

static void decoding_stops_at_its_limits(void **state)
{
	static uint8_t coded[65536];
	struct ecap_http1_limits limits = ecap_http1_default_limits;
	const struct http1_step steps[] = { text(0, GET), bomb(OK "Content-Encoding: gzip\r\n\r\n",
							       8 << 20, coded, sizeof(coded)) };
	ecap_cleanup(ecap_buf_done) struct ecap_buf by_ratio = { 0 };
	ecap_cleanup(ecap_buf_done) struct ecap_buf by_size = { 0 };

	(void)state;
	limits.max_body = 4;
	limits.max_ratio = 500;
	assert_int_equal(run(&limits, steps, 2, &by_ratio).stopped_codings, 1);
	assert_says(&by_ratio, "{body_cut,coding_limit,to_end} [Content-Encoding: gzip] \"\\x00");
	limits.max_ratio = 1100;
	limits.max_decoded = 1 << 20;
	assert_int_equal(run(&limits, steps, 2, &by_size).stopped_codings, 1);
	assert_says(&by_size, "coding_limit");
}

/* What is older is given up, and its response is not taken for another's. */
static void requests_beyond_the_limit_are_forgotten(void **state)
{
	struct ecap_http1_limits limits = ecap_http1_default_limits;
	const struct http1_step steps[] = {
		text(0, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"),
		text(1, "HTTP/1.1 100 C\r\n\r\n" OK "Content-Length: 1\r\n\r\n1"),
		text(1, OK "Content-Length: 1\r\n\r\n2"),
		text(1, OK "Content-Length: 1\r\n\r\n3"),
	};
	ecap_cleanup(ecap_buf_done) struct ecap_buf log = { 0 };
	struct ecap_http1_counters counters;

	(void)state;
	limits.max_pending = 2;
	counters = run(&limits, steps, 4, &log);
	assert_says(&log, "exchange 1 +- forgotten\n");
	assert_says(&log, "\"1\" 1/1\nexchange 5 -+ forgotten\n");
	assert_says(&log, "\"2\" 1/1\nexchange 2 ++\n");
	assert_says(&log, "\"3\" 1/1\nexchange 3 ++\n");
	assert_int_equal(counters.forgotten, 1);
}

static void memory_beyond_the_limit_is_not_used(void **state)
{
	static char body[100000];
	struct ecap_http1_limits limits = ecap_http1_default_limits;
	const struct http1_step steps[] = {
		text(0, GET),
		text(1, OK "Content-Length: 100000\r\n\r\n"),
		step(1, body, sizeof(body)),
		text(0, GET),
		text(1, OK "Content-Length: 1\r\n\r\nx"),
	};
	ecap_cleanup(ecap_buf_done) struct ecap_buf log = { 0 };
	ecap_cleanup(ecap_buf_done) struct ecap_buf none = { 0 };
	struct ecap_http1_counters counters;

	(void)state;
	limits.max_memory = 20000;
	counters = run(&limits, steps, 5, &log);
	assert_says(&log, "{body_cut} [Content-Length: 100000] \"\" 100000/100000\n");
	assert_says(&log, "\"x\" 1/1\nexchange 2 ++\n");
	assert_true(counters.no_memory > 0);
	limits.max_memory = 0;
	counters = run(&limits, steps, 5, &none);
	assert_says(&none, "raw 0 @0 \"GET / HTTP/1.1\\r\\n\\r\\n\"\n");
	assert_int_equal(counters.exchanges, 0);
}

static void trailers_have_the_limit_of_heads(void **state)
{
	struct ecap_http1_limits limits = ecap_http1_default_limits;
	const struct http1_step steps[] = {
		text(0, GET),
		text(1, OK "Transfer-Encoding: chunked\r\n\r\n0\r\nA: 0123456789\r\n"),
		text(1, "B: 0123456789\r\nC: 0123456789\r\nD: 0123456789\r\n\r\n"),
		text(1, OK "\r\n"),
	};
	ecap_cleanup(ecap_buf_done) struct ecap_buf log = { 0 };

	(void)state;
	limits.max_head = 50;
	(void)run(&limits, steps, 4, &log);
	assert_says(&log, "{incomplete,chunked,bad_chunk} [Transfer-Encoding: chunked] "
			  "+[A: 0123456789] +[B: 0123456789] +[C: 0123456789]\n");
	assert_says(&log, "raw 1 @95 \"D: 0123456789\\r\\n\\r\\n\"\n");
	assert_says(&log, "response 2 200 OK");
}

static void finds_fields_by_name(void **state)
{
	static const struct ecap_http_field fields[] = {
		{ .name = { (const uint8_t *)"", 0 } },
		{ .name = { (const uint8_t *)"Content-Type", 12 } },
		{ .name = { (const uint8_t *)"content-type", 12 } },
	};
	const struct ecap_http_message m = { .fields = fields, .n_fields = 3 };

	(void)state;
	assert_ptr_equal(ecap_http_find_field(&m, "content-TYPE"), &fields[1]);
	assert_null(ecap_http_find_field(&m, "content"));
	assert_null(ecap_http_find_field(&m, "content-type2"));
	assert_null(ecap_http_flag_name(0));
	assert_null(ecap_http_flag_name(1u << 31));
	assert_string_equal(ecap_http_flag_name(ECAP_HTTP_FOLDED), "folded");
}

/* Freed in the middle of everything, nothing is left (the sanitizer looks). */
static void gives_all_back_at_any_time(void **state)
{
	static const char requests[] = GET "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nxxx";
	static const char responses[] =
		OK "Content-Length: 3\r\n\r\nabc" OK
		   "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n";

	(void)state;
	for (size_t n = 0; n < sizeof(requests); n++) {
		for (size_t k = 0; k < sizeof(responses); k++) {
			struct ecap_http1_shared shared = { .limits = ecap_http1_default_limits };
			ecap_cleanup(ecap_http1_freep) struct ecap_http1 *c =
				http1_quiet(&shared, k % 2 == 0);

			ecap_http1_feed(
				c, &(struct ecap_http1_chunk){ .is_start = true,
							       .bytes = (const uint8_t *)requests,
							       .len = n });
			ecap_http1_feed(
				c, &(struct ecap_http1_chunk){ .side = 1,
							       .is_start = true,
							       .bytes = (const uint8_t *)responses,
							       .len = k });
			ecap_http1_free(ecap_take_ptr(c));
			assert_int_equal(shared.memory, 0);
		}
	}
}

/* 32 MiB of noise in reads of all sizes: no message of HTTP/1, and no HTTP/2. */
static void noise_is_never_http(void **state)
{
	static uint8_t noise[1 << 16];
	struct ecap_http1_shared shared = { .limits = ecap_http1_default_limits };
	ecap_cleanup(ecap_http1_freep) struct ecap_http1 *c = http1_quiet(&shared, true);
	uint64_t x = 88172645463325252u, fed = 0;

	(void)state;
	for (unsigned int i = 0; fed < 32u << 20; i++) {
		size_t n = i % 3 ? 1 + x % 200 : 1 + x % sizeof(noise);

		for (size_t k = 0; k < n; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			noise[k] = (uint8_t)(x >> 32);
		}
		fed += n;
		ecap_http1_feed(
			c, &(struct ecap_http1_chunk){
				   .side = i % 2, .is_start = true, .bytes = noise, .len = n });
	}
	ecap_http1_end(c, true, 0);
	assert_false(ecap_http1_is_http(c));
	assert_int_equal(shared.counters.exchanges, 0);
	assert_int_equal(shared.counters.raw_bytes, fed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_beyond_the_limit_is_raw),
		cmocka_unit_test(fields_beyond_the_limit_are_not_listed),
		cmocka_unit_test(body_beyond_the_limit_is_cut),
		cmocka_unit_test(decoding_stops_at_its_limits),
		cmocka_unit_test(requests_beyond_the_limit_are_forgotten),
		cmocka_unit_test(memory_beyond_the_limit_is_not_used),
		cmocka_unit_test(trailers_have_the_limit_of_heads),
		cmocka_unit_test(finds_fields_by_name),
		cmocka_unit_test(gives_all_back_at_any_time),
		cmocka_unit_test(noise_is_never_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
