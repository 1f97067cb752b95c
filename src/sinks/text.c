// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "sinks/event.h"

#define HEX_PER_LINE 16

/*
 * For a person at a terminal: nothing that a target controls gets there as anything but text.
 * Append the first character so; returns the bytes that it took.
 */
static size_t put_shown(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	char shown[ECAP_UTF8_SHOWN_MAX];
	size_t n_shown;
	size_t used = ecap_utf8_show(p, n, shown, &n_shown);

	ecap_buf_put(out, shown, n_shown);
	return used;
}

/* On one line whatever it holds. */
static void put_line(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	while (n) {
		size_t used = put_shown(out, p, n);

		p += used;
		n -= used;
	}
}

/* A name or an address. */
static void put_name(struct ecap_buf *out, const char *s)
{
	put_line(out, (const uint8_t *)s, strlen(s));
}

/* Append one line end, tab or other character; returns the bytes that it took. */
static size_t put_special(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	if (*p == '\n' || *p == '\t') { /* these only move the cursor, forwards */
		ecap_buf_putc(out, (char)*p);
		return 1;
	}
	if (*p == '\r' && n > 1 && p[1] == '\n') {
		ecap_buf_putc(out, '\n');
		return 2;
	}
	return put_shown(out, p, n);
}

static void put_payload(struct ecap_buf *out, const struct ecap_out_data *data)
{
	const uint8_t *p = data->bytes;
	size_t n = data->len;

	while (n) {
		size_t used = ecap_utf8_plain_run(p, n);

		if (used)
			ecap_buf_put(out, p, used);
		else
			used = put_special(out, p, n);
		p += used;
		n -= used;
	}
	if (data->len && data->bytes[data->len - 1] != '\n')
		ecap_buf_putc(out, '\n');
}

static void put_hex_line(struct ecap_buf *out, uint64_t off, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char hex[3 * HEX_PER_LINE + 1], ascii[HEX_PER_LINE];

	memset(hex, ' ', sizeof(hex));
	for (size_t i = 0; i < n; i++) {
		char *to = hex + 3 * i + (i >= HEX_PER_LINE / 2);

		to[0] = digits[p[i] >> 4];
		to[1] = digits[p[i] & 15];
		ascii[i] = (char)(p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '.');
	}
	ecap_buf_printf(out, "%08" PRIx64 "  %.*s |%.*s|\n", off, (int)sizeof(hex), hex, (int)n,
			ascii);
}

static void put_hex(struct ecap_buf *out, uint64_t off, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += HEX_PER_LINE) {
		size_t left = n - i;

		put_hex_line(out, off + i, p + i, left < HEX_PER_LINE ? left : HEX_PER_LINE);
	}
}

/* What every header begins with: when, and who. */
static void put_origin(struct ecap_buf *out, const struct ecap_out_event *ev)
{
	char when[ECAP_CLOCK_LOCAL_SIZE];

	ecap_clock_format_local(ev->ts_ns, when);
	ecap_buf_puts(out, when);
	if (!ev->process)
		return;
	ecap_buf_putc(out, ' ');
	if (ev->process->comm)
		put_name(out, ev->process->comm);
	if (ev->process->pid)
		ecap_buf_printf(out, "[%" PRIu32 "]", ev->process->pid);
}

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
		put_name(out, conn->local);
	}
	if (conn->remote) {
		ecap_buf_puts(out, " remote ");
		put_name(out, conn->remote);
	}
}

static void put_count(struct ecap_buf *out, uint64_t n, const char *what)
{
	ecap_buf_printf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

static void put_data(struct ecap_buf *out, const struct ecap_out_event *ev, bool hex)
{
	const struct ecap_out_data *data = &ev->data;

	put_dir(out, ev->dir);
	if (data->fn) {
		ecap_buf_putc(out, ' ');
		put_name(out, data->fn);
	}
	put_conn(out, &ev->conn);
	ecap_buf_puts(out, ", ");
	put_count(out, data->len, "byte");
	if (data->off)
		ecap_buf_printf(out, " at offset %" PRIu64, data->off);
	if (data->len < data->total)
		ecap_buf_printf(out, " (part of %" PRIu64 ")", data->total);
	ecap_buf_putc(out, '\n');
	if (hex)
		put_hex(out, data->off, data->bytes, data->len);
	else
		put_payload(out, data);
}

static void put_loss(struct ecap_buf *out, const struct ecap_out_event *ev)
{
	const struct ecap_out_loss *loss = &ev->loss;

	ecap_buf_puts(out, " LOST");
	put_dir(out, ev->dir);
	put_conn(out, &ev->conn);
	ecap_buf_puts(out, ": ");
	if (loss->has_bytes)
		put_count(out, loss->bytes, "byte");
	else
		ecap_buf_puts(out, "unknown size");
	if (loss->calls) {
		ecap_buf_puts(out, " in ");
		put_count(out, loss->calls, "call");
	}
	if (loss->has_off)
		ecap_buf_printf(out, " at offset %" PRIu64, loss->off);
	if (loss->reason) {
		ecap_buf_puts(out, " (");
		put_name(out, loss->reason);
		ecap_buf_putc(out, ')');
	}
	ecap_buf_putc(out, '\n');
}

/* One line, and in hex the lines of the dump. */
static void put_command(struct ecap_buf *out, const struct ecap_out_event *ev, bool hex)
{
	const struct ecap_out_command *command = &ev->command;

	if (ev->process && ev->process->has_uid)
		ecap_buf_printf(out, " uid %" PRIu32, ev->process->uid);
	if (hex) {
		ecap_buf_puts(out, ", ");
		put_count(out, command->len, "byte");
		ecap_buf_putc(out, '\n');
		put_hex(out, 0, command->bytes, command->len);
		return;
	}
	ecap_buf_puts(out, ": ");
	put_line(out, command->bytes, command->len);
	ecap_buf_putc(out, '\n');
}

static void put_seen(struct ecap_buf *out, const struct ecap_out_stats *stats)
{
	if (stats->counts_commands) {
		put_count(out, stats->commands, "command");
		return;
	}
	put_count(out, stats->bytes, "byte");
	ecap_buf_puts(out, " in ");
	put_count(out, stats->calls, "call");
	ecap_buf_puts(out, " on ");
	put_count(out, stats->conns, "connection");
}

/* One line. */
static void put_stats(struct ecap_buf *out, const struct ecap_out_stats *stats)
{
	uint64_t bytes = 0, calls = 0;

	for (size_t i = 0; i < stats->n_lost; i++) {
		bytes += stats->lost[i].bytes;
		calls += stats->lost[i].calls;
	}
	ecap_buf_puts(out, " seen ");
	put_seen(out, stats);
	ecap_buf_puts(out, ", lost ");
	put_count(out, bytes, "byte");
	ecap_buf_puts(out, " in ");
	put_count(out, calls, "call");
	ecap_buf_putc(out, '\n');
}

static uint32_t types(const struct ecap_sink_opts *opts)
{
	(void)opts;
	return 1u << ECAP_OUT_DATA | 1u << ECAP_OUT_LOSS | 1u << ECAP_OUT_STATS |
	       1u << ECAP_OUT_COMMAND;
}

static int format(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		  struct ecap_buf *out)
{
	/* the summary on standard error says these */
	if (ev->type == ECAP_OUT_STATS && ev->stats->is_final)
		return 0;
	put_origin(out, ev);
	switch (ev->type) {
	case ECAP_OUT_DATA:
		put_data(out, ev, opts->hex);
		break;
	case ECAP_OUT_LOSS:
		put_loss(out, ev);
		break;
	case ECAP_OUT_STATS:
		put_stats(out, ev->stats);
		break;
	case ECAP_OUT_COMMAND:
		put_command(out, ev, opts->hex);
		return out->err; /* one under the other, as in a history */
	case ECAP_OUT_TARGET:
	case ECAP_OUT_CLOSE:
	case ECAP_OUT_IDLE:
	case ECAP_OUT_MESSAGE:
	case ECAP_OUT_HTTP:
	case ECAP_OUT_RAW:
	case ECAP_OUT_TYPE_COUNT:
		break;
	}
	ecap_buf_putc(out, '\n'); /* a blank line separates events */
	return out->err;
}

const struct ecap_sink ecap_sink_text = {
	.name = "text",
	.types = types,
	.format = format,
};
