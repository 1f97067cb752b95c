/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "parsers/codec.h"
#include "parsers/http1.h"
#include "parsers/http1_head.h"

/* What the parts of the parser share: http1.c has the states, http1_message.c what they fill. */

enum ecap_http1_state {
	ECAP_HTTP1_SEEK,       /* the place is lost: raw, until a read or write begins as HTTP */
	ECAP_HTTP1_BETWEEN,    /* a message must begin here */
	ECAP_HTTP1_IN_HEAD,    /* held back until it is a head or is not */
	ECAP_HTTP1_MAYBE_BODY, /* unless another response follows; see on_maybe_body() */
	ECAP_HTTP1_BODY,       /* of a known length */
	ECAP_HTTP1_BODY_TO_END,
	ECAP_HTTP1_CHUNK_SIZE,
	ECAP_HTTP1_CHUNK_DATA,
	ECAP_HTTP1_CHUNK_END, /* the line end behind the data */
	ECAP_HTTP1_TRAILERS,
	ECAP_HTTP1_WAIT,  /* after CONNECT, until its response says what follows */
	ECAP_HTTP1_OTHER, /* another protocol, to the end */
	ECAP_HTTP1_STATE_COUNT,
};

struct exchange;

/* A message with what it owns. */
struct message {
	struct ecap_http_message pub;
	struct exchange *exchange;
	struct ecap_buf head, trailer, body;
	struct ecap_http_field *fields;	  /* owned */
	struct ecap_http_field *trailers; /* owned */
	struct ecap_http1_framing framing;
	struct ecap_codec *codec; /* owned; NULL: none, none yet, or stopped */
	bool is_codec_tried;
	bool is_stopped;   /* what follows in the body is counted, not decoded */
	uint8_t first[16]; /* of the coded body, in case it turns out not to be coded */
	size_t memory;	   /* what of it is in shared->memory */
};

struct exchange {
	struct ecap_http_exchange pub;
	struct message *request, *response; /* owned */
	bool is_request_over, is_response_over;
	bool is_waiting; /* in the connection's queue */
	struct exchange *next;
};

/* One direction. */
struct side {
	enum ecap_http1_state state, after; /* after: MAYBE_BODY */
	bool is_synced;			    /* messages follow each other without raw between */
	bool is_switching;		    /* OTHER follows the message under way */
	uint64_t off;			    /* of the next byte */
	uint64_t begin_off, begin_ns;	    /* of what is held */
	uint64_t last_ns;		    /* when something came last */
	struct ecap_buf held; /* a head, or a line, that is not whole yet; not known to be one */
	size_t held_memory;
	size_t line_at;	 /* where the line under way begins in held */
	size_t start_at; /* the start line, behind empty ones */
	size_t mark;	 /* where the chunk began that a new try would begin with; 0: none */
	bool has_start;	 /* the start line is whole and good */
	struct ecap_http1_start start;
	struct ecap_http1_scan scan;
	struct message *message; /* under way; its exchange or ->exchange owns it */
	uint64_t left;		 /* of the body or chunk */
};

struct ecap_http1 {
	struct ecap_http1_shared *shared;
	ecap_http1_event_fn *event;
	void *arg;
	struct side sides[ECAP_HTTP1_SIDES];
	int client;		       /* the side that asks; -1: not known yet */
	bool is_pipelined;	       /* a request came before the response to another */
	bool is_unsure;		       /* after a loss: which response belongs to which request? */
	bool is_http2;		       /* OTHER is that */
	struct exchange *first, **end; /* that wait for a response, the oldest first */
	size_t n_waiting;
	uint64_t n_forgotten;	/* older ones whose responses may still come */
	struct exchange *early; /* a response that came before its request did */
	uint64_t ts_ns;		/* of what is fed now */
};

/* May @n more bytes be held? Counted if not. */
bool ecap_http1_has_room(struct ecap_http1_shared *shared, size_t n);
/* What was @*held bytes in the account is @now. */
void ecap_http1_charge(struct ecap_http1_shared *shared, size_t *held, size_t now);

/* Hand out @n bytes that belong to no message. */
void ecap_http1_emit_raw(struct ecap_http1 *c, const struct side *s, uint64_t off, const uint8_t *p,
			 size_t n);

/*
 * What @s holds is a head: make it s->message, in its exchange, and tell of it. -ENOMEM: it stays
 * held.
 */
int ecap_http1_message_begin(struct ecap_http1 *c, struct side *s);
/* Bytes of its body, without framing. */
void ecap_http1_message_body(struct ecap_http1 *c, struct message *m, const uint8_t *p, size_t n);
/* @n bytes of its body, at least one, are missing. */
void ecap_http1_message_hole(struct ecap_http1 *c, struct message *m, uint64_t n);
/* Bytes of the trailer section. -EMSGSIZE, -ENOMEM. */
int ecap_http1_message_trailer(struct ecap_http1 *c, struct message *m, const uint8_t *p, size_t n);
/*
 * The message of @s is over; its last byte is before offset @end. Tells of it, and of its exchange
 * if that is over, too; s->message is NULL then.
 */
void ecap_http1_message_end(struct ecap_http1 *c, struct side *s, uint64_t end);

/* Responses to what waits will not be known: @flags of the exchanges say why. */
void ecap_http1_flush(struct ecap_http1 *c, uint32_t flags);
/* The request of a response that came early will not be known. */
void ecap_http1_give_up_early(struct ecap_http1 *c);
/* Free what is there without a word. */
void ecap_http1_discard(struct ecap_http1 *c);
