/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

#define CP_MAX	      0x10ffff
#define IS_TAIL(byte) (((byte) & 0xc0) == 0x80)

/* Eight bytes at a time: one value in each, and the bit that tells of a borrow or carry. */
#define EACH(byte) (0x0101010101010101u * (byte))
#define HIGH	   EACH(0x80u)

/* Length of a sequence by its first byte, 0 for a byte that starts none. */
static size_t sequence_length(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2) /* a continuation, or an overlong form of ASCII */
		return 0;
	if (lead < 0xe0)
		return 2;
	if (lead < 0xf0)
		return 3;
	return lead < 0xf5 ? 4 : 0;
}

size_t ecap_utf8_decode(const uint8_t *p, size_t n, uint32_t *ret)
{
	/* by length: the least code point that needs it */
	static const uint32_t least[] = { [1] = 0, [2] = 0x80, [3] = 0x800, [4] = 0x10000 };
	size_t len = n ? sequence_length(p[0]) : 0;
	uint32_t cp;

	if (!len || len > n)
		return 0;
	cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (!IS_TAIL(p[i]))
			return 0;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[len] || cp > CP_MAX || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret = cp;
	return len;
}

bool ecap_utf8_valid_text(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint64_t word;
		uint32_t cp;
		size_t len;

		if (n - i >= sizeof(word)) {
			memcpy(&word, p + i, sizeof(word));
			/* no byte is above 0x7f, and none is 0: that one would borrow */
			if (!(((word - EACH(1)) | word) & HIGH)) {
				i += sizeof(word);
				continue;
			}
		}
		len = ecap_utf8_plain_wide(p + i, n - i);
		if (len) {
			i += len;
			continue;
		}
		len = ecap_utf8_decode(p + i, n - i, &cp);
		if (!len || !cp)
			return false;
		i += len;
	}
	return true;
}

bool ecap_utf8_is_unsafe(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ .first = 0x0000, .last = 0x001f }, /* C0 */
		{ .first = 0x007f, .last = 0x009f }, /* DEL, C1 */
		{ .first = 0x061c, .last = 0x061c }, /* Arabic letter mark */
		{ .first = 0x200e, .last = 0x200f }, /* left-to-right and right-to-left marks */
		{ .first = 0x2028, .last = 0x202e }, /* separators, embeddings, overrides */
		{ .first = 0x2066, .last = 0x2069 }, /* isolates */
	};

	if (cp >= 0xa0 && cp < 0x061c) /* most of what is written */
		return false;
	if (cp > 0x2069) /* most of the rest */
		return cp == 0xfeff;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return true;
	}
	return false;
}

size_t ecap_utf8_plain_run(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint64_t word;
		uint32_t cp;
		size_t len;

		if (n - i >= sizeof(word)) {
			memcpy(&word, p + i, sizeof(word));
			len = ecap_utf8_plain8(word);
			i += len;
			if (len == sizeof(word))
				continue;
		}
		len = ecap_utf8_plain_wide(p + i, n - i);
		if (len) {
			i += len;
			continue;
		}
		len = ecap_utf8_decode(p + i, n - i, &cp);
		if (!len || cp == '"' || cp == '\\' || ecap_utf8_is_unsafe(cp))
			break;
		i += len;
	}
	return i;
}

static size_t put_hex(char *to, uint32_t v)
{
	size_t digits = 2;

	while (v >> 4 * digits)
		digits++;
	for (size_t i = digits; i-- > 0; v >>= 4)
		to[i] = "0123456789abcdef"[v & 15];
	return digits;
}

size_t ecap_utf8_show(const uint8_t *p, size_t n, char ret[static ECAP_UTF8_SHOWN_MAX],
		      size_t *ret_n)
{
	uint32_t cp = 0;
	size_t len = ecap_utf8_decode(p, n, &cp);

	if (len && cp != '\\' && !ecap_utf8_is_unsafe(cp)) {
		memcpy(ret, p, len);
		*ret_n = len;
		return len;
	}
	ret[0] = '\\';
	if (len && (cp == '\\' || cp == '\r')) {
		ret[1] = cp == '\r' ? 'r' : '\\';
		*ret_n = 2;
	} else if (len > 1) {
		ret[1] = 'u';
		ret[2] = '{';
		*ret_n = 3 + put_hex(ret + 3, cp);
		ret[(*ret_n)++] = '}';
	} else {
		ret[1] = 'x';
		*ret_n = 2 + put_hex(ret + 2, p[0]);
	}
	return len ? len : 1;
}
