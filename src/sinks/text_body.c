// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_body.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "sinks/sink.h"
#include "sinks/text_common.h"
#include "sinks/text_json.h"
#include "sinks/text_view.h"

/* Rows of the terminal in a preview, and of a hex dump that nobody asked for. */
#define PREVIEW_ROWS	 10
#define PREVIEW_HEX_ROWS 4

/* A preview of JSON looks at no more than this; all of it is cut where it ends then. */
#define PREVIEW_JSON 16384

/* So much tells whether it is text. */
#define SAMPLE 1024

void ecap_text_put_note(const struct ecap_text *t, const char *fmt, ...)
{
	char text[160];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ecap_buf_printf(t->out, "%*s", ECAP_TEXT_INDENT, "");
	ecap_text_paint(t, ECAP_PAINT_MINOR);
	ecap_buf_printf(t->out, "... %s", text);
	ecap_text_plain(t);
	ecap_buf_putc(t->out, '\n');
}

/* ----------------------------------------------------------------------------------------- what */

struct ecap_span ecap_text_content_type(const struct ecap_http_message *m)
{
	const struct ecap_http_field *field = ecap_http_find_field(m, "Content-Type");
	struct ecap_span type = field ? field->value : (struct ecap_span){ 0 };
	const uint8_t *end = type.n ? memchr(type.p, ';', type.n) : NULL;

	if (end)
		type.n = (size_t)(end - type.p);
	while (type.n && (type.p[type.n - 1] == ' ' || type.p[type.n - 1] == '\t'))
		type.n--;
	return type;
}

static bool begins_with(struct ecap_span s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && strncasecmp((const char *)s.p, with, n) == 0;
}

static bool ends_with(struct ecap_span s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && strncasecmp((const char *)s.p + s.n - n, with, n) == 0;
}

/* Does it pass for text, by its first bytes? What claims to be may hold more that is none. */
static bool is_text(struct ecap_span body, bool is_claimed)
{
	size_t n = body.n < SAMPLE ? body.n : SAMPLE, bad = 0;

	for (size_t i = 0; i < n;) {
		uint32_t cp = 0;
		size_t len = ecap_utf8_decode(body.p + i, body.n - i, &cp);

		if (len && !cp && !is_claimed)
			return false;
		if (!len || (ecap_utf8_is_unsafe(cp) && cp != '\n' && cp != '\r' && cp != '\t'))
			bad++;
		i += len ? len : 1;
	}
	return bad * (is_claimed ? 3 : 10) <= n;
}

enum form {
	FORM_TEXT,
	FORM_JSON,
	FORM_HEX,
};

static enum form form_of(const struct ecap_text *t, const struct ecap_http_message *m)
{
	const uint32_t cut = ECAP_HTTP_INCOMPLETE | ECAP_HTTP_BODY_CUT | ECAP_HTTP_BAD_CODING |
			     ECAP_HTTP_CODING_LIMIT;
	bool is_preview = ecap_text_shown_body(t->opts) == ECAP_SHOW_PREVIEW;
	struct ecap_span type = ecap_text_content_type(m), body = m->body;
	bool is_cut = m->flags & cut;

	if (t->opts->hex || !is_text(body, begins_with(type, "text/") || ends_with(type, "json")))
		return FORM_HEX;
	if (t->opts->tsize && body.n > t->opts->tsize) {
		body.n = t->opts->tsize;
		is_cut = true;
	}
	if (is_preview && body.n > PREVIEW_JSON) {
		body.n = PREVIEW_JSON;
		is_cut = true;
	}
	if (m->flags & ECAP_HTTP_HOLE || !ecap_text_json_check(body.p, body.n, is_cut))
		return FORM_TEXT;
	return FORM_JSON;
}

/* ----------------------------------------------------------------------------------------- show */

struct part {
	struct ecap_span bytes;
	uint64_t off; /* of the first one, for a hex dump */
};

static size_t put_part(struct ecap_text_view *v, const struct part *part, enum form form)
{
	if (form == FORM_HEX)
		return ecap_view_put_hex(v, part->off, part->bytes.p, part->bytes.n);
	if (form == FORM_JSON)
		return ecap_text_json_put(v, part->bytes.p, part->bytes.n);
	return ecap_view_put(v, part->bytes.p, part->bytes.n);
}

/* The kept part of the body, with the place of its hole; returns how much of it is shown. */
static size_t put_kept(const struct ecap_text *t, const struct ecap_http_message *m, size_t max,
		       enum form form)
{
	size_t rows = ECAP_VIEW_ANY_ROWS, hole = m->flags & ECAP_HTTP_HOLE ? m->hole_at : max;
	struct part part = { .bytes = m->body };
	struct ecap_text_view v;
	size_t shown;

	if (ecap_text_shown_body(t->opts) == ECAP_SHOW_PREVIEW)
		rows = form == FORM_HEX && !t->opts->hex ? PREVIEW_HEX_ROWS : PREVIEW_ROWS;
	part.bytes.n = hole < max ? hole : max;
	if (form == FORM_JSON && rows != ECAP_VIEW_ANY_ROWS && part.bytes.n > PREVIEW_JSON)
		part.bytes.n = PREVIEW_JSON;
	ecap_view_init(&v, t, rows);
	shown = put_part(&v, &part, form);
	ecap_view_end(&v);
	if (m->flags & ECAP_HTTP_HOLE && hole <= max && shown == hole) {
		ecap_text_put_note(t, "bytes are missing here");
		part.off = hole;
		part.bytes = (struct ecap_span){ m->body.p + hole, max - hole };
		shown += put_part(&v, &part, form);
		ecap_view_end(&v);
	}
	return shown;
}

static void put_rest(const struct ecap_text *t, const struct ecap_http_message *m, size_t shown,
		     bool is_preview)
{
	uint64_t rest = m->body_bytes > shown ? m->body_bytes - shown : 0;
	const char *s = rest == 1 ? "" : "s", *it = rest == 1 ? "it" : "them";

	if (!rest)
		return;
	if (t->opts->tsize && shown == t->opts->tsize)
		ecap_text_put_note(t, "%" PRIu64 " more byte%s, left out because of --tsize", rest,
				   s);
	else if (is_preview && shown < m->body.n)
		ecap_text_put_note(t, "%" PRIu64 " more byte%s; --body=all shows %s", rest, s,
				   m->flags & ECAP_HTTP_BODY_CUT ? "more" : it);
	else
		ecap_text_put_note(t, "%" PRIu64 " more byte%s, which %s not kept", rest, s,
				   rest == 1 ? "was" : "were");
}

void ecap_text_put_body(const struct ecap_text *t, const struct ecap_http_message *m)
{
	size_t max = m->body.n;
	size_t shown;

	if (t->opts->tsize && max > t->opts->tsize)
		max = t->opts->tsize;
	shown = put_kept(t, m, max, form_of(t, m));
	put_rest(t, m, shown, ecap_text_shown_body(t->opts) == ECAP_SHOW_PREVIEW);
}

void ecap_text_put_payload(const struct ecap_text *t, uint64_t off, const uint8_t *p, size_t n)
{
	size_t max = t->opts->tsize && n > t->opts->tsize ? t->opts->tsize : n;
	struct ecap_text_view v;

	ecap_view_init(&v, t, ECAP_VIEW_ANY_ROWS);
	if (t->opts->hex)
		(void)ecap_view_put_hex(&v, off, p, max);
	else
		(void)ecap_view_put(&v, p, max);
	ecap_view_end(&v);
	if (max < n)
		ecap_text_put_note(t, "%zu more byte%s, left out because of --tsize", n - max,
				   n - max == 1 ? "" : "s");
}
