/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every verifier refuses it: a number is no pointer. A table of results must show that. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/sched_process_exit")
int broken(struct bpf_raw_tracepoint_args *ctx)
{
	return *(const volatile __u32 *)(ctx->args[0] & 0xff);
}
