/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mozilla's NSS: libssl3.so, on top of NSPR.
 *
 * Programs read and write with PR_Read(), PR_Write() and their like, which do so on files and plain
 * sockets, too: hooked there, every one of those would pay for it, and only its layers would tell
 * which descriptor is one of TLS. The functions behind them that do nothing but TLS have no
 * symbols. But each socket of the library points to a table of functions, one of two: that for
 * sockets with security and that for sockets where it was switched off. (NSPR's own table of the
 * layer, ssl_methods, is no way in: compilers turn it into stores, and no build had it.)
 *
 * All that a program reads or writes comes through ssl_SecureRecv() and ssl_SecureSend():
 * PR_Read() and PR_Write() over the functions that only jump there, PR_Recv() and PR_Send()
 * directly, PR_Writev(), PR_SendFile() and PR_TransmitFile() by calling ssl_Send().
 */
#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/image.h"
#include "target/twins.h"

/* struct sslSocketOpsStr of lib/ssl/sslimpl.h */
enum slot {
	CONNECT,
	ACCEPT, /* NULL in both */
	BIND,
	LISTEN,
	SHUTDOWN,
	CLOSE,
	RECV,
	SEND,
	READ,
	WRITE,
	GETPEERNAME,
	GETSOCKNAME,
	N_SLOTS,
};

#define SLOT(n) ECAP_TWINS_SLOT(n)

/* ssl_secure_ops and ssl_default_ops of lib/ssl/sslsock.c, in this order. */
static const struct ecap_twins twins = {
	.n_slots = N_SLOTS,
	.empty = SLOT(ACCEPT),
	.same = SLOT(BIND) | SLOT(LISTEN) | SLOT(GETPEERNAME) | SLOT(GETSOCKNAME),
	.forwards = {
		/* ssl_SecureRead(ss, buf, len) is ssl_SecureRecv(ss, buf, len, 0) */
		{ .from = READ, .to = RECV, .n_args = 3 },
		{ .from = WRITE, .to = SEND, .n_args = 3 },
	},
	.n_forwards = 2,
};

#define PR_MSG_PEEK 2 /* of NSPR's prio.h */

static const struct ecap_hook hooks[] = {
	{
		/* int f(sslSocket *ss, unsigned char *buf, int len, int flags) */
		.symbol = "ssl_SecureRecv",
		.by = ECAP_BY_FIRST_TWIN,
		.slot = RECV,
		.at = ECAP_AT_CALL,
		.shape = {
			.dir = ECAP_RECV,
			.handle = 1,
			.buf = 2,
			.len_from = ECAP_LEN_RET_INT,
			.len_arg = 4,
			.peek_bits = PR_MSG_PEEK,
		},
		.required = true,
	},
	{
		/* int f(sslSocket *ss, const unsigned char *buf, int len, int flags) */
		.symbol = "ssl_SecureSend",
		.by = ECAP_BY_FIRST_TWIN,
		.slot = SEND,
		.at = ECAP_AT_CALL,
		.shape = {
			.dir = ECAP_SEND,
			.handle = 1,
			.buf = 2,
			.len_from = ECAP_LEN_RET_INT,
		},
		.required = true,
	},
	{
		.symbol = "ssl_SecureClose",
		.by = ECAP_BY_FIRST_TWIN,
		.slot = CLOSE,
		.at = ECAP_AT_FREE,
		.shape = { .handle = 1 },
		.required = true,
	},
	{
		/* of a socket that went on without security */
		.symbol = "ssl_DefClose",
		.by = ECAP_BY_SECOND_TWIN,
		.slot = CLOSE,
		.at = ECAP_AT_FREE,
		.shape = { .handle = 1 },
		.required = true,
	},
};

static bool recognise(struct ecap_image *img)
{
	return ecap_image_defines(img, "SSL_ImportFD") && ecap_image_defines(img, "SSL_OptionSet");
}

const struct ecap_probe_desc ecap_probe_nss = {
	.name = "nss",
	.kind = ECAP_PROBE_TLS,
	.what = "NSS library",
	.alias = "nspr",
	.summary = "plaintext of programs that use Mozilla's NSS",
	.file_prefix = "libssl3",
	.recognise = recognise,
	.hooks = hooks,
	.n_hooks = ECAP_ARRAY_SIZE(hooks),
	.twins = &twins,
};
