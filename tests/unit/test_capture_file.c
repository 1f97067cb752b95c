// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
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
#include "capture_log.h"
#include "sinks/capture_format.h"
#include "sinks/capture_reader.h"
#include "sinks/event.h"
#include "sinks/sink.h"

#define BYTES(s) .bytes = (const uint8_t *)(s), .len = sizeof(s) - 1
#define FILE_ID	 0x8badf00du
#define MAX_FILE (64u << 20)

static const struct ecap_sink_opts opts = { .file_id = FILE_ID };

static const struct ecap_out_process curl = {
	.pid = 4711,
	.ppid = 1,
	.uid = 1000,
	.has_ppid = true,
	.has_uid = true,
	.comm = "curl",
	.exe = "/usr/bin/curl",
	.container = "0123456789ab",
};
static const struct ecap_out_process unknown = { .pid = 0 };
static const struct ecap_out_process nameless = { .pid = 7, .comm = "", .exe = "" };
static const struct ecap_out_process of_user = { .pid = 4194304, .uid = 0, .has_uid = true };

static const struct ecap_out_event beginning = { .ts_ns = 1, .host = "box" };
static const struct ecap_out_event ending = { .ts_ns = UINT64_MAX, .host = "box" };

/* Every type, each flag and each string with and without. */
static const struct ecap_out_event events[] = {
	{
		.type = ECAP_OUT_TARGET,
		.ts_ns = 1767323045123456789u,
		.host = "box",
		.dir = ECAP_OUT_DIR_UNKNOWN,
		.target = {
			.path = "/lib/x.so",
			.lib = "lib",
			.attach = "multi",
			.is_inside = true,
			.n_hooks = 12,
			.n_aliases = UINT64_MAX,
		},
	},
	{ .type = ECAP_OUT_TARGET, .target = { .is_stepped = true } },
	{
		.type = ECAP_OUT_DATA,
		.ts_ns = 2,
		.host = "box",
		.process = &curl,
		.tid = 4712,
		.dir = ECAP_OUT_SEND,
		.conn = { .id = 3, .local = "1.2.3.4:5", .remote = "[::1]:6" },
		.data = { .lib = "lib", .fn = "f_write", .off = 9, .total = 99,
			  BYTES("a\0b\xff\xec" "ap\1") },
	},
	{
		.type = ECAP_OUT_DATA,
		.process = &nameless,
		.dir = ECAP_OUT_RECV,
		.conn = { .id = UINT64_MAX },
		.data = { .off = UINT64_MAX, .total = 0 },
	},
	{ .type = ECAP_OUT_DATA, .process = &unknown, .data = { BYTES("x") } },
	{ .type = ECAP_OUT_DATA, .host = "", .data = { .fn = "", BYTES("") } },
	{
		.type = ECAP_OUT_LOSS,
		.process = &of_user,
		.dir = ECAP_OUT_RECV,
		.conn = { .id = 3 },
		.loss = {
			.reason = "ring_full",
			.off = 5,
			.bytes = 6,
			.calls = 7,
			.has_off = true,
			.has_bytes = true,
		},
	},
	{
		.type = ECAP_OUT_LOSS,
		.dir = ECAP_OUT_DIR_UNKNOWN,
		.loss = { .has_bytes = true, .bytes = UINT64_MAX },
	},
	{ .type = ECAP_OUT_LOSS, .loss = { .has_off = true, .reason = "" } },
	{
		.type = ECAP_OUT_COMMAND,
		.process = &curl,
		.dir = ECAP_OUT_DIR_UNKNOWN,
		.command = { .lib = "sh", .fn = "line", BYTES("ls -l") },
	},
	{ .type = ECAP_OUT_COMMAND, .command = { BYTES("") } },
	{ .type = ECAP_OUT_CLOSE, .conn = { .id = 3 }, .close = { .is_closed = true } },
	{ .type = ECAP_OUT_CLOSE, .conn = { .id = 4 } },
	{ .type = ECAP_OUT_IDLE, .ts_ns = 5, .host = "box" },
};
#define N_EVENTS ECAP_ARRAY_SIZE(events)

/* A capture file, and where its blocks end. */
struct file {
	struct ecap_buf bytes;
	size_t ends[N_EVENTS + 2];
};

struct result {
	struct ecap_buf log;
	struct ecap_capture_totals totals;
	int r;
};

static struct result read_in_pieces(const uint8_t *bytes, size_t len, size_t cut, size_t step)
{
	struct result ret = { .r = 0 };

	ecap_buf_init(&ret.log, MAX_FILE);
	ret.r = capture_log(bytes, len, cut, step, &ret.log, &ret.totals);
	ecap_buf_putc(&ret.log, '\0');
	assert_int_equal(ret.log.err, 0);
	return ret;
}

static struct result read_buf(const struct ecap_buf *b)
{
	return read_in_pieces(b->data, b->len, 0, 0);
}

static void result_done(struct result *result)
{
	ecap_buf_done(&result->log);
}

static void make_file(struct file *ret)
{
	struct ecap_buf *b = &ret->bytes;
	size_t n = 0;

	ecap_buf_init(b, MAX_FILE);
	assert_int_equal(ecap_sink_capture.begin(&beginning, &opts, b), 0);
	ret->ends[n++] = b->len;
	for (size_t i = 0; i < N_EVENTS; i++) {
		assert_int_equal(ecap_sink_capture.format(&events[i], &opts, b), 0);
		ret->ends[n++] = b->len;
	}
	assert_int_equal(ecap_sink_capture.end(&ending, &opts, b), 0);
	ret->ends[n] = b->len;
}

static void file_done(struct file *file)
{
	ecap_buf_done(&file->bytes);
}

/* How many blocks end at or before @off. */
static size_t blocks_before(const struct file *file, size_t off)
{
	size_t n = 0;

	while (n < N_EVENTS + 2 && file->ends[n] <= off)
		n++;
	return n;
}

static size_t count_lines(const char *log, const char *with)
{
	size_t n = 0;

	for (const char *p = strstr(log, with); p; p = strstr(p + 1, with))
		n++;
	return n;
}

/* Lines of the log without their offsets, which damage may move. */
static bool has_line_of(const char *log, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	char want[4096];

	assert_non_null(space);
	len -= (size_t)(space - line);
	assert_true(len < sizeof(want));
	memcpy(want, space, len);
	want[len] = '\0';
	return strstr(log, want);
}

/* Every line of the whole file's log but that number @missing stands in @log. */
static void assert_all_but(const char *log, const char *whole, size_t missing, size_t where)
{
	const char *line = whole;

	for (size_t i = 0; *line; i++) {
		size_t n = strcspn(line, "\n");

		if (i != missing && !has_line_of(log, line, n + 1))
			fail_msg("at %zu: block %zu is missing:\n%s", where, i, log);
		line += n + 1;
	}
}

/* ------------------------------------------------------------------------------------- reading */

static void reads_what_was_written(void **state)
{
	static const char *const want[] = {
		"begin ts=1 tid=0 dir=0 conn=0 host='box' local=NULL remote=NULL nobody\n",
		"event type 3 ts=1767323045123456789 tid=0 dir=2 conn=0 host='box' local=NULL "
		"remote=NULL nobody hooks=12 aliases=18446744073709551615 inside path='/lib/x.so' "
		"lib='lib' attach='multi'\n",
		"hooks=0 aliases=0 stepped path=NULL lib=NULL attach=NULL\n",
		"event type 0 ts=2 tid=4712 dir=0 conn=3 host='box' local='1.2.3.4:5' "
		"remote='[::1]:6' pid=4711 ppid=1 uid=1000 comm='curl' exe='/usr/bin/curl' "
		"container='0123456789ab' off=9 total=99 lib='lib' fn='f_write' 8 bytes "
		"610062ffec617001\n",
		"dir=1 conn=18446744073709551615 host=NULL local=NULL remote=NULL pid=7 ppid=0? "
		"uid=0? comm='' exe='' container=NULL off=18446744073709551615 total=0 lib=NULL "
		"fn=NULL 0 bytes \n",
		"pid=0 ppid=0? uid=0? comm=NULL exe=NULL container=NULL off=0 total=0 lib=NULL "
		"fn=NULL 1 bytes 78\n",
		"host='' local=NULL remote=NULL nobody off=0 total=0 lib=NULL fn='' 0 bytes \n",
		"pid=4194304 ppid=0? uid=0 comm=NULL exe=NULL container=NULL off=5 bytes=6 calls=7 "
		"reason='ring_full'\n",
		"dir=2 conn=0 host=NULL local=NULL remote=NULL nobody off=0? "
		"bytes=18446744073709551615 calls=0 reason=NULL\n",
		"nobody off=0 bytes=0? calls=0 reason=''\n",
		"lib='sh' fn='line' 5 bytes 6c73202d6c\n",
		"nobody lib=NULL fn=NULL 0 bytes \n",
		"conn=3 host=NULL local=NULL remote=NULL nobody closed\n",
		"conn=4 host=NULL local=NULL remote=NULL nobody left\n",
		"event type 6 ts=5 tid=0 dir=0 conn=0 host='box' local=NULL remote=NULL nobody\n",
		"end ts=18446744073709551615 tid=0",
	};
	ecap_cleanup(file_done) struct file file = { 0 };
	const char *p;

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result got = read_buf(&file.bytes);
	p = (char *)got.log.data;
	assert_non_null(p);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(want); i++) {
		const char *found = strstr(p, want[i]);

		if (!found)
			fail_msg("no\n%sin\n%s", want[i], p);
		p = found + 1;
	}
	assert_int_equal(got.r, 0);
	assert_int_equal(got.totals.events, N_EVENTS);
	assert_int_equal(got.totals.bytes, file.bytes.len);
	assert_int_equal(got.totals.damages + got.totals.unknown + got.totals.skipped, 0);
	assert_true(got.totals.has_end && !got.totals.is_torn && !got.totals.is_newer);
	assert_int_equal(count_lines((char *)got.log.data, "\n"), N_EVENTS + 2);
}

static void split_at_every_byte(void **state)
{
	ecap_cleanup(file_done) struct file file = { 0 };

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result whole = read_buf(&file.bytes);
	ecap_cleanup(result_done) struct result bytewise =
		read_in_pieces(file.bytes.data, file.bytes.len, 0, 1);
	assert_string_equal((char *)bytewise.log.data, (char *)whole.log.data);
	for (size_t cut = 1; cut < file.bytes.len; cut++) {
		struct result got = read_in_pieces(file.bytes.data, file.bytes.len, cut, 0);

		assert_string_equal((char *)got.log.data, (char *)whole.log.data);
		result_done(&got);
	}
}

/* What was killed: the blocks that are there, nothing else, and no word of damage. */
static void every_truncation(void **state)
{
	ecap_cleanup(file_done) struct file file = { 0 };

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result whole = read_buf(&file.bytes);
	for (size_t n = 0; n < file.bytes.len; n++) {
		struct result got = read_in_pieces(file.bytes.data, n, 0, 0);
		const size_t blocks = blocks_before(&file, n);
		const size_t len = got.log.len - 1;

		assert_int_equal(got.r, 0);
		assert_int_equal(count_lines((char *)got.log.data, "\n"), blocks);
		assert_memory_equal(got.log.data, whole.log.data, len);
		assert_int_equal(got.totals.damages, 0);
		assert_false(got.totals.has_end);
		assert_int_equal(got.totals.is_torn, n != (blocks ? file.ends[blocks - 1] : 0));
		assert_int_equal(got.totals.version, blocks ? ECAP_CAPTURE_VERSION : 0);
		result_done(&got);
	}
}

/* -------------------------------------------------------------------------------------- damage */

static void every_flipped_bit(void **state)
{
	ecap_cleanup(file_done) struct file file = { 0 };

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result whole = read_buf(&file.bytes);
	for (size_t bit = 0; bit < 8 * file.bytes.len; bit++) {
		const size_t hit = blocks_before(&file, bit / 8);
		struct result got;
		char where[32];

		file.bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		got = read_buf(&file.bytes);
		file.bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(got.totals.damages, 1);
		assert_int_equal(count_lines((char *)got.log.data, "\n"), N_EVENTS + 2);
		assert_int_equal(got.totals.skipped,
				 file.ends[hit] - (hit ? file.ends[hit - 1] : 0));
		(void)snprintf(where, sizeof(where), "%zu damage ", hit ? file.ends[hit - 1] : 0);
		assert_non_null(strstr((char *)got.log.data, where));
		assert_all_but((char *)got.log.data, (char *)whole.log.data, hit, bit);
		result_done(&got);
	}
}

/* With a byte too few, or one too many, all other blocks are found where they are now. */
static void every_shift(void **state)
{
	ecap_cleanup(file_done) struct file file = { 0 };

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result whole = read_buf(&file.bytes);
	for (size_t at = 0; at < file.bytes.len; at++) {
		const size_t hit = blocks_before(&file, at);
		const bool is_between = !at || file.ends[hit ? hit - 1 : 0] == at;
		const size_t n = file.bytes.len;
		ecap_autofree uint8_t *other = malloc(n + 1);
		struct result got;

		assert_non_null(other);
		memcpy(other, file.bytes.data, at);
		memcpy(other + at, file.bytes.data + at + 1, n - at - 1);
		got = read_in_pieces(other, n - 1, 0, 0);
		assert_all_but((char *)got.log.data, (char *)whole.log.data, hit, at);
		assert_true(hit == N_EVENTS + 1 ? !got.totals.has_end : got.totals.damages == 1);
		result_done(&got);

		other[at] = 'x';
		memcpy(other + at + 1, file.bytes.data + at, n - at);
		got = read_in_pieces(other, n + 1, 0, 0);
		assert_all_but((char *)got.log.data, (char *)whole.log.data,
			       is_between ? SIZE_MAX : hit, at);
		assert_int_equal(got.totals.damages, 1);
		result_done(&got);
	}
}

static void a_large_hole(void **state)
{
	static uint8_t zeros[3u << 20];
	ecap_cleanup(file_done) struct file file = { 0 };
	struct ecap_buf b;

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result whole = read_buf(&file.bytes);
	ecap_buf_init(&b, MAX_FILE);
	ecap_buf_put(&b, file.bytes.data, file.ends[3]);
	ecap_buf_put(&b, zeros, sizeof(zeros));
	ecap_buf_put(&b, file.bytes.data + file.ends[3], file.bytes.len - file.ends[3]);
	ecap_cleanup(result_done) struct result got = read_buf(&b);
	ecap_buf_done(&b);
	assert_int_equal(got.totals.damages, 1);
	assert_int_equal(got.totals.skipped, sizeof(zeros));
	assert_all_but((char *)got.log.data, (char *)whole.log.data, SIZE_MAX, 0);
}

/* What a peer said is not taken for what we wrote, however well it is made. */
static void plaintext_is_no_block(void **state)
{
	const struct ecap_sink_opts others = { .file_id = FILE_ID + 1 };
	struct ecap_out_event ev = { .type = ECAP_OUT_DATA, .data = { .fn = "outer" } };
	ecap_cleanup(file_done) struct file inner = { 0 };
	struct ecap_buf b;

	(void)state;
	make_file(&inner);
	ev.data.bytes = inner.bytes.data;
	ev.data.len = inner.bytes.len;
	ecap_buf_init(&b, MAX_FILE);
	(void)ecap_sink_capture.begin(&beginning, &others, &b);
	(void)ecap_sink_capture.format(&ev, &others, &b);
	(void)ecap_sink_capture.end(&ending, &others, &b);
	for (size_t at = b.len - 200; at < b.len - 100; at++) {
		struct result got;

		b.data[at] ^= 1;
		got = read_buf(&b);
		b.data[at] ^= 1;
		assert_int_equal(got.totals.events, 0);
		assert_int_equal(got.totals.damages, 1);
		assert_true(got.totals.has_end);
		result_done(&got);
	}
	ecap_buf_done(&b);
}

/* Heads that overlap, each right and with a promise that is not kept. */
static void hostile_heads_cost_little(void **state)
{
	const size_t size = 24u << 20;
	ecap_autofree uint8_t *bytes = malloc(size);
	uint8_t head[ECAP_CAPTURE_HEAD_SIZE] = { 0xec, 'a', 'p', 1, 0, 0, 0, 0, 0, 0, 4, 0, 2 };
	uint32_t crc = ecap_capture_crc(head, ECAP_CAPTURE_AT_HEAD_CRC);

	(void)state;
	assert_non_null(bytes);
	for (unsigned int i = 0; i < 4; i++)
		head[ECAP_CAPTURE_AT_HEAD_CRC + i] = (uint8_t)(crc >> 8 * i);
	for (size_t at = 0; at < size; at += sizeof(head))
		memcpy(bytes + at, head, size - at < sizeof(head) ? size - at : sizeof(head));
	ecap_cleanup(result_done) struct result got = read_in_pieces(bytes, size, 0, 0);
	assert_int_equal(got.totals.damages, 1);
	assert_int_equal(got.totals.skipped, size);
	assert_int_equal(got.totals.version, 0);
}

static void foreign_files(void **state)
{
	static const char *const files[] = { "x", "\xec",
					     "\xec"
					     "ap",
					     "{\"v\":1}\n",
					     "\xec"
					     "ap\1\xec"
					     "ap\1\xec"
					     "ap\1\xec"
					     "ap\1\xec"
					     "ap\1"
					     "\xec"
					     "ap\1\xec"
					     "ap\1" };

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(files); i++) {
		struct result got =
			read_in_pieces((const uint8_t *)files[i], strlen(files[i]), 0, 0);

		assert_int_equal(got.r, 0);
		assert_int_equal(got.totals.version, 0);
		assert_int_equal(got.totals.events, 0);
		result_done(&got);
	}
}

/* ------------------------------------------------------------------------------------ versions */

static void put_le(struct ecap_buf *b, uint64_t value, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		ecap_buf_putc(b, (char)(value >> 8 * i));
}

/* As a writer of any kind could. */
static void put_block(struct ecap_buf *b, unsigned int version, unsigned int type,
		      const void *payload, size_t len)
{
	uint8_t head[ECAP_CAPTURE_AT_HEAD_CRC];
	size_t at = b->len;

	ecap_buf_put(b,
		     "\xec"
		     "ap",
		     3);
	put_le(b, version, 1);
	put_le(b, FILE_ID, 4);
	put_le(b, len, 4);
	put_le(b, type, 2);
	put_le(b, 0xbeef, 2); /* reserved, not looked at */
	memcpy(head, b->data + at, sizeof(head));
	put_le(b, ecap_capture_crc(head, sizeof(head)), 4);
	put_le(b, ecap_capture_crc(payload, len), 4);
	ecap_buf_put(b, payload, len);
}

static void unknown_blocks_are_passed_over(void **state)
{
	ecap_cleanup(file_done) struct file file = { 0 };
	struct ecap_buf b;

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result whole = read_buf(&file.bytes);
	ecap_buf_init(&b, MAX_FILE);
	ecap_buf_put(&b, file.bytes.data, file.ends[2]);
	put_block(&b, ECAP_CAPTURE_VERSION, 9, "what may come", 13);
	put_block(&b, ECAP_CAPTURE_VERSION, 0, "", 0);
	put_block(&b, ECAP_CAPTURE_VERSION, 0xffff, "x", 1);
	ecap_buf_put(&b, file.bytes.data + file.ends[2], file.bytes.len - file.ends[2]);
	ecap_cleanup(result_done) struct result got = read_buf(&b);
	ecap_buf_done(&b);
	assert_int_equal(got.totals.unknown, 3);
	assert_int_equal(got.totals.damages, 0);
	assert_int_equal(count_lines((char *)got.log.data, "\n"), N_EVENTS + 2);
	assert_all_but((char *)got.log.data, (char *)whole.log.data, SIZE_MAX, 0);
}

/* A newer writer may append to any payload, and use flags that we do not know. */
static void unknown_fields_are_passed_over(void **state)
{
	ecap_cleanup(file_done) struct file file = { 0 };
	struct ecap_buf b;
	size_t start = 0;

	(void)state;
	make_file(&file);
	ecap_cleanup(result_done) struct result whole = read_buf(&file.bytes);
	ecap_buf_init(&b, MAX_FILE);
	for (size_t i = 0; i < N_EVENTS + 2; i++) {
		const uint8_t *block = file.bytes.data + start;
		size_t len = file.ends[i] - start - ECAP_CAPTURE_HEAD_SIZE;
		uint8_t longer[4096];

		memcpy(longer, block + ECAP_CAPTURE_HEAD_SIZE, len);
		memcpy(longer + len, "\1newer\xff\xff", 8);
		longer[ECAP_CAPTURE_AT_FLAGS + 1] |= 0x80;
		longer[ECAP_CAPTURE_AT_DIR + 1] = 1;
		put_block(&b, ECAP_CAPTURE_VERSION, block[ECAP_CAPTURE_AT_TYPE], longer, len + 8);
		start = file.ends[i];
	}
	ecap_cleanup(result_done) struct result got = read_buf(&b);
	ecap_buf_done(&b);
	assert_int_equal(got.totals.damages, 0);
	assert_all_but((char *)got.log.data, (char *)whole.log.data, SIZE_MAX, 0);
}

static void other_versions_are_refused(void **state)
{
	struct ecap_buf b;

	(void)state;
	for (unsigned int version = 0; version < 256; version++) {
		struct result got;

		if (version == ECAP_CAPTURE_VERSION)
			continue;
		ecap_buf_init(&b, 1000);
		put_block(&b, version, ECAP_CAPTURE_HEADER, "any", 3);
		got = read_in_pieces(b.data, b.len, version % (unsigned int)b.len, 0);
		assert_int_equal(got.r, -EPROTONOSUPPORT);
		assert_int_equal(got.totals.version, version);
		result_done(&got);
		ecap_buf_done(&b);
	}
}

static void what_follows_is_not_read(void **state)
{
	static const struct {
		const char *what;
		bool with_end;
		uint32_t file_id;
	} cases[] = {
		{ "something follows the end of the capture", true, FILE_ID },
		{ "something follows the end of the capture", true, 1 },
		{ "another capture begins", false, FILE_ID },
		{ "another capture begins", false, 1 },
	};
	ecap_cleanup(file_done) struct file file = { 0 };

	(void)state;
	make_file(&file);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		const struct ecap_sink_opts others = { .file_id = cases[i].file_id };
		const size_t end = file.ends[N_EVENTS + (cases[i].with_end ? 1 : 0)];
		struct ecap_buf b;
		struct result got;

		ecap_buf_init(&b, MAX_FILE);
		ecap_buf_put(&b, file.bytes.data, end);
		(void)ecap_sink_capture.begin(&beginning, &others, &b);
		(void)ecap_sink_capture.format(&events[2], &others, &b);
		for (size_t cut = end; cut < b.len; cut++) {
			got = read_in_pieces(b.data, b.len, cut, 0);
			assert_int_equal(got.totals.damages, 1);
			assert_int_equal(got.totals.events, N_EVENTS);
			assert_int_equal(got.totals.skipped, b.len - end);
			assert_non_null(strstr((char *)got.log.data, cases[i].what));
			result_done(&got);
		}
		ecap_buf_done(&b);
	}
}

/* Whole by its check, and yet not what a writer writes: fields cut, too long, out of range. */
static void nonsense_is_damage(void **state)
{
	ecap_cleanup(file_done) struct file file = { 0 };
	uint8_t *block, payload[4096];
	size_t len;

	(void)state;
	make_file(&file);
	block = file.bytes.data + file.ends[2];
	len = file.ends[3] - file.ends[2] - ECAP_CAPTURE_HEAD_SIZE;
	for (size_t i = 0; i < len + 4; i++) {
		struct ecap_buf b;
		struct result got;
		size_t n = len;

		memcpy(payload, block + ECAP_CAPTURE_HEAD_SIZE, len);
		if (i < len)
			n = i;
		else if (i == len)
			payload[ECAP_CAPTURE_AT_DIR] = 3;
		else if (i == len + 1)
			payload[ECAP_CAPTURE_AT_DIR] = ECAP_OUT_DIR_UNKNOWN; /* of plaintext */
		else if (i == len + 2)
			payload[ECAP_CAPTURE_FIXED_LEN + 3] = 0; /* within a string */
		else
			payload[ECAP_CAPTURE_FIXED_LEN + 5] = 'x'; /* for its end */
		ecap_buf_init(&b, MAX_FILE);
		ecap_buf_put(&b, file.bytes.data, file.ends[2]);
		put_block(&b, ECAP_CAPTURE_VERSION, ECAP_CAPTURE_DATA, payload, n);
		ecap_buf_put(&b, file.bytes.data + file.ends[3], file.bytes.len - file.ends[3]);
		got = read_buf(&b);
		assert_int_equal(got.totals.damages, 1);
		assert_int_equal(got.totals.events, N_EVENTS - 1);
		assert_non_null(strstr((char *)got.log.data, "a block makes no sense"));
		result_done(&got);
		ecap_buf_done(&b);
	}
}

/* ------------------------------------------------------------------------------------- writing */

static void long_names_are_cut(void **state)
{
	ecap_autofree char *name = calloc(1, 70000);
	struct ecap_out_process process = { .comm = name, .exe = name };
	struct ecap_out_event ev = { .type = ECAP_OUT_IDLE, .host = name, .process = &process };
	struct ecap_buf b;

	(void)state;
	assert_non_null(name);
	memset(name, 'n', 69999);
	ecap_buf_init(&b, MAX_FILE);
	assert_int_equal(ecap_sink_capture.format(&ev, &opts, &b), 0);
	ecap_cleanup(result_done) struct result got = read_buf(&b);
	ecap_buf_done(&b);
	assert_int_equal(got.totals.events, 1);
	assert_int_equal(got.totals.damages, 0);
}

static void too_much_is_refused(void **state)
{
	ecap_autofree uint8_t *bytes = calloc(1, ECAP_CAPTURE_MAX_PAYLOAD);
	struct ecap_out_event ev = { .type = ECAP_OUT_DATA };
	struct ecap_buf b;

	(void)state;
	assert_non_null(bytes);
	ev.data.bytes = bytes;
	ev.data.len = ECAP_CAPTURE_MAX_PAYLOAD;
	ecap_buf_init(&b, MAX_FILE);
	assert_int_equal(ecap_sink_capture.format(&ev, &opts, &b), -EMSGSIZE);
	ecap_buf_done(&b);
	ecap_buf_init(&b, 100);
	assert_int_equal(ecap_sink_capture.format(&ev, &opts, &b), -EMSGSIZE);
	ecap_buf_done(&b);
	ev.type = ECAP_OUT_HTTP; /* is made again */
	ecap_buf_init(&b, 1000);
	assert_int_equal(ecap_sink_capture.format(&ev, &opts, &b), -EINVAL);
	assert_false(ecap_sink_capture.types(&opts) & 1u << ECAP_OUT_HTTP);
	ecap_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_was_written),
		cmocka_unit_test(split_at_every_byte),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(every_flipped_bit),
		cmocka_unit_test(every_shift),
		cmocka_unit_test(a_large_hole),
		cmocka_unit_test(plaintext_is_no_block),
		cmocka_unit_test(hostile_heads_cost_little),
		cmocka_unit_test(foreign_files),
		cmocka_unit_test(unknown_blocks_are_passed_over),
		cmocka_unit_test(unknown_fields_are_passed_over),
		cmocka_unit_test(other_versions_are_refused),
		cmocka_unit_test(what_follows_is_not_read),
		cmocka_unit_test(nonsense_is_damage),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
