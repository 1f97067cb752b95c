/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecap_buf;
struct ecap_text;

#define ECAP_VIEW_ANY_ROWS SIZE_MAX

/*
 * Payload below an event's first line: indented, with its line ends and tabs, everything else that
 * a terminal would act on as escapes; and, as a preview, no more rows of the terminal than it may
 * have. A character counts as one column. Lines are not broken: that is the terminal's.
 */
struct ecap_text_view {
	struct ecap_buf *out;
	unsigned int width;
	unsigned int col; /* on the row of the terminal where the next character goes */
	size_t rows;	  /* that may still be begun */
	bool is_in_line;  /* something stands on this line */
	bool is_json;	  /* a backslash is one: its own escapes are unlike ours */
};

/* Show at most @rows rows, or ECAP_VIEW_ANY_ROWS, below what @t has. */
void ecap_view_init(struct ecap_text_view *v, const struct ecap_text *t, size_t rows);
/* Show the @n bytes; returns for how many of them there was room. */
size_t ecap_view_put(struct ecap_text_view *v, const uint8_t *p, size_t n);
/* How many columns are left on the row. */
unsigned int ecap_view_get_room(const struct ecap_text_view *v);
/* End the line, if there is something on it. */
void ecap_view_end(struct ecap_text_view *v);
/* Show the @n bytes as a hex dump, which counts from @off; returns as ecap_view_put(). */
size_t ecap_view_put_hex(struct ecap_text_view *v, uint64_t off, const uint8_t *p, size_t n);
