/* SPDX-License-Identifier: Apache-2.0 */
/* needs: gnutls/gnutls.h -lgnutls */
#include "other.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>

#define MAX_EARLY 16384

static gnutls_certificate_credentials_t client_cred, server_cred;
static gnutls_datum_t ticket_key;
static gnutls_anti_replay_t anti_replay;

static void must(int r, const char *what)
{
	if (r < 0)
		other_die("%s: %s", what, gnutls_strerror(r));
}

static long moved(ssize_t n, const char *what)
{
	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
		return 0;
	must((int)n, what);
	return n;
}

/* -------------------------------------------------------------------------- the usual functions */

static long send_plain(void *s, void *buf, size_t len)
{
	return moved(gnutls_record_send(s, buf, len), "send");
}

static long send_padded(void *s, void *buf, size_t len)
{
	return moved(gnutls_record_send2(s, buf, len, len < 1000 ? 50 : 0, 0), "send2");
}

static long send_range(void *s, void *buf, size_t len)
{
	const gnutls_range_st range = { .low = len, .high = len + 10 };

	return moved(gnutls_record_send_range(s, buf, len, &range), "send_range");
}

static long recv_plain(void *s, void *buf, size_t len)
{
	return moved(gnutls_record_recv(s, buf, len), "recv");
}

static long recv_seq(void *s, void *buf, size_t len)
{
	unsigned char seq[8];

	return moved(gnutls_record_recv_seq(s, buf, len, seq), "recv_seq");
}

static const struct other_fn fns[] = {
	{ "gnutls_record_send", true, false, send_plain },
	{ "gnutls_record_send2", true, false, send_padded },
	{ "gnutls_record_send_range", true, false, send_range },
	{ "gnutls_record_recv", false, false, recv_plain },
	{ "gnutls_record_recv_seq", false, false, recv_seq },
};

#define SEND (&fns[0])
#define RECV (&fns[3])

/* ------------------------------------------------------------------------------------- sessions */

static const char *version(void)
{
	return gnutls_check_version(NULL);
}

static int no_replay(void *arg, time_t end, const gnutls_datum_t *key, const gnutls_datum_t *data)
{
	(void)arg, (void)end, (void)key, (void)data;
	return 0;
}

static void init(const char *cert, const char *key)
{
	must(gnutls_certificate_allocate_credentials(&client_cred), "credentials");
	must(gnutls_certificate_allocate_credentials(&server_cred), "credentials");
	must(gnutls_certificate_set_x509_key_file(server_cred, cert, key, GNUTLS_X509_FMT_PEM),
	     "certificate");
	must(gnutls_session_ticket_key_generate(&ticket_key), "ticket key");
	must(gnutls_anti_replay_init(&anti_replay), "anti-replay");
	gnutls_anti_replay_set_add_function(anti_replay, no_replay);
}

static void *open_kind(bool server, int fd, unsigned int kind)
{
	gnutls_session_t s;

	must(gnutls_init(&s, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | kind),
	     "init");
	must(gnutls_set_default_priority(s), "priority");
	must(gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, server ? server_cred : client_cred),
	     "credentials");
	gnutls_transport_set_int(s, fd);
	return s;
}

static void *open_stream(bool server, int fd)
{
	return open_kind(server, fd, 0);
}

static bool shake(void *s)
{
	int r = gnutls_handshake(s);

	if (r < 0 && gnutls_error_is_fatal(r))
		must(r, "handshake");
	return r == 0;
}

static void close_session(void *s)
{
	gnutls_deinit(s);
}

/* ---------------------------------------------------------------------- what only GnuTLS can do */

static int flush(gnutls_session_t s)
{
	int r = gnutls_record_uncork(s, 0);

	if (r < 0 && gnutls_error_is_fatal(r))
		must(r, "uncork");
	return r;
}

/* Says nothing while corked; then more than the socket takes, so that uncorking takes several
 * calls; then some without a cork. */
static void cork(void)
{
	enum { BIG = 1 << 20, SMALL = 1000 };
	struct other_pair pair = other_connect("cork");
	unsigned char *out = other_random(BIG), *in = malloc(BIG);
	size_t got = 0;
	int r;

	gnutls_record_cork(other_handle(pair.client));
	other_must(pair.client, SEND, out, SMALL);
	other_must(pair.client, SEND, out + SMALL, BIG - SMALL);
	do {
		r = flush(other_handle(pair.client));
		got += other_call(pair.server, RECV, in + got, BIG - got);
	} while (r < 0);
	while (got < BIG)
		got += other_call(pair.server, RECV, in + got, BIG - got);
	if (memcmp(in, out, BIG))
		other_die("what was corked arrived changed");
	for (int i = 0; i < 3; i++) {
		gnutls_record_cork(other_handle(pair.server));
		other_must(pair.server, SEND, out, SMALL);
		must(gnutls_record_uncork(other_handle(pair.server), GNUTLS_RECORD_WAIT), "uncork");
		other_must(pair.client, RECV, in, SMALL);
		other_exchange(pair.server, SEND, pair.client, RECV, SMALL);
	}
	other_close(&pair);
	free(in);
	free(out);
}

/* A packet's bytes stay in the library; what is read after it is in its place. */
static void packet(void)
{
	struct other_pair pair = other_connect("packet");
	unsigned char *out = other_random(500);
	gnutls_packet_t got;

	other_must(pair.client, SEND, out, 500);
	if (gnutls_record_recv_packet(other_handle(pair.server), &got) != 500)
		other_die("no packet");
	other_note_unseen(pair.server, 500);
	gnutls_packet_deinit(got);
	other_exchange(pair.client, SEND, pair.server, RECV, 700);
	other_close(&pair);
	free(out);
}

static void datagrams(void)
{
	struct other_pair pair;
	void *client, *server;
	int fds[2];

	other_sockets(SOCK_DGRAM, fds);
	client = open_kind(false, fds[0], GNUTLS_DATAGRAM);
	server = open_kind(true, fds[1], GNUTLS_DATAGRAM);
	other_shake(client, server);
	pair = other_pair_new("dtls", client, server);
	for (int i = 1; i < 10; i++) {
		other_exchange(pair.client, SEND, pair.server, RECV, (size_t)i * 100);
		other_exchange(pair.server, SEND, pair.client, &fns[4], (size_t)i);
	}
	memcpy(pair.fds, fds, sizeof(fds));
	other_close(&pair);
}

static long send_early(void *s, void *buf, size_t len)
{
	must(gnutls_record_send_early_data(s, buf, len), "send_early_data");
	return (long)len;
}

static long recv_early(void *s, void *buf, size_t len)
{
	return moved(gnutls_record_recv_early_data(s, buf, len), "recv_early_data");
}

static const struct other_fn early_fns[] = {
	{ "gnutls_record_send_early_data", true, false, send_early },
	{ "gnutls_record_recv_early_data", false, false, recv_early },
};

static struct other_pair early_pair(const char *name)
{
	struct other_pair pair;
	void *server;
	int fds[2];

	other_sockets(SOCK_STREAM, fds);
	server = open_kind(true, fds[1], GNUTLS_ENABLE_EARLY_DATA);
	must(gnutls_session_ticket_enable_server(server, &ticket_key), "tickets");
	must(gnutls_record_set_max_early_data_size(server, MAX_EARLY), "early data");
	gnutls_anti_replay_enable(server, anti_replay);
	pair = other_pair_new(name, open_kind(false, fds[0], 0), server);
	memcpy(pair.fds, fds, sizeof(fds));
	return pair;
}

/* The second connection says something before its handshake. */
static void early(void)
{
	struct other_pair first = early_pair("first"), second = early_pair("second");
	unsigned char *out = other_random(2000), in[2000];
	gnutls_datum_t ticket;

	other_shake(other_handle(first.client), other_handle(first.server));
	other_exchange(first.server, SEND, first.client, RECV, 10);
	must(gnutls_session_get_data2(other_handle(first.client), &ticket), "no ticket");
	must(gnutls_session_set_data(other_handle(second.client), ticket.data, ticket.size),
	     "ticket");
	other_must(second.client, &early_fns[0], out, 500);
	other_must(second.client, &early_fns[0], out + 500, 1500);
	other_shake(other_handle(second.client), other_handle(second.server));
	if (!(gnutls_session_get_flags(other_handle(second.server)) & GNUTLS_SFLAGS_EARLY_DATA))
		other_die("early data was refused");
	other_must(second.server, &early_fns[1], in, sizeof(in));
	if (memcmp(in, out, sizeof(in)))
		other_die("early data arrived changed");
	other_exchange(second.client, SEND, second.server, RECV, 100);
	gnutls_free(ticket.data);
	other_close(&first);
	other_close(&second);
	free(out);
}

static const struct other_scenario scenarios[] = {
	{ "cork", cork },
	{ "packet", packet },
	{ "dtls", datagrams },
	{ "early", early },
};

const struct other_library other_library = {
	.fns = fns,
	.n_fns = sizeof(fns) / sizeof(fns[0]),
	.scenarios = scenarios,
	.n_scenarios = sizeof(scenarios) / sizeof(scenarios[0]),
	.version = version,
	.init = init,
	.open = open_stream,
	.shake = shake,
	.close = close_session,
};
