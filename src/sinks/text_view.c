// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_view.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "sinks/text_common.h"

#define HEX_PER_LINE 16
#define TAB_WIDTH    8

void ecap_view_init(struct ecap_text_view *v, const struct ecap_text *t, size_t rows)
{
	*v = (struct ecap_text_view){
		.out = t->out,
		.width = ecap_text_width(t),
		.rows = rows,
	};
}

/* Go to the next row, if there is one. */
static bool begin_row(struct ecap_text_view *v)
{
	if (!v->rows)
		return false;
	if (v->rows != ECAP_VIEW_ANY_ROWS)
		v->rows--;
	v->col = 0;
	return true;
}

static bool begin_line(struct ecap_text_view *v)
{
	if (v->is_in_line)
		return true;
	if (!begin_row(v))
		return false;
	ecap_buf_printf(v->out, "%*s", ECAP_TEXT_INDENT, "");
	v->col = ECAP_TEXT_INDENT;
	v->is_in_line = true;
	return true;
}

/* How many of the @n bytes of UTF-8 are the first *@chars characters; there may be fewer. */
static size_t head_of(const uint8_t *p, size_t n, unsigned int *chars)
{
	unsigned int n_chars = 0;
	size_t i = 0;

	for (; i < n; i++) {
		bool begins = (p[i] & 0xc0) != 0x80;

		if (begins && n_chars == *chars)
			break;
		n_chars += begins;
	}
	*chars = n_chars;
	return i;
}

/* Characters that are shown as they are. */
static size_t put_run(struct ecap_text_view *v, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n && begin_line(v)) {
		unsigned int chars = v->width - v->col;
		size_t used;

		if (!chars) {
			if (!begin_row(v))
				break;
			continue;
		}
		used = head_of(p + done, n - done, &chars);
		ecap_buf_put(v->out, p + done, used);
		v->col += chars;
		done += used;
	}
	return done;
}

/* Printable ASCII that is shown as a whole or not at all. */
static bool put_whole(struct ecap_text_view *v, const char *p, size_t n)
{
	size_t end;

	if (!begin_line(v))
		return false;
	end = v->col + n;
	if (end > v->width) { /* it is shorter than a row */
		if (!begin_row(v))
			return false;
		end -= v->width;
	}
	v->col = (unsigned int)end;
	ecap_buf_put(v->out, p, n);
	return true;
}

static bool put_newline(struct ecap_text_view *v)
{
	if (!v->is_in_line && !begin_row(v))
		return false;
	v->is_in_line = false;
	ecap_buf_putc(v->out, '\n');
	return true;
}

/* One line end, tab or character that needs an escape; returns how many bytes it took. */
static size_t put_special(struct ecap_text_view *v, const uint8_t *p, size_t n)
{
	char shown[ECAP_UTF8_SHOWN_MAX];
	size_t n_shown, used;

	if (*p == '\n')
		return put_newline(v) ? 1 : 0;
	if (*p == '\r' && n > 1 && p[1] == '\n')
		return put_newline(v) ? 2 : 0;
	if (*p == '\t') { /* it only moves the cursor, forwards, and not to the next row */
		if (!begin_line(v))
			return 0;
		ecap_buf_putc(v->out, '\t');
		v->col = (v->col / TAB_WIDTH + 1) * TAB_WIDTH;
		if (v->col > v->width)
			v->col = v->width;
		return 1;
	}
	if (*p == '"' || (*p == '\\' && v->is_json))
		return put_run(v, p, 1);
	used = ecap_utf8_show(p, n, shown, &n_shown);
	return put_whole(v, shown, n_shown) ? used : 0;
}

size_t ecap_view_put(struct ecap_text_view *v, const uint8_t *p, size_t n)
{
	/* A preview does not look at a megabyte to show a row. */
	const size_t step = v->rows == ECAP_VIEW_ANY_ROWS ? SIZE_MAX : 1024;
	size_t done = 0;

	while (done < n) {
		size_t left = n - done, run, used;

		run = ecap_utf8_plain_run(p + done, left < step ? left : step);
		used = run ? put_run(v, p + done, run) : put_special(v, p + done, left);
		done += used;
		if (!used || used < run)
			break;
	}
	return done;
}

unsigned int ecap_view_get_room(const struct ecap_text_view *v)
{
	return v->width - (v->is_in_line ? v->col : ECAP_TEXT_INDENT);
}

void ecap_view_end(struct ecap_text_view *v)
{
	if (v->is_in_line)
		ecap_buf_putc(v->out, '\n');
	v->is_in_line = false;
}

static void put_hex_line(struct ecap_buf *out, uint64_t off, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char hex[3 * HEX_PER_LINE + 1], ascii[HEX_PER_LINE];

	memset(hex, ' ', sizeof(hex));
	for (size_t i = 0; i < n; i++) {
		char *to = hex + 3 * i + (i >= HEX_PER_LINE / 2);

		to[0] = digits[p[i] >> 4];
		to[1] = digits[p[i] & 15];
		ascii[i] = (char)(p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '.');
	}
	ecap_buf_printf(out, "%08" PRIx64 "  %.*s |%.*s|\n", off, (int)sizeof(hex), hex, (int)n,
			ascii);
}

size_t ecap_view_put_hex(struct ecap_text_view *v, uint64_t off, const uint8_t *p, size_t n)
{
	size_t done = 0;

	ecap_view_end(v);
	while (done < n && begin_line(v)) {
		size_t left = n - done, used = left < HEX_PER_LINE ? left : HEX_PER_LINE;

		put_hex_line(v->out, off + done, p + done, used);
		v->is_in_line = false;
		done += used;
	}
	return done;
}
