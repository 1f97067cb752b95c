// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void assert_written(struct ecap_buf *b, const char *want)
{
	assert_int_equal(b->err, 0);
	ecap_buf_putc(b, '\0');
	assert_string_equal((char *)b->data, want);
	ecap_buf_reset(b);
}

static void nests(void **state)
{
	struct ecap_json w;
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 1000);
	ecap_json_init(&w, &b);
	ecap_json_begin_object(&w);
	ecap_json_key(&w, "empty");
	ecap_json_begin_object(&w);
	ecap_json_end_object(&w);
	ecap_json_key(&w, "null");
	ecap_json_null(&w);
	ecap_json_key(&w, "none");
	ecap_json_string_or_null(&w, NULL);
	ecap_json_key(&w, "string");
	ecap_json_string_or_null(&w, "s");
	ecap_json_key(&w, "base64");
	ecap_json_base64(&w, (const uint8_t *)"f", 1);
	ecap_json_key(&w, "object");
	ecap_json_begin_object(&w);
	ecap_json_key(&w, "n");
	ecap_json_u64(&w, 1);
	ecap_json_end_object(&w);
	ecap_json_key(&w, "last");
	ecap_json_u64(&w, 2);
	ecap_json_end_object(&w);
	assert_written(&b, "{\"empty\":{},\"null\":null,\"none\":null,\"string\":\"s\","
			   "\"base64\":\"Zg==\",\"object\":{\"n\":1},\"last\":2}");
	ecap_buf_done(&b);
}

static void writes_integers(void **state)
{
	static const struct {
		uint64_t v;
		const char *want;
	} cases[] = {
		{ .v = 0, .want = "0" },
		{ .v = 10, .want = "10" },
		{ .v = (1ull << 53) + 1, .want = "9007199254740993" },
		{ .v = UINT64_MAX, .want = "18446744073709551615" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_json w;
		struct ecap_buf b;

		ecap_buf_init(&b, 100);
		ecap_json_init(&w, &b);
		ecap_json_u64(&w, cases[i].v);
		assert_written(&b, cases[i].want);
		ecap_buf_done(&b);
	}
}

#define BYTES(s) .in = (s), .n_in = sizeof(s) - 1
#define FFFD	 "\xef\xbf\xbd"

static void escapes_strings(void **state)
{
	static const struct {
		const char *in;
		size_t n_in;
		const char *want;
	} cases[] = {
		{ BYTES(""), .want = "\"\"" },
		{ BYTES("plain"), .want = "\"plain\"" },
		{ BYTES("a\"b\\c/"), .want = "\"a\\\"b\\\\c/\"" },
		{ BYTES("\b\f\n\r\t"), .want = "\"\\b\\f\\n\\r\\t\"" },
		{ BYTES("\0\x01\x1b\x1f "), .want = "\"\\u0000\\u0001\\u001b\\u001f \"" },
		{ BYTES("~\x7f"), .want = "\"~\\u007f\"" },
		{ BYTES("\xc2\x9b\xe2\x80\xae\xef\xbb\xbf"), .want = "\"\\u009b\\u202e\\ufeff\"" },
		{ BYTES("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		  .want = "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ BYTES("a\xff\xc3z\xe2\x82"), .want = "\"a" FFFD FFFD "z" FFFD FFFD "\"" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_json w;
		struct ecap_buf b;

		ecap_buf_init(&b, 1000);
		ecap_json_init(&w, &b);
		ecap_json_string(&w, cases[i].in, cases[i].n_in);
		assert_written(&b, cases[i].want);
		ecap_buf_done(&b);
	}
}

static void stops_at_the_limit(void **state)
{
	struct ecap_json w;
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 5);
	ecap_json_init(&w, &b);
	ecap_json_string(&w, "abcd", 4);
	assert_int_equal(b.err, -EMSGSIZE);
	ecap_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nests),
		cmocka_unit_test(writes_integers),
		cmocka_unit_test(escapes_strings),
		cmocka_unit_test(stops_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
