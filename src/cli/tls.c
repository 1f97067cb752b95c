/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/opt.h"
#include "cli/command.h"
#include "engine/engine.h"
#include "target/process.h"

/* As many as the kernel's filter tables hold. */
#define MAX_IDS 4096

/* The kernel's PID_MAX_LIMIT on 64 bits: no process has a higher number. */
#define MAX_PID 4194304ul
/* The highest 32-bit number means "no user". */
#define MAX_UID (UINT32_MAX - 1ul)

/* A chunk must fit twice; beyond a gigabyte a program that outruns us does so for good. */
#define MIN_RING (64ul << 10)
#define MAX_RING (1ul << 30)

#define MAX_HELP 65536

struct id_list {
	uint32_t ids[MAX_IDS];
	size_t n;
};

/* Reading every counter costs some microseconds; more often than this nobody looks. */
#define MIN_STATS_MS 100ul
#define MAX_STATS_MS (24ul * 3600 * 1000)

struct tls_args {
	struct ecap_opt_strings outputs;
	const char *library;
	struct id_list pids;
	struct id_list uids;
	enum ecap_rung rung;
	uint32_t ring_bytes;
	uint64_t stats_ns;
	enum ecap_placement_choice placement;
	bool hex;
	bool dry_run;
	bool debug;
	bool help;
};

/* ------------------------------------------------------------------------------- option values */

struct id_range {
	unsigned long least;
	unsigned long most;
	const char *what; /* is identified: "process" */
};

static bool has_id(const struct id_list *list, uint32_t id)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->ids[i] == id)
			return true;
	}
	return false;
}

/* Add the comma-separated numbers of @arg, each once. */
static int parse_ids(const char *arg, struct id_list *list, const struct id_range *range,
		     struct ecap_opt_error *err)
{
	const char *p = arg;

	for (;;) {
		unsigned long v;
		char *end;

		errno = 0;
		v = strtoul(p, &end, 10);
		if (*p < '0' || *p > '9' || errno || (*end && *end != ','))
			return ecap_opt_fail(err, "'%s' is not a list of numbers like 12,34", arg);
		if (v < range->least || v > range->most)
			return ecap_opt_fail(err, "%lu is no %s id", v, range->what);
		if (has_id(list, (uint32_t)v))
			; /* named twice */
		else if (list->n == MAX_IDS)
			return ecap_opt_fail(err, "more than %d numbers", MAX_IDS);
		else
			list->ids[list->n++] = (uint32_t)v;
		if (!*end)
			return 0;
		p = end + 1;
	}
}

static int parse_pids(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct id_range range = { .least = 1, .most = MAX_PID, .what = "process" };

	return parse_ids(arg, dest, &range, err);
}

static int parse_uids(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct id_range range = { .most = MAX_UID, .what = "user" };

	return parse_ids(arg, dest, &range, err);
}

static int parse_attach(const char *arg, void *dest, struct ecap_opt_error *err)
{
	if (ecap_rung_parse(arg, dest) < 0)
		return ecap_opt_fail(err, "'%s' is none of auto, multi, perf-cookie and perf", arg);
	return 0;
}

static int parse_placement(const char *arg, void *dest, struct ecap_opt_error *err)
{
	enum ecap_placement_choice *choice = dest;

	if (strcmp(arg, "auto") == 0)
		*choice = ECAP_PLACE_AUTO;
	else if (strcmp(arg, "public") == 0)
		*choice = ECAP_PLACE_PUBLIC;
	else
		return ecap_opt_fail(err, "'%s' is neither auto nor public", arg);
	return 0;
}

/* "5s", "500ms", "2m"; a bare number is seconds. */
static int parse_period(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct {
		const char *name;
		unsigned long ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	unsigned long v, ms = 0;
	char *end;

	errno = 0;
	v = strtoul(arg, &end, 10);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].name) == 0)
			ms = units[i].ms;
	}
	if (*arg < '0' || *arg > '9' || !ms || errno)
		return ecap_opt_fail(err, "'%s' is not a time like 5s, 500ms or 2m", arg);
	if (v > MAX_STATS_MS / ms || v * ms < MIN_STATS_MS)
		return ecap_opt_fail(err, "%s is not between 100ms and 24h", arg);
	*(uint64_t *)dest = (uint64_t)v * ms * 1000000;
	return 0;
}

/* "64" is KiB, as the tool that this one replaces had it; "32M" says its unit. */
static int parse_ring(const char *arg, void *dest, struct ecap_opt_error *err)
{
	unsigned int shift = 10;
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(arg, &end, 10);
	if (*end == 'M')
		shift = 20;
	else if (*end == 'G')
		shift = 30;
	if (*end == 'K' || *end == 'M' || *end == 'G')
		end++;
	if (*arg < '0' || *arg > '9' || *end || errno)
		return ecap_opt_fail(err, "'%s' is not a size like 65536 (KiB) or 64M", arg);
	if (v > MAX_RING >> shift || v << shift < MIN_RING)
		return ecap_opt_fail(err, "%s is not between 64K and 1G", arg);
	*(uint32_t *)dest = (uint32_t)(v << shift);
	return 0;
}

/* --------------------------------------------------------------------------------- the options */

#define AT(member) .offset = offsetof(struct tls_args, member)

static const struct ecap_opt opts[] = {
	{
		.group = "What to capture",
		.name = "pid",
		.short_name = 'p',
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_pids,
		.arg = "PID[,PID...]",
		.help = "Capture these processes only. Can be repeated.",
		AT(pids),
	},
	{
		.name = "uid",
		.short_name = 'u',
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_uids,
		.arg = "UID[,UID...]",
		.help = "Capture processes of these users only; 0 is root. Can be repeated.",
		AT(uids),
	},
	{
		.name = "libssl",
		.type = ECAP_OPT_STRING,
		.arg = "PATH",
		.help = "Hook this library, or this program that contains one, and nothing else. "
			"Without it every TLS library that is known, and that the dynamic linker's "
			"cache or a running process shows, is hooked.",
		AT(library),
	},
	{
		.group = "Output",
		.name = "output",
		.short_name = 'o',
		.type = ECAP_OPT_STRINGS,
		.arg = "FORMAT[=DEST]",
		.help = "Write FORMAT (text or json) to DEST, a file or - for standard output, "
			"which is the default. Can be repeated. Without it: text.",
		AT(outputs),
	},
	{
		.name = "hex",
		.type = ECAP_OPT_FLAG,
		.help = "In text, show plaintext as a hex dump.",
		AT(hex),
	},
	{
		.name = "stats",
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_period,
		.arg = "TIME",
		.help = "Also write all counters every TIME (5s, 500ms, 2m): what was seen, what "
			"was lost and why. At the end json has them in any case, and the summary "
			"on standard error says them.",
		AT(stats_ns),
	},
	{
		.group = "How it works",
		.name = "attach",
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_attach,
		.arg = "HOW",
		.help = "Attach hooks as multi (one uprobe multi link for many, Linux 6.6), "
			"perf-cookie (a perf event each, Linux 5.15) or perf (the same on older "
			"kernels), and fail if the kernel does not give it. auto, the default, "
			"takes the first that works.",
		AT(rung),
	},
	{
		.name = "placement",
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_placement,
		.arg = "WHERE",
		.help = "Hook the functions that programs call (public), or the ones inside the "
			"library that do their work (auto, the default), where the library's code "
			"proves that they show the same and the first calls confirm it. That costs "
			"the program far less, and shows what goes past the public ones "
			"(BIO_f_ssl).",
		AT(placement),
	},
	{
		.name = "mapsize",
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_ring,
		.arg = "SIZE",
		.help = "Size of the buffer between the kernel and ecapture, in KiB or with K, M, "
			"G; rounded up to a power of two. Larger holds longer bursts. The default "
			"is 32M.",
		AT(ring_bytes),
	},
	{
		.name = "dry-run",
		.type = ECAP_OPT_FLAG,
		.help = "Find targets and check everything, but hook nothing.",
		AT(dry_run),
	},
	{
		.name = "debug",
		.short_name = 'd',
		.type = ECAP_OPT_FLAG,
		.help = "Say more on standard error, libbpf's and the verifier's words included.",
		AT(debug),
	},
	{
		.name = "help",
		.short_name = 'h',
		.type = ECAP_OPT_FLAG,
		.help = "Show this help.",
		AT(help),
	},
};

/* Flags of the tool that this one replaces, as far as they have not come yet. */
static const struct ecap_opt_later later[] = {
	{ .name = "btf", .short_name = 'b' },
	{ .name = "logaddr", .short_name = 'l' },
	{ .name = "eventaddr" },
	{ .name = "ecaptureq" },
	{ .name = "listen" },
	{ .name = "tsize", .short_name = 't' },
	{ .name = "eventroratesize" },
	{ .name = "eventroratetime" },
	{ .name = "cgroup_path" },
	{ .name = "model", .short_name = 'm' },
	{ .name = "keylogfile", .short_name = 'k' },
	{ .name = "pcapfile", .short_name = 'w' },
	{ .name = "ifname", .short_name = 'i' },
	{ .name = "ssl_version" },
	{ .name = "perf-reorder" },
	{ .name = "perf-reorder-lag-ms" },
};

static const struct ecap_opt_table table = {
	.opts = opts,
	.n_opts = ECAP_ARRAY_SIZE(opts),
	.later = later,
	.n_later = ECAP_ARRAY_SIZE(later),
};

void ecap_tls_put_help(struct ecap_buf *out)
{
	ecap_opt_put_help(&table, out);
}

void ecap_tls_put_mdoc(struct ecap_buf *out)
{
	ecap_opt_put_mdoc(&table, out);
}

/* -------------------------------------------------------------------------------------- checks */

static int usage_error(const char *text)
{
	ecap_err("%s; `ecapture tls --help` shows the options", text);
	return ECAP_EXIT_USAGE;
}

/* Take "FORMAT[=DEST]" apart. @text is argv's and stays; *ret borrows from it. */
static int parse_output(const char *text, struct ecap_output_spec *ret, struct ecap_opt_error *err)
{
	const char *equals = strchr(text, '=');
	char format[32] = "";
	size_t len = equals ? (size_t)(equals - text) : strlen(text);

	if (len < sizeof(format))
		memcpy(format, text, len);
	*ret = (struct ecap_output_spec){
		.sink = ecap_sink_find(format),
		.dest = equals ? equals + 1 : "-",
	};
	if (!ret->sink)
		return ecap_opt_fail(err, "-o %s: the format is neither text nor json", text);
	if (!*ret->dest)
		return ecap_opt_fail(err, "-o %s: a file or - is missing after =", text);
	if (strstr(ret->dest, "://"))
		return ecap_opt_fail(err, "-o %s: network destinations have not come yet", text);
	return 0;
}

/* @specs has room for all of args->outputs, and one. */
static int parse_outputs(const struct tls_args *args, struct ecap_output_spec *specs,
			 struct ecap_opt_error *err)
{
	int r;

	if (!args->outputs.n)
		return parse_output("text", &specs[0], err) < 0 ? -EINVAL : 1;
	for (size_t i = 0; i < args->outputs.n; i++) {
		r = parse_output(args->outputs.items[i], &specs[i], err);
		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(specs[i].dest, specs[j].dest) == 0)
				return ecap_opt_fail(err,
						     "two outputs go to %s; give one another file, "
						     "e.g. -o json=FILE",
						     strcmp(specs[i].dest, "-") == 0 ?
							     "standard output" :
							     specs[i].dest);
		}
	}
	return (int)args->outputs.n;
}

/* Another namespace's /proc says nothing about our numbers: then threads pass for processes. */
static int find_tgid(pid_t pid, bool proc_is_ours, pid_t *ret)
{
	if (proc_is_ours)
		return ecap_process_tgid(pid, ret);
	if (kill(pid, 0) < 0 && errno == ESRCH)
		return -ESRCH;
	*ret = pid;
	return 0;
}

/* Each -p must name a process that is there, else the capture would wait for nothing. */
static int check_pids(const struct id_list *pids)
{
	bool proc_is_ours = ecap_process_proc_is_ours();

	for (size_t i = 0; i < pids->n; i++) {
		pid_t pid = (pid_t)pids->ids[i], tgid = 0;
		int r = find_tgid(pid, proc_is_ours, &tgid);

		if (r == -ESRCH) {
			ecap_err("-p %d: there is no such process; `pgrep -a NAME` finds one", pid);
			return r;
		}
		if (r < 0)
			return ecap_err_r(r, "-p %d: cannot read /proc/%d/status", pid, pid);
		if (tgid != pid) {
			ecap_err("-p %d: that is a thread of process %d; use -p %d", pid, tgid,
				 tgid);
			return -EINVAL;
		}
	}
	return 0;
}

static int capture(const struct tls_args *args)
{
	struct ecap_output_spec specs[ECAP_OPT_STRINGS_MAX + 1];
	struct ecap_opt_error err = { 0 };
	int n = parse_outputs(args, specs, &err);
	struct ecap_engine_opts engine_opts = {
		.outputs = specs,
		.n_outputs = (size_t)n,
		.library = args->library,
		.pids = args->pids.ids,
		.n_pids = args->pids.n,
		.uids = args->uids.ids,
		.n_uids = args->uids.n,
		.rung = args->rung,
		.ring_bytes = args->ring_bytes,
		.stats_ns = args->stats_ns,
		.placement = args->placement,
		.sink_opts = { .hex = args->hex },
		.dry_run = args->dry_run,
	};

	if (n < 0)
		return usage_error(err.text);
	if (check_pids(&args->pids) < 0)
		return ECAP_EXIT_FAILED;
	return ecap_engine_run(&engine_opts) < 0 ? ECAP_EXIT_FAILED : EXIT_SUCCESS;
}

static int show_help(void)
{
	struct ecap_buf out;
	int status;

	ecap_buf_init(&out, MAX_HELP);
	ecap_buf_puts(&out,
		      "Usage: ecapture tls [OPTION...]\n\n"
		      "Show what programs say inside their TLS connections, until Ctrl-C.\n\n");
	ecap_tls_put_help(&out);
	ecap_buf_puts(&out, "\nExamples:\n"
			    "  ecapture tls                           everything, as text\n"
			    "  ecapture tls -p $(pidof nginx | tr ' ' ,)\n"
			    "  ecapture tls -o json=capture.jsonl     for programs\n");
	status = ecap_command_print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

static int run(int argc, char **argv)
{
	ecap_autofree struct tls_args *args = calloc(1, sizeof(*args));
	struct ecap_opt_error err = { 0 };
	int operand;

	if (!args)
		return ECAP_EXIT_FAILED;
	args->rung = ECAP_RUNG_AUTO;
	operand = ecap_opt_parse(&table, argc, argv, args, &err);
	if (operand < 0)
		return usage_error(err.text);
	if (args->help)
		return show_help();
	if (operand < argc) {
		ecap_err("'%s' is not expected here; `ecapture tls --help` shows the options",
			 argv[operand]);
		return ECAP_EXIT_USAGE;
	}
	if (args->debug)
		ecap_log_set_level(ECAP_LOG_DEBUG);
	return capture(args);
}

const struct ecap_command ecap_command_tls = {
	.name = "tls",
	.alias = "openssl",
	.summary = "show what programs say inside TLS (the default)",
	.run = run,
};
