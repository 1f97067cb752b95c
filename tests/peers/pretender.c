/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A library with the names of OpenSSL. As there, the plain function and the one with an out
 * argument pass what they got on to one inner function. What else it is depends on how it is built:
 *
 * SILENCE  divides what the plain write admits to. With 2 it keeps silent about half of it: code
 *          analysis does not see that, the first calls have to.
 * STEPPED  the inner functions begin with an instruction that no kernel emulates.
 * FAILS    the plain write says that it failed though the inner one did its work, if the message
 *          begins with a letter before m: code analysis does not see that either.
 * JUMPS    SSL_write_ex does nothing but jump to SSL_write_ex2, as in OpenSSL 3.3 and newer.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ssl_st {
	char said[256];
	size_t n;
};

int SSL_read(struct ssl_st *s, void *buf, int num);
int SSL_read_ex(struct ssl_st *s, void *buf, size_t num, size_t *done);
int SSL_write(struct ssl_st *s, const void *buf, int num);
int SSL_write_ex(struct ssl_st *s, const void *buf, size_t num, size_t *done);
int SSL_write_ex2(struct ssl_st *s, const void *buf, size_t num, uint64_t flags, size_t *done);
void SSL_free(struct ssl_st *s);
int pretender_write(struct ssl_st *s, const void *buf, size_t num);

#ifdef STEPPED
/* Each begins with a move, and goes on in C. */
#if defined(__x86_64__)
#define MOVE_AND_JUMP(to) "mov %rdi, %rdi\n jmp " to "\n"
#elif defined(__aarch64__)
#define MOVE_AND_JUMP(to) "mov x9, x0\n b " to "\n"
#endif
#define BEGINS_WITH_MOVE(name)                                                        \
	__asm__(".pushsection .text\n"                                                \
		".type " #name ", %function\n" #name                                  \
		":\n" MOVE_AND_JUMP(#name "_body") ".size " #name ", . - " #name "\n" \
						   ".popsection\n")
#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN int inner_write(struct ssl_st *s, const void *buf, size_t num, size_t *done);
HIDDEN int inner_read(struct ssl_st *s, void *buf, size_t num, size_t *done);
HIDDEN int inner_write_body(struct ssl_st *s, const void *buf, size_t num, size_t *done);
HIDDEN int inner_read_body(struct ssl_st *s, void *buf, size_t num, size_t *done);
BEGINS_WITH_MOVE(inner_write);
BEGINS_WITH_MOVE(inner_read);
#define INNER(name) int name##_body
#else
/* Begins with two nops: one test makes an instruction of them that the kernel does not hook. */
#define INNER(name) __attribute__((noinline, patchable_function_entry(2))) static int name
#endif

INNER(inner_write)(struct ssl_st *s, const void *buf, size_t num, size_t *done)
{
	s->n = num < sizeof(s->said) ? num : sizeof(s->said);
	memcpy(s->said, buf, s->n);
	*done = s->n;
	return 1;
}

INNER(inner_read)(struct ssl_st *s, void *buf, size_t num, size_t *done)
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
#ifdef FAILS
	if (s->said[0] < 'm')
		return -1;
#endif
	return (int)(done / SILENCE);
}

#ifdef JUMPS
int SSL_write_ex(struct ssl_st *s, const void *buf, size_t num, size_t *done)
{
	return SSL_write_ex2(s, buf, num, 0, done);
}

int SSL_write_ex2(struct ssl_st *s, const void *buf, size_t num, uint64_t flags, size_t *done)
{
	int r = flags ? -1 : inner_write(s, buf, num, done);

	return r < 0 ? 0 : r;
}
#else
int SSL_write_ex(struct ssl_st *s, const void *buf, size_t num, size_t *done)
{
	int r = inner_write(s, buf, num, done);

	return r < 0 ? 0 : r;
}
#endif

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
