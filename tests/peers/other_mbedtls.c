/* SPDX-License-Identifier: Apache-2.0 */
/* needs: mbedtls/ssl.h -lmbedtls -lmbedx509 -lmbedcrypto */
#include <stdint.h>
#include <stdlib.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include "other.h"

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context chance;
static mbedtls_x509_crt certificate;
static mbedtls_pk_context private_key;
static mbedtls_ssl_config configs[2]; /* the client's and the server's */

static long moved(int n, const char *what)
{
	if (n < 0 && n != MBEDTLS_ERR_SSL_WANT_READ && n != MBEDTLS_ERR_SSL_WANT_WRITE)
		other_die("%s: -0x%x", what, (unsigned int)-n);
	return n > 0 ? n : 0;
}

static long send_plain(void *ssl, void *buf, size_t len)
{
	return moved(mbedtls_ssl_write(ssl, buf, len), "write");
}

static long recv_plain(void *ssl, void *buf, size_t len)
{
	return moved(mbedtls_ssl_read(ssl, buf, len), "read");
}

static const struct other_fn fns[] = {
	{ "mbedtls_ssl_write", true, false, send_plain },
	{ "mbedtls_ssl_read", false, false, recv_plain },
};

static const char *version(void)
{
	static char text[24];

	mbedtls_version_get_string_full(text);
	return text;
}

static int parse_key(const char *path)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	return mbedtls_pk_parse_keyfile(&private_key, path, NULL, mbedtls_ctr_drbg_random, &chance);
#else
	return mbedtls_pk_parse_keyfile(&private_key, path, NULL);
#endif
}

static void init(const char *cert, const char *key)
{
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&chance);
	mbedtls_x509_crt_init(&certificate);
	mbedtls_pk_init(&private_key);
	if (mbedtls_ctr_drbg_seed(&chance, mbedtls_entropy_func, &entropy, NULL, 0) ||
	    mbedtls_x509_crt_parse_file(&certificate, cert) || parse_key(key))
		other_die("the certificate was refused");
	for (int server = 0; server < 2; server++) {
		mbedtls_ssl_config *conf = &configs[server];

		mbedtls_ssl_config_init(conf);
		if (mbedtls_ssl_config_defaults(conf, server, MBEDTLS_SSL_TRANSPORT_STREAM,
						MBEDTLS_SSL_PRESET_DEFAULT))
			other_die("no configuration");
		mbedtls_ssl_conf_authmode(conf, MBEDTLS_SSL_VERIFY_NONE);
		mbedtls_ssl_conf_rng(conf, mbedtls_ctr_drbg_random, &chance);
	}
	if (mbedtls_ssl_conf_own_cert(&configs[1], &certificate, &private_key))
		other_die("no certificate");
}

/* The handle, and what it reads and writes. */
struct handle {
	mbedtls_ssl_context ssl; /* first: both have one address */
	mbedtls_net_context net;
};

static void *open_handle(bool server, int fd)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		other_die("no memory");
	mbedtls_ssl_init(&h->ssl);
	h->net.fd = fd;
	mbedtls_ssl_set_bio(&h->ssl, &h->net, mbedtls_net_send, mbedtls_net_recv, NULL);
	if (mbedtls_ssl_setup(&h->ssl, &configs[server]))
		other_die("no handle");
	return h;
}

static bool shake(void *ssl)
{
	int r = mbedtls_ssl_handshake(ssl);

	moved(r, "handshake");
	return r == 0;
}

static void clear(void *ssl, bool server, int fd)
{
	struct handle *h = ssl;

	(void)server;
	h->net.fd = fd;
	if (mbedtls_ssl_session_reset(ssl))
		other_die("the handle could not be reset");
}

static void close_handle(void *ssl)
{
	mbedtls_ssl_free(ssl);
	free(ssl);
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
