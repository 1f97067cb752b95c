/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loads only where the kernel's BTF can be read: the offset of one field is a CO-RE relocation.
 * With CANARY_PLAIN there is no relocation, and it loads wherever BPF works at all.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

SEC("raw_tp/sched_process_exit")
int canary(struct bpf_raw_tracepoint_args *ctx)
{
#ifdef CANARY_PLAIN
	return ctx->args[0] != 0;
#else
	return BPF_CORE_READ((struct task_struct *)ctx->args[0], pid);
#endif
}
