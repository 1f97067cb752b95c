/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL 1.0.2 and newer, and what keeps its names: LibreSSL, BoringSSL, AWS-LC, programs that
 * contain and export one of them. Functions that a version has not got are left out.
 */
#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/image.h"

/* int f(SSL *s, void *buf, int num), returns the number of bytes or <= 0 */
#define PLAIN_CALL(direction) \
	.dir = (direction), .handle = 1, .buf = 2, .len_from = ECAP_LEN_RET_INT

/* int f(SSL *s, void *buf, size_t num, [flags,] size_t *done), returns 1 on success */
#define EX_CALL(direction, out_arg)                                               \
	.dir = (direction), .handle = 1, .buf = 2, .len_from = ECAP_LEN_OUT_SIZE, \
	.len_arg = (out_arg)

/* Inside, the plain and the _ex function of each do the same thing in one place. */
enum group {
	READ = 1,
	WRITE,
	PEEK,
};

static const struct ecap_hook hooks[] = {
	{
		.symbol = "SSL_read",
		.group = READ,
		.len_arg = 3,
		.at = ECAP_AT_CALL,
		.shape = { PLAIN_CALL(ECAP_RECV) },
		.required = true,
	},
	{
		.symbol = "SSL_write",
		.group = WRITE,
		.len_arg = 3,
		.at = ECAP_AT_CALL,
		.shape = { PLAIN_CALL(ECAP_SEND) },
		.required = true,
	},
	{
		.symbol = "SSL_peek",
		.group = PEEK,
		.len_arg = 3,
		.at = ECAP_AT_CALL,
		.shape = { PLAIN_CALL(ECAP_RECV), .flags = ECAP_ROW_PEEK },
	},
	{
		.symbol = "SSL_read_ex",
		.group = READ,
		.len_arg = 3,
		.at = ECAP_AT_CALL,
		.shape = { EX_CALL(ECAP_RECV, 4) },
	},
	{
		.symbol = "SSL_write_ex",
		.group = WRITE,
		.len_arg = 3,
		.at = ECAP_AT_CALL,
		.shape = { EX_CALL(ECAP_SEND, 4) },
	},
	{
		.symbol = "SSL_peek_ex",
		.group = PEEK,
		.len_arg = 3,
		.at = ECAP_AT_CALL,
		.shape = { EX_CALL(ECAP_RECV, 4), .flags = ECAP_ROW_PEEK },
	},
	{
		/* 3.3; SSL_write_ex jumps to it there */
		.symbol = "SSL_write_ex2",
		.group = WRITE,
		.len_arg = 3,
		.at = ECAP_AT_CALL,
		.shape = { EX_CALL(ECAP_SEND, 5) },
	},
	{
		/* 1.1.1; 1 is SSL_READ_EARLY_DATA_SUCCESS */
		.symbol = "SSL_read_early_data",
		.at = ECAP_AT_CALL,
		.shape = { EX_CALL(ECAP_RECV, 4) },
	},
	{
		.symbol = "SSL_write_early_data",
		.at = ECAP_AT_CALL,
		.shape = { EX_CALL(ECAP_SEND, 4) },
	},
	{
		.group = READ,
		.at = ECAP_AT_INNER,
		.shape = { .dir = ECAP_RECV },
	},
	{
		.group = WRITE,
		.at = ECAP_AT_INNER,
		.shape = { .dir = ECAP_SEND },
	},
	{
		.group = PEEK,
		.at = ECAP_AT_INNER,
		.shape = { .dir = ECAP_RECV, .flags = ECAP_ROW_PEEK },
	},
	{
		.symbol = "SSL_up_ref",
		.at = ECAP_AT_REF,
		.shape = { .handle = 1 },
	},
	{
		.symbol = "SSL_free",
		.at = ECAP_AT_FREE,
		.shape = { .handle = 1 },
		.required = true,
	},
	{
		/* also called by the library itself when a handshake begins */
		.symbol = "SSL_clear",
		.at = ECAP_AT_CLEAR,
		.shape = { .handle = 1 },
	},
};

/* Called where an argument is refused, with the refused one still in its register. */
static const char *const no_args[] = { "ERR_new", NULL };

/*
 * libgnutls-openssl has these names, too, for calls of GnuTLS, which is hooked itself. It has BIOs,
 * as programs have that contain all of OpenSSL, but no function that only shakes hands.
 */
static bool is_layer_over_gnutls(struct ecap_image *img)
{
	return ecap_image_defines(img, "BIO_get_fd") &&
	       !ecap_image_defines(img, "SSL_do_handshake");
}

static bool recognise(struct ecap_image *img)
{
	return ecap_image_defines(img, "SSL_read") && ecap_image_defines(img, "SSL_write") &&
	       !is_layer_over_gnutls(img);
}

const struct ecap_probe_desc ecap_probe_openssl = {
	.name = "openssl",
	.kind = ECAP_PROBE_TLS,
	.what = "OpenSSL library",
	.summary = "plaintext of programs that use OpenSSL or a library with its interface",
	.file_prefix = "libssl",
	.recognise = recognise,
	.hooks = hooks,
	.n_hooks = ECAP_ARRAY_SIZE(hooks),
	.no_args = no_args,
};
