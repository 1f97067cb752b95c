/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte: two codings, in three bits each. Then comes what is coded. */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>

#include "parsers/codec.h"

struct sum {
	uint64_t n;
	uint64_t hash; /* FNV-1a */
};

static void add(void *arg, const uint8_t *p, size_t n)
{
	struct sum *sum = arg;

	sum->n += n;
	for (size_t i = 0; i < n; i++)
		sum->hash = (sum->hash ^ p[i]) * 0x100000001b3u;
}

static struct sum decode(uint8_t codings, const uint8_t *p, size_t n, size_t piece, int *ret)
{
	const struct ecap_codec_limits limits = { .max_out = 1 << 20,
						  .max_ratio = 1000,
						  .ratio_applies = 1 << 16 };
	const enum ecap_coding chain[] = {
		(enum ecap_coding)(1 + (codings & 7) % 5),
		(enum ecap_coding)(1 + (codings >> 3 & 7) % 5),
	};
	struct sum sum = { 0 };
	struct ecap_codec *c = NULL;

	if (ecap_codec_new(chain, 2, &limits, &c) < 0)
		abort();
	for (size_t at = 0; at < n; at += piece) {
		if (ecap_codec_feed(c, p + at, n - at < piece ? n - at : piece, add, &sum) < 0)
			break;
	}
	*ret = ecap_codec_end(c);
	if (ecap_codec_n_out(c) != sum.n || sum.n > limits.max_out)
		abort(); /* what is counted is what came out, within the limits */
	ecap_codec_free(c);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, bytes;
	int whole_end, bytes_end;

	if (!size)
		return 0;
	whole = decode(data[0], data + 1, size - 1, size, &whole_end);
	bytes = decode(data[0], data + 1, size - 1, 1, &bytes_end);
	if (whole_end == -EFBIG || bytes_end == -EFBIG)
		return 0; /* the ratio is to what has been fed so far */
	if (whole_end != bytes_end || (whole_end == 0 && whole.hash != bytes.hash))
		abort(); /* any split gives the same */
	return 0;
}
