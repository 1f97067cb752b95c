// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void rfc4648_vectors(void **state)
{
	static const struct {
		const char *in;
		const char *want;
	} cases[] = {
		{ .in = "", .want = "" },
		{ .in = "f", .want = "Zg==" },
		{ .in = "fo", .want = "Zm8=" },
		{ .in = "foo", .want = "Zm9v" },
		{ .in = "foob", .want = "Zm9vYg==" },
		{ .in = "fooba", .want = "Zm9vYmE=" },
		{ .in = "foobar", .want = "Zm9vYmFy" },
		{ .in = "\xfb\xff\xbe", .want = "+/++" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_buf b;

		ecap_buf_init(&b, 100);
		ecap_base64_encode(&b, (const uint8_t *)cases[i].in, strlen(cases[i].in));
		assert_int_equal(b.err, 0);
		assert_int_equal(b.len, strlen(cases[i].want));
		assert_memory_equal(b.data, cases[i].want, b.len);
		ecap_buf_done(&b);
	}
}

/* Bit by bit, as the RFC says it. */
static void encode_slowly(const uint8_t *p, size_t n, char *to)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t bit = 0; bit < 8 * n; bit += 6) {
		unsigned int v = 0;

		for (size_t i = bit; i < bit + 6; i++)
			v = v << 1 | (i < 8 * n ? p[i / 8] >> (7 - i % 8) & 1 : 0);
		*to++ = digits[v];
	}
	for (size_t i = n; i % 3; i++)
		*to++ = '=';
	*to = '\0';
}

static void agrees_with_a_slow_encoder(void **state)
{
	uint32_t random = 1;
	uint8_t in[200];

	(void)state;
	for (size_t n = 0; n <= sizeof(in); n++) {
		char want[4 * sizeof(in)];
		struct ecap_buf b;

		for (size_t i = 0; i < n; i++) {
			random = random * 1664525 + 1013904223;
			in[i] = (uint8_t)(random >> 24);
		}
		encode_slowly(in, n, want);
		ecap_buf_init(&b, strlen(want)); /* takes no more room than it needs */
		ecap_base64_encode(&b, in, n);
		assert_int_equal(b.err, 0);
		assert_int_equal(b.len, strlen(want));
		assert_memory_equal(b.data, want, b.len);
		ecap_buf_done(&b);
	}
}

static void stops_at_the_limit(void **state)
{
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 7);
	ecap_base64_encode(&b, (const uint8_t *)"abcd", 4);
	assert_int_equal(b.err, -EMSGSIZE);
	assert_int_equal(b.len, 0);
	ecap_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4648_vectors),
		cmocka_unit_test(agrees_with_a_slow_encoder),
		cmocka_unit_test(stops_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
