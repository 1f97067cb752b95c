/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A library with the names of OpenSSL. As there, the plain function and the one with an out
 * argument pass what they got on to one inner function; but then the plain write keeps silent about
 * half of it. Code analysis does not see that: the first calls have to.
 */
#include <stddef.h>
#include <string.h>

struct ssl_st {
	char said[256];
	size_t n;
};

int SSL_read(struct ssl_st *s, void *buf, int num);
int SSL_read_ex(struct ssl_st *s, void *buf, size_t num, size_t *done);
int SSL_write(struct ssl_st *s, const void *buf, int num);
int SSL_write_ex(struct ssl_st *s, const void *buf, size_t num, size_t *done);
void SSL_free(struct ssl_st *s);
int pretender_write(struct ssl_st *s, const void *buf, size_t num);

/* Begins with two nops: one test makes an instruction of them that the kernel does not hook. */
__attribute__((noinline, patchable_function_entry(2))) static int inner_write(struct ssl_st *s,
									      const void *buf,
									      size_t num,
									      size_t *done)
{
	s->n = num < sizeof(s->said) ? num : sizeof(s->said);
	memcpy(s->said, buf, s->n);
	*done = s->n;
	return 1;
}

__attribute__((noinline)) static int inner_read(struct ssl_st *s, void *buf, size_t num,
						size_t *done)
{
	*done = num < s->n ? num : s->n;
	memcpy(buf, s->said, *done);
	return 1;
}

int SSL_write(struct ssl_st *s, const void *buf, int num)
{
	size_t done;

	if (inner_write(s, buf, (size_t)num, &done) <= 0)
		return -1;
	return (int)(done / 2);
}

int SSL_write_ex(struct ssl_st *s, const void *buf, size_t num, size_t *done)
{
	int r = inner_write(s, buf, num, done);

	return r < 0 ? 0 : r;
}

int SSL_read(struct ssl_st *s, void *buf, int num)
{
	size_t done;

	if (inner_read(s, buf, (size_t)num, &done) <= 0)
		return -1;
	return (int)done;
}

int SSL_read_ex(struct ssl_st *s, void *buf, size_t num, size_t *done)
{
	int r = inner_read(s, buf, num, done);

	return r < 0 ? 0 : r;
}

/* Past the public functions, as BIO_f_ssl() goes. */
int pretender_write(struct ssl_st *s, const void *buf, size_t num)
{
	size_t done;

	return inner_write(s, buf, num, &done) > 0 ? (int)done : -1;
}

void SSL_free(struct ssl_st *s)
{
	s->n = 0;
}
