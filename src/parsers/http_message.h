/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * HTTP messages as sinks get them. Everything is as it was sent and borrowed for the call: bytes of
 * any kind, control characters and NUL included, with no terminator.
 */

struct ecap_span {
	const uint8_t *p; /* NULL: none */
	size_t n;
};

/*
 * What is worth saying of a message. The second half is what HTTP implementations disagree about,
 * so that one message may be two to others (request smuggling); it is shown as it was sent.
 */
enum ecap_http_flag {
	ECAP_HTTP_INCOMPLETE = 1u << 0,	    /* the end is missing: a gap, the stream's end */
	ECAP_HTTP_HOLE = 1u << 1,	    /* bytes are missing within the body */
	ECAP_HTTP_BODY_CUT = 1u << 2,	    /* not all of the decoded body was kept */
	ECAP_HTTP_FIELDS_CUT = 1u << 3,	    /* not every field is in the list; the head has all */
	ECAP_HTTP_UNKNOWN_CODING = 1u << 4, /* the body is as it was transferred */
	ECAP_HTTP_BAD_CODING = 1u << 5,	    /* what could not be decoded is missing in the body */
	ECAP_HTTP_CODING_LIMIT = 1u << 6,   /* decoding stopped: too large, or too good a ratio */
	ECAP_HTTP_CHUNKED = 1u << 7,
	ECAP_HTTP_TO_END = 1u << 8,	     /* the body ends with the stream */
	ECAP_HTTP_UNKNOWN_FRAMING = 1u << 9, /* where the body ends is not known; it comes as raw */
	ECAP_HTTP_SWITCH = 1u << 10,	     /* another protocol follows: 101, or CONNECT */

	ECAP_HTTP_BOTH_LENGTHS = 1u << 16, /* Transfer-Encoding, which counts, and Content-Length */
	ECAP_HTTP_MANY_LENGTHS = 1u << 17, /* several Content-Length, or several numbers in one */
	ECAP_HTTP_BAD_LENGTH = 1u << 18,   /* a Content-Length that is no number */
	ECAP_HTTP_BAD_TE = 1u << 19,	   /* chunked not last or twice, or an unknown coding */
	ECAP_HTTP_OLD_TE = 1u << 20,	   /* Transfer-Encoding in HTTP/1.0 */
	ECAP_HTTP_BAD_CHUNK = 1u << 21,	   /* the chunks broke off: no size, no line end */
	ECAP_HTTP_BARE_CR = 1u << 22,	   /* CR without LF in a line */
	ECAP_HTTP_BARE_LF = 1u << 23,	   /* a line that ends without CR */
	ECAP_HTTP_FOLDED = 1u << 24,	   /* obs-fold: a value on several lines */
	ECAP_HTTP_SPACE_IN_NAME = 1u << 25, /* white space before the colon */
	ECAP_HTTP_BAD_FIELD = 1u << 26,	    /* no colon, or characters no name may have */
	ECAP_HTTP_CONTROL = 1u << 27,	    /* control characters or NUL in a value */
	ECAP_HTTP_BAD_TARGET = 1u << 28,    /* a space in the request target */
	ECAP_HTTP_MANY_HOSTS = 1u << 29,    /* several Host */
	ECAP_HTTP_EMPTY_LINES = 1u << 30,   /* before the start line */
	ECAP_HTTP_SUSPICIOUS = 0x7fff0000u, /* any of the second half */
};

/* The flag's name in output ("bare_cr"), NULL if there is no such flag. @flag has one bit. */
const char *ecap_http_flag_name(uint32_t flag);

struct ecap_http_field {
	struct ecap_span name;	/* empty: a line without a colon */
	struct ecap_span value; /* less white space around it; with its line ends where folded */
};

struct ecap_http_message {
	bool is_response;
	uint8_t minor;			 /* of HTTP/1.minor */
	uint16_t status;		 /* response */
	uint32_t flags;			 /* enum ecap_http_flag */
	struct ecap_span method, target; /* request */
	struct ecap_span reason;	 /* response */
	struct ecap_span head;		 /* all of it, from the start line to the empty line */
	const struct ecap_http_field *fields;
	size_t n_fields;
	const struct ecap_http_field *trailers;
	size_t n_trailers;

	struct ecap_span body;	 /* decoded; only the beginning if BODY_CUT */
	struct ecap_span coding; /* "gzip": what the body was decoded from or is still in */
	uint64_t body_bytes;	 /* decoded, kept or not; at least so many if CODING_LIMIT */
	uint64_t coded_bytes;	 /* as transferred, without the framing of chunks */
	uint64_t missing_bytes;	 /* of coded_bytes: holes */
	uint64_t hole_at;	 /* where the first hole is in the body, if HOLE */

	uint64_t off;	     /* where it begins in its stream */
	uint64_t wire_bytes; /* from there, everything, holes too */
	uint64_t begin_ns;   /* when its first and its last byte came */
	uint64_t end_ns;
};

enum ecap_http_exchange_flag {
	ECAP_HTTP_PAIR_UNSURE = 1u << 0, /* pipelined after a loss: may be another's response */
	ECAP_HTTP_FORGOTTEN = 1u << 1,	 /* given up because of a limit, not of the connection */
	ECAP_HTTP_LOST = 1u << 2,	 /* something is missing where the response would be */
};

/* As ecap_http_flag_name(): "pair_unsure". */
const char *ecap_http_exchange_flag_name(uint32_t flag);

/* A request and its response; either may be NULL: not there (yet). */
struct ecap_http_exchange {
	uint64_t number;    /* from 1, unique among those of one struct ecap_http1_shared */
	uint32_t flags;	    /* enum ecap_http_exchange_flag */
	uint32_t n_interim; /* responses 1xx that came before, 101 not counted */
	const struct ecap_http_message *request;
	const struct ecap_http_message *response; /* the final one */
};

/* The first field of that name, in any case; NULL: none. */
const struct ecap_http_field *ecap_http_find_field(const struct ecap_http_message *m,
						   const char *name);
