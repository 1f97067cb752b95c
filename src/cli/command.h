/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses beside EXIT_SUCCESS. */
#define ECAP_EXIT_FAILED 1
#define ECAP_EXIT_USAGE	 2

struct ecap_buf;
struct ecap_selection;

/* One subcommand. */
struct ecap_command {
	const char *name;
	const char *summary; /* for `ecapture --help` */
	/* argv[0] is the subcommand's name. Returns the exit status. */
	int (*run)(int argc, char **argv);
	int (*show_help)(void); /* more than the summary; NULL: there is no more */
};

extern const struct ecap_command ecap_command_replay;
/* Append the options that no other command has, for the manual page. */
void ecap_replay_put_options_mdoc(struct ecap_buf *out);

/* Write to standard output, for commands that only print. Returns the exit status. */
int ecap_command_print(const char *text, size_t len);

/*
 * Commands that capture: one for all probes of a kind (`tls`), one for each probe, made from the
 * registry. All take the same options.
 */

/* Whether @name is such a command; then *ret says what it selects. */
bool ecap_capture_find(const char *name, struct ecap_selection *ret);
/* Run the command that selects @sel; argv[0] is not looked at. Returns the exit status. */
int ecap_capture_run(const struct ecap_selection *sel, int argc, char **argv);
/* Show the help of that command. Returns the exit status. */
int ecap_capture_show_help(const struct ecap_selection *sel);
/* Store the names of all such commands, aliases included, at most @max; returns how many. */
size_t ecap_capture_get_names(const char **ret, size_t max);
/* Append what these commands are, and their options, as --help and as the manual page have it. */
void ecap_capture_put_commands(struct ecap_buf *out);
void ecap_capture_put_commands_mdoc(struct ecap_buf *out);
void ecap_capture_put_options(struct ecap_buf *out);
void ecap_capture_put_options_mdoc(struct ecap_buf *out);

/* The JSON schema of our output, embedded at build time; NUL-terminated. */
extern const char ecap_schema_json[];
extern const unsigned long ecap_schema_json_len;
