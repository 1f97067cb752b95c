// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sinks/event.h"
#include "sinks/json.h"
#include "sinks/sink.h"

#define BYTES(s) .bytes = (const uint8_t *)(s), .len = sizeof(s) - 1

static const struct ecap_out_process curl = {
	.pid = 4711,
	.ppid = 1,
	.uid = 0,
	.has_ppid = true,
	.has_uid = true,
	.comm = "cu\"rl\xff",
	.exe = "/usr/bin/curl",
	.container = "0123abcd",
};

static const struct ecap_out_process stranger = { .pid = 12 };

#define TS_NS	1767323045123456789u
#define HEAD(t) "{\"v\":1,\"type\":\"" t "\",\"ts\":\"2026-01-02T03:04:05.123456789Z\",\"host\":"
#define CURL                                                           \
	"\"h\",\"pid\":4711,\"tid\":4712,\"ppid\":1,\"uid\":0,"        \
	"\"comm\":\"cu\\\"rl\xef\xbf\xbd\",\"exe\":\"/usr/bin/curl\"," \
	"\"container\":\"0123abcd\","
#define NOBODY                                                                     \
	"null,\"pid\":null,\"tid\":null,\"ppid\":null,\"uid\":null,\"comm\":null," \
	"\"exe\":null,\"container\":null,"
#define STRANGER                                                                 \
	"null,\"pid\":12,\"tid\":null,\"ppid\":null,\"uid\":null,\"comm\":null," \
	"\"exe\":null,\"container\":null,"

static const struct ecap_out_lost lost[] = {
	{ .reason = "ring_full", .calls = 2, .bytes = 300 },
	{ .reason = "page_fault", .calls = 1 },
};

static const struct ecap_out_output outputs[] = {
	{ .format = "text", .dest = "a\"b", .written = 7, .refused = 3, .refused_bytes = 9 },
	{ .format = "json", .dest = "-", .failed = 1 },
};

static const struct ecap_out_counter http_counters[] = {
	{ .name = "exchanges", .n = 2 },
	{ .name = "cut_bodies", .what = "a body was cut", .n = 1 },
};

static const struct ecap_out_stats stats = {
	.is_final = true,
	.bytes = 5000,
	.calls = 40,
	.commands = 7,
	.conns = 3,
	.processes = 1,
	.invalid_records = 8,
	.missed_records = 6,
	.missed_files = 7,
	.http = http_counters,
	.n_http = ECAP_ARRAY_SIZE(http_counters),
	.lost = lost,
	.n_lost = ECAP_ARRAY_SIZE(lost),
	.outputs = outputs,
	.n_outputs = ECAP_ARRAY_SIZE(outputs),
};

#define SPAN(s) { .p = (const uint8_t *)(s), .n = sizeof(s) - 1 }
#define BEGIN	"\"begin\":\"2026-01-02T03:04:05.123456789Z\","

static const struct ecap_http_field asked[] = {
	{ .name = SPAN("Host"), .value = SPAN("e.org:8443") },
	{ .name = SPAN("X"), .value = SPAN("1\xff") },
	{ .name = SPAN("x"), .value = SPAN("\"2\"") },
	{ .name = { .p = (const uint8_t *)"", .n = 0 }, .value = SPAN("no colon") },
};

static const struct ecap_http_message question = {
	.method = SPAN("GET"),
	.target = SPAN("/a?b=\"c\""),
	.minor = 1,
	.head = SPAN("GET...\r\n"),
	.fields = asked,
	.n_fields = ECAP_ARRAY_SIZE(asked),
	.flags = ECAP_HTTP_BAD_FIELD,
	.off = 5,
	.wire_bytes = 70,
	.begin_ns = TS_NS,
	.end_ns = TS_NS,
};

static const struct ecap_http_field answered[] = {
	{ .name = SPAN("Content-Type"), .value = SPAN("text/plain") },
};

static const struct ecap_http_message answer = {
	.is_response = true,
	.status = 200,
	.reason = SPAN("OK"),
	.fields = answered,
	.n_fields = ECAP_ARRAY_SIZE(answered),
	.trailers = answered,
	.n_trailers = ECAP_ARRAY_SIZE(answered),
	.body = SPAN("a\nb"),
	.coding = SPAN("gzip"),
	.body_bytes = 5,
	.coded_bytes = 30,
	.missing_bytes = 2,
	.hole_at = 1,
	.flags = ECAP_HTTP_HOLE | ECAP_HTTP_BODY_CUT,
	.off = 1,
	.wire_bytes = 99,
	.begin_ns = TS_NS,
	.end_ns = TS_NS + 1000000000,
};

static const struct ecap_http_exchange both = {
	.number = 7,
	.flags = ECAP_HTTP_PAIR_UNSURE | ECAP_HTTP_LOST,
	.n_interim = 2,
	.request = &question,
	.response = &answer,
};

static const struct ecap_http_exchange neither = { .number = 8, .flags = ECAP_HTTP_FORGOTTEN };

static const struct ecap_http_message binary = {
	.is_response = true,
	.minor = 1,
	.status = 500,
	.reason = SPAN("\xff"),
	.body = SPAN("\x00\xff"),
	.body_bytes = 2,
	.coded_bytes = 2,
	.begin_ns = TS_NS,
	.end_ns = TS_NS,
};

static const struct ecap_http_exchange unasked = { .number = 9, .response = &binary };

static const struct {
	const char *what;
	struct ecap_out_event ev;
	const char *want;
} cases[] = {
	{
		.what = "text",
		.ev = {
			.type = ECAP_OUT_DATA,
			.ts_ns = TS_NS,
			.host = "h",
			.process = &curl,
			.tid = 4712,
			.dir = ECAP_OUT_SEND,
			.conn = { .id = 3, .local = "1.2.3.4:5", .remote = "[::1]:443" },
			.data = {
				.lib = "lib",
				.fn = "f_write",
				.off = 1ull << 60,
				.total = 100,
				BYTES("GET \xe2\x82\xac\r\n\x1b"),
			},
		},
		.want = HEAD("data") CURL
			"\"lib\":\"lib\",\"fn\":\"f_write\",\"dir\":\"send\",\"conn\":{\"id\":3,"
			"\"local\":\"1.2.3.4:5\",\"remote\":\"[::1]:443\"},"
			"\"off\":1152921504606846976,\"len\":10,\"total\":100,"
			"\"text\":\"GET \xe2\x82\xac\\r\\n\\u001b\"}\n",
	},
	{
		.what = "a NUL makes it base64; nothing known is null",
		.ev = {
			.type = ECAP_OUT_DATA,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_RECV,
			.conn = { .remote = "ignored without an id" },
			.data = { .total = 3, BYTES("a\0b") },
		},
		.want = HEAD("data") NOBODY
			"\"lib\":null,\"fn\":null,\"dir\":\"recv\",\"conn\":null,"
			"\"off\":0,\"len\":3,\"total\":3,\"b64\":\"YQBi\"}\n",
	},
	{
		.what = "half a character makes it base64; a process without facts",
		.ev = {
			.type = ECAP_OUT_DATA,
			.ts_ns = TS_NS,
			.process = &stranger,
			.dir = ECAP_OUT_RECV,
			.conn = { .id = 1 },
			.data = { .total = 3, BYTES("a\xe2\x82") },
		},
		.want = HEAD("data") STRANGER
			"\"lib\":null,\"fn\":null,\"dir\":\"recv\","
			"\"conn\":{\"id\":1,\"local\":null,\"remote\":null},"
			"\"off\":0,\"len\":3,\"total\":3,\"b64\":\"YeKC\"}\n",
	},
	{
		.what = "a loss",
		.ev = {
			.type = ECAP_OUT_LOSS,
			.ts_ns = TS_NS,
			.host = "h",
			.process = &curl,
			.tid = 4712,
			.dir = ECAP_OUT_RECV,
			.conn = { .id = 3 },
			.loss = {
				.reason = "ring_full",
				.off = 77,
				.bytes = 1024,
				.calls = 2,
				.has_off = true,
				.has_bytes = true,
			},
		},
		.want = HEAD("loss") CURL
			"\"conn\":{\"id\":3,\"local\":null,\"remote\":null},\"dir\":\"recv\","
			"\"off\":77,\"bytes\":1024,\"calls\":2,\"reason\":\"ring_full\"}\n",
	},
	{
		.what = "a loss of which nothing is known",
		.ev = {
			.type = ECAP_OUT_LOSS,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_DIR_UNKNOWN,
			.loss = { .off = 5, .bytes = 6 },
		},
		.want = HEAD("loss") NOBODY
			"\"conn\":null,\"dir\":null,\"off\":null,\"bytes\":null,\"calls\":0,"
			"\"reason\":null}\n",
	},
	{
		.what = "a hooked file",
		.ev = {
			.type = ECAP_OUT_TARGET,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_DIR_UNKNOWN,
			.target = {
				.path = "/a",
				.lib = "l",
				.attach = "multi",
				.is_inside = true,
				.n_hooks = 9,
				.n_aliases = 2,
			},
		},
		.want = HEAD("target") NOBODY
			"\"path\":\"/a\",\"lib\":\"l\",\"attach\":\"multi\","
			"\"placement\":\"inside\",\"single_stepped\":false,"
			"\"hooks\":9,\"aliases\":2}\n",
	},
	{
		.what = "a file that was hooked at public functions",
		.ev = {
			.type = ECAP_OUT_TARGET,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_DIR_UNKNOWN,
			.target = { .path = "/a", .lib = "l", .attach = "perf", .n_hooks = 11 },
		},
		.want = HEAD("target") NOBODY
			"\"path\":\"/a\",\"lib\":\"l\",\"attach\":\"perf\","
			"\"placement\":\"public\",\"single_stepped\":null,"
			"\"hooks\":11,\"aliases\":0}\n",
	},
	{
		.what = "a line that was typed",
		.ev = {
			.type = ECAP_OUT_COMMAND,
			.ts_ns = TS_NS,
			.host = "h",
			.process = &curl,
			.tid = 4712,
			.dir = ECAP_OUT_DIR_UNKNOWN,
			.command = { .lib = "l", .fn = "f", BYTES("ls \"\xc3\xa9\" \\\n") },
		},
		.want = HEAD("command") CURL
			"\"lib\":\"l\",\"fn\":\"f\",\"len\":10,"
			"\"text\":\"ls \\\"\xc3\xa9\\\" \\\\\\n\"}\n",
	},
	{
		.what = "a line that is not UTF-8",
		.ev = {
			.type = ECAP_OUT_COMMAND,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_DIR_UNKNOWN,
			.command = { BYTES("a\xe2\x82") },
		},
		.want = HEAD("command") NOBODY
			"\"lib\":null,\"fn\":null,\"len\":3,\"b64\":\"YeKC\"}\n",
	},
	{
		.what = "an exchange: fields in order, the head where they do not say all",
		.ev = {
			.type = ECAP_OUT_HTTP,
			.ts_ns = TS_NS,
			.host = "h",
			.process = &curl,
			.tid = 4712,
			.dir = ECAP_OUT_SEND,
			.conn = { .id = 3 },
			.http = { .lib = "l", .exchange = &both },
		},
		.want = HEAD("http") CURL
			"\"lib\":\"l\",\"conn\":{\"id\":3,\"local\":null,\"remote\":null},"
			"\"role\":\"client\",\"number\":7,\"duration_ns\":1000000000,"
			"\"flags\":[\"pair_unsure\",\"lost\"],\"interim\":2,"
			"\"request\":{\"method\":\"GET\",\"target\":\"/a?b=\\\"c\\\"\","
			"\"url\":\"https://e.org:8443/a?b=\\\"c\\\"\","
			"\"version\":\"HTTP/1.1\",\"headers\":[[\"Host\",\"e.org:8443\"],"
			"[\"X\",{\"b64\":\"Mf8=\"}],[\"x\",\"\\\"2\\\"\"],"
			"[\"\",\"no colon\"]],\"trailers\":[],\"head\":\"GET...\\r\\n\","
			"\"body\":null,\"flags\":[\"bad_field\"],\"off\":5,\"wire_bytes\":70,"
			BEGIN "\"end\":\"2026-01-02T03:04:05.123456789Z\"},"
			"\"response\":{\"status\":200,\"reason\":\"OK\","
			"\"version\":\"HTTP/1.0\","
			"\"headers\":[[\"Content-Type\",\"text/plain\"]],"
			"\"trailers\":[[\"Content-Type\",\"text/plain\"]],\"head\":null,"
			"\"body\":{\"type\":\"text/plain\",\"coding\":\"gzip\","
			"\"wire_len\":30,\"missing\":2,\"hole_at\":1,\"total\":5,\"len\":3,"
			"\"text\":\"a\\nb\"},\"flags\":[\"hole\",\"body_cut\"],"
			"\"off\":1,\"wire_bytes\":99,"
			BEGIN "\"end\":\"2026-01-02T03:04:06.123456789Z\"}}\n",
	},
	{
		.what = "an exchange of which nothing was heard",
		.ev = {
			.type = ECAP_OUT_HTTP,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_DIR_UNKNOWN,
			.http = { .exchange = &neither },
		},
		.want = HEAD("http") NOBODY
			"\"lib\":null,\"conn\":null,\"role\":null,\"number\":8,"
			"\"duration_ns\":null,\"flags\":[\"forgotten\"],\"interim\":0,"
			"\"request\":null,\"response\":null}\n",
	},
	{
		.what = "a response alone, with bytes that are no text",
		.ev = {
			.type = ECAP_OUT_HTTP,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_RECV,
			.http = { .exchange = &unasked },
		},
		.want = HEAD("http") NOBODY
			"\"lib\":null,\"conn\":null,\"role\":\"server\",\"number\":9,"
			"\"duration_ns\":null,\"flags\":[],\"interim\":0,\"request\":null,"
			"\"response\":{\"status\":500,\"reason\":{\"b64\":\"/w==\"},"
			"\"version\":\"HTTP/1.1\",\"headers\":[],\"trailers\":[],"
			"\"head\":null,\"body\":{\"type\":null,\"coding\":null,"
			"\"wire_len\":2,\"missing\":0,\"hole_at\":null,\"total\":2,"
			"\"len\":2,\"b64\":\"AP8=\"},\"flags\":[],\"off\":0,"
			"\"wire_bytes\":0," BEGIN
			"\"end\":\"2026-01-02T03:04:05.123456789Z\"}}\n",
	},
	{
		.what = "all counters",
		.ev = {
			.type = ECAP_OUT_STATS,
			.ts_ns = TS_NS,
			.dir = ECAP_OUT_DIR_UNKNOWN,
			.stats = &stats,
		},
		.want = HEAD("stats") NOBODY
			"\"final\":true,\"seen\":{\"bytes\":5000,\"calls\":40,\"commands\":7,"
			"\"connections\":3,\"processes\":1},"
			"\"lost\":{\"ring_full\":{\"calls\":2,\"bytes\":300},"
			"\"page_fault\":{\"calls\":1,\"bytes\":0}},\"records\":{\"invalid\":8,"
			"\"missed\":6},\"missed_files\":7,"
			"\"http\":{\"exchanges\":2,\"cut_bodies\":1},"
			"\"outputs\":[{\"format\":\"text\",\"dest\":\"a\\\"b\","
			"\"written\":7,\"refused\":3,\"refused_bytes\":9,\"failed\":0},"
			"{\"format\":\"json\",\"dest\":\"-\",\"written\":0,\"refused\":0,"
			"\"refused_bytes\":0,\"failed\":1}]}\n",
	},
};

static void formats(void **state)
{
	const struct ecap_sink_opts opts = { 0 };

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_buf b;

		ecap_buf_init(&b, 10000);
		assert_int_equal(ecap_sink_json.format(&cases[i].ev, &opts, &b), 0);
		ecap_buf_putc(&b, '\0');
		if (strcmp((char *)b.data, cases[i].want) != 0)
			fail_msg("%s:\n%swant\n%s", cases[i].what, (char *)b.data, cases[i].want);
		ecap_buf_done(&b);
	}
}

static void reports_a_full_buffer(void **state)
{
	const struct ecap_sink_opts opts = { 0 };

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_buf b;

		ecap_buf_init(&b, strlen(cases[i].want) - 1);
		assert_int_equal(ecap_sink_json.format(&cases[i].ev, &opts, &b), -EMSGSIZE);
		ecap_buf_done(&b);
	}
}

/* The URL of a request, as JSON has it. */
static void urls(void **state)
{
	static const struct {
		const char *method, *target, *host;
		uint32_t flags;
		const char *want;
	} urls[] = {
		{ "GET", "/", "e.org", 0, "\"https://e.org/\"" },
		{ "GET", "/x y", "[::1]:8443", 0, "\"https://[::1]:8443/x y\"" },
		{ "GET", "/\xc3\xa9", "e.org", 0, "\"https://e.org/\xc3\xa9\"" },
		{ "GET", "/\xff", "e.org", 0, "null" },
		{ "GET", "/", NULL, 0, "null" },
		{ "GET", "/", "", 0, "null" },
		{ "GET", "/", "a/b", 0, "null" },
		{ "GET", "/", "a\"b", 0, "null" },
		{ "GET", "/", "a\xc3\xa9", 0, "null" },
		{ "GET", "/", "e.org", ECAP_HTTP_MANY_HOSTS, "null" },
		{ "GET", "HTTP://p.org/x", "e.org", 0, "\"HTTP://p.org/x\"" },
		{ "GET", "https://p.org", NULL, 0, "\"https://p.org\"" },
		{ "GET", "http://", "e.org", 0, "null" },
		{ "GET", "x", "e.org", 0, "null" },
		{ "OPTIONS", "*", "e.org", 0, "\"https://e.org\"" },
		{ "GET", "*", "e.org", 0, "null" },
		{ "CONNECT", "e.org:443", "e.org:443", 0, "null" },
	};
	const struct ecap_sink_opts opts = { 0 };

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(urls); i++) {
		const char *host = urls[i].host ? urls[i].host : "";
		const struct ecap_http_field field = {
			.name = SPAN("hOST"),
			.value = { .p = (const uint8_t *)host, .n = strlen(host) },
		};
		const struct ecap_http_message m = {
			.method = { (const uint8_t *)urls[i].method, strlen(urls[i].method) },
			.target = { (const uint8_t *)urls[i].target, strlen(urls[i].target) },
			.flags = urls[i].flags,
			.fields = &field,
			.n_fields = urls[i].host != NULL,
		};
		const struct ecap_http_exchange x = { .request = &m };
		const struct ecap_out_event ev = { .type = ECAP_OUT_HTTP, .http.exchange = &x };
		char want[200];
		struct ecap_buf b;

		(void)snprintf(want, sizeof(want), ",\"url\":%s,\"version\"", urls[i].want);
		ecap_buf_init(&b, 10000);
		assert_int_equal(ecap_sink_json.format(&ev, &opts, &b), 0);
		ecap_buf_putc(&b, '\0');
		if (!strstr((char *)b.data, want))
			fail_msg("%s: %s", want, (char *)b.data);
		ecap_buf_done(&b);
	}
}

/* What was lost is written, whatever was asked for. */
static void writes_what_it_is_asked_for(void **state)
{
	const uint32_t data = 1u << ECAP_OUT_DATA, http = 1u << ECAP_OUT_HTTP;
	const uint32_t loss = 1u << ECAP_OUT_LOSS, raw = 1u << ECAP_OUT_RAW;
	struct ecap_sink_opts opts = { 0 };

	(void)state;
	assert_int_equal(ecap_sink_json.types(&opts) & (data | http | loss | raw),
			 data | http | loss);
	opts.json_types = data;
	assert_int_equal(ecap_sink_json.types(&opts), data | loss);
	opts.json_types = http | raw;
	assert_int_equal(ecap_sink_json.types(&opts), http | loss);
	assert_string_equal(ecap_json_type_name(ECAP_OUT_HTTP), "http");
	assert_null(ecap_json_type_name(ECAP_OUT_RAW));
	assert_null(ecap_json_type_name(ECAP_OUT_TYPE_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		cmocka_unit_test(writes_what_it_is_asked_for),
		cmocka_unit_test(formats),
		cmocka_unit_test(reports_a_full_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
