/* SPDX-License-Identifier: Apache-2.0 */
/* Mbed TLS 2.16 and newer, TLS and DTLS. Functions that a build has not got are left out. */
#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/image.h"

/* int f(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len): bytes, or <= 0 */
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
		CALL("mbedtls_ssl_read", ECAP_RECV),
		.required = true,
	},
	{
		CALL("mbedtls_ssl_write", ECAP_SEND),
		.required = true,
	},
	{
		/* 3.6 */
		CALL("mbedtls_ssl_read_early_data", ECAP_RECV),
	},
	{
		CALL("mbedtls_ssl_write_early_data", ECAP_SEND),
	},
	{
		.symbol = "mbedtls_ssl_free",
		.at = ECAP_AT_FREE,
		.shape = { .handle = 1 },
		.required = true,
	},
	{
		.symbol = "mbedtls_ssl_session_reset",
		.at = ECAP_AT_CLEAR,
		.shape = { .handle = 1 },
	},
};

static bool recognise(struct ecap_image *img)
{
	return ecap_image_defines(img, "mbedtls_ssl_read") &&
	       ecap_image_defines(img, "mbedtls_ssl_write");
}

const struct ecap_probe_desc ecap_probe_mbedtls = {
	.name = "mbedtls",
	.kind = ECAP_PROBE_TLS,
	.what = "Mbed TLS library",
	.summary = "plaintext of programs that use Mbed TLS",
	.file_prefix = "libmbedtls",
	.recognise = recognise,
	.hooks = hooks,
	.n_hooks = ECAP_ARRAY_SIZE(hooks),
};
