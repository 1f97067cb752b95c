// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "sinks/event.h"
#include "sinks/json_writer.h"

/* Of the lines; doc/user/schema.json describes them. */
#define SCHEMA_VERSION 1

static void put_string(struct ecap_json *w, const char *key, const char *value)
{
	ecap_json_key(w, key);
	ecap_json_string_or_null(w, value);
}

static void put_u64(struct ecap_json *w, const char *key, uint64_t value)
{
	ecap_json_key(w, key);
	ecap_json_u64(w, value);
}

static void put_known(struct ecap_json *w, const char *key, uint64_t value, bool is_known)
{
	ecap_json_key(w, key);
	if (is_known)
		ecap_json_u64(w, value);
	else
		ecap_json_null(w);
}

static void put_bool(struct ecap_json *w, const char *key, bool value)
{
	ecap_json_key(w, key);
	ecap_json_bool(w, value);
}

static void put_common(struct ecap_json *w, const struct ecap_out_event *ev)
{
	static const char *const types[] = {
		[ECAP_OUT_DATA] = "data",	[ECAP_OUT_LOSS] = "loss",
		[ECAP_OUT_STATS] = "stats",	[ECAP_OUT_TARGET] = "target",
		[ECAP_OUT_COMMAND] = "command", [ECAP_OUT_HTTP] = "http",
	};
	static const struct ecap_out_process unknown = { 0 };
	const struct ecap_out_process *process = ev->process ? ev->process : &unknown;
	char ts[ECAP_CLOCK_UTC_SIZE];

	ecap_clock_format_utc(ev->ts_ns, ts);
	put_u64(w, "v", SCHEMA_VERSION);
	put_string(w, "type", types[ev->type]);
	put_string(w, "ts", ts);
	put_string(w, "host", ev->host);
	put_known(w, "pid", process->pid, process->pid);
	put_known(w, "tid", ev->tid, ev->tid);
	put_known(w, "ppid", process->ppid, process->has_ppid);
	put_known(w, "uid", process->uid, process->has_uid);
	put_string(w, "comm", process->comm);
	put_string(w, "exe", process->exe);
	put_string(w, "container", process->container);
}

static void put_dir(struct ecap_json *w, enum ecap_out_dir dir)
{
	static const char *const names[] = {
		[ECAP_OUT_SEND] = "send",
		[ECAP_OUT_RECV] = "recv",
		[ECAP_OUT_DIR_UNKNOWN] = NULL,
	};

	put_string(w, "dir", names[dir]);
}

static void put_conn(struct ecap_json *w, const struct ecap_out_conn *conn)
{
	ecap_json_key(w, "conn");
	if (!conn->id) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_object(w);
	put_u64(w, "id", conn->id);
	put_string(w, "local", conn->local);
	put_string(w, "remote", conn->remote);
	ecap_json_end_object(w);
}

/* The exact bytes, readable where they are text. */
static void put_bytes(struct ecap_json *w, const uint8_t *bytes, size_t len)
{
	if (ecap_utf8_valid_text(bytes, len)) {
		ecap_json_key(w, "text");
		ecap_json_string(w, bytes, len);
	} else {
		ecap_json_key(w, "b64");
		ecap_json_base64(w, bytes, len);
	}
}

static void put_data(struct ecap_json *w, const struct ecap_out_event *ev)
{
	const struct ecap_out_data *data = &ev->data;

	put_string(w, "lib", data->lib);
	put_string(w, "fn", data->fn);
	put_dir(w, ev->dir);
	put_conn(w, &ev->conn);
	put_u64(w, "off", data->off);
	put_u64(w, "len", data->len);
	put_u64(w, "total", data->total);
	put_bytes(w, data->bytes, data->len);
}

static void put_command(struct ecap_json *w, const struct ecap_out_command *command)
{
	put_string(w, "lib", command->lib);
	put_string(w, "fn", command->fn);
	put_u64(w, "len", command->len);
	put_bytes(w, command->bytes, command->len);
}

static void put_loss(struct ecap_json *w, const struct ecap_out_event *ev)
{
	const struct ecap_out_loss *loss = &ev->loss;

	put_conn(w, &ev->conn);
	put_dir(w, ev->dir);
	put_known(w, "off", loss->off, loss->has_off);
	put_known(w, "bytes", loss->bytes, loss->has_bytes);
	put_u64(w, "calls", loss->calls);
	put_string(w, "reason", loss->reason);
}

static void put_lost(struct ecap_json *w, const struct ecap_out_stats *stats)
{
	ecap_json_key(w, "lost");
	ecap_json_begin_object(w);
	for (size_t i = 0; i < stats->n_lost; i++) {
		ecap_json_key(w, stats->lost[i].reason);
		ecap_json_begin_object(w);
		put_u64(w, "calls", stats->lost[i].calls);
		put_u64(w, "bytes", stats->lost[i].bytes);
		ecap_json_end_object(w);
	}
	ecap_json_end_object(w);
}

static void put_http_counters(struct ecap_json *w, const struct ecap_out_stats *stats)
{
	ecap_json_key(w, "http");
	if (!stats->n_http) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_object(w);
	for (size_t i = 0; i < stats->n_http; i++)
		put_u64(w, stats->http[i].name, stats->http[i].n);
	ecap_json_end_object(w);
}

static void put_outputs(struct ecap_json *w, const struct ecap_out_stats *stats)
{
	ecap_json_key(w, "outputs");
	ecap_json_begin_array(w);
	for (size_t i = 0; i < stats->n_outputs; i++) {
		const struct ecap_out_output *output = &stats->outputs[i];

		ecap_json_begin_object(w);
		put_string(w, "format", output->format);
		put_string(w, "dest", output->dest);
		put_u64(w, "written", output->written);
		put_u64(w, "refused", output->refused);
		put_u64(w, "refused_bytes", output->refused_bytes);
		put_u64(w, "failed", output->failed);
		ecap_json_end_object(w);
	}
	ecap_json_end_array(w);
}

static void put_stats(struct ecap_json *w, const struct ecap_out_stats *stats)
{
	put_bool(w, "final", stats->is_final);
	ecap_json_key(w, "seen");
	ecap_json_begin_object(w);
	put_u64(w, "bytes", stats->bytes);
	put_u64(w, "calls", stats->calls);
	put_u64(w, "commands", stats->commands);
	put_u64(w, "connections", stats->conns);
	put_u64(w, "processes", stats->processes);
	ecap_json_end_object(w);
	put_lost(w, stats);
	ecap_json_key(w, "records");
	ecap_json_begin_object(w);
	put_u64(w, "invalid", stats->invalid_records);
	put_u64(w, "missed", stats->missed_records);
	ecap_json_end_object(w);
	put_u64(w, "missed_files", stats->missed_files);
	put_http_counters(w, stats);
	put_outputs(w, stats);
}

static void put_target(struct ecap_json *w, const struct ecap_out_target *target)
{
	put_string(w, "path", target->path);
	put_string(w, "lib", target->lib);
	put_string(w, "attach", target->attach);
	put_string(w, "placement", target->is_inside ? "inside" : "public");
	ecap_json_key(w, "single_stepped");
	if (target->is_inside)
		ecap_json_bool(w, target->is_stepped);
	else
		ecap_json_null(w); /* nobody looked */
	put_u64(w, "hooks", target->n_hooks);
	put_u64(w, "aliases", target->n_aliases);
}

static uint32_t types(const struct ecap_sink_opts *opts)
{
	(void)opts;
	return 1u << ECAP_OUT_DATA | 1u << ECAP_OUT_LOSS | 1u << ECAP_OUT_STATS |
	       1u << ECAP_OUT_TARGET | 1u << ECAP_OUT_COMMAND;
}

static int format(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		  struct ecap_buf *out)
{
	struct ecap_json w;

	(void)opts; /* nothing to choose: a schema describes every line */
	ecap_json_init(&w, out);
	ecap_json_begin_object(&w);
	put_common(&w, ev);
	switch (ev->type) {
	case ECAP_OUT_DATA:
		put_data(&w, ev);
		break;
	case ECAP_OUT_LOSS:
		put_loss(&w, ev);
		break;
	case ECAP_OUT_STATS:
		put_stats(&w, ev->stats);
		break;
	case ECAP_OUT_TARGET:
		put_target(&w, &ev->target);
		break;
	case ECAP_OUT_COMMAND:
		put_command(&w, &ev->command);
		break;
	case ECAP_OUT_CLOSE:
	case ECAP_OUT_IDLE:
	case ECAP_OUT_MESSAGE:
	case ECAP_OUT_HTTP:
	case ECAP_OUT_RAW:
	case ECAP_OUT_TYPE_COUNT:
		break;
	}
	ecap_json_end_object(&w);
	ecap_buf_putc(out, '\n');
	return out->err;
}

const struct ecap_sink ecap_sink_json = {
	.name = "json",
	.types = types,
	.format = format,
};
