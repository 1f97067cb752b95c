/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct ecap_buf;

/* Room for one message to the user, which is cut to it. */
#define ECAP_OPT_ERROR_SIZE 256
/* How often one ECAP_OPT_STRINGS option may be given. */
#define ECAP_OPT_STRINGS_MAX 64

/* What an option stores, at its offset in the caller's structure. */
enum ecap_opt_type {
	ECAP_OPT_FLAG,	   /* bool: true when given */
	ECAP_OPT_STRING,   /* const char *: borrowed from argv, the last one given counts */
	ECAP_OPT_STRINGS,  /* struct ecap_opt_strings */
	ECAP_OPT_CALLBACK, /* whatever its parse function makes of it */
};

/* The arguments of an option that may be repeated, borrowed from argv. */
struct ecap_opt_strings {
	const char *items[ECAP_OPT_STRINGS_MAX];
	size_t n;
};

struct ecap_opt_error {
	char text[ECAP_OPT_ERROR_SIZE];
};

/* One row: parsing, --help and the manual page follow from it. */
struct ecap_opt {
	const char *name; /* the long one, without dashes */
	/* Other long names that are understood and not shown, NULL at the end; or NULL. */
	const char *const *aliases;
	char short_name; /* 0: none */
	enum ecap_opt_type type;
	const char *arg;   /* what the argument is called in help: "PID"; NULL: takes none */
	const char *help;  /* one sentence or more, any length */
	const char *group; /* heading above this option; NULL: goes on under the one before */
	size_t offset;	   /* of where it stores */
	/*
	 * ECAP_OPT_CALLBACK: store @arg (NULL if the option takes none) in @dest. On failure a
	 * negative errno, and in @err the reason without the option's name: "'x' is not a
	 * number".
	 */
	int (*parse)(const char *arg, void *dest, struct ecap_opt_error *err);
};

/* An option of the tool that this one replaces and that we do not have, to say so. */
struct ecap_opt_later {
	const char *name;
	char short_name; /* 0: none */
};

/* Options that are stored in one struct, which lies @offset into what the table fills. */
struct ecap_opt_part {
	const struct ecap_opt *opts;
	size_t n_opts;
	size_t offset;
};

/* All options of a command; help shows the parts in their order. */
struct ecap_opt_table {
	const struct ecap_opt_part *parts;
	size_t n_parts;
	const struct ecap_opt_later *later;
	size_t n_later;
};

/*
 * Parse @argv from its second element (the first is there) into @dest, up to the first operand or
 * "--". Long names are not abbreviated, so that a new option never changes what a script means.
 * Returns the index of the first operand (argc if there is none), or a negative errno with the
 * message in @err. Uses getopt_long(), so not from two threads at once.
 */
int ecap_opt_parse(const struct ecap_opt_table *table, int argc, char **argv, void *dest,
		   struct ecap_opt_error *err);

/*
 * Which of the @n @names somebody who wrote the first @len characters of @name may have meant;
 * NULL: none is near.
 */
const char *ecap_opt_nearest(const char *const *names, size_t n, const char *name, size_t len);

/* For callbacks: put the reason into @err and return -EINVAL. */
__attribute__((format(printf, 2, 3))) int ecap_opt_fail(struct ecap_opt_error *err, const char *fmt,
							...);

/* Append the options as --help shows them, for 80 columns. */
void ecap_opt_put_help(const struct ecap_opt_table *table, struct ecap_buf *out);
/* Append the options as the body of a section of a manual page, in mdoc(7). */
void ecap_opt_put_mdoc(const struct ecap_opt_table *table, struct ecap_buf *out);
/*
 * Append running text as mdoc(7) wants it, each sentence on a line of its own and no line long:
 * nothing in it is read as a request, an escape or a hyphenation.
 */
void ecap_opt_put_roff(struct ecap_buf *out, const char *text);
