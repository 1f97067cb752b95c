/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* What every BPF program needs: settings, the filter, counters, record headers. */
#include "bpf/maps.bpf.h"

/* Who runs: kernel ids key the maps, shown ids go into records. */
struct ecap_task {
	__u64 id;    /* tgid << 32 | tid, as the kernel counts */
	__u64 shown; /* the same in the pid namespace of ecapture */
	__u16 flags; /* ECAP_EVF_* */
};

static __always_inline struct ecap_settings *ecap_settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ecap_settings, &zero);
}

/* Per-CPU counters: a program can be preempted (>= 6.0), so the add is atomic. */
static __always_inline void ecap_count(__u32 which, __u64 n)
{
	__u64 *slot = bpf_map_lookup_elem(&ecap_counters, &which);

	if (slot)
		__sync_fetch_and_add(slot, n);
}

static __always_inline void ecap_count_loss(__u32 reason, __u32 calls, __u64 bytes)
{
	ecap_count(ECAP_CTR_LOST_CALLS + reason, calls);
	if (bytes != ECAP_BYTES_UNKNOWN)
		ecap_count(ECAP_CTR_LOST_BYTES + reason, bytes);
}

static __always_inline void ecap_task_fill(const struct ecap_settings *set, struct ecap_task *task)
{
	struct bpf_pidns_info ns = {};

	task->id = bpf_get_current_pid_tgid();
	task->shown = task->id;
	task->flags = 0;
	if (!set->pidns_ino)
		return;

	if (bpf_get_ns_current_pid_tgid(set->pidns_dev, set->pidns_ino, &ns, sizeof(ns)))
		task->flags = ECAP_EVF_FOREIGN_PID;
	else
		task->shown = (__u64)ns.tgid << 32 | ns.pid;
}

/* Whether @task is one of those that -p names. */
static __always_inline int ecap_task_is_named(const struct ecap_task *task)
{
	__u32 tgid = task->shown >> 32;

	return !(task->flags & ECAP_EVF_FOREIGN_PID) && bpf_map_lookup_elem(&ecap_pids, &tgid);
}

/* Whether @task, or what has started it, is. */
static __always_inline int ecap_task_passes_pids(const struct ecap_settings *set,
						 const struct ecap_task *task)
{
	__u32 tgid = task->id >> 32;

	if (ecap_task_is_named(task))
		return 1;
	return (set->filters & ECAP_FILTER_CHILDREN) && bpf_map_lookup_elem(&ecap_children, &tgid);
}

/*
 * Fill @task and say whether it is to be captured. Our own process never is: its own TLS output
 * would feed itself for ever.
 */
static __always_inline int ecap_task_wanted(const struct ecap_settings *set, struct ecap_task *task)
{
	__u32 tgid, uid;

	if (!set->active)
		return 0;
	ecap_task_fill(set, task);
	tgid = task->shown >> 32;
	if (tgid == set->own_tgid && !(task->flags & ECAP_EVF_FOREIGN_PID))
		return 0;
	if ((set->filters & ECAP_FILTER_PIDS) && !ecap_task_passes_pids(set, task))
		return 0;
	if (set->filters & ECAP_FILTER_UIDS) {
		uid = (__u32)bpf_get_current_uid_gid();
		return bpf_map_lookup_elem(&ecap_uids, &uid) != NULL;
	}
	return 1;
}

static __always_inline void ecap_hdr_fill(struct ecap_event_hdr *hdr, const struct ecap_task *task,
					  __u16 kind, __u32 size)
{
	hdr->ts_ns = bpf_ktime_get_ns();
	hdr->size = size;
	hdr->kind = kind;
	hdr->flags = task->flags;
	hdr->tgid = task->shown >> 32;
	hdr->tid = (__u32)task->shown;
	bpf_get_current_comm(hdr->comm, sizeof(hdr->comm));
}

/*
 * Hand a record over. The flag is read after the reservation and right before the commit: a
 * reader that is about to sleep clears it and then looks at the producer position once more, so
 * one of the two always notices the other.
 */
static __always_inline void ecap_submit(const struct ecap_settings *set, void *record)
{
	__u32 busy = *(const volatile __u32 *)&set->reader_busy;

	bpf_ringbuf_submit(record, busy ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
}

/* A process begins or ends. */
static __always_inline void ecap_emit_proc(const struct ecap_settings *set,
					   const struct ecap_task *task, __u16 kind,
					   __u64 incarnation)
{
	struct ecap_proc_event *ev = bpf_ringbuf_reserve(&ecap_events, sizeof(*ev), 0);

	if (!ev) {
		ecap_count(ECAP_CTR_LOST_ENDS, 1);
		return;
	}
	ecap_hdr_fill(&ev->hdr, task, kind, sizeof(*ev));
	ev->incarnation = incarnation;
	ecap_submit(set, ev);
}

/* Records only ever reached through pointers leave no BTF behind: name them for the layout test. */
#define ECAP_ABI_EXPORT(type) struct type *ecap_abi_##type __attribute__((unused))
