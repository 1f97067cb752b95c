/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recorder {
	struct ecap_buf *log;
	struct http1_account account;
	uint64_t next_off[2]; /* where the next message or raw byte may begin */
	uint64_t fed_to[2];
	uint64_t last_exchange;
	bool is_in_raw;
	unsigned int raw_side;
	enum ecap_http1_raw raw;
	uint64_t raw_end;
};

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void put_text(struct ecap_buf *log, struct ecap_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c == '\r' || c == '\n')
			ecap_buf_puts(log, c == '\r' ? "\\r" : "\\n");
		else if (c < 0x20 || c >= 0x7f || c == '"')
			ecap_buf_printf(log, "\\x%02x", (unsigned int)c);
		else
			ecap_buf_putc(log, (char)c);
	}
}

static void put_fields(struct ecap_buf *log, const char *mark, const struct ecap_http_field *fields,
		       size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ecap_buf_printf(log, " %s[", mark);
		put_text(log, fields[i].name);
		ecap_buf_puts(log, ": ");
		put_text(log, fields[i].value);
		ecap_buf_putc(log, ']');
	}
}

static void put_flags(struct ecap_buf *log, uint32_t flags)
{
	const char *separator = " {";

	for (uint32_t bit = 1; bit; bit <<= 1) {
		if (!(flags & bit))
			continue;
		must(ecap_http_flag_name(bit) != NULL, "each flag has a name");
		ecap_buf_printf(log, "%s%s", separator, ecap_http_flag_name(bit));
		separator = ",";
	}
	if (flags)
		ecap_buf_putc(log, '}');
}

static void end_raw(struct recorder *rec)
{
	if (rec->is_in_raw)
		ecap_buf_puts(rec->log, "\"\n");
	rec->is_in_raw = false;
}

static void check_place(struct recorder *rec, unsigned int side, uint64_t off, uint64_t end)
{
	must(off >= rec->next_off[side], "nothing is told of twice");
	must(end <= rec->fed_to[side], "nothing is told of that did not come");
	rec->next_off[side] = end;
}

static void on_raw(struct recorder *rec, const struct ecap_http1_event *ev)
{
	static const char *const kinds[] = {
		[ECAP_HTTP1_NOT_HTTP] = "raw",
		[ECAP_HTTP1_SWITCHED] = "switched",
		[ECAP_HTTP1_HTTP2] = "http2",
	};

	check_place(rec, ev->side, ev->off, ev->off + ev->bytes.n);
	rec->account.raw[ev->side] += ev->bytes.n;
	if (!rec->is_in_raw || rec->raw_side != ev->side || rec->raw != ev->raw ||
	    rec->raw_end != ev->off) {
		end_raw(rec);
		ecap_buf_printf(rec->log, "%s %u @%" PRIu64 " \"", kinds[ev->raw], ev->side,
				ev->off);
	}
	put_text(rec->log, ev->bytes);
	rec->is_in_raw = true;
	rec->raw_side = ev->side;
	rec->raw = ev->raw;
	rec->raw_end = ev->off + ev->bytes.n;
}

static void on_message(struct recorder *rec, const struct ecap_http1_event *ev)
{
	const struct ecap_http_message *m = ev->message;
	struct ecap_buf *log = rec->log;

	check_place(rec, ev->side, m->off, m->off + m->wire_bytes);
	rec->account.messages[ev->side] += m->wire_bytes - m->missing_bytes;
	must(m->body.n <= m->body_bytes, "no body is longer than it is");
	must(m->body.n == m->body_bytes || m->flags & ECAP_HTTP_BODY_CUT, "a cut body says so");
	must(m->head.n <= m->wire_bytes, "a head is part of its message");
	if (m->is_response) {
		ecap_buf_printf(log, "response %" PRIu64 " %u ", ev->exchange->number, m->status);
		put_text(log, m->reason);
	} else {
		ecap_buf_printf(log, "request %" PRIu64 " ", ev->exchange->number);
		put_text(log, m->method);
		ecap_buf_putc(log, ' ');
		put_text(log, m->target);
	}
	ecap_buf_printf(log, " 1.%u @%" PRIu64 "+%" PRIu64 " t%" PRIu64 "-%" PRIu64, m->minor,
			m->off, m->wire_bytes, m->begin_ns, m->end_ns);
	put_flags(log, m->flags);
	put_fields(log, "", m->fields, m->n_fields);
	put_fields(log, "+", m->trailers, m->n_trailers);
	if (m->coded_bytes) {
		ecap_buf_puts(log, " \"");
		put_text(log, m->body);
		ecap_buf_printf(log, "\" %" PRIu64 "/%" PRIu64, m->body_bytes, m->coded_bytes);
	}
	if (m->flags & ECAP_HTTP_HOLE)
		ecap_buf_printf(log, " hole=%" PRIu64 "+%" PRIu64, m->hole_at, m->missing_bytes);
	ecap_buf_putc(log, '\n');
}

static void on_exchange(struct recorder *rec, const struct ecap_http_exchange *x)
{
	ecap_buf_printf(rec->log, "exchange %" PRIu64 " %c%c%s%s%s", x->number,
			x->request ? '+' : '-', x->response ? '+' : '-',
			x->flags & ECAP_HTTP_PAIR_UNSURE ? " unsure" : "",
			x->flags & ECAP_HTTP_FORGOTTEN ? " forgotten" : "",
			x->flags & ECAP_HTTP_LOST ? " lost" : "");
	if (x->n_interim)
		ecap_buf_printf(rec->log, " interim=%u", x->n_interim);
	ecap_buf_putc(rec->log, '\n');
}

static void on_event(void *arg, const struct ecap_http1_event *ev)
{
	struct recorder *rec = arg;

	if (ev->type != ECAP_HTTP1_RAW)
		end_raw(rec);
	switch (ev->type) {
	case ECAP_HTTP1_HEAD:
		must(ev->message->head.n > 0 && !ev->message->wire_bytes, "a head comes first");
		break;
	case ECAP_HTTP1_MESSAGE:
		on_message(rec, ev);
		break;
	case ECAP_HTTP1_EXCHANGE:
		on_exchange(rec, ev->exchange);
		break;
	case ECAP_HTTP1_RAW:
		on_raw(rec, ev);
		break;
	}
}

/* Feed one step as @run says; *@at counts the bytes of all steps. */
static void feed(struct ecap_http1 *parser, const struct http1_run *run,
		 const struct http1_step *step, uint64_t ts_ns, size_t *at)
{
	struct ecap_http1_chunk chunk = {
		.side = step->side,
		.is_start = !step->joined,
		.ts_ns = ts_ns,
	};
	size_t done = 0;

	while (done < step->len) {
		uint8_t *exact;

		chunk.len = step->len - done;
		if (run->byte_wise)
			chunk.len = 1;
		else if (run->cut > *at && run->cut - *at < chunk.len)
			chunk.len = run->cut - *at;
		exact = malloc(chunk.len); /* a sanitizer sees what is kept of it, or read behind */
		must(exact != NULL, "there is memory");
		memcpy(exact, step->bytes + done, chunk.len);
		chunk.bytes = exact;
		ecap_http1_feed(parser, &chunk);
		free(exact);
		done += chunk.len;
		*at += chunk.len;
		chunk.is_start = false;
	}
}

void http1_log(const struct http1_run *run, const struct http1_step *steps, size_t n,
	       struct ecap_buf *log, struct http1_account *ret)
{
	struct ecap_http1_shared shared = { .limits = run->limits };
	struct recorder rec = { .log = log };
	const struct ecap_http1_opts opts = {
		.shared = &shared,
		.from_start = run->from_start,
		.event = on_event,
		.arg = &rec,
	};
	struct ecap_http1 *parser = NULL;
	size_t at = 0;

	must(ecap_http1_new(&opts, &parser) == 0, "there is memory");
	for (size_t i = 0; i < n; i++) {
		unsigned int side = steps[i].side;

		rec.fed_to[side] += steps[i].gap + steps[i].len;
		rec.account.fed[side] += steps[i].len;
		ecap_http1_gap(parser, side, steps[i].gap, i + 1);
		feed(parser, run, &steps[i], i + 1, &at);
	}
	ecap_http1_end(parser, run->is_closed, n + 1);
	end_raw(&rec);
	ecap_http1_free(parser);
	must(shared.memory == 0, "all memory is given back");
	for (size_t side = 0; side < 2; side++)
		must(rec.account.fed[side] == rec.account.messages[side] + rec.account.raw[side],
		     "each byte is told of once");
	rec.account.counters = shared.counters;
	if (ret)
		*ret = rec.account;
}

static void ignore(void *arg, const struct ecap_http1_event *ev)
{
	(void)arg;
	(void)ev;
}

struct ecap_http1 *http1_quiet(struct ecap_http1_shared *shared, bool from_start)
{
	const struct ecap_http1_opts opts = {
		.shared = shared,
		.from_start = from_start,
		.event = ignore,
	};
	struct ecap_http1 *parser = NULL;

	must(ecap_http1_new(&opts, &parser) == 0, "there is memory");
	return parser;
}
