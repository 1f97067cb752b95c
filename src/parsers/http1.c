/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/http1.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parsers/http1_impl.h"
#include "parsers/http2.h"

/* A line with the size of a chunk; extensions are rare, and short. */
#define MAX_CHUNK_LINE 4096
/* RFC 9112 2.2: some clients send an empty line behind a body. So many bytes of them. */
#define MAX_EMPTY_LINES 8

const struct ecap_http1_limits ecap_http1_default_limits = {
	.max_memory = 256u << 20,
	.max_head = 256u << 10,
	.max_fields = 1000,
	.max_body = 1u << 20,
	.max_decoded = 1u << 30,
	.max_ratio = 1100, /* deflate's own is 1032 */
	.max_pending = 1000,
};

/* What is left of a chunk; at and behind p is what comes next. */
struct input {
	const uint8_t *start, *p, *end;
	bool is_start;
};

static void feed_side(struct ecap_http1 *c, struct side *s, struct input *in);

static size_t left(const struct input *in)
{
	return (size_t)(in->end - in->p);
}

static void advance(struct side *s, struct input *in, size_t n)
{
	in->p += n;
	s->off += n;
}

static bool is_client(const struct ecap_http1 *c, const struct side *s)
{
	return c->client >= 0 && s == &c->sides[c->client];
}

/* -------------------------------------------------------------------- what is held, and losing */

static void held_reset(struct ecap_http1 *c, struct side *s)
{
	ecap_buf_reset(&s->held);
	ecap_http1_charge(c->shared, &s->held_memory, s->held.cap);
	s->line_at = 0;
	s->start_at = 0;
	s->mark = 0;
	s->has_start = false;
	s->scan = (struct ecap_http1_scan){ 0 };
}

/* Begin to hold bytes at this place. */
static void held_begin(struct ecap_http1 *c, struct side *s)
{
	held_reset(c, s);
	s->begin_off = s->off;
	s->begin_ns = c->ts_ns;
}

/* Take @n bytes more from the input. -ENOMEM. */
static int held_put(struct ecap_http1 *c, struct side *s, struct input *in, size_t n)
{
	if (s->held.len + n > s->held.cap && !ecap_http1_has_room(c->shared, n + s->held.cap))
		return -ENOMEM;
	ecap_buf_put(&s->held, in->p, n);
	if (s->held.err) {
		s->held.err = 0;
		c->shared->counters.no_memory++;
		return -ENOMEM;
	}
	ecap_http1_charge(c->shared, &s->held_memory, s->held.cap);
	advance(s, in, n);
	return 0;
}

/*
 * Take what there is of a line, as long as no more than @max bytes are held. 1: it is whole, 0:
 * more must come, -EMSGSIZE: it is too long, -ENOMEM.
 */
static int hold_line(struct ecap_http1 *c, struct side *s, struct input *in, size_t max)
{
	const uint8_t *lf = memchr(in->p, '\n', left(in));
	size_t n = lf ? (size_t)(lf - in->p) + 1 : left(in);
	size_t room = max - s->held.len;
	int r = held_put(c, s, in, n < room ? n : room);

	if (r < 0)
		return r;
	if (n > room)
		return -EMSGSIZE;
	return lf ? 1 : 0;
}

/* What is held, up to @n, is nothing that we know. */
static void held_release(struct ecap_http1 *c, struct side *s, size_t n)
{
	ecap_http1_emit_raw(c, s, s->begin_off, s->held.data, n);
	held_reset(c, s);
}

/* There is no tunnel, or nobody knows: what the client says next may be HTTP. */
static void connect_settled(struct ecap_http1 *c)
{
	struct side *client = &c->sides[c->client];

	if (client->state == ECAP_HTTP1_WAIT)
		client->state = ECAP_HTTP1_SEEK;
}

/*
 * We do not know any more where messages begin in this direction, nor which response belongs to
 * which request.
 */
static void lose(struct ecap_http1 *c, struct side *s)
{
	bool was_synced = s->is_synced;

	s->state = s->is_switching ? ECAP_HTTP1_OTHER : ECAP_HTTP1_SEEK;
	s->is_synced = false;
	if (!was_synced || c->client < 0)
		return;
	c->shared->counters.lost_places++;
	c->is_unsure = true;
	if (is_client(c, s)) {
		ecap_http1_give_up_early(c);
		return;
	}
	ecap_http1_flush(c, ECAP_HTTP_LOST);
	connect_settled(c);
}

/* A message breaks off at offset @end. */
static void break_off(struct ecap_http1 *c, struct side *s, uint32_t flags, uint64_t end)
{
	s->message->pub.flags |= flags | ECAP_HTTP_INCOMPLETE;
	ecap_http1_message_end(c, s, end);
	lose(c, s);
}

static void side_become_other(struct ecap_http1 *c, struct side *s)
{
	s->is_switching = true;
	if (s->message) /* RFC 9110 7.8: the request is sent to its end before */
		return;
	s->state = ECAP_HTTP1_OTHER;
	held_release(c, s, s->held.len);
	ecap_buf_done(&s->held);
	ecap_http1_charge(c->shared, &s->held_memory, 0);
}

/* All that follows the messages under way in both directions is another protocol, as @s showed. */
static void become_other(struct ecap_http1 *c, struct side *s, bool is_http2)
{
	c->is_http2 = is_http2;
	/* The other one first: then what @s holds and what follows it come out together. */
	side_become_other(c, s == c->sides ? &c->sides[1] : c->sides);
	side_become_other(c, s);
}

/* ---------------------------------------------------------------------------- end of a message */

static bool span_is(struct ecap_span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool asks_connect(const struct exchange *x)
{
	return x->request && span_is(x->request->pub.method, "CONNECT");
}

/* The message of @s is whole; its last byte is before @end. */
static void complete(struct ecap_http1 *c, struct side *s, uint64_t end)
{
	const struct ecap_http_message *m = &s->message->pub;
	bool switches = m->flags & ECAP_HTTP_SWITCH;
	bool is_lost = m->flags & ECAP_HTTP_UNKNOWN_FRAMING;
	bool is_refusal = m->is_response && m->status >= 200 && asks_connect(s->message->exchange);
	bool asks_for_tunnel = !m->is_response && span_is(m->method, "CONNECT");

	s->state = asks_for_tunnel ? ECAP_HTTP1_WAIT : ECAP_HTTP1_BETWEEN;
	s->is_synced = !asks_for_tunnel;
	ecap_http1_message_end(c, s, end);
	if (is_lost)
		lose(c, s);
	if (s->is_switching)
		s->state = ECAP_HTTP1_OTHER;
	if (switches)
		become_other(c, s, false);
	else if (is_refusal)
		connect_settled(c);
}

/* ------------------------------------------------------------------------------------- framing */

/* RFC 9112 6.3, from 3. on: what the fields say of a body. */
static enum ecap_http1_state framing_by_fields(struct message *m)
{
	const struct ecap_http1_framing *f = &m->framing;
	bool is_response = m->pub.is_response;

	if (f->has_te) {
		m->pub.flags |= f->n_lengths ? ECAP_HTTP_BOTH_LENGTHS : 0;
		m->pub.flags |= m->pub.minor == 0 ? ECAP_HTTP_OLD_TE : 0;
		if (f->is_chunked)
			return ECAP_HTTP1_CHUNK_SIZE;
		/* The end can not be told; a request ends with no connection. */
		return is_response ? ECAP_HTTP1_BODY_TO_END : ECAP_HTTP1_SEEK;
	}
	if (f->is_length_bad)
		return ECAP_HTTP1_SEEK;
	if (f->has_length)
		return f->length ? ECAP_HTTP1_BODY : ECAP_HTTP1_BETWEEN;
	return is_response ? ECAP_HTTP1_BODY_TO_END : ECAP_HTTP1_BETWEEN;
}

/* What follows the head: BETWEEN for no body, SEEK for one of unknown length. */
static enum ecap_http1_state framing_of(struct message *m)
{
	const struct ecap_http_message *request = m->exchange->pub.request;
	unsigned int status = m->pub.status;

	if (!m->pub.is_response)
		return span_is(m->pub.method, "CONNECT") ? ECAP_HTTP1_BETWEEN :
							   framing_by_fields(m);
	if (status == 101 || (asks_connect(m->exchange) && status / 100 == 2)) {
		m->pub.flags |= ECAP_HTTP_SWITCH;
		return ECAP_HTTP1_BETWEEN;
	}
	if (status < 200 || status == 204 || status == 304)
		return ECAP_HTTP1_BETWEEN;
	if (request && span_is(request->method, "HEAD"))
		return ECAP_HTTP1_BETWEEN;
	return framing_by_fields(m);
}

/* The head is told of: go on to its body, if it has one. */
static void body_begin(struct ecap_http1 *c, struct side *s)
{
	struct message *m = s->message;
	enum ecap_http1_state state = framing_of(m);

	s->is_synced = true;
	s->left = m->framing.length;
	if (state == ECAP_HTTP1_CHUNK_SIZE)
		m->pub.flags |= ECAP_HTTP_CHUNKED;
	else if (state == ECAP_HTTP1_BODY_TO_END)
		m->pub.flags |= ECAP_HTTP_TO_END;
	else if (state == ECAP_HTTP1_SEEK)
		m->pub.flags |= ECAP_HTTP_UNKNOWN_FRAMING;
	held_begin(c, s);
	if (state == ECAP_HTTP1_BETWEEN || state == ECAP_HTTP1_SEEK) {
		complete(c, s, s->off);
		return;
	}
	s->state = state;
	if (m->pub.is_response && !m->exchange->request) {
		s->after = state;
		s->state = ECAP_HTTP1_MAYBE_BODY;
	}
}

/* --------------------------------------------------------------------------------------- heads */

/*
 * What is held is no message. What came since a read or write began may still begin one; that is
 * tried once.
 */
static void head_failed(struct ecap_http1 *c, struct side *s)
{
	struct ecap_buf held = s->held;
	size_t mark = s->mark;
	struct input again = { .is_start = true };

	lose(c, s); /* before what is raw, so that this does not depend on how it was split */
	if (!mark) {
		held_release(c, s, s->held.len);
		return;
	}
	ecap_buf_init(&s->held, held.max);
	held_reset(c, s);
	ecap_http1_emit_raw(c, s, s->begin_off, held.data, mark);
	s->off -= held.len - mark;
	again.start = held.data + mark;
	again.p = again.start;
	again.end = held.data + held.len;
	feed_side(c, s, &again);
	ecap_buf_done(&held);
}

/* A whole line: false if it shows that this is no message. */
static bool head_line(struct ecap_http1 *c, struct side *s)
{
	const uint8_t *line = s->held.data + s->line_at;
	size_t n = s->held.len - s->line_at;

	if (s->has_start) {
		s->line_at = s->held.len;
		if (!ecap_http1_is_empty_line(line, n))
			return true;
		if (ecap_http1_message_begin(c, s) < 0)
			return false;
		body_begin(c, s);
		return true;
	}
	if (s->is_synced && ecap_http1_is_empty_line(line, n)) {
		s->line_at = s->held.len;
		s->start_at = s->held.len;
		s->scan = (struct ecap_http1_scan){ 0 };
		return s->held.len <= MAX_EMPTY_LINES;
	}
	if (!ecap_http1_parse_start(line, n, &s->start))
		return false;
	if (!s->is_synced && s->start.flags & ECAP_HTTP_BAD_TARGET)
		return false;
	/* Who asks once does not answer. */
	if (c->client >= 0 && s->start.is_response == is_client(c, s))
		return false;
	s->has_start = true;
	s->mark = 0;
	s->line_at = s->held.len;
	return true;
}

/* A carriage return alone may become an empty line, where one may stand. */
static bool may_be_empty_line(const struct side *s, const uint8_t *p, size_t n)
{
	return s->is_synced && n && (p[0] == '\n' || (p[0] == '\r' && (n == 1 || p[1] == '\n')));
}

/* Only the first bytes of a stream show it. > 0: it is; 0: it may be; < 0: no. */
static int detect_http2(struct ecap_http1 *c, struct side *s)
{
	int r = s->begin_off ? -EPROTO : ecap_http2_detect(s->held.data, s->held.len);

	if (r > 0)
		become_other(c, s, true);
	return r;
}

static void on_head(struct ecap_http1 *c, struct side *s, struct input *in)
{
	int r = hold_line(c, s, in, s->held.max);
	const uint8_t *line;
	bool is_good = true;
	size_t n;

	if (r < 0) {
		c->shared->counters.too_large_heads += r == -EMSGSIZE;
		head_failed(c, s);
		return;
	}
	if (detect_http2(c, s) >= 0)
		return;
	line = s->held.data + s->line_at;
	n = s->held.len - s->line_at;
	if (!s->has_start && !may_be_empty_line(s, line, n))
		is_good = ecap_http1_may_start(&s->scan, line, n, s->is_synced);
	if (is_good && r > 0)
		is_good = head_line(c, s);
	if (!is_good)
		head_failed(c, s);
}

static void on_between(struct ecap_http1 *c, struct side *s, struct input *in)
{
	(void)in;
	s->state = ECAP_HTTP1_IN_HEAD;
	held_begin(c, s);
}

static void on_seek(struct ecap_http1 *c, struct side *s, struct input *in)
{
	size_t n = left(in);

	if (in->is_start && in->p == in->start) {
		in->is_start = false; /* once */
		on_between(c, s, in);
		return;
	}
	ecap_http1_emit_raw(c, s, s->off, in->p, n);
	advance(s, in, n);
}

/* -------------------------------------------------------------------------------------- bodies */

/* Is @p as far as it goes a status line's beginning? One of 12 bytes surely is. */
static bool is_like_status(const uint8_t *p, size_t n)
{
	static const char like[] = "HTTP/1.v sss";

	for (size_t i = 0; i < n; i++) {
		bool is_digit = p[i] >= '0' && p[i] <= '9';

		if (like[i] == 'v' || like[i] == 's' ? !is_digit : p[i] != (uint8_t)like[i])
			return false;
	}
	return true;
}

#define LIKE_STATUS_LEN 12

/* What was held is either a body's beginning or the next message's: take it again. */
static void feed_held(struct ecap_http1 *c, struct side *s)
{
	uint8_t copy[LIKE_STATUS_LEN];
	size_t n = s->held.len;
	struct input again = { .start = copy, .p = copy, .end = copy + n };

	if (!n)
		return;
	memcpy(copy, s->held.data, n);
	held_reset(c, s);
	s->off -= n;
	feed_side(c, s, &again);
}

/*
 * A response whose request was not seen may be one to HEAD, which has no body whatever its fields
 * say. Then the next response follows at once.
 */
static void on_maybe_body(struct ecap_http1 *c, struct side *s, struct input *in)
{
	bool is_body = false;

	while (left(in) && !is_body && s->held.len < LIKE_STATUS_LEN)
		is_body = held_put(c, s, in, 1) < 0 || !is_like_status(s->held.data, s->held.len);
	if (!is_body && s->held.len < LIKE_STATUS_LEN)
		return;
	s->state = s->after;
	if (!is_body) {
		s->last_ns = s->begin_ns;
		complete(c, s, s->off - s->held.len);
		s->last_ns = c->ts_ns;
	}
	feed_held(c, s);
}

static void on_body(struct ecap_http1 *c, struct side *s, struct input *in)
{
	size_t n = left(in) < s->left ? left(in) : (size_t)s->left;

	ecap_http1_message_body(c, s->message, in->p, n);
	s->left -= n;
	advance(s, in, n);
	if (!s->left)
		complete(c, s, s->off);
}

static void on_body_to_end(struct ecap_http1 *c, struct side *s, struct input *in)
{
	size_t n = left(in);

	ecap_http1_message_body(c, s->message, in->p, n);
	advance(s, in, n);
}

/* As hold_line(), of the framing of chunks. */
static int hold_chunk_line(struct ecap_http1 *c, struct side *s, struct input *in, size_t max)
{
	if (!s->held.len)
		held_begin(c, s);
	return hold_line(c, s, in, max < s->held.max ? max : s->held.max);
}

/* The line that is held can not be in a chunked body. */
static void chunk_failed(struct ecap_http1 *c, struct side *s)
{
	break_off(c, s, ECAP_HTTP_BAD_CHUNK, s->begin_off);
	held_release(c, s, s->held.len);
}

static void note_line_end(struct side *s)
{
	if (s->held.len < 2 || s->held.data[s->held.len - 2] != '\r')
		s->message->pub.flags |= ECAP_HTTP_BARE_LF;
}

static void on_chunk_size(struct ecap_http1 *c, struct side *s, struct input *in)
{
	int r = hold_chunk_line(c, s, in, MAX_CHUNK_LINE);

	if (r == 0)
		return;
	if (r < 0 || !ecap_http1_parse_chunk_size(s->held.data, s->held.len, &s->left)) {
		chunk_failed(c, s);
		return;
	}
	note_line_end(s);
	s->state = s->left ? ECAP_HTTP1_CHUNK_DATA : ECAP_HTTP1_TRAILERS;
	held_reset(c, s);
}

static void on_chunk_data(struct ecap_http1 *c, struct side *s, struct input *in)
{
	size_t n = left(in) < s->left ? left(in) : (size_t)s->left;

	ecap_http1_message_body(c, s->message, in->p, n);
	s->left -= n;
	advance(s, in, n);
	if (!s->left)
		s->state = ECAP_HTTP1_CHUNK_END;
}

static void on_chunk_end(struct ecap_http1 *c, struct side *s, struct input *in)
{
	int r = hold_chunk_line(c, s, in, MAX_CHUNK_LINE);

	if (r == 0 && (s->held.len == 1 && s->held.data[0] == '\r'))
		return;
	if (r <= 0 || !ecap_http1_is_empty_line(s->held.data, s->held.len)) {
		chunk_failed(c, s);
		return;
	}
	note_line_end(s);
	held_reset(c, s);
	s->state = ECAP_HTTP1_CHUNK_SIZE;
}

static void on_trailers(struct ecap_http1 *c, struct side *s, struct input *in)
{
	int r = hold_chunk_line(c, s, in, s->held.max);
	bool is_last;

	if (r == 0)
		return;
	is_last = r > 0 && ecap_http1_is_empty_line(s->held.data, s->held.len);
	if (r > 0 && !is_last)
		r = ecap_http1_message_trailer(c, s->message, s->held.data, s->held.len);
	if (r < 0) {
		chunk_failed(c, s);
		return;
	}
	if (is_last)
		note_line_end(s);
	held_reset(c, s);
	if (is_last)
		complete(c, s, s->off);
}

static void on_raw(struct ecap_http1 *c, struct side *s, struct input *in)
{
	size_t n = left(in);

	ecap_http1_emit_raw(c, s, s->off, in->p, n);
	advance(s, in, n);
}

/* -------------------------------------------------------------------------------------- states */

static void (*const handlers[])(struct ecap_http1 *c, struct side *s, struct input *in) = {
	[ECAP_HTTP1_SEEK] = on_seek,
	[ECAP_HTTP1_BETWEEN] = on_between,
	[ECAP_HTTP1_IN_HEAD] = on_head,
	[ECAP_HTTP1_MAYBE_BODY] = on_maybe_body,
	[ECAP_HTTP1_BODY] = on_body,
	[ECAP_HTTP1_BODY_TO_END] = on_body_to_end,
	[ECAP_HTTP1_CHUNK_SIZE] = on_chunk_size,
	[ECAP_HTTP1_CHUNK_DATA] = on_chunk_data,
	[ECAP_HTTP1_CHUNK_END] = on_chunk_end,
	[ECAP_HTTP1_TRAILERS] = on_trailers,
	[ECAP_HTTP1_WAIT] = on_raw,
	[ECAP_HTTP1_OTHER] = on_raw,
};
_Static_assert(ECAP_ARRAY_SIZE(handlers) == ECAP_HTTP1_STATE_COUNT, "a state without a handler");

static void feed_side(struct ecap_http1 *c, struct side *s, struct input *in)
{
	while (left(in))
		handlers[s->state](c, s, in);
}

void ecap_http1_feed(struct ecap_http1 *c, const struct ecap_http1_chunk *chunk)
{
	struct side *s = &c->sides[chunk->side];
	struct input in = {
		.start = chunk->bytes,
		.p = chunk->bytes,
		.end = chunk->bytes + chunk->len,
		.is_start = chunk->is_start,
	};

	c->ts_ns = chunk->ts_ns;
	s->last_ns = chunk->ts_ns;
	if (s->state == ECAP_HTTP1_IN_HEAD && chunk->is_start && !s->has_start)
		s->mark = s->held.len;
	feed_side(c, s, &in);
}

/* Nothing more comes behind a MAYBE_BODY that could tell: it was a body. */
static void settle_maybe_body(struct ecap_http1 *c, struct side *s)
{
	if (s->state != ECAP_HTTP1_MAYBE_BODY)
		return;
	s->state = s->after;
	feed_held(c, s);
}

void ecap_http1_gap(struct ecap_http1 *c, unsigned int side, uint64_t n, uint64_t ts_ns)
{
	struct side *s = &c->sides[side];
	uint64_t at = s->off;

	c->ts_ns = ts_ns;
	if (!n)
		return;
	settle_maybe_body(c, s);
	s->off += n;
	switch (s->state) {
	case ECAP_HTTP1_BODY:
	case ECAP_HTTP1_CHUNK_DATA:
		if (n > s->left) {
			break_off(c, s, 0, at);
			break;
		}
		ecap_http1_message_hole(c, s->message, n);
		s->left -= n;
		if (!s->left && s->state == ECAP_HTTP1_BODY)
			complete(c, s, s->off);
		else if (!s->left)
			s->state = ECAP_HTTP1_CHUNK_END;
		break;
	case ECAP_HTTP1_BODY_TO_END:
		ecap_http1_message_hole(c, s->message, n);
		break;
	case ECAP_HTTP1_CHUNK_SIZE:
	case ECAP_HTTP1_CHUNK_END:
	case ECAP_HTTP1_TRAILERS:
		break_off(c, s, 0, at - s->held.len);
		held_release(c, s, s->held.len);
		break;
	case ECAP_HTTP1_IN_HEAD:
		held_release(c, s, s->held.len);
		lose(c, s);
		break;
	case ECAP_HTTP1_BETWEEN:
		lose(c, s);
		break;
	case ECAP_HTTP1_SEEK:
	case ECAP_HTTP1_MAYBE_BODY:
	case ECAP_HTTP1_WAIT:
	case ECAP_HTTP1_OTHER:
	case ECAP_HTTP1_STATE_COUNT:
		break;
	}
}

static void end_side(struct ecap_http1 *c, struct side *s, bool is_closed)
{
	settle_maybe_body(c, s);
	if (s->message) {
		bool is_whole = is_closed && s->state == ECAP_HTTP1_BODY_TO_END;

		s->message->pub.flags |= is_whole ? 0 : ECAP_HTTP_INCOMPLETE;
		ecap_http1_message_end(c, s, s->off - s->held.len);
	}
	held_release(c, s, s->held.len);
	s->state = ECAP_HTTP1_OTHER;
}

void ecap_http1_end(struct ecap_http1 *c, bool is_closed, uint64_t ts_ns)
{
	unsigned int first = c->client == 1;

	c->ts_ns = ts_ns;
	end_side(c, &c->sides[first], is_closed);
	end_side(c, &c->sides[!first], is_closed);
	ecap_http1_flush(c, 0);
}

bool ecap_http1_is_http(const struct ecap_http1 *c)
{
	return c->client >= 0;
}

int ecap_http1_new(const struct ecap_http1_opts *opts, struct ecap_http1 **ret)
{
	struct ecap_http1 *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->shared = opts->shared;
	c->event = opts->event;
	c->arg = opts->arg;
	c->client = -1;
	c->end = &c->first;
	for (size_t i = 0; i < ECAP_HTTP1_SIDES; i++) {
		ecap_buf_init(&c->sides[i].held, opts->shared->limits.max_head);
		c->sides[i].is_synced = opts->from_start;
		c->sides[i].state = opts->from_start ? ECAP_HTTP1_BETWEEN : ECAP_HTTP1_SEEK;
	}
	c->shared->memory += sizeof(*c);
	*ret = c;
	return 0;
}

void ecap_http1_free(struct ecap_http1 *c)
{
	if (!c)
		return;
	ecap_http1_discard(c);
	for (size_t i = 0; i < ECAP_HTTP1_SIDES; i++) {
		ecap_buf_done(&c->sides[i].held);
		ecap_http1_charge(c->shared, &c->sides[i].held_memory, 0);
	}
	c->shared->memory -= sizeof(*c);
	free(c);
}
