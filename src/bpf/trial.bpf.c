/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Throw-away programs: what this kernel can do is found out by loading and attaching them. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} trial_seen SEC(".maps");

static __always_inline void note(__u64 v)
{
	__u32 zero = 0;

	bpf_map_update_elem(&trial_seen, &zero, &v, BPF_ANY);
}

/* Attach works and hands the cookie over. */
SEC("uprobe")
int trial_cookie(void *ctx)
{
	note(bpf_get_attach_cookie(ctx));
	return 0;
}

/* Attach works. */
SEC("uprobe")
int trial_plain(void *ctx)
{
	(void)ctx;
	note(1);
	return 0;
}

static long loop_body(__u32 i, void *data)
{
	(void)i;
	*(__u64 *)data += 1;
	return 0;
}

/* bpf_loop is known; loading it is the whole trial. */
SEC("uprobe")
int trial_loop(void *ctx)
{
	__u64 n = 0;

	(void)ctx;
	bpf_loop(1, loop_body, &n, 0);
	note(n);
	return 0;
}
