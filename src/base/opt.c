/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* What getopt_long() returns for a long name: above every character. */
#define LONG_BASE 256

#define HELP_WIDTH   80
#define HELP_INDENT  28 /* where descriptions begin */
#define ROFF_COLUMNS 72 /* of the manual page; escapes come on top */

/* A longer name than any of ours is not compared with them. */
#define NAME_MAX_LEN 40
/* Differences up to which an unknown name is taken for a misspelt one. */
#define MISSPELT_MAX 2

static size_t count_opts(const struct ecap_opt_table *table)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n_parts; i++)
		n += table->parts[i].n_opts;
	return n;
}

/* Option number @i of all, NULL behind the last. */
static const struct ecap_opt *get_opt(const struct ecap_opt_table *table, size_t i)
{
	for (size_t j = 0; j < table->n_parts; i -= table->parts[j++].n_opts) {
		if (i < table->parts[j].n_opts)
			return &table->parts[j].opts[i];
	}
	return NULL;
}

/* Where option number @i stores, in @dest. */
static void *place_of(const struct ecap_opt_table *table, size_t i, void *dest)
{
	const struct ecap_opt *o = get_opt(table, i);
	size_t j = 0;

	for (; i >= table->parts[j].n_opts; j++)
		i -= table->parts[j].n_opts;
	return (char *)dest + table->parts[j].offset + o->offset;
}

/* The table in the form that getopt_long() reads. */
struct parser {
	const struct ecap_opt_table *table;
	size_t n_opts;	      /* of the table */
	struct option *longs; /* owned; first the options, then those to come, then aliases */
	size_t *options;      /* owned; which option, or one to come, each of these stands for */
	char *shorts;	      /* owned */
	size_t n_longs;
	size_t n_shorts; /* characters */
};

static void parser_done(struct parser *p)
{
	free(p->longs);
	free(p->options);
	free(p->shorts);
}

int ecap_opt_fail(struct ecap_opt_error *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

static void add_name(struct parser *p, const char *name, size_t option, int has_arg)
{
	p->longs[p->n_longs] = (struct option){
		.name = name,
		.has_arg = has_arg,
		.val = LONG_BASE + (int)p->n_longs,
	};
	p->options[p->n_longs++] = option;
}

static void add_option(struct parser *p, const char *name, char short_name, int has_arg)
{
	add_name(p, name, p->n_longs, has_arg);
	if (!short_name)
		return;
	p->shorts[p->n_shorts++] = short_name;
	for (int i = 0; i < has_arg; i++) /* required_argument is 1, optional_argument 2 */
		p->shorts[p->n_shorts++] = ':';
}

static size_t count_aliases(const struct ecap_opt *o)
{
	size_t n = 0;

	while (o->aliases && o->aliases[n])
		n++;
	return n;
}

/* The aliases of all options; the options themselves are there already. */
static void add_aliases(struct parser *p)
{
	const struct ecap_opt *o;

	for (size_t i = 0; (o = get_opt(p->table, i)); i++) {
		for (size_t j = 0; j < count_aliases(o); j++)
			add_name(p, o->aliases[j], i, p->longs[i].has_arg);
	}
}

static int parser_init(struct parser *p, const struct ecap_opt_table *table)
{
	const struct ecap_opt *o;
	size_t n;

	p->table = table;
	p->n_opts = count_opts(table);
	n = p->n_opts + table->n_later;
	for (size_t i = 0; (o = get_opt(table, i)); i++)
		n += count_aliases(o);
	p->longs = calloc(n + 1, sizeof(*p->longs));
	p->options = calloc(n + 1, sizeof(*p->options));
	p->shorts = calloc(n + 1, strlen("c::"));
	if (!p->longs || !p->options || !p->shorts)
		return -ENOMEM;
	p->shorts[p->n_shorts++] = '+'; /* stop at an operand: the rest may be a command */
	p->shorts[p->n_shorts++] = ':'; /* print nothing, and say ':' for a missing argument */
	for (size_t i = 0; (o = get_opt(table, i)); i++)
		add_option(p, o->name, o->short_name, o->arg ? required_argument : no_argument);
	/* refused with and without an argument, so that the message is the same */
	for (size_t i = 0; i < table->n_later; i++)
		add_option(p, table->later[i].name, table->later[i].short_name, optional_argument);
	add_aliases(p);
	return 0;
}

/* Which of the names is it that getopt_long() tells by @val? n_longs if none. */
static size_t find_index(const struct parser *p, int val)
{
	const struct ecap_opt_table *t = p->table;
	const struct ecap_opt *o;

	if (val >= LONG_BASE)
		return (size_t)(val - LONG_BASE);
	for (size_t i = 0; (o = get_opt(t, i)); i++) {
		if (val == o->short_name)
			return i;
	}
	for (size_t i = 0; i < t->n_later; i++) {
		if (val == t->later[i].short_name)
			return p->n_opts + i;
	}
	return p->n_longs;
}

static size_t least3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance; SIZE_MAX if either is too long to be compared. */
static size_t edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t row[NAME_MAX_LEN + 1];

	if (n_a > NAME_MAX_LEN || n_b > NAME_MAX_LEN)
		return SIZE_MAX;
	for (size_t j = 0; j <= n_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t above = row[j];

			row[j] = least3(above + 1, row[j - 1] + 1,
					diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n_b];
}

/* What somebody may have meant who wrote this; one letter is no hint. */
struct guess {
	const char *written;
	size_t len;
	size_t best; /* distance of the nearest so far */
	const char *nearest;
};

static void consider(struct guess *g, const char *known)
{
	size_t d = edit_distance(g->written, g->len, known, strlen(known));

	if (strncmp(g->written, known, g->len) == 0) /* abbreviated */
		d = 1;
	if (g->len > 1 && d < g->best && d < g->len) {
		g->best = d;
		g->nearest = known;
	}
}

const char *ecap_opt_nearest(const char *const *names, size_t n, const char *name, size_t len)
{
	struct guess g = { .written = name, .len = len, .best = MISSPELT_MAX + 1 };

	for (size_t i = 0; i < n; i++)
		consider(&g, names[i]);
	return g.nearest;
}

static int fail_unknown(const struct ecap_opt_table *table, const char *arg,
			struct ecap_opt_error *err)
{
	const char *name = arg + strspn(arg, "-");
	const size_t len = strcspn(name, "=");
	struct guess g = { .written = name, .len = len, .best = MISSPELT_MAX + 1 };
	const struct ecap_opt *o;

	for (size_t i = 0; (o = get_opt(table, i)); i++)
		consider(&g, o->name);
	if (g.nearest)
		return ecap_opt_fail(err, "unknown option --%.*s; did you mean --%s?", (int)len,
				     name, g.nearest);
	return ecap_opt_fail(err, "unknown option --%.*s", (int)len, name);
}

/* getopt_long() takes a unique abbreviation for the name; we do not. */
static bool is_abbreviated(const char *arg, const char *name)
{
	return strcspn(arg, "=") != strlen("--") + strlen(name);
}

/* @to is where the option stores. */
static int store(const struct ecap_opt *o, const char *arg, void *to, struct ecap_opt_error *err)
{
	struct ecap_opt_error why = { .text = "" };
	struct ecap_opt_strings *strings = to;
	int r;

	switch (o->type) {
	case ECAP_OPT_FLAG:
		*(bool *)to = true;
		return 0;
	case ECAP_OPT_STRING:
		*(const char **)to = arg;
		return 0;
	case ECAP_OPT_STRINGS:
		if (strings->n == ECAP_OPT_STRINGS_MAX)
			return ecap_opt_fail(err, "--%s: given more than %d times", o->name,
					     ECAP_OPT_STRINGS_MAX);
		strings->items[strings->n++] = arg;
		return 0;
	case ECAP_OPT_CALLBACK:
		r = o->parse(arg, to, &why);
		if (r >= 0)
			return 0;
		(void)ecap_opt_fail(err, "--%s: %s", o->name, why.text);
		return r;
	}
	return -EINVAL;
}

/* One result of getopt_long(), which read it from @arg. */
static int handle(const struct parser *p, int val, const char *arg, void *dest,
		  struct ecap_opt_error *err)
{
	const struct ecap_opt_table *table = p->table;
	const bool is_error = val == '?' || val == ':';
	const int which = is_error ? optopt : val;
	const size_t i = find_index(p, which);
	const char *name = i < p->n_longs ? p->longs[i].name : NULL;
	const struct ecap_opt *option;

	if (is_error && !which)
		return fail_unknown(table, arg, err);
	if (!name)
		return ecap_opt_fail(err, "unknown option -%c", which);
	if (which >= LONG_BASE && is_abbreviated(arg, name))
		return fail_unknown(table, arg, err);
	if (p->options[i] >= p->n_opts)
		return ecap_opt_fail(err,
				     "--%s is a flag of the tool that this one replaces; "
				     "it has not come yet",
				     name);
	option = get_opt(table, p->options[i]);
	if (val == ':')
		return ecap_opt_fail(err, "--%s needs an argument: %s", name, option->arg);
	if (is_error)
		return ecap_opt_fail(err, "--%s takes no argument", name);
	return store(option, optarg, place_of(table, p->options[i], dest), err);
}

int ecap_opt_parse(const struct ecap_opt_table *table, int argc, char **argv, void *dest,
		   struct ecap_opt_error *err)
{
	ecap_cleanup(parser_done) struct parser p = { 0 };
	int r = parser_init(&p, table);

	if (r < 0) {
		(void)ecap_opt_fail(err, "out of memory");
		return r;
	}
	optind = 0; /* glibc: forget an earlier command line */
	do {
		const char *arg = argv[optind ? optind : 1];
		int val = getopt_long(argc, argv, p.shorts, p.longs, NULL);

		if (val < 0)
			return optind;
		r = handle(&p, val, arg, dest, err);
	} while (r >= 0);
	return r;
}

/* Append @text in lines that end before the right margin; the cursor is at HELP_INDENT. */
static void put_wrapped(struct ecap_buf *out, const char *text)
{
	size_t column = HELP_INDENT;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > HELP_INDENT && column + 1 + n > HELP_WIDTH) {
			ecap_buf_printf(out, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		} else if (column > HELP_INDENT) {
			ecap_buf_putc(out, ' ');
			column++;
		}
		ecap_buf_put(out, text, n);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	ecap_buf_putc(out, '\n');
}

void ecap_opt_put_help(const struct ecap_opt_table *table, struct ecap_buf *out)
{
	const struct ecap_opt *o;
	for (size_t i = 0; (o = get_opt(table, i)); i++) {
		char shown[HELP_WIDTH];
		char letter[] = "    ";
		int n;

		if (o->group)
			ecap_buf_printf(out, "%s%s:\n", i ? "\n" : "", o->group);
		if (o->short_name)
			memcpy(letter, (char[]){ '-', o->short_name, ',' }, 3);
		n = snprintf(shown, sizeof(shown), "  %s--%s%s%s", letter, o->name,
			     o->arg ? " " : "", o->arg ? o->arg : "");
		if (n < HELP_INDENT - 1)
			ecap_buf_printf(out, "%-*s", HELP_INDENT, shown);
		else
			ecap_buf_printf(out, "%s\n%*s", shown, HELP_INDENT, "");
		put_wrapped(out, o->help);
	}
}

void ecap_opt_put_roff(struct ecap_buf *out, const char *text)
{
	char before = '\n';
	size_t column = 0;

	for (; *text; text++) {
		char c = *text;

		if (c == ' ' && (before == '.' || column + strcspn(text + 1, " ") > ROFF_COLUMNS))
			c = '\n';
		column = c == '\n' ? 0 : column + 1;
		if (before == '\n' && (c == '.' || c == '\''))
			ecap_buf_puts(out, "\\&");
		if (c == '\\')
			ecap_buf_puts(out, "\\e");
		else if (c == '-' && strchr("\n (-=", before))
			ecap_buf_puts(out, "\\-");
		else
			ecap_buf_putc(out, c);
		before = c;
	}
	ecap_buf_putc(out, '\n');
}

void ecap_opt_put_mdoc(const struct ecap_opt_table *table, struct ecap_buf *out)
{
	const struct ecap_opt *o;
	bool is_open = false;

	for (size_t i = 0; (o = get_opt(table, i)); i++) {
		if (o->group && is_open)
			ecap_buf_puts(out, ".El\n");
		if (o->group)
			ecap_buf_printf(out, ".Ss %s\n", o->group);
		if (o->group || !is_open)
			ecap_buf_puts(out, ".Bl -tag -width indent\n");
		is_open = true;
		ecap_buf_puts(out, ".It");
		if (o->short_name)
			ecap_buf_printf(out, " Fl %c ,", o->short_name);
		ecap_buf_printf(out, " Fl \\-%s", o->name);
		if (o->arg) /* \& keeps a name from being taken for a macro */
			ecap_buf_printf(out, " Ar \\&%s", o->arg);
		ecap_buf_putc(out, '\n');
		ecap_opt_put_roff(out, o->help);
	}
	if (is_open)
		ecap_buf_puts(out, ".El\n");
}
