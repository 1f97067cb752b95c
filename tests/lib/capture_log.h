/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ecap_buf;
struct ecap_capture_totals;

/*
 * Read @bytes as a capture file, in pieces that end at @cut (0: nowhere) and after each @step bytes
 * (0: nowhere), and append to @out a line for each item: its type, where it stands, and all that an
 * event has. *@ret are the totals. Returns what ended it: 0 or a negative errno of the reader.
 */
int capture_log(const uint8_t *bytes, size_t len, size_t cut, size_t step, struct ecap_buf *out,
		struct ecap_capture_totals *ret);
