/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to make JSON of plaintext: exchanges from memory go through the pipeline, as those
 * of a capture file do, into /dev/null.
 *
 * usage: http MIX TYPE MS    TYPE is data, http or all. Prints one line of JSON.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <zlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/dest.h"
#include "engine/outputs.h"
#include "engine/pipeline.h"
#include "sinks/event.h"
#include "sinks/sink.h"

/* What the kernel's records hold, and most libraries write at once. */
#define CHUNK 16384

#define CONNS 64
/* How much may wait for /dev/null: the queue must not refuse anything. */
#define AHEAD (32u << 20)

#define HEADERS                                                                           \
	"Host: api.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) " \
	"Gecko/20100101 Firefox/128.0\r\nAccept: application/json, text/plain, */*\r\n"   \
	"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" \
	"Referer: https://www.example.org/a/page\r\n"                                     \
	"Cookie: session=0123456789abcdef0123456789\r\n\r\n"

#define ANSWER                                                                               \
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 23:51:14 GMT\r\n" \
	"Content-Type: %s\r\nConnection: keep-alive\r\nETag: \"65a5f2c1-1f4\"\r\n"           \
	"Cache-Control: max-age=3600\r\n%sContent-Length: %zu\r\n\r\n"

static void make_json(uint8_t *p, size_t n)
{
	static const char row[] = "{\"id\":%08zu,\"name\":\"a name \\u00e9\",\"price\":12.50,"
				  "\"tags\":[\"red\",\"blue\"],\"ok\":true},\n";
	char text[128];

	for (size_t at = 0, i = 0; at < n; i++) {
		size_t len = (size_t)snprintf(text, sizeof(text), row, i);

		if (len > n - at)
			len = n - at;
		memcpy(p + at, text, len);
		at += len;
	}
}

static void make_text(uint8_t *p, size_t n)
{
	static const char line[] = "<p class=\"a\">The quick brown fox jumps over the lazy dog; "
				   "nobody has seen it happen.</p>\n";

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)line[i % (sizeof(line) - 1)];
}

static void make_foreign(uint8_t *p, size_t n)
{
	static const char line[] = "\xd0\xa1\xd1\x8a\xd0\xb5\xd1\x88\xd1\x8c \xd0\xb5\xd1\x89\xd1"
				   "\x91 \xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97\xe7\xac\xa6.\n";
	const size_t len = sizeof(line) - 1;

	memset(p, ' ', n);
	for (size_t at = 0; at + len <= n; at += len)
		memcpy(p + at, line, len);
}

static void make_binary(uint8_t *p, size_t n)
{
	uint64_t x = 88172645463325252u; /* xorshift64 (Marsaglia) */

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (uint8_t)(x >> 32);
	}
}

static const struct mix {
	const char *name;
	const char *type;
	size_t size; /* of the body, before it is coded */
	bool is_gzip;
	void (*make)(uint8_t *p, size_t n);
} mixes[] = {
	{ "small", "application/json", 384, false, make_json },
	{ "text", "text/html", 16 << 10, false, make_text },
	{ "json", "application/json", 16 << 10, false, make_json },
	{ "foreign", "text/plain; charset=utf-8", 16 << 10, false, make_foreign },
	{ "binary", "image/png", 64 << 10, false, make_binary },
	{ "gzip", "application/json", 64 << 10, true, make_json },
	{ "large", "text/html", 1 << 20, false, make_text },
	{ "large-binary", "application/octet-stream", 1 << 20, false, make_binary },
};

static void die(const char *what)
{
	(void)fprintf(stderr, "http: %s\n", what);
	exit(1);
}

static void put_gzip(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)p, .avail_in = (unsigned int)n };
	size_t room;

	if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		die("no deflate");
	room = deflateBound(&z, n);
	z.next_out = ecap_buf_reserve(out, room);
	z.avail_out = (unsigned int)room;
	if (!z.next_out || deflate(&z, Z_FINISH) != Z_STREAM_END)
		die("can not deflate");
	out->len += z.total_out;
	(void)deflateEnd(&z);
}

static void make_response(const struct mix *mix, struct ecap_buf *out)
{
	ecap_autofree uint8_t *plain = malloc(mix->size);
	ecap_cleanup(ecap_buf_done) struct ecap_buf body = { .max = SIZE_MAX / 2 };

	if (!plain)
		die("no memory");
	mix->make(plain, mix->size);
	if (mix->is_gzip)
		put_gzip(&body, plain, mix->size);
	else
		ecap_buf_put(&body, plain, mix->size);
	ecap_buf_printf(out, ANSWER, mix->type, mix->is_gzip ? "Content-Encoding: gzip\r\n" : "",
			body.len);
	ecap_buf_put(out, body.data, body.len);
	if (body.err || out->err)
		die("no memory");
}

struct bench {
	struct ecap_outputs *outputs;
	struct ecap_pipeline *pipeline;
	struct ecap_dest *dest;
	uint64_t offs[CONNS][2];
	uint64_t ts_ns;
	uint64_t bytes; /* of plaintext so far */
	uint64_t unsettled;
	uint64_t exchanges;
	uint64_t chunks;
	bool has_data, has_http; /* which events there are */
};

/* Wait until what was formatted is written. */
static void settle(struct bench *b)
{
	const struct timespec little = { .tv_nsec = 100000 };
	const uint64_t due = (b->has_data ? b->chunks : 0) + (b->has_http ? b->exchanges : 0);

	ecap_dest_flush(b->dest);
	while (ecap_dest_get_stats(b->dest).written < due)
		(void)nanosleep(&little, NULL);
	b->unsettled = 0;
}

/* One call of the program for each 16 KiB. */
static void say(struct bench *b, size_t conn, enum ecap_out_dir dir, struct ecap_span said)
{
	static const struct ecap_out_process process = {
		.pid = 4711,
		.ppid = 1,
		.has_ppid = true,
		.has_uid = true,
		.comm = "nginx",
		.exe = "/usr/sbin/nginx",
	};
	uint64_t *off = &b->offs[conn][dir == ECAP_OUT_SEND];

	for (size_t at = 0; at < said.n; at += CHUNK) {
		const size_t n = said.n - at < CHUNK ? said.n - at : CHUNK;
		const struct ecap_out_event ev = {
			.type = ECAP_OUT_DATA,
			.ts_ns = b->ts_ns += 1000,
			.host = "host",
			.process = &process,
			.tid = 4711,
			.dir = dir,
			.conn = { .id = conn + 1 },
			.data = {
				.lib = "lib",
				.fn = dir == ECAP_OUT_SEND ? "tls_write" : "tls_read",
				.off = *off,
				.total = n,
				.bytes = said.p + at,
				.len = n,
			},
		};

		ecap_pipeline_put(b->pipeline, &ev);
		*off += n;
		b->chunks++;
		b->bytes += n;
		b->unsettled += n;
		if (b->unsettled > AHEAD)
			settle(b);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void open_outputs(struct bench *b, uint32_t types)
{
	const struct ecap_sink_opts opts = { .json_types = types };
	struct ecap_output output = { .sink = &ecap_sink_json };
	struct ecap_pipeline_opts pipeline_opts = { .stream_limit = 0 };
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (ecap_dest_open("/dev/null", event_fd, &b->dest) < 0 || ecap_dest_start(b->dest) < 0)
		die("no output");
	output.dest = b->dest;
	if (ecap_outputs_new(&output, 1, &opts, &b->outputs) < 0)
		die("no memory");
	pipeline_opts.outputs = b->outputs;
	if (ecap_pipeline_new(&pipeline_opts, &b->pipeline) < 0)
		die("no memory");
}

/* What has been resident at most, in KiB: of this program alone, which rusage is not. */
static unsigned long peak_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[128];

	if (!file)
		die("no /proc");
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtoul(line + 6, NULL, 10);
	}
	(void)fclose(file);
	return kib;
}

static void run(struct bench *b, const struct mix *mix, uint64_t ms)
{
	static const char request[] = "GET /v1/items?page=17&size=50 HTTP/1.1\r\n" HEADERS;
	const struct ecap_span asked = { (const uint8_t *)request, sizeof(request) - 1 };
	ecap_cleanup(ecap_buf_done) struct ecap_buf response = { .max = SIZE_MAX / 2 };
	struct ecap_dest_stats stats;
	uint64_t cpu;

	make_response(mix, &response);
	cpu = cpu_ns();
	do {
		for (size_t conn = 0; conn < CONNS; conn++) {
			say(b, conn, ECAP_OUT_RECV, asked);
			say(b, conn, ECAP_OUT_SEND,
			    (struct ecap_span){ response.data, response.len });
			b->exchanges++;
		}
	} while (cpu_ns() - cpu < ms * 1000000);
	settle(b);
	cpu = cpu_ns() - cpu;
	stats = ecap_dest_get_stats(b->dest);
	(void)printf("{\"exchanges\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"body\":%zu,"
		     "\"json\":%" PRIu64 ",\"events\":%" PRIu64 ",\"refused\":%" PRIu64
		     ",\"cpu_ns\":%" PRIu64 ",\"peak_kib\":%lu}\n",
		     b->exchanges, b->bytes, mix->size, ecap_dest_get_progress(b->dest),
		     stats.written, stats.refused, cpu, peak_kib());
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "all", "data", "http" };
	static const uint32_t types[] = { 0, 1u << ECAP_OUT_DATA, 1u << ECAP_OUT_HTTP };
	struct bench b = { .ts_ns = 1767323045123456789u };
	const struct mix *mix = NULL;
	int type = -1;

	if (argc != 4)
		die("usage: http MIX data|http|all MS");
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(mixes); i++)
		mix = strcmp(mixes[i].name, argv[1]) == 0 ? &mixes[i] : mix;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(names); i++)
		type = strcmp(names[i], argv[2]) == 0 ? (int)i : type;
	if (!mix || type < 0)
		die("no such mix or type");
	b.has_data = !types[type] || types[type] & 1u << ECAP_OUT_DATA;
	b.has_http = !types[type] || types[type] & 1u << ECAP_OUT_HTTP;
	open_outputs(&b, types[type]);
	run(&b, mix, strtoul(argv[3], NULL, 10));
	ecap_pipeline_free(b.pipeline);
	ecap_outputs_free(b.outputs);
	ecap_dest_free(b.dest);
	return 0;
}
