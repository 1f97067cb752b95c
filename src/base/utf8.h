/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
