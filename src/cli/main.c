/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/opt.h"
#include "cli/command.h"
#include "cli/setup.h"
#include "engine/privileges.h"
#include "engine/registry.h"
#include "engine/selection.h"
#include "parsers/codec.h"
#include "sinks/sink.h"

#define MAX_PAGE  65536
#define MAX_NAMES 64
/* What is said of one capability. */
#define MAX_SENTENCES 512

static int run_help(int argc, char **argv);
static int run_man(int argc, char **argv);

int ecap_command_print(const char *text, size_t len)
{
	if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0) {
		ecap_err("cannot write to standard output");
		return ECAP_EXIT_FAILED;
	}
	return EXIT_SUCCESS;
}

/* Of a command that only prints: there is nothing to say to it. */
static int unexpected_argument(const char *arg)
{
	ecap_err("'%s' is not expected here; `ecapture help` lists what there is", arg);
	return ECAP_EXIT_USAGE;
}

static int run_schema(int argc, char **argv)
{
	if (argc > 1)
		return unexpected_argument(argv[1]);
	return ecap_command_print(ecap_schema_json, ecap_schema_json_len);
}

static int print_version(void)
{
	struct ecap_buf out;
	int status;

	ecap_buf_init(&out, MAX_PAGE);
	ecap_buf_puts(&out, "ecapture " ECAP_VERSION "\n");
	ecap_buf_puts(&out, "probes:");
	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		uint32_t row;

		ecap_buf_printf(&out, " %s", ecap_registry_get_probe(i, &row)->name);
	}
	ecap_buf_puts(&out, "\noutputs:");
	for (size_t i = 0; ecap_sink_get(i); i++)
		ecap_buf_printf(&out, " %s", ecap_sink_get(i)->name);
	ecap_buf_puts(&out, "\nprotocols: http/1 (");
	for (unsigned int i = ECAP_CODING_GZIP; i < ECAP_CODING_COUNT; i++)
		ecap_buf_printf(&out, "%s%s", i > ECAP_CODING_GZIP ? " " : "",
				ecap_coding_name((enum ecap_coding)i));
	ecap_buf_printf(&out, ")\nbuild: " ECAP_BUILD ", libbpf %s\n", libbpf_version_string());
	status = ecap_command_print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

static int run_version(int argc, char **argv)
{
	if (argc > 1)
		return unexpected_argument(argv[1]);
	return print_version();
}

static const struct ecap_command command_schema = {
	.name = "schema",
	.summary = "print the JSON schema of -o json",
	.run = run_schema,
};

static const struct ecap_command command_man = {
	.name = "man",
	.summary = "print the manual page: ecapture man | man -l -",
	.run = run_man,
};

static const struct ecap_command command_version = {
	.name = "version",
	.summary = "print the version, and what is built in",
	.run = run_version,
};

static const struct ecap_command command_help = {
	.name = "help",
	.summary = "print this help, or that of a command: ecapture help COMMAND",
	.run = run_help,
};

static const struct ecap_command *const commands[] = {
	&ecap_command_replay, &command_schema, &command_man, &command_version, &command_help,
};

/* Subcommands of the tool that this one replaces, as far as they have not come yet. */
static const char *const later[] = {
	"gotls", "tlsgo", "zsh", "mysqld", "postgres",
};

static bool is_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static const struct ecap_command *find_command(const char *name)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(commands); i++) {
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[MAX_NAMES];
	const char *nearest;
	size_t n = 0;

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(later); i++) {
		if (strcmp(name, later[i]) == 0) {
			ecap_err("the command %s has not come yet; `ecapture help` lists what "
				 "there is",
				 name);
			return ECAP_EXIT_USAGE;
		}
	}
	while (n < ECAP_ARRAY_SIZE(commands)) {
		names[n] = commands[n]->name;
		n++;
	}
	n += ecap_capture_get_names(names + n, MAX_NAMES - n);
	nearest = ecap_opt_nearest(names, n, name, strlen(name));
	if (nearest)
		ecap_err("there is no command '%s'; did you mean %s? `ecapture help` lists what "
			 "there is",
			 name, nearest);
	else
		ecap_err("there is no command '%s'; `ecapture help` lists what there is", name);
	return ECAP_EXIT_USAGE;
}

/* Of one command. */
static int show_help_of(const char *name)
{
	const struct ecap_command *command = find_command(name);
	struct ecap_selection sel;
	struct ecap_buf out;
	int status;

	if (ecap_capture_find(name, &sel))
		return ecap_capture_show_help(&sel);
	if (!command)
		return unknown_command(name);
	if (command->show_help)
		return command->show_help();
	ecap_buf_init(&out, MAX_PAGE);
	ecap_buf_printf(&out, "Usage: ecapture %s\n\n%s\n", command->name, command->summary);
	status = ecap_command_print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

static int run_help(int argc, char **argv)
{
	struct ecap_buf out;
	int status;

	if (argc > 2)
		return unexpected_argument(argv[2]);
	if (argc > 1)
		return show_help_of(argv[1]);
	ecap_buf_init(&out, MAX_PAGE);
	ecap_buf_puts(&out,
		      "Usage: ecapture [COMMAND] [OPTION...]\n"
		      "       ecapture [COMMAND] [OPTION...] -- PROGRAM [ARGUMENT...]\n\n"
		      "Show what the programs on this host say inside their TLS connections, "
		      "and what\nis typed into shells, with eBPF: no CA certificate, no proxy, "
		      "no restart.\n\n");
	ecap_capture_put_commands(&out);
	ecap_buf_puts(&out, "Other commands:\n");
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(commands); i++)
		ecap_buf_printf(&out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	ecap_buf_puts(&out, "\n");
	ecap_capture_put_options(&out);
	status = ecap_command_print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

static void put_man_head(struct ecap_buf *out)
{
	ecap_buf_puts(out,
		      ".Dd November 21, 2026\n"
		      ".Dt ECAPTURE 8\n"
		      ".Os\n"
		      ".Sh NAME\n"
		      ".Nm ecapture\n"
		      ".Nd show what programs say inside TLS, and what is typed into shells\n"
		      ".Sh SYNOPSIS\n"
		      ".Nm\n"
		      ".Op Ar command\n"
		      ".Op Ar option ...\n"
		      ".Op Fl \\- Ar program Op Ar argument ...\n"
		      ".Nm\n"
		      ".Cm replay\n"
		      ".Ar file\n"
		      ".Op Ar option ...\n"
		      ".Nm\n"
		      ".Cm schema | man | version\n"
		      ".Nm\n"
		      ".Cm help\n"
		      ".Op Ar command\n"
		      ".Sh DESCRIPTION\n"
		      ".Nm\n"
		      "reads the plaintext of TLS connections where the TLS library of a running\n"
		      "program has it, with eBPF uprobes.\n"
		      "It needs no certificate, no proxy and no restart, and does not change what\n"
		      "it watches.\n"
		      "In the same way it shows the lines that are typed into shells.\n"
		      ".Pp\n"
		      "It captures from the line\n"
		      ".Dq ecapture: capturing\n"
		      "on standard error until SIGINT, SIGTERM or SIGHUP, until a pipe that it\n"
		      "writes to is closed, or until a disk is full.\n"
		      "A second signal ends it at once.\n"
		      "Results go to standard output, everything else to standard error.\n"
		      ".Pp\n");
}

static void put_man_program(struct ecap_buf *out)
{
	ecap_buf_puts(out,
		      "With a\n"
		      ".Ar program ,\n"
		      "it captures that one, which is run when all hooks are in place, with what\n"
		      "it starts, and nothing else.\n"
		      "The program has the rights, limits, signals and descriptors of the caller.\n"
		      "Text on standard output mixes with what it writes there:\n"
		      ".Fl o Ar text=FILE\n"
		      "keeps them apart.\n"
		      "Capturing ends when it has ended, whatever it has left running.\n"
		      "Signals are for it while it runs: what the terminal sends it gets anyway,\n"
		      "what is sent to\n"
		      ".Nm\n"
		      "is handed on.\n"
		      "Where capturing ends first, it goes on and is waited for.\n"
		      ".Pp\n"
		      "The commands are:\n"
		      ".Bl -tag -width Ds\n");
}

static void put_man_tail(struct ecap_buf *out)
{
	ecap_buf_puts(out,
		      ".Sh ENVIRONMENT\n"
		      ".Bl -tag -width Ds\n"
		      ".It Ev NOTIFY_SOCKET\n"
		      "READY=1 is sent there when capturing has begun; see\n"
		      ".Xr sd_notify 3 .\n"
		      ".El\n"
		      ".Sh EXIT STATUS\n"
		      ".Bl -tag -width Ds\n"
		      ".It 0\n"
		      "Stopped as asked.\n"
		      "A replay has shown all of its file, also of one whose capture did not\n"
		      "end in order.\n"
		      ".It 1\n"
		      "Failed; the reason is on standard error.\n"
		      "A file that was replayed is damaged, in which case what is whole was\n"
		      "shown, or a signal came before its end.\n"
		      ".It 2\n"
		      "Wrong usage.\n"
		      ".El\n"
		      ".Pp\n"
		      "With a\n"
		      ".Ar program\n"
		      "it is that of the program, 128 and the number of the signal that has ended\n"
		      "it, or\n"
		      ".Bl -tag -width Ds\n"
		      ".It 125\n"
		      "Capturing could not begin, and the program was not run.\n"
		      ".It 126\n"
		      "The program cannot be executed.\n"
		      ".It 127\n"
		      "There is no such program.\n"
		      ".El\n"
		      ".Sh EXAMPLES\n"
		      "Everything that programs say inside TLS, as text:\n"
		      ".Dl ecapture tls\n"
		      ".Pp\n"
		      "One process, as JSON Lines, which\n"
		      ".Cm ecapture schema\n"
		      "describes:\n"
		      ".Dl ecapture tls -p 4711 -o json=capture.jsonl\n"
		      ".Pp\n"
		      "Everything into a file, and later as text what one process said:\n"
		      ".Dl ecapture tls -o capture=today.ecap\n"
		      ".Dl ecapture replay today.ecap -p 4711\n"
		      ".Pp\n"
		      "A program from its first byte on:\n"
		      ".Dl ecapture -o text=curl.txt \\-\\- curl https://example.org\n"
		      ".Pp\n"
		      "What a user types into shells:\n"
		      ".Dl ecapture bash -u 1000\n"
		      ".Sh SECURITY CONSIDERATIONS\n"
		      ".Nm\n"
		      "shows secrets, and whoever may run it with these privileges sees them.\n"
		      "Files that it creates have mode 0600.\n"
		      "It listens on no port and contacts no host.\n");
}

static void put_man_privilege(struct ecap_buf *out, const struct ecap_privilege *p)
{
	const char first = (char)toupper((unsigned char)p->what_for[0]);
	char text[MAX_SENTENCES];

	(void)snprintf(text, sizeof(text), "%c%s. Without it %s.", first, p->what_for + 1,
		       p->lost ? p->lost : "nothing works");
	ecap_buf_printf(out, ".It Dv %s\n", p->name);
	ecap_opt_put_roff(out, text);
}

static void put_man_privileges(struct ecap_buf *out)
{
	const struct ecap_privilege *all;
	size_t n = ecap_privileges_get_all(&all);

	ecap_buf_puts(out,
		      ".Sh PRIVILEGES\n"
		      "Root has all of these; others may be given them with\n"
		      ".Xr setcap 8 .\n"
		      "When capturing begins, what hooking later files takes is kept and all else\n"
		      "is dropped.\n"
		      ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < n; i++)
		put_man_privilege(out, &all[i]);
	ecap_buf_puts(out, ".El\n");
}

static int run_man(int argc, char **argv)
{
	struct ecap_buf out;
	int status;

	if (argc > 1)
		return unexpected_argument(argv[1]);
	ecap_buf_init(&out, MAX_PAGE);
	put_man_head(&out);
	put_man_program(&out);
	ecap_capture_put_commands_mdoc(&out);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(commands); i++)
		ecap_buf_printf(&out, ".It Cm %s\n%s.\n", commands[i]->name, commands[i]->summary);
	ecap_buf_puts(&out, ".El\n.Sh OPTIONS\n");
	ecap_capture_put_options_mdoc(&out);
	ecap_replay_put_options_mdoc(&out);
	put_man_privileges(&out);
	put_man_tail(&out);
	status = ecap_command_print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

int main(int argc, char **argv)
{
	const struct ecap_command *command;
	struct ecap_selection sel = { .kind = ECAP_PROBE_TLS };

	tzset();
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return run_version(1, argv);
	if (argc > 1 && is_help(argv[1]))
		return run_help(1, argv);
	if (argc < 2 || argv[1][0] == '-')
		return ecap_capture_run(&sel, argc, argv);
	if (ecap_capture_find(argv[1], &sel))
		return ecap_capture_run(&sel, argc - 1, argv + 1);
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (argc == 3 && is_help(argv[2]))
		return show_help_of(argv[1]);
	if (ecap_setup_process() < 0)
		return ECAP_EXIT_FAILED;
	return command->run(argc - 1, argv + 1);
}
