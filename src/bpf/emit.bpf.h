/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* From a finished call to records: chunks, gaps, ends. */
#include "bpf/common.bpf.h"

/* A call's plaintext on its way into the ring: what does not change on the way. */
struct ecap_emit {
	struct ecap_settings *set;
	struct ecap_stream *stream;
	struct ecap_emission *m; /* what does */
	struct ecap_task task;
};

/* Bytes that no record shows: marked for the record that comes next, counted when all is done. */
static __always_inline void ecap_gap(struct ecap_emit *e, __u32 reason, __u64 bytes)
{
	struct ecap_emission *m = e->m;
	__u32 dir = m->dir & 1;

	if (m->is_peek) {
		/* not consumed: the read that follows can still show them */
		e->stream->seen[dir] = m->off;
		m->end = m->off;
		return;
	}
	e->stream->gap_reason[dir] = reason;
	e->stream->gap_calls[dir] += !m->was_lost;
	m->was_lost = 1;
	m->lost[reason] += bytes;
}

static __always_inline void ecap_count_lost(struct ecap_emission *m, __u32 reason)
{
	__u64 bytes = m->lost[reason];

	m->lost[reason] = 0;
	if (bytes)
		ecap_count_loss(reason, 1, bytes);
}

/* The call is done with: count what became of it. */
static __always_inline void ecap_emit_done(struct ecap_emit *e)
{
	struct ecap_emission *m = e->m;

	if (m->was_sent)
		ecap_count(ECAP_CTR_CALLS, 1);
	if (!m->was_lost)
		return;
	ecap_count_lost(m, ECAP_LOSS_RING_FULL);
	ecap_count_lost(m, ECAP_LOSS_PAGE_FAULT);
	ecap_count_lost(m, ECAP_LOSS_CALL_TOO_LARGE);
}

/* Send @len bytes, at most @room (a constant: 5.10 reserves constant sizes only). */
static __always_inline void ecap_emit_chunk(struct ecap_emit *e, __u32 len, const __u32 room)
{
	struct ecap_emission *m = e->m;
	struct ecap_data_event *ev;
	__u32 dir = m->dir & 1;

	if (len > room)
		len = room;
	ev = bpf_ringbuf_reserve(&ecap_events, sizeof(*ev) + room, 0);
	if (!ev) {
		ecap_gap(e, ECAP_LOSS_RING_FULL, len);
		return;
	}
	if (bpf_probe_read_user(ev->data, len, (const void *)m->buf)) {
		bpf_ringbuf_discard(ev, BPF_RB_NO_WAKEUP);
		ecap_gap(e, ECAP_LOSS_PAGE_FAULT, len);
		return;
	}

	ecap_hdr_fill(&ev->hdr, &e->task, ECAP_EV_DATA, sizeof(*ev) + len);
	ev->conn = m->conn;
	ev->off = m->off;
	ev->total = m->total;
	ev->len = len;
	ev->uid = (__u32)bpf_get_current_uid_gid();
	ev->row = m->row;
	ev->dir = dir;
	ev->gap_reason = e->stream->gap_reason[dir];
	ev->gap_calls = e->stream->gap_calls[dir];
	e->stream->gap_reason[dir] = ECAP_LOSS_NONE;
	e->stream->gap_calls[dir] = 0;
	m->was_sent = 1;
	ecap_submit(e->set, ev);
}

/* One full chunk. 0: go on, 1: less than a full chunk is left. */
static __always_inline int ecap_emit_full_chunk(struct ecap_emit *e)
{
	struct ecap_emission *m = e->m;

	if (m->end - m->off < ECAP_CHUNK_SIZE)
		return 1;
	ecap_emit_chunk(e, ECAP_CHUNK_SIZE, ECAP_CHUNK_SIZE);
	if (m->end == m->off)
		return 1; /* a peek that failed */
	m->buf += ECAP_CHUNK_SIZE;
	m->off += ECAP_CHUNK_SIZE;
	return 0;
}

/* What is left after the full chunks, in the smallest size class that holds it. */
static __always_inline void ecap_emit_rest(struct ecap_emit *e)
{
	__u64 left = e->m->end - e->m->off;

	if (!left)
		return;
	if (left >= ECAP_CHUNK_SIZE) {
		ecap_gap(e, ECAP_LOSS_CALL_TOO_LARGE, left);
		return;
	}
	if (left <= 256)
		ecap_emit_chunk(e, left, 256);
	else if (left <= 1024)
		ecap_emit_chunk(e, left, 1024);
	else if (left <= 4096)
		ecap_emit_chunk(e, left, 4096);
	else
		ecap_emit_chunk(e, left, ECAP_CHUNK_SIZE);
}

/* A loss that belongs to no known stream, or to a point of one. */
static __always_inline void ecap_emit_loss(const struct ecap_settings *set,
					   const struct ecap_task *task, __u32 row, __u32 dir,
					   __u32 reason, __u64 bytes)
{
	struct ecap_loss_event *ev;

	ecap_count_loss(reason, 1, bytes);
	ev = bpf_ringbuf_reserve(&ecap_events, sizeof(*ev), 0);
	if (!ev)
		return; /* the counter has it; the summary shows it */

	ecap_hdr_fill(&ev->hdr, task, ECAP_EV_LOSS, sizeof(*ev));
	__builtin_memset(&ev->conn, 0, sizeof(ev->conn));
	ev->off = 0;
	ev->bytes = bytes;
	ev->calls = 1;
	ev->uid = (__u32)bpf_get_current_uid_gid();
	ev->row = row;
	ev->dir = dir;
	ev->reason = reason;
	ev->pad = 0;
	ecap_submit(set, ev);
}

/* A line that was typed, on its way into the ring. */
struct ecap_line {
	const struct ecap_settings *set;
	const struct ecap_task *task;
	__u64 incarnation;
	__u64 text; /* user address */
	__u32 row;
};

/*
 * Send a line of @len bytes, at most @room (a constant). Returns ECAP_LOSS_NONE, or why it could
 * not be sent.
 */
static __always_inline __u32 ecap_emit_line(const struct ecap_line *line, __u32 len,
					    const __u32 room)
{
	struct ecap_line_event *ev;

	/* the compiler knows that it is not more; the verifier is to see it at this very number */
	asm volatile("" : "+r"(len));
	if (len > room)
		len = room;
	ev = bpf_ringbuf_reserve(&ecap_events, sizeof(*ev) + room, 0);
	if (!ev)
		return ECAP_LOSS_RING_FULL;
	if (bpf_probe_read_user(ev->data, len, (const void *)line->text)) {
		bpf_ringbuf_discard(ev, BPF_RB_NO_WAKEUP);
		return ECAP_LOSS_PAGE_FAULT;
	}
	ecap_hdr_fill(&ev->hdr, line->task, ECAP_EV_LINE, sizeof(*ev) + len);
	ev->incarnation = line->incarnation;
	ev->len = len;
	ev->uid = (__u32)bpf_get_current_uid_gid();
	ev->row = line->row;
	ev->pad = 0;
	ev->pad2 = 0;
	ecap_submit(line->set, ev);
	return ECAP_LOSS_NONE;
}

/* The streams of @key end here; the next call on that handle is another connection. */
static __always_inline void ecap_emit_conn_end(const struct ecap_settings *set,
					       const struct ecap_task *task,
					       const struct ecap_stream_key *key,
					       const struct ecap_stream *stream)
{
	struct ecap_conn_end_event *ev = bpf_ringbuf_reserve(&ecap_events, sizeof(*ev), 0);

	if (!ev) {
		ecap_count(ECAP_CTR_LOST_ENDS, 1);
		return;
	}
	ecap_hdr_fill(&ev->hdr, task, ECAP_EV_CONN_END, sizeof(*ev));
	ev->conn.incarnation = key->incarnation;
	ev->conn.handle = key->handle;
	ev->conn.born_ns = stream->born_ns;
	ev->off[ECAP_SEND] = stream->seen[ECAP_SEND];
	ev->off[ECAP_RECV] = stream->seen[ECAP_RECV];
	ev->uid = (__u32)bpf_get_current_uid_gid();
	ev->gap_reason[ECAP_SEND] = stream->gap_reason[ECAP_SEND];
	ev->gap_reason[ECAP_RECV] = stream->gap_reason[ECAP_RECV];
	ev->pad[0] = 0;
	ev->pad[1] = 0;
	ev->gap_calls[ECAP_SEND] = stream->gap_calls[ECAP_SEND];
	ev->gap_calls[ECAP_RECV] = stream->gap_calls[ECAP_RECV];
	ecap_submit(set, ev);
}
