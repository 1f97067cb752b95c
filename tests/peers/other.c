/* SPDX-License-Identifier: Apache-2.0 */

/*
 * NAME_peer SCENARIO --cert FILE --key FILE [--count N] [--size N]: as tls_peer, for the library
 * that other_NAME.c knows.
 */
#include "other.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#define MAX_ENDS  256
#define MAX_CALLS 4096

struct call {
	const struct other_fn *fn;
	size_t n;
	size_t new_bytes; /* less than n where a peek had shown some before */
};

struct direction {
	EVP_MD_CTX *sha;
	size_t bytes;
};

struct other_end {
	void *handle;
	const char *name;
	const char *role;
	struct direction dirs[2]; /* sent, received */
	size_t read_off;	  /* bytes that reads consumed; peeks may have shown more */
	struct call calls[MAX_CALLS];
	size_t n_calls;
};

static struct other_end *ends[MAX_ENDS];
static size_t n_ends;
static double cpu_seconds; /* of the scenario "loop" */

static struct {
	const char *cert;
	const char *key;
	size_t count;
	size_t size;
} options = { .count = 20, .size = 1024 };

void other_die(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	fputs("other_peer: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ", errno %d\n", saved);
	exit(EXIT_FAILURE);
}

unsigned char *other_random(size_t len)
{
	unsigned char *bytes = malloc(len ? len : 1);

	if (!bytes || RAND_bytes(bytes, (int)len) != 1)
		other_die("no %zu random bytes", len);
	return bytes;
}

/* --------------------------------------------------------------------------------- the account */

static struct other_end *end_new(const char *name, const char *role, void *handle)
{
	struct other_end *end = calloc(1, sizeof(*end));

	if (!end || n_ends == MAX_ENDS)
		other_die("no room for one more end");
	for (size_t i = 0; i < 2; i++) {
		end->dirs[i].sha = EVP_MD_CTX_new();
		if (!end->dirs[i].sha ||
		    EVP_DigestInit_ex(end->dirs[i].sha, EVP_sha256(), NULL) != 1)
			other_die("no SHA-256");
	}
	end->handle = handle;
	end->name = name;
	end->role = role;
	ends[n_ends++] = end;
	return end;
}

void *other_handle(const struct other_end *end)
{
	return end->handle;
}

static void note(struct other_end *end, const struct other_fn *fn, const void *buf, size_t n)
{
	struct direction *dir = &end->dirs[!fn->send];
	size_t known = fn->send ? 0 : dir->bytes - end->read_off;

	if (known < n) {
		if (EVP_DigestUpdate(dir->sha, (const uint8_t *)buf + known, n - known) != 1)
			other_die("SHA-256 failed");
		dir->bytes += n - known;
	}
	if (!fn->send && !fn->peek)
		end->read_off += n;
	if (end->n_calls < MAX_CALLS)
		end->calls[end->n_calls++] = (struct call){ fn, n, known < n ? n - known : 0 };
}

void other_note_unseen(struct other_end *end, size_t len)
{
	end->dirs[1].bytes += len;
	end->read_off += len;
}

size_t other_call(struct other_end *end, const struct other_fn *fn, void *buf, size_t len)
{
	long n = fn->call(end->handle, buf, len);

	if (n > 0)
		note(end, fn, buf, (size_t)n);
	return n > 0 ? (size_t)n : 0;
}

void other_must(struct other_end *end, const struct other_fn *fn, void *buf, size_t len)
{
	size_t n = other_call(end, fn, buf, len);

	if (n != len)
		other_die("%s moved %zu of %zu bytes", fn->name, n, len);
}

static void print_direction(const char *name, const struct direction *dir)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(dir->sha, sum, &n) != 1)
		other_die("SHA-256 failed");
	printf("\"%s\":{\"bytes\":%zu,\"sha256\":\"", name, dir->bytes);
	for (unsigned int i = 0; i < n; i++)
		printf("%02x", sum[i]);
	fputs("\"},", stdout);
}

static void print_account(const char *scenario)
{
	printf("{\"scenario\":\"%s\",\"pid\":%d,\"library\":\"%s\",\"cpu\":%.6f,\"ends\":[",
	       scenario, (int)getpid(), other_library.version(), cpu_seconds);
	for (size_t i = 0; i < n_ends; i++) {
		const struct other_end *end = ends[i];

		printf("%s{\"name\":\"%s\",\"role\":\"%s\",\"handle\":\"%p\",", i ? "," : "",
		       end->name, end->role, end->handle);
		print_direction("send", &end->dirs[0]);
		print_direction("recv", &end->dirs[1]);
		fputs("\"calls\":[", stdout);
		for (size_t j = 0; j < end->n_calls; j++) {
			const struct call *call = &end->calls[j];

			printf("%s{\"fn\":\"%s\",\"dir\":\"%s\",\"ret\":%zu,\"new\":%zu}",
			       j ? "," : "", call->fn->name, call->fn->send ? "send" : "recv",
			       call->n, call->new_bytes);
		}
		fputs("]}", stdout);
	}
	puts("]}");
}

/* --------------------------------------------------------------------------------- connections */

void other_sockets(int kind, int *ret_fds)
{
	if (socketpair(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		other_die("no socket pair");
}

struct other_pair other_pair_new(const char *name, void *client, void *server)
{
	return (struct other_pair){
		.client = end_new(name, "client", client),
		.server = end_new(name, "server", server),
		.fds = { -1, -1 },
	};
}

void other_shake(void *client, void *server)
{
	bool client_done = false, server_done = false;

	while (!client_done || !server_done) {
		client_done = client_done || other_library.shake(client);
		server_done = server_done || other_library.shake(server);
	}
}

struct other_pair other_connect(const char *name)
{
	struct other_pair pair;
	void *client, *server;
	int fds[2];

	other_sockets(SOCK_STREAM, fds);
	client = other_library.open(false, fds[0]);
	server = other_library.open(true, fds[1]);
	other_shake(client, server);
	pair = other_pair_new(name, client, server);
	memcpy(pair.fds, fds, sizeof(fds));
	return pair;
}

static void close_fds(struct other_pair *pair)
{
	for (size_t i = 0; i < 2; i++) {
		if (pair->fds[i] >= 0)
			(void)close(pair->fds[i]);
	}
}

void other_close(struct other_pair *pair)
{
	other_library.close(pair->client->handle);
	other_library.close(pair->server->handle);
	close_fds(pair);
}

void other_exchange(struct other_end *from, const struct other_fn *write, struct other_end *to,
		    const struct other_fn *read, size_t len)
{
	unsigned char *out = other_random(len), *in = other_random(len);
	size_t sent = 0, got = 0;

	while (got < len) {
		if (sent < len)
			sent += other_call(from, write, out + sent, len - sent);
		got += other_call(to, read, in + got, len - got);
	}
	if (memcmp(in, out, len))
		other_die("%zu bytes arrived changed", len);
	free(in);
	free(out);
}

/* ----------------------------------------------------------------------------------- scenarios */

static const struct other_fn *find(bool send, bool peek)
{
	for (size_t i = 0; i < other_library.n_fns; i++) {
		const struct other_fn *fn = &other_library.fns[i];

		if (fn->send == send && fn->peek == peek)
			return fn;
	}
	return NULL;
}

/* @from says something, @to looks at a part of it before it reads. */
static void look_and_read(struct other_end *from, struct other_end *to)
{
	const struct other_fn *peek = find(false, true);
	unsigned char *out = other_random(100), in[100];

	if (peek) {
		other_must(from, find(true, false), out, 100);
		other_must(to, peek, in, 10);
		other_must(to, peek, in, 40);
		other_must(to, find(false, false), in, 100);
	}
	free(out);
}

static void exchange_all(struct other_end *from, struct other_end *to)
{
	static const size_t sizes[] = { 1, 100, 16384, 40000 };
	const struct other_fn *fns = other_library.fns;

	for (size_t w = 0; w < other_library.n_fns; w++) {
		for (size_t r = 0; r < other_library.n_fns; r++) {
			if (!fns[w].send || fns[r].send || fns[r].peek)
				continue;
			for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
				other_exchange(from, &fns[w], to, &fns[r], sizes[i]);
		}
	}
	look_and_read(from, to);
	/* more than the socket takes: calls that fail and are tried again */
	other_exchange(from, find(true, false), to, find(false, false), 1 << 20);
}

static void every(void)
{
	struct other_pair pair = other_connect("every");

	exchange_all(pair.client, pair.server);
	exchange_all(pair.server, pair.client);
	other_close(&pair);
}

static void talk(const struct other_pair *pair)
{
	other_exchange(pair->client, find(true, false), pair->server, find(false, false), 100);
	other_exchange(pair->server, find(true, false), pair->client, find(false, false), 300);
}

/* One connection after the other; where handles can be cleared, two connections on each pair. */
static void reuse(void)
{
	for (size_t i = 0; i < options.count; i++) {
		struct other_pair pair = other_connect("first"), next;

		talk(&pair);
		if (other_library.clear) {
			close_fds(&pair);
			next = other_pair_new("second", pair.client->handle, pair.server->handle);
			other_sockets(SOCK_STREAM, next.fds);
			other_library.clear(next.client->handle, false, next.fds[0]);
			other_library.clear(next.server->handle, true, next.fds[1]);
			other_shake(next.client->handle, next.server->handle);
			talk(&next);
			pair = next;
		}
		other_close(&pair);
	}
}

/* Many calls of one size: what they cost. */
static void loop(void)
{
	struct other_pair pair = other_connect("loop");
	const struct other_fn *write = find(true, false), *read = find(false, false);
	unsigned char *out = other_random(options.size), *in = other_random(options.size);
	clock_t begin = clock();

	for (size_t i = 0; i < options.count; i++) {
		if (write->call(pair.client->handle, out, options.size) != (long)options.size ||
		    read->call(pair.server->handle, in, options.size) != (long)options.size)
			other_die("a call moved less than %zu bytes", options.size);
	}
	cpu_seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
	other_close(&pair);
	free(in);
	free(out);
}

static const struct other_scenario common[] = {
	{ "every", every },
	{ "reuse", reuse },
	{ "loop", loop },
};

static void run(const char *name)
{
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		if (!strcmp(common[i].name, name)) {
			common[i].run();
			return;
		}
	}
	for (size_t i = 0; i < other_library.n_scenarios; i++) {
		if (!strcmp(other_library.scenarios[i].name, name)) {
			other_library.scenarios[i].run();
			return;
		}
	}
	other_die("no scenario %s", name);
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "count", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'c')
			options.cert = optarg;
		else if (c == 'k')
			options.key = optarg;
		else if (c == 'n')
			options.count = strtoul(optarg, NULL, 10);
		else if (c == 's')
			options.size = strtoul(optarg, NULL, 10);
	}
	if (optind != argc - 1 || !options.cert || !options.key)
		other_die("usage: SCENARIO --cert FILE --key FILE [--count N] [--size N]");
}

int main(int argc, char **argv)
{
	char line[16];

	parse_options(argc, argv);
	other_library.init(options.cert, options.key);
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return EXIT_FAILURE;
	run(argv[optind]);
	print_account(argv[optind]);
	return EXIT_SUCCESS;
}
