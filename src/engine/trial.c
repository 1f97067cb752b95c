/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/trial.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "trial.skel.h"

#define TRIAL_COOKIE 0x0ecab0ca7u

static const char *const rung_names[] = {
	[ECAP_RUNG_MULTI] = "multi",
	[ECAP_RUNG_PERF_COOKIE] = "perf-cookie",
	[ECAP_RUNG_PERF] = "perf",
	[ECAP_RUNG_AUTO] = "auto",
};
_Static_assert(ECAP_ARRAY_SIZE(rung_names) == ECAP_RUNG_COUNT + 1, "a rung without a name");

const char *ecap_rung_name(enum ecap_rung rung)
{
	return rung_names[rung];
}

int ecap_rung_parse(const char *name, enum ecap_rung *ret)
{
	for (unsigned int i = 0; i < ECAP_ARRAY_SIZE(rung_names); i++) {
		if (strcmp(name, rung_names[i]) == 0) {
			*ret = (enum ecap_rung)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The function that the throw-away program is attached to. */
static __attribute__((noinline)) void trial_target(void)
{
	__asm__ volatile("");
}

struct own_address {
	uint64_t addr;
	uint64_t file_off; /* 0: not found */
};

/* dl_iterate_phdr() starts with the program itself. */
static int find_own_segment(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct own_address *own = arg;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && own->addr >= start && own->addr - start < p->p_filesz)
			own->file_off = own->addr - start + p->p_offset;
	}
	return 1;
}

/* Where a function of ours lies in our file. */
static uint64_t own_offset(void (*fn)(void))
{
	struct own_address own = { .addr = (uint64_t)(uintptr_t)fn };

	(void)dl_iterate_phdr(find_own_segment, &own);
	return own.file_off;
}

/* Functions that differ in their first instruction. */
#if defined(__x86_64__)
#define FIRST_PUSH "push %rbx\n pop %rbx\n"
#define FIRST_NOP  "nop\n"
#define FIRST_MARK "endbr64\n"
#define FIRST_SUB  "sub $8, %rsp\n add $8, %rsp\n"
#elif defined(__aarch64__)
#define FIRST_PUSH "stp x29, x30, [sp, -16]!\n ldp x29, x30, [sp], 16\n"
#define FIRST_NOP  "nop\n"
#define FIRST_MARK "hint 34\n"
#define FIRST_SUB  "sub sp, sp, 16\n add sp, sp, 16\n"
#endif
#define FIRST_FUNCTION(name, insns)                                      \
	void name(void);                                                 \
	__asm__(".pushsection .text\n"                                   \
		".type " #name ", %function\n" #name ":\n" insns "ret\n" \
		".size " #name ", . - " #name "\n"                       \
		".popsection\n")

FIRST_FUNCTION(ecap_first_push, FIRST_PUSH);
FIRST_FUNCTION(ecap_first_nop, FIRST_NOP);
FIRST_FUNCTION(ecap_first_mark, FIRST_MARK);
FIRST_FUNCTION(ecap_first_sub, FIRST_SUB);

/*
 * What is hooked: the first one shows whether it works, the others what their beginnings cost. Each
 * is a grace period more before all hooks can be taken away, so there are no more of them than
 * functions commonly begin with; of other instructions it is assumed that they are single-stepped.
 */
static void (*const functions[])(void) = {
	trial_target, ecap_first_sub, ecap_first_push, ecap_first_nop, ecap_first_mark,
};
#define N_FUNCTIONS ECAP_ARRAY_SIZE(functions)

/*
 * @pid: -1 for all processes; a multi link can be bound to one. One link takes all functions there:
 * each link costs milliseconds.
 */
static int trial_attach(enum ecap_rung rung, const struct bpf_program *prog, pid_t pid,
			struct bpf_link *ret[N_FUNCTIONS])
{
	__u64 cookies[N_FUNCTIONS];
	LIBBPF_OPTS(bpf_uprobe_multi_opts, multi, .cookies = cookies, .cnt = N_FUNCTIONS);
	LIBBPF_OPTS(bpf_uprobe_opts, one);
	unsigned long offsets[N_FUNCTIONS];

	one.bpf_cookie = rung == ECAP_RUNG_PERF_COOKIE ? TRIAL_COOKIE : 0;
	for (size_t i = 0; i < N_FUNCTIONS; i++) {
		offsets[i] = own_offset(functions[i]);
		cookies[i] = TRIAL_COOKIE;
	}
	if (rung == ECAP_RUNG_MULTI) {
		multi.offsets = offsets;
		ret[0] =
			bpf_program__attach_uprobe_multi(prog, pid, "/proc/self/exe", NULL, &multi);
		return ret[0] ? 0 : -errno;
	}
	for (size_t i = 0; i < (rung == ECAP_RUNG_PERF ? 1 : N_FUNCTIONS); i++) {
		ret[i] = bpf_program__attach_uprobe_opts(prog, -1, "/proc/self/exe", offsets[i],
							 &one);
		if (!ret[i])
			return -errno;
	}
	return 0;
}

/* Open the object with one program of it, to be loaded by the caller. */
static int trial_open(const char *only, struct trial_bpf **ret, struct bpf_program **ret_prog)
{
	struct trial_bpf *skel = trial_bpf__open();
	struct bpf_program *prog;

	if (!skel)
		return -errno;
	bpf_object__for_each_program(prog, skel->obj) {
		bool wanted = strcmp(bpf_program__name(prog), only) == 0;

		(void)bpf_program__set_autoload(prog, wanted);
		if (wanted)
			*ret_prog = prog;
	}
	*ret = skel;
	return 0;
}

static void *call_target(void *arg)
{
	(void)arg;
	trial_target();
	return NULL;
}

/* Call the target on this thread or on another one, and look whether the program saw it. */
static int trial_call(const struct bpf_map *seen_map, __u64 want, bool on_thread)
{
	__u32 zero = 0;
	__u64 seen = 0;
	pthread_t thread;
	int r;

	r = bpf_map__update_elem(seen_map, &zero, sizeof(zero), &seen, sizeof(seen), BPF_ANY);
	if (r < 0)
		return r;
	if (on_thread) {
		r = pthread_create(&thread, NULL, call_target, NULL);
		if (r)
			return -r;
		(void)pthread_join(thread, NULL);
	} else {
		trial_target();
	}
	r = bpf_map__lookup_elem(seen_map, &zero, sizeof(zero), &seen, sizeof(seen), 0);
	if (r < 0)
		return r;
	return seen == want ? 0 : -ENODATA;
}

struct ecap_trial {
	struct trial_bpf *skel;
	struct bpf_link *links[N_FUNCTIONS];
};

void ecap_trial_free(struct ecap_trial *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(t->links); i++)
		(void)bpf_link__destroy(t->links[i]);
	trial_bpf__destroy(t->skel);
	free(t);
}

static int trial_run(struct ecap_trial *t, enum ecap_rung rung, pid_t pid)
{
	const char *name = rung == ECAP_RUNG_PERF ? "trial_plain" : "trial_cookie";
	__u64 want = rung == ECAP_RUNG_PERF ? 1 : TRIAL_COOKIE;
	struct bpf_program *prog = NULL;
	int r = trial_open(name, &t->skel, &prog);

	if (r < 0)
		return r;
	if (rung == ECAP_RUNG_MULTI)
		(void)bpf_program__set_expected_attach_type(prog, ECAP_TRACE_UPROBE_MULTI);
	r = trial_bpf__load(t->skel);
	if (!r)
		r = trial_attach(rung, prog, pid, t->links);
	if (!r)
		r = trial_call(t->skel->maps.trial_seen, want, false);
	if (!r && pid > 0)
		r = trial_call(t->skel->maps.trial_seen, want, true);
	return r;
}

/* @pid: -1 for all processes. */
static int trial(enum ecap_rung rung, pid_t pid, struct ecap_trial **ret)
{
	ecap_cleanup(ecap_trial_freep) struct ecap_trial *t = calloc(1, sizeof(*t));
	int r = t ? trial_run(t, rung, pid) : -ENOMEM;

	if (!r)
		*ret = ecap_take_ptr(t);
	return r;
}

int ecap_trial_rung(enum ecap_rung rung, struct ecap_trial **ret)
{
	return trial(rung, -1, ret);
}

int ecap_trial_bound(struct ecap_trial **ret)
{
	return trial(ECAP_RUNG_MULTI, getpid(), ret);
}

/* ------------------------------------------------------------------------- cost of instructions */

/* The least of so many calls: the rest is what else the machine did meanwhile. */
#define TIMED_CALLS 32

static uint64_t time_call(void (*fn)(void))
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TIMED_CALLS; i++) {
		uint64_t start = ecap_clock_monotonic(), took;

		fn();
		took = ecap_clock_monotonic() - start;
		least = took < least ? took : least;
	}
	return least;
}

void ecap_trial_emulated(const struct ecap_trial *t, bool ret[ECAP_CODE_N_KINDS])
{
	static void (*const by_kind[ECAP_CODE_N_KINDS])(void) = {
		[ECAP_CODE_PUSH] = ecap_first_push,
		[ECAP_CODE_NOP] = ecap_first_nop,
		[ECAP_CODE_MARK] = ecap_first_mark,
	};
	/* to change the stack pointer is what no kernel emulates */
	uint64_t stepped = time_call(ecap_first_sub);

	(void)t; /* its hooks are what is measured */
	for (size_t i = 0; i < ECAP_CODE_N_KINDS; i++)
		ret[i] = by_kind[i] && time_call(by_kind[i]) < stepped / 2;
}

bool ecap_trial_loop(void)
{
	struct bpf_program *prog = NULL;
	struct trial_bpf *skel = NULL;
	bool loads;

	if (trial_open("trial_loop", &skel, &prog) < 0)
		return false;
	loads = trial_bpf__load(skel) == 0;
	trial_bpf__destroy(skel);
	return loads;
}
