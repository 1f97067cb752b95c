/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"
#include "sinks/sink.h"

struct ecap_output_spec;

/* Options that say what is written where; every command that has outputs takes them. */

enum ecap_color_choice {
	ECAP_COLOR_AUTO,
	ECAP_COLOR_ALWAYS,
	ECAP_COLOR_NEVER,
};

struct ecap_output_args {
	struct ecap_opt_strings outputs;
	enum ecap_show headers;
	enum ecap_show body;
	enum ecap_color_choice color;
	uint64_t tsize;
	uint64_t stream_limit; /* bytes; 0: the default */
	uint32_t json_types;
	bool hex;
	bool raw;
	bool redact;
};

#define ECAP_OUTPUT_N_OPTS 10
/* They store into struct ecap_output_args. */
extern const struct ecap_opt ecap_output_opts[ECAP_OUTPUT_N_OPTS];

/* The most outputs that options can name. */
#define ECAP_OUTPUT_MAX_SPECS (ECAP_OPT_STRINGS_MAX + 1)

/*
 * What the -o options say, into @specs, which has room for ECAP_OUTPUT_MAX_SPECS and borrows from
 * @args; text on standard output if they say nothing. Returns how many there are, or -EINVAL with
 * the reason in @err.
 */
int ecap_output_get_specs(const struct ecap_output_args *args, struct ecap_output_spec *specs,
			  struct ecap_opt_error *err);
/* How events are to be shown; asks the terminal, if standard output is one. */
struct ecap_sink_opts ecap_output_get_sink_opts(const struct ecap_output_args *args);
