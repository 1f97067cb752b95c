/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The first storage: most of what is built here is a line. */
#define MIN_CAP 256

void ecap_buf_init(struct ecap_buf *b, size_t max)
{
	*b = (struct ecap_buf){ .max = max };
}

void ecap_buf_done(struct ecap_buf *b)
{
	free(b->data);
	*b = (struct ecap_buf){ .max = b->max };
}

void ecap_buf_reset(struct ecap_buf *b)
{
	b->len = 0;
	b->err = 0;
}

static uint8_t *fail(struct ecap_buf *b, int err)
{
	b->err = err;
	return NULL;
}

/* Storage for @need bytes, which are within the limit. Doubling keeps appending linear. */
static int grow(struct ecap_buf *b, size_t need)
{
	size_t cap = b->cap > b->max / 2 ? b->max : 2 * b->cap;
	uint8_t *data;

	if (cap < MIN_CAP)
		cap = MIN_CAP;
	if (cap > b->max)
		cap = b->max;
	if (cap < need)
		cap = need;
	data = realloc(b->data, cap ? cap : 1);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

uint8_t *ecap_buf_grow(struct ecap_buf *b, size_t n)
{
	int r;

	if (b->err)
		return NULL;
	if (n > b->max - b->len)
		return fail(b, -EMSGSIZE);
	if (!b->data || n > b->cap - b->len) {
		r = grow(b, b->len + n);
		if (r < 0)
			return fail(b, r);
	}
	return b->data + b->len;
}

void ecap_buf_put(struct ecap_buf *b, const void *p, size_t n)
{
	uint8_t *to = ecap_buf_reserve(b, n);

	if (!to || !n) /* memcpy() wants a pointer even for nothing */
		return;
	memcpy(to, p, n);
	b->len += n;
}

void ecap_buf_putc(struct ecap_buf *b, char c)
{
	ecap_buf_put(b, &c, 1);
}

void ecap_buf_puts(struct ecap_buf *b, const char *s)
{
	ecap_buf_put(b, s, strlen(s));
}

void ecap_buf_printf(struct ecap_buf *b, const char *fmt, ...)
{
	/* Formatted outside: the limit may leave no room for the terminator of vsnprintf(). */
	ecap_autofree char *large = NULL;
	char small[MIN_CAP];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(small)) {
		va_start(args, fmt);
		n = vasprintf(&large, fmt, args);
		va_end(args);
	}
	if (n < 0) {
		large = NULL; /* left undefined by vasprintf() */
		if (!b->err)
			b->err = -ENOMEM;
		return;
	}
	ecap_buf_put(b, large ? large : small, (size_t)n);
}
