/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls that never return: a callback of the library leaves them by longjmp(), as programs do that
 * build exceptions on it. Nothing that such a call did exists for the program: a read is left when
 * it has found nothing, a write before its record went out, and then tried again.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "account.h"
#include "link.h"
#include "peer.h"
#include "tls.h"

#define FRAME_SIZE  200
#define CONNECTIONS 3
#define MAX_LEN	    512

/* How deep on the stack the calls are that are left: up and down, some twice. */
static const unsigned int depths[] = { 3, 9, 1, 14, 6, 12, 2, 20, 20, 5, 17, 0, 11, 3 };

#define JUMPS (sizeof(depths) / sizeof(depths[0]))

static jmp_buf way_out;
static bool armed;

struct step {
	struct end *end;
	enum tls_fn fn;
	void *buf;
	size_t len;
};

/* --- a filter BIO that, once armed, leaves the call it is in -------------------------------- */

static void leave_if_armed(void)
{
	if (!armed)
		return;
	armed = false;
	longjmp(way_out, 1);
}

static int gate_read(BIO *bio, char *buf, int len)
{
	int n;

	leave_if_armed();
	n = BIO_read(BIO_next(bio), buf, len);
	BIO_copy_next_retry(bio);
	return n;
}

static int gate_write(BIO *bio, const char *buf, int len)
{
	int n;

	leave_if_armed();
	n = BIO_write(BIO_next(bio), buf, len);
	BIO_copy_next_retry(bio);
	return n;
}

static long gate_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	return BIO_next(bio) ? BIO_ctrl(BIO_next(bio), cmd, num, ptr) : 0;
}

static BIO_METHOD *gate_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "gate");

	if (!method || BIO_meth_set_read(method, gate_read) != 1 ||
	    BIO_meth_set_write(method, gate_write) != 1 ||
	    BIO_meth_set_ctrl(method, gate_ctrl) != 1)
		peer_die("no BIO method");
	return method;
}

/* Put a gate between the handle and what it writes to and reads from. */
static void put_gate(SSL *ssl, const BIO_METHOD *method)
{
	BIO *gate = BIO_new(method), *under = SSL_get_rbio(ssl);

	if (!gate || BIO_up_ref(under) != 1)
		peer_die("no BIO");
	BIO_set_init(gate, 1);
	BIO_push(gate, under);
	SSL_set_bio(ssl, gate, gate);
}

/* --- calls at a depth of the stack ---------------------------------------------------------- */

__attribute__((noinline)) static void at_depth(unsigned int depth, const struct step *step)
{
	volatile unsigned char frame[FRAME_SIZE];

	frame[0] = (unsigned char)depth;
	if (depth)
		at_depth(depth - 1, step);
	else
		end_must(step->end, step->fn, step->buf, step->len);
	/* The frame is in use until here: no jump instead of the call. */
	if (frame[0] != (unsigned char)depth)
		peer_die("the stack was changed");
}

/* Begin the call and leave it. */
static void left(unsigned int depth, const struct step *step)
{
	armed = true;
	if (!setjmp(way_out)) {
		at_depth(depth, step);
		peer_die("a call returned that was to be left");
	}
}

/* --- what is said after a jump -------------------------------------------------------------- */

/* The client reads @len bytes of the server: further down and further up than where the jump
 * began, as @down_first says, and there. */
static void receive(const struct link *link, unsigned int depth, size_t len, bool down_first)
{
	unsigned int up = depth / 2, down = 2 * depth + 1;
	unsigned char *out = tls_random(len), in[MAX_LEN];
	size_t part = len / 3, rest = len - 2 * part;

	end_must(link->server, TLS_WRITE, out, len);
	at_depth(down_first ? down : up, &(struct step){ link->client, TLS_READ, in, part });
	at_depth(down_first ? up : down,
		 &(struct step){ link->client, TLS_READ_EX, in + part, part });
	at_depth(depth, &(struct step){ link->client, TLS_PEEK, in + 2 * part, rest });
	at_depth(depth, &(struct step){ link->client, TLS_READ, in + 2 * part, rest });
	if (memcmp(in, out, len))
		peer_die("%zu bytes arrived changed", len);
	free(out);
}

/* A read that waits, of each kind, is left; then there is something to read. */
static void leave_read(const struct link *link, size_t i)
{
	static const enum tls_fn fns[] = { TLS_READ, TLS_READ_EX, TLS_READ, TLS_PEEK };
	unsigned char in[MAX_LEN];
	struct step step = { link->client, fns[i % 4], in, sizeof(in) };

	left(depths[i], &step);
	receive(link, depths[i], 100 + i, i % 3);
	if (link_moved(link->client, end_call(link->client, TLS_READ, in, sizeof(in))))
		peer_die("more arrived than was sent");
	receive(link, depths[i] + 1, 200 + i, !(i % 3));
}

/* A write is left, and tried again elsewhere, sometimes with a read in between. */
static void leave_write(const struct link *link, size_t i)
{
	unsigned char *out = tls_random(300 + i), in[MAX_LEN];
	struct step step = { link->client, i % 2 ? TLS_WRITE_EX : TLS_WRITE, out, 300 + i };

	left(depths[i], &step);
	if (i % 4 == 1)
		receive(link, depths[i], 60 + i, true);
	step.fn = i % 3 ? TLS_WRITE : TLS_WRITE_EX;
	at_depth(i % 2 ? depths[i] / 2 : depths[i] + 5, &step);
	at_depth(i % 2 ? depths[i] + 3 : depths[i] / 3, &step);
	for (int both = 0; both < 2; both++) {
		end_must(link->server, TLS_READ, in, step.len);
		if (memcmp(in, out, step.len))
			peer_die("%zu bytes arrived changed", step.len);
	}
	free(out);
}

/* The last call on each handle is one that was left: the next handle at its address is another. */
void peer_longjmp(struct tls_context *tls, struct account *acc, const struct peer_options *opt)
{
	static const char *const names[CONNECTIONS] = { "first", "second", "third" };
	BIO_METHOD *method = gate_method();
	unsigned char in[MAX_LEN];

	(void)opt;
	tls_context_forget(tls);
	for (size_t c = 0; c < CONNECTIONS; c++) {
		struct tls_pair pair;
		struct link link = link_connect(tls, acc, names[c], &pair);

		put_gate(pair.client, method);
		link_exchange(link.server, link.client, 40 + c);
		for (size_t i = 0; i < JUMPS; i++) {
			leave_read(&link, i);
			leave_write(&link, i);
		}
		left(7, &(struct step){ link.client, TLS_READ, in, sizeof(in) });
		tls_pair_free(&pair);
	}
	BIO_meth_free(method);
}
