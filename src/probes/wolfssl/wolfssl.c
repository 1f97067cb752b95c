/* SPDX-License-Identifier: Apache-2.0 */
/* wolfSSL 4 and newer, TLS and DTLS. Functions that a build has not got are left out. */
#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/image.h"

/* int f(WOLFSSL *ssl, void *data, int size, ...): bytes, or <= 0 */
#define CALL(name, direction, row_flags)      \
	.symbol = (name), .at = ECAP_AT_CALL, \
	.shape = {                            \
		.dir = (direction),           \
		.handle = 1,                  \
		.buf = 2,                     \
		.len_from = ECAP_LEN_RET_INT, \
		.flags = (row_flags),         \
	}

static const struct ecap_hook hooks[] = {
	{
		CALL("wolfSSL_read", ECAP_RECV, 0),
		.required = true,
	},
	{
		CALL("wolfSSL_write", ECAP_SEND, 0),
		.required = true,
	},
	{
		CALL("wolfSSL_peek", ECAP_RECV, ECAP_ROW_PEEK),
	},
	{
		/* the following two set flags of the socket and do the plain ones' work */
		CALL("wolfSSL_recv", ECAP_RECV, 0),
	},
	{
		CALL("wolfSSL_send", ECAP_SEND, 0),
	},
	{
		CALL("wolfSSL_read_early_data", ECAP_RECV, 0),
	},
	{
		CALL("wolfSSL_write_early_data", ECAP_SEND, 0),
	},
	{
		.symbol = "wolfSSL_free",
		.at = ECAP_AT_FREE,
		.shape = { .handle = 1 },
		.required = true,
	},
	{
		.symbol = "wolfSSL_clear",
		.at = ECAP_AT_CLEAR,
		.shape = { .handle = 1 },
	},
};

static bool recognise(struct ecap_image *img)
{
	return ecap_image_defines(img, "wolfSSL_read") && ecap_image_defines(img, "wolfSSL_write");
}

const struct ecap_probe_desc ecap_probe_wolfssl = {
	.name = "wolfssl",
	.kind = ECAP_PROBE_TLS,
	.what = "wolfSSL library",
	.summary = "plaintext of programs that use wolfSSL",
	.file_prefix = "libwolfssl",
	.recognise = recognise,
	.hooks = hooks,
	.n_hooks = ECAP_ARRAY_SIZE(hooks),
};
