/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A library with the names of OpenSSL whose code takes long to analyse, once a test has given it a
 * table of millions of relocations: each call here is a search of all of them. It never runs.
 */
#include <stddef.h>

struct ssl_st;

int SSL_read(struct ssl_st *s, void *buf, int num);
int SSL_read_ex(struct ssl_st *s, void *buf, size_t num, size_t *done);
int SSL_write(struct ssl_st *s, const void *buf, int num);
int SSL_write_ex(struct ssl_st *s, const void *buf, size_t num, size_t *done);
void SSL_free(struct ssl_st *s);
void ERR_new(void);

/* Each on a path of its own, with the buffer still where it came; the text keeps them apart. */
#define REFUSE(n)                                 \
	if (num == (n)) {                         \
		ERR_new();                        \
		__asm__ volatile("/* " #n " */"); \
		return what;                      \
	}
#define REFUSE_8(n)     \
	REFUSE(n)       \
	REFUSE((n) + 1) \
	REFUSE((n) + 2) \
	REFUSE((n) + 3) \
	REFUSE((n) + 4) \
	REFUSE((n) + 5) \
	REFUSE((n) + 6) \
	REFUSE((n) + 7)
#define REFUSE_40        \
	REFUSE_8(0x1000) \
	REFUSE_8(0x2000) \
	REFUSE_8(0x3000) \
	REFUSE_8(0x4000) \
	REFUSE_8(0x5000)

static volatile char moved;

__attribute__((noinline)) static int inner(struct ssl_st *s, const void *buf, size_t num,
					   size_t *done)
{
	moved = *(const char *)buf;
	*done = s ? num : 0;
	return 1;
}

/* Numbers that differ keep the compiler from making one function of two. */
#define PLAIN(name, number, type)                                      \
	int name(struct ssl_st *s, type *buf, int num)                 \
	{                                                              \
		const int what = -(number);                            \
		size_t done;                                           \
                                                                       \
		REFUSE_40                                              \
		return inner(s, buf, (size_t)num, &done) > 0 ? 1 : -1; \
	}
#define FULL(name, type)                                                \
	int name(struct ssl_st *s, type *buf, size_t num, size_t *done) \
	{                                                               \
		return inner(s, buf, num, done) > 0;                    \
	}

PLAIN(SSL_read, 3, void)
FULL(SSL_read_ex, void)
PLAIN(SSL_write, 4, const void)
FULL(SSL_write_ex, const void)

void SSL_free(struct ssl_st *s)
{
	(void)s;
}

void ERR_new(void)
{
	moved = 0;
}
