/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "parsers/http_message.h"

/*
 * HTTP/1.x (RFC 9110, RFC 9112) of one connection, both directions. Bytes go in with any split,
 * messages come out through a callback; times are the caller's. Every byte that goes in is, by
 * ecap_http1_end() at the latest, part of exactly one message or handed out as raw.
 *
 * Strict about what HTTP is: a message begins where the stream begins, where a message ends, or,
 * from the middle, where a read or write of the program begins (which side asks is found by
 * that, too). It must have a whole start line of HTTP/1.0 or 1.1 and a whole head. Tolerant in all
 * that follows the start line: it is shown as sent, and flagged.
 *
 * Responses are paired with requests by order. The caller feeds both directions in the order of
 * time. A gap in a body leaves a hole there. Any other loses the place in that direction, and with
 * it the pairs that are open; the next message that begins with a read or write is taken again.
 */
struct ecap_http1;

#define ECAP_HTTP1_SIDES 2

enum ecap_http1_event_type {
	ECAP_HTTP1_HEAD,     /* the head of a message is complete, its body is not here yet */
	ECAP_HTTP1_MESSAGE,  /* a message is over, an interim response (1xx) too */
	ECAP_HTTP1_EXCHANGE, /* both are over, or will not come: this number comes no more */
	ECAP_HTTP1_RAW,	     /* bytes that belong to no message */
};

/* What bytes are that belong to no message. */
enum ecap_http1_raw {
	ECAP_HTTP1_NOT_HTTP, /* or a part of HTTP that can not be told apart from other bytes */
	ECAP_HTTP1_SWITCHED, /* after CONNECT or 101, to the end */
	ECAP_HTTP1_HTTP2,    /* from the beginning of the connection, to the end */
};

struct ecap_http1_event {
	enum ecap_http1_event_type type;
	unsigned int side;
	uint64_t ts_ns;
	const struct ecap_http_exchange *exchange; /* all but RAW; the head's or message's own */
	const struct ecap_http_message *message;   /* HEAD and MESSAGE */
	enum ecap_http1_raw raw;		   /* RAW, as the rest */
	uint64_t off;
	struct ecap_span bytes;
};

/* All pointers of @ev are borrowed for the call, which must not use the parser. */
typedef void ecap_http1_event_fn(void *arg, const struct ecap_http1_event *ev);

/* Limits, each with a counter that tells how often it was met. */
struct ecap_http1_limits {
	size_t max_memory;    /* of all that share them; one decoder at work may exceed it */
	size_t max_head;      /* bytes of a head, and of trailers; beyond: raw */
	size_t max_fields;    /* of a message that are listed */
	size_t max_body;      /* bytes of a decoded body that are kept */
	uint64_t max_decoded; /* bytes of a body that are decoded */
	uint32_t max_ratio;   /* of decoded to coded bytes, beyond the first 1 MiB */
	size_t max_pending;   /* requests of a connection that wait for a response */
};

struct ecap_http1_counters {
	uint64_t exchanges; /* numbers that were given */
	uint64_t requests;  /* messages that are over */
	uint64_t responses; /* interim ones included */
	uint64_t raw_bytes;
	uint64_t lost_places;	  /* a direction was HTTP, and then was not understood */
	uint64_t too_large_heads; /* handed out as raw */
	uint64_t cut_bodies;
	uint64_t cut_fields;
	uint64_t stopped_codings; /* beyond max_decoded or max_ratio */
	uint64_t forgotten;	  /* requests beyond max_pending */
	uint64_t no_memory;	  /* beyond max_memory, or what the system has */
};

/* What all connections of a run have in common. The owner fills in limits, the parsers the rest. */
struct ecap_http1_shared {
	struct ecap_http1_limits limits;
	struct ecap_http1_counters counters;
	size_t memory; /* held now */
};

/* Limits for a host: 256 MiB in all, bodies of 1 MiB. */
extern const struct ecap_http1_limits ecap_http1_default_limits;

struct ecap_http1_opts {
	struct ecap_http1_shared *shared; /* borrowed for the parser's life */
	bool from_start;		  /* nothing was said on the connection before */
	ecap_http1_event_fn *event;
	void *arg;
};

/* Bytes of one direction, which follow what was fed or missing before. */
struct ecap_http1_chunk {
	unsigned int side; /* which of them asks is found out */
	bool is_start;	   /* a read or write (or a record) of the program begins here */
	uint64_t ts_ns;
	const uint8_t *bytes; /* borrowed for the call */
	size_t len;
};

/* A parser for one connection. -ENOMEM. */
int ecap_http1_new(const struct ecap_http1_opts *opts, struct ecap_http1 **ret);
/* Release it without a word; ecap_http1_end() before that hands out what is under way. */
void ecap_http1_free(struct ecap_http1 *c);
ECAP_DEFINE_FREEP(struct ecap_http1, ecap_http1_free)

/* More bytes. Memory that is missing costs messages or bodies, counted, and nothing else. */
void ecap_http1_feed(struct ecap_http1 *c, const struct ecap_http1_chunk *chunk);
/* @n bytes of @side are missing here. */
void ecap_http1_gap(struct ecap_http1 *c, unsigned int side, uint64_t n, uint64_t ts_ns);
/*
 * Nothing more comes. @is_closed: because the connection was closed, which ends a body that lasts
 * until then. The parser may only be freed after that.
 */
void ecap_http1_end(struct ecap_http1 *c, bool is_closed, uint64_t ts_ns);

/* What the connection speaks, as far as is known: for a line that sums it up. */
bool ecap_http1_is_http(const struct ecap_http1 *c);
