/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/values.h"
#include "engine/engine.h"
#include "sinks/event.h"
#include "sinks/json.h"

/* Types of events that JSON has. */
struct type_names {
	const char *names[ECAP_OUT_TYPE_COUNT];
	uint32_t bits[ECAP_OUT_TYPE_COUNT];
	size_t n;
};

static void get_type_names(struct type_names *ret)
{
	ret->n = 0;
	for (unsigned int type = 0; type < ECAP_OUT_TYPE_COUNT; type++) {
		const char *name = ecap_json_type_name(type);

		if (!name)
			continue;
		ret->names[ret->n] = name;
		ret->bits[ret->n++] = 1u << type;
	}
}

static int parse_type(const struct type_names *known, const char *name, size_t len, uint32_t *types,
		      struct ecap_opt_error *err)
{
	const char *nearest;
	char all[128] = "";

	for (size_t i = 0; i < known->n; i++) {
		if (strlen(known->names[i]) == len && memcmp(known->names[i], name, len) == 0) {
			*types |= known->bits[i];
			return 0;
		}
	}
	nearest = ecap_opt_nearest(known->names, known->n, name, len);
	if (nearest)
		return ecap_opt_fail(err, "there are no '%.*s' events; did you mean %s?", (int)len,
				     name, nearest);
	for (size_t i = 0, at = 0; i < known->n; i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i ? ", " : "",
				       known->names[i]);
	return ecap_opt_fail(err, "there are no '%.*s' events; there are %s", (int)len, name, all);
}

/* Types of events, with commas. */
static int parse_events(const char *arg, void *dest, struct ecap_opt_error *err)
{
	struct type_names known;
	uint32_t types = 0;

	get_type_names(&known);
	for (const char *p = arg;; p++) {
		size_t len = strcspn(p, ",");
		int r = parse_type(&known, p, len, &types, err);

		if (r < 0)
			return r;
		p += len;
		if (!*p)
			break;
	}
	*(uint32_t *)dest = types;
	return 0;
}

struct word {
	const char *name;
	unsigned int value;
};

/* Which of the @n @words @arg is, into *@ret; @all names them for the message. */
static int parse_word(const char *arg, const struct word *words, size_t n, const char *all,
		      unsigned int *ret, struct ecap_opt_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(arg, words[i].name) == 0) {
			*ret = words[i].value;
			return 0;
		}
	}
	return ecap_opt_fail(err, "'%s' is none of %s", arg, all);
}

static int parse_headers(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct word words[] = { { "all", ECAP_SHOW_ALL }, { "none", ECAP_SHOW_NONE } };

	return parse_word(arg, words, ECAP_ARRAY_SIZE(words), "all and none", dest, err);
}

static int parse_body(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct word words[] = {
		{ "preview", ECAP_SHOW_PREVIEW },
		{ "all", ECAP_SHOW_ALL },
		{ "none", ECAP_SHOW_NONE },
	};

	return parse_word(arg, words, ECAP_ARRAY_SIZE(words), "preview, all and none", dest, err);
}

static int parse_color(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct word words[] = {
		{ "auto", ECAP_COLOR_AUTO },
		{ "always", ECAP_COLOR_ALWAYS },
		{ "never", ECAP_COLOR_NEVER },
	};

	return parse_word(arg, words, ECAP_ARRAY_SIZE(words), "auto, always and never", dest, err);
}

static int parse_tsize(const char *arg, void *dest, struct ecap_opt_error *err)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno)
		return ecap_opt_fail(err, "'%s' is not a number of bytes", arg);
	*(uint64_t *)dest = v;
	return 0;
}

#define AT(member) .offset = offsetof(struct ecap_output_args, member)

const struct ecap_opt ecap_output_opts[ECAP_OUTPUT_N_OPTS] = {
	{
		.group = "Output",
		.name = "output",
		.short_name = 'o',
		.type = ECAP_OPT_STRINGS,
		.arg = "FORMAT[=DEST]",
		.help = "Write FORMAT (text, json or capture) to DEST, a file or - for standard "
			"output, which is the default. Can be repeated. Without it: text. What "
			"capture writes, ecapture replay shows.",
		AT(outputs),
	},
	{
		.name = "hex",
		.type = ECAP_OPT_FLAG,
		.help = "In text, show plaintext, and bodies, as a hex dump.",
		AT(hex),
	},
	{
		.name = "stream-limit",
		.type = ECAP_OPT_CALLBACK,
		.parse = ecap_value_parse_size,
		.arg = "SIZE",
		.help = "Keep so many bytes of the body of a request or response (1M, the default; "
			"up to 1G), and four times that, or 256M, of all that are under way. What "
			"was cut is marked; raw plaintext is not limited by this.",
		AT(stream_limit),
	},
	{
		.name = "events",
		.type = ECAP_OPT_CALLBACK,
		.arg = "TYPE[,TYPE...]",
		.help = "In JSON, write only events of these types: data (plaintext as it was "
			"read and written), http (requests with their responses, bodies decoded), "
			"command, target, stats. What was lost is always written. Without it: all.",
		.parse = parse_events,
		AT(json_types),
	},
	{
		.name = "headers",
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_headers,
		.arg = "WHICH",
		.help = "In text, show all headers below a request or response (all, the default), "
			"or none.",
		AT(headers),
	},
	{
		.name = "body",
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_body,
		.arg = "WHAT",
		.help = "In text, show the first lines of each body (preview, the default), all of "
			"it as far as it was kept (all), or none. JSON is indented, what is not "
			"text is dumped in hex. With --headers=none --body=none each request and "
			"each response is one line.",
		AT(body),
	},
	{
		.name = "raw",
		.type = ECAP_OPT_FLAG,
		.help = "In text, also show each chunk of plaintext as it came. Headers and bodies "
			"are in these, so they are only shown again if --headers or --body say so.",
		AT(raw),
	},
	{
		.name = "tsize",
		.short_name = 't',
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_tsize,
		.arg = "N",
		.help = "In text, show no more than N bytes of each body or chunk, and say how "
			"many are left out; 0, the default, is no limit.",
		AT(tsize),
	},
	{
		.name = "redact",
		.type = ECAP_OPT_FLAG,
		.help = "Hide the values of Authorization, Proxy-Authorization, Cookie and "
			"Set-Cookie, and plaintext that is not understood as HTTP, which may hold "
			"such. URLs and bodies are shown as they are.",
		AT(redact),
	},
	{
		.name = "color",
		.type = ECAP_OPT_CALLBACK,
		.parse = parse_color,
		.arg = "WHEN",
		.help = "Colour text always, never, or if it goes to a terminal (auto, the "
			"default; not if NO_COLOR is set or TERM is dumb). For a pager: "
			"--color=always | less -R.",
		AT(color),
	},
};

/* Take "FORMAT[=DEST]" apart. @text is argv's and stays; *ret borrows from it. */
static int parse_output(const char *text, struct ecap_output_spec *ret, struct ecap_opt_error *err)
{
	const char *equals = strchr(text, '=');
	char format[32] = "";
	size_t len = equals ? (size_t)(equals - text) : strlen(text);

	if (len < sizeof(format))
		memcpy(format, text, len);
	*ret = (struct ecap_output_spec){
		.sink = ecap_sink_find(format),
		.dest = equals ? equals + 1 : "-",
	};
	if (!ret->sink)
		return ecap_opt_fail(err, "-o %s: the format is none of text, json and capture",
				     text);
	if (!*ret->dest)
		return ecap_opt_fail(err, "-o %s: a file or - is missing after =", text);
	if (strstr(ret->dest, "://"))
		return ecap_opt_fail(err, "-o %s: network destinations have not come yet", text);
	return 0;
}

/* What --redact hides must not stand elsewhere in the same output. */
static int check_redact(const struct ecap_output_args *args, const struct ecap_output_spec *spec,
			struct ecap_opt_error *err)
{
	struct ecap_sink_opts opts = ecap_output_get_sink_opts(args);

	if (!args->redact || !(spec->sink->types(&opts) & 1u << ECAP_OUT_DATA))
		return 0;
	if (args->raw && spec->sink == &ecap_sink_text)
		return ecap_opt_fail(err, "--raw shows what --redact hides; leave one of them out");
	if (spec->sink == &ecap_sink_json)
		return ecap_opt_fail(err, "data events show what --redact hides; leave one of "
					  "them out, e.g. with --events http");
	return ecap_opt_fail(err, "-o %s holds all that --redact hides; leave one of them out",
			     spec->sink->name);
}

/* Two outputs in one file would mix. */
static int check_dest(const struct ecap_output_spec *specs, size_t n, struct ecap_opt_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(specs[i].dest, specs[n].dest) == 0)
			return ecap_opt_fail(
				err,
				"two outputs go to %s; give one another file, e.g. -o json=FILE",
				strcmp(specs[i].dest, "-") == 0 ? "standard output" :
								  specs[i].dest);
	}
	return 0;
}

int ecap_output_get_specs(const struct ecap_output_args *args, struct ecap_output_spec *specs,
			  struct ecap_opt_error *err)
{
	const size_t n = args->outputs.n ? args->outputs.n : 1;
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		r = parse_output(args->outputs.n ? args->outputs.items[i] : "text", &specs[i], err);
		if (!r)
			r = check_dest(specs, i, err);
		if (!r)
			r = check_redact(args, &specs[i], err);
	}
	return r < 0 ? r : (int)n;
}

/* What the terminal is like on standard output; nothing if there is none. */
static struct ecap_look get_screen(void)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR"); /* no-color.org */
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return (struct ecap_look){ 0 };
	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return (struct ecap_look){
		.width = size.ws_col,
		.color = !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0),
	};
}

struct ecap_sink_opts ecap_output_get_sink_opts(const struct ecap_output_args *args)
{
	struct ecap_sink_opts opts = {
		.hex = args->hex,
		.json_types = args->json_types,
		.raw = args->raw,
		.redact = args->redact,
		.tsize = args->tsize,
		.headers = args->headers,
		.body = args->body,
		.screen = get_screen(),
	};

	if (args->color != ECAP_COLOR_AUTO) {
		opts.look.color = args->color == ECAP_COLOR_ALWAYS;
		opts.screen.color = opts.look.color;
	}
	return opts;
}
