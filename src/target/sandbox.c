/* SPDX-License-Identifier: Apache-2.0 */
/* The only file with classic BPF: linux/filter.h and libbpf have names in common. */
#include "target/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "this architecture is not supported"
#endif

/* What an argument must be like; they are compared as 32 bits. */
enum condition {
	ANY,
	EQUAL, /* to the value */
	LACKS, /* all bits of the value */
};

struct rule {
	uint32_t nr;
	enum condition condition;
	uint8_t arg;
	uint32_t value;
};

#define INSNS_AT_MOST 5 /* of one rule */

static const struct rule fixed[] = {
	{ .nr = SYS_read },
	{ .nr = SYS_pread64 },
	/* fstat() of newer C libraries; the path can not be looked at, so it may ask for others */
	{ .nr = SYS_newfstatat, .condition = EQUAL, .arg = 3, .value = AT_EMPTY_PATH },
	{ .nr = SYS_fstat },
	{ .nr = SYS_brk },
	{ .nr = SYS_mmap, .condition = LACKS, .arg = 2, .value = PROT_EXEC },
	{ .nr = SYS_mprotect, .condition = LACKS, .arg = 2, .value = PROT_EXEC },
	{ .nr = SYS_mremap },
	{ .nr = SYS_munmap },
	{ .nr = SYS_madvise },
	{ .nr = SYS_futex },
	/* glibc's malloc() and qsort() ask how large the machine is */
	{ .nr = SYS_sched_getaffinity },
	{ .nr = SYS_sysinfo },
	{ .nr = SYS_getrandom },
	{ .nr = SYS_rt_sigreturn },
	{ .nr = SYS_restart_syscall },
	{ .nr = SYS_exit },
	{ .nr = SYS_exit_group },
};

struct program {
	struct sock_filter insns[4 + (ECAP_ARRAY_SIZE(fixed) + 1) * INSNS_AT_MOST + 1];
	unsigned short n;
};

static void add(struct program *p, struct sock_filter insn)
{
	p->insns[p->n++] = insn;
}

static void load(struct program *p, size_t off)
{
	add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)off));
}

static void end(struct program *p, uint32_t action)
{
	add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Jump over @if_true or @if_false instructions. */
static void compare(struct program *p, uint16_t how, uint32_t value, uint8_t if_true,
		    uint8_t if_false)
{
	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | how | BPF_K, value, if_true, if_false));
}

/* With the number of the call loaded; if it is another one, it still is when this is over. */
static void add_rule(struct program *p, const struct rule *rule)
{
	compare(p, BPF_JEQ, rule->nr, 0, rule->condition == ANY ? 1 : 4);
	if (rule->condition != ANY) {
		/* both machines have the lower half first */
		load(p, offsetof(struct seccomp_data, args) + rule->arg * sizeof(uint64_t));
		if (rule->condition == EQUAL)
			compare(p, BPF_JEQ, rule->value, 1, 0);
		else
			compare(p, BPF_JSET, rule->value, 0, 1);
		end(p, SECCOMP_RET_KILL_PROCESS);
	}
	end(p, SECCOMP_RET_ALLOW);
}

int ecap_sandbox_enter(int out)
{
	const struct rule rule_of_out = {
		.nr = SYS_write, .condition = EQUAL, .arg = 0, .value = (uint32_t)out
	};
	struct program program = { .n = 0 };
	struct sock_fprog filter = { .filter = program.insns };

	load(&program, offsetof(struct seccomp_data, arch));
	compare(&program, BPF_JEQ, ARCH, 1, 0);
	end(&program, SECCOMP_RET_KILL_PROCESS);
	load(&program, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(fixed); i++)
		add_rule(&program, &fixed[i]);
	add_rule(&program, &rule_of_out);
	end(&program, SECCOMP_RET_KILL_PROCESS);
	filter.len = program.n;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) < 0 ? -errno : 0;
}
