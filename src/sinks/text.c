// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <inttypes.h>

#include "base/buf.h"
#include "sinks/event.h"
#include "sinks/text_body.h"
#include "sinks/text_common.h"
#include "sinks/text_http.h"

static void put_dir(struct ecap_buf *out, enum ecap_out_dir dir)
{
	if (dir != ECAP_OUT_DIR_UNKNOWN)
		ecap_buf_puts(out, dir == ECAP_OUT_SEND ? " send" : " recv");
}

static void put_conn(struct ecap_buf *out, const struct ecap_out_conn *conn)
{
	if (conn->id)
		ecap_buf_printf(out, " conn %" PRIu64, conn->id);
	if (conn->local) {
		ecap_buf_puts(out, " local ");
		ecap_text_put_name(out, conn->local);
	}
	if (conn->remote) {
		ecap_buf_puts(out, " remote ");
		ecap_text_put_name(out, conn->remote);
	}
}

/* A blank line, unless events are one line each. */
static void put_separator(const struct ecap_text *t)
{
	if (!ecap_text_is_compact(t->opts))
		ecap_buf_putc(t->out, '\n');
}

static void put_data(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	const struct ecap_out_data *data = &ev->data;
	struct ecap_buf *out = t->out;

	ecap_text_put_origin(t, ev);
	put_dir(out, ev->dir);
	if (data->fn) {
		ecap_buf_putc(out, ' ');
		ecap_text_put_name(out, data->fn);
	}
	put_conn(out, &ev->conn);
	ecap_buf_puts(out, ", ");
	ecap_text_put_count(out, data->len, "byte");
	if (data->off)
		ecap_buf_printf(out, " at offset %" PRIu64, data->off);
	if (data->len < data->total)
		ecap_buf_printf(out, " (part of %" PRIu64 ")", data->total);
	ecap_buf_putc(out, '\n');
	ecap_text_put_payload(t, data->off, data->bytes, data->len);
	put_separator(t);
}

/* A burst is one line: its bytes are compressed headers and frames, which nobody reads. */
static void put_http2(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	ecap_text_put_origin(t, ev);
	put_dir(t->out, ev->dir);
	put_conn(t->out, &ev->conn);
	ecap_buf_puts(t->out, ", HTTP/2, ");
	ecap_text_put_count(t->out, ev->raw.len, "byte");
	ecap_buf_puts(t->out, ", not decoded yet");
	/* no advice that would be refused */
	ecap_buf_puts(t->out, t->opts->redact ? "\n" : "; --raw shows them\n");
}

/* What no parser understood may hold what others are shown without. */
static void put_raw(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	const struct ecap_out_raw *raw = &ev->raw;

	if (raw->is_http2) {
		put_http2(t, ev);
		return;
	}
	ecap_text_put_origin(t, ev);
	put_dir(t->out, ev->dir);
	put_conn(t->out, &ev->conn);
	ecap_buf_puts(t->out, ", ");
	ecap_text_put_count(t->out, raw->len, "byte");
	if (raw->off)
		ecap_buf_printf(t->out, " at offset %" PRIu64, raw->off);
	if (t->opts->redact)
		ecap_buf_puts(t->out, ", not HTTP, hidden because of --redact");
	ecap_buf_putc(t->out, '\n');
	if (ecap_text_shown_body(t->opts) != ECAP_SHOW_NONE && !t->opts->redact)
		ecap_text_put_payload(t, raw->off, raw->bytes, raw->len);
	put_separator(t);
}

static void put_loss(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	const struct ecap_out_loss *loss = &ev->loss;
	struct ecap_buf *out = t->out;

	ecap_text_put_origin(t, ev);
	ecap_buf_putc(out, ' ');
	ecap_text_paint(t, ECAP_PAINT_BAD);
	ecap_buf_puts(out, "LOST");
	ecap_text_plain(t);
	put_dir(out, ev->dir);
	put_conn(out, &ev->conn);
	ecap_buf_puts(out, ": ");
	if (loss->has_bytes)
		ecap_text_put_count(out, loss->bytes, "byte");
	else
		ecap_buf_puts(out, "unknown size");
	if (loss->calls) {
		ecap_buf_puts(out, " in ");
		ecap_text_put_count(out, loss->calls, "call");
	}
	if (loss->has_off)
		ecap_buf_printf(out, " at offset %" PRIu64, loss->off);
	if (loss->reason) {
		ecap_buf_puts(out, " (");
		ecap_text_put_name(out, loss->reason);
		ecap_buf_putc(out, ')');
	}
	ecap_buf_putc(out, '\n');
	put_separator(t);
}

/* One line, and in hex the lines of the dump: one under the other, as in a history. */
static void put_command(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	const struct ecap_out_command *command = &ev->command;
	const size_t max =
		t->opts->tsize && t->opts->tsize < command->len ? t->opts->tsize : command->len;

	ecap_text_put_origin(t, ev);
	if (ev->process && ev->process->has_uid)
		ecap_buf_printf(t->out, " uid %" PRIu32, ev->process->uid);
	if (t->opts->hex) {
		ecap_buf_puts(t->out, ", ");
		ecap_text_put_count(t->out, command->len, "byte");
		ecap_buf_putc(t->out, '\n');
		ecap_text_put_payload(t, 0, command->bytes, command->len);
		return;
	}
	ecap_buf_puts(t->out, ": ");
	ecap_text_put_line(t->out, command->bytes, max);
	if (max < command->len)
		ecap_buf_printf(t->out, " ... %zu more, left out because of --tsize",
				command->len - max);
	ecap_buf_putc(t->out, '\n');
}

static void put_seen(struct ecap_buf *out, const struct ecap_out_stats *stats)
{
	if (stats->counts_commands) {
		ecap_text_put_count(out, stats->commands, "command");
		return;
	}
	ecap_text_put_count(out, stats->bytes, "byte");
	ecap_buf_puts(out, " in ");
	ecap_text_put_count(out, stats->calls, "call");
	ecap_buf_puts(out, " on ");
	ecap_text_put_count(out, stats->conns, "connection");
}

/* One line. */
static void put_stats(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	const struct ecap_out_stats *stats = ev->stats;
	uint64_t bytes = 0, calls = 0;

	if (stats->is_final) /* the summary on standard error says these */
		return;
	for (size_t i = 0; i < stats->n_lost; i++) {
		bytes += stats->lost[i].bytes;
		calls += stats->lost[i].calls;
	}
	ecap_text_put_origin(t, ev);
	ecap_buf_puts(t->out, " seen ");
	put_seen(t->out, stats);
	ecap_buf_puts(t->out, ", lost ");
	ecap_text_put_count(t->out, bytes, "byte");
	ecap_buf_puts(t->out, " in ");
	ecap_text_put_count(t->out, calls, "call");
	ecap_buf_putc(t->out, '\n');
	put_separator(t);
}

/* Chunks have what no message has, too. */
static uint32_t types(const struct ecap_sink_opts *opts)
{
	return 1u << ECAP_OUT_LOSS | 1u << ECAP_OUT_STATS | 1u << ECAP_OUT_COMMAND |
	       1u << ECAP_OUT_MESSAGE | 1u << (opts->raw ? ECAP_OUT_DATA : ECAP_OUT_RAW);
}

static int format(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		  struct ecap_buf *out)
{
	static void (*const puts[ECAP_OUT_TYPE_COUNT])(const struct ecap_text *t,
						       const struct ecap_out_event *ev) = {
		[ECAP_OUT_DATA] = put_data,   [ECAP_OUT_LOSS] = put_loss,
		[ECAP_OUT_STATS] = put_stats, [ECAP_OUT_COMMAND] = put_command,
		[ECAP_OUT_RAW] = put_raw,     [ECAP_OUT_MESSAGE] = ecap_text_put_message,
	};
	const struct ecap_text t = { .out = out, .opts = opts };

	if (puts[ev->type])
		puts[ev->type](&t, ev);
	return out->err;
}

const struct ecap_sink ecap_sink_text = {
	.name = "text",
	.types = types,
	.format = format,
};
