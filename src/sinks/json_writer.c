// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_writer.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* So much of a string is made room for at a time. A byte becomes "\u001b" at most. */
#define BLOCK	    4096u
#define ESCAPED_MAX 6u
/* Eight bytes are copied at a time, whether all of them count or not. */
#define STEP 8u

void ecap_json_init(struct ecap_json *w, struct ecap_buf *out)
{
	*w = (struct ecap_json){ .out = out };
}

static void begin_value(struct ecap_json *w)
{
	if (w->comma)
		ecap_buf_putc(w->out, ',');
	w->comma = true;
}

static void begin_level(struct ecap_json *w, char bracket)
{
	begin_value(w);
	ecap_buf_putc(w->out, bracket);
	w->comma = false;
}

static void end_level(struct ecap_json *w, char bracket)
{
	ecap_buf_putc(w->out, bracket);
	w->comma = true;
}

void ecap_json_begin_object(struct ecap_json *w)
{
	begin_level(w, '{');
}

void ecap_json_end_object(struct ecap_json *w)
{
	end_level(w, '}');
}

void ecap_json_begin_array(struct ecap_json *w)
{
	begin_level(w, '[');
}

void ecap_json_end_array(struct ecap_json *w)
{
	end_level(w, ']');
}

void ecap_json_key(struct ecap_json *w, const char *key)
{
	const size_t n = strlen(key);
	uint8_t *to;

	begin_value(w);
	w->comma = false;
	to = ecap_buf_reserve(w->out, n + 3); /* one step: a line has many keys */
	if (!to)
		return;
	*to++ = '"';
	memcpy(to, key, n);
	memcpy(to + n, "\":", 2);
	w->out->len += n + 3;
}

static uint8_t *put_unicode(uint8_t *to, uint32_t cp)
{
	static const char hex[] = "0123456789abcdef";

	*to++ = '\\';
	*to++ = 'u';
	for (unsigned int shift = 16; shift; shift -= 4)
		*to++ = (uint8_t)hex[cp >> (shift - 4) & 15];
	return to;
}

/* Write what stands for the character @cp of @len bytes at @p. */
static uint8_t *put_special(uint8_t *to, const uint8_t *p, size_t len, uint32_t cp)
{
	static const char letters[] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	};

	if (cp < sizeof(letters) && letters[cp]) {
		*to++ = '\\';
		*to++ = (uint8_t)letters[cp];
		return to;
	}
	if (ecap_utf8_is_unsafe(cp)) /* none is beyond U+FFFF */
		return put_unicode(to, cp);
	for (size_t i = 0; i < len; i++)
		*to++ = p[i];
	return to;
}

/* What is escaped on its way from p to to. */
struct escape {
	const uint8_t *p, *end;
	uint8_t *to;
	bool is_exact; /* no byte may become another one */
};

/* The character at e->p, which is not plain ASCII. false: it would become another one. */
static bool escape_one(struct escape *e)
{
	uint32_t cp = *e->p;
	size_t len = 1;

	if (cp >= 0x80)
		len = ecap_utf8_decode(e->p, (size_t)(e->end - e->p), &cp);
	if (e->is_exact && (!len || !cp))
		return false;
	if (len) {
		e->to = put_special(e->to, e->p, len, cp);
	} else {
		memcpy(e->to, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		e->to += sizeof(REPLACEMENT) - 1;
		len = 1;
	}
	e->p += len;
	return true;
}

/* Up to @until; a character that begins before it is taken to its end. */
static bool escape_until(struct escape *e, const uint8_t *until)
{
	while (e->p < until) {
		size_t left = (size_t)(e->end - e->p), n = 0;

		if (left >= STEP) {
			n = ecap_utf8_plain8(e->p);
			memcpy(e->to, e->p, STEP);
		} else {
			while (n < left && ecap_utf8_is_plain(e->p[n])) {
				e->to[n] = e->p[n];
				n++;
			}
		}
		e->p += n;
		e->to += n;
		if (n < STEP && e->p < e->end && !escape_one(e))
			return false;
	}
	return true;
}

/* Append the @n bytes at @p, escaped. false: @is_exact, and they are no text. */
static bool put_escaped(struct ecap_buf *out, const void *p, size_t n, bool is_exact)
{
	struct escape e = { .p = p, .end = (const uint8_t *)p + n, .is_exact = is_exact };

	while (e.p < e.end) {
		size_t left = (size_t)(e.end - e.p), block = left < BLOCK ? left : BLOCK;
		bool is_text;

		/* The last step may begin within the block and end behind it. */
		e.to = ecap_buf_reserve(out, ESCAPED_MAX * (block + STEP));
		if (!e.to)
			return true; /* the buffer knows */
		is_text = escape_until(&e, e.p + block);
		out->len = (size_t)(e.to - out->data);
		if (!is_text)
			return false;
	}
	return true;
}

void ecap_json_begin_string(struct ecap_json *w)
{
	begin_value(w);
	ecap_buf_putc(w->out, '"');
}

void ecap_json_add_string(struct ecap_json *w, const void *p, size_t n)
{
	(void)put_escaped(w->out, p, n, false);
}

void ecap_json_end_string(struct ecap_json *w)
{
	ecap_buf_putc(w->out, '"');
}

void ecap_json_string(struct ecap_json *w, const void *p, size_t n)
{
	ecap_json_begin_string(w);
	ecap_json_add_string(w, p, n);
	ecap_json_end_string(w);
}

/* A string of the bytes if they are text; else nothing is written. */
static bool put_text(struct ecap_json *w, const void *p, size_t n)
{
	const struct ecap_json before = *w;
	const size_t len = w->out->len;

	ecap_json_begin_string(w);
	if (put_escaped(w->out, p, n, true)) {
		ecap_json_end_string(w);
		return true;
	}
	*w = before;
	w->out->len = len;
	return false;
}

void ecap_json_exact(struct ecap_json *w, const void *p, size_t n)
{
	if (put_text(w, p, n))
		return;
	ecap_json_begin_object(w);
	ecap_json_key(w, "b64");
	ecap_json_base64(w, p, n);
	ecap_json_end_object(w);
}

void ecap_json_put_bytes(struct ecap_json *w, const void *p, size_t n)
{
	const struct ecap_json before = *w;
	const size_t len = w->out->len;

	ecap_json_key(w, "text");
	if (put_text(w, p, n))
		return;
	*w = before;
	w->out->len = len;
	ecap_json_key(w, "b64");
	ecap_json_base64(w, p, n);
}

void ecap_json_string_or_null(struct ecap_json *w, const char *s)
{
	if (s)
		ecap_json_string(w, s, strlen(s));
	else
		ecap_json_null(w);
}

void ecap_json_base64(struct ecap_json *w, const uint8_t *p, size_t n)
{
	begin_value(w);
	ecap_buf_putc(w->out, '"');
	ecap_base64_encode(w->out, p, n);
	ecap_buf_putc(w->out, '"');
}

void ecap_json_u64(struct ecap_json *w, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	begin_value(w);
	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	ecap_buf_put(w->out, digits + i, sizeof(digits) - i);
}

void ecap_json_bool(struct ecap_json *w, bool v)
{
	begin_value(w);
	ecap_buf_puts(w->out, v ? "true" : "false");
}

void ecap_json_null(struct ecap_json *w)
{
	begin_value(w);
	ecap_buf_puts(w->out, "null");
}

void ecap_json_put_string(struct ecap_json *w, const char *key, const char *value)
{
	ecap_json_key(w, key);
	ecap_json_string_or_null(w, value);
}

void ecap_json_put_u64(struct ecap_json *w, const char *key, uint64_t value)
{
	ecap_json_key(w, key);
	ecap_json_u64(w, value);
}

void ecap_json_put_known(struct ecap_json *w, const char *key, uint64_t value, bool is_known)
{
	ecap_json_key(w, key);
	if (is_known)
		ecap_json_u64(w, value);
	else
		ecap_json_null(w);
}

void ecap_json_put_bool(struct ecap_json *w, const char *key, bool value)
{
	ecap_json_key(w, key);
	ecap_json_bool(w, value);
}

void ecap_json_put_time(struct ecap_json *w, const char *key, uint64_t ns)
{
	char text[ECAP_CLOCK_UTC_SIZE];

	ecap_clock_format_utc(ns, text);
	ecap_json_put_string(w, key, text);
}
