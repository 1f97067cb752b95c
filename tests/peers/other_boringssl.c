/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenSSL and BoringSSL have in common. */
#include <openssl/ssl.h>

#include "other.h"

static SSL_CTX *contexts[2]; /* the client's and the server's */

static long moved(SSL *ssl, int n, const char *what)
{
	int why = n > 0 ? 0 : SSL_get_error(ssl, n);

	if (n <= 0 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		other_die("%s: %d", what, why);
	return n > 0 ? n : 0;
}

static long send_plain(void *ssl, void *buf, size_t len)
{
	return moved(ssl, SSL_write(ssl, buf, (int)len), "write");
}

static long recv_plain(void *ssl, void *buf, size_t len)
{
	return moved(ssl, SSL_read(ssl, buf, (int)len), "read");
}

static long peek(void *ssl, void *buf, size_t len)
{
	return moved(ssl, SSL_peek(ssl, buf, (int)len), "peek");
}

static const struct other_fn fns[] = {
	{ "SSL_write", true, false, send_plain },
	{ "SSL_read", false, false, recv_plain },
	{ "SSL_peek", false, true, peek },
};

static const char *version(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}

static void init(const char *cert, const char *key)
{
	for (int server = 0; server < 2; server++) {
		contexts[server] = SSL_CTX_new(TLS_method());
		if (!contexts[server])
			other_die("no context");
	}
	if (SSL_CTX_use_certificate_file(contexts[1], cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(contexts[1], key, SSL_FILETYPE_PEM) != 1)
		other_die("the certificate was refused");
}

static void *open_handle(bool server, int fd)
{
	SSL *ssl = SSL_new(contexts[server]);

	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		other_die("no handle");
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static bool shake(void *ssl)
{
	int r = SSL_do_handshake(ssl);

	return r == 1 || moved(ssl, r, "handshake") > 0;
}

static void clear(void *ssl, bool server, int fd)
{
	SSL_set_quiet_shutdown(ssl, 1);
	SSL_shutdown(ssl);
	if (SSL_clear(ssl) != 1 || SSL_set_fd(ssl, fd) != 1)
		other_die("the handle could not be cleared");
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
}

static void close_handle(void *ssl)
{
	SSL_free(ssl);
}

const struct other_library other_library = {
	.fns = fns,
	.n_fns = sizeof(fns) / sizeof(fns[0]),
	.version = version,
	.init = init,
	.open = open_handle,
	.shake = shake,
	.clear = clear,
	.close = close_handle,
};
