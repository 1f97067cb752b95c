/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS 3.6 and newer, TLS and DTLS. Functions that a version has not got are left out.
 *
 * Others end in those of this table and are seen there: gnutls_record_send_file, and what
 * gnutls_record_send_early_data keeps for gnutls_handshake, which sends it by gnutls_record_send.
 */
#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/image.h"

/* ssize_t f(gnutls_session_t session, void *data, size_t size, ...): bytes, or < 0 for an error */
#define CALL(name, direction)                  \
	.symbol = (name), .at = ECAP_AT_CALL,  \
	.shape = {                             \
		.dir = (direction),            \
		.handle = 1,                   \
		.buf = 2,                      \
		.len_from = ECAP_LEN_RET_LONG, \
	}

static const struct ecap_hook hooks[] = {
	{ CALL("gnutls_record_send", ECAP_SEND), .required = true },
	{ CALL("gnutls_record_recv", ECAP_RECV), .required = true },
	/* 3.6.3; gnutls_record_send jumps to it there */
	{ CALL("gnutls_record_send2", ECAP_SEND) },
	{ CALL("gnutls_record_send_range", ECAP_SEND) },
	{ CALL("gnutls_record_recv_seq", ECAP_RECV) },
	{ CALL("gnutls_record_recv_early_data", ECAP_RECV) },
	{
		/*
		 * The bytes stay inside the library, in a packet of its own layout. No buffer, so
		 * that they are a loss of known size in their place.
		 */
		.symbol = "gnutls_record_recv_packet",
		.at = ECAP_AT_CALL,
		.shape = {
			.dir = ECAP_RECV,
			.handle = 1,
			.len_from = ECAP_LEN_RET_LONG,
		},
	},
	{
		/* sends what was kept since gnutls_record_cork() by calls of gnutls_record_send */
		.symbol = "gnutls_record_uncork",
		.at = ECAP_AT_CALL,
		.shape = {
			.dir = ECAP_SEND,
			.handle = 1,
			.flags = ECAP_ROW_REPEATS,
		},
	},
	{
		.symbol = "gnutls_deinit",
		.at = ECAP_AT_FREE,
		.shape = { .handle = 1 },
		.required = true,
	},
};

static bool recognise(struct ecap_image *img)
{
	return ecap_image_defines(img, "gnutls_record_send") &&
	       ecap_image_defines(img, "gnutls_record_recv");
}

const struct ecap_probe_desc ecap_probe_gnutls = {
	.name = "gnutls",
	.kind = ECAP_PROBE_TLS,
	.what = "GnuTLS library",
	.alias = "gnu",
	.summary = "plaintext of programs that use GnuTLS",
	.file_prefix = "libgnutls",
	.recognise = recognise,
	.hooks = hooks,
	.n_hooks = ECAP_ARRAY_SIZE(hooks),
};
