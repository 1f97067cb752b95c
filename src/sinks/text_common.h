/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecap_buf;
struct ecap_out_event;
struct ecap_sink_opts;

/*
 * What the parts of the text output have in common. Nothing that a target controls gets out as
 * anything but text; all that comes from one is indented, so that it never looks like a line of
 * ours. Failures stick in the buffer.
 */
struct ecap_text {
	struct ecap_buf *out;
	const struct ecap_sink_opts *opts;
};

/* Columns by which everything is indented that follows an event's first line. */
#define ECAP_TEXT_INDENT 2

/* Of the eight colours that every terminal has, those that can be read on dark and on light. */
enum ecap_paint {
	ECAP_PAINT_MINOR,
	ECAP_PAINT_MAIN,
	ECAP_PAINT_NUMBER,
	ECAP_PAINT_NAME,
	ECAP_PAINT_GOOD,
	ECAP_PAINT_ELSEWHERE,
	ECAP_PAINT_BAD,
	ECAP_PAINT_MARK,
	ECAP_PAINT_COUNT,
};

/* From here on, until ecap_text_plain(), which must come on the same line: pagers want that. */
void ecap_text_paint(const struct ecap_text *t, enum ecap_paint paint);
void ecap_text_plain(const struct ecap_text *t);

/* How many columns the output has. */
unsigned int ecap_text_width(const struct ecap_text *t);

/* What is shown of headers, and of bodies; not ECAP_SHOW_DEFAULT. */
unsigned int ecap_text_shown_headers(const struct ecap_sink_opts *opts);
unsigned int ecap_text_shown_body(const struct ecap_sink_opts *opts);
/* Whether a message is one line, without an empty one behind it. */
bool ecap_text_is_compact(const struct ecap_sink_opts *opts);

/* Bytes of any kind, within a line. */
void ecap_text_put_line(struct ecap_buf *out, const uint8_t *p, size_t n);
/* A name or an address, within a line. */
void ecap_text_put_name(struct ecap_buf *out, const char *s);
/* "1 byte", "2 bytes". */
void ecap_text_put_count(struct ecap_buf *out, uint64_t n, const char *what);
/* "65 B", "12.1 KiB". */
void ecap_text_put_size(struct ecap_buf *out, uint64_t n);
/* What each first line begins with: when, and who. */
void ecap_text_put_origin(const struct ecap_text *t, const struct ecap_out_event *ev);
