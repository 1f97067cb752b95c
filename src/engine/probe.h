/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "abi/state.h"

struct ecap_image;
struct ecap_twins;

/*
 * A probe is mostly data: how to recognise a library and which of its functions to hook. Only
 * the engine resolves, attaches, rolls back, loads and tears down.
 */

/* What a probe shows: a command covers the probes of one kind. */
enum ecap_probe_kind {
	ECAP_PROBE_TLS,	  /* what programs say inside their TLS connections */
	ECAP_PROBE_SHELL, /* what is typed into programs */
	ECAP_PROBE_KIND_COUNT,
};

enum ecap_hook_at {
	ECAP_AT_CALL,  /* entry and return of a read or write */
	ECAP_AT_REF,   /* entry: one more owner of the handle */
	ECAP_AT_FREE,  /* entry: an owner lets go; the last one ends the connection */
	ECAP_AT_CLEAR, /* entry: the handle is made ready for another connection */
	ECAP_AT_LINE,  /* return: a line that was typed, a C string, or NULL */
	ECAP_AT_INNER, /* as ECAP_AT_CALL: the function that all of a group call; has no symbol */
	ECAP_AT_COUNT,
};

/*
 * Functions that may all call one inner function, which then is hooked instead of them: see
 * target/placement.h. The one whose shape has an out argument says what it is given.
 */
#define ECAP_MAX_GROUPS 3 /* numbered from 1 */

/* How a function is found. */
enum ecap_hook_by {
	ECAP_BY_SYMBOL,
	ECAP_BY_FIRST_TWIN,  /* in the first table of the probe's twins, see target/twins.h */
	ECAP_BY_SECOND_TWIN, /* in the second one */
};

/* One function to hook. */
struct ecap_hook {
	const char *symbol; /* its name: the symbol that is looked for, or what the source says */
	enum ecap_hook_by by;
	unsigned int slot;     /* in the table of functions */
	struct ecap_row shape; /* where the call keeps its arguments */
	enum ecap_hook_at at;
	unsigned int group;   /* 0: none */
	unsigned int len_arg; /* of a group: argument that says how much is to be moved */
	bool required;	      /* without it the file is not a target */
};

struct ecap_probe_desc {
	const char *name;  /* of the stack, as events show it; a command, too */
	const char *alias; /* another name of that command; NULL: none */
	enum ecap_probe_kind kind;
	const char *what; /* is recognised, for people, in the singular: "NAME library" */
	const char *summary;
	/* The option that names the only file to hook, where it is not --libssl; else NULL. */
	const char *option;
	/*
	 * How the library's file names begin: which entries of the dynamic linker's cache are
	 * worth a look. Files that processes have mapped are all looked at.
	 */
	const char *file_prefix;
	/*
	 * Programs that are worth a look even if no process runs them, NULL at the end; or NULL.
	 */
	const char *const *files;
	/* Whether this file holds the library. By content: names prove nothing. */
	bool (*recognise)(struct ecap_image *img);
	const struct ecap_hook *hooks;
	size_t n_hooks;
	/* The tables of functions that hooks are found by; NULL: none are. */
	const struct ecap_twins *twins;
	/* Functions without arguments that those of the groups call, NULL at the end; or NULL. */
	const char *const *no_args;
};
