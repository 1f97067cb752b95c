/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/trial.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "trial.skel.h"

#define TRIAL_COOKIE 0x0ecab0ca7u

static const char *const rung_names[] = {
	[ECAP_RUNG_MULTI] = "multi",
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

static uint64_t trial_target_offset(void)
{
	struct own_address own = { .addr = (uint64_t)(uintptr_t)trial_target };

	(void)dl_iterate_phdr(find_own_segment, &own);
	return own.file_off;
}

static int trial_attach(enum ecap_rung rung, const struct trial_bpf *skel, struct bpf_link **ret)
{
	LIBBPF_OPTS(bpf_uprobe_opts, one);
	LIBBPF_OPTS(bpf_uprobe_multi_opts, multi);
	unsigned long off = trial_target_offset();
	__u64 cookie = TRIAL_COOKIE;

	if (rung == ECAP_RUNG_MULTI) {
		multi.offsets = &off;
		multi.cookies = &cookie;
		multi.cnt = 1;
		*ret = bpf_program__attach_uprobe_multi(skel->progs.trial_cookie, -1,
							"/proc/self/exe", NULL, &multi);
	} else {
		*ret = bpf_program__attach_uprobe_opts(skel->progs.trial_plain, -1,
						       "/proc/self/exe", off, &one);
	}
	return *ret ? 0 : -errno;
}

static int trial_open(const char *only, struct trial_bpf **ret)
{
	struct trial_bpf *skel = trial_bpf__open();
	struct bpf_program *prog;

	if (!skel)
		return -errno;
	bpf_object__for_each_program(prog, skel->obj)
		(void)bpf_program__set_autoload(prog, strcmp(bpf_program__name(prog), only) == 0);
	*ret = skel;
	return 0;
}

static int trial_run(enum ecap_rung rung, struct trial_bpf *skel)
{
	struct bpf_link *link = NULL;
	__u64 seen = 0, want = rung == ECAP_RUNG_MULTI ? TRIAL_COOKIE : 1;
	__u32 zero = 0;
	int r;

	if (rung == ECAP_RUNG_MULTI)
		(void)bpf_program__set_expected_attach_type(skel->progs.trial_cookie,
							    BPF_TRACE_UPROBE_MULTI);
	r = trial_bpf__load(skel);
	if (r < 0)
		return r;
	r = trial_attach(rung, skel, &link);
	if (r < 0)
		return r;
	trial_target();
	r = bpf_map__lookup_elem(skel->maps.trial_seen, &zero, sizeof(zero), &seen, sizeof(seen),
				 0);
	(void)bpf_link__destroy(link);
	if (r < 0)
		return r;
	return seen == want ? 0 : -ENODATA;
}

int ecap_trial_rung(enum ecap_rung rung)
{
	struct trial_bpf *skel = NULL;
	int r = trial_open(rung == ECAP_RUNG_MULTI ? "trial_cookie" : "trial_plain", &skel);

	if (r < 0)
		return r;
	r = trial_run(rung, skel);
	trial_bpf__destroy(skel);
	return r;
}

bool ecap_trial_loop(void)
{
	struct trial_bpf *skel = NULL;
	bool loads;

	if (trial_open("trial_loop", &skel) < 0)
		return false;
	loads = trial_bpf__load(skel) == 0;
	trial_bpf__destroy(skel);
	return loads;
}
