/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/command.h"

#define MAX_PAGE 65536

static int run_help(int argc, char **argv);
static int run_man(int argc, char **argv);

static int print(const char *text, size_t len)
{
	if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0) {
		ecap_err("cannot write to standard output");
		return ECAP_EXIT_FAILED;
	}
	return EXIT_SUCCESS;
}

static int run_schema(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return print(ecap_schema_json, ecap_schema_json_len);
}

static int run_version(int argc, char **argv)
{
	static const char version[] = "ecapture " ECAP_VERSION "\n";

	(void)argc;
	(void)argv;
	return print(version, sizeof(version) - 1);
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
	.summary = "print the version",
	.run = run_version,
};

static const struct ecap_command command_help = {
	.name = "help",
	.summary = "print this help",
	.run = run_help,
};

static const struct ecap_command *const commands[] = {
	&ecap_command_tls, &command_schema, &command_man, &command_version, &command_help,
};

/* Subcommands of the tool that this one replaces, as far as they have not come yet. */
static const char *const later[] = {
	"gotls", "tlsgo", "gnutls", "gnu", "nspr", "nss", "bash", "zsh", "mysqld", "postgres",
};

static int run_help(int argc, char **argv)
{
	struct ecap_buf out;
	int status;

	(void)argc;
	(void)argv;
	ecap_buf_init(&out, MAX_PAGE);
	ecap_buf_puts(&out, "Usage: ecapture [COMMAND] [OPTION...]\n\n"
			    "Show what the programs on this host say inside their TLS connections, "
			    "with eBPF:\nno CA certificate, no proxy, no restart.\n\nCommands:\n");
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(commands); i++)
		ecap_buf_printf(&out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	ecap_buf_puts(&out, "\n");
	ecap_tls_put_help(&out);
	status = print((const char *)out.data, out.len);
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
		      ".Nd show what programs say inside their TLS connections\n"
		      ".Sh SYNOPSIS\n"
		      ".Nm\n"
		      ".Op Cm tls\n"
		      ".Op Ar option ...\n"
		      ".Nm\n"
		      ".Cm schema | man | version | help\n"
		      ".Sh DESCRIPTION\n"
		      ".Nm\n"
		      "reads the plaintext of TLS connections where the TLS library of a running\n"
		      "program has it, with eBPF uprobes.\n"
		      "It needs no certificate, no proxy and no restart, and does not change what\n"
		      "it watches.\n"
		      ".Pp\n"
		      "It captures from the line\n"
		      ".Dq ecapture: capturing\n"
		      "on standard error until SIGINT, SIGTERM or SIGHUP, until a pipe that it\n"
		      "writes to is closed, or until a disk is full.\n"
		      "A second signal ends it at once.\n"
		      "Results go to standard output, everything else to standard error.\n"
		      ".Pp\n"
		      "The commands are:\n"
		      ".Bl -tag -width Ds\n");
}

static void put_man_tail(struct ecap_buf *out)
{
	ecap_buf_puts(out, ".Sh ENVIRONMENT\n"
			   ".Bl -tag -width Ds\n"
			   ".It Ev NOTIFY_SOCKET\n"
			   "READY=1 is sent there when capturing has begun; see\n"
			   ".Xr sd_notify 3 .\n"
			   ".El\n"
			   ".Sh EXIT STATUS\n"
			   ".Bl -tag -width Ds\n"
			   ".It 0\n"
			   "Stopped as asked.\n"
			   ".It 1\n"
			   "Failed; the reason is on standard error.\n"
			   ".It 2\n"
			   "Wrong usage.\n"
			   ".El\n"
			   ".Sh EXAMPLES\n"
			   "Everything that programs say through OpenSSL, as text:\n"
			   ".Dl ecapture tls\n"
			   ".Pp\n"
			   "One process, as JSON Lines, which\n"
			   ".Cm ecapture schema\n"
			   "describes:\n"
			   ".Dl ecapture tls -p 4711 -o json=capture.jsonl\n"
			   ".Sh SECURITY CONSIDERATIONS\n"
			   ".Nm\n"
			   "runs as root and shows secrets.\n"
			   "Files that it creates have mode 0600.\n"
			   "It listens on no port and contacts no host.\n");
}

static int run_man(int argc, char **argv)
{
	struct ecap_buf out;
	int status;

	(void)argc;
	(void)argv;
	ecap_buf_init(&out, MAX_PAGE);
	put_man_head(&out);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(commands); i++)
		ecap_buf_printf(&out, ".It Cm %s\n%s.\n", commands[i]->name, commands[i]->summary);
	ecap_buf_puts(&out, ".El\n.Sh OPTIONS\n");
	ecap_tls_put_mdoc(&out);
	put_man_tail(&out);
	status = print((const char *)out.data, out.len);
	ecap_buf_done(&out);
	return status;
}

static const struct ecap_command *find_command(const char *name)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(commands); i++) {
		if (strcmp(name, commands[i]->name) == 0 ||
		    (commands[i]->alias && strcmp(name, commands[i]->alias) == 0))
			return commands[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(later); i++) {
		if (strcmp(name, later[i]) == 0) {
			ecap_err(
				"the command %s has not come yet; `ecapture help` lists what there "
				"is",
				name);
			return ECAP_EXIT_USAGE;
		}
	}
	ecap_err("there is no command '%s'; `ecapture help` lists what there is", name);
	return ECAP_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct ecap_command *command;

	tzset();
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return run_version(argc, argv);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return run_help(argc, argv);
	if (argc < 2 || argv[1][0] == '-')
		return ecap_command_tls.run(argc, argv);
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return command->run(argc - 1, argv + 1);
}
