/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/values.h"
#include "engine/engine.h"

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
	return (struct ecap_sink_opts){ .hex = args->hex };
}
