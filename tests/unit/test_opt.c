// SPDX-License-Identifier: Apache-2.0
#include "base/opt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define MAX_ARGS 80

struct more {
	int louder;
};

struct args {
	bool hex;
	const char *library;
	struct ecap_opt_strings outputs;
	long pid;
	struct more more;
};

static int parse_pid(const char *arg, void *dest, struct ecap_opt_error *err)
{
	char *end;
	long v = strtol(arg, &end, 10);

	if (*end || end == arg)
		return ecap_opt_fail(err, "'%s' is not a number", arg);
	*(long *)dest = v;
	return 0;
}

static int count(const char *arg, void *dest, struct ecap_opt_error *err)
{
	(void)err;
	assert_null(arg);
	++*(int *)dest;
	return 0;
}

static const char *const library_aliases[] = { "gnutls", "nspr", NULL };

static const struct ecap_opt opts[] = {
	{
		.group = "What to capture",
		.name = "pid",
		.short_name = 'p',
		.type = ECAP_OPT_CALLBACK,
		.arg = "PID",
		.help = "Only this process.",
		.offset = offsetof(struct args, pid),
		.parse = parse_pid,
	},
	{
		.name = "libssl",
		.aliases = library_aliases,
		.type = ECAP_OPT_STRING,
		.arg = "PATH",
		.help = "Hook this library. A text that is long enough to be wrapped, so that the "
			"second line begins where the first did.",
		.offset = offsetof(struct args, library),
	},
	{
		.group = "Output",
		.name = "output",
		.short_name = 'o',
		.type = ECAP_OPT_STRINGS,
		.arg = "FORMAT[=DESTINATION]",
		.help = ".hidden 'quoted' a\\b -o --hex well-known",
		.offset = offsetof(struct args, outputs),
	},
	{
		.name = "hex",
		.type = ECAP_OPT_FLAG,
		.help = "As a hex dump.",
		.offset = offsetof(struct args, hex),
	},
};

static const struct ecap_opt more_opts[] = {
	{
		.name = "louder",
		.short_name = 'l',
		.type = ECAP_OPT_CALLBACK,
		.help = "More, each time.",
		.offset = offsetof(struct more, louder),
		.parse = count,
	},
};

static const struct ecap_opt_later later[] = {
	{ .name = "pcapfile", .short_name = 'w' },
	{ .name = "listen" },
};

/* The last option lies in a struct of its own. */
static const struct ecap_opt_part parts[] = {
	{ .opts = opts, .n_opts = ECAP_ARRAY_SIZE(opts) },
	{ .n_opts = 0 },
	{
		.opts = more_opts,
		.n_opts = ECAP_ARRAY_SIZE(more_opts),
		.offset = offsetof(struct args, more),
	},
};

static const struct ecap_opt_table table = {
	.parts = parts,
	.n_parts = ECAP_ARRAY_SIZE(parts),
	.later = later,
	.n_later = ECAP_ARRAY_SIZE(later),
};

/* Parse the arguments, a list with NULL at its end. */
static int parse(const char *const *argv, struct args *args, struct ecap_opt_error *err)
{
	const char *full[MAX_ARGS] = { "ecapture" };
	int argc = 1;

	for (; *argv; argv++) {
		assert_true(argc < MAX_ARGS - 1);
		full[argc++] = *argv;
	}
	*err = (struct ecap_opt_error){ .text = "" };
	return ecap_opt_parse(&table, argc, (char **)(void *)full, args, err);
}

static void stores_values(void **state)
{
	static const char *const argv[] = { "--pid=12", "--hex",  "-o",	      "text", "-ojson=x",
					    "--output", "y",	  "--libssl", "a",    "--libssl",
					    "b",	"-llp13", "--louder", NULL };
	struct ecap_opt_error err;
	struct args a = { 0 };

	(void)state;
	assert_int_equal(parse(argv, &a, &err), ECAP_ARRAY_SIZE(argv));
	assert_string_equal(err.text, "");
	assert_true(a.hex);
	assert_int_equal(a.pid, 13);
	assert_int_equal(a.more.louder, 3);
	assert_string_equal(a.library, "b");
	assert_int_equal(a.outputs.n, 3);
	assert_string_equal(a.outputs.items[0], "text");
	assert_string_equal(a.outputs.items[1], "json=x");
	assert_string_equal(a.outputs.items[2], "y");
}

/* They do what the option does, and are neither shown nor suggested. */
static void takes_aliases(void **state)
{
	static const struct {
		const char *argv[3];
		const char *library;
		const char *want; /* the message, "": none */
	} cases[] = {
		{ { "--gnutls", "a" }, "a", "" },
		{ { "--nspr=b" }, "b", "" },
		{ { "--nspr" }, NULL, "--nspr needs an argument: PATH" },
		{ { "--gnutl", "a" }, NULL, "unknown option --gnutl" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_opt_error err;
		struct args a = { 0 };
		int r = parse(cases[i].argv, &a, &err);

		assert_string_equal(err.text, cases[i].want);
		assert_int_equal(r < 0, cases[i].library == NULL);
		if (cases[i].library)
			assert_string_equal(a.library, cases[i].library);
	}
}

static void finds_the_nearest(void **state)
{
	static const char *const names[] = { "tls", "gnutls", "bash" };
	static const struct {
		const char *name;
		const char *want; /* NULL: none */
	} cases[] = {
		{ "gnutsl", "gnutls" }, { "bas", "bash" }, { "bashh", "bash" }, { "ttls", "tls" },
		{ "t", NULL },		{ "help", NULL },  { "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		const char *got = ecap_opt_nearest(names, ECAP_ARRAY_SIZE(names), cases[i].name,
						   strlen(cases[i].name));

		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_null(got);
	}
}

static void stops_at_operands(void **state)
{
	static const struct {
		const char *argv[6];
		int want;
		bool hex;
	} cases[] = {
		{ .argv = { NULL }, .want = 1 },
		{ .argv = { "--hex" }, .want = 2, .hex = true },
		{ .argv = { "--hex", "run", "--unknown" }, .want = 2, .hex = true },
		{ .argv = { "--hex", "--", "--hex", "-x" }, .want = 3, .hex = true },
		{ .argv = { "run", "--hex" }, .want = 1 },
		{ .argv = { "-", "--hex" }, .want = 1 },
		{ .argv = { "-o", "--hex" }, .want = 3 }, /* an argument like any other */
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_opt_error err;
		struct args a = { 0 };

		assert_int_equal(parse(cases[i].argv, &a, &err), cases[i].want);
		assert_int_equal(a.hex, cases[i].hex);
	}
}

#define COME_LATER " is a flag of the tool that this one replaces; it has not come yet"

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *argv[4];
		const char *want;
	} cases[] = {
		{ { "--foo" }, "unknown option --foo" },
		{ { "--foo=bar" }, "unknown option --foo" },
		{ { "-x" }, "unknown option -x" },
		{ { "-lx" }, "unknown option -x" },
		{ { "--lissl" }, "unknown option --lissl; did you mean --libssl?" },
		{ { "--libsll=a" }, "unknown option --libsll; did you mean --libssl?" },
		{ { "--ouput", "a" }, "unknown option --ouput; did you mean --output?" },
		{ { "--lib", "a" }, "unknown option --lib; did you mean --libssl?" },
		{ { "--lib=a" }, "unknown option --lib; did you mean --libssl?" },
		{ { "--he" }, "unknown option --he; did you mean --hex?" },
		{ { "--l" }, "unknown option --l" }, /* libssl, listen, louder */
		{ { "--pcap" }, "unknown option --pcap" },
		{ { "--pcapfile", "f" }, "--pcapfile" COME_LATER },
		{ { "--pcapfile=f" }, "--pcapfile" COME_LATER },
		{ { "-w", "f" }, "--pcapfile" COME_LATER },
		{ { "-wf" }, "--pcapfile" COME_LATER },
		{ { "--listen" }, "--listen" COME_LATER },
		{ { "--pid" }, "--pid needs an argument: PID" },
		{ { "-lp" }, "--pid needs an argument: PID" },
		{ { "--hex=yes" }, "--hex takes no argument" },
		{ { "--pid", "12x" }, "--pid: '12x' is not a number" },
		{ { "-p", "" }, "--pid: '' is not a number" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct ecap_opt_error err;
		struct args a = { 0 };

		assert_int_equal(parse(cases[i].argv, &a, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].want);
	}
}

static void bounds_everything(void **state)
{
	const char *argv[MAX_ARGS] = { NULL };
	struct ecap_opt_error err;
	struct args a = { 0 };
	char name[1000] = "--";

	(void)state;
	for (size_t i = 0; i < ECAP_OPT_STRINGS_MAX + 1; i++)
		argv[i] = "-ox";
	assert_int_equal(parse(argv, &a, &err), -EINVAL);
	assert_string_equal(err.text, "--output: given more than 64 times");
	assert_int_equal(a.outputs.n, ECAP_OPT_STRINGS_MAX);

	memset(name + 2, 'a', sizeof(name) - 3);
	assert_int_equal(parse((const char *[]){ name, NULL }, &a, &err), -EINVAL);
	assert_int_equal(strlen(err.text), ECAP_OPT_ERROR_SIZE - 1);
}

static void assert_output(void (*put)(const struct ecap_opt_table *table, struct ecap_buf *out),
			  const char *want)
{
	struct ecap_buf b;

	ecap_buf_init(&b, 10000);
	put(&table, &b);
	ecap_buf_putc(&b, '\0');
	assert_int_equal(b.err, 0);
	assert_string_equal((char *)b.data, want);
	ecap_buf_done(&b);
}

static void shows_help(void **state)
{
	(void)state;
	assert_output(
		ecap_opt_put_help,
		"What to capture:\n"
		"  -p, --pid PID             Only this process.\n"
		"      --libssl PATH         Hook this library. A text that is long enough to be\n"
		"                            wrapped, so that the second line begins where the\n"
		"                            first did.\n"
		"\n"
		"Output:\n"
		"  -o, --output FORMAT[=DESTINATION]\n"
		"                            .hidden 'quoted' a\\b -o --hex well-known\n"
		"      --hex                 As a hex dump.\n"
		"  -l, --louder              More, each time.\n");
}

static void writes_mdoc(void **state)
{
	(void)state;
	assert_output(ecap_opt_put_mdoc, ".Ss What to capture\n"
					 ".Bl -tag -width indent\n"
					 ".It Fl p , Fl \\-pid Ar \\&PID\n"
					 "Only this process.\n"
					 ".It Fl \\-libssl Ar \\&PATH\n"
					 "Hook this library.\n"
					 "A text that is long enough to be wrapped, so that the "
					 "second line begins\n"
					 "where the first did.\n"
					 ".El\n"
					 ".Ss Output\n"
					 ".Bl -tag -width indent\n"
					 ".It Fl o , Fl \\-output Ar \\&FORMAT[=DESTINATION]\n"
					 "\\&.hidden 'quoted' a\\eb \\-o \\-\\-hex well-known\n"
					 ".It Fl \\-hex\n"
					 "As a hex dump.\n"
					 ".It Fl l , Fl \\-louder\n"
					 "More, each time.\n"
					 ".El\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_values),      cmocka_unit_test(stops_at_operands),
		cmocka_unit_test(says_what_is_wrong), cmocka_unit_test(bounds_everything),
		cmocka_unit_test(shows_help),	      cmocka_unit_test(writes_mdoc),
		cmocka_unit_test(takes_aliases),      cmocka_unit_test(finds_the_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
