/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "parsers/http1.h"

/*
 * Connections and what they say in HTTP. A source hands in (connection, direction, offset, bytes,
 * time), messages come out. Connections are known by number, so that a capture file is a source as
 * good as a probe.
 */
struct ecap_http_flow;

struct ecap_http_conn {
	uint64_t id;
	void *facts; /* the owner's, see ecap_http_flow_opts */

	struct ecap_http1 *parser;
	uint64_t next[ECAP_HTTP1_SIDES];     /* offset of the byte that comes next */
	uint64_t call_end[ECAP_HTTP1_SIDES]; /* where the read or write under way ends */
	/* HTTP/2 that was not told of yet: one line says all until the other side speaks. */
	struct ecap_http1_event burst;
	struct ecap_http_conn *older, **backlink; /* in the list of all */
};

struct ecap_http_flow_opts {
	size_t max_conns;
	struct ecap_http1_limits limits;
	/* As ecap_http1_event_fn; of a burst of HTTP/2 only the length, bytes.n, is known. */
	void (*event)(void *arg, struct ecap_http_conn *conn, const struct ecap_http1_event *ev);
	void *arg;
	void (*free_facts)(void *facts);
};

/* A part of what a call transferred. */
struct ecap_http_chunk {
	unsigned int side; /* 0 or 1 */
	uint64_t off;	   /* of the first byte in its stream */
	uint64_t total;	   /* bytes that the call transferred */
	uint64_t ts_ns;
	const uint8_t *bytes; /* borrowed for the call */
	size_t len;
};

/* @opts is copied. -ENOMEM. */
int ecap_http_flow_new(const struct ecap_http_flow_opts *opts, struct ecap_http_flow **ret);
/* Without a word about what is under way; ecap_http_flow_end() before that hands it out. */
void ecap_http_flow_free(struct ecap_http_flow *f);
ECAP_DEFINE_FREEP(struct ecap_http_flow, ecap_http_flow_free)

/* The connection of that number, made if it is new. -ENOSPC: the limit is reached. -ENOMEM. */
int ecap_http_flow_get(struct ecap_http_flow *f, uint64_t id, struct ecap_http_conn **ret);
/* NULL: it is not known. */
struct ecap_http_conn *ecap_http_flow_find(struct ecap_http_flow *f, uint64_t id);

/*
 * More of a stream; what lies between it and what came before is missing. -EPROTO, and nothing is
 * taken: this was there before.
 */
int ecap_http_flow_feed(struct ecap_http_flow *f, struct ecap_http_conn *conn,
			const struct ecap_http_chunk *chunk);
/* Everything of @side before offset @end has come, or will not come. */
void ecap_http_flow_skip_to(struct ecap_http_conn *conn, unsigned int side, uint64_t end,
			    uint64_t ts_ns);
/*
 * The connection is over, because it was closed (@is_closed) or because nobody looks any more;
 * what is under way is handed out, and @conn is freed.
 */
void ecap_http_flow_end(struct ecap_http_flow *f, struct ecap_http_conn *conn, bool is_closed,
			uint64_t ts_ns);
/* Nobody looks any more: end every connection. */
void ecap_http_flow_end_all(struct ecap_http_flow *f, uint64_t ts_ns);
/* For a while nothing has come: tell of the bursts. */
void ecap_http_flow_rest(struct ecap_http_flow *f);

/* Borrowed for the flow's life. */
const struct ecap_http1_counters *ecap_http_flow_counters(const struct ecap_http_flow *f);
