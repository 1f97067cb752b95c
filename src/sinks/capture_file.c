// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "sinks/capture_format.h"

uint32_t ecap_capture_crc(const uint8_t *bytes, size_t len)
{
	return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, len);
}

/* ----------------------------------------------------------------------------------- numbers */

static void store(uint8_t *to, uint64_t value, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static void put_number(struct ecap_buf *out, uint64_t value, unsigned int n)
{
	uint8_t bytes[8];

	store(bytes, value, n);
	ecap_buf_put(out, bytes, n);
}

/* What is longer than any name may be is cut: a reader would take it for damage. */
static void put_string(struct ecap_buf *out, const char *s, size_t max)
{
	size_t n;

	if (!s) {
		put_number(out, ECAP_CAPTURE_NO_STRING, 2);
		return;
	}
	n = strnlen(s, max);
	put_number(out, n, 2);
	ecap_buf_put(out, s, n);
	ecap_buf_putc(out, '\0');
}

static void put_name(struct ecap_buf *out, const char *s)
{
	put_string(out, s, ECAP_CAPTURE_MAX_NAME);
}

static void put_bytes(struct ecap_buf *out, const uint8_t *bytes, size_t n)
{
	put_number(out, n, 4);
	ecap_buf_put(out, bytes, n);
}

/* -------------------------------------------------------------------------------------- blocks */

static unsigned int flags_of(const struct ecap_out_event *ev)
{
	const struct ecap_out_process *process = ev->process;
	unsigned int flags = 0;

	if (process) {
		flags |= ECAP_CAPTURE_HAS_PROCESS;
		flags |= process->has_ppid ? ECAP_CAPTURE_HAS_PPID : 0;
		flags |= process->has_uid ? ECAP_CAPTURE_HAS_UID : 0;
	}
	if (ev->type == ECAP_OUT_CLOSE)
		flags |= ev->close.is_closed ? ECAP_CAPTURE_IS_CLOSED : 0;
	if (ev->type == ECAP_OUT_LOSS) {
		flags |= ev->loss.has_off ? ECAP_CAPTURE_HAS_OFF : 0;
		flags |= ev->loss.has_bytes ? ECAP_CAPTURE_HAS_BYTES : 0;
	}
	if (ev->type == ECAP_OUT_TARGET) {
		flags |= ev->target.is_inside ? ECAP_CAPTURE_IS_INSIDE : 0;
		flags |= ev->target.is_stepped ? ECAP_CAPTURE_IS_STEPPED : 0;
	}
	return flags;
}

static void put_common(struct ecap_buf *out, const struct ecap_out_event *ev)
{
	static const struct ecap_out_process unknown = { 0 };
	const struct ecap_out_process *process = ev->process ? ev->process : &unknown;
	uint8_t fixed[ECAP_CAPTURE_FIXED_LEN] = { 0 };

	store(fixed + ECAP_CAPTURE_AT_TIME, ev->ts_ns, 8);
	store(fixed + ECAP_CAPTURE_AT_CONN, ev->conn.id, 8);
	store(fixed + ECAP_CAPTURE_AT_TID, ev->tid, 4);
	store(fixed + ECAP_CAPTURE_AT_PID, process->pid, 4);
	store(fixed + ECAP_CAPTURE_AT_PPID, process->ppid, 4);
	store(fixed + ECAP_CAPTURE_AT_UID, process->uid, 4);
	store(fixed + ECAP_CAPTURE_AT_FLAGS, flags_of(ev), 2);
	fixed[ECAP_CAPTURE_AT_DIR] = (uint8_t)ev->dir;
	ecap_buf_put(out, fixed, sizeof(fixed));
	put_name(out, ev->host);
	put_name(out, process->comm);
	put_string(out, process->exe, ECAP_CAPTURE_MAX_PATH);
	put_name(out, process->container);
	put_name(out, ev->conn.local);
	put_name(out, ev->conn.remote);
}

/* Begin a block; returns where its head goes once its payload is known. */
static size_t begin_block(struct ecap_buf *out, const struct ecap_out_event *ev)
{
	static const uint8_t no_head[ECAP_CAPTURE_HEAD_SIZE];
	size_t at = out->len;

	ecap_buf_put(out, no_head, sizeof(no_head));
	put_common(out, ev);
	return at;
}

static int end_block(struct ecap_buf *out, size_t at, enum ecap_capture_block type,
		     const struct ecap_sink_opts *opts)
{
	uint8_t *head;
	size_t len;

	if (out->err)
		return out->err;
	head = out->data + at;
	len = out->len - at - ECAP_CAPTURE_HEAD_SIZE;
	if (len > ECAP_CAPTURE_MAX_PAYLOAD)
		return -EMSGSIZE;
	memcpy(head, ECAP_CAPTURE_MAGIC, ECAP_CAPTURE_AT_VERSION);
	head[ECAP_CAPTURE_AT_VERSION] = ECAP_CAPTURE_VERSION;
	store(head + ECAP_CAPTURE_AT_FILE_ID, opts->file_id, 4);
	store(head + ECAP_CAPTURE_AT_LENGTH, len, 4);
	store(head + ECAP_CAPTURE_AT_TYPE, type, 2);
	store(head + ECAP_CAPTURE_AT_HEAD_CRC, ecap_capture_crc(head, ECAP_CAPTURE_AT_HEAD_CRC), 4);
	store(head + ECAP_CAPTURE_AT_PAYLOAD_CRC,
	      ecap_capture_crc(head + ECAP_CAPTURE_HEAD_SIZE, len), 4);
	return 0;
}

/* -------------------------------------------------------------------------------------- events */

static void put_data(struct ecap_buf *out, const struct ecap_out_data *data)
{
	put_number(out, data->off, 8);
	put_number(out, data->total, 8);
	put_name(out, data->lib);
	put_name(out, data->fn);
	put_bytes(out, data->bytes, data->len);
}

static void put_loss(struct ecap_buf *out, const struct ecap_out_loss *loss)
{
	put_number(out, loss->off, 8);
	put_number(out, loss->bytes, 8);
	put_number(out, loss->calls, 8);
	put_name(out, loss->reason);
}

static void put_target(struct ecap_buf *out, const struct ecap_out_target *target)
{
	put_number(out, target->n_hooks, 8);
	put_number(out, target->n_aliases, 8);
	put_string(out, target->path, ECAP_CAPTURE_MAX_PATH);
	put_name(out, target->lib);
	put_name(out, target->attach);
}

static void put_command(struct ecap_buf *out, const struct ecap_out_command *command)
{
	put_name(out, command->lib);
	put_name(out, command->fn);
	put_bytes(out, command->bytes, command->len);
}

/* What a source says; the rest is made of it again. Counters are of the run that counted. */
static uint32_t types(const struct ecap_sink_opts *opts)
{
	(void)opts;
	return 1u << ECAP_OUT_DATA | 1u << ECAP_OUT_LOSS | 1u << ECAP_OUT_TARGET |
	       1u << ECAP_OUT_COMMAND | 1u << ECAP_OUT_CLOSE | 1u << ECAP_OUT_IDLE;
}

static int format(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		  struct ecap_buf *out)
{
	size_t at = begin_block(out, ev);

	switch (ev->type) {
	case ECAP_OUT_DATA:
		put_data(out, &ev->data);
		return end_block(out, at, ECAP_CAPTURE_DATA, opts);
	case ECAP_OUT_LOSS:
		put_loss(out, &ev->loss);
		return end_block(out, at, ECAP_CAPTURE_LOSS, opts);
	case ECAP_OUT_TARGET:
		put_target(out, &ev->target);
		return end_block(out, at, ECAP_CAPTURE_TARGET, opts);
	case ECAP_OUT_COMMAND:
		put_command(out, &ev->command);
		return end_block(out, at, ECAP_CAPTURE_COMMAND, opts);
	case ECAP_OUT_CLOSE:
		return end_block(out, at, ECAP_CAPTURE_CLOSE, opts);
	case ECAP_OUT_IDLE:
		return end_block(out, at, ECAP_CAPTURE_IDLE, opts);
	case ECAP_OUT_STATS:
	case ECAP_OUT_MESSAGE:
	case ECAP_OUT_HTTP:
	case ECAP_OUT_RAW:
	case ECAP_OUT_TYPE_COUNT:
		break;
	}
	return -EINVAL;
}

static int begin(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		 struct ecap_buf *out)
{
	size_t at = begin_block(out, ev);

	put_number(out, ECAP_CAPTURE_MINOR, 2);
	put_name(out, "ecapture " ECAP_VERSION);
	return end_block(out, at, ECAP_CAPTURE_HEADER, opts);
}

static int end(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
	       struct ecap_buf *out)
{
	return end_block(out, begin_block(out, ev), ECAP_CAPTURE_END, opts);
}

const struct ecap_sink ecap_sink_capture = {
	.name = "capture",
	.types = types,
	.format = format,
	.begin = begin,
	.end = end,
};
