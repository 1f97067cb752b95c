/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ends of processes and threads. Raw tracepoints: named ones need tracefs, which may not be
 * mounted. Nothing of the kernel's structures is read, so no BTF is needed.
 */
#include "bpf/common.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void proc_end(__u32 tgid, __u64 incarnation)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_task task;

	if (bpf_map_delete_elem(&ecap_procs, &tgid) || !set)
		return; /* two threads may end at once: one of them reports it */
	ecap_task_fill(set, &task);
	ecap_emit_proc(set, &task, ECAP_EV_PROC_END, incarnation);
}

/*
 * An exec by another thread than the first one gives the process that thread's task and ends the
 * first one's. A link that is bound to the process holds the latter: it sees nothing any more.
 */
static __always_inline void report_moved(__u64 id, __u32 old_pid)
{
	struct ecap_settings *set = ecap_settings_get();
	struct ecap_task task;
	__u32 tgid;

	if (old_pid == (__u32)id || !set || !set->bound)
		return;
	ecap_task_fill(set, &task);
	tgid = task.shown >> 32;
	if (!bpf_map_lookup_elem(&ecap_pids, &tgid))
		return;
	if (set->active)
		ecap_count_loss(ECAP_LOSS_LATE_ATTACH, 1, ECAP_BYTES_UNKNOWN);
	ecap_emit_proc(set, &task, ECAP_EV_PROC_MOVED, 0);
}

/* Arguments: task, the pid that the thread had before (it becomes the leader), binprm. */
SEC("raw_tp/sched_process_exec")
int proc_exec(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u64 old_id = (id >> 32 << 32) | (__u32)ctx->args[1];
	__u32 tgid = id >> 32;
	struct ecap_proc *proc = bpf_map_lookup_elem(&ecap_procs, &tgid);

	report_moved(id, ctx->args[1]);
	if (!proc)
		return 0;
	bpf_map_delete_elem(&ecap_threads, &id);
	bpf_map_delete_elem(&ecap_threads, &old_id);
	proc_end(tgid, proc->incarnation);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int proc_exit(void *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct ecap_proc *proc = bpf_map_lookup_elem(&ecap_procs, &tgid);

	(void)ctx;
	if (!proc)
		return 0;
	if (!bpf_map_delete_elem(&ecap_threads, &id))
		__sync_fetch_and_add(&proc->n_threads, -1);
	/*
	 * A leader may end before its threads: the process lives on in those that we know. Both
	 * fields change by atomic adds, which order them: the last one to leave sees the other's.
	 */
	if (tgid == (__u32)id)
		__sync_fetch_and_add(&proc->leader_gone, 1);
	if (*(volatile __u32 *)&proc->leader_gone && !*(volatile __u32 *)&proc->n_threads)
		proc_end(tgid, proc->incarnation);
	return 0;
}
