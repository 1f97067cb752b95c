/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Exit statuses beside EXIT_SUCCESS. */
#define ECAP_EXIT_FAILED 1
#define ECAP_EXIT_USAGE	 2

struct ecap_buf;

/* One subcommand. */
struct ecap_command {
	const char *name;
	const char *alias;   /* NULL: none */
	const char *summary; /* for `ecapture --help` */
	/* argv[0] is the subcommand's name. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

extern const struct ecap_command ecap_command_tls;

/* Write to standard output, for commands that only print. Returns the exit status. */
int ecap_command_print(const char *text, size_t len);

/* Append the options of `ecapture tls`, as --help and as the manual page show them. */
void ecap_tls_put_help(struct ecap_buf *out);
void ecap_tls_put_mdoc(struct ecap_buf *out);

/* The JSON schema of our output, embedded at build time; NUL-terminated. */
extern const char ecap_schema_json[];
extern const unsigned long ecap_schema_json_len;
