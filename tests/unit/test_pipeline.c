/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/dest.h"
#include "engine/outputs.h"
#include "engine/pipeline.h"
#include "sinks/event.h"
#include "sinks/sink.h"

#define GET	"GET / HTTP/1.1\r\n\r\n"
#define OK	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#define BIT(type) (1u << ECAP_OUT_##type)

/* ------------------------------------------------------------------------------ recording sink */

static const char *of(const char *s)
{
	return s ? s : "?";
}

static void put_body(const struct ecap_out_event *ev, struct ecap_buf *out)
{
	if (ev->type == ECAP_OUT_DATA)
		ecap_buf_printf(out, " @%llu+%zu", (unsigned long long)ev->data.off, ev->data.len);
	else if (ev->type == ECAP_OUT_LOSS)
		ecap_buf_printf(out, " %s", ev->loss.reason);
	else if (ev->type == ECAP_OUT_RAW)
		ecap_buf_printf(out, " %s%s @%llu+%llu%s", of(ev->raw.lib),
				ev->raw.is_http2 ? " http2" : "", (unsigned long long)ev->raw.off,
				(unsigned long long)ev->raw.len, ev->raw.bytes ? "" : " unseen");
	else if (ev->type == ECAP_OUT_MESSAGE)
		ecap_buf_printf(out, " %s %s", of(ev->http.lib),
				ev->http.message->is_response ? "response" : "request");
	else if (ev->type == ECAP_OUT_HTTP)
		ecap_buf_printf(out, " %s %s%s", of(ev->http.lib),
				ev->http.exchange->request ? "request" : "-",
				ev->http.exchange->response ? " response" : " -");
}

static int record(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		  struct ecap_buf *out)
{
	static const char *const names[ECAP_OUT_TYPE_COUNT] = {
		[ECAP_OUT_DATA] = "data", [ECAP_OUT_LOSS] = "loss", [ECAP_OUT_MESSAGE] = "message",
		[ECAP_OUT_HTTP] = "http", [ECAP_OUT_RAW] = "raw",   [ECAP_OUT_CLOSE] = "close",
		[ECAP_OUT_IDLE] = "idle",
	};
	static const char *const dirs[] = { "send", "recv", "?" };
	const struct ecap_out_process *p = ev->process;

	(void)opts;
	ecap_buf_printf(out, "%llu t%llu %s %s %s", (unsigned long long)ev->conn.id,
			(unsigned long long)ev->ts_ns, of(ev->host), names[ev->type],
			dirs[ev->dir]);
	if (p)
		ecap_buf_printf(out, " %u/%u/%u/%s/%s/%s/%u", p->pid, p->ppid, p->uid, of(p->comm),
				of(p->exe), of(p->container), ev->tid);
	put_body(ev, out);
	ecap_buf_putc(out, '\n');
	return out->err;
}

static uint32_t chosen(const struct ecap_sink_opts *opts)
{
	return opts->json_types;
}

static const struct ecap_sink recorder = { .name = "r", .types = chosen, .format = record };

/* ------------------------------------------------------------------------------------- fixture */

struct fixture {
	char path[32];
	int event_fd;
	struct ecap_dest *dest;
	struct ecap_outputs *outputs;
	struct ecap_pipeline *pipeline;
};

static void begin(struct fixture *f, uint32_t types)
{
	const struct ecap_sink_opts opts = { .json_types = types };
	struct ecap_output output = { .sink = &recorder };
	struct ecap_pipeline_opts pipeline_opts = { .stream_limit = 0 };
	int fd;

	*f = (struct fixture){ .path = "/tmp/ecap-pipeline-XXXXXX" };
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	(void)close(fd);
	f->event_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(ecap_dest_open(f->path, f->event_fd, &f->dest), 0);
	assert_int_equal(ecap_dest_start(f->dest), 0);
	output.dest = f->dest;
	assert_int_equal(ecap_outputs_new(&output, 1, &opts, &f->outputs), 0);
	pipeline_opts.outputs = f->outputs;
	assert_int_equal(ecap_pipeline_new(&pipeline_opts, &f->pipeline), 0);
}

/* The run is over; all that was written is @want. */
static void end(struct fixture *f, const char *want)
{
	const struct ecap_out_event last = { .ts_ns = 99, .host = "end" };
	char text[4096] = "";
	uint64_t n;
	FILE *file;

	ecap_pipeline_end(f->pipeline, &last);
	ecap_dest_finish(f->dest);
	while (!ecap_dest_finished(f->dest))
		assert_int_equal(read(f->event_fd, &n, sizeof(n)), sizeof(n));
	file = fopen(f->path, "re");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	(void)unlink(f->path);
	ecap_pipeline_free(f->pipeline);
	ecap_outputs_free(f->outputs);
	ecap_dest_free(f->dest);
	(void)close(f->event_fd);
	assert_string_equal(text, want);
}

static const struct ecap_out_process curl = {
	.pid = 4,
	.ppid = 1,
	.uid = 5,
	.has_ppid = true,
	.has_uid = true,
	.comm = "curl",
	.exe = "/curl",
	.container = "c",
};

/* The same, after it has changed its user and its thread's name. */
static const struct ecap_out_process curl_later = {
	.pid = 4,
	.ppid = 1,
	.uid = 6,
	.has_ppid = true,
	.has_uid = true,
	.comm = "worker",
	.exe = "/curl",
	.container = "c",
};

static struct ecap_out_event data(uint64_t conn, enum ecap_out_dir dir, uint64_t off,
				  const char *text)
{
	return (struct ecap_out_event){
		.type = ECAP_OUT_DATA,
		.ts_ns = off + 1,
		.host = "h",
		.process = dir == ECAP_OUT_SEND ? &curl : &curl_later,
		.tid = dir == ECAP_OUT_SEND ? 8 : 9,
		.dir = dir,
		.conn = { .id = conn },
		.data = {
			.lib = "l",
			.fn = "f",
			.off = off,
			.total = strlen(text),
			.bytes = (const uint8_t *)text,
			.len = strlen(text),
		},
	};
}

static void say(struct fixture *f, uint64_t conn, enum ecap_out_dir dir, uint64_t off,
		const char *text)
{
	const struct ecap_out_event ev = data(conn, dir, off, text);

	ecap_pipeline_put(f->pipeline, &ev);
}

/* --------------------------------------------------------------------------------------- tests */

/* An exchange has the one that asked, as it was when it asked; a message has its sender. */
static void a_client(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, BIT(MESSAGE) | BIT(HTTP) | BIT(RAW));
	say(&f, 3, ECAP_OUT_SEND, 0, GET);
	say(&f, 3, ECAP_OUT_RECV, 0, OK);
	end(&f, "3 t1 h message send 4/1/5/curl//curl/c/8 l request\n"
		"3 t1 h message recv 4/1/6/worker//curl/c/9 l response\n"
		"3 t1 h http send 4/1/5/curl//curl/c/8 l request response\n");
}

/* The direction of an exchange is its request's, also if only the response was heard. */
static void a_server_whose_request_was_not_heard(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, BIT(HTTP));
	say(&f, 3, ECAP_OUT_SEND, 100, OK);
	end(&f, "3 t101 h http recv 4/1/5/curl//curl/c/8 l - response\n");
}

static void data_passes_in_its_place(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, BIT(DATA) | BIT(HTTP));
	say(&f, 3, ECAP_OUT_SEND, 0, GET);
	say(&f, 3, ECAP_OUT_RECV, 0, OK);
	end(&f, "3 t1 h data send 4/1/5/curl//curl/c/8 @0+18\n"
		"3 t1 h data recv 4/1/6/worker//curl/c/9 @0+40\n"
		"3 t1 h http send 4/1/5/curl//curl/c/8 l request response\n");
}

/* Where nobody wants messages none are made. */
static void nobody_wants_messages(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, BIT(DATA));
	say(&f, 3, ECAP_OUT_SEND, 0, GET);
	assert_null(ecap_pipeline_counters(f.pipeline));
	end(&f, "3 t1 h data send 4/1/5/curl//curl/c/8 @0+18\n");
}

static void losses_are_gaps(void **state)
{
	struct ecap_out_event loss = data(3, ECAP_OUT_SEND, 0, "");
	struct fixture f;

	(void)state;
	begin(&f, BIT(HTTP) | BIT(LOSS) | BIT(RAW));
	say(&f, 3, ECAP_OUT_SEND, 0, "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab");
	loss.type = ECAP_OUT_LOSS;
	loss.loss = (struct ecap_out_loss){
		.reason = "r", .off = 39, .bytes = 7, .has_off = true, .has_bytes = true
	};
	ecap_pipeline_put(f.pipeline, &loss);
	loss.conn.id = 77; /* of nobody, and of which nothing is known */
	ecap_pipeline_put(f.pipeline, &loss);
	loss.conn.id = 3;
	loss.loss.has_off = false;
	ecap_pipeline_put(f.pipeline, &loss);
	say(&f, 3, ECAP_OUT_RECV, 0, OK);
	end(&f, "3 t1 h loss send 4/1/5/curl//curl/c/8 r\n"
		"77 t1 h loss send 4/1/5/curl//curl/c/8 r\n"
		"3 t1 h loss send 4/1/5/curl//curl/c/8 r\n"
		"3 t1 h http send 4/1/5/curl//curl/c/8 l request response\n");
}

static void what_no_parser_takes_is_raw(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, BIT(RAW));
	say(&f, 0, ECAP_OUT_SEND, 7, "of no connection");
	say(&f, 3, ECAP_OUT_SEND, 7, "no HTTP");
	say(&f, 3, ECAP_OUT_SEND, 7, "again");
	end(&f, "0 t8 h raw send 4/1/5/curl//curl/c/8 l @7+16\n"
		"3 t8 h raw send 4/1/5/curl//curl/c/8 l @7+7\n"
		"3 t8 h raw send 4/1/5/curl//curl/c/8 l @7+5\n");
}

static void bursts_end_when_it_is_quiet(void **state)
{
	const struct ecap_out_event idle = { .type = ECAP_OUT_IDLE, .ts_ns = 50, .host = "h" };
	struct fixture f;

	(void)state;
	begin(&f, BIT(RAW));
	say(&f, 3, ECAP_OUT_SEND, 0, PREFACE);
	say(&f, 3, ECAP_OUT_SEND, 24, "more");
	ecap_pipeline_put(f.pipeline, &idle);
	ecap_pipeline_put(f.pipeline, &idle);
	end(&f, "3 t25 h raw send 4/1/5/curl//curl/c/8 l http2 @0+28 unseen\n");
}

static void ends_of_connections(void **state)
{
	struct ecap_out_event close = { .type = ECAP_OUT_CLOSE, .ts_ns = 60, .host = "h" };
	struct fixture f;

	(void)state;
	begin(&f, BIT(HTTP));
	say(&f, 3, ECAP_OUT_SEND, 0, GET);
	say(&f, 4, ECAP_OUT_SEND, 0, GET);
	close.conn.id = 3;
	close.close.is_closed = true;
	ecap_pipeline_put(f.pipeline, &close);
	ecap_pipeline_put(f.pipeline, &close); /* it is not known any more */
	end(&f, "3 t60 h http send 4/1/5/curl//curl/c/8 l request -\n"
		"4 t99 end http send 4/1/5/curl//curl/c/8 l request -\n");
}

static void a_process_of_which_nothing_is_known(void **state)
{
	struct ecap_out_event ev = data(3, ECAP_OUT_SEND, 0, GET);
	struct fixture f;

	(void)state;
	begin(&f, BIT(HTTP));
	ev.process = NULL;
	ev.tid = 0;
	ev.data.lib = NULL;
	ecap_pipeline_put(f.pipeline, &ev);
	end(&f, "3 t99 end http send 0/0/0/?/?/?/0  request -\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client),
		cmocka_unit_test(a_server_whose_request_was_not_heard),
		cmocka_unit_test(data_passes_in_its_place),
		cmocka_unit_test(nobody_wants_messages),
		cmocka_unit_test(losses_are_gaps),
		cmocka_unit_test(what_no_parser_takes_is_raw),
		cmocka_unit_test(bursts_end_when_it_is_quiet),
		cmocka_unit_test(ends_of_connections),
		cmocka_unit_test(a_process_of_which_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
