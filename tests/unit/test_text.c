// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sinks/event.h"
#include "sinks/sink.h"
#include "text_output.h"

#define BYTES(s) .bytes = (const uint8_t *)(s), .len = sizeof(s) - 1

static const struct ecap_out_process curl = { .pid = 4711, .comm = "curl" };
static const struct ecap_out_process unnamed = { .pid = 4711 };
static const struct ecap_out_process foreign = { .comm = "curl" };
static const struct ecap_out_process hostile = { .pid = 1, .comm = "\x1b[2J\n\xe2\x80\xae\xff\\" };

/* What the tests of one function differ in. */
static void assert_plain(const char *what, const struct ecap_out_event *ev, const char *want)
{
	static const struct ecap_sink_opts opts = { 0 };

	assert_text(what, ev, &opts, want);
}

static void writes_headers(void **state)
{
	static const struct {
		struct ecap_out_event ev;
		const char *want;
	} cases[] = {
		{
			.ev = {
				.process = &curl,
				.conn = { .id = 3 },
				.data = { .lib = "lib", .fn = "f_write", .total = 1, BYTES("x") },
			},
			.want = "03:04:05.123 curl[4711] send f_write conn 3, 1 byte\n  x\n\n",
		},
		{
			.ev = {
				.process = &curl,
				.dir = ECAP_OUT_RECV,
				.conn = { .id = 3, .local = "1.2.3.4:5", .remote = "[::1]:6" },
				.data = { .fn = "f_read", .off = 77, .total = 100, BYTES("xyz") },
			},
			.want = "03:04:05.123 curl[4711] recv f_read conn 3 local 1.2.3.4:5 "
				"remote [::1]:6, 3 bytes at offset 77 (part of 100)\n  xyz\n\n",
		},
		{
			.ev = { .dir = ECAP_OUT_DIR_UNKNOWN },
			.want = "03:04:05.123, 0 bytes\n\n",
		},
		{
			.ev = { .process = &unnamed, .dir = ECAP_OUT_RECV },
			.want = "03:04:05.123 [4711] recv, 0 bytes\n\n",
		},
		{
			.ev = { .process = &foreign, .dir = ECAP_OUT_RECV },
			.want = "03:04:05.123 curl recv, 0 bytes\n\n",
		},
		{
			.ev = {
				.process = &hostile,
				.conn = { .id = 1, .remote = "unix:\x1b]0;x\a" },
				.data = { .fn = "f\r" },
			},
			.want = "03:04:05.123 \\x1b[2J\\x0a\\u{202e}\\xff\\\\[1] send f\\r conn 1 "
				"remote unix:\\x1b]0;x\\x07, 0 bytes\n\n",
		},
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_out_event ev = cases[i].ev;

		ev.ts_ns = TS_NS;
		assert_plain("header", &ev, cases[i].want);
	}
}

static void writes_losses(void **state)
{
	static const struct {
		struct ecap_out_event ev;
		const char *want;
	} cases[] = {
		{
			.ev = {
				.process = &curl,
				.dir = ECAP_OUT_RECV,
				.conn = { .id = 3 },
				.loss = {
					.reason = "ring_full",
					.off = 77,
					.bytes = 1024,
					.has_off = true,
					.has_bytes = true,
				},
			},
			.want = "03:04:05.123 curl[4711] LOST recv conn 3: "
				"1024 bytes at offset 77 (ring_full)\n\n",
		},
		{
			.ev = {
				.dir = ECAP_OUT_DIR_UNKNOWN,
				.loss = { .reason = "mid_call", .bytes = 5, .off = 5, .calls = 1 },
			},
			.want = "03:04:05.123 LOST: unknown size in 1 call (mid_call)\n\n",
		},
		{
			.ev = {
				.process = &curl,
				.loss = { .bytes = 1, .calls = 2, .has_bytes = true },
			},
			.want = "03:04:05.123 curl[4711] LOST send: 1 byte in 2 calls\n\n",
		},
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_out_event ev = cases[i].ev;

		ev.type = ECAP_OUT_LOSS;
		ev.ts_ns = TS_NS;
		assert_plain("loss", &ev, cases[i].want);
	}
}

static void writes_stats(void **state)
{
	static const struct ecap_out_lost lost[] = {
		{ .reason = "ring_full", .calls = 2, .bytes = 300 },
		{ .reason = "page_fault", .calls = 1, .bytes = 5 },
	};
	struct ecap_out_stats stats = {
		.bytes = 5000,
		.calls = 1,
		.conns = 3,
		.lost = lost,
		.n_lost = ECAP_ARRAY_SIZE(lost),
	};
	const struct ecap_out_event ev = {
		.type = ECAP_OUT_STATS,
		.ts_ns = TS_NS,
		.dir = ECAP_OUT_DIR_UNKNOWN,
		.stats = &stats,
	};

	(void)state;
	assert_plain("stats", &ev,
		     "03:04:05.123 seen 5000 bytes in 1 call on 3 connections, "
		     "lost 305 bytes in 3 calls\n\n");
	stats.counts_commands = true;
	stats.commands = 2;
	assert_plain("stats of commands", &ev,
		     "03:04:05.123 seen 2 commands, lost 305 bytes in 3 calls\n\n");
	stats.is_final = true; /* the summary says it better */
	assert_plain("final stats", &ev, "");
}

/* Each on one line, whatever was typed. */
static void writes_commands(void **state)
{
	static const struct ecap_out_process bash = {
		.pid = 12, .uid = 1000, .has_uid = true, .comm = "bash"
	};
	static const struct {
		struct ecap_out_event ev;
		struct ecap_sink_opts opts;
		const char *want;
	} cases[] = {
		{
			.ev = { .process = &bash, .command = { BYTES("ls -la \xc3\xa9") } },
			.want = "03:04:05.123 bash[12] uid 1000: ls -la \xc3\xa9\n",
		},
		{
			.ev = { .process = &curl, .command = { BYTES("a\nb\tc\x1b[2J\\") } },
			.want = "03:04:05.123 curl[4711]: a\\x0ab\\x09c\\x1b[2J\\\\\n",
		},
		{
			.ev = { .process = &bash, .command = { BYTES("ls\n") } },
			.opts = { .hex = true },
			.want = "03:04:05.123 bash[12] uid 1000, 3 bytes\n"
				"  00000000  6c 73 0a                                          "
				"|ls.|\n",
		},
		{
			.ev = { .process = &curl, .command = { BYTES("rm -r x") } },
			.opts = { .tsize = 2 },
			.want = "03:04:05.123 curl[4711]: rm ... 5 more, left out because of "
				"--tsize\n",
		},
		{
			.ev = { .command = { BYTES("ls") } },
			.want = "03:04:05.123: ls\n",
		},
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_out_event ev = cases[i].ev;

		ev.type = ECAP_OUT_COMMAND;
		ev.ts_ns = TS_NS;
		assert_text("command", &ev, &cases[i].opts, cases[i].want);
	}
}

static void shows_payload(void **state)
{
	static const struct {
		const char *what;
		struct ecap_out_data data;
		const char *want;
	} cases[] = {
		{ "nothing", { BYTES("") }, "" },
		{ "no line end", { BYTES("a") }, "  a\n" },
		{ "LF", { BYTES("a\nb\n") }, "  a\n  b\n" },
		{ "CRLF", { BYTES("a\r\nb\r\n\r\n") }, "  a\n  b\n\n" },
		{ "lone CR", { BYTES("a\rb") }, "  a\\rb\n" },
		{ "CR at the end", { BYTES("a\r") }, "  a\\r\n" },
		{ "CR CR LF", { BYTES("a\r\r\n") }, "  a\\r\n" },
		{ "tab", { BYTES("a\tb") }, "  a\tb\n" },
		{ "backslash", { BYTES("a\\x1b") }, "  a\\\\x1b\n" },
		{ "escape sequence",
		  { BYTES("\x1b[31mred\x1b]0;x\a") },
		  "  \\x1b[31mred\\x1b]0;x\\x07\n" },
		{ "NUL, backspace, DEL", { BYTES("a\0b\bc\x7f") }, "  a\\x00b\\x08c\\x7f\n" },
		{ "UTF-8",
		  { BYTES("\xe2\x82\xac \xf0\x9f\x98\x80") },
		  "  \xe2\x82\xac \xf0\x9f\x98\x80\n" },
		{ "C1",
		  { BYTES("\xc2\x9b"
			  "31m \x9b"
			  "31m") },
		  "  \\u{9b}31m \\x9b31m\n" },
		{ "bidi", { BYTES("\xe2\x80\xaex\xe2\x81\xa6") }, "  \\u{202e}x\\u{2066}\n" },
		{ "invalid",
		  { BYTES("\xff\xc0\x80\xed\xa0\x80") },
		  "  \\xff\\xc0\\x80\\xed\\xa0\\x80\n" },
		{ "begins in a character", { BYTES("\x82\xac euro") }, "  \\x82\\xac euro\n" },
		{ "ends in a character", { BYTES("euro \xe2\x82") }, "  euro \\xe2\\x82\n" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_out_event ev = { .ts_ns = TS_NS, .data = cases[i].data };
		char want[300];

		ev.data.total = ev.data.len;
		(void)snprintf(want, sizeof(want), "03:04:05.123 send, %zu byte%s\n%s\n",
			       ev.data.len, ev.data.len == 1 ? "" : "s", cases[i].want);
		assert_plain(cases[i].what, &ev, want);
	}
}

/* Whatever the bytes are, what comes out is text that a terminal does not act on. */
static void nothing_gets_through(void **state)
{
	const struct ecap_sink_opts opts = { 0 };
	uint32_t random = 3;
	uint8_t in[4096];

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct ecap_out_event ev = { .ts_ns = TS_NS };

		for (size_t i = 0; i < sizeof(in); i++) {
			random = random * 1664525 + 1013904223;
			in[i] = (uint8_t)(random >> 24);
			if (i >= 2 && in[i] < 16) { /* a bidi control or a neighbour of one */
				in[i - 2] = 0xe2;
				in[i - 1] = 0x80;
				in[i] |= 0xa0;
			}
		}
		ev.data = (struct ecap_out_data){ .bytes = in, .len = sizeof(in) };
		assert_harmless(&ev, &opts);
	}
}

static void dumps_hex(void **state)
{
	const struct ecap_sink_opts opts = { .hex = true };
	struct ecap_out_event ev = {
		.ts_ns = TS_NS,
		.data = { .off = 0xfffffff8,
			  .total = 27,
			  BYTES("GET / HTTP/1.1\r\n\0\x1b\\|~\x7f\xff 89") },
	};

	(void)state;
	ev.data.total = ev.data.len;
	assert_text(
		"hex", &ev, &opts,
		"03:04:05.123 send, 26 bytes at offset 4294967288\n"
		"  fffffff8  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n"
		"  100000008  00 1b 5c 7c 7e 7f ff 20  38 39                    |..\\|~.. 89|\n"
		"\n");
}

/* What belongs to no message. */
static void shows_raw(void **state)
{
	static const struct {
		const char *what;
		struct ecap_out_raw raw;
		struct ecap_sink_opts opts;
		const char *want;
	} cases[] = {
		{
			.what = "at the start",
			.raw = { BYTES("EHLO x\r\n") },
			.want = " conn 3, 8 bytes\n  EHLO x\n\n",
		},
		{
			.what = "later",
			.raw = { .off = 9, BYTES("03:04:05.123 curl[1] #7 -> GET https://x/") },
			.want = " conn 3, 41 bytes at offset 9\n"
				"  03:04:05.123 curl[1] #7 -> GET https://x/\n\n",
		},
		{
			.what = "hex",
			.raw = { .off = 16, BYTES("a") },
			.opts = { .hex = true },
			.want = " conn 3, 1 byte at offset 16\n  00000010  61              "
				"                                  |a|\n\n",
		},
		{
			.what = "cut",
			.raw = { BYTES("abcdef") },
			.opts = { .tsize = 4 },
			.want = " conn 3, 6 bytes\n  abcd\n"
				"  ... 2 more bytes, left out because of --tsize\n\n",
		},
		{
			.what = "it may hold a secret",
			.raw = { BYTES("Cookie: x") },
			.opts = { .redact = true },
			.want = " conn 3, 9 bytes, not HTTP, hidden because of --redact\n\n",
		},
		{
			.what = "a line per message",
			.raw = { BYTES("abc") },
			.opts = { .headers = ECAP_SHOW_NONE, .body = ECAP_SHOW_NONE },
			.want = " conn 3, 3 bytes\n",
		},
		{
			.what = "HTTP/2",
			.raw = { .is_http2 = true, .len = 12345 },
			.want = " conn 3, HTTP/2, 12345 bytes, not decoded yet; --raw shows them\n",
		},
		{
			.what = "HTTP/2, where --raw is refused",
			.raw = { .is_http2 = true, .len = 12345 },
			.opts = { .redact = true },
			.want = " conn 3, HTTP/2, 12345 bytes, not decoded yet\n",
		},
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		const struct ecap_out_event ev = {
			.type = ECAP_OUT_RAW,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_SEND,
			.conn = { .id = 3 },
			.raw = cases[i].raw,
		};
		char want[300];

		(void)snprintf(want, sizeof(want), "03:04:05.123 send%s", cases[i].want);
		assert_text(cases[i].what, &ev, &cases[i].opts, want);
	}
}

/* Chunks hold what messages and raw plaintext are made of: both would be the same thing twice. */
static void asks_for_chunks_or_raw(void **state)
{
	const struct ecap_sink_opts usual = { 0 }, raw = { .raw = true };
	const uint32_t of_both = 1u << ECAP_OUT_MESSAGE | 1u << ECAP_OUT_LOSS |
				 1u << ECAP_OUT_STATS | 1u << ECAP_OUT_COMMAND;

	(void)state;
	assert_int_equal(ecap_sink_text.types(&usual), of_both | 1u << ECAP_OUT_RAW);
	assert_int_equal(ecap_sink_text.types(&raw), of_both | 1u << ECAP_OUT_DATA);
}

static void reports_a_full_buffer(void **state)
{
	const struct ecap_out_event ev = { .data = { BYTES("some text that does not fit") } };
	const struct ecap_sink_opts opts = { 0 };
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 40);
	assert_int_equal(ecap_sink_text.format(&ev, &opts, &b), -EMSGSIZE);
	ecap_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_headers),
		cmocka_unit_test(writes_losses),
		cmocka_unit_test(writes_stats),
		cmocka_unit_test(shows_payload),
		cmocka_unit_test(nothing_gets_through),
		cmocka_unit_test(dumps_hex),
		cmocka_unit_test(reports_a_full_buffer),
		cmocka_unit_test(writes_commands),
		cmocka_unit_test(shows_raw),
		cmocka_unit_test(asks_for_chunks_or_raw),
	};

	return cmocka_run_group_tests(tests, use_utc, NULL);
}
