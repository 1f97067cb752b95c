/* SPDX-License-Identifier: Apache-2.0 */
#include "sinks/json_http.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "parsers/http_message.h"
#include "sinks/json_writer.h"

static bool span_is(struct ecap_span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

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

static void put_fields(struct ecap_json *w, const char *key, const struct ecap_http_field *fields,
		       size_t n)
{
	ecap_json_key(w, key);
	ecap_json_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		ecap_json_begin_array(w);
		ecap_json_exact(w, fields[i].name.p, fields[i].name.n);
		ecap_json_exact(w, fields[i].value.p, fields[i].value.n);
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

/* RFC 3986 3.2.2 and 3.2.3: what a host and a port may have in them. */
static bool is_host(struct ecap_span host)
{
	static const char others[] = "-._~%!$&'()*+,;=:[]";

	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = host.p[i], letter = c | 0x20;

		if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') &&
		    !(c && strchr(others, c)))
			return false;
	}
	return host.n > 0;
}

/* The host that was asked for; no bytes if it is not known, or several were named. */
static struct ecap_span host_of(const struct ecap_http_message *m)
{
	const struct ecap_http_field *host = ecap_http_find_field(m, "host");
	const struct ecap_span none = { .p = NULL };

	if (!host || m->flags & ECAP_HTTP_MANY_HOSTS || !is_host(host->value))
		return none;
	return host->value;
}

/* Is this a URL already, as proxies get it (RFC 9112 3.2.2)? */
static bool is_absolute(struct ecap_span target)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (target.n > n && strncasecmp((const char *)target.p, schemes[i], n) == 0)
			return true;
	}
	return false;
}

/* The path and what follows it, for a server whose name is known. */
static struct ecap_span path_of(const struct ecap_http_message *m)
{
	/* RFC 9112 3.2.4: it is about the server as a whole */
	if (span_is(m->target, "*"))
		return (struct ecap_span){ m->target.p, 0 };
	return m->target;
}

/* Is the target a path, or an asterisk? CONNECT has a host and a port, and asks for no URL. */
static bool is_local(const struct ecap_http_message *m)
{
	if (span_is(m->method, "CONNECT") || !m->target.n)
		return false;
	return m->target.p[0] == '/' || span_is(m->target, "*");
}

/* RFC 9112 3.3; what comes here came over TLS. */
static void put_url(struct ecap_json *w, const struct ecap_http_message *m)
{
	const bool is_whole = is_absolute(m->target);
	const struct ecap_span host = host_of(m), path = path_of(m);

	ecap_json_key(w, "url");
	if ((!is_whole && (!host.n || !is_local(m))) || !ecap_utf8_valid_text(path.p, path.n)) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_string(w);
	if (!is_whole) {
		ecap_json_add_string(w, "https://", 8);
		ecap_json_add_string(w, host.p, host.n);
	}
	ecap_json_add_string(w, path.p, path.n);
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
 * every field is listed, it is there, too.
 */
static void put_head(struct ecap_json *w, const struct ecap_http_message *m)
{
	const bool is_shown = m->flags & (ECAP_HTTP_SUSPICIOUS | ECAP_HTTP_FIELDS_CUT);

	put_span_or_null(w, "head", is_shown ? m->head : (struct ecap_span){ .p = NULL });
}

static void put_version(struct ecap_json *w, const struct ecap_http_message *m)
{
	ecap_json_put_string(w, "version", m->minor ? "HTTP/1.1" : "HTTP/1.0");
}

/* What requests and responses have in common. */
static void put_rest(struct ecap_json *w, const struct ecap_http_message *m)
{
	put_fields(w, "headers", m->fields, m->n_fields);
	put_fields(w, "trailers", m->trailers, m->n_trailers);
	put_head(w, m);
	put_body(w, m);
	put_message_flags(w, m->flags);
	ecap_json_put_u64(w, "off", m->off);
	ecap_json_put_u64(w, "wire_bytes", m->wire_bytes);
	ecap_json_put_time(w, "begin", m->begin_ns);
	ecap_json_put_time(w, "end", m->end_ns);
}

static void put_request(struct ecap_json *w, const struct ecap_http_message *m)
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
	put_rest(w, m);
	ecap_json_end_object(w);
}

static void put_response(struct ecap_json *w, const struct ecap_http_message *m)
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
	put_rest(w, m);
	ecap_json_end_object(w);
}

static void put_exchange_flags(struct ecap_json *w, uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{ ECAP_HTTP_PAIR_UNSURE, "pair_unsure" },
		{ ECAP_HTTP_FORGOTTEN, "forgotten" },
		{ ECAP_HTTP_LOST, "lost" },
	};

	ecap_json_key(w, "flags");
	ecap_json_begin_array(w);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(names); i++) {
		if (flags & names[i].flag)
			ecap_json_string_or_null(w, names[i].name);
	}
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

void ecap_json_put_exchange(struct ecap_json *w, const struct ecap_http_exchange *x)
{
	ecap_json_put_u64(w, "number", x->number);
	put_duration(w, x);
	put_exchange_flags(w, x->flags);
	ecap_json_put_u64(w, "interim", x->n_interim);
	put_request(w, x->request);
	put_response(w, x->response);
}
