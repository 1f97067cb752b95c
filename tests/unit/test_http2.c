/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/http2.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static const struct {
	const char *what;
	const char *bytes;
	size_t n;
	int want;
} cases[] = {
	{ "nothing", "", 0, 0 },
	{ "the preface", PREFACE, 24, 24 },
	{ "more than the preface", PREFACE "\0\0\0", 27, 24 },
	{ "a preface that goes on otherwise", "PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", 24, -EPROTO },
	{ "a method", "POST /", 6, -EPROTO },
	{ "settings", "\0\0\x12\4\0\0\0\0\0\0\3", 11, 9 },
	{ "no settings at all", "\0\0\0\4\0\0\0\0\0", 9, 9 },
	{ "half a setting", "\0\0\7\4\0\0\0\0\0", 9, -EPROTO },
	{ "too many settings", "\0\0\xf6\4\0\0\0\0\0", 9, -EPROTO },
	{ "far too many settings", "\0\1\6\4\0\0\0\0\0", 9, -EPROTO },
	{ "an acknowledgement", "\0\0\0\4\1\0\0\0\0", 9, -EPROTO },
	{ "another frame", "\0\0\6\0\0\0\0\0\0", 9, -EPROTO },
	{ "settings of a stream", "\0\0\6\4\0\0\0\0\1", 9, -EPROTO },
	{ "text", "HTTP/1.1 ", 9, -EPROTO },
};

static void detects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t *p = (const uint8_t *)cases[i].bytes;
		int r = ecap_http2_detect(p, cases[i].n), at = 0;

		if (r != cases[i].want)
			fail_msg("%s: %d, not %d", cases[i].what, r, cases[i].want);
		/* an answer other than 0 comes with some byte and stays */
		for (size_t n = 0; n <= cases[i].n; n++) {
			int now = ecap_http2_detect(p, n);

			if (at)
				assert_int_equal(now, at);
			at = now;
		}
		assert_int_equal(at, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(detects) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
