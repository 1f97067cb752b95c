/* SPDX-License-Identifier: Apache-2.0 */
/* needs: wolfssl/ssl.h -lwolfssl */
#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include "other.h"

static WOLFSSL_CTX *contexts[2]; /* the client's and the server's */

static long moved(void *ssl, int n, const char *what)
{
	int why = n > 0 ? 0 : wolfSSL_get_error(ssl, n);

	if (n <= 0 && why != WOLFSSL_ERROR_WANT_READ && why != WOLFSSL_ERROR_WANT_WRITE)
		other_die("%s: %d", what, why);
	return n > 0 ? n : 0;
}

static long send_plain(void *ssl, void *buf, size_t len)
{
	return moved(ssl, wolfSSL_write(ssl, buf, (int)len), "write");
}

static long send_flags(void *ssl, void *buf, size_t len)
{
	return moved(ssl, wolfSSL_send(ssl, buf, (int)len, 0), "send");
}

static long recv_plain(void *ssl, void *buf, size_t len)
{
	return moved(ssl, wolfSSL_read(ssl, buf, (int)len), "read");
}

static long recv_flags(void *ssl, void *buf, size_t len)
{
	return moved(ssl, wolfSSL_recv(ssl, buf, (int)len, 0), "recv");
}

static long peek(void *ssl, void *buf, size_t len)
{
	return moved(ssl, wolfSSL_peek(ssl, buf, (int)len), "peek");
}

static const struct other_fn fns[] = {
	{ "wolfSSL_write", true, false, send_plain }, { "wolfSSL_send", true, false, send_flags },
	{ "wolfSSL_read", false, false, recv_plain }, { "wolfSSL_recv", false, false, recv_flags },
	{ "wolfSSL_peek", false, true, peek },
};

static void init(const char *cert, const char *key)
{
	wolfSSL_Init();
	contexts[0] = wolfSSL_CTX_new(wolfTLS_client_method());
	contexts[1] = wolfSSL_CTX_new(wolfTLS_server_method());
	if (!contexts[0] || !contexts[1])
		other_die("no context");
	wolfSSL_CTX_set_verify(contexts[0], WOLFSSL_VERIFY_NONE, NULL);
	if (wolfSSL_CTX_use_certificate_file(contexts[1], cert, WOLFSSL_FILETYPE_PEM) !=
		    WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_use_PrivateKey_file(contexts[1], key, WOLFSSL_FILETYPE_PEM) !=
		    WOLFSSL_SUCCESS)
		other_die("the certificate was refused");
}

static void *open_handle(bool server, int fd)
{
	WOLFSSL *ssl = wolfSSL_new(contexts[server]);

	if (!ssl || wolfSSL_set_fd(ssl, fd) != WOLFSSL_SUCCESS)
		other_die("no handle");
	return ssl;
}

static bool shake(void *ssl)
{
	int r = wolfSSL_is_server(ssl) ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl);

	return r == WOLFSSL_SUCCESS || moved(ssl, r, "handshake") > 0;
}

static void clear(void *ssl, bool server, int fd)
{
	(void)server;
	if (wolfSSL_clear(ssl) != WOLFSSL_SUCCESS || wolfSSL_set_fd(ssl, fd) != WOLFSSL_SUCCESS)
		other_die("the handle could not be cleared");
}

static void close_handle(void *ssl)
{
	wolfSSL_free(ssl);
}

const struct other_library other_library = {
	.fns = fns,
	.n_fns = sizeof(fns) / sizeof(fns[0]),
	.version = wolfSSL_lib_version,
	.init = init,
	.open = open_handle,
	.shake = shake,
	.clear = clear,
	.close = close_handle,
};
