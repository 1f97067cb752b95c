/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Room for what ecap_utf8_show() writes: "\u{10ffff}" is the longest, and there is no NUL. */
#define ECAP_UTF8_SHOWN_MAX 12

/*
 * Decode the code point at @p into *@ret. Returns its length, 0 if there is none: no bytes, a
 * sequence cut off at @n, or one that RFC 3629 forbids (overlong, surrogate, above U+10FFFF).
 */
size_t ecap_utf8_decode(const uint8_t *p, size_t n, uint32_t *ret);

/* Are these @n bytes valid UTF-8 without a NUL? Nothing at all is. */
bool ecap_utf8_valid_text(const uint8_t *p, size_t n);

/*
 * Would a terminal act on this code point instead of showing it, or show other text in another
 * order because of it? C0, DEL, C1, bidi controls, line and paragraph separators, U+FEFF.
 */
bool ecap_utf8_is_unsafe(uint32_t cp);

/* Is this a character of ASCII that needs no escape? No control, quotation mark or backslash. */
static inline bool ecap_utf8_is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* How many of the eight bytes in @word are such characters, up to the first other one. */
static inline size_t ecap_utf8_plain8(uint64_t word)
{
	/*
	 * All at once: the highest bit of a byte tells that it is another one. A borrow or carry
	 * only comes from a byte that is, so the lowest bit that is found is right.
	 */
	const uint64_t each = 0x0101010101010101u;
	uint64_t found = word | (word + each); /* above 0x7e */

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");
	found |= word - each * ' ';
	found |= (word ^ each * '"') - each;
	found |= (word ^ each * '\\') - each;
	found &= each * 0x80;
	return found ? (size_t)__builtin_ctzll(found) / 8 : sizeof(word);
}

/*
 * The length of the character at @p if it is one of those beyond ASCII that nearly all texts are
 * made of, valid and safe. 0: it is another one, or none, or fewer than 4 of the @n bytes are left.
 */
static inline size_t ecap_utf8_plain_wide(const uint8_t *p, size_t n)
{
	/* by the first byte; 0xd8, 0xe2 and 0xef begin some that are unsafe, 0xed surrogates */
	if (n < 4 || (p[1] & 0xc0) != 0x80)
		return 0;
	if (p[0] >= 0xc3 && p[0] < 0xe0)
		return p[0] == 0xd8 ? 0 : 2;
	if (p[0] >= 0xe1 && p[0] < 0xef && p[0] != 0xe2 && p[0] != 0xed)
		return (p[2] & 0xc0) == 0x80 ? 3 : 0;
	return 0;
}

/*
 * How many of the @n bytes may be copied as they are, to a terminal as well as into a string
 * literal: whole characters, none of them unsafe, a quotation mark or a backslash.
 */
size_t ecap_utf8_plain_run(const uint8_t *p, size_t n);

/*
 * What may be shown for the first character of @p (@n > 0): itself, or an escape that tells it
 * apart from any text: \\, \r, \x1b (C0, DEL, bytes that are not UTF-8), \u{202e}. Writes
 * *@ret_n bytes to @ret and returns how many of @p they stand for.
 */
size_t ecap_utf8_show(const uint8_t *p, size_t n, char ret[static ECAP_UTF8_SHOWN_MAX],
		      size_t *ret_n);
