/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
		.help = "In text, show plaintext as a hex dump.",
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

int ecap_output_get_specs(const struct ecap_output_args *args, struct ecap_output_spec *specs,
			  struct ecap_opt_error *err)
{
	int r;

	if (!args->outputs.n)
		return parse_output("text", &specs[0], err) < 0 ? -EINVAL : 1;
	for (size_t i = 0; i < args->outputs.n; i++) {
		r = parse_output(args->outputs.items[i], &specs[i], err);
		if (r < 0)
			return r;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(specs[i].dest, specs[j].dest) == 0)
				return ecap_opt_fail(err,
						     "two outputs go to %s; give one another file, "
						     "e.g. -o json=FILE",
						     strcmp(specs[i].dest, "-") == 0 ?
							     "standard output" :
							     specs[i].dest);
		}
	}
	return (int)args->outputs.n;
}

struct ecap_sink_opts ecap_output_get_sink_opts(const struct ecap_output_args *args)
{
	return (struct ecap_sink_opts){ .hex = args->hex, .json_types = args->json_types };
}
