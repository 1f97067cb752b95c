/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/http1_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Ratios mean nothing for little output: a page of spaces may well be 500 : 1. */
#define RATIO_APPLIES (1u << 20)

/* -------------------------------------------------------------------------------------- memory */

bool ecap_http1_has_room(struct ecap_http1_shared *shared, size_t n)
{
	if (shared->memory <= shared->limits.max_memory &&
	    n <= shared->limits.max_memory - shared->memory)
		return true;
	shared->counters.no_memory++;
	return false;
}

void ecap_http1_charge(struct ecap_http1_shared *shared, size_t *held, size_t now)
{
	shared->memory += now - *held;
	*held = now;
}

static void message_charge(struct ecap_http1 *c, struct message *m)
{
	size_t n = sizeof(*m) + m->head.cap + m->trailer.cap + m->body.cap;

	n += (m->pub.n_fields + m->pub.n_trailers) * sizeof(m->fields[0]);
	if (m->codec)
		n += ecap_codec_memory(m->codec);
	ecap_http1_charge(c->shared, &m->memory, n);
}

static void message_free(struct ecap_http1 *c, struct message *m)
{
	if (!m)
		return;
	ecap_http1_charge(c->shared, &m->memory, 0);
	ecap_buf_done(&m->head);
	ecap_buf_done(&m->trailer);
	ecap_buf_done(&m->body);
	free(m->fields);
	free(m->trailers);
	ecap_codec_free(m->codec);
	free(m);
}

/* -------------------------------------------------------------------------------------- events */

static unsigned int side_number(const struct ecap_http1 *c, const struct side *s)
{
	return (unsigned int)(s - c->sides);
}

void ecap_http1_emit_raw(struct ecap_http1 *c, const struct side *s, uint64_t off, const uint8_t *p,
			 size_t n)
{
	struct ecap_http1_event ev = {
		.type = ECAP_HTTP1_RAW,
		.side = side_number(c, s),
		.ts_ns = c->ts_ns,
		.off = off,
		.bytes = { p, n },
	};

	if (!n)
		return;
	if (s->state == ECAP_HTTP1_OTHER)
		ev.raw = c->is_http2 ? ECAP_HTTP1_HTTP2 : ECAP_HTTP1_SWITCHED;
	c->shared->counters.raw_bytes += n;
	c->event(c->arg, &ev);
}

static void emit(struct ecap_http1 *c, enum ecap_http1_event_type type, const struct message *m,
		 const struct exchange *x)
{
	const struct ecap_http1_event ev = {
		.type = type,
		.side = (unsigned int)c->client ^ (m && m->pub.is_response),
		.ts_ns = c->ts_ns,
		.exchange = &x->pub,
		.message = m ? &m->pub : NULL,
	};

	c->event(c->arg, &ev);
}

/* ----------------------------------------------------------------------------------- exchanges */

static struct exchange *exchange_new(struct ecap_http1 *c)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x) {
		c->shared->counters.no_memory++;
		return NULL;
	}
	c->shared->memory += sizeof(*x);
	x->pub.number = ++c->shared->counters.exchanges;
	return x;
}

static void exchange_free(struct ecap_http1 *c, struct exchange *x)
{
	message_free(c, x->request);
	message_free(c, x->response);
	c->shared->memory -= sizeof(*x);
	free(x);
}

static void queue_add(struct ecap_http1 *c, struct exchange *x)
{
	x->is_waiting = true;
	*c->end = x;
	c->end = &x->next;
	c->n_waiting++;
}

static struct exchange *queue_take(struct ecap_http1 *c)
{
	struct exchange *x = c->first;

	if (!x)
		return NULL;
	c->first = x->next;
	if (!c->first)
		c->end = &c->first;
	x->next = NULL;
	x->is_waiting = false;
	c->n_waiting--;
	return x;
}

/* Nothing more comes of it once both are over. */
static void exchange_settle(struct ecap_http1 *c, struct exchange *x)
{
	if (!x->is_request_over || !x->is_response_over)
		return;
	emit(c, ECAP_HTTP1_EXCHANGE, NULL, x);
	exchange_free(c, x);
}

/* Its response will not be known. */
static void exchange_give_up(struct ecap_http1 *c, struct exchange *x, uint32_t flags)
{
	x->pub.flags |= flags;
	x->is_response_over = true;
	exchange_settle(c, x);
}

void ecap_http1_give_up_early(struct ecap_http1 *c)
{
	struct exchange *x = c->early;

	if (!x)
		return;
	c->early = NULL;
	x->is_request_over = true;
	exchange_settle(c, x);
}

void ecap_http1_flush(struct ecap_http1 *c, uint32_t flags)
{
	struct exchange *x;

	while ((x = queue_take(c)))
		exchange_give_up(c, x, flags);
	ecap_http1_give_up_early(c);
	c->n_forgotten = 0;
}

/* The exchange of a request whose head is complete. */
static struct exchange *exchange_of_request(struct ecap_http1 *c)
{
	struct exchange *x = c->early;

	if (x) {
		c->early = NULL;
		return x;
	}
	x = exchange_new(c);
	if (!x)
		return NULL;
	/* One who waits for each response before he asks again has had all that were lost. */
	if (c->first)
		c->is_pipelined = true;
	else if (!c->is_pipelined)
		c->is_unsure = false;
	if (c->is_unsure)
		x->pub.flags |= ECAP_HTTP_PAIR_UNSURE;
	if (c->n_waiting >= c->shared->limits.max_pending && c->first) {
		c->n_forgotten++;
		c->shared->counters.forgotten++;
		exchange_give_up(c, queue_take(c), ECAP_HTTP_FORGOTTEN);
	}
	queue_add(c, x);
	return x;
}

/*
 * A response without a request. If none can have been missed, its request is on the way: a thread
 * that writes may be told of later than one that reads. 408 is said to those who do not ask.
 */
static struct exchange *exchange_without_request(struct ecap_http1 *c, bool may_be_early,
						 unsigned int status)
{
	const struct side *client = &c->sides[c->client];
	struct exchange *x = exchange_new(c);

	if (!x)
		return NULL;
	if (c->early) {
		c->is_unsure = true;
		ecap_http1_give_up_early(c);
	}
	if (may_be_early && client->is_synced && !c->is_unsure && status != 408)
		c->early = x;
	else
		x->is_request_over = true;
	return x;
}

/* The exchange of a response whose head is complete; a final one is waited for no more. */
static struct exchange *exchange_of_response(struct ecap_http1 *c, unsigned int status)
{
	bool is_interim = status < 200 && status != 101;
	struct exchange *x;

	if (c->n_forgotten) {
		x = exchange_without_request(c, false, status);
		if (x)
			x->pub.flags |= ECAP_HTTP_FORGOTTEN;
		if (x && !is_interim)
			c->n_forgotten--;
		return x;
	}
	if (!c->first)
		return exchange_without_request(c, !is_interim, status);
	return is_interim ? c->first : queue_take(c);
}

/* ------------------------------------------------------------------------------------- message */

/*
 * List the fields in @lines, as far as limits go; returns how many are listed. What the others say
 * of flags and framing counts, too.
 */
static size_t list_fields(struct ecap_http1 *c, struct message *m, struct ecap_span lines,
			  struct ecap_http1_framing *framing, struct ecap_http_field **ret)
{
	const uint8_t *end = lines.p + lines.n;
	size_t max = 0, n;

	/* A field is a line at least. */
	for (const uint8_t *p = lines.p; p && p < end && max < c->shared->limits.max_fields;
	     max++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	*ret = max ? calloc(max, sizeof(**ret)) : NULL;
	if (!*ret) {
		c->shared->counters.no_memory += max > 0;
		max = 0;
	}
	n = ecap_http1_parse_fields(lines.p, lines.n, *ret, max, &m->pub.flags, framing);
	if (n <= max)
		return n;
	m->pub.flags |= ECAP_HTTP_FIELDS_CUT;
	c->shared->counters.cut_fields++;
	return max;
}

/* Make a message of what @s holds, without an exchange so far. */
static struct message *message_new(struct ecap_http1 *c, struct side *s)
{
	struct message *m = calloc(1, sizeof(*m));
	struct ecap_http1_start start;
	const uint8_t *head;
	struct ecap_span lines;
	size_t n;

	if (!m)
		return NULL;
	m->head = s->held;
	ecap_buf_init(&s->held, s->held.max);
	ecap_http1_charge(c->shared, &s->held_memory, 0);
	ecap_buf_init(&m->body, c->shared->limits.max_body);
	ecap_buf_init(&m->trailer, c->shared->limits.max_head);
	head = m->head.data + s->start_at;
	n = (size_t)((const uint8_t *)memchr(head, '\n', m->head.len - s->start_at) - head) + 1;
	(void)ecap_http1_parse_start(head, n, &start); /* again: what it points to has moved */
	m->pub = (struct ecap_http_message){
		.is_response = start.is_response,
		.minor = start.minor,
		.status = start.status,
		.flags = start.flags | (s->start_at ? ECAP_HTTP_EMPTY_LINES : 0),
		.method = start.method,
		.target = start.target,
		.reason = start.reason,
		.head = { head, m->head.len - s->start_at },
		.off = s->begin_off,
		.begin_ns = s->begin_ns,
	};
	lines = (struct ecap_span){ head + n, m->pub.head.n - n };
	m->pub.n_fields = list_fields(c, m, lines, &m->framing, &m->fields);
	m->pub.fields = m->fields;
	m->pub.coding = m->framing.content_coding;
	message_charge(c, m);
	return m;
}

/* Give what was to become a message back to the side that held it. */
static void message_undo(struct ecap_http1 *c, struct side *s, struct message *m)
{
	s->held = m->head;
	ecap_buf_init(&m->head, 0);
	ecap_http1_charge(c->shared, &s->held_memory, s->held.cap);
	message_free(c, m);
}

int ecap_http1_message_begin(struct ecap_http1 *c, struct side *s)
{
	struct message *m = message_new(c, s);
	struct exchange *x;

	if (!m)
		return -ENOMEM;
	c->client = (int)side_number(c, s) ^ m->pub.is_response;
	x = m->pub.is_response ? exchange_of_response(c, m->pub.status) : exchange_of_request(c);
	if (!x) {
		message_undo(c, s, m);
		return -ENOMEM;
	}
	m->exchange = x;
	s->message = m;
	if (!m->pub.is_response) {
		x->request = m;
		x->pub.request = &m->pub;
	} else if (m->pub.status >= 200 || m->pub.status == 101) {
		x->response = m;
		x->pub.response = &m->pub;
	}
	emit(c, ECAP_HTTP1_HEAD, m, x);
	return 0;
}

int ecap_http1_message_trailer(struct ecap_http1 *c, struct message *m, const uint8_t *p, size_t n)
{
	if (!ecap_http1_has_room(c->shared, n))
		return -ENOMEM;
	ecap_buf_put(&m->trailer, p, n);
	message_charge(c, m);
	return m->trailer.err;
}

/* What trailers say of lengths and codings comes too late to count (RFC 9110 6.5.1). */
static void parse_trailers(struct ecap_http1 *c, struct message *m)
{
	const uint32_t of_lines = ECAP_HTTP_FIELDS_CUT | ECAP_HTTP_BARE_CR | ECAP_HTTP_BARE_LF |
				  ECAP_HTTP_FOLDED | ECAP_HTTP_SPACE_IN_NAME | ECAP_HTTP_BAD_FIELD |
				  ECAP_HTTP_CONTROL;
	const struct ecap_span lines = { m->trailer.data, m->trailer.len };
	struct ecap_http1_framing none = { 0 };
	uint32_t flags = m->pub.flags;

	if (!lines.n)
		return;
	m->pub.n_trailers = list_fields(c, m, lines, &none, &m->trailers);
	m->pub.trailers = m->trailers;
	m->pub.flags = flags | (m->pub.flags & of_lines);
}

/* ------------------------------------------------------------------------------------ the body */

struct keeper {
	struct ecap_http1 *c;
	struct message *m;
};

/* Decoded bytes: counted, and kept as far as the limits go. */
static void keep(void *arg, const uint8_t *p, size_t n)
{
	const struct keeper *k = arg;
	struct message *m = k->m;
	size_t room = m->body.max - m->body.len, take = n < room ? n : room;

	m->pub.body_bytes += n;
	if (m->pub.flags & ECAP_HTTP_BODY_CUT)
		return;
	if (!ecap_http1_has_room(k->c->shared, take + m->body.cap))
		take = 0;
	ecap_buf_put(&m->body, p, take);
	if (m->body.err)
		k->c->shared->counters.no_memory++;
	if (take < n || m->body.err) {
		m->pub.flags |= ECAP_HTTP_BODY_CUT;
		k->c->shared->counters.cut_bodies++;
	}
}

/* The decoders that the head asks for. Without them, the body is kept as it was transferred. */
static void codec_begin(struct ecap_http1 *c, struct message *m)
{
	const struct ecap_http1_limits *limits = &c->shared->limits;
	const struct ecap_codec_limits codec_limits = {
		.max_out = limits->max_decoded,
		.max_ratio = limits->max_ratio,
		.ratio_applies = RATIO_APPLIES,
	};
	enum ecap_coding chain[2 * ECAP_CODEC_MAX_CHAIN];
	const struct ecap_http1_framing *f = &m->framing;
	size_t n = f->n_codings + f->n_te_codings;
	int r = -EINVAL;

	m->is_codec_tried = true;
	if (!n && !f->is_coding_unknown)
		return;
	memcpy(chain, f->codings, sizeof(f->codings));
	memcpy(chain + f->n_codings, f->te_codings, sizeof(f->te_codings));
	if (!f->is_coding_unknown && ecap_http1_has_room(c->shared, 0))
		r = ecap_codec_new(chain, n, &codec_limits, &m->codec);
	if (r < 0)
		m->pub.flags |= ECAP_HTTP_UNKNOWN_CODING;
}

/* The decoders refuse these last @n bytes. What claims to be coded may well be plain. */
static void codec_failed(struct ecap_http1 *c, struct message *m, int r, struct ecap_span last)
{
	struct keeper keeper = { c, m };
	uint64_t before = m->pub.coded_bytes - last.n;

	ecap_codec_free(m->codec);
	m->codec = NULL;
	if (r == -EFBIG) {
		m->pub.flags |= ECAP_HTTP_CODING_LIMIT;
		c->shared->counters.stopped_codings++;
	} else {
		m->pub.flags |= ECAP_HTTP_BAD_CODING;
	}
	m->is_stopped = true;
	if (r == -EFBIG || m->pub.body_bytes || before > sizeof(m->first))
		return;
	m->is_stopped = false;
	m->pub.flags = (m->pub.flags & ~ECAP_HTTP_BAD_CODING) | ECAP_HTTP_UNKNOWN_CODING;
	keep(&keeper, m->first, (size_t)before);
	keep(&keeper, last.p, last.n);
}

void ecap_http1_message_body(struct ecap_http1 *c, struct message *m, const uint8_t *p, size_t n)
{
	struct keeper keeper = { c, m };
	uint64_t before = m->pub.coded_bytes;
	int r = 0;

	if (!n)
		return;
	if (!m->is_codec_tried)
		codec_begin(c, m);
	m->pub.coded_bytes += n;
	if (m->is_stopped)
		return;
	if (!m->codec) {
		keep(&keeper, p, n);
	} else {
		r = ecap_codec_feed(m->codec, p, n, keep, &keeper);
		if (r < 0)
			codec_failed(c, m, r, (struct ecap_span){ p, n });
		for (size_t i = 0; i < n && before + i < sizeof(m->first); i++)
			m->first[before + i] = p[i];
	}
	message_charge(c, m);
}

void ecap_http1_message_hole(struct ecap_http1 *c, struct message *m, uint64_t n)
{
	if (!m->is_codec_tried)
		codec_begin(c, m);
	if (!(m->pub.flags & ECAP_HTTP_HOLE))
		m->pub.hole_at = m->pub.body_bytes;
	m->pub.flags |= ECAP_HTTP_HOLE;
	m->pub.coded_bytes += n;
	m->pub.missing_bytes += n;
	if (!m->codec)
		return;
	/* No coding goes on behind a hole. */
	m->is_stopped = true;
	ecap_codec_free(m->codec);
	m->codec = NULL;
	message_charge(c, m);
}

/* ----------------------------------------------------------------------------------------- end */

static void codec_end(struct message *m)
{
	if (m->codec && ecap_codec_end(m->codec) < 0)
		m->pub.flags |= ECAP_HTTP_BAD_CODING;
	ecap_codec_free(m->codec);
	m->codec = NULL;
}

void ecap_http1_message_end(struct ecap_http1 *c, struct side *s, uint64_t end)
{
	struct message *m = s->message;
	struct exchange *x = m->exchange;

	codec_end(m);
	parse_trailers(c, m);
	m->pub.body = (struct ecap_span){ m->body.data, m->body.len };
	m->pub.wire_bytes = end - m->pub.off;
	m->pub.end_ns = s->last_ns;
	message_charge(c, m);
	s->message = NULL;
	if (m->pub.is_response)
		c->shared->counters.responses++;
	else
		c->shared->counters.requests++;
	emit(c, ECAP_HTTP1_MESSAGE, m, x);
	if (m == x->request) {
		x->is_request_over = true;
	} else if (m == x->response) {
		x->is_response_over = true;
	} else {
		x->pub.n_interim++;
		message_free(c, m);
		/* Nobody waits for a final response where there was no request. */
		if (!x->request && c->early != x)
			x->is_response_over = true;
	}
	exchange_settle(c, x);
}

void ecap_http1_discard(struct ecap_http1 *c)
{
	struct exchange *x;

	/* A message under way belongs to its exchange; interim ones are over with their heads. */
	for (size_t i = 0; i < ECAP_HTTP1_SIDES; i++) {
		struct message *m = c->sides[i].message;
		struct exchange *owner = m ? m->exchange : NULL;

		c->sides[i].message = NULL;
		if (!m)
			continue;
		if (owner->is_waiting || c->early == owner)
			continue;
		/* The other side may have a message of the same exchange. */
		for (size_t k = i + 1; k < ECAP_HTTP1_SIDES; k++) {
			if (c->sides[k].message && c->sides[k].message->exchange == owner)
				c->sides[k].message = NULL;
		}
		exchange_free(c, owner);
	}
	while ((x = queue_take(c)))
		exchange_free(c, x);
	if (c->early)
		exchange_free(c, c->early);
	c->early = NULL;
}
