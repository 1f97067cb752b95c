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
ECAP_ABI_EXPORT(ecap_line_event);

/* The row of this instance, or ECAP_ROW_IN_COOKIE where the kernel hands a cookie to us. */
#define ECAP_ROW_IN_COOKIE (~0u)
const volatile __u32 ecap_fixed_row = ECAP_ROW_IN_COOKIE;

/*
 * A program that holds a tail call keeps its variables on the kernel stack of the running thread.
 * Without one, Linux 6.13 on x86-64 and 6.17 on arm64 (a76ab5731e32, 7d1cd70d4b16, 6c17a882d380)
 * put them on a stack of the CPU if they take 64 bytes or more. But a uprobe's program can be
 * preempted (6.0, 8c7dcb84e3b7): another thread that runs the same one on this CPU overwrites them.
 * On 7.3 that lost bytes unseen, and ended in an oops. The call is dead code, removed when loaded.
 */
#define ECAP_ROW_NEVER (~1u)

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} ecap_no_programs SEC(".maps");

static __always_inline void keep_own_stack(void *ctx)
{
	if (ecap_fixed_row == ECAP_ROW_NEVER)
		bpf_tail_call(ctx, &ecap_no_programs, 0);
}

/* Chunks per call where there is no bpf_loop: 1 MiB; and with it: 1 GiB. */
#define CHUNKS_UNROLLED 64
#define CHUNKS_LOOPED	65536

/* After return the return address has been popped where calls push it. */
#ifdef __TARGET_ARCH_x86
#define RETURN_ADDRESS_SIZE 8
#else
#define RETURN_ADDRESS_SIZE 0
#endif

static __always_inline __u64 hook_cookie(void *ctx)
{
	if (ecap_fixed_row != ECAP_ROW_IN_COOKIE)
		return ECAP_COOKIE(ecap_fixed_row, 0);
	return bpf_get_attach_cookie(ctx);
}

/* Functions inside libraries have the rows after those of the probes' tables. */
static __always_inline int is_inner(__u32 row)
{
	return row >= ECAP_MAX_ROWS;
}

static __always_inline int is_in_state(const struct ecap_check *check, __u32 state)
{
	return check && *(const volatile __u32 *)&check->state == state;
}

/* The check of a hook's group, NULL: an inner function has nothing to do with it. */
static __always_inline struct ecap_check *check_of(__u64 cookie)
{
	__u32 no = ECAP_COOKIE_CHECK(cookie);
	struct ecap_check *check = no ? bpf_map_lookup_elem(&ecap_checks, &no) : NULL;

	return is_in_state(check, ECAP_CHECK_IDLE) ? NULL : check;
}

/*
 * An inner function whose check is idle, not all of its hooks being in place: the public one shows
 * what it does.
 */
static __always_inline int is_too_early(__u32 row, const struct ecap_check *check)
{
	return is_inner(row) && !check;
}

static __always_inline __u8 call_kind(const struct ecap_check *check, const struct ecap_row *row,
				      __u32 row_no)
{
	if (row->flags & ECAP_ROW_REPEATS || is_too_early(row_no, check))
		return ECAP_CALL_REPEAT;
	if (is_inner(row_no))
		return ECAP_CALL_INNER;
	return check ? ECAP_CALL_CHECKED : ECAP_CALL_PLAIN;
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
 * Choose a slot for a call that begins: its number in thread->chosen. The same call at the same
 * stack address never returned the last time (longjmp, exceptions): its slot is used again. With
 * all slots taken one of them goes; if its call does return, that is counted.
 */
static __always_inline void slot_choose(struct ecap_thread *thread, __u64 sp, __u32 row)
{
	volatile __u32 *chosen = &thread->chosen;
	__u32 n = thread->n_slots;
	const struct ecap_call *c;

	*chosen = n;
	for (__u32 i = 0; i < ECAP_MAX_NESTED && i < n; i++) {
		c = &thread->calls[i];
		if (c->sp == sp && c->row == row) {
			*chosen = i;
			return;
		}
		if (!c->sp)
			*chosen = i;
	}
	if (*chosen < ECAP_MAX_NESTED) {
		thread->n_slots = n + (*chosen == n);
		return;
	}
	thread->n_evicted++;
	*chosen = thread->next_evicted++;
}

/*
 * The slot of a call that begins. Its number goes through memory: the verifier then follows one
 * slot, at any place, through the rest of the program, not each place by itself.
 */
static __always_inline struct ecap_call *slot_take(struct ecap_thread *thread, __u64 sp, __u32 row)
{
	slot_choose(thread, sp, row);
	return &thread->calls[*(volatile __u32 *)&thread->chosen & (ECAP_MAX_NESTED - 1)];
}

/* Where the call that begins will return to. 0: not known. */
static __always_inline __u64 return_address(struct pt_regs *ctx)
{
	__u64 addr = 0;

#ifdef __TARGET_ARCH_x86
	bpf_probe_read_user(&addr, sizeof(addr), (const void *)PT_REGS_SP(ctx));
#else
	addr = PT_REGS_RET(ctx);
#endif
	return addr;
}

#ifdef __TARGET_ARCH_arm64
/* What is kept on the stack may be signed above the bits of an address. */
#define ADDRESS_MASK ((1ull << 48) - 1)
#endif

/* The public function in whose code an inner one is called is known by the return address. */
static __always_inline void find_caller(struct pt_regs *ctx, const struct ecap_row *row,
					struct ecap_origin *from)
{
	__s64 back = from->back - PT_REGS_IP(ctx);

	for (__u32 i = 0; i < ECAP_MAX_CALLERS && i < row->n_callers; i++) {
		const struct ecap_caller *caller = &row->callers[i];

		if (caller->back != back)
			continue;
		from->row = caller->row;
		from->back = 0; /* all is said of it */
		if (!caller->frame)
			return;
		from->outer_sp = from->sp + caller->frame;
		bpf_probe_read_user(&from->outer_back, sizeof(from->outer_back),
				    (const void *)(from->sp + caller->link));
#ifdef __TARGET_ARCH_arm64
		from->outer_back &= ADDRESS_MASK;
#endif
		return;
	}
}

/*
 * Whether the call that begins is made by the function of @outer, which may be open or have been
 * left: only then is it part of that call. Either it, or the public function that called it,
 * returns into that function's code, or it is the target of its tail jump: the same stack pointer,
 * and a return address that the kernel has replaced by its trampoline, at the start of a page.
 */
#define LONGEST_WRAPPER 4096u
#define TRAMPOLINE_MASK 4095u

static __always_inline int is_made_by(const struct ecap_origin *from, const struct ecap_call *outer)
{
	if (outer->sp == from->sp)
		return from->back && !(from->back & TRAMPOLINE_MASK);
	return from->back - outer->ip < LONGEST_WRAPPER ||
	       from->outer_back - outer->ip < LONGEST_WRAPPER;
}

/*
 * As long as the public function that called an inner one is hooked itself, the kernel's trampoline
 * is where it returns to; but then it has been asked who called it. A function that only jumped to
 * it does not count: later, nothing tells of that one.
 */
static __always_inline int is_known_by(const struct ecap_origin *from,
				       const struct ecap_call *public)
{
	return public->sp == from->outer_sp && public->row == from->row && !public->is_jumped_to;
}

static __always_inline void find_origin(struct pt_regs *ctx, const struct ecap_row *row,
					const struct ecap_call *call, struct ecap_origin *from)
{
	from->sp = call->sp;
	from->back = return_address(ctx);
	from->outer_sp = 0;
	from->outer_back = 0;
	from->row = call->row;
	from->is_inner = row->n_callers;
	if (row->n_callers)
		find_caller(ctx, row, from);
}

/*
 * The row under which the bytes of @call, which begins, are shown. A call that is made by one that
 * only repeats is such a call, too.
 */
static __always_inline __u16 shown_row(struct pt_regs *ctx, struct ecap_thread *thread,
				       struct ecap_call *call, const struct ecap_row *row)
{
	struct ecap_origin *from = &thread->origin;
	struct ecap_call *c;

	call->is_jumped_to = 0;
	if (thread->n_slots == 1 && !row->n_callers)
		return call->row; /* the only call of its thread, as a rule */
	find_origin(ctx, row, call, from);
	for (__u32 i = 0; i < ECAP_MAX_NESTED && i < thread->n_slots; i++) {
		c = &thread->calls[i];
		if (c->sp < call->sp || c->handle != call->handle || c->dir != call->dir ||
		    c->row == call->row || c->kind == ECAP_CALL_INNER)
			continue;
		if (from->is_inner && c->kind == ECAP_CALL_CHECKED ? is_known_by(from, c) :
								     is_made_by(from, c)) {
			call->is_jumped_to = c->sp == call->sp && c->shown_row == c->row;
			if (c->kind == ECAP_CALL_REPEAT)
				call->kind = ECAP_CALL_REPEAT;
			return c->shown_row;
		}
	}
	return from->row;
}

SEC("uprobe")
int call_entry(struct pt_regs *ctx)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_thread *thread;
	struct ecap_call *slot;
	struct ecap_task task;
	struct ecap_row *row;
	__u64 cookie = hook_cookie(ctx);
	__u32 row_no = ECAP_COOKIE_ROW(cookie);
	struct ecap_check *check = check_of(cookie);

	keep_own_stack(ctx);
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

	slot = slot_take(thread, PT_REGS_SP(ctx), row->own);
	slot->sp = PT_REGS_SP(ctx);
	slot->handle = argument(ctx, row->handle);
	slot->buf = argument(ctx, row->buf);
	slot->aux = argument(ctx, row->len_arg);
	slot->covered = 0;
	slot->ip = PT_REGS_IP(ctx);
	slot->inner_len = 0;
	slot->row = row->own;
	slot->dir = row->dir;
	slot->kind = call_kind(check, row, row_no);
	slot->shown_row = shown_row(ctx, thread, slot, row);
	slot->is_public = slot->shown_row != slot->row;
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

/*
 * @len bytes of a call were shown. They are part of what the calls around it will report: those
 * of the same handle and direction further up the stack, as far as they ever return.
 */
static __always_inline void cover(struct ecap_thread *thread, const struct ecap_call *inner,
				  __u64 len)
{
	struct ecap_call *c;

	for (__u32 i = 0; i < ECAP_MAX_NESTED && i < thread->n_slots; i++) {
		c = &thread->calls[i];
		if (c->sp >= inner->sp && c->handle == inner->handle && c->dir == inner->dir)
			c->covered += len;
	}
}

static __always_inline struct ecap_call *slot_find(struct ecap_thread *thread, __u64 sp, __u32 row)
{
	struct ecap_call *c;

	for (__u32 i = 0; i < ECAP_MAX_NESTED && i < thread->n_slots; i++) {
		c = &thread->calls[i];
		if (c->sp == sp && c->row == row)
			return c;
	}
	return NULL;
}

/*
 * A return whose entry we do not have. Why: the thread, or the call in its thread, found no room,
 * or the call was entered between the attach of its return and of its entry hook.
 */
static __always_inline void return_without_entry(struct pt_regs *ctx, struct ecap_settings *set,
						 struct ecap_thread *thread,
						 const struct ecap_task *task,
						 const struct ecap_row *row, __u32 row_no)
{
	__u32 reason = ECAP_LOSS_MID_CALL;
	__u64 len = transferred(ctx, row, 0);

	if (thread && thread->n_evicted) {
		thread->n_evicted--;
		reason = ECAP_LOSS_NESTING;
	} else if (!thread && set->threads_full) {
		reason = ECAP_LOSS_THREADS_FULL;
	}
	/* whether flags that were not seen made it a peek is not known: then it counts, too */
	if (len && !(row->flags & (ECAP_ROW_PEEK | ECAP_ROW_REPEATS)))
		ecap_emit_loss(set, task, row_no, row->dir, reason, len);
}

/*
 * How many of the @len bytes that a call reports were shown by calls nested in it, now or when
 * it was tried before: a function may write, fail to flush, and report the bytes when it is called
 * again.
 */
static __always_inline __u64 shown_before(struct ecap_stream *stream, const struct ecap_call *call,
					  __u64 len)
{
	__u32 dir = call->dir & 1;
	__u64 shown = call->covered;

	if (stream->prepaid[dir] && stream->prepaid_row[dir] == call->row) {
		shown += stream->prepaid[dir];
		stream->prepaid[dir] = 0;
	}
	if (!len && shown) {
		stream->prepaid[dir] = shown;
		stream->prepaid_row[dir] = call->row;
	}
	return shown < len ? shown : len;
}

/*
 * Move the stream on by @len bytes at @buf and say which of them no record has shown yet: a peek
 * shows bytes that a later read returns once more.
 */
static __always_inline void stream_advance(struct ecap_stream *stream, struct ecap_emission *m,
					   __u64 buf, __u64 len)
{
	__u32 dir = m->dir & 1;
	__u64 off = stream->off[dir], seen = stream->seen[dir];

	if (!m->is_peek)
		stream->off[dir] = off + len;
	m->end = off + len;
	m->off = seen > off ? seen : off;
	if (m->off >= m->end) {
		m->off = m->end;
		return;
	}
	m->buf = buf + (m->off - off);
	stream->seen[dir] = m->end;
}

/* The stream of a call that has returned. NULL: there is nothing to say of it, or no room. */
static __always_inline struct ecap_stream *call_stream(struct ecap_emit *e,
						       const struct ecap_stream_key *key,
						       const struct ecap_call *call, __u64 len)
{
	__u32 reason = ECAP_LOSS_PAGE_FAULT;
	struct ecap_stream *stream = NULL;

	if (!len) /* nothing to show, but what nested calls showed is to be remembered */
		return bpf_map_lookup_elem(&ecap_streams, key);
	if (len != ECAP_BYTES_UNKNOWN) {
		reason = ECAP_LOSS_STREAMS_FULL;
		stream = stream_get(key);
	}
	if (!stream)
		ecap_emit_loss(e->set, &e->task, call->row, call->dir, reason, len);
	return stream;
}

/* @call transferred @len bytes: what of them is to be sent. 1: there is something. */
static __always_inline int emission_begin(struct ecap_emit *e, struct ecap_thread *thread,
					  const struct ecap_call *call, __u64 len, __u8 is_peek)
{
	struct ecap_emission *m = &thread->emission;
	struct ecap_stream_key key = {
		.incarnation = thread->incarnation,
		.handle = call->handle,
	};
	__u64 shown;

	e->m = m;
	e->stream = call_stream(e, &key, call, len);
	if (!e->stream)
		return 0;
	shown = shown_before(e->stream, call, len);
	m->total = len;
	len -= shown;
	if (!len)
		return 0;
	if (!is_peek)
		cover(thread, call, len);
	m->conn.incarnation = key.incarnation;
	m->conn.handle = key.handle;
	m->conn.born_ns = e->stream->born_ns;
	m->row = call->shown_row;
	m->dir = call->dir;
	m->is_peek = is_peek;
	m->was_lost = 0;
	m->was_sent = 0;
	stream_advance(e->stream, m, call->buf + shown, len);
	return m->off < m->end;
}

/* An inner function reported @len bytes: the public calls around it should report the same. */
static __always_inline void tell_public(struct ecap_thread *thread, const struct ecap_call *inner,
					__u64 len)
{
	struct ecap_call *c;

	for (__u32 i = 0; i < ECAP_MAX_NESTED && i < thread->n_slots; i++) {
		c = &thread->calls[i];
		if (c->kind == ECAP_CALL_CHECKED && c->sp >= inner->sp &&
		    c->handle == inner->handle && c->buf == inner->buf && c->dir == inner->dir)
			c->inner_len = len;
	}
}

/*
 * Compare what a public function and the inner one reported of the same call. Once that is decided
 * for the inner one, what is left of the public hooks only tells who called it: 1.
 */
static __always_inline int is_served(struct ecap_check *check, const struct ecap_call *call,
				     __u64 len)
{
	if (is_in_state(check, ECAP_CHECK_PROVEN) && !*(volatile __u32 *)&check->disagreed)
		return 1;
	if (len == ECAP_BYTES_UNKNOWN || (!len && !call->inner_len))
		return 0; /* nothing to compare: most calls that fail are such */
	if (call->inner_len != len) {
		__sync_fetch_and_add(&check->disagreed, 1);
		check->state = ECAP_CHECK_FAILED;
		return 0;
	}
	__sync_fetch_and_add(&check->agreed, 1);
	if (*(volatile __u32 *)&check->agreed >= ECAP_CHECK_CALLS &&
	    !*(volatile __u32 *)&check->disagreed)
		check->state = ECAP_CHECK_PROVEN;
	return 0;
}

/*
 * Whether another hook shows what @call did. Where the inner function did not show what the public
 * ones do, these do; but what calls it from elsewhere has no other hook. What a call repeats was
 * shown when the program said it.
 */
static __always_inline int is_shown_elsewhere(struct ecap_check *check, struct ecap_thread *thread,
					      const struct ecap_call *call, __u64 len)
{
	if (call->kind == ECAP_CALL_REPEAT)
		return 1;
	if (call->kind == ECAP_CALL_INNER) {
		tell_public(thread, call, len);
		return call->is_public && is_in_state(check, ECAP_CHECK_FAILED);
	}
	return call->kind == ECAP_CALL_CHECKED && check && is_served(check, call, len);
}

/* By its function, or by the flags that it was given. */
static __always_inline __u8 is_peek(const struct ecap_row *row, const struct ecap_call *call)
{
	return row->flags & ECAP_ROW_PEEK || call->aux & row->peek_bits;
}

/* Everything of a return but the chunks. 1: @e is ready to be sent. */
static __always_inline int call_finish(struct pt_regs *ctx, struct ecap_emit *e)
{
	__u64 sp = PT_REGS_SP(ctx) - RETURN_ADDRESS_SIZE, len;
	__u64 cookie = hook_cookie(ctx);
	__u32 row_no = ECAP_COOKIE_ROW(cookie);
	struct ecap_check *check = check_of(cookie);
	struct ecap_thread *thread;
	struct ecap_call *slot, call;
	struct ecap_row *row;

	e->set = ecap_settings_get();
	if (!e->set || !ecap_task_wanted(e->set, &e->task))
		return 0;
	row = bpf_map_lookup_elem(&ecap_rows, &row_no);
	if (!row)
		return 0;
	thread = bpf_map_lookup_elem(&ecap_threads, &e->task.id);
	slot = thread ? slot_find(thread, sp, row->own) : NULL;
	if (!slot) {
		/* the inner function shows these bytes, or tells of their loss */
		if (is_too_early(row_no, check) ||
		    (!is_inner(row_no) && check && !is_in_state(check, ECAP_CHECK_FAILED)))
			return 0;
		return_without_entry(ctx, e->set, thread, &e->task, row, row->own);
		return 0;
	}
	call = *slot;
	slot->sp = 0;
	len = transferred(ctx, row, call.aux);
	if (is_shown_elsewhere(check, thread, &call, len))
		return 0;
	if (!len && !call.covered)
		return 0;
	return emission_begin(e, thread, &call, len, is_peek(row, &call));
}

SEC("uretprobe")
int call_return(struct pt_regs *ctx)
{
	struct ecap_emit e = {};

	keep_own_stack(ctx);
	if (!call_finish(ctx, &e))
		return 0;
	for (int i = 0; i < CHUNKS_UNROLLED; i++) {
		if (ecap_emit_full_chunk(&e))
			break;
	}
	ecap_emit_rest(&e);
	ecap_emit_done(&e);
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

	keep_own_stack(ctx);
	if (!call_finish(ctx, &e))
		return 0;
	if (e.m->end - e.m->off >= ECAP_CHUNK_SIZE)
		bpf_loop(CHUNKS_LOOPED, chunk_callback, &e, 0);
	ecap_emit_rest(&e);
	ecap_emit_done(&e);
	return 0;
}

/* The key of the handle that the row names. 0: no such row, or no room for the process. */
static __always_inline int handle_key(struct pt_regs *ctx, const struct ecap_settings *set,
				      const struct ecap_task *task, struct ecap_stream_key *key)
{
	__u32 row_no = ECAP_COOKIE_ROW(hook_cookie(ctx));
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

	keep_own_stack(ctx);
	if (!set || !ecap_task_wanted(set, &task) || !handle_key(ctx, set, &task, &key))
		return 0;
	stream = stream_get(&key); /* often before the first byte */
	if (stream)
		__sync_fetch_and_add(&stream->refs, 1);
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
		__sync_fetch_and_add(&stream->refs, -1);
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
	keep_own_stack(ctx);
	return handle_end(ctx, 0);
}

SEC("uprobe")
int handle_clear(struct pt_regs *ctx)
{
	keep_own_stack(ctx);
	return handle_end(ctx, 1);
}

/*
 * Bytes of a line that are looked at in one go, and how often: up to 32 KiB its length is found.
 * More steps would cost the verifier, and so the start, some 15 ms for each hundred.
 */
#define LINE_STEP  256
#define LINE_STEPS 130

/*
 * Find the length of the line at @text. ECAP_LOSS_NONE; ECAP_LOSS_PAGE_FAULT: its end could not be
 * read; ECAP_LOSS_CALL_TOO_LARGE: it has not been met.
 */
static __always_inline __u32 line_length(__u64 text, __u64 *ret_len)
{
	char part[LINE_STEP];
	__u64 len = 0;
	long n;

	*ret_len = ECAP_BYTES_UNKNOWN;
	for (__u32 i = 0; i < LINE_STEPS; i++) {
		n = bpf_probe_read_user_str(part, sizeof(part), (const void *)(text + len));
		if (n < 0)
			return ECAP_LOSS_PAGE_FAULT;
		if (n <
		    LINE_STEP) { /* the NUL counts, but not in nothing at all on older kernels */
			*ret_len = len + (n ? n - 1 : 0);
			return ECAP_LOSS_NONE;
		}
		len += LINE_STEP - 1;
	}
	return ECAP_LOSS_CALL_TOO_LARGE;
}

/* Send the line in the smallest size class that holds it, or say why that could not be. */
static __always_inline void line_send(const struct ecap_line *line)
{
	__u64 len;
	__u32 reason = line_length(line->text, &len);

	if (reason == ECAP_LOSS_NONE) {
		if (!len)
			return;
		if (len <= 256)
			reason = ecap_emit_line(line, len, 256);
		else if (len <= 1024)
			reason = ecap_emit_line(line, len, 1024);
		else if (len <= 4096)
			reason = ecap_emit_line(line, len, 4096);
		else if (len <= ECAP_CHUNK_SIZE)
			reason = ecap_emit_line(line, len, ECAP_CHUNK_SIZE);
		else
			reason = ECAP_LOSS_CALL_TOO_LARGE;
	}
	if (reason != ECAP_LOSS_NONE)
		ecap_emit_loss(line->set, line->task, line->row, 0, reason, len);
}

/*
 * A function returned a line as a C string; NULL is the end of input. Only the return is hooked, so
 * a function that waits for a line when capturing begins is not met; one that it calls at the end,
 * and whose line it returns, is. Where both are, the outer one finds its line shown already.
 */
SEC("uretprobe")
int line_return(struct pt_regs *ctx)
{
	struct ecap_settings *set = ecap_settings_get();
	__u32 row_no = ECAP_COOKIE_ROW(hook_cookie(ctx));
	struct ecap_line line = { .set = set, .row = row_no };
	struct ecap_thread *thread;
	struct ecap_task task;
	struct ecap_row *row;

	keep_own_stack(ctx);
	line.text = PT_REGS_RC(ctx);
	if (!line.text || !set || !ecap_task_wanted(set, &task))
		return 0;
	row = bpf_map_lookup_elem(&ecap_rows, &row_no);
	if (!row)
		return 0;
	line.task = &task;
	thread = thread_get(set, &task);
	if (!thread) {
		ecap_emit_loss(set, &task, row_no, 0, ECAP_LOSS_THREADS_FULL, ECAP_BYTES_UNKNOWN);
		return 0;
	}
	if (!(row->flags & ECAP_ROW_OUTER)) {
		thread->line = line.text;
	} else if (thread->line == line.text) {
		thread->line = 0; /* the next line may lie at the same address */
		return 0;
	}
	line.incarnation = thread->incarnation;
	line_send(&line);
	return 0;
}
