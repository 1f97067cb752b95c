// SPDX-License-Identifier: Apache-2.0
#include "sinks/json.h"

#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sinks/event.h"
#include "sinks/json_http.h"
#include "sinks/json_writer.h"
#include "sinks/sink.h"

/* Of the lines; doc/user/schema.json describes them. */
#define SCHEMA_VERSION 1

const char *ecap_json_type_name(unsigned int type)
{
	static const char *const names[ECAP_OUT_TYPE_COUNT] = {
		[ECAP_OUT_DATA] = "data",	[ECAP_OUT_LOSS] = "loss",
		[ECAP_OUT_STATS] = "stats",	[ECAP_OUT_TARGET] = "target",
		[ECAP_OUT_COMMAND] = "command", [ECAP_OUT_HTTP] = "http",
	};

	return type < ECAP_ARRAY_SIZE(names) ? names[type] : NULL;
}

static void put_common(struct ecap_json *w, const struct ecap_out_event *ev)
{
	static const struct ecap_out_process unknown = { 0 };
	const struct ecap_out_process *process = ev->process ? ev->process : &unknown;

	ecap_json_put_u64(w, "v", SCHEMA_VERSION);
	ecap_json_put_string(w, "type", ecap_json_type_name(ev->type));
	ecap_json_put_time(w, "ts", ev->ts_ns);
	ecap_json_put_string(w, "host", ev->host);
	ecap_json_put_known(w, "pid", process->pid, process->pid);
	ecap_json_put_known(w, "tid", ev->tid, ev->tid);
	ecap_json_put_known(w, "ppid", process->ppid, process->has_ppid);
	ecap_json_put_known(w, "uid", process->uid, process->has_uid);
	ecap_json_put_string(w, "comm", process->comm);
	ecap_json_put_string(w, "exe", process->exe);
	ecap_json_put_string(w, "container", process->container);
}

static void put_dir(struct ecap_json *w, enum ecap_out_dir dir)
{
	static const char *const names[] = {
		[ECAP_OUT_SEND] = "send",
		[ECAP_OUT_RECV] = "recv",
		[ECAP_OUT_DIR_UNKNOWN] = NULL,
	};

	ecap_json_put_string(w, "dir", names[dir]);
}

static void put_conn(struct ecap_json *w, const struct ecap_out_conn *conn)
{
	ecap_json_key(w, "conn");
	if (!conn->id) {
		ecap_json_null(w);
		return;
	}
	ecap_json_begin_object(w);
	ecap_json_put_u64(w, "id", conn->id);
	ecap_json_put_string(w, "local", conn->local);
	ecap_json_put_string(w, "remote", conn->remote);
	ecap_json_end_object(w);
}

static void put_data(struct ecap_json *w, const struct ecap_out_event *ev)
{
	const struct ecap_out_data *data = &ev->data;

	ecap_json_put_string(w, "lib", data->lib);
	ecap_json_put_string(w, "fn", data->fn);
	put_dir(w, ev->dir);
	put_conn(w, &ev->conn);
	ecap_json_put_u64(w, "off", data->off);
	ecap_json_put_u64(w, "len", data->len);
	ecap_json_put_u64(w, "total", data->total);
	ecap_json_put_bytes(w, data->bytes, data->len);
}

static void put_command(struct ecap_json *w, const struct ecap_out_command *command)
{
	ecap_json_put_string(w, "lib", command->lib);
	ecap_json_put_string(w, "fn", command->fn);
	ecap_json_put_u64(w, "len", command->len);
	ecap_json_put_bytes(w, command->bytes, command->len);
}

static void put_loss(struct ecap_json *w, const struct ecap_out_event *ev)
{
	const struct ecap_out_loss *loss = &ev->loss;

	put_conn(w, &ev->conn);
	put_dir(w, ev->dir);
	ecap_json_put_known(w, "off", loss->off, loss->has_off);
	ecap_json_put_known(w, "bytes", loss->bytes, loss->has_bytes);
	ecap_json_put_u64(w, "calls", loss->calls);
	ecap_json_put_string(w, "reason", loss->reason);
}

static void put_lost(struct ecap_json *w, const struct ecap_out_stats *stats)
{
	ecap_json_key(w, "lost");
	ecap_json_begin_object(w);
	for (size_t i = 0; i < stats->n_lost; i++) {
		ecap_json_key(w, stats->lost[i].reason);
		ecap_json_begin_object(w);
		ecap_json_put_u64(w, "calls", stats->lost[i].calls);
		ecap_json_put_u64(w, "bytes", stats->lost[i].bytes);
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
		ecap_json_put_u64(w, stats->http[i].name, stats->http[i].n);
	ecap_json_end_object(w);
}

static void put_outputs(struct ecap_json *w, const struct ecap_out_stats *stats)
{
	ecap_json_key(w, "outputs");
	ecap_json_begin_array(w);
	for (size_t i = 0; i < stats->n_outputs; i++) {
		const struct ecap_out_output *output = &stats->outputs[i];

		ecap_json_begin_object(w);
		ecap_json_put_string(w, "format", output->format);
		ecap_json_put_string(w, "dest", output->dest);
		ecap_json_put_u64(w, "written", output->written);
		ecap_json_put_u64(w, "refused", output->refused);
		ecap_json_put_u64(w, "refused_bytes", output->refused_bytes);
		ecap_json_put_u64(w, "failed", output->failed);
		ecap_json_end_object(w);
	}
	ecap_json_end_array(w);
}

static void put_stats(struct ecap_json *w, const struct ecap_out_stats *stats)
{
	ecap_json_put_bool(w, "final", stats->is_final);
	ecap_json_key(w, "seen");
	ecap_json_begin_object(w);
	ecap_json_put_u64(w, "bytes", stats->bytes);
	ecap_json_put_u64(w, "calls", stats->calls);
	ecap_json_put_u64(w, "commands", stats->commands);
	ecap_json_put_u64(w, "connections", stats->conns);
	ecap_json_put_u64(w, "processes", stats->processes);
	ecap_json_end_object(w);
	put_lost(w, stats);
	ecap_json_key(w, "records");
	ecap_json_begin_object(w);
	ecap_json_put_u64(w, "invalid", stats->invalid_records);
	ecap_json_put_u64(w, "missed", stats->missed_records);
	ecap_json_end_object(w);
	ecap_json_put_u64(w, "missed_files", stats->missed_files);
	put_http_counters(w, stats);
	put_outputs(w, stats);
}

static void put_target(struct ecap_json *w, const struct ecap_out_target *target)
{
	ecap_json_put_string(w, "path", target->path);
	ecap_json_put_string(w, "lib", target->lib);
	ecap_json_put_string(w, "attach", target->attach);
	ecap_json_put_string(w, "placement", target->is_inside ? "inside" : "public");
	ecap_json_key(w, "single_stepped");
	if (target->is_inside)
		ecap_json_bool(w, target->is_stepped);
	else
		ecap_json_null(w); /* nobody looked */
	ecap_json_put_u64(w, "hooks", target->n_hooks);
	ecap_json_put_u64(w, "aliases", target->n_aliases);
}

static void put_http(struct ecap_json *w, const struct ecap_out_event *ev, bool redacts)
{
	static const char *const roles[] = {
		[ECAP_OUT_SEND] = "client",
		[ECAP_OUT_RECV] = "server",
		[ECAP_OUT_DIR_UNKNOWN] = NULL,
	};

	ecap_json_put_string(w, "lib", ev->http.lib);
	put_conn(w, &ev->conn);
	ecap_json_put_string(w, "role", roles[ev->dir]); /* the direction is the request's */
	ecap_json_put_exchange(w, ev->http.exchange, redacts);
}

static uint32_t types(const struct ecap_sink_opts *opts)
{
	uint32_t all = 0;

	for (unsigned int i = 0; i < ECAP_OUT_TYPE_COUNT; i++)
		all |= ecap_json_type_name(i) ? 1u << i : 0;
	return opts->json_types ? all & (opts->json_types | 1u << ECAP_OUT_LOSS) : all;
}

static int format(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		  struct ecap_buf *out)
{
	struct ecap_json w;

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
	case ECAP_OUT_HTTP:
		put_http(&w, ev, opts->redact);
		break;
	case ECAP_OUT_CLOSE:
	case ECAP_OUT_IDLE:
	case ECAP_OUT_MESSAGE:
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
