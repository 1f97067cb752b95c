/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A byte buffer that grows up to a limit. The first failure (-ENOMEM, or -EMSGSIZE beyond the
 * limit) sticks in err and later appends do nothing, so a writer checks once, at its end.
 */
struct ecap_buf {
	uint8_t *data; /* owned */
	size_t len;
	size_t cap;
	size_t max;
	int err; /* 0 or the first negative errno */
};

/* Start an empty buffer that never holds more than @max bytes. Allocates nothing. */
void ecap_buf_init(struct ecap_buf *b, size_t max);
/* Release the storage; the buffer may be initialised again. */
void ecap_buf_done(struct ecap_buf *b);
/* Forget content and error, keep the storage. */
void ecap_buf_reset(struct ecap_buf *b);

/* Append @n bytes. */
void ecap_buf_put(struct ecap_buf *b, const void *p, size_t n);
/* Append one byte. */
void ecap_buf_putc(struct ecap_buf *b, char c);
/* Append a string without its terminator. */
void ecap_buf_puts(struct ecap_buf *b, const char *s);
/* Append formatted text. */
void ecap_buf_printf(struct ecap_buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* ecap_buf_reserve(), where there is no room so far. */
uint8_t *ecap_buf_grow(struct ecap_buf *b, size_t n);
/*
 * Make room for @n bytes and return where to write them, or NULL (err is set). The caller writes
 * at most @n bytes and adds what it wrote to len.
 */
static inline uint8_t *ecap_buf_reserve(struct ecap_buf *b, size_t n)
{
	if (b->data && !b->err && n <= b->cap - b->len)
		return b->data + b->len;
	return ecap_buf_grow(b, n);
}
