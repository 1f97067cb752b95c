// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

/* A literal with what may be NUL in it. */
#define BYTES(s) .in = (s), .n_in = sizeof(s) - 1

static void decodes(void **state)
{
	static const struct {
		const char *what;
		const char *in;
		size_t n_in;
		size_t want;
		uint32_t cp;
	} cases[] = {
		{ .what = "nothing", BYTES("") },
		{ .what = "NUL", BYTES("\0"), .want = 1, .cp = 0 },
		{ .what = "last of one byte", BYTES("\x7f"), .want = 1, .cp = 0x7f },
		{ .what = "only the first character", BYTES("ab"), .want = 1, .cp = 'a' },
		{ .what = "first of two bytes", BYTES("\xc2\x80"), .want = 2, .cp = 0x80 },
		{ .what = "last of two bytes", BYTES("\xdf\xbf"), .want = 2, .cp = 0x7ff },
		{ .what = "first of three", BYTES("\xe0\xa0\x80"), .want = 3, .cp = 0x800 },
		{ .what = "before surrogates", BYTES("\xed\x9f\xbf"), .want = 3, .cp = 0xd7ff },
		{ .what = "after surrogates", BYTES("\xee\x80\x80"), .want = 3, .cp = 0xe000 },
		{ .what = "last of three", BYTES("\xef\xbf\xbf"), .want = 3, .cp = 0xffff },
		{ .what = "first of four", BYTES("\xf0\x90\x80\x80"), .want = 4, .cp = 0x10000 },
		{ .what = "the last", BYTES("\xf4\x8f\xbf\xbf"), .want = 4, .cp = 0x10ffff },
		{ .what = "beyond the last", BYTES("\xf4\x90\x80\x80") },
		{ .what = "lead byte f5", BYTES("\xf5\x80\x80\x80") },
		{ .what = "lead byte ff", BYTES("\xff\xbf\xbf\xbf") },
		{ .what = "five bytes", BYTES("\xf8\x88\x80\x80\x80") },
		{ .what = "first surrogate", BYTES("\xed\xa0\x80") },
		{ .what = "last surrogate", BYTES("\xed\xbf\xbf") },
		{ .what = "overlong NUL", BYTES("\xc0\x80") },
		{ .what = "overlong of two bytes", BYTES("\xc1\xbf") },
		{ .what = "overlong of three", BYTES("\xe0\x9f\xbf") },
		{ .what = "overlong of four", BYTES("\xf0\x8f\xbf\xbf") },
		{ .what = "a continuation alone", BYTES("\x80") },
		{ .what = "the last continuation", BYTES("\xbf") },
		{ .what = "cut after 1 of 2", BYTES("\xc3") },
		{ .what = "cut after 2 of 3", BYTES("\xe2\x82") },
		{ .what = "cut after 3 of 4", BYTES("\xf0\x9f\x98") },
		{ .what = "no continuation", BYTES("\xc3(") },
		{ .what = "no third byte", BYTES("\xe2\x82(") },
		{ .what = "a lead as fourth byte", BYTES("\xf0\x9f\x98\xc2") },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		uint32_t cp = 0xdead;
		size_t len = ecap_utf8_decode((const uint8_t *)cases[i].in, cases[i].n_in, &cp);

		if (len != cases[i].want)
			fail_msg("%s: %zu bytes, want %zu", cases[i].what, len, cases[i].want);
		if (cp != (len ? cases[i].cp : 0xdead))
			fail_msg("%s: U+%04x", cases[i].what, cp);
	}
}

static size_t encode(uint32_t cp, uint8_t *to)
{
	if (cp < 0x80) {
		to[0] = (uint8_t)cp;
		return 1;
	}
	if (cp < 0x800) {
		to[0] = (uint8_t)(0xc0 | cp >> 6);
		to[1] = (uint8_t)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		to[0] = (uint8_t)(0xe0 | cp >> 12);
		to[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (cp & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | cp >> 18);
	to[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (cp & 0x3f));
	return 4;
}

static void decodes_every_code_point(void **state)
{
	(void)state;
	for (uint32_t cp = 0; cp <= 0x1fffff; cp++) {
		const bool is_valid = cp < 0xd800 || (cp > 0xdfff && cp <= 0x10ffff);
		uint8_t bytes[4];
		uint32_t got = 0;
		size_t n = encode(cp, bytes);

		if (ecap_utf8_decode(bytes, n, &got) != (is_valid ? n : 0))
			fail_msg("U+%04x", cp);
		if (is_valid && got != cp)
			fail_msg("U+%04x is read as U+%04x", cp, got);
	}
}

static void knows_text(void **state)
{
	static const struct {
		const char *what;
		const char *in;
		size_t n_in;
		bool want;
	} cases[] = {
		{ .what = "nothing", BYTES(""), .want = true },
		{ .what = "ASCII with controls", BYTES("a\r\n\x01\x7f longer"), .want = true },
		{ .what = "several scripts",
		  BYTES("d\xc3\xa9j\xc3\xa0 \xe2\x82\xac \xf0\x9f\x98\x80"),
		  .want = true },
		{ .what = "NUL alone", BYTES("\0") },
		{ .what = "NUL at the end of a word", BYTES("1234567\0") },
		{ .what = "NUL after a word", BYTES("12345678\0") },
		{ .what = "cut at the end", BYTES("12345678\xe2\x82") },
		{ .what = "invalid in a word",
		  BYTES("1234\xff"
			"67812345678") },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		if (ecap_utf8_valid_text((const uint8_t *)cases[i].in, cases[i].n_in) !=
		    cases[i].want)
			fail_msg("%s", cases[i].what);
	}
}

/* Each byte value at each place of two words, against what a byte alone means. */
static void finds_each_byte_at_each_place(void **state)
{
	(void)state;
	for (size_t at = 0; at < 17; at++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			uint8_t text[17];

			memset(text, 'a', sizeof(text));
			text[at] = (uint8_t)byte;
			if (ecap_utf8_valid_text(text, sizeof(text)) != (byte && byte < 0x80))
				fail_msg("byte %02x at %zu", byte, at);
		}
	}
}

static void knows_what_is_unsafe(void **state)
{
	/* where it changes: false before the first */
	static const uint32_t changes[] = {
		0x0000, 0x0020, 0x007f, 0x00a0, 0x061c, 0x061d, 0x200e,
		0x2010, 0x2028, 0x202f, 0x2066, 0x206a, 0xfeff, 0xff00,
	};
	bool want = false;
	size_t next = 0;

	(void)state;
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		if (next < ECAP_ARRAY_SIZE(changes) && cp == changes[next]) {
			want = !want;
			next++;
		}
		if (ecap_utf8_is_unsafe(cp) != want)
			fail_msg("U+%04x", cp);
	}
}

/* Each byte at each place of what is looked at in one go and in the rest, then by characters. */
static void finds_plain_runs(void **state)
{
	static const struct {
		const char *in;
		size_t n_in;
		size_t want;
	} cases[] = {
		{ BYTES("") },
		{ BYTES("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), .want = 9 },
		{ BYTES("abcdefg\xc3\xa9hijk\xc3"), .want = 13 },
		{ BYTES("a\xc2\x9b"), .want = 1 },
		{ BYTES("a\xe2\x80\xae"), .want = 1 },
	};

	(void)state;
	for (size_t at = 0; at < 17; at++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			const bool is_plain =
				byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
			uint8_t text[17];

			memset(text, 'a', sizeof(text));
			text[at] = (uint8_t)byte;
			if (ecap_utf8_plain_run(text, sizeof(text)) != (is_plain ? 17 : at))
				fail_msg("byte %02x at %zu", byte, at);
		}
	}
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++)
		assert_int_equal(ecap_utf8_plain_run((const uint8_t *)cases[i].in, cases[i].n_in),
				 cases[i].want);
}

/* Whatever is called a character that needs no closer look is one, and safe; most of all are. */
static void finds_wide_characters(void **state)
{
	size_t n_found = 0;

	(void)state;
	for (uint32_t bytes = 0; bytes < 1u << 24; bytes++) {
		const uint8_t p[] = { (uint8_t)(bytes >> 16), (uint8_t)(bytes >> 8), (uint8_t)bytes,
				      'a' };
		const size_t len = ecap_utf8_plain_wide(p, sizeof(p));
		uint32_t cp = 0;

		if (!len)
			continue;
		n_found++;
		if (ecap_utf8_decode(p, sizeof(p), &cp) != len || ecap_utf8_is_unsafe(cp))
			fail_msg("%06x", bytes);
	}
	assert_true(n_found > 300000);
	assert_int_equal(ecap_utf8_plain_wide((const uint8_t *)"\xe4\xb8\xad", 3), 0);
}

static void shows(void **state)
{
	static const struct {
		const char *in;
		size_t n_in;
		size_t used;
		const char *want;
	} cases[] = {
		{ BYTES("ab"), .used = 1, .want = "a" },
		{ BYTES("\xe2\x82\xac!"), .used = 3, .want = "\xe2\x82\xac" },
		{ BYTES("\\"), .used = 1, .want = "\\\\" },
		{ BYTES("\0"), .used = 1, .want = "\\x00" },
		{ BYTES("\n"), .used = 1, .want = "\\x0a" },
		{ BYTES("\t"), .used = 1, .want = "\\x09" },
		{ BYTES("\r"), .used = 1, .want = "\\r" },
		{ BYTES("\x1b[31m"), .used = 1, .want = "\\x1b" },
		{ BYTES("\x7f"), .used = 1, .want = "\\x7f" },
		{ BYTES("\xc2\x9b"), .used = 2, .want = "\\u{9b}" },
		{ BYTES("\x9b"), .used = 1, .want = "\\x9b" },
		{ BYTES("\xe2\x80\xae"), .used = 3, .want = "\\u{202e}" },
		{ BYTES("\xef\xbb\xbf"), .used = 3, .want = "\\u{feff}" },
		{ BYTES("\xe2\x82"), .used = 1, .want = "\\xe2" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		char shown[ECAP_UTF8_SHOWN_MAX];
		size_t n = 0;
		size_t used =
			ecap_utf8_show((const uint8_t *)cases[i].in, cases[i].n_in, shown, &n);

		if (used != cases[i].used || n != strlen(cases[i].want) ||
		    memcmp(shown, cases[i].want, n) != 0)
			fail_msg("%s: %.*s for %zu bytes", cases[i].want, (int)n, shown, used);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(decodes_every_code_point),
		cmocka_unit_test(knows_text),
		cmocka_unit_test(finds_each_byte_at_each_place),
		cmocka_unit_test(knows_what_is_unsafe),
		cmocka_unit_test(finds_plain_runs),
		cmocka_unit_test(finds_wide_characters),
		cmocka_unit_test(shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
