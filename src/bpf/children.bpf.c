/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the captured processes start. A raw tracepoint gets the new task, of which nothing but its
 * id is wanted; where that lies is measured on threads of ours, so that no BTF is needed.
 */
#include "bpf/common.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* include/uapi/linux/sched.h */
#define CLONE_THREAD 0x00010000

/* Where a task keeps its id. */
const volatile __u32 ecap_tid_offset;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ECAP_TASK_SAMPLES);
	__type(key, __u32);
	__type(value, struct ecap_task_sample);
} ecap_task_samples SEC(".maps");

/* The sample that the running thread has asked for. */
static __always_inline struct ecap_task_sample *find_sample(const struct ecap_task *task)
{
	for (__u32 i = 0; i < ECAP_TASK_SAMPLES; i++) {
		__u32 key = i; /* what is on the stack is not followed through the loop */
		struct ecap_task_sample *sample = bpf_map_lookup_elem(&ecap_task_samples, &key);

		if (sample && sample->asked == (__u32)task->shown && !sample->id)
			return sample;
	}
	return NULL;
}

/* Arguments: the new task, the flags of clone(2). */
SEC("raw_tp/task_newtask")
int child_measure(struct bpf_raw_tracepoint_args *ctx)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_task_sample *sample;
	struct ecap_task task;

	if (!set)
		return 0;
	ecap_task_fill(set, &task);
	if (task.shown >> 32 != set->own_tgid || task.flags & ECAP_EVF_FOREIGN_PID)
		return 0;
	sample = find_sample(&task);
	if (!sample)
		return 0;
	sample->task = bpf_get_current_task();
	sample->child = ctx->args[0];
	for (__u32 i = 0; i < ECAP_TASK_BYTES; i += ECAP_TASK_STEP) {
		if (bpf_probe_read_kernel(&sample->bytes[i], ECAP_TASK_STEP,
					  (const void *)(sample->task + i)))
			break;
	}
	sample->id = task.id;
	return 0;
}

/* A number that is used again: its last process was captured, this one is not. */
static __always_inline void forget(const struct ecap_settings *set, __u32 pid)
{
	if (bpf_map_lookup_elem(&ecap_children, &pid))
		bpf_map_delete_elem(&ecap_children, &pid);
	if (bpf_map_lookup_elem(&ecap_ended, &pid))
		bpf_map_delete_elem(&ecap_ended, &pid);
	if (!set->pidns_ino && bpf_map_lookup_elem(&ecap_pids, &pid))
		bpf_map_delete_elem(&ecap_pids, &pid);
}

/*
 * Of all tasks, those included that do work of the kernel for a process and are its threads
 * (io_uring); before the new one runs. Arguments as above.
 */
SEC("raw_tp/task_newtask")
int child_new(struct bpf_raw_tracepoint_args *ctx)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_child fresh = { .n_threads = 1 };
	struct ecap_task task;
	struct ecap_child *child;
	__u32 tgid, pid = 0;

	if (!set)
		return 0;
	ecap_task_fill(set, &task);
	tgid = task.id >> 32;
	child = bpf_map_lookup_elem(&ecap_children, &tgid);
	if (ctx->args[1] & CLONE_THREAD) {
		if (child)
			__sync_fetch_and_add(&child->n_threads, 1);
		return 0;
	}
	if (bpf_probe_read_kernel(&pid, sizeof(pid),
				  (const void *)(ctx->args[0] + ecap_tid_offset)))
		return 0;
	if (!child && !ecap_task_is_named(&task))
		forget(set, pid);
	else if (bpf_map_update_elem(&ecap_children, &pid, &fresh, BPF_ANY))
		ecap_count_loss(ECAP_LOSS_THREADS_FULL, 1, ECAP_BYTES_UNKNOWN);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int child_exit(void *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct ecap_child *child = bpf_map_lookup_elem(&ecap_children, &tgid);
	__u8 one = 1;

	(void)ctx;
	if (!child)
		return 0;
	/* two that leave at once both see the other's: deleted twice is deleted */
	__sync_fetch_and_add(&child->n_threads, -1);
	if (*(volatile __u32 *)&child->n_threads)
		return 0;
	bpf_map_update_elem(&ecap_ended, &tgid, &one, BPF_ANY);
	bpf_map_delete_elem(&ecap_children, &tgid);
	return 0;
}
