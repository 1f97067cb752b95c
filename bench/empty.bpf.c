/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The least that an entry and a return hook can do: what the kernel charges for being called. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe.multi")
int empty_entry(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("uretprobe.multi")
int empty_return(void *ctx)
{
	(void)ctx;
	return 0;
}
