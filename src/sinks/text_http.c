// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_http.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sinks/event.h"
#include "sinks/http_url.h"
#include "sinks/redact.h"
#include "sinks/sink.h"
#include "sinks/text_body.h"
#include "sinks/text_common.h"

/* What every other message has is no mark. */
#define USUAL_FLAGS (ECAP_HTTP_CHUNKED | ECAP_HTTP_TO_END | ECAP_HTTP_SWITCH)

static void put_span(const struct ecap_text *t, struct ecap_span span)
{
	ecap_text_put_line(t->out, span.p, span.n);
}

static void put_painted(const struct ecap_text *t, enum ecap_paint paint, struct ecap_span span)
{
	ecap_text_paint(t, paint);
	put_span(t, span);
	ecap_text_plain(t);
}

/* ----------------------------------------------------------------------------------- first line */

/* Complete where the request says for which host it is; else the target as it was sent. */
static void put_url(const struct ecap_text *t, const struct ecap_http_message *m)
{
	struct ecap_http_url url;

	if (!ecap_http_url_find(m, &url)) {
		put_span(t, m->target);
		return;
	}
	ecap_buf_puts(t->out, url.scheme);
	put_span(t, url.host);
	put_span(t, url.path);
}

static void put_status(const struct ecap_text *t, const struct ecap_http_message *m)
{
	static const enum ecap_paint by_class[] = {
		/* clang-format off */
		[1] = ECAP_PAINT_MINOR,
		[2] = ECAP_PAINT_GOOD,
		[3] = ECAP_PAINT_ELSEWHERE,
		[4] = ECAP_PAINT_BAD,
		[5] = ECAP_PAINT_BAD,
		/* clang-format on */
	};
	unsigned int class = m->status / 100;

	ecap_text_paint(t, class < ECAP_ARRAY_SIZE(by_class) ? by_class[class] : ECAP_PAINT_BAD);
	ecap_buf_printf(t->out, "%03u", m->status);
	ecap_text_plain(t);
	if (m->reason.n) {
		ecap_buf_putc(t->out, ' ');
		put_span(t, m->reason);
	}
}

/* What stands between the details of a line. */
static void put_separator(const struct ecap_text *t, bool *is_first)
{
	ecap_buf_puts(t->out, *is_first ? "  " : ", ");
	*is_first = false;
}

/* "text/html", without its parameters. */
static void put_type(const struct ecap_text *t, const struct ecap_http_message *m, bool *is_first)
{
	struct ecap_span type = ecap_text_content_type(m);

	if (!type.n)
		return;
	put_separator(t, is_first);
	put_span(t, type);
}

static void put_sizes(const struct ecap_text *t, const struct ecap_http_message *m, bool *is_first)
{
	bool is_coded = m->coding.n || m->coded_bytes != m->body_bytes + m->missing_bytes;

	if (!m->coded_bytes && !m->body_bytes && (!m->is_response || m->status < 200))
		return;
	put_separator(t, is_first);
	if (m->flags & ECAP_HTTP_CODING_LIMIT)
		ecap_buf_puts(t->out, "over ");
	ecap_text_put_size(t->out, m->body_bytes);
	if (m->flags & ECAP_HTTP_UNKNOWN_CODING) {
		ecap_buf_puts(t->out, " of ");
		put_span(t, m->coding);
	} else if (is_coded && m->coded_bytes) {
		ecap_buf_puts(t->out, " (");
		ecap_text_put_size(t->out, m->coded_bytes);
		ecap_buf_putc(t->out, ' ');
		if (m->coding.n)
			put_span(t, m->coding);
		else
			ecap_buf_puts(t->out, "sent");
		ecap_buf_putc(t->out, ')');
	}
	if (m->missing_bytes) {
		ecap_buf_puts(t->out, ", ");
		ecap_text_put_size(t->out, m->missing_bytes);
		ecap_buf_puts(t->out, " missing");
	}
}

static void put_duration(const struct ecap_text *t, const struct ecap_out_http *http,
			 bool *is_first)
{
	const struct ecap_http_message *request = http->exchange->request;
	uint64_t us;

	if (!request || http->message != http->exchange->response ||
	    http->message->end_ns < request->begin_ns)
		return;
	us = (http->message->end_ns - request->begin_ns) / 1000;
	put_separator(t, is_first);
	if (us < 9950)
		ecap_buf_printf(t->out, "%.1f ms", (double)us / 1000);
	else if (us < 999500)
		ecap_buf_printf(t->out, "%.0f ms", (double)us / 1000);
	else if (us < 99950000)
		ecap_buf_printf(t->out, "%.2f s", (double)us / 1000000);
	else
		ecap_buf_printf(t->out, "%" PRIu64 " s", us / 1000000);
}

static void put_mark(const struct ecap_text *t, const char *name, bool *is_first)
{
	if (!name) /* there is no such flag */
		return;
	ecap_buf_puts(t->out, *is_first ? "  ! " : ", ");
	*is_first = false;
	ecap_text_paint(t, ECAP_PAINT_MARK);
	ecap_buf_puts(t->out, name);
	ecap_text_plain(t);
}

/* What is unusual, by name. */
static void put_marks(const struct ecap_text *t, const struct ecap_out_http *http)
{
	uint32_t flags = http->message->flags & ~(uint32_t)USUAL_FLAGS;
	uint32_t of_pair = http->message->is_response ? http->exchange->flags : 0;
	bool is_first = true;

	for (; flags; flags &= flags - 1)
		put_mark(t, ecap_http_flag_name(flags & -flags), &is_first);
	for (; of_pair; of_pair &= of_pair - 1)
		put_mark(t, ecap_http_exchange_flag_name(of_pair & -of_pair), &is_first);
}

static void put_first_line(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	static const char *const arrows[] = {
		[ECAP_OUT_SEND] = "->",
		[ECAP_OUT_RECV] = "<-",
		[ECAP_OUT_DIR_UNKNOWN] = "--",
	};
	const struct ecap_http_message *m = ev->http.message;
	bool is_first = true;

	ecap_text_put_origin(t, ev);
	ecap_buf_putc(t->out, ' ');
	ecap_text_paint(t, ECAP_PAINT_NUMBER);
	ecap_buf_printf(t->out, "#%" PRIu64, ev->http.exchange->number);
	ecap_text_plain(t);
	ecap_buf_printf(t->out, " %s ", arrows[ev->dir]);
	if (m->is_response) {
		put_status(t, m);
	} else {
		put_painted(t, ECAP_PAINT_MAIN, m->method);
		ecap_buf_putc(t->out, ' ');
		put_url(t, m);
	}
	if (!m->minor) {
		put_separator(t, &is_first);
		ecap_buf_puts(t->out, "HTTP/1.0");
	}
	put_type(t, m, &is_first);
	put_sizes(t, m, &is_first);
	put_duration(t, &ev->http, &is_first);
	put_marks(t, &ev->http);
	ecap_buf_putc(t->out, '\n');
}

/* --------------------------------------------------------------------------------------- fields */

static void put_field(const struct ecap_text *t, const struct ecap_http_field *field)
{
	const bool is_hidden = t->opts->redact && ecap_redact_is_secret(field);
	char redacted[ECAP_REDACT_SIZE];

	ecap_buf_printf(t->out, "%*s", ECAP_TEXT_INDENT, "");
	if (field->name.n) {
		put_painted(t, ECAP_PAINT_NAME, field->name);
		ecap_buf_puts(t->out, field->value.n || is_hidden ? ": " : ":");
	}
	if (is_hidden) {
		ecap_redact_put(field, redacted);
		ecap_buf_puts(t->out, redacted);
	} else {
		put_span(t, field->value);
	}
	ecap_buf_putc(t->out, '\n');
}

static void put_headers(const struct ecap_text *t, const struct ecap_http_message *m)
{
	for (size_t i = 0; i < m->n_fields; i++)
		put_field(t, &m->fields[i]);
	if (m->flags & ECAP_HTTP_FIELDS_CUT)
		ecap_text_put_note(t, "more fields than are listed here");
}

static void put_trailers(const struct ecap_text *t, const struct ecap_http_message *m)
{
	if (!m->n_trailers)
		return;
	ecap_text_put_note(t, "trailers");
	for (size_t i = 0; i < m->n_trailers; i++)
		put_field(t, &m->trailers[i]);
}

void ecap_text_put_message(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	const struct ecap_http_message *m = ev->http.message;
	bool has_headers = ecap_text_shown_headers(t->opts) != ECAP_SHOW_NONE;
	bool has_body = ecap_text_shown_body(t->opts) != ECAP_SHOW_NONE &&
			(m->body.n || m->body_bytes || m->missing_bytes);

	put_first_line(t, ev);
	if (has_headers)
		put_headers(t, m);
	if (has_headers && has_body && m->n_fields)
		ecap_buf_putc(t->out, '\n');
	if (has_body)
		ecap_text_put_body(t, m);
	if (has_headers)
		put_trailers(t, m);
	if (!ecap_text_is_compact(t->opts))
		ecap_buf_putc(t->out, '\n'); /* a blank line separates events */
}
