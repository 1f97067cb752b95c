// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_writer.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

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

static void put_unicode(struct ecap_buf *out, uint32_t cp)
{
	static const char hex[] = "0123456789abcdef";

	ecap_buf_put(out,
		     (char[]){ '\\', 'u', hex[cp >> 12 & 15], hex[cp >> 8 & 15], hex[cp >> 4 & 15],
			       hex[cp & 15] },
		     6);
}

/* Append the character at @p, which is not plain; returns the bytes that it took. */
static size_t put_special(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	static const char letters[] = {
		['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
	};
	uint32_t cp = 0;
	size_t len = ecap_utf8_decode(p, n, &cp);

	if (!len) {
		ecap_buf_puts(out, REPLACEMENT);
		return 1;
	}
	if (cp < sizeof(letters) && letters[cp])
		ecap_buf_put(out, (char[]){ '\\', letters[cp] }, 2);
	else if (ecap_utf8_is_unsafe(cp)) /* none is beyond U+FFFF */
		put_unicode(out, cp);
	else
		ecap_buf_put(out, p, len);
	return len;
}

void ecap_json_string(struct ecap_json *w, const void *p, size_t n)
{
	const uint8_t *at = p;

	begin_value(w);
	ecap_buf_putc(w->out, '"');
	while (n) {
		size_t len = ecap_utf8_plain_run(at, n);

		if (len)
			ecap_buf_put(w->out, at, len);
		else
			len = put_special(w->out, at, n);
		at += len;
		n -= len;
	}
	ecap_buf_putc(w->out, '"');
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
