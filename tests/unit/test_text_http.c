// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sinks/event.h"
#include "sinks/sink.h"
#include "text_output.h"

#define SPAN(s) { (const uint8_t *)(s), sizeof(s) - 1 }
#define BODY(s) .body = SPAN(s), .body_bytes = sizeof(s) - 1, .coded_bytes = sizeof(s) - 1
#define MS	1000000u
#define NO_HEAD { .headers = ECAP_SHOW_NONE }

/* A row of fields ends with one that has neither name nor value. */
#define MAX_FIELDS 8

/* Of each exchange. */
#define NUMBER 12

static const struct ecap_out_process curl = { .pid = 4711, .comm = "curl" };

struct message_case {
	const char *what;
	struct ecap_http_message message;
	struct ecap_http_field fields[MAX_FIELDS];
	struct ecap_http_field trailers[MAX_FIELDS];
	uint32_t exchange_flags;
	struct ecap_sink_opts opts;
	const char *want; /* behind time, program and number */
};

static size_t count_fields(const struct ecap_http_field *fields)
{
	size_t n = 0;

	while (n < MAX_FIELDS && (fields[n].name.n || fields[n].value.n))
		n++;
	return n;
}

/* Requests are sent at 0 ms, responses are over when their case says. */
static void assert_messages(const struct message_case *cases, size_t n)
{
	static const struct ecap_http_message asked = { .begin_ns = 7 * MS };

	for (size_t i = 0; i < n; i++) {
		struct ecap_http_message m = cases[i].message;
		const struct ecap_http_exchange exchange = {
			.number = NUMBER,
			.flags = cases[i].exchange_flags,
			.request = m.is_response ? &asked : &m,
			.response = m.is_response ? &m : NULL,
		};
		const struct ecap_out_event ev = {
			.type = ECAP_OUT_MESSAGE,
			.ts_ns = TS_NS,
			.process = &curl,
			.dir = m.is_response ? ECAP_OUT_RECV : ECAP_OUT_SEND,
			.http = { .exchange = &exchange, .message = &m },
		};
		char want[2000];

		m.fields = cases[i].fields;
		m.n_fields = count_fields(cases[i].fields);
		m.trailers = cases[i].trailers;
		m.n_trailers = count_fields(cases[i].trailers);
		(void)snprintf(want, sizeof(want), "03:04:05.123 curl[4711] #%d %s %s", NUMBER,
			       m.is_response ? "<-" : "->", cases[i].want);
		assert_text(cases[i].what, &ev, &cases[i].opts, want);
	}
}

/* The same, a line each. */
static void assert_lines(const struct message_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct message_case one = cases[i];

		one.opts.headers = ECAP_SHOW_NONE;
		one.opts.body = ECAP_SHOW_NONE;
		assert_messages(&one, 1);
	}
}

#define REQUEST(how, what, ...) \
	.message = { .method = SPAN(how), .minor = 1, .target = SPAN(what), __VA_ARGS__ }
#define RESPONSE(code, why, end_ms, ...)      \
	.message = { .is_response = true,     \
		     .minor = 1,              \
		     .status = (code),        \
		     .reason = SPAN(why),     \
		     .end_ns = (end_ms) * MS, \
		     __VA_ARGS__ }
#define GET(...) REQUEST("GET", "/a?b=c", __VA_ARGS__)
#define OK(...)	 RESPONSE(200, "OK", 8ull, __VA_ARGS__)

static void shows_urls(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "with its host",
			GET(),
			.fields = { { SPAN("hOST"), SPAN("example.org:8443") } },
			.want = "GET https://example.org:8443/a?b=c\n",
		},
		{
			.what = "IPv6",
			GET(),
			.fields = { { SPAN("Host"), SPAN("[::1]:8443") } },
			.want = "GET https://[::1]:8443/a?b=c\n",
		},
		{ .what = "no host", GET(), .want = "GET /a?b=c\n" },
		{
			.what = "an empty host",
			GET(),
			.fields = { { SPAN("Host"), SPAN("") } },
			.want = "GET /a?b=c\n",
		},
		{
			.what = "a host that is none",
			GET(),
			.fields = { { SPAN("Host"), SPAN("good.org/?") } },
			.want = "GET /a?b=c\n",
		},
		{
			.what = "a host that is somebody",
			GET(),
			.fields = { { SPAN("Host"), SPAN("good.org@evil.org") } },
			.want = "GET /a?b=c\n",
		},
		{
			.what = "two hosts",
			GET(.flags = ECAP_HTTP_MANY_HOSTS),
			.fields = { { SPAN("Host"), SPAN("a") }, { SPAN("Host"), SPAN("b") } },
			.want = "GET /a?b=c  ! many_hosts\n",
		},
		{
			.what = "an absolute one",
			REQUEST("GET", "http://other/x"),
			.fields = { { SPAN("Host"), SPAN("a") } },
			.want = "GET http://other/x\n",
		},
		{
			.what = "of no resource",
			REQUEST("OPTIONS", "*"),
			.fields = { { SPAN("Host"), SPAN("a") } },
			.want = "OPTIONS https://a\n",
		},
		{
			.what = "of a tunnel",
			REQUEST("CONNECT", "example.org:443"),
			.fields = { { SPAN("Host"), SPAN("example.org:443") } },
			.want = "CONNECT example.org:443\n",
		},
		{
			.what = "escapes",
			REQUEST("G\x1b[2J", "/\x1b]0;x\x07\0\xff\\"),
			.fields = { { SPAN("Host"), SPAN("a") } },
			.want = "G\\x1b[2J https://a/\\x1b]0;x\\x07\\x00\\xff\\\\\n",
		},
	};

	(void)state;
	assert_lines(cases, ECAP_ARRAY_SIZE(cases));
}

static void sums_up(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "a request with a body",
			REQUEST("POST", "/a?b=c", BODY("{}")),
			.fields = { { SPAN("Content-Type"), SPAN("application/json;x=y") } },
			.want = "POST /a?b=c  application/json, 2 B\n",
		},
		{ .what = "a response", OK(BODY("x")), .want = "200 OK  1 B, 1.0 ms\n" },
		{ .what = "an empty one", OK(), .want = "200 OK  0 B, 1.0 ms\n" },
		{
			.what = "an interim one",
			RESPONSE(100, "Continue", 8),
			.want = "100 Continue  1.0 ms\n",
		},
		{
			.what = "without a reason",
			RESPONSE(7, "", 8),
			.want = "007  1.0 ms\n",
		},
		{
			.what = "HTTP/1.0",
			.message = { .is_response = true,
				     .status = 200,
				     .reason = SPAN("OK"),
				     .end_ns = 8 * MS,
				     .flags = ECAP_HTTP_TO_END },
			.want = "200 OK  HTTP/1.0, 0 B, 1.0 ms\n",
		},
	};

	(void)state;
	assert_lines(cases, ECAP_ARRAY_SIZE(cases));
}

static void sums_up_sizes(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "coded",
			OK(.coding = SPAN("gzip"), .body_bytes = 26000, .coded_bytes = 133,
			   .flags = ECAP_HTTP_CHUNKED),
			.want = "200 OK  25.4 KiB (133 B gzip), 1.0 ms\n",
		},
		{
			.what = "coded for the transfer",
			OK(.body_bytes = 26000, .coded_bytes = 133),
			.want = "200 OK  25.4 KiB (133 B sent), 1.0 ms\n",
		},
		{
			.what = "coded as who knows",
			OK(.coding = SPAN("x-\x1b"), .body_bytes = 133, .coded_bytes = 133,
			   .flags = ECAP_HTTP_UNKNOWN_CODING),
			.want = "200 OK  133 B of x-\\x1b, 1.0 ms  ! unknown_coding\n",
		},
		{
			.what = "a bomb",
			OK(.coding = SPAN("gzip"), .body_bytes = 10 << 20, .coded_bytes = 10000,
			   .flags = ECAP_HTTP_CODING_LIMIT),
			.want = "200 OK  over 10.0 MiB (9.77 KiB gzip), 1.0 ms  ! coding_limit\n",
		},
		{
			.what = "a hole",
			OK(.body_bytes = 10, .coded_bytes = 30, .missing_bytes = 20,
			   .flags = ECAP_HTTP_HOLE | ECAP_HTTP_INCOMPLETE),
			.want = "200 OK  10 B, 20 B missing, 1.0 ms  ! incomplete, hole\n",
		},
	};

	(void)state;
	assert_lines(cases, ECAP_ARRAY_SIZE(cases));
}

static void sums_up_marks(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "smuggling",
			GET(.flags = ECAP_HTTP_BOTH_LENGTHS | ECAP_HTTP_FOLDED | ECAP_HTTP_CHUNKED),
			.want = "GET /a?b=c  ! both_lengths, folded\n",
		},
		{
			.what = "an unsure pair",
			RESPONSE(200, "OK", 1007),
			.exchange_flags = ECAP_HTTP_PAIR_UNSURE | ECAP_HTTP_LOST,
			.want = "200 OK  0 B, 1.00 s  ! pair_unsure, lost\n",
		},
		{ .what = "slow", RESPONSE(200, "OK", 607), .want = "200 OK  0 B, 600 ms\n" },
		{ .what = "minutes",
		  RESPONSE(200, "OK", 120007ull),
		  .want = "200 OK  0 B, 120 s\n" },
		{ .what = "over before it began", RESPONSE(200, "OK", 0), .want = "200 OK  0 B\n" },
		{
			.what = "escapes",
			RESPONSE(200, "\x1b[31m\r\nOK\xe2\x80\xae", 8),
			.fields = { { SPAN("content-type"), SPAN("a/\x9b") } },
			.want = "200 \\x1b[31m\\r\\x0aOK\\u{202e}  a/\\x9b, 0 B, 1.0 ms\n",
		},
	};

	(void)state;
	assert_lines(cases, ECAP_ARRAY_SIZE(cases));
}

static void shows_headers(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "all, and the body",
			GET(BODY("a=b")),
			.fields = { { SPAN("Host"), SPAN("a") }, { SPAN("X-Empty"), SPAN("") } },
			.want = "GET https://a/a?b=c  3 B\n  Host: a\n  X-Empty:\n\n  a=b\n\n",
		},
		{
			.what = "no body",
			GET(),
			.fields = { { SPAN("Host"), SPAN("a") } },
			.want = "GET https://a/a?b=c\n  Host: a\n\n",
		},
		{ .what = "neither", GET(), .want = "GET /a?b=c\n\n" },
		{ .what = "no headers", GET(BODY("x")), .want = "GET /a?b=c  1 B\n  x\n\n" },
		{
			.what = "not all are listed",
			GET(.flags = ECAP_HTTP_FIELDS_CUT),
			.fields = { { SPAN("A"), SPAN("b") } },
			.want = "GET /a?b=c  ! fields_cut\n  A: b\n"
				"  ... more fields than are listed here\n\n",
		},
		{
			.what = "trailers",
			OK(BODY("x")),
			.fields = { { SPAN("A"), SPAN("b") } },
			.trailers = { { SPAN("C"), SPAN("d") } },
			.want = "200 OK  1 B, 1.0 ms\n  A: b\n\n  x\n  ... trailers\n  C: d\n\n",
		},
		{
			.what = "escapes",
			GET(),
			.fields = { { SPAN("A\x1b"), SPAN("b\0\xff") },
				    { SPAN(""), SPAN("no \x07 colon") } },
			.want = "GET /a?b=c\n  A\\x1b: b\\x00\\xff\n  no \\x07 colon\n\n",
		},
		{
			.what = "folded",
			GET(.flags = ECAP_HTTP_FOLDED),
			.fields = { { SPAN("A"), SPAN("b\r\n c") } },
			.want = "GET /a?b=c  ! folded\n  A: b\\r\\x0a c\n\n",
		},
		{
			.what = "redacted",
			GET(),
			.fields = { { SPAN("authorization"), SPAN("Basic eDp5") },
				    { SPAN("Cookie "), SPAN("a") },
				    { SPAN(""), SPAN("Set-Cookie a=b") },
				    { SPAN("Accept"), SPAN("*/*") } },
			.trailers = { { SPAN("Proxy-Authorization"), SPAN("") } },
			.opts = { .redact = true },
			.want = "GET /a?b=c\n  authorization: [redacted, 10 bytes]\n"
				"  Cookie : [redacted, 1 byte]\n  [redacted, 14 bytes]\n"
				"  Accept: */*\n  ... trailers\n"
				"  Proxy-Authorization: [redacted, 0 bytes]\n\n",
		},
		{
			.what = "beside chunks",
			GET(BODY("x")),
			.fields = { { SPAN("A"), SPAN("b") } },
			.opts = { .raw = true },
			.want = "GET /a?b=c  1 B\n\n",
		},
		{
			.what = "beside chunks, asked for",
			GET(BODY("x")),
			.fields = { { SPAN("A"), SPAN("b") } },
			.opts = { .raw = true, .headers = ECAP_SHOW_ALL },
			.want = "GET /a?b=c  1 B\n  A: b\n\n",
		},
	};

	(void)state;
	assert_messages(cases, ECAP_ARRAY_SIZE(cases));
}

#define TEN    "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"
#define TEN_IN "  0\n  1\n  2\n  3\n  4\n  5\n  6\n  7\n  8\n  9\n"
#define FORTY  "0123456789012345678901234567890123456789"
#define HUNDRED                                              \
	"01234567890123456789012345678901234567890123456789" \
	"01234567890123456789012345678901234567890123456789"
#define IN_ALL { .headers = ECAP_SHOW_NONE, .body = ECAP_SHOW_ALL }
#define NARROW { .headers = ECAP_SHOW_NONE, .look = { .width = 50 } }

static void shows_bodies(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "ten rows",
			GET(BODY(TEN)),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  20 B\n" TEN_IN "\n",
		},
		{
			.what = "eleven",
			GET(BODY(TEN "x")),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  21 B\n" TEN_IN
				"  ... 1 more byte; --body=all shows it\n\n",
		},
		{
			.what = "eleven, all of them",
			GET(BODY(TEN "x")),
			.opts = IN_ALL,
			.want = "GET /a?b=c  21 B\n" TEN_IN "  x\n\n",
		},
		{
			.what = "rows of a terminal",
			GET(BODY(HUNDRED "\n" HUNDRED "\n" HUNDRED HUNDRED "\nx\n")),
			.opts = NARROW,
			.want = "GET /a?b=c  405 B\n  " HUNDRED "\n  " HUNDRED "\n"
				"  " HUNDRED FORTY FORTY "012345678901234567\n"
				"  ... 5 more bytes; --body=all shows them\n\n",
		},
		{
			.what = "empty lines are rows",
			GET(BODY("\n\n\n\n\r\n\n\n\n\n\nx")),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  12 B\n\n\n\n\n\n\n\n\n\n\n"
				"  ... 1 more byte; --body=all shows it\n\n",
		},
		{
			.what = "characters, not bytes",
			GET(BODY("\xc3\xa4\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n")),
			.opts = { .headers = ECAP_SHOW_NONE, .look = { .width = 20 } },
			.want = "GET /a?b=c  12 B\n"
				"  \xc3\xa4\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n\n",
		},
	};

	(void)state;
	assert_messages(cases, ECAP_ARRAY_SIZE(cases));
}

static void shows_parts_of_bodies(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "cut on its way",
			GET(.flags = ECAP_HTTP_BODY_CUT, .body = SPAN("abc"), .body_bytes = 9,
			    .coded_bytes = 9),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  9 B  ! body_cut\n  abc\n"
				"  ... 6 more bytes, which were not kept\n\n",
		},
		{
			.what = "cut on its way, and more than a preview",
			GET(.flags = ECAP_HTTP_BODY_CUT, .body = SPAN(TEN "x"), .body_bytes = 30,
			    .coded_bytes = 30),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  30 B  ! body_cut\n" TEN_IN
				"  ... 10 more bytes; --body=all shows more\n\n",
		},
		{
			.what = "cut because of its size",
			GET(BODY("abcdef")),
			.opts = { .headers = ECAP_SHOW_NONE, .tsize = 2 },
			.want = "GET /a?b=c  6 B\n  ab\n"
				"  ... 4 more bytes, left out because of --tsize\n\n",
		},
		{
			.what = "a hole",
			GET(.flags = ECAP_HTTP_HOLE, .hole_at = 3, .missing_bytes = 5,
			    .body = SPAN("[1,2]"), .body_bytes = 5, .coded_bytes = 10),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  5 B, 5 B missing  ! hole\n  [1,\n"
				"  ... bytes are missing here\n  2]\n\n",
		},
		{
			.what = "nothing but a hole",
			GET(.flags = ECAP_HTTP_HOLE, .missing_bytes = 5, .coded_bytes = 5),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  0 B, 5 B missing  ! hole\n"
				"  ... bytes are missing here\n\n",
		},
	};

	(void)state;
	assert_messages(cases, ECAP_ARRAY_SIZE(cases));
}

static void shows_text_as_text(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "escapes",
			GET(BODY("plain text, with \x1b[2J, \x07 and \xe2\x80\xae, \xff in it\n")),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  42 B\n"
				"  plain text, with \\x1b[2J, \\x07 and \\u{202e}, \\xff in it\n\n",
		},
		{
			.what = "a line like one of ours",
			GET(BODY("03:04:05.123 curl[4711] #13 -> GET /\n")),
			.opts = NO_HEAD,
			.want = "GET /a?b=c  37 B\n  03:04:05.123 curl[4711] #13 -> GET /\n\n",
		},
		{
			.what = "it says it is text",
			GET(BODY("ab\0cd")),
			.fields = { { SPAN("Content-Type"), SPAN("Text/Plain") } },
			.opts = NO_HEAD,
			.want = "GET /a?b=c  Text/Plain, 5 B\n  ab\\x00cd\n\n",
		},
	};

	(void)state;
	assert_messages(cases, ECAP_ARRAY_SIZE(cases));
}

#define HEX_0	"00000000  00 01 02 03 61 61 61 61  61 61 61 61 61 61 61 61  |....aaaaaaaaaaaa|\n"
#define HEX_A	"61 61 61 61 61 61 61 61  61 61 61 61 61 61 61 61  |aaaaaaaaaaaaaaaa|\n"
#define SIXTEEN "aaaaaaaaaaaaaaaa"

static void shows_json_and_hex(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "JSON by its type",
			OK(BODY("{\"a\":[1,2]}")),
			.fields = { { SPAN("Content-Type"), SPAN("application/ld+json") } },
			.opts = NO_HEAD,
			.want = "200 OK  application/ld+json, 11 B, 1.0 ms\n"
				"  {\"a\": [1, 2]}\n\n",
		},
		{
			.what = "JSON by its looks",
			OK(BODY("[1,\"\\n\"]")),
			.opts = NO_HEAD,
			.want = "200 OK  8 B, 1.0 ms\n  [1, \"\\n\"]\n\n",
		},
		{
			.what = "not JSON, whatever it says",
			OK(BODY("{\"a\":1]\n")),
			.fields = { { SPAN("Content-Type"), SPAN("application/json") } },
			.opts = NO_HEAD,
			.want = "200 OK  application/json, 8 B, 1.0 ms\n  {\"a\":1]\n\n",
		},
		{
			.what = "JSON that is cut off",
			OK(.flags = ECAP_HTTP_INCOMPLETE, BODY("{\"a\":[1,")),
			.opts = NO_HEAD,
			.want = "200 OK  8 B, 1.0 ms  ! incomplete\n"
				"  {\n    \"a\": [\n      1,\n\n",
		},
		{
			.what = "JSON as hex",
			OK(BODY("[1]")),
			.opts = { .headers = ECAP_SHOW_NONE, .hex = true },
			.want = "200 OK  3 B, 1.0 ms\n"
				"  00000000  5b 31 5d                                          "
				"|[1]|\n\n",
		},
		{
			.what = "binary",
			OK(BODY("\0\1\2\3aaaaaaaaaaaa" SIXTEEN SIXTEEN SIXTEEN SIXTEEN)),
			.fields = { { SPAN("Content-Type"), SPAN("image/png") } },
			.opts = NO_HEAD,
			.want = "200 OK  image/png, 80 B, 1.0 ms\n  " HEX_0 "  00000010  " HEX_A
				"  00000020  " HEX_A "  00000030  " HEX_A
				"  ... 16 more bytes; --body=all shows them\n\n",
		},
		{
			.what = "all of it",
			OK(BODY("\0\1\2\3aaaaaaaaaaaa" SIXTEEN SIXTEEN SIXTEEN SIXTEEN)),
			.opts = IN_ALL,
			.want = "200 OK  80 B, 1.0 ms\n  " HEX_0 "  00000010  " HEX_A
				"  00000020  " HEX_A "  00000030  " HEX_A "  00000040  " HEX_A "\n",
		},
	};

	(void)state;
	assert_messages(cases, ECAP_ARRAY_SIZE(cases));
}

/* Colours begin and end on the same line, which pagers need, and are the only difference. */
static void colours_lines(void **state)
{
	static const struct message_case cases[] = {
		{
			.what = "colours",
			RESPONSE(404, "OK", 8, BODY("ab"), .flags = ECAP_HTTP_BARE_LF),
			.fields = { { SPAN("A"), SPAN("b") } },
			.opts = { .look = { .color = true }, .tsize = 1 },
			.want = NULL,
		},
	};
	const struct ecap_http_message asked = { .begin_ns = 7 * MS };
	struct ecap_http_message m = cases[0].message;
	const struct ecap_http_exchange exchange = { .number = 1,
						     .request = &asked,
						     .response = &m };
	const struct ecap_out_event ev = {
		.type = ECAP_OUT_MESSAGE,
		.ts_ns = TS_NS,
		.dir = ECAP_OUT_RECV,
		.http = { .exchange = &exchange, .message = &m },
	};

	(void)state;
	m.fields = cases[0].fields;
	m.n_fields = 1;
	assert_text(cases[0].what, &ev, &cases[0].opts,
		    "\x1b[2m03:04:05.123\x1b[0m \x1b[36m#"
		    "1\x1b[0m <- \x1b[1;31m404\x1b[0m OK"
		    "  2 B, 1.0 ms  ! \x1b[1;35mbare_lf\x1b[0m\n"
		    "  \x1b[36mA\x1b[0m: b\n\n  a\n"
		    "  \x1b[2m... 1 more byte, left out because of --tsize\x1b[0m\n\n");
}

/* Whatever a message is made of, what comes out is text that a terminal does not act on. */
static void nothing_gets_through(void **state)
{
	static const struct ecap_sink_opts opts[] = {
		{ 0 },
		{ .body = ECAP_SHOW_ALL },
		{ .look = { .width = 1 } },
		{ .hex = true, .redact = true },
	};
	uint8_t in[600];
	uint32_t random = 5;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		const struct ecap_http_field fields[] = {
			{ SPAN("Content-Type"), SPAN("text/plain") },
			{ { in, 20 }, { in + 20, 80 } },
			{ SPAN("Host"), { in + 100, 1 } },
		};
		const struct ecap_http_message m = {
			.is_response = round & 1,
			.method = { in + 110, 20 },
			.target = { in + 130, 50 },
			.reason = { in + 180, 20 },
			.coding = { in + 200, 5 },
			.fields = fields,
			.n_fields = ECAP_ARRAY_SIZE(fields),
			.trailers = fields,
			.n_trailers = ECAP_ARRAY_SIZE(fields),
			.flags = random,
			.body = { in + 205, sizeof(in) - 205 },
			.body_bytes = random >> 8,
			.coded_bytes = random >> 4,
			.hole_at = random >> 24,
		};
		const struct ecap_http_exchange exchange = { .response = &m, .request = &m };
		const struct ecap_out_event ev = {
			.type = ECAP_OUT_MESSAGE,
			.ts_ns = TS_NS,
			.http = { .exchange = &exchange, .message = &m },
		};

		for (size_t i = 0; i < sizeof(in); i++) {
			random = random * 1664525 + 1013904223;
			in[i] = (uint8_t)(random >> 24);
			if (round % 3) /* the half that is ASCII, and more of what it holds */
				in[i] &= 0x7f;
		}
		assert_harmless(&ev, &opts[(unsigned int)round / 2 % ECAP_ARRAY_SIZE(opts)]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* clang-format off */
		cmocka_unit_test(shows_urls),
		cmocka_unit_test(sums_up),
		cmocka_unit_test(sums_up_sizes),
		cmocka_unit_test(sums_up_marks),
		cmocka_unit_test(shows_headers),
		cmocka_unit_test(shows_bodies),
		cmocka_unit_test(shows_parts_of_bodies),
		cmocka_unit_test(shows_text_as_text),
		cmocka_unit_test(shows_json_and_hex),
		cmocka_unit_test(colours_lines),
		cmocka_unit_test(nothing_gets_through),
		/* clang-format on */
	};

	return cmocka_run_group_tests(tests, use_utc, NULL);
}
