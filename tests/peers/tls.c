/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "peer.h"

#define MAX_EARLY_DATA 16384

static EVP_PKEY *make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) != 1 ||
	    EVP_PKEY_keygen(ctx, &key) != 1)
		peer_die("no EC key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	if (!cert)
		peer_die("no certificate");
	name = X509_get_subject_name(cert);
	if (X509_set_version(cert, 2) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) != 1 ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -3600) ||
	    !X509_gmtime_adj(X509_getm_notAfter(cert), 86400) ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
				       -1, -1, 0) != 1 ||
	    X509_set_issuer_name(cert, name) != 1 || X509_set_pubkey(cert, key) != 1 ||
	    !X509_sign(cert, key, EVP_sha256()))
		peer_die("no self-signed certificate");
	return cert;
}

/* Remember the session of the last connection in the context, for the one that resumes it. */
static void server_options(SSL_CTX *ctx)
{
	static const unsigned char id[] = "tls_peer";

	if (SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1 ||
	    SSL_CTX_set_max_early_data(ctx, MAX_EARLY_DATA) != 1)
		peer_die("no early data");
}

void tls_context_init(struct tls_context *tls)
{
	EVP_PKEY *key = make_key();
	X509 *cert = make_certificate(key);

	tls->client = SSL_CTX_new(TLS_client_method());
	tls->server = SSL_CTX_new(TLS_server_method());
	if (!tls->client || !tls->server)
		peer_die("no TLS context");
	if (SSL_CTX_use_certificate(tls->server, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(tls->server, key) != 1 ||
	    X509_STORE_add_cert(SSL_CTX_get_cert_store(tls->client), cert) != 1)
		peer_die("the certificate was refused");
	if (SSL_CTX_set_min_proto_version(tls->client, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_min_proto_version(tls->server, TLS1_3_VERSION) != 1)
		peer_die("no TLS 1.3");
	SSL_CTX_set_verify(tls->client, SSL_VERIFY_PEER, NULL);
	server_options(tls->server);
	X509_free(cert);
	EVP_PKEY_free(key);
}

void tls_context_forget(struct tls_context *tls)
{
	SSL_CTX_set_num_tickets(tls->server, 0);
	SSL_CTX_set_session_cache_mode(tls->server, SSL_SESS_CACHE_OFF);
}

void tls_context_done(struct tls_context *tls)
{
	SSL_CTX_free(tls->client);
	SSL_CTX_free(tls->server);
}

struct tls_pair tls_pair_new(const struct tls_context *tls)
{
	struct tls_pair pair = {
		.client = SSL_new(tls->client),
		.server = SSL_new(tls->server),
	};

	if (!pair.client || !pair.server)
		peer_die("no TLS handle");
	SSL_set_connect_state(pair.client);
	SSL_set_accept_state(pair.server);
	return pair;
}

void tls_pair_join(const struct tls_pair *pair, size_t room)
{
	tls_pair_join_rooms(pair, room, room);
}

void tls_pair_join_rooms(const struct tls_pair *pair, size_t to_server, size_t to_client)
{
	BIO *client = NULL, *server = NULL;

	if (BIO_new_bio_pair(&client, to_server, &server, to_client) != 1)
		peer_die("no BIO pair");
	SSL_set_bio(pair->client, client, client);
	SSL_set_bio(pair->server, server, server);
}

void tls_pair_join_socket(const struct tls_pair *pair, int flags)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, fds) < 0)
		peer_die("no socket pair");
	if (SSL_set_fd(pair->client, fds[0]) != 1 || SSL_set_fd(pair->server, fds[1]) != 1)
		peer_die("the socket was refused");
}

/* One step; true when this side has finished. */
static int shake(SSL *ssl)
{
	int r = SSL_do_handshake(ssl);

	if (r == 1)
		return 1;
	if (SSL_get_error(ssl, r) != SSL_ERROR_WANT_READ)
		peer_die("handshake failed");
	return 0;
}

void tls_pair_handshake(const struct tls_pair *pair)
{
	int client = 0, server = 0;

	while (!client || !server) {
		client = shake(pair->client);
		server = shake(pair->server);
	}
}

static void clear(SSL *ssl)
{
	/* Without a shutdown OpenSSL takes the session for broken; nothing has to be sent. */
	SSL_set_quiet_shutdown(ssl, 1);
	SSL_shutdown(ssl);
	if (SSL_clear(ssl) != 1 || SSL_set_session(ssl, NULL) != 1)
		peer_die("the handle could not be cleared");
}

void tls_pair_clear(const struct tls_pair *pair)
{
	clear(pair->client);
	clear(pair->server);
}

void tls_pair_free(struct tls_pair *pair)
{
	SSL_free(pair->client);
	SSL_free(pair->server);
	*pair = (struct tls_pair){ 0 };
}

unsigned char *tls_random(size_t len)
{
	unsigned char *bytes = malloc(len ? len : 1);

	if (!bytes || RAND_bytes(bytes, (int)len) != 1)
		peer_die("no %zu random bytes", len);
	return bytes;
}
