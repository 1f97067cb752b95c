// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

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

/* As escapes_strings() has it, a character at a time. NULL: no exact text. */
static const char *escape_slowly(const uint8_t *p, size_t n, char *to, bool is_exact)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char *const begin = to;

	*to++ = '"';
	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		uint32_t cp = 0;
		const char *letter;

		len = ecap_utf8_decode(p + i, n - i, &cp);
		if (is_exact && (!len || !cp))
			return NULL;
		letter = len == 1 && cp ? strchr(letters, (int)cp) : NULL;
		if (letter && (letter - letters) % 2 == 0)
			to += snprintf(to, 3, "\\%c", letter[1]);
		else if (len && ecap_utf8_is_unsafe(cp))
			to += snprintf(to, 7, "\\u%04x", cp);
		else if (len)
			to = (char *)memcpy(to, p + i, len) + len;
		else
			to = (char *)memcpy(to, FFFD, 3) + 3;
	}
	*to++ = '"';
	*to = '\0';
	return begin;
}

static void assert_escaped(const uint8_t *p, size_t n, char *want)
{
	/* a copy that ends where it ends, for those who look beyond */
	ecap_autofree uint8_t *copy = malloc(n ? n : 1);
	struct ecap_json w;
	struct ecap_buf b;

	assert_non_null(copy);
	if (n)
		memcpy(copy, p, n);
	ecap_buf_init(&b, 100000);
	ecap_json_init(&w, &b);
	ecap_json_string(&w, copy, n);
	assert_written(&b, escape_slowly(p, n, want, false));
	ecap_json_init(&w, &b);
	if (escape_slowly(p, n, want, true)) {
		ecap_json_exact(&w, copy, n);
		assert_written(&b, want);
	} else {
		ecap_json_exact(&w, copy, n);
		assert_memory_equal(b.data, "{\"b64\":\"", 8);
	}
	ecap_buf_done(&b);
}

/* Whatever stands where, with every length: steps and blocks must not show. */
static void steps_do_not_show(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} odd[] = {
		{ "\"", 1 },
		{ "\\", 1 },
		{ "\n", 1 },
		{ "\x1f", 1 },
		{ "\x7f", 1 },
		{ "\0", 1 },
		{ "\xff", 1 },
		{ "\xc3", 1 },
		{ "\xe2\x82", 2 },
		{ "\xc3\xa9", 2 },
		{ "\xe4\xb8\xad", 3 },
		{ "\xd8\x9c", 2 },
		{ "\xe2\x80\xae", 3 },
		{ "\xc2\x80", 2 },
		{ "\xed\xa0\x80", 3 },
		{ "\"\\\n\t", 4 },
		{ "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 8 },
	};
	static uint8_t text[5000];
	static char want[6 * sizeof(text) + 3];

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(odd); i++) {
		for (size_t n = 0; n < 48; n++) {
			for (size_t at = 0; at + odd[i].n <= n; at++) {
				memset(text, 'a', n);
				memcpy(text + at, odd[i].p, odd[i].n);
				assert_escaped(text, n, want);
			}
		}
		memset(text, 'a', sizeof(text)); /* and where a block ends */
		for (size_t at = 4070; at < 4110; at++) {
			memset(text + 4000, 'a', 200);
			memcpy(text + at, odd[i].p, odd[i].n);
			assert_escaped(text, sizeof(text), want);
		}
		for (size_t n = 0; n + odd[i].n <= sizeof(text); n += odd[i].n)
			memcpy(text + n, odd[i].p, odd[i].n);
		assert_escaped(text, sizeof(text), want);
	}
}

static void times_are_near_each_other(void **state)
{
	static const uint64_t times[] = { 1, 0, 999999999, 1000000000, 1767323045123456789u };
	struct ecap_json w;
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 1000);
	ecap_json_init(&w, &b);
	ecap_json_begin_array(&w);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(times); i++)
		ecap_json_time(&w, times[i]);
	ecap_json_end_array(&w);
	assert_written(&b, "[\"1970-01-01T00:00:00.000000001Z\","
			   "\"1970-01-01T00:00:00.000000000Z\","
			   "\"1970-01-01T00:00:00.999999999Z\","
			   "\"1970-01-01T00:00:01.000000000Z\","
			   "\"2026-01-02T03:04:05.123456789Z\"]");
	ecap_buf_done(&b);
}

static void exact_bytes(void **state)
{
	struct ecap_json w;
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 1000);
	ecap_json_init(&w, &b);
	ecap_json_begin_object(&w);
	ecap_json_put_bytes(&w, "\xc3\xa9", 2);
	ecap_json_put_bytes(&w, "\xc3", 1);
	ecap_json_key(&w, "k");
	ecap_json_begin_array(&w);
	ecap_json_exact(&w, "", 0);
	ecap_json_exact(&w, "\xff", 1);
	ecap_json_exact(&w, "z", 1);
	ecap_json_end_array(&w);
	ecap_json_end_object(&w);
	assert_written(&b, "{\"text\":\"\xc3\xa9\",\"b64\":\"ww==\","
			   "\"k\":[\"\",{\"b64\":\"/w==\"},\"z\"]}");
	ecap_buf_done(&b);
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
		cmocka_unit_test(steps_do_not_show),
		cmocka_unit_test(times_are_near_each_other),
		cmocka_unit_test(exact_bytes),
		cmocka_unit_test(stops_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
