/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The call-shape programs: what a TLS read or write looks like is a row, these programs serve all
 * of them. They touch user memory and registers only and have no CO-RE relocation, so that they
 * load without kernel BTF.
 */
#include <linux/ptrace.h>

#include "bpf/emit.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

ECAP_ABI_EXPORT(ecap_data_event);
ECAP_ABI_EXPORT(ecap_loss_event);
ECAP_ABI_EXPORT(ecap_conn_end_event);
ECAP_ABI_EXPORT(ecap_proc_event);

/* The row of this instance, or ECAP_ROW_IN_COOKIE where the kernel hands a cookie to us. */
#define ECAP_ROW_IN_COOKIE (~0u)
const volatile __u32 ecap_fixed_row = ECAP_ROW_IN_COOKIE;

/* Chunks per call where there is no bpf_loop: 1 MiB; and with it: 1 GiB. */
#define CHUNKS_UNROLLED 64
#define CHUNKS_LOOPED	65536

/* After return the return address has been popped where calls push it. */
#ifdef __TARGET_ARCH_x86
#define RETURN_ADDRESS_SIZE 8
#else
#define RETURN_ADDRESS_SIZE 0
#endif

static __always_inline __u32 row_number(void *ctx)
{
	if (ecap_fixed_row != ECAP_ROW_IN_COOKIE)
		return ecap_fixed_row;
	return (__u32)bpf_get_attach_cookie(ctx);
}

/*
 * Argument @n of the call. The barrier keeps the compiler from merging the loads into one at a
 * computed offset, which the verifier refuses ("dereference of modified ctx ptr").
 */
static __always_inline __u64 argument(struct pt_regs *ctx, __u8 n)
{
	__u64 v = 0;

#define ARG_CASE(i)                         \
	case i:                             \
		v = PT_REGS_PARM##i(ctx);   \
		asm volatile("" : "+r"(v)); \
		break
	switch (n) {
		ARG_CASE(1);
		ARG_CASE(2);
		ARG_CASE(3);
		ARG_CASE(4);
		ARG_CASE(5);
		ARG_CASE(6);
	default:
		break;
	}
#undef ARG_CASE
	return v;
}

/*
 * The incarnation of the running process. The first time it is made, and announced, so that user
 * space can note who it is while it lives. NULL: no room.
 */
static __always_inline struct ecap_proc *proc_get(const struct ecap_settings *set,
						  const struct ecap_task *task)
{
	__u32 tgid = task->id >> 32;
	struct ecap_proc *proc = bpf_map_lookup_elem(&ecap_procs, &tgid);
	struct ecap_proc fresh = {};

	if (proc)
		return proc;
	fresh.incarnation = (bpf_ktime_get_ns() >> 10) << 22 | (tgid & ((1u << 22) - 1));
	if (!bpf_map_update_elem(&ecap_procs, &tgid, &fresh, BPF_NOEXIST))
		ecap_emit_proc(set, task, ECAP_EV_PROC_START, fresh.incarnation);
	return bpf_map_lookup_elem(&ecap_procs, &tgid);
}

static __always_inline struct ecap_thread *thread_get(const struct ecap_settings *set,
						      const struct ecap_task *task)
{
	__u64 id = task->id;
	struct ecap_thread *thread = bpf_map_lookup_elem(&ecap_threads, &id);
	struct ecap_thread *fresh;
	struct ecap_proc *proc;
	__u32 zero = 0;

	if (thread)
		return thread;
	proc = proc_get(set, task);
	fresh = bpf_map_lookup_elem(&ecap_new_thread, &zero);
	if (!proc || !fresh || bpf_map_update_elem(&ecap_threads, &id, fresh, BPF_NOEXIST))
		return NULL;
	thread = bpf_map_lookup_elem(&ecap_threads, &id);
	if (!thread)
		return NULL;
	thread->incarnation = proc->incarnation;
	__sync_fetch_and_add(&proc->n_threads, 1);
	return thread;
}

static __always_inline struct ecap_stream *stream_get(const struct ecap_stream_key *key)
{
	struct ecap_stream *stream = bpf_map_lookup_elem(&ecap_streams, key);
	struct ecap_stream fresh = {};

	if (stream)
		return stream;
	fresh.born_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&ecap_streams, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&ecap_streams, key);
}

/*
 * A slot whose call never returned (longjmp, exception) is used again. Bytes of calls nested in
 * it waited for its return: nobody shows them any more, so they are a gap.
 */
static __always_inline void slot_abandon(struct ecap_thread *thread, struct ecap_call *slot)
{
	struct ecap_stream_key key = {
		.incarnation = thread->incarnation,
		.handle = slot->handle,
	};
	struct ecap_stream *stream;
	__u32 dir = slot->dir & 1;

	if (!slot->covered)
		return;
	ecap_count_loss(ECAP_LOSS_ABANDONED, 1, slot->covered);
	stream = bpf_map_lookup_elem(&ecap_streams, &key);
	if (!stream)
		return;
	stream->off[dir] += slot->covered;
	stream->seen[dir] = stream->off[dir];
	stream->gap_reason[dir] = ECAP_LOSS_ABANDONED;
	stream->gap_calls[dir] += 1;
}

SEC("uprobe")
int call_entry(struct pt_regs *ctx)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_call *slot = NULL, *c;
	struct ecap_thread *thread;
	struct ecap_task task;
	struct ecap_row *row;
	__u32 row_no = row_number(ctx);
	__u64 sp = PT_REGS_SP(ctx), handle;
	__u8 nested = 0;

	if (!set || !ecap_task_wanted(set, &task))
		return 0;
	row = bpf_map_lookup_elem(&ecap_rows, &row_no);
	if (!row)
		return 0;
	thread = thread_get(set, &task);
	if (!thread) {
		set->threads_full = 1; /* the return counts it: it knows the bytes */
		return 0;
	}

	handle = argument(ctx, row->handle);
	for (int i = 0; i < ECAP_MAX_NESTED; i++) {
		c = &thread->calls[i];
		if (!c->sp) {
			if (!slot)
				slot = c;
		} else if (c->sp == sp && c->row == row_no) {
			slot_abandon(thread, c);
			c->sp = 0;
			slot = c;
		} else if (c->handle == handle && c->dir == row->dir) {
			nested = 1;
		}
	}
	if (!slot) {
		thread->overflow++;
		return 0;
	}

	slot->sp = sp;
	slot->handle = handle;
	slot->buf = argument(ctx, row->buf);
	slot->aux = argument(ctx, row->len_arg);
	slot->covered = 0;
	slot->row = row_no;
	slot->dir = row->dir;
	slot->nested = nested;
	return 0;
}

/* What the call transferred: 0 nothing, ECAP_BYTES_UNKNOWN if @out can not be read. */
static __always_inline __u64 transferred(struct pt_regs *ctx, const struct ecap_row *row, __u64 out)
{
	__s64 ret = PT_REGS_RC(ctx);
	__u64 len = 0;

	if (row->len_from == ECAP_LEN_RET_INT)
		ret = (__s32)ret;
	if (row->len_from != ECAP_LEN_OUT_SIZE)
		return ret > 0 ? ret : 0;
	if ((__s32)ret != 1)
		return 0;
	if (!out || bpf_probe_read_user(&len, sizeof(len), (const void *)out))
		return ECAP_BYTES_UNKNOWN;
	return len;
}

/* Bytes of a nested call count in the call around it. */
static __always_inline void cover(struct ecap_thread *thread, __u64 handle, __u8 dir, __u64 len)
{
	struct ecap_call *c;

	for (int i = 0; i < ECAP_MAX_NESTED; i++) {
		c = &thread->calls[i];
		if (c->sp && c->handle == handle && c->dir == dir && !c->nested)
			c->covered += len;
	}
}

static __always_inline struct ecap_call *slot_find(struct ecap_thread *thread, __u64 sp, __u32 row)
{
	struct ecap_call *c;

	for (int i = 0; i < ECAP_MAX_NESTED; i++) {
		c = &thread->calls[i];
		if (c->sp == sp && c->row == row)
			return c;
	}
	return NULL;
}

/*
 * A return whose entry we do not have. Why: the thread, or the nesting, found no room, or the
 * call was entered between the attach of its return and of its entry hook.
 */
static __always_inline void return_without_entry(struct pt_regs *ctx, struct ecap_settings *set,
						 struct ecap_thread *thread,
						 const struct ecap_task *task,
						 const struct ecap_row *row, __u32 row_no)
{
	__u32 reason = ECAP_LOSS_MID_CALL;
	__u64 len = transferred(ctx, row, 0);

	if (thread && thread->overflow) {
		thread->overflow--;
		reason = ECAP_LOSS_NESTING;
	} else if (!thread && set->threads_full) {
		reason = ECAP_LOSS_THREADS_FULL;
	}
	if (len && !(row->flags & ECAP_ROW_PEEK))
		ecap_emit_loss(set, task, row_no, row->dir, reason, len);
}

/*
 * Move the stream on by @len bytes and say which of them no record has shown yet: a peek shows
 * bytes that a later read returns once more.
 */
static __always_inline void stream_advance(struct ecap_emit *e, const struct ecap_row *row,
					   __u64 buf, __u64 len)
{
	struct ecap_stream *stream = e->stream;
	__u32 dir = e->dir & 1;
	__u64 off = stream->off[dir], seen = stream->seen[dir];

	if (!(row->flags & ECAP_ROW_PEEK))
		stream->off[dir] = off + len;
	e->end = off + len;
	e->off = seen > off ? seen : off;
	if (e->off >= e->end) {
		e->off = e->end;
		return;
	}
	e->buf = buf + (e->off - off);
	stream->seen[dir] = e->end;
	ecap_count(ECAP_CTR_CALLS, 1);
	ecap_count(ECAP_CTR_BYTES, e->end - e->off);
}

/* Everything of a return but the chunks. 1: @e is ready to be sent. */
static __always_inline int call_finish(struct pt_regs *ctx, struct ecap_emit *e)
{
	__u64 sp = PT_REGS_SP(ctx) - RETURN_ADDRESS_SIZE, len, handle, buf;
	__u32 row_no = row_number(ctx);
	struct ecap_thread *thread;
	struct ecap_stream_key key;
	struct ecap_call *slot;
	struct ecap_row *row;

	e->set = ecap_settings_get();
	if (!e->set || !ecap_task_wanted(e->set, &e->task))
		return 0;
	row = bpf_map_lookup_elem(&ecap_rows, &row_no);
	if (!row)
		return 0;
	thread = bpf_map_lookup_elem(&ecap_threads, &e->task.id);
	slot = thread ? slot_find(thread, sp, row_no) : NULL;
	if (!slot) {
		return_without_entry(ctx, e->set, thread, &e->task, row, row_no);
		return 0;
	}

	handle = slot->handle;
	buf = slot->buf;
	len = transferred(ctx, row, slot->aux);
	slot->sp = 0;
	if (!len)
		return 0;
	if (slot->nested) {
		if (len != ECAP_BYTES_UNKNOWN && !(row->flags & ECAP_ROW_PEEK))
			cover(thread, handle, row->dir, len);
		return 0;
	}

	key.incarnation = thread->incarnation;
	key.handle = handle;
	e->stream = len == ECAP_BYTES_UNKNOWN ? NULL : stream_get(&key);
	if (!e->stream) {
		ecap_emit_loss(e->set, &e->task, row_no, row->dir,
			       len == ECAP_BYTES_UNKNOWN ? ECAP_LOSS_PAGE_FAULT :
							   ECAP_LOSS_STREAMS_FULL,
			       len);
		return 0;
	}
	e->conn.incarnation = key.incarnation;
	e->conn.handle = key.handle;
	e->conn.born_ns = e->stream->born_ns;
	e->total = len;
	e->row = row_no;
	e->dir = row->dir;
	e->call_counted = 0;
	stream_advance(e, row, buf, len);
	return e->off < e->end;
}

SEC("uretprobe")
int call_return(struct pt_regs *ctx)
{
	struct ecap_emit e = {};

	if (!call_finish(ctx, &e))
		return 0;
	for (int i = 0; i < CHUNKS_UNROLLED; i++) {
		if (ecap_emit_full_chunk(&e))
			break;
	}
	ecap_emit_rest(&e);
	return 0;
}

static long chunk_callback(__u32 i, void *data)
{
	(void)i;
	return ecap_emit_full_chunk(data);
}

/* The same for kernels with bpf_loop (5.17, e6f2dd0f8067): far larger calls arrive whole. */
SEC("uretprobe")
int call_return_looped(struct pt_regs *ctx)
{
	struct ecap_emit e = {};

	if (!call_finish(ctx, &e))
		return 0;
	if (e.end - e.off >= ECAP_CHUNK_SIZE)
		bpf_loop(CHUNKS_LOOPED, chunk_callback, &e, 0);
	ecap_emit_rest(&e);
	return 0;
}

/* The key of the handle that the row names. 0: no such row, or no room for the process. */
static __always_inline int handle_key(struct pt_regs *ctx, const struct ecap_settings *set,
				      const struct ecap_task *task, struct ecap_stream_key *key)
{
	__u32 row_no = row_number(ctx);
	struct ecap_row *row = bpf_map_lookup_elem(&ecap_rows, &row_no);
	struct ecap_proc *proc = proc_get(set, task);

	if (!row || !proc)
		return 0;
	key->incarnation = proc->incarnation;
	key->handle = argument(ctx, row->handle);
	return 1;
}

/* A further reference was taken: one free more until the handle ends. */
SEC("uprobe")
int handle_ref(struct pt_regs *ctx)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_stream_key key = {};
	struct ecap_stream *stream;
	struct ecap_task task;

	if (!set || !ecap_task_wanted(set, &task) || !handle_key(ctx, set, &task, &key))
		return 0;
	stream = stream_get(&key); /* often before the first byte */
	if (stream)
		stream->refs++;
	return 0;
}

/*
 * One owner lets go of the handle, or (@clear) it is made ready for another connection. Its
 * streams end with the last owner; after a clear the owners are the same.
 */
static __always_inline int handle_end(struct pt_regs *ctx, int clear)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_stream_key key = {};
	struct ecap_stream fresh = {};
	struct ecap_stream *stream;
	struct ecap_task task;

	if (!set || !ecap_task_wanted(set, &task) || !handle_key(ctx, set, &task, &key))
		return 0;
	stream = bpf_map_lookup_elem(&ecap_streams, &key);
	if (!stream)
		return 0;
	if (!clear && stream->refs) {
		stream->refs--;
		return 0;
	}
	ecap_emit_conn_end(set, &task, &key, stream);
	if (!clear) {
		bpf_map_delete_elem(&ecap_streams, &key);
		return 0;
	}
	fresh.refs = stream->refs;
	fresh.born_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&ecap_streams, &key, &fresh, BPF_EXIST);
	return 0;
}

SEC("uprobe")
int handle_free(struct pt_regs *ctx)
{
	return handle_end(ctx, 0);
}

SEC("uprobe")
int handle_clear(struct pt_regs *ctx)
{
	return handle_end(ctx, 1);
}
