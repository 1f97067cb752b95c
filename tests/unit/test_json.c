// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sinks/event.h"
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

static const struct ecap_out_counter http[] = {
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
	.http = http,
	.n_http = ECAP_ARRAY_SIZE(http),
	.lost = lost,
	.n_lost = ECAP_ARRAY_SIZE(lost),
	.outputs = outputs,
	.n_outputs = ECAP_ARRAY_SIZE(outputs),
};

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(reports_a_full_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
