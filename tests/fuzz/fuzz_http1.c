/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte: how a run is made (FROM_START, CLOSED, SMALL). Then come steps of a byte that
 * says what (SIDE, JOINED, GAP), two that say how long, and that many bytes unless it is a gap.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "http1_log.h"

#define FROM_START 1
#define CLOSED	   2
#define SMALL	   4

#define SIDE   1
#define JOINED 2
#define GAP    4

#define MAX_STEPS 64

static const struct ecap_http1_limits small = {
	.max_memory = 1 << 20,
	.max_head = 64,
	.max_fields = 2,
	.max_body = 8,
	.max_decoded = 64,
	.max_ratio = 2,
	.max_pending = 2,
};

static size_t read_steps(const uint8_t *p, size_t n, struct http1_step *ret)
{
	size_t n_steps = 0;

	while (n >= 3 && n_steps < MAX_STEPS) {
		size_t len = (size_t)p[1] << 8 | p[2];
		struct http1_step *step = &ret[n_steps++];

		*step = (struct http1_step){ .side = p[0] & SIDE, .joined = p[0] & JOINED };
		if (p[0] & GAP) {
			step->gap = len;
			len = 0;
		} else if (len > n - 3) {
			len = n - 3;
		}
		step->bytes = (const char *)p + 3;
		step->len = len;
		p += 3 + len;
		n -= 3 + len;
	}
	return n_steps;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_step steps[MAX_STEPS];
	struct http1_run run = { .limits = ecap_http1_default_limits };
	ecap_cleanup(ecap_buf_done) struct ecap_buf whole = { 0 };
	ecap_cleanup(ecap_buf_done) struct ecap_buf bytes = { 0 };
	size_t n;

	ecap_buf_init(&whole, 64 << 20);
	ecap_buf_init(&bytes, 64 << 20);
	if (!size)
		return 0;
	run.from_start = data[0] & FROM_START;
	run.is_closed = data[0] & CLOSED;
	if (data[0] & SMALL)
		run.limits = small;
	n = read_steps(data + 1, size - 1, steps);
	/* It aborts itself if what holds for any input does not. */
	http1_log(&run, steps, n, &whole, NULL);
	run.byte_wise = true;
	http1_log(&run, steps, n, &bytes, NULL);
	ecap_buf_putc(&whole, '\0');
	ecap_buf_putc(&bytes, '\0');
	/* How much comes before the error of a decoder does depend on the split. */
	if (!whole.err && !bytes.err && !strstr((const char *)whole.data, "_coding") &&
	    !strstr((const char *)whole.data, "coding_limit") &&
	    (whole.len != bytes.len || memcmp(whole.data, bytes.data, whole.len) != 0)) {
		(void)fprintf(stderr, "--- whole\n%.*s--- in bytes\n%.*s", (int)whole.len,
			      (const char *)whole.data, (int)bytes.len, (const char *)bytes.data);
		abort(); /* any split gives the same */
	}
	return 0;
}
