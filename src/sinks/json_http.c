/* SPDX-License-Identifier: Apache-2.0 */
#include "sinks/json_http.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "parsers/http_message.h"
#include "sinks/http_url.h"
#include "sinks/json_writer.h"
#include "sinks/redact.h"

static void put_span(struct ecap_json *w, const char *key, struct ecap_span s)
{
	ecap_json_key(w, key);
	ecap_json_exact(w, s.p, s.n);
}

static void put_span_or_null(struct ecap_json *w, const char *key, struct ecap_span s)
{
	ecap_json_key(w, key);
	if (s.p)
		ecap_json_exact(w, s.p, s.n);
	else
		ecap_json_null(w);
}

/* ------------------------------------------------------------------------------------- headers */

static void put_value(struct ecap_json *w, const struct ecap_http_field *field, bool redacts)
{
	char shown[ECAP_REDACT_SIZE];

	if (redacts && ecap_redact_is_secret(field)) {
		ecap_redact_put(field, shown);
		ecap_json_exact(w, shown, strlen(shown));
		return;
	}
	ecap_json_exact(w, field->value.p, field->value.n);
}

struct fields {
	const struct ecap_http_field *items;
	size_t n;
};

static void put_fields(struct ecap_json *w, const char *key, struct fields fields, bool redacts)
{
	ecap_json_key(w, key);
	ecap_json_begin_array(w);
	for (size_t i = 0; i < fields.n; i++) {
		const struct ecap_http_field *field = &fields.items[i];

		ecap_json_begin_array(w);
		ecap_json_exact(w, field->name.p, field->name.n);
		put_value(w, field, redacts);
		ecap_json_end_array(w);
	}
	ecap_json_end_array(w);
}

static void put_message_flags(struct ecap_json *w, uint32_t flags)
{
	ecap_json_key(w, "flags");
	ecap_json_begin_array(w);
	for (; flags; flags &= flags - 1)
		ecap_json_string_or_null(w, ecap_http_flag_name(flags & -flags));
	ecap_json_end_array(w);
}

/* ----------------------------------------------------------------------------------------- URL */

static void put_url(struct ecap_json *w, const struct ecap_http_message *m)
{
	struct ecap_http_url url;

	ecap_json_key(w, "url");
	if (!ecap_http_url_find(m, &url) || !ecap_utf8_valid_text(url.path.p, url.path.n)) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_string(w);
	ecap_json_add_string(w, url.scheme, strlen(url.scheme));
	ecap_json_add_string(w, url.host.p, url.host.n);
	ecap_json_add_string(w, url.path.p, url.path.n);
	ecap_json_end_string(w);
}

/* ---------------------------------------------------------------------------------------- body */

static void put_body(struct ecap_json *w, const struct ecap_http_message *m)
{
	const struct ecap_http_field *type = ecap_http_find_field(m, "content-type");

	ecap_json_key(w, "body");
	if (!m->coded_bytes) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_object(w);
	put_span_or_null(w, "type", type ? type->value : (struct ecap_span){ .p = NULL });
	put_span_or_null(w, "coding", m->coding);
	ecap_json_put_u64(w, "wire_len", m->coded_bytes);
	ecap_json_put_u64(w, "missing", m->missing_bytes);
	ecap_json_put_known(w, "hole_at", m->hole_at, m->flags & ECAP_HTTP_HOLE);
	ecap_json_put_u64(w, "total", m->body_bytes);
	ecap_json_put_u64(w, "len", m->body.n);
	ecap_json_put_bytes(w, m->body.p, m->body.n);
	ecap_json_end_object(w);
}

/* ------------------------------------------------------------------------------------ messages */

/*
 * What lines of the head looked like is only in the head itself: where they say two things, or not
 * every field is listed, it is there, too. Nothing is hidden in it.
 */
static void put_head(struct ecap_json *w, const struct ecap_http_message *m, bool redacts)
{
	const bool is_shown = !redacts && m->flags & (ECAP_HTTP_SUSPICIOUS | ECAP_HTTP_FIELDS_CUT);

	put_span_or_null(w, "head", is_shown ? m->head : (struct ecap_span){ .p = NULL });
}

static void put_version(struct ecap_json *w, const struct ecap_http_message *m)
{
	ecap_json_put_string(w, "version", m->minor ? "HTTP/1.1" : "HTTP/1.0");
}

/* What requests and responses have in common. */
static void put_rest(struct ecap_json *w, const struct ecap_http_message *m, bool redacts)
{
	put_fields(w, "headers", (struct fields){ m->fields, m->n_fields }, redacts);
	put_fields(w, "trailers", (struct fields){ m->trailers, m->n_trailers }, redacts);
	put_head(w, m, redacts);
	put_body(w, m);
	put_message_flags(w, m->flags);
	ecap_json_put_u64(w, "off", m->off);
	ecap_json_put_u64(w, "wire_bytes", m->wire_bytes);
	ecap_json_put_time(w, "begin", m->begin_ns);
	ecap_json_put_time(w, "end", m->end_ns);
}

static void put_request(struct ecap_json *w, const struct ecap_http_message *m, bool redacts)
{
	ecap_json_key(w, "request");
	if (!m) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_object(w);
	put_span(w, "method", m->method);
	put_span(w, "target", m->target);
	put_url(w, m);
	put_version(w, m);
	put_rest(w, m, redacts);
	ecap_json_end_object(w);
}

static void put_response(struct ecap_json *w, const struct ecap_http_message *m, bool redacts)
{
	ecap_json_key(w, "response");
	if (!m) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_object(w);
	ecap_json_put_u64(w, "status", m->status);
	put_span(w, "reason", m->reason);
	put_version(w, m);
	put_rest(w, m, redacts);
	ecap_json_end_object(w);
}

static void put_exchange_flags(struct ecap_json *w, uint32_t flags)
{
	ecap_json_key(w, "flags");
	ecap_json_begin_array(w);
	for (; flags; flags &= flags - 1)
		ecap_json_string_or_null(w, ecap_http_exchange_flag_name(flags & -flags));
	ecap_json_end_array(w);
}

/* From the first byte of the question to the last of the answer, if both were heard in order. */
static void put_duration(struct ecap_json *w, const struct ecap_http_exchange *x)
{
	const bool is_known =
		x->request && x->response && x->response->end_ns >= x->request->begin_ns;

	ecap_json_put_known(w, "duration_ns",
			    is_known ? x->response->end_ns - x->request->begin_ns : 0, is_known);
}

void ecap_json_put_exchange(struct ecap_json *w, const struct ecap_http_exchange *x, bool redacts)
{
	ecap_json_put_u64(w, "number", x->number);
	put_duration(w, x);
	put_exchange_flags(w, x->flags);
	ecap_json_put_u64(w, "interim", x->n_interim);
	put_request(w, x->request, redacts);
	put_response(w, x->response, redacts);
}
