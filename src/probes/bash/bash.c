/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines typed at prompts that the readline library shows: in bash, which contains it or loads it,
 * and in other programs that use it. Tested with bash 5.2 and readline 8.2.
 */
#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/image.h"

static const struct ecap_hook hooks[] = {
	{
		/*
		 * The last thing that readline() calls, and what programs meet that feed it each
		 * character (rl_callback_read_char()). It is called when the line is there, so that
		 * the first line is seen of a prompt that was open when capturing began. Not
		 * there if readline was built without those callbacks.
		 */
		.symbol = "readline_internal_teardown",
		.at = ECAP_AT_LINE,
	},
	{
		.symbol = "readline",
		.at = ECAP_AT_LINE,
		.shape = { .flags = ECAP_ROW_OUTER },
		.required = true,
	},
};

/* A shell that runs later is hooked from its first prompt on. */
static const char *const files[] = { "/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", NULL };

/* Other programs may call a function of theirs readline; that one comes with others. */
static bool recognise(struct ecap_image *img)
{
	return ecap_image_defines(img, "readline") && ecap_image_defines(img, "rl_initialize") &&
	       ecap_image_defines(img, "rl_insert_text");
}

const struct ecap_probe_desc ecap_probe_bash = {
	.name = "bash",
	.kind = ECAP_PROBE_SHELL,
	.what = "bash or readline library",
	.summary = "lines typed into bash and other programs that use readline",
	.option = "bash",
	.file_prefix = "libreadline",
	.files = files,
	.recognise = recognise,
	.hooks = hooks,
	.n_hooks = ECAP_ARRAY_SIZE(hooks),
};
