// SPDX-License-Identifier: Apache-2.0
#include "flow/http.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"

struct ecap_http_flow {
	struct ecap_http_flow_opts opts;
	struct ecap_http1_shared shared;
	struct ecap_hash *conns;       /* id -> struct ecap_http_conn, owned */
	struct ecap_http_conn *newest; /* all of them, in an order that is the same in each run */
};

/* What the parser's callback gets. */
struct parser_owner {
	struct ecap_http_conn conn; /* first, so that one is the other */
	struct ecap_http_flow *flow;
};

/* -------------------------------------------------------------------------------------- bursts */

static void tell_burst(struct ecap_http_flow *f, struct ecap_http_conn *conn)
{
	struct ecap_http1_event burst = conn->burst;

	if (!burst.bytes.n)
		return;
	conn->burst.bytes.n = 0;
	f->opts.event(f->opts.arg, conn, &burst);
}

static void add_to_burst(struct ecap_http_flow *f, struct ecap_http_conn *conn,
			 const struct ecap_http1_event *ev)
{
	if (conn->burst.side != ev->side)
		tell_burst(f, conn);
	if (!conn->burst.bytes.n) {
		conn->burst = *ev;
		conn->burst.bytes = (struct ecap_span){ .n = 0 };
	}
	conn->burst.bytes.n += ev->bytes.n;
	conn->burst.ts_ns = ev->ts_ns;
}

void ecap_http_flow_rest(struct ecap_http_flow *f)
{
	for (struct ecap_http_conn *conn = f->newest; conn; conn = conn->older)
		tell_burst(f, conn);
}

static void on_event(void *arg, const struct ecap_http1_event *ev)
{
	struct parser_owner *owner = arg;
	struct ecap_http_flow *f = owner->flow;

	if (ev->type == ECAP_HTTP1_RAW && ev->raw == ECAP_HTTP1_HTTP2)
		add_to_burst(f, &owner->conn, ev);
	else
		f->opts.event(f->opts.arg, &owner->conn, ev);
}

/* --------------------------------------------------------------------------------- connections */

struct ecap_http_conn *ecap_http_flow_find(struct ecap_http_flow *f, uint64_t id)
{
	return ecap_hash_find(f->conns, &id);
}

static void link_conn(struct ecap_http_flow *f, struct ecap_http_conn *conn)
{
	conn->older = f->newest;
	if (conn->older)
		conn->older->backlink = &conn->older;
	conn->backlink = &f->newest;
	f->newest = conn;
}

static void unlink_conn(struct ecap_http_flow *f, struct ecap_http_conn *conn)
{
	*conn->backlink = conn->older;
	if (conn->older)
		conn->older->backlink = conn->backlink;
	(void)ecap_hash_remove(f->conns, &conn->id);
}

static void free_conn(struct ecap_http_flow *f, struct ecap_http_conn *conn)
{
	ecap_http1_free(conn->parser);
	f->opts.free_facts(conn->facts);
	free(conn); /* the owner begins with it */
}

int ecap_http_flow_get(struct ecap_http_flow *f, uint64_t id, struct ecap_http_conn **ret)
{
	struct ecap_http_conn *known = ecap_http_flow_find(f, id);
	struct ecap_http1_opts opts = { .shared = &f->shared, .event = on_event };
	struct parser_owner *fresh;
	int r;

	if (known) {
		*ret = known;
		return 0;
	}
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	fresh->flow = f;
	fresh->conn.id = id;
	opts.arg = fresh;
	r = ecap_http1_new(&opts, &fresh->conn.parser);
	if (!r)
		r = ecap_hash_insert(f->conns, &id, &fresh->conn);
	if (r < 0) {
		free_conn(f, &fresh->conn);
		return r;
	}
	link_conn(f, &fresh->conn);
	*ret = &fresh->conn;
	return 0;
}

void ecap_http_flow_skip_to(struct ecap_http_conn *conn, unsigned int side, uint64_t end,
			    uint64_t ts_ns)
{
	if (end <= conn->next[side])
		return;
	ecap_http1_gap(conn->parser, side, end - conn->next[side], ts_ns);
	conn->next[side] = end;
}

int ecap_http_flow_feed(struct ecap_http_flow *f, struct ecap_http_conn *conn,
			const struct ecap_http_chunk *chunk)
{
	const unsigned int side = chunk->side;
	const bool is_behind_gap = chunk->off > conn->next[side];
	struct ecap_http1_chunk piece = {
		.side = side,
		.is_start = chunk->off >= conn->call_end[side],
		.ts_ns = chunk->ts_ns,
		.bytes = chunk->bytes,
		.len = chunk->len,
	};

	if (chunk->off < conn->next[side] || chunk->off > INT64_MAX ||
	    chunk->len > INT64_MAX - chunk->off)
		return -EPROTO;
	if (conn->burst.side != side)
		tell_burst(f, conn);
	ecap_http_flow_skip_to(conn, side, chunk->off, chunk->ts_ns);
	if (piece.is_start)
		conn->call_end[side] = chunk->off + chunk->total;
	if (is_behind_gap && chunk->len < chunk->total)
		piece.is_start = false; /* which part of the call this is, is not known */
	conn->next[side] = chunk->off + chunk->len;
	ecap_http1_feed(conn->parser, &piece);
	return 0;
}

void ecap_http_flow_end(struct ecap_http_flow *f, struct ecap_http_conn *conn, bool is_closed,
			uint64_t ts_ns)
{
	unlink_conn(f, conn);
	ecap_http1_end(conn->parser, is_closed, ts_ns);
	tell_burst(f, conn);
	free_conn(f, conn);
}

void ecap_http_flow_end_all(struct ecap_http_flow *f, uint64_t ts_ns)
{
	while (f->newest)
		ecap_http_flow_end(f, f->newest, false, ts_ns);
}

/* ---------------------------------------------------------------------------------- life cycle */

int ecap_http_flow_new(const struct ecap_http_flow_opts *opts, struct ecap_http_flow **ret)
{
	ecap_cleanup(ecap_http_flow_freep) struct ecap_http_flow *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->opts = *opts;
	f->shared.limits = opts->limits;
	r = ecap_hash_new(sizeof(uint64_t), opts->max_conns, &f->conns);
	if (r < 0)
		return r;
	*ret = ecap_take_ptr(f);
	return 0;
}

void ecap_http_flow_free(struct ecap_http_flow *f)
{
	if (!f)
		return;
	while (f->newest) {
		struct ecap_http_conn *conn = f->newest;

		unlink_conn(f, conn);
		free_conn(f, conn);
	}
	ecap_hash_free(f->conns);
	free(f);
}

const struct ecap_http1_counters *ecap_http_flow_counters(const struct ecap_http_flow *f)
{
	return &f->shared.counters;
}
