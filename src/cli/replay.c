/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/opt.h"
#include "cli/command.h"
#include "cli/output_options.h"
#include "cli/values.h"
#include "engine/engine.h"

#define MAX_HELP 65536

struct replay_args {
	struct ecap_id_list pids;
	struct ecap_id_list uids;
	struct ecap_id_list conns;
	struct ecap_output_args output;
	bool debug;
	bool help;
};

#define AT(member) .offset = offsetof(struct replay_args, member)

static const struct ecap_opt selecting_opts[] = {
	{
		.group = "What to show",
		.name = "pid",
		.short_name = 'p',
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_pids,
		.arg = "PID[,PID...]",
		.help = "Show what these processes said only, and losses of which it is not known "
			"whose they are. Can be repeated.",
		AT(pids),
	},
	{
		.name = "uid",
		.short_name = 'u',
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_uids,
		.arg = "UID[,UID...]",
		.help = "The same for processes of these users.",
		AT(uids),
	},
	{
		.name = "conn",
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_conns,
		.arg = "ID[,ID...]",
		.help = "The same for these connections, by the numbers that output gives them.",
		AT(conns),
	},
};

static const struct ecap_opt other_opts[] = {
	{
		.group = "Other",
		.name = "debug",
		.short_name = 'd',
		.type = ECAP_OPT_FLAG,
		.help = "Say more on standard error.",
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

#define PART(rows) { .opts = (rows), .n_opts = ECAP_ARRAY_SIZE(rows) }

static const struct ecap_opt_part parts[] = {
	PART(selecting_opts),
	{
		.opts = ecap_output_opts,
		.n_opts = ECAP_OUTPUT_N_OPTS,
		.offset = offsetof(struct replay_args, output),
	},
	PART(other_opts),
};

static const struct ecap_opt_table table = {
	.parts = parts,
	.n_parts = ECAP_ARRAY_SIZE(parts),
};

void ecap_replay_put_options_mdoc(struct ecap_buf *out)
{
	static const struct ecap_opt_table own = { .parts = parts, .n_parts = 1 };

	ecap_buf_puts(out, ".Sh OPTIONS OF REPLAY\n"
			   "It needs no privilege, and takes the options for output, too.\n"
			   "Exchanges and connections have the numbers that they had in the run "
			   "that was\ncaptured.\n");
	ecap_opt_put_mdoc(&own, out);
}

static int show_help(void)
{
	struct ecap_buf out;
	int status;

	ecap_buf_init(&out, MAX_HELP);
	ecap_buf_puts(&out,
		      "Usage: ecapture replay FILE [OPTION...]\n\n"
		      "Show what a capture file has, written by -o capture=FILE, as the run that "
		      "wrote\nit did. FILE is - for standard input. Needs no privilege.\n\n");
	ecap_opt_put_help(&table, &out);
	ecap_buf_puts(&out, "\nExamples:\n"
			    "  ecapture replay today.ecap\n      everything, as text\n"
			    "  ecapture replay today.ecap -p PID -o json\n      one process, for "
			    "programs\n"
			    "  ssh root@HOST ecapture tls -o capture | ecapture replay -\n"
			    "      capture there, look at it here\n");
	status = ecap_command_print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

static int usage_error(const char *text)
{
	ecap_err("%s; `ecapture replay --help` shows the options", text);
	return ECAP_EXIT_USAGE;
}

/* Options may stand before the file and after it. @argv[0] is not looked at. */
static int parse_args(int argc, char **argv, struct replay_args *args, const char **ret_file,
		      struct ecap_opt_error *err)
{
	int first = ecap_opt_parse(&table, argc, argv, args, err), second;

	if (first < 0 || first == argc)
		return first < 0 ? first : 0;
	*ret_file = argv[first];
	second = ecap_opt_parse(&table, argc - first, argv + first, args, err);
	if (second < 0)
		return second;
	if (second < argc - first)
		return ecap_opt_fail(err, "'%s' is not expected here: one file at a time",
				     argv[first + second]);
	return 0;
}

static int replay(const char *file, const struct replay_args *args)
{
	struct ecap_output_spec specs[ECAP_OUTPUT_MAX_SPECS];
	struct ecap_opt_error err = { 0 };
	int n = ecap_output_get_specs(&args->output, specs, &err);
	const struct ecap_replay_opts opts = {
		.file = file,
		.outputs = specs,
		.n_outputs = (size_t)n,
		.sink_opts = ecap_output_get_sink_opts(&args->output),
		.filter = {
			.pids = args->pids.ids,
			.n_pids = args->pids.n,
			.uids = args->uids.ids,
			.n_uids = args->uids.n,
			.conns = args->conns.ids,
			.n_conns = args->conns.n,
		},
		.stream_limit = args->output.stream_limit,
	};

	if (n < 0)
		return usage_error(err.text);
	return ecap_replay_run(&opts) < 0 ? ECAP_EXIT_FAILED : EXIT_SUCCESS;
}

static int run(int argc, char **argv)
{
	ecap_autofree struct replay_args *args = calloc(1, sizeof(*args));
	struct ecap_opt_error err = { 0 };
	const char *file = NULL;

	if (!args)
		return ECAP_EXIT_FAILED;
	if (parse_args(argc, argv, args, &file, &err) < 0)
		return usage_error(err.text);
	if (args->help)
		return show_help();
	if (!file)
		return usage_error("which file? Name one, or - for standard input");
	if (args->debug)
		ecap_log_set_level(ECAP_LOG_DEBUG);
	return replay(file, args);
}

const struct ecap_command ecap_command_replay = {
	.name = "replay",
	.summary = "show what a capture file has: ecapture replay FILE",
	.run = run,
	.show_help = show_help,
};
