/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS client and server on NSS in one process, which keep their own account of what they say,
 * while a third thread reads and writes with the same functions of NSPR where no TLS is.
 *
 * usage: nss_peer DATABASE every|many [CONNECTIONS]
 *
 * DATABASE is a folder with a certificate and key called "peer", as certutil makes it. Says "ready
 * PID", waits for a line, plays, prints its account as one line of JSON.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nspr.h>
#include <nss.h>
#include <pk11pub.h>
#include <sechash.h>
#include <ssl.h>

#define BIG	   (256 * 1024)
#define MAX_ENDS   4096
#define PLAIN	   "plain bytes that no capture of TLS may show "
#define NO_TIMEOUT PR_INTERVAL_NO_TIMEOUT

struct direction {
	PK11Context *sha;
	size_t bytes;
};

/* One end of a connection: its descriptor and its account. */
struct end {
	PRFileDesc *fd;
	const char *role;
	struct direction send, recv;
	size_t n_peeked; /* received bytes that were counted before they were read */
};

struct play {
	const char *scenario;
	struct end *client, *server; /* of the connection under way */
	struct end *ends;
	size_t n_ends;
	CERTCertificate *cert;
	SECKEYPrivateKey *key;
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	PRErrorCode code = PR_GetError();
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("nss_peer: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fprintf(stderr, ": %s\n", PR_ErrorToName(code));
	va_end(ap);
	exit(EXIT_FAILURE);
}

/* -------------------------------------------------------------------------------------- account */

static void direction_init(struct direction *d)
{
	d->sha = PK11_CreateDigestContext(SEC_OID_SHA256);
	if (!d->sha || PK11_DigestBegin(d->sha) != SECSuccess)
		die("no SHA-256");
}

static void note(struct direction *d, const unsigned char *buf, size_t n)
{
	if (PK11_DigestOp(d->sha, buf, (unsigned int)n) != SECSuccess)
		die("SHA-256 failed");
	d->bytes += n;
}

static void print_direction(const char *name, struct direction *d, const char *end)
{
	unsigned char sum[SHA256_LENGTH];
	unsigned int n = 0;

	if (PK11_DigestFinal(d->sha, sum, &n, sizeof(sum)) != SECSuccess)
		die("SHA-256 failed");
	(void)printf("\"%s\":{\"bytes\":%zu,\"sha256\":\"", name, d->bytes);
	for (unsigned int i = 0; i < n; i++)
		(void)printf("%02x", sum[i]);
	(void)printf("\"}%s", end);
	PK11_DestroyContext(d->sha, PR_TRUE);
}

static void print_account(struct play *play, size_t n_plain)
{
	(void)printf("{\"scenario\":\"%s\",\"pid\":%d,\"library\":\"NSS %s\",\"plain\":%zu,"
		     "\"ends\":[",
		     play->scenario, (int)getpid(), NSS_GetVersion(), n_plain);
	for (size_t i = 0; i < play->n_ends; i++) {
		(void)printf("%s{\"order\":%zu,\"role\":\"%s\",", i ? "," : "", i,
			     play->ends[i].role);
		print_direction("send", &play->ends[i].send, ",");
		print_direction("recv", &play->ends[i].recv, "}");
	}
	(void)printf("]}\n");
}

/* ----------------------------------------------------------------------------- reads and writes */

static void must_send(struct end *end, const unsigned char *buf, size_t n, PRInt32 sent)
{
	if (sent < 0 || (size_t)sent != n)
		die("the %s sent %d of %zu bytes", end->role, sent, n);
	note(&end->send, buf, n);
}

static void say_write(struct end *end, const unsigned char *buf, size_t n)
{
	must_send(end, buf, n, PR_Write(end->fd, buf, (PRInt32)n));
}

static void say_send(struct end *end, const unsigned char *buf, size_t n)
{
	must_send(end, buf, n, PR_Send(end->fd, buf, (PRInt32)n, 0, NO_TIMEOUT));
}

/* In five pieces, of which one is empty. */
static void say_writev(struct end *end, const unsigned char *buf, size_t n)
{
	size_t cuts[] = { 0, 1, 1, n / 3, n / 2, n };
	PRIOVec iov[5];

	for (int i = 0; i < 5; i++)
		iov[i] = (PRIOVec){
			.iov_base = (char *)buf + cuts[i],
			.iov_len = (int)(cuts[i + 1] - cuts[i]),
		};
	must_send(end, buf, n, PR_Writev(end->fd, iov, 5, NO_TIMEOUT));
}

/* From a file, which NSPR maps or reads and sends in pieces. */
static void say_file(struct end *end, const unsigned char *buf, size_t n)
{
	char path[] = "/tmp/nss_peer.XXXXXX";
	int fd = mkstemp(path);
	PRFileDesc *file;

	if (fd < 0 || write(fd, buf, n) != (ssize_t)n)
		die("no file");
	(void)close(fd);
	file = PR_Open(path, PR_RDONLY, 0600);
	(void)unlink(path);
	must_send(end, buf, n,
		  PR_TransmitFile(end->fd, file, NULL, 0, PR_TRANSMITFILE_KEEP_OPEN, NO_TIMEOUT));
	PR_Close(file);
}

/* @n bytes arrived; those that a peek had shown are counted already. */
static void note_read(struct end *end, const unsigned char *buf, size_t n)
{
	size_t known = end->n_peeked < n ? end->n_peeked : n;

	note(&end->recv, buf + known, n - known);
	end->n_peeked -= known;
}

static void hear_read(struct end *end, unsigned char *buf, size_t n)
{
	while (n) {
		PRInt32 got = PR_Read(end->fd, buf, (PRInt32)n);

		if (got <= 0)
			die("the %s read nothing", end->role);
		note_read(end, buf, (size_t)got);
		n -= (size_t)got;
	}
}

static void hear_recv(struct end *end, unsigned char *buf, size_t n)
{
	while (n) {
		PRInt32 got = PR_Recv(end->fd, buf, (PRInt32)n, 0, NO_TIMEOUT);

		if (got <= 0)
			die("the %s received nothing", end->role);
		note_read(end, buf, (size_t)got);
		n -= (size_t)got;
	}
}

/* A part is looked at, twice, before all of it is read. */
static void hear_peek(struct end *end, unsigned char *buf, size_t n)
{
	for (int i = 1; i <= 2; i++) {
		PRInt32 part = (PRInt32)n * i / 4;
		PRInt32 got = PR_Recv(end->fd, buf, part, PR_MSG_PEEK, NO_TIMEOUT);

		if (got <= 0)
			die("the %s peeked at nothing", end->role);
		if ((size_t)got > end->n_peeked) {
			note(&end->recv, buf + end->n_peeked, (size_t)got - end->n_peeked);
			end->n_peeked = (size_t)got;
		}
	}
	hear_recv(end, buf, n);
}

/* What the two ends say: each step goes one way and then, with other bytes, the other way. */
static const struct step {
	void (*say)(struct end *end, const unsigned char *buf, size_t n);
	void (*hear)(struct end *end, unsigned char *buf, size_t n);
	size_t n;
} steps[] = {
	{ say_write, hear_read, 1 },	  { say_write, hear_read, BIG },
	{ say_file, hear_read, 100000 },  { say_send, hear_recv, 5000 },
	{ say_writev, hear_read, 40000 }, { say_writev, hear_recv, 100 },
	{ say_write, hear_peek, 4000 },	  { say_send, hear_peek, 16 },
	{ say_write, hear_read, 300 },
};
#define N_STEPS (sizeof(steps) / sizeof(steps[0]))

static void talk(const struct play *play, struct end *end)
{
	bool is_client = end == play->client, is_short = strcmp(play->scenario, "many") == 0;
	unsigned char *buf = malloc(BIG);

	if (!buf)
		die("no memory");
	for (size_t i = 0; i < (is_short ? 1 : N_STEPS) * 2; i++) {
		const struct step *s = &steps[i / 2];
		size_t n = is_short ? 64 : s->n;

		if (is_client == (i % 2 == 0)) {
			for (size_t at = 0; at < n; at++)
				buf[at] = (unsigned char)(at * 7 + i + play->n_ends * 13);
			s->say(end, buf, n);
		} else {
			s->hear(end, buf, n);
		}
	}
	free(buf);
}

static void serve(void *arg)
{
	const struct play *play = arg;

	talk(play, play->server);
}

/* ---------------------------------------------------------------------------------- connections */

/* Two connected sockets; NSS wants to know the address of the other end. */
static void tcp_pair(PRFileDesc *fds[2])
{
	PRFileDesc *listener = PR_NewTCPSocket();
	PRNetAddr at;

	fds[0] = PR_NewTCPSocket();
	if (!listener || !fds[0] || PR_InitializeNetAddr(PR_IpAddrLoopback, 0, &at) != PR_SUCCESS ||
	    PR_Bind(listener, &at) != PR_SUCCESS || PR_Listen(listener, 1) != PR_SUCCESS ||
	    PR_GetSockName(listener, &at) != PR_SUCCESS ||
	    PR_Connect(fds[0], &at, NO_TIMEOUT) != PR_SUCCESS)
		die("no connection");
	fds[1] = PR_Accept(listener, NULL, NO_TIMEOUT);
	if (!fds[1])
		die("no connection");
	PR_Close(listener);
}

static SECStatus trust(void *arg, PRFileDesc *fd, PRBool check, PRBool is_server)
{
	(void)arg;
	(void)fd;
	(void)check;
	(void)is_server;
	return SECSuccess;
}

static PRFileDesc *add_tls(struct play *play, PRFileDesc *fd, bool is_server)
{
	PRFileDesc *tls = SSL_ImportFD(NULL, fd);

	if (!tls || SSL_OptionSet(tls, SSL_NO_CACHE, PR_TRUE) != SECSuccess ||
	    SSL_AuthCertificateHook(tls, trust, NULL) != SECSuccess ||
	    SSL_SetURL(tls, "peer") != SECSuccess ||
	    (is_server &&
	     SSL_ConfigServerCert(tls, play->cert, play->key, NULL, 0) != SECSuccess) ||
	    SSL_ResetHandshake(tls, is_server) != SECSuccess)
		die("no TLS on a socket");
	return tls;
}

static struct end *add_end(struct play *play, PRFileDesc *fd, const char *role)
{
	struct end *end = &play->ends[play->n_ends++];

	end->fd = add_tls(play, fd, role[0] == 's');
	end->role = role;
	direction_init(&end->send);
	direction_init(&end->recv);
	return end;
}

static void connect_once(struct play *play)
{
	PRFileDesc *fds[2];
	PRThread *thread;

	tcp_pair(fds);
	play->client = add_end(play, fds[0], "client");
	play->server = add_end(play, fds[1], "server");
	thread = PR_CreateThread(PR_USER_THREAD, serve, play, PR_PRIORITY_NORMAL, PR_GLOBAL_THREAD,
				 PR_JOINABLE_THREAD, 0);
	if (!thread)
		die("no thread");
	talk(play, play->client);
	PR_JoinThread(thread);
	/* every other one goes on without TLS, and is closed by another function of the library */
	if (play->n_ends % 4 == 0 && SSL_OptionSet(play->client->fd, SSL_SECURITY, PR_FALSE))
		die("security can not be switched off");
	PR_Close(play->client->fd);
	PR_Close(play->server->fd);
}

/* ------------------------------------------------------------------------------ where no TLS is */

enum plain_kind {
	PLAIN_FILE,
	PLAIN_PIPE,
	PLAIN_SOCKETS,
	PLAIN_NO_SECURITY, /* sockets that have NSS's layer, with security switched off */
	N_PLAIN,
};

struct plain {
	PRFileDesc *from[N_PLAIN], *to[N_PLAIN];
	volatile bool stop;
	size_t n_bytes, n_rounds;
};

static void plain_open(struct plain *p)
{
	char path[] = "/tmp/nss_peer.XXXXXX";
	int fd = mkstemp(path);
	PRFileDesc *fds[2] = { NULL, NULL };

	if (fd < 0)
		die("no file");
	(void)close(fd);
	p->to[PLAIN_FILE] = PR_Open(path, PR_WRONLY, 0600);
	p->from[PLAIN_FILE] = PR_Open(path, PR_RDONLY, 0600);
	(void)unlink(path);
	if (PR_CreatePipe(&p->from[PLAIN_PIPE], &p->to[PLAIN_PIPE]) != PR_SUCCESS)
		die("no pipe");
	for (int kind = PLAIN_SOCKETS; kind <= PLAIN_NO_SECURITY; kind++) {
		tcp_pair(fds);
		p->to[kind] = fds[0];
		p->from[kind] = fds[1];
	}
	p->to[PLAIN_NO_SECURITY] = SSL_ImportFD(NULL, fds[0]);
	p->from[PLAIN_NO_SECURITY] = SSL_ImportFD(NULL, fds[1]);
	if (SSL_OptionSet(p->to[PLAIN_NO_SECURITY], SSL_SECURITY, PR_FALSE) != SECSuccess ||
	    SSL_OptionSet(p->from[PLAIN_NO_SECURITY], SSL_SECURITY, PR_FALSE) != SECSuccess)
		die("security can not be switched off");
	for (int kind = 0; kind < N_PLAIN; kind++) {
		if (!p->from[kind] || !p->to[kind])
			die("no descriptors of kind %d", kind);
	}
}

static void plain_round(struct plain *p)
{
	char buf[sizeof(PLAIN)];
	PRInt32 n = (PRInt32)sizeof(PLAIN);

	for (int kind = 0; kind < N_PLAIN; kind++) {
		if (PR_Write(p->to[kind], PLAIN, n) != n || PR_Read(p->from[kind], buf, n) != n ||
		    memcmp(buf, PLAIN, sizeof(buf)) != 0)
			die("descriptors of kind %d do not work", kind);
		p->n_bytes += sizeof(buf);
	}
	p->n_rounds++;
}

/* Goes on until the last connection is over, and at least for a while. */
static void plain_run(void *arg)
{
	struct plain *p = arg;

	while (!p->stop || p->n_rounds < 50) {
		plain_round(p);
		PR_Sleep(PR_MillisecondsToInterval(1));
	}
	for (int kind = 0; kind < N_PLAIN; kind++) {
		PR_Close(p->from[kind]);
		PR_Close(p->to[kind]);
	}
}

/* ----------------------------------------------------------------------------------------- main */

static void start(struct play *play, const char *database)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "sql:%s", database);
	PR_Init(PR_USER_THREAD, PR_PRIORITY_NORMAL, 0);
	if (NSS_Init(path) != SECSuccess || NSS_SetDomesticPolicy() != SECSuccess ||
	    SSL_ConfigServerSessionIDCache(16, 0, 0, NULL) != SECSuccess)
		die("NSS does not start with %s", path);
	play->ends = calloc(MAX_ENDS, sizeof(*play->ends));
	play->cert = PK11_FindCertFromNickname("peer", NULL);
	play->key = play->cert ? PK11_FindKeyByAnyCert(play->cert, NULL) : NULL;
	if (!play->ends || !play->key)
		die("no certificate called peer in %s", path);
}

int main(int argc, char **argv)
{
	struct play play = { .scenario = argc > 2 ? argv[2] : "" };
	size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	struct plain plain = { .stop = false };
	PRThread *thread;
	char line[16];

	if (argc < 3 || !n || n > MAX_ENDS / 2)
		die("usage: nss_peer DATABASE every|many [CONNECTIONS]");
	start(&play, argv[1]);
	plain_open(&plain);
	(void)printf("ready %d\n", (int)getpid());
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return EXIT_FAILURE;
	thread = PR_CreateThread(PR_USER_THREAD, plain_run, &plain, PR_PRIORITY_NORMAL,
				 PR_GLOBAL_THREAD, PR_JOINABLE_THREAD, 0);
	if (!thread)
		die("no thread");
	for (size_t i = 0; i < n; i++)
		connect_once(&play);
	plain.stop = true;
	PR_JoinThread(thread);
	print_account(&play, plain.n_bytes);
	return EXIT_SUCCESS;
}
