/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/opt.h"
#include "cli/command.h"
#include "cli/output_options.h"
#include "cli/setup.h"
#include "cli/values.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "engine/registry.h"
#include "target/needed.h"
#include "target/process.h"

#define MAX_HELP 65536

struct capture_args {
	struct ecap_output_args output;
	const char *library;
	struct ecap_id_list pids;
	struct ecap_id_list uids;
	enum ecap_rung rung;
	uint32_t ring_bytes;
	uint64_t stats_ns;
	bool children;
	uint64_t duration_ns;
	uint64_t n_events;
	bool needs_btf;
	enum ecap_placement_choice placement;
	bool dry_run;
	bool debug;
	bool help;
	struct ecap_launch *launch; /* of the command; NULL: there is none */
	const char *program;
};

/* ------------------------------------------------------------------------------- option values */

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

/* --------------------------------------------------------------------------------- the options */

/* What the tool that this one replaces called --libssl in its other commands. */
static const char *const library_aliases[] = {
	"gnutls", "nspr", "nss", "bash", "readlineso", NULL,
};

#define AT(member) .offset = offsetof(struct capture_args, member)

static const struct ecap_opt selecting_opts[] = {
	{
		.group = "What to capture",
		.name = "pid",
		.short_name = 'p',
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_pids,
		.arg = "PID[,PID...]",
		.help = "Capture these processes only. Can be repeated.",
		AT(pids),
	},
	{
		.name = "children",
		.type = ECAP_OPT_FLAG,
		.help = "With -p: also everything that these processes have started and will "
			"start, and what that starts in turn.",
		AT(children),
	},
	{
		.name = "uid",
		.short_name = 'u',
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_uids,
		.arg = "UID[,UID...]",
		.help = "Capture processes of these users only; 0 is root. Can be repeated.",
		AT(uids),
	},
	{
		.name = "libssl",
		.aliases = library_aliases,
		.type = ECAP_OPT_STRING,
		.arg = "PATH",
		.help = "Hook this library, or this program that contains one, and nothing else; "
			"with the command bash also as --bash. Without it everything that the "
			"command covers is hooked, as far as the dynamic linker's cache or a "
			"running process shows it.",
		AT(library),
	},
	{
		.name = "model",
		.short_name = 'm',
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_model,
		.arg = "text",
		.help = "What to capture; for scripts of the tool that this one replaces. text, "
			"plaintext, is what there is so far, and the default.",
	},
};

/* Goes on under the heading of the options for output. */
static const struct ecap_opt counting_opts[] = {
	{
		.name = "stats",
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_period,
		.arg = "TIME",
		.help = "Also write all counters every TIME (5s, 500ms, 2m): what was seen, what "
			"was lost and why. At the end json has them in any case, and the summary "
			"on standard error says them.",
		AT(stats_ns),
	},
};

static const struct ecap_opt ending_opts[] = {
	{
		.group = "When it ends",
		.name = "duration",
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_duration,
		.arg = "TIME",
		.help = "Capture for TIME (5s, 500ms, 2m), at most 24h. A command that was started "
			"goes on without being captured, and is waited for.",
		AT(duration_ns),
	},
	{
		.name = "count",
		.short_name = 'c',
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_count,
		.arg = "N",
		.help = "Stop after N events of the first output: in text each request, response, "
			"raw piece or typed line that is shown, in json each line that is not a "
			"target, a loss or counters. A command is waited for as with --duration.",
		AT(n_events),
	},
};

static const struct ecap_opt working_opts[] = {
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
		.parse = ecap_value_parse_ring,
		.arg = "SIZE",
		.help = "Size of the buffer between the kernel and ecapture, in KiB or with K, M, "
			"G; rounded up to a power of two. Larger holds longer bursts. The default "
			"is 32M.",
		AT(ring_bytes),
	},
	{
		.name = "btf",
		.short_name = 'b',
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_btf,
		.arg = "MODE",
		.help = "Use of the kernel's type information (BTF): 0, the default, as it comes; "
			"1, fail if the kernel has none; 2, do without. No capture needs it so "
			"far, so 0 and 2 are the same.",
		AT(needs_btf),
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
	{ .name = "logaddr", .short_name = 'l' },
	{ .name = "eventaddr" },
	{ .name = "ecaptureq" },
	{ .name = "listen" },
	{ .name = "eventroratesize" },
	{ .name = "eventroratetime" },
	{ .name = "cgroup_path" },
	{ .name = "keylogfile", .short_name = 'k' },
	{ .name = "pcapfile", .short_name = 'w' },
	{ .name = "ifname", .short_name = 'i' },
	{ .name = "ssl_version" },
	{ .name = "errnumber", .short_name = 'e' },
	{ .name = "perf-reorder" },
	{ .name = "perf-reorder-lag-ms" },
};

#define PART(rows) { .opts = (rows), .n_opts = ECAP_ARRAY_SIZE(rows) }

static const struct ecap_opt_part parts[] = {
	PART(selecting_opts),
	{
		.opts = ecap_output_opts,
		.n_opts = ECAP_OUTPUT_N_OPTS,
		.offset = offsetof(struct capture_args, output),
	},
	PART(counting_opts),
	PART(ending_opts),
	PART(working_opts),
};

static const struct ecap_opt_table table = {
	.parts = parts,
	.n_parts = ECAP_ARRAY_SIZE(parts),
	.later = later,
	.n_later = ECAP_ARRAY_SIZE(later),
};

/* -------------------------------------------------------------------------------- the commands */

/* The kinds of probes, in the order of --help. */
static const struct kind {
	const char *heading;
	const char *command; /* covers all probes of the kind; NULL: there is none */
	const char *summary; /* of that command */
	const char *intro;   /* of the help of each command */
} kinds[] = {
	[ECAP_PROBE_TLS] = {
		.heading = "TLS connections",
		.command = "tls",
		.summary = "plaintext of all of these (the default)",
		.intro = "Show what programs say inside their TLS connections, until Ctrl-C",
	},
	[ECAP_PROBE_SHELL] = {
		.heading = "Shells",
		.intro = "Show what is typed into shells, until Ctrl-C",
	},
};
_Static_assert(ECAP_ARRAY_SIZE(kinds) == ECAP_PROBE_KIND_COUNT, "a kind without its words");

static const char *command_name(const struct ecap_selection *sel)
{
	return sel->probe ? sel->probe->name : kinds[sel->kind].command;
}

static bool is_named(const struct ecap_probe_desc *probe, const char *name)
{
	return strcmp(name, probe->name) == 0 || (probe->alias && strcmp(name, probe->alias) == 0);
}

bool ecap_capture_find(const char *name, struct ecap_selection *ret)
{
	uint32_t row;

	for (unsigned int kind = 0; kind < ECAP_PROBE_KIND_COUNT; kind++) {
		if (kinds[kind].command && strcmp(name, kinds[kind].command) == 0) {
			*ret = (struct ecap_selection){ .kind = (enum ecap_probe_kind)kind };
			return true;
		}
	}
	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);

		if (is_named(probe, name)) {
			*ret = (struct ecap_selection){ .kind = probe->kind, .probe = probe };
			return true;
		}
	}
	return false;
}

size_t ecap_capture_get_names(const char **ret, size_t max)
{
	size_t n = 0;
	uint32_t row;

	for (unsigned int kind = 0; kind < ECAP_PROBE_KIND_COUNT; kind++) {
		if (kinds[kind].command && n < max)
			ret[n++] = kinds[kind].command;
	}
	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);

		if (n < max)
			ret[n++] = probe->name;
		if (probe->alias && n < max)
			ret[n++] = probe->alias;
	}
	return n;
}

/* Call @put for each command of a kind; the one that covers all of it comes first. */
static void each_command(struct ecap_buf *out, enum ecap_probe_kind kind,
			 void (*put)(struct ecap_buf *out, const char *name, const char *alias,
				     const char *summary))
{
	uint32_t row;

	if (kinds[kind].command)
		put(out, kinds[kind].command, NULL, kinds[kind].summary);
	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);

		if (probe->kind == kind)
			put(out, probe->name, probe->alias, probe->summary);
	}
}

static void put_command(struct ecap_buf *out, const char *name, const char *alias,
			const char *summary)
{
	ecap_buf_printf(out, "  %-10s %s%s%s%s\n", name, summary, alias ? " (also: " : "",
			alias ? alias : "", alias ? ")" : "");
}

static void put_command_mdoc(struct ecap_buf *out, const char *name, const char *alias,
			     const char *summary)
{
	ecap_buf_printf(out, ".It Cm %s", name);
	if (alias)
		ecap_buf_printf(out, " , %s", alias);
	ecap_buf_printf(out, "\nCapture: %s.\n", summary);
}

void ecap_capture_put_commands(struct ecap_buf *out)
{
	for (unsigned int kind = 0; kind < ECAP_PROBE_KIND_COUNT; kind++) {
		ecap_buf_printf(out, "%s:\n", kinds[kind].heading);
		each_command(out, (enum ecap_probe_kind)kind, put_command);
		ecap_buf_putc(out, '\n');
	}
}

void ecap_capture_put_commands_mdoc(struct ecap_buf *out)
{
	for (unsigned int kind = 0; kind < ECAP_PROBE_KIND_COUNT; kind++)
		each_command(out, (enum ecap_probe_kind)kind, put_command_mdoc);
}

void ecap_capture_put_options(struct ecap_buf *out)
{
	ecap_opt_put_help(&table, out);
}

void ecap_capture_put_options_mdoc(struct ecap_buf *out)
{
	ecap_opt_put_mdoc(&table, out);
}

/* -------------------------------------------------------------------------------------- checks */

static int usage_error(const struct ecap_selection *sel, const char *text)
{
	ecap_err("%s; `ecapture %s --help` shows the options", text, command_name(sel));
	return ECAP_EXIT_USAGE;
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
static int check_pids(const struct ecap_id_list *pids)
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

/* What cannot be asked for together. NULL: all is well. */
static const char *find_conflict(const struct ecap_selection *sel, const struct capture_args *args)
{
	if (sel->kind != ECAP_PROBE_TLS && args->placement != ECAP_PLACE_AUTO)
		return "--placement is about functions of TLS libraries only";
	if (args->launch && args->pids.n)
		return "-p names processes that run, and -- a command that is to be run: not both";
	if (args->children && !args->pids.n && !args->launch)
		return "--children goes with -p: whose children?";
	return NULL;
}

/* @args->launch, if there is one, is waited for if it was let go. Returns the exit status. */
static int capture(const struct ecap_selection *sel, const struct capture_args *args)
{
	const uint32_t command_pid = args->launch ? (uint32_t)ecap_launch_get_pid(args->launch) : 0;
	struct ecap_output_spec specs[ECAP_OUTPUT_MAX_SPECS];
	struct ecap_opt_error err = { 0 };
	int n = ecap_output_get_specs(&args->output, specs, &err);
	struct ecap_engine_opts engine_opts = {
		.outputs = specs,
		.n_outputs = (size_t)n,
		.selection = *sel,
		.library = args->library,
		.pids = args->launch ? &command_pid : args->pids.ids,
		.n_pids = args->launch ? 1 : args->pids.n,
		.children = args->children || args->launch,
		.launch = args->launch,
		.program = args->program,
		.duration_ns = args->duration_ns,
		.n_events = args->n_events,
		.uids = args->uids.ids,
		.n_uids = args->uids.n,
		.rung = args->rung,
		.ring_bytes = args->ring_bytes,
		.stats_ns = args->stats_ns,
		.needs_btf = args->needs_btf,
		.stream_limit = args->output.stream_limit,
		.placement = args->placement,
		.sink_opts = ecap_output_get_sink_opts(&args->output),
		.dry_run = args->dry_run,
	};

	const char *conflict = find_conflict(sel, args);
	int r;

	if (n < 0 || conflict)
		return usage_error(sel, n < 0 ? err.text : conflict);
	if (check_pids(&args->pids) < 0)
		return ECAP_EXIT_FAILED;
	r = ecap_engine_run(&engine_opts);
	if (args->launch && !(args->dry_run && r >= 0))
		return ecap_launch_wait(args->launch);
	return r < 0 ? ECAP_EXIT_FAILED : EXIT_SUCCESS;
}

/* Run a command to capture it. Returns the exit status. */
static int capture_command(const struct ecap_selection *sel, struct capture_args *args,
			   char *const *argv)
{
	ecap_cleanup(ecap_launch_freep) struct ecap_launch *launch = NULL;
	char program[PATH_MAX];
	int r = ecap_needed_find_program(argv[0], program, sizeof(program));

	if (r < 0) {
		(void)ecap_err_r(r, "cannot run %s", argv[0]);
		return r == -EACCES ? ECAP_LAUNCH_NOT_EXECUTABLE : ECAP_LAUNCH_NOT_FOUND;
	}
	/* before anything is changed that it would inherit */
	r = ecap_launch_new(argv, &launch);
	if (r < 0) {
		(void)ecap_err_r(r, "cannot make a process for %s", argv[0]);
		return ECAP_LAUNCH_FAILED;
	}
	if (ecap_setup_process() < 0)
		return ECAP_LAUNCH_FAILED;
	args->launch = launch;
	args->program = program;
	r = capture(sel, args);
	args->program = NULL;
	args->launch = NULL;
	return r;
}

int ecap_capture_show_help(const struct ecap_selection *sel)
{
	const char *name = command_name(sel);
	struct ecap_buf out;
	int status;

	ecap_buf_init(&out, MAX_HELP);
	ecap_buf_printf(&out, "Usage: ecapture %s [OPTION...] [-- COMMAND [ARGUMENT...]]\n\n%s",
			name, kinds[sel->kind].intro);
	if (sel->probe)
		ecap_buf_printf(&out, ":\n%s", sel->probe->summary);
	ecap_buf_puts(&out, ".\n\n");
	ecap_capture_put_options(&out);
	ecap_buf_printf(&out,
			"\nExamples:\n"
			"  ecapture %s\n      everything, as text\n"
			"  ecapture %s -p PID,PID\n      two processes\n"
			"  ecapture %s -o text=FILE -- COMMAND ARGUMENT\n      a command that it "
			"runs, from its first byte on, and what that starts\n"
			"  ecapture %s -o json=capture.jsonl\n      for programs\n",
			name, name, name, name);
	status = ecap_command_print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

/* What stands behind the options, from @operand on, is a command behind -- or nothing at all. */
static int check_operands(const struct ecap_selection *sel, int argc, char **argv, int operand)
{
	const bool is_behind_dashes = operand > 1 && strcmp(argv[operand - 1], "--") == 0;

	if (operand == argc && is_behind_dashes) {
		/* `-- $COMMAND` with an empty variable was not meant to capture everybody */
		(void)usage_error(sel, "which command? None comes after --");
		return -EINVAL;
	}
	if (operand == argc || is_behind_dashes)
		return 0;
	ecap_err("'%s' is not expected here; a command to run comes after --, and `ecapture %s "
		 "--help` shows the options",
		 argv[operand], command_name(sel));
	return -EINVAL;
}

int ecap_capture_run(const struct ecap_selection *sel, int argc, char **argv)
{
	ecap_autofree struct capture_args *args = calloc(1, sizeof(*args));
	struct ecap_opt_error err = { 0 };
	int operand;

	if (!args)
		return ECAP_EXIT_FAILED;
	args->rung = ECAP_RUNG_AUTO;
	operand = ecap_opt_parse(&table, argc, argv, args, &err);
	if (operand < 0)
		return usage_error(sel, err.text);
	if (args->help)
		return ecap_capture_show_help(sel);
	if (check_operands(sel, argc, argv, operand) < 0)
		return ECAP_EXIT_USAGE;
	if (args->debug)
		ecap_log_set_level(ECAP_LOG_DEBUG);
	if (operand < argc)
		return capture_command(sel, args, argv + operand);
	return ecap_setup_process() < 0 ? ECAP_EXIT_FAILED : capture(sel, args);
}
