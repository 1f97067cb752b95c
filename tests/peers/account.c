/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "peer.h"

struct call {
	enum tls_fn fn;
	int ret;
	size_t new_bytes; /* less than ret where a peek had shown some before */
};

struct direction {
	EVP_MD_CTX *sha;
	size_t bytes;
};

struct end {
	SSL *ssl;
	const char *name;
	const char *role;
	struct direction dirs[DIR_COUNT];
	size_t read_off; /* bytes that reads consumed; peeks may have shown more */
	bool with_calls;
	struct call *calls;
	size_t n_calls;
	size_t max_calls;
};

struct account {
	struct end *ends;
	size_t n_ends;
	size_t capacity;
	bool with_calls;
};

static const struct {
	const char *name;
	enum tls_dir dir;
	bool peek;
} fns[] = {
	[TLS_READ] = { .name = "SSL_read", .dir = DIR_RECV },
	[TLS_READ_EX] = { .name = "SSL_read_ex", .dir = DIR_RECV },
	[TLS_PEEK] = { .name = "SSL_peek", .dir = DIR_RECV, .peek = true },
	[TLS_PEEK_EX] = { .name = "SSL_peek_ex", .dir = DIR_RECV, .peek = true },
	[TLS_READ_EARLY] = { .name = "SSL_read_early_data", .dir = DIR_RECV },
	[TLS_WRITE] = { .name = "SSL_write", .dir = DIR_SEND },
	[TLS_WRITE_EX] = { .name = "SSL_write_ex", .dir = DIR_SEND },
	[TLS_WRITE_EX2] = { .name = "SSL_write_ex2", .dir = DIR_SEND },
	[TLS_WRITE_EARLY] = { .name = "SSL_write_early_data", .dir = DIR_SEND },
	[TLS_BIO_READ] = { .name = "BIO_read", .dir = DIR_RECV },
	[TLS_BIO_WRITE] = { .name = "BIO_write", .dir = DIR_SEND },
};

_Static_assert(sizeof(fns) / sizeof(fns[0]) == TLS_FN_COUNT, "a function has no name");

typedef int (*write_ex2_fn)(SSL *ssl, const void *buf, size_t num, uint64_t flags, size_t *written);

static write_ex2_fn find_write_ex2(void)
{
	static write_ex2_fn found;

	/* POSIX lets dlsym() results become function pointers, ISO C does not. */
	if (!found)
		*(void **)&found = dlsym(RTLD_DEFAULT, "SSL_write_ex2");
	return found;
}

bool tls_has(enum tls_fn fn)
{
	return fn != TLS_WRITE_EX2 || find_write_ex2();
}

static void direction_init(struct direction *dir)
{
	dir->sha = EVP_MD_CTX_new();
	if (!dir->sha || EVP_DigestInit_ex(dir->sha, EVP_sha256(), NULL) != 1)
		peer_die("no SHA-256");
}

struct account *account_new(size_t capacity, bool with_calls)
{
	struct account *acc = calloc(1, sizeof(*acc));

	if (!acc)
		peer_die("no memory");
	acc->ends = calloc(capacity, sizeof(*acc->ends));
	if (!acc->ends)
		peer_die("no memory for %zu ends", capacity);
	acc->capacity = capacity;
	acc->with_calls = with_calls;
	for (size_t i = 0; i < capacity; i++) {
		direction_init(&acc->ends[i].dirs[DIR_SEND]);
		direction_init(&acc->ends[i].dirs[DIR_RECV]);
	}
	return acc;
}

struct end *account_end(struct account *acc, const char *name, const char *role, SSL *ssl)
{
	struct end *end;

	if (acc->n_ends == acc->capacity)
		peer_die("more than %zu ends", acc->capacity);
	end = &acc->ends[acc->n_ends++];
	end->ssl = ssl;
	end->name = name;
	end->role = role;
	end->with_calls = acc->with_calls;
	return end;
}

SSL *end_ssl(const struct end *end)
{
	return end->ssl;
}

static void note_call(struct end *end, struct call call)
{
	struct call *grown;

	if (!end->with_calls)
		return;
	if (end->n_calls == end->max_calls) {
		end->max_calls = end->max_calls ? end->max_calls * 2 : 16;
		grown = realloc(end->calls, end->max_calls * sizeof(*grown));
		if (!grown)
			peer_die("no memory for %zu calls", end->max_calls);
		end->calls = grown;
	}
	end->calls[end->n_calls++] = call;
}

/* A byte counts where it is first seen: by the peek that showed it, or by the read. Returns how
 * many are new. */
static size_t note_bytes(struct end *end, enum tls_fn fn, const unsigned char *buf, size_t n)
{
	struct direction *dir = &end->dirs[fns[fn].dir];
	size_t known = 0;

	if (fns[fn].dir == DIR_RECV)
		known = dir->bytes - end->read_off;
	if (known < n) {
		if (EVP_DigestUpdate(dir->sha, buf + known, n - known) != 1)
			peer_die("SHA-256 failed");
		dir->bytes += n - known;
	}
	if (fns[fn].dir == DIR_RECV && !fns[fn].peek)
		end->read_off += n;
	return known < n ? n - known : 0;
}

static int call_bio(SSL *ssl, enum tls_fn fn, void *buf, size_t len)
{
	BIO *bio = BIO_new(BIO_f_ssl());
	int n;

	if (!bio || BIO_set_ssl(bio, ssl, BIO_NOCLOSE) != 1)
		peer_die("no BIO over a handle");
	n = fn == TLS_BIO_READ ? BIO_read(bio, buf, (int)len) : BIO_write(bio, buf, (int)len);
	BIO_free(bio);
	return n;
}

/* The functions with an out argument, in the terms of the plain ones. */
static int call_ex(SSL *ssl, enum tls_fn fn, void *buf, size_t len)
{
	size_t n = 0;
	int ok;

	if (fn == TLS_READ_EX)
		ok = SSL_read_ex(ssl, buf, len, &n);
	else if (fn == TLS_PEEK_EX)
		ok = SSL_peek_ex(ssl, buf, len, &n);
	else if (fn == TLS_WRITE_EX)
		ok = SSL_write_ex(ssl, buf, len, &n);
	else if (fn == TLS_WRITE_EX2)
		ok = find_write_ex2()(ssl, buf, len, 0, &n);
	else if (fn == TLS_WRITE_EARLY)
		ok = SSL_write_early_data(ssl, buf, len, &n);
	else
		ok = SSL_read_early_data(ssl, buf, len, &n) == SSL_READ_EARLY_DATA_SUCCESS;

	return ok == 1 ? (int)n : -1;
}

static int call_plain(SSL *ssl, enum tls_fn fn, void *buf, size_t len)
{
	if (fn == TLS_READ)
		return SSL_read(ssl, buf, (int)len);
	if (fn == TLS_PEEK)
		return SSL_peek(ssl, buf, (int)len);
	return SSL_write(ssl, buf, (int)len);
}

int end_call(struct end *end, enum tls_fn fn, void *buf, size_t len)
{
	size_t new_bytes = 0;
	int n;

	if (fn == TLS_READ || fn == TLS_PEEK || fn == TLS_WRITE)
		n = call_plain(end->ssl, fn, buf, len);
	else if (fn == TLS_BIO_READ || fn == TLS_BIO_WRITE)
		n = call_bio(end->ssl, fn, buf, len);
	else
		n = call_ex(end->ssl, fn, buf, len);

	if (n > 0)
		new_bytes = note_bytes(end, fn, buf, (size_t)n);
	note_call(end, (struct call){ .fn = fn, .ret = n, .new_bytes = new_bytes });
	return n;
}

void end_must(struct end *end, enum tls_fn fn, void *buf, size_t len)
{
	int n = end_call(end, fn, buf, len);

	if (n < 0 || (size_t)n != len)
		peer_die("%s of %s %s moved %d of %zu bytes, error %d", fns[fn].name, end->name,
			 end->role, n, len, SSL_get_error(end->ssl, n));
}

static void print_direction(const char *name, struct direction *dir, FILE *out)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(dir->sha, sum, &n) != 1)
		peer_die("SHA-256 failed");
	fprintf(out, "\"%s\":{\"bytes\":%zu,\"sha256\":\"", name, dir->bytes);
	for (unsigned int i = 0; i < n; i++)
		fprintf(out, "%02x", sum[i]);
	fputs("\"},", out);
}

static void print_calls(const struct end *end, FILE *out)
{
	fputs("\"calls\":[", out);
	for (size_t i = 0; i < end->n_calls; i++) {
		const struct call *call = &end->calls[i];

		fprintf(out, "%s{\"fn\":\"%s\",\"dir\":\"%s\",\"ret\":%d,\"new\":%zu}",
			i ? "," : "", fns[call->fn].name,
			fns[call->fn].dir == DIR_SEND ? "send" : "recv", call->ret,
			call->new_bytes);
	}
	fputs("]}", out);
}

void account_print(struct account *acc, const char *scenario, FILE *out)
{
	fprintf(out,
		"{\"scenario\":\"%s\",\"pid\":%d,\"library\":\"%s\",\"write_ex2\":%s,\"ends\":[",
		scenario, (int)getpid(), OpenSSL_version(OPENSSL_VERSION),
		tls_has(TLS_WRITE_EX2) ? "true" : "false");
	for (size_t i = 0; i < acc->n_ends; i++) {
		struct end *end = &acc->ends[i];

		fprintf(out, "%s{\"order\":%zu,\"name\":\"%s\",\"role\":\"%s\",\"handle\":\"%p\",",
			i ? "," : "", i, end->name, end->role, (void *)end->ssl);
		print_direction("send", &end->dirs[DIR_SEND], out);
		print_direction("recv", &end->dirs[DIR_RECV], out);
		print_calls(end, out);
	}
	fputs("]}\n", out);
}

void account_free(struct account *acc)
{
	for (size_t i = 0; i < acc->capacity; i++) {
		EVP_MD_CTX_free(acc->ends[i].dirs[DIR_SEND].sha);
		EVP_MD_CTX_free(acc->ends[i].dirs[DIR_RECV].sha);
		free(acc->ends[i].calls);
	}
	free(acc->ends);
	free(acc);
}
