/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include "base/buf.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_group(uint8_t *to, const uint8_t *p)
{
	uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

	to[0] = (uint8_t)digits[v >> 18];
	to[1] = (uint8_t)digits[v >> 12 & 63];
	to[2] = (uint8_t)digits[v >> 6 & 63];
	to[3] = (uint8_t)digits[v & 63];
}

void ecap_base64_encode(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	const size_t groups = n / 3, rest = n % 3;
	/* the limit of the buffer is far below where this would overflow */
	const size_t size = 4 * (groups + !!rest);
	uint8_t *to = ecap_buf_reserve(out, size);

	if (!to)
		return;
	for (size_t i = 0; i < groups; i++)
		put_group(to + 4 * i, p + 3 * i);
	if (rest) {
		const uint8_t last[3] = { p[3 * groups], rest == 2 ? p[3 * groups + 1] : 0 };

		put_group(to + 4 * groups, last);
		to[size - 1] = '=';
		if (rest == 1)
			to[size - 2] = '=';
	}
	out->len += size;
}
