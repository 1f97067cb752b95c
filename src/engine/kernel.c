/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/buf.h"
#include "base/log.h"
#include "engine/privileges.h"
#include "engine/registry.h"
#include "calls.skel.h"
#include "lifecycle.skel.h"

/* The pid namespace of the host (include/linux/proc_ns.h: PROC_PID_INIT_INO). */
#define INITIAL_PIDNS_INO 0xeffffffcu

#define MAX_KINDS_TEXT 256

struct ecap_kernel {
	enum ecap_rung rung;
	char notes[256];     /* on the choice of the rung, for people */
	char rung_text[320]; /* both */
	uint32_t bound[ECAP_MAX_BOUND];
	size_t n_bound;
	unsigned int privileges;  /* enum ecap_privileges_flag: what attaching takes */
	struct ecap_trial *trial; /* of the rung; NULL: taken away */
	bool is_emulated[ECAP_CODE_N_KINDS];
	bool has_loop;
	bool is_limited; /* RLIMIT_MEMLOCK could not be lifted, but a small map was given */
	struct calls_bpf *shared; /* owns the maps; with cookies its programs serve all rows */
	struct lifecycle_bpf *lifecycle;
	struct calls_bpf
		*rows[ECAP_MAX_ROWS];	/* on perf: an instance per row, NULL: not used yet */
	struct ecap_settings *settings; /* the kernel reads this very page */
	size_t settings_size;
	struct ecap_check *checks; /* the kernel writes these */
	size_t checks_size;
	bool inner_used[ECAP_MAX_INNER];
	bool check_used[ECAP_MAX_CHECKS];
};

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[1024];
	int n;

	if (level == LIBBPF_DEBUG || ecap_log_get_level() < ECAP_LOG_DEBUG)
		return 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* libbpf hands its own format over */
	n = vsnprintf(line, sizeof(line), fmt, args);
#pragma GCC diagnostic pop
	line[strcspn(line, "\n")] = '\0';
	ecap_debug("%s", line);
	return n;
}

/* ------------------------------------------------------------------------------- what to load */

/*
 * libbpf asks whether bpf_probe_read_kernel loads; if not, it takes the kernel for one older than
 * 5.5 and replaces bpf_probe_read_user, too. Under lockdown=confidentiality the former is refused,
 * the latter is not, but what it is replaced by is. Our programs read user memory only.
 */
static int undo_old_reads(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	size_t n = bpf_program__insn_cnt(prog);
	ecap_autofree struct bpf_insn *insns = malloc(n * sizeof(*insns));

	(void)opts;
	(void)cookie;
	if (!insns)
		return -ENOMEM;
	memcpy(insns, bpf_program__insns(prog), n * sizeof(*insns));
	for (size_t i = 0; i < n; i++) {
		struct bpf_insn *insn = &insns[i];

		if (insn->code != (BPF_JMP | BPF_CALL) || insn->src_reg)
			continue;
		if (insn->imm == BPF_FUNC_probe_read)
			insn->imm = BPF_FUNC_probe_read_user;
		else if (insn->imm == BPF_FUNC_probe_read_str)
			insn->imm = BPF_FUNC_probe_read_user_str;
	}
	return bpf_program__set_insns(prog, insns, n);
}

static void register_loaders(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = undo_old_reads);

	(void)libbpf_register_prog_handler("uprobe", BPF_PROG_TYPE_KPROBE, 0, &opts);
	(void)libbpf_register_prog_handler("uretprobe", BPF_PROG_TYPE_KPROBE, 0, &opts);
}

static const char *program_name(const struct ecap_kernel *k, enum ecap_kernel_prog prog)
{
	static const char *const names[] = {
		[ECAP_PROG_CALL_ENTRY] = "call_entry",	   [ECAP_PROG_CALL_RETURN] = "call_return",
		[ECAP_PROG_HANDLE_REF] = "handle_ref",	   [ECAP_PROG_HANDLE_FREE] = "handle_free",
		[ECAP_PROG_HANDLE_CLEAR] = "handle_clear", [ECAP_PROG_LINE_RETURN] = "line_return",
	};
	_Static_assert(ECAP_ARRAY_SIZE(names) == ECAP_PROG_COUNT, "a program without a name");

	if (prog == ECAP_PROG_CALL_RETURN && k->has_loop)
		return "call_return_looped";
	return names[prog];
}

static bool needs_program(enum ecap_hook_at at, enum ecap_kernel_prog prog)
{
	switch (at) {
	case ECAP_AT_CALL:
	case ECAP_AT_INNER:
		return prog == ECAP_PROG_CALL_ENTRY || prog == ECAP_PROG_CALL_RETURN;
	case ECAP_AT_REF:
		return prog == ECAP_PROG_HANDLE_REF;
	case ECAP_AT_FREE:
		return prog == ECAP_PROG_HANDLE_FREE;
	case ECAP_AT_CLEAR:
		return prog == ECAP_PROG_HANDLE_CLEAR;
	case ECAP_AT_LINE:
		return prog == ECAP_PROG_LINE_RETURN;
	case ECAP_AT_COUNT:
		break;
	}
	return false;
}

/* Load only programs that are wanted; libbpf would load all. */
static void choose_programs(const struct ecap_kernel *k, struct calls_bpf *skel,
			    const bool wanted[ECAP_PROG_COUNT])
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj) {
		(void)bpf_program__set_autoload(prog, false);
		for (int i = 0; i < ECAP_PROG_COUNT; i++) {
			const char *name = program_name(k, (enum ecap_kernel_prog)i);

			if (wanted[i] && strcmp(bpf_program__name(prog), name) == 0)
				(void)bpf_program__set_autoload(prog, true);
		}
		if (k->rung == ECAP_RUNG_MULTI)
			(void)bpf_program__set_expected_attach_type(prog, ECAP_TRACE_UPROBE_MULTI);
	}
}

/* Make @obj use the maps that @shared has created; others are its own. */
static int share_maps(const struct bpf_object *shared, struct bpf_object *obj)
{
	struct bpf_map *map, *of_shared;
	int r;

	bpf_object__for_each_map(map, obj) {
		if (bpf_map__is_internal(map))
			continue; /* .rodata differs per instance */
		of_shared = bpf_object__find_map_by_name(shared, bpf_map__name(map));
		if (!of_shared)
			continue;
		r = bpf_map__reuse_fd(map, bpf_map__fd(of_shared));
		if (r < 0)
			return r;
	}
	return 0;
}

static int create_map(struct bpf_map *map)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = bpf_map__map_flags(map));
	ecap_autoclose int fd =
		bpf_map_create(bpf_map__type(map), bpf_map__name(map), bpf_map__key_size(map),
			       bpf_map__value_size(map), bpf_map__max_entries(map), &opts);

	return fd < 0 ? fd : bpf_map__reuse_fd(map, fd); /* which duplicates it */
}

/* The maps do not depend on the rung, and take as long as finding it: half of the start. */
static int create_maps(struct ecap_kernel *k, uint32_t ring_bytes)
{
	struct bpf_map *map;
	int r = 0;

	k->shared = calls_bpf__open();
	if (!k->shared)
		return -errno;
	if (ring_bytes)
		(void)bpf_map__set_max_entries(k->shared->maps.ecap_events, ring_bytes);
	bpf_object__for_each_map(map, k->shared->obj) {
		if (!r && !bpf_map__is_internal(map))
			r = create_map(map);
	}
	return r;
}

/* Whether a selected probe has a hook for it: the verifier's time is most of the start. */
static bool is_selected(const struct ecap_selection *sel, enum ecap_kernel_prog prog)
{
	for (uint32_t row = 0; row < ecap_registry_n_rows(); row++) {
		const struct ecap_probe_desc *probe;
		const struct ecap_hook *hook = ecap_registry_get_row(row, &probe);

		if (ecap_selection_has(sel, probe) && needs_program(hook->at, prog))
			return true;
	}
	return false;
}

static int load_shared(struct ecap_kernel *k, const struct ecap_selection *sel)
{
	bool wanted[ECAP_PROG_COUNT];

	for (int i = 0; i < ECAP_PROG_COUNT; i++)
		wanted[i] = k->rung != ECAP_RUNG_PERF && is_selected(sel, (enum ecap_kernel_prog)i);
	choose_programs(k, k->shared, wanted);
	return calls_bpf__load(k->shared);
}

static int load_lifecycle(struct ecap_kernel *k)
{
	int r;

	k->lifecycle = lifecycle_bpf__open();
	if (!k->lifecycle)
		return -errno;
	r = share_maps(k->shared->obj, k->lifecycle->obj);
	if (r < 0)
		return r;
	r = lifecycle_bpf__load(k->lifecycle);
	if (r < 0)
		return r;
	return lifecycle_bpf__attach(k->lifecycle);
}

static int load_row(struct ecap_kernel *k, uint32_t row)
{
	const struct ecap_hook *hook = ecap_registry_get_row(row, NULL);
	struct calls_bpf *skel = calls_bpf__open();
	bool wanted[ECAP_PROG_COUNT];
	int r;

	if (!skel)
		return -errno;
	for (int i = 0; i < ECAP_PROG_COUNT; i++)
		wanted[i] = needs_program(hook->at, (enum ecap_kernel_prog)i);
	choose_programs(k, skel, wanted);
	skel->rodata->ecap_fixed_row = row;
	r = share_maps(k->shared->obj, skel->obj);
	if (!r)
		r = calls_bpf__load(skel);
	if (r < 0) {
		calls_bpf__destroy(skel);
		return r;
	}
	k->rows[row] = skel;
	return 0;
}

/* ------------------------------------------------------------------------------ RLIMIT_MEMLOCK */

/* Whether the kernel gives us a map at all, of the least size. */
static bool makes_map(void)
{
	ecap_autoclose int fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "ecap_try", sizeof(uint32_t), 1, 1, NULL);

	return fd >= 0;
}

/*
 * Before Linux 5.11 BPF memory counts against this limit. libbpf would lift it when it makes the
 * first map, in whichever thread, which may have dropped what that takes; what is not lifted is
 * only missed if the kernel refuses something.
 */
static void lift_memlock(struct ecap_kernel *k)
{
	const struct rlimit unlimited = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	struct rlimit now;

	(void)libbpf_set_memlock_rlim(0); /* leave it alone */
	if (setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0 || getrlimit(RLIMIT_MEMLOCK, &now) < 0)
		return;
	now.rlim_cur = now.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &now);
	k->is_limited = now.rlim_cur != RLIM_INFINITY && makes_map();
}

/* Whether @r is about RLIMIT_MEMLOCK; then it is logged. The limit is no more used after that. */
static bool explain_memlock(const struct ecap_kernel *k, int r)
{
	struct rlimit limit, none;

	if (r != -EPERM || !k->is_limited || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return false;
	none = (struct rlimit){ .rlim_max = limit.rlim_max };
	/* what was given a map with the limit gets none without: the kernel counts maps */
	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || makes_map())
		return false;
	ecap_err(
		"cannot create the BPF maps: this kernel counts them against RLIMIT_MEMLOCK, which "
		"is %" PRIu64 " KiB, and CAP_SYS_RESOURCE is missing to lift it; set it before, "
		"e.g. by `ulimit -l unlimited` or systemd's LimitMEMLOCK=infinity",
		(uint64_t)limit.rlim_cur >> 10);
	return true;
}

/* --------------------------------------------------------------------------- choosing the rung */

static bool is_refusal(int r)
{
	return r == -EPERM || r == -EACCES;
}

/* No rung was found: say why, as far as the last one tells. */
static int refuse_rungs(const struct ecap_kernel *k, enum ecap_rung wanted, int r)
{
	char why[128];

	if (explain_memlock(k, r))
		return r;
	if (is_refusal(r))
		ecap_privileges_explain(k->privileges, r);
	else if (wanted != ECAP_RUNG_AUTO)
		ecap_err("--attach=%s does not work on this kernel: %s; "
			 "without it, what does is used",
			 ecap_rung_name(wanted), ecap_strerror(r, why, sizeof(why)));
	else
		ecap_err("this kernel takes no uprobes from us: %s; Linux 5.10 or newer with "
			 "CONFIG_UPROBES and CONFIG_BPF_SYSCALL is needed (-d shows details)",
			 ecap_strerror(r, why, sizeof(why)));
	return r;
}

/* Note for people why something better than the rung is not used. */
static void note(struct ecap_kernel *k, const char *what, const char *why)
{
	size_t len = strlen(k->notes);

	(void)snprintf(k->notes + len, sizeof(k->notes) - len, "%s%s%s%s", len ? "; " : "", what,
		       why ? ": " : "", why ? why : "");
}

/* Bind links to the processes that are asked for, if they are few and the kernel can. */
static int try_bound(struct ecap_kernel *k, const struct ecap_kernel_opts *opts)
{
	char text[128];
	int r;

	if (opts->n_pids > ECAP_MAX_BOUND) {
		(void)snprintf(text, sizeof(text), "they are more than %d", ECAP_MAX_BOUND);
		note(k, "not bound to the processes", text);
		return -E2BIG;
	}
	r = ecap_trial_bound(&k->trial);
	if (r < 0) {
		note(k, "not bound to the processes", ecap_strerror(r, text, sizeof(text)));
		return r;
	}
	memcpy(k->bound, opts->pids, opts->n_pids * sizeof(*opts->pids));
	k->n_bound = opts->n_pids;
	(void)snprintf(text, sizeof(text), "bound to %zu process%s", k->n_bound,
		       k->n_bound == 1 ? "" : "es");
	note(k, text, NULL);
	return 0;
}

/* Try with what would be kept, and if that is refused with CAP_SYS_ADMIN, too. */
static int try_privileges(struct ecap_kernel *k, enum ecap_rung rung)
{
	int r = ecap_trial_rung(rung, &k->trial), err;

	if (!is_refusal(r))
		return r;
	k->privileges = ECAP_PRIVILEGES_ADMIN;
	err = ecap_privileges_rehearse(k->privileges);
	return err < 0 ? r : ecap_trial_rung(rung, &k->trial);
}

static int try_rung(struct ecap_kernel *k, const struct ecap_kernel_opts *opts, enum ecap_rung rung)
{
	char why[128];
	int r = ecap_privileges_rehearse(0);

	if (r < 0)
		return r;
	k->privileges = 0;
	/* a kernel that can bind a link has multi links */
	if (rung == ECAP_RUNG_MULTI && opts->n_pids && !opts->children && try_bound(k, opts) == 0)
		return 0;
	r = try_privileges(k, rung);
	if (r < 0) {
		ecap_strerror(r, why, sizeof(why));
		if (rung == ECAP_RUNG_MULTI)
			k->notes[0] = '\0'; /* what was said of binding */
		ecap_debug("attach=%s does not work here: %s", ecap_rung_name(rung), why);
		note(k, ecap_rung_name(rung), why);
	}
	return r;
}

/* Find the best rung that works. */
static int choose_rung(struct ecap_kernel *k, const struct ecap_kernel_opts *opts)
{
	int r = -ENOTSUP;

	for (int i = 0; r < 0 && i < ECAP_RUNG_COUNT; i++) {
		k->rung = (enum ecap_rung)i;
		if (opts->rung == ECAP_RUNG_AUTO || opts->rung == k->rung)
			r = try_rung(k, opts, k->rung);
	}
	if (r < 0)
		return refuse_rungs(k, opts->rung, r);
	(void)snprintf(k->rung_text, sizeof(k->rung_text), "attach=%s%s%s%s",
		       ecap_rung_name(k->rung), k->notes[0] ? " (" : "", k->notes,
		       k->notes[0] ? ")" : "");
	return 0;
}

/* --------------------------------------------------------------------------- rows and settings */

static int put_row(const struct ecap_kernel *k, uint32_t at, uint32_t own, struct ecap_row row)
{
	row.own = own;
	return bpf_map__update_elem(k->shared->maps.ecap_rows, &at, sizeof(at), &row, sizeof(row),
				    BPF_ANY);
}

static int fill_rows(const struct ecap_kernel *k)
{
	uint32_t n = ecap_registry_n_rows();
	int r = n <= ECAP_MAX_ROWS ? 0 : -ENOSPC;

	for (uint32_t row = 0; !r && row < n; row++) {
		r = put_row(k, row, row, ecap_registry_get_row(row, NULL)->shape);
	}
	return r;
}

static int fill_set(const struct bpf_map *map, const uint32_t *ids, size_t n)
{
	uint8_t one = 1;
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		r = bpf_map__update_elem(map, &ids[i], sizeof(ids[i]), &one, sizeof(one), BPF_ANY);
	return r;
}

/* Map the values of an array map, in whole pages. NULL: errno says why. */
static void *map_values(const struct bpf_map *map, size_t *ret_size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *at;

	size = (size + page - 1) / page * page;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	*ret_size = size;
	return at == MAP_FAILED ? NULL : at;
}

static int fill_settings(struct ecap_kernel *k, const struct ecap_kernel_opts *opts)
{
	struct ecap_settings *set = map_values(k->shared->maps.ecap_settings, &k->settings_size);
	struct stat ns;
	int r;

	if (!set)
		return -errno;
	k->settings = set;
	k->checks = map_values(k->shared->maps.ecap_checks, &k->checks_size);
	if (!k->checks)
		return -errno;
	if (stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino != INITIAL_PIDNS_INO) {
		set->pidns_dev = ns.st_dev;
		set->pidns_ino = ns.st_ino;
	}
	set->own_tgid = (uint32_t)getpid();
	set->bound = k->n_bound > 0;
	r = fill_set(k->shared->maps.ecap_pids, opts->pids, opts->n_pids);
	if (!r)
		r = fill_set(k->shared->maps.ecap_uids, opts->uids, opts->n_uids);
	if (opts->n_pids)
		set->filters |= ECAP_FILTER_PIDS;
	if (opts->children)
		set->filters |= ECAP_FILTER_PIDS | ECAP_FILTER_CHILDREN;
	if (opts->n_uids)
		set->filters |= ECAP_FILTER_UIDS;
	return r;
}

/* What is found out about the kernel, on a thread of its own. */
struct trials {
	struct ecap_kernel *kernel;
	const struct ecap_kernel_opts *opts;
	int result;
};

static void tell_emulated(const struct ecap_kernel *k)
{
	ecap_cleanup(ecap_buf_done) struct ecap_buf kinds = { 0 };

	ecap_buf_init(&kinds, MAX_KINDS_TEXT);
	for (unsigned int i = 0; i < ECAP_CODE_N_KINDS; i++) {
		if (k->is_emulated[i])
			ecap_buf_printf(&kinds, "%s%s", kinds.len ? ", " : "",
					ecap_code_kind_text((enum ecap_code_kind)i));
	}
	ecap_buf_putc(&kinds, '\0');
	ecap_debug("the kernel emulates, where a hook sits: %s",
		   kinds.len > 1 ? (const char *)kinds.data : "nothing");
}

static void *run_trials(void *arg)
{
	struct trials *t = arg;

	t->result = choose_rung(t->kernel, t->opts);
	if (t->result < 0)
		return NULL;
	t->kernel->has_loop = ecap_trial_loop();
	/* only inner functions offer a choice of places, and without it the first one is taken */
	if (ecap_kernel_has_cookies(t->kernel)) {
		ecap_trial_emulated(t->kernel->trial, t->kernel->is_emulated);
		tell_emulated(t->kernel);
	}
	return NULL;
}

static int try_and_create(struct ecap_kernel *k, const struct ecap_kernel_opts *opts)
{
	struct trials trials = { .kernel = k, .opts = opts };
	pthread_t thread;
	int r;

	lift_memlock(k);
	r = pthread_create(&thread, NULL, run_trials, &trials);
	if (r)
		return ecap_err_r(r, "cannot start a thread");
	r = create_maps(k, opts->ring_bytes);
	(void)pthread_join(thread, NULL);
	if (trials.result < 0) /* it was logged, and says more */
		return trials.result;
	if (r < 0 && !explain_memlock(k, r))
		(void)ecap_err_r(r, "cannot create the BPF maps");
	return r;
}

/* Nothing of ours uses it so far, so it is read only to see that it could be. */
static int check_btf(void)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return ecap_err_r(errno, "this kernel's type information (BTF) cannot be read, "
					 "which --btf=1 asks for; without --btf it is not needed");
	btf__free(btf);
	return 0;
}

int ecap_kernel_open(const struct ecap_kernel_opts *opts, struct ecap_kernel **ret)
{
	ecap_cleanup(ecap_kernel_freep) struct ecap_kernel *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	(void)libbpf_set_print(print_libbpf);
	register_loaders();
	r = opts->needs_btf ? check_btf() : 0;
	if (!r)
		r = try_and_create(k, opts);
	if (r < 0)
		return r;
	r = load_shared(k, &opts->selection);
	if (r < 0)
		return ecap_err_r(r, "cannot load the BPF programs (-d shows the kernel's reason)");
	r = fill_rows(k);
	if (r < 0)
		return ecap_err_r(r, "cannot fill the kernel's table of hooks");
	r = fill_settings(k, opts);
	if (r < 0)
		return ecap_err_r(r, "cannot hand the filters to the kernel");
	r = load_lifecycle(k);
	if (r < 0)
		return ecap_err_r(r, "cannot watch for ends of processes");

	*ret = ecap_take_ptr(k);
	return 0;
}

void ecap_kernel_free(struct ecap_kernel *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < ECAP_MAX_ROWS; i++)
		calls_bpf__destroy(k->rows[i]);
	lifecycle_bpf__destroy(k->lifecycle);
	if (k->settings)
		(void)munmap(k->settings, k->settings_size);
	if (k->checks)
		(void)munmap(k->checks, k->checks_size);
	calls_bpf__destroy(k->shared);
	ecap_kernel_drop_trial(k);
	free(k);
}

enum ecap_rung ecap_kernel_get_rung(const struct ecap_kernel *k)
{
	return k->rung;
}

void ecap_kernel_drop_trial(struct ecap_kernel *k)
{
	ecap_trial_freep(&k->trial);
}

unsigned int ecap_kernel_get_privileges(const struct ecap_kernel *k)
{
	return k->privileges;
}

const char *ecap_kernel_describe_rung(const struct ecap_kernel *k)
{
	return k->rung_text;
}

size_t ecap_kernel_get_bound(const struct ecap_kernel *k, const uint32_t **ret_pids)
{
	*ret_pids = k->bound;
	return k->n_bound;
}

int ecap_kernel_get_program(struct ecap_kernel *k, enum ecap_kernel_prog prog, uint32_t row,
			    const struct bpf_program **ret)
{
	const struct calls_bpf *skel = k->shared;
	int r;

	if (k->rung == ECAP_RUNG_PERF) {
		r = k->rows[row] ? 0 : load_row(k, row);
		if (r < 0)
			return r;
		skel = k->rows[row];
	}
	*ret = bpf_object__find_program_by_name(skel->obj, program_name(k, prog));
	return *ret ? 0 : -ENOENT;
}

/* ----------------------------------------------------------------------------- inner functions */

bool ecap_kernel_has_cookies(const struct ecap_kernel *k)
{
	return k->rung != ECAP_RUNG_PERF;
}

const bool *ecap_kernel_get_emulated(const struct ecap_kernel *k)
{
	return k->is_emulated;
}

/* The lowest number that is not used, or -ENOSPC. It is used then. */
static int take_number(bool *used, uint32_t n, uint32_t *ret)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!used[i]) {
			used[i] = true;
			*ret = i;
			return 0;
		}
	}
	return -ENOSPC;
}

int ecap_kernel_add_inner(struct ecap_kernel *k, uint32_t own, const struct ecap_row *row,
			  uint32_t *ret)
{
	uint32_t n;
	int r = take_number(k->inner_used, ECAP_MAX_INNER, &n);

	if (!r)
		r = put_row(k, ECAP_MAX_ROWS + n, own, *row);
	if (!r)
		*ret = ECAP_MAX_ROWS + n;
	return r;
}

void ecap_kernel_drop_inner(struct ecap_kernel *k, uint32_t row)
{
	k->inner_used[row - ECAP_MAX_ROWS] = false;
}

int ecap_kernel_add_check(struct ecap_kernel *k, uint32_t *ret)
{
	int r;

	k->check_used[0] = true; /* stands for none */
	r = take_number(k->check_used, ECAP_MAX_CHECKS, ret);
	if (!r)
		k->checks[*ret] = (struct ecap_check){ .state = ECAP_CHECK_IDLE };
	return r;
}

void ecap_kernel_open_check(struct ecap_kernel *k, uint32_t check)
{
	__atomic_store_n(&k->checks[check].state, ECAP_CHECK_OPEN, __ATOMIC_SEQ_CST);
}

void ecap_kernel_drop_check(struct ecap_kernel *k, uint32_t check)
{
	k->check_used[check] = false;
}

enum ecap_check_state ecap_kernel_get_check(struct ecap_kernel *k, uint32_t check)
{
	struct ecap_check *c = &k->checks[check];

	/* two threads may have found different things at one time */
	if (__atomic_load_n(&c->disagreed, __ATOMIC_SEQ_CST))
		__atomic_store_n(&c->state, ECAP_CHECK_FAILED, __ATOMIC_SEQ_CST);
	return (enum ecap_check_state)__atomic_load_n(&c->state, __ATOMIC_SEQ_CST);
}

/* --------------------------------------------------------------------------------- at run time */

int ecap_kernel_ring_fd(const struct ecap_kernel *k)
{
	return bpf_map__fd(k->shared->maps.ecap_events);
}

void ecap_kernel_set_active(struct ecap_kernel *k, bool active)
{
	__atomic_store_n(&k->settings->active, active, __ATOMIC_SEQ_CST);
}

void ecap_kernel_set_reader_busy(struct ecap_kernel *k, bool busy)
{
	/* sequentially consistent: the reader's next look at the ring comes after it */
	__atomic_store_n(&k->settings->reader_busy, busy, __ATOMIC_SEQ_CST);
}

int ecap_kernel_read_counters(const struct ecap_kernel *k, uint64_t ret[ECAP_CTR_COUNT])
{
	int n_cpus = libbpf_num_possible_cpus();
	ecap_autofree uint64_t *values = NULL;
	size_t size;
	int r = 0;

	if (n_cpus < 0)
		return n_cpus;
	size = (size_t)n_cpus * sizeof(*values);
	values = calloc(1, size);
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; !r && i < ECAP_CTR_COUNT; i++) {
		ret[i] = 0;
		r = bpf_map__lookup_elem(k->shared->maps.ecap_counters, &i, sizeof(i), values, size,
					 0);
		for (int cpu = 0; !r && cpu < n_cpus; cpu++)
			ret[i] += values[cpu];
	}
	return r;
}

bool ecap_kernel_is_alive(const struct ecap_kernel *k, uint64_t incarnation)
{
	uint32_t tgid = incarnation & ((1u << 22) - 1); /* see struct ecap_proc */
	struct ecap_proc proc;

	return bpf_map__lookup_elem(k->shared->maps.ecap_procs, &tgid, sizeof(tgid), &proc,
				    sizeof(proc), 0) == 0 &&
	       proc.incarnation == incarnation;
}

int ecap_kernel_table_fd(const struct ecap_kernel *k, enum ecap_table table)
{
	switch (table) {
	case ECAP_TABLE_PROCS:
		return bpf_map__fd(k->shared->maps.ecap_procs);
	case ECAP_TABLE_THREADS:
		return bpf_map__fd(k->shared->maps.ecap_threads);
	case ECAP_TABLE_STREAMS:
		return bpf_map__fd(k->shared->maps.ecap_streams);
	}
	return -EINVAL;
}

int ecap_kernel_share_maps(const struct ecap_kernel *k, struct bpf_object *obj)
{
	return share_maps(k->shared->obj, obj);
}

int ecap_kernel_add_pid(struct ecap_kernel *k, uint32_t pid)
{
	return fill_set(k->shared->maps.ecap_pids, &pid, 1);
}

void ecap_kernel_remove_pid(struct ecap_kernel *k, uint32_t pid)
{
	(void)fill_set(k->shared->maps.ecap_ended, &pid, 1);
	(void)bpf_map__delete_elem(k->shared->maps.ecap_pids, &pid, sizeof(pid), 0);
}

static bool has_key(const struct bpf_map *map, uint32_t key)
{
	char value[16]; /* as large as any of these maps */

	return bpf_map__lookup_elem(map, &key, sizeof(key), value, bpf_map__value_size(map), 0) ==
	       0;
}

bool ecap_kernel_wants_pid(const struct ecap_kernel *k, uint32_t pid)
{
	/* the last two are keyed by the numbers of the initial namespace */
	return !(k->settings->filters & ECAP_FILTER_CHILDREN) || k->settings->pidns_ino ||
	       has_key(k->shared->maps.ecap_pids, pid) ||
	       has_key(k->shared->maps.ecap_children, pid) ||
	       has_key(k->shared->maps.ecap_ended, pid);
}

bool ecap_kernel_is_in_initial_pidns(const struct ecap_kernel *k)
{
	return !k->settings->pidns_ino;
}

int ecap_kernel_take_stream(struct ecap_kernel *k, const struct ecap_stream_key *key,
			    struct ecap_stream *ret)
{
	const struct bpf_map *map = k->shared->maps.ecap_streams;
	int r = bpf_map__lookup_elem(map, key, sizeof(*key), ret, sizeof(*ret), 0);

	if (r < 0)
		return r;
	return bpf_map__delete_elem(map, key, sizeof(*key), 0);
}
