/* SPDX-License-Identifier: Apache-2.0 */
/* The library example. Functions that a build has not got are left out. */
#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/image.h"

/* int f(handle, void *buf, int len): bytes, or <= 0 */
#define CALL(name, direction)                 \
	.symbol = (name), .at = ECAP_AT_CALL, \
	.shape = {                            \
		.dir = (direction),           \
		.handle = 1,                  \
		.buf = 2,                     \
		.len_from = ECAP_LEN_RET_INT, \
	}

static const struct ecap_hook hooks[] = {
	{
		CALL("example_read", ECAP_RECV),
		.required = true,
	},
	{
		CALL("example_write", ECAP_SEND),
		.required = true,
	},
	{
		.symbol = "example_free",
		.at = ECAP_AT_FREE,
		.shape = { .handle = 1 },
		.required = true,
	},
	{
		/* the handle is kept, for another connection */
		.symbol = "example_reset",
		.at = ECAP_AT_CLEAR,
		.shape = { .handle = 1 },
	},
};

static bool recognise(struct ecap_image *img)
{
	return ecap_image_defines(img, "example_read") && ecap_image_defines(img, "example_write");
}

const struct ecap_probe_desc ecap_probe_example = {
	.name = "example",
	.kind = ECAP_PROBE_TLS,
	.what = "example library",
	.summary = "plaintext of programs that use example",
	.file_prefix = "libexample",
	.recognise = recognise,
	.hooks = hooks,
	.n_hooks = ECAP_ARRAY_SIZE(hooks),
};
