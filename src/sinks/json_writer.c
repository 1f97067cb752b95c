// SPDX-License-Identifier: Apache-2.0
#include "sinks/json_writer.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* So much of a string is made room for at a time. A byte becomes "\u001b" at most. */
#define BLOCK	    4096u
#define ESCAPED_MAX 6u
#define NS_PER_S    1000000000u
/* Where "2026-01-02T03:04:05.123456789Z" has its nanoseconds. */
#define FRACTION_AT  20u
#define FRACTION_END 29u

/* Sixteen bytes are copied at a time, whether all of them count or not. */
#define STEP 16u
/* What may be written behind what a block becomes: by steps that begin in it. */
#define BEHIND 64u

void ecap_json_init(struct ecap_json *w, struct ecap_buf *out)
{
	*w = (struct ecap_json){ .out = out };
}

/* Append @n bytes, as a value or the beginning of one. */
static inline void put_value(struct ecap_json *w, const char *p, size_t n)
{
	uint8_t *to = ecap_buf_reserve(w->out, n + 1);

	if (!to)
		return;
	*to = ',';
	memcpy(to + w->comma, p, n);
	w->out->len += n + w->comma;
	w->comma = true;
}

/* Append what ends a value. */
static inline void put_end(struct ecap_json *w, char c)
{
	uint8_t *to = ecap_buf_reserve(w->out, 1);

	if (!to)
		return;
	*to = (uint8_t)c;
	w->out->len++;
	w->comma = true;
}

void ecap_json_begin_object(struct ecap_json *w)
{
	put_value(w, "{", 1);
	w->comma = false;
}

void ecap_json_end_object(struct ecap_json *w)
{
	put_end(w, '}');
}

void ecap_json_begin_array(struct ecap_json *w)
{
	put_value(w, "[", 1);
	w->comma = false;
}

void ecap_json_end_array(struct ecap_json *w)
{
	put_end(w, ']');
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

/* What follows the backslash where an escape is one letter. */
static const uint8_t letters[256] = {
	['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
	['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
};

/* What is escaped on its way from p to to. */
struct escape {
	const uint8_t *p, *end;
	uint8_t *to;
	bool is_exact; /* no byte may become another one */
};

/* The character at e->p, which is not plain. false: it would become another one. */
static bool escape_special(struct escape *e)
{
	uint32_t cp = *e->p;
	size_t len = 1;

	if (cp >= 0x80)
		len = ecap_utf8_decode(e->p, (size_t)(e->end - e->p), &cp);
	if (e->is_exact && (!len || !cp))
		return false;
	if (!len) {
		memcpy(e->to, REPLACEMENT, sizeof(REPLACEMENT) - 1);
		e->to += sizeof(REPLACEMENT) - 1;
		len = 1;
	} else if (ecap_utf8_is_unsafe(cp)) { /* none is beyond U+FFFF */
		e->to = put_unicode(e->to, cp);
	} else {
		memcpy(e->to, e->p, len);
		e->to += len;
	}
	e->p += len;
	return true;
}

/* The character at e->p, and others beyond ASCII that follow. */
static inline bool escape_some(struct escape *e)
{
	const uint8_t letter = letters[*e->p];
	size_t len;

	if (letter) {
		*e->to++ = '\\';
		*e->to++ = letter;
		e->p++;
		return true;
	}
	if (ecap_utf8_is_plain(*e->p))
		return true; /* the next step takes it */
	len = ecap_utf8_plain_wide(e->p, (size_t)(e->end - e->p));
	if (!len)
		return escape_special(e);
	for (size_t i = 0; len && i < 8; i++) {
		memcpy(e->to, e->p, 4);
		e->to += len;
		e->p += len;
		len = ecap_utf8_plain_wide(e->p, (size_t)(e->end - e->p));
	}
	return true;
}

/* The first @n bytes at @p, fewer than 8, without reading beyond them; the others are 0. */
static inline uint64_t load_some(const uint8_t *p, size_t n)
{
	uint32_t first, last;

	if (n < 4) /* one of them more than once, in its place */
		return !n ? 0 :
			    p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) |
				       (uint64_t)p[n - 1] << (8 * (n - 1));
	memcpy(&first, p, 4);
	memcpy(&last, p + n - 4, 4);
	return first | (uint64_t)last << (8 * (n - 4));
}

#ifdef __SSE2__
/* As ecap_utf8_plain8(), of sixteen bytes; copies all of them to @to. */
static inline size_t copy_plain16(uint8_t *to, const uint8_t *p)
{
	const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* as signed numbers those beyond ASCII are below */
	__m128i found = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));

	found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
	_mm_storeu_si128((__m128i *)(void *)to, bytes);
	return (size_t)__builtin_ctz((unsigned int)_mm_movemask_epi8(found) | 1u << 16);
}
#else
static inline size_t copy_plain16(uint8_t *to, const uint8_t *p)
{
	uint64_t words[2];
	size_t n;

	memcpy(words, p, sizeof(words));
	memcpy(to, words, sizeof(words));
	n = ecap_utf8_plain8(words[0]);
	return n < 8 ? n : 8 + ecap_utf8_plain8(words[1]);
}
#endif

/* Copies as many plain characters as a step takes; @left is more than 0. */
static inline size_t copy_plain(uint8_t *to, const uint8_t *p, size_t left)
{
	uint64_t word;

	if (left >= STEP)
		return copy_plain16(to, p);
	if (left < 8) {
		word = load_some(p, left);
		memcpy(to, &word, sizeof(word));
		return ecap_utf8_plain8(word); /* not more than there are: 0 is not plain */
	}
	memcpy(&word, p, sizeof(word));
	memcpy(to, &word, sizeof(word));
	return ecap_utf8_plain8(word);
}

/* Up to @until; a few characters that begin behind it may be taken, too. */
static bool escape_until(struct escape *e, const uint8_t *until)
{
	while (e->p < until) {
		size_t left = (size_t)(e->end - e->p);
		size_t n = copy_plain(e->to, e->p, left);

		e->p += n;
		e->to += n;
		if (n < STEP && n < left && !escape_some(e))
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

		e.to = ecap_buf_reserve(out, ESCAPED_MAX * block + BEHIND);
		if (!e.to)
			return true; /* the buffer knows */
		is_text = escape_until(&e, e.p + block);
		out->len = (size_t)(e.to - out->data);
		if (!is_text)
			return false;
	}
	return true;
}

/* A string of the bytes; if @is_exact and they are no text, nothing is written. */
static bool put_string(struct ecap_json *w, const void *p, size_t n, bool is_exact)
{
	struct ecap_buf *out = w->out;
	const size_t len = out->len;
	uint8_t *to = ecap_buf_reserve(out, 2);

	if (!to)
		return true;
	*to = ',';
	to[w->comma] = '"';
	out->len += 1 + w->comma;
	if (!put_escaped(out, p, n, is_exact)) {
		out->len = len;
		return false;
	}
	put_end(w, '"');
	return true;
}

void ecap_json_begin_string(struct ecap_json *w)
{
	put_value(w, "\"", 1);
}

void ecap_json_add_string(struct ecap_json *w, const void *p, size_t n)
{
	(void)put_escaped(w->out, p, n, false);
}

void ecap_json_end_string(struct ecap_json *w)
{
	put_end(w, '"');
}

void ecap_json_string(struct ecap_json *w, const void *p, size_t n)
{
	(void)put_string(w, p, n, false);
}

void ecap_json_exact(struct ecap_json *w, const void *p, size_t n)
{
	if (put_string(w, p, n, true))
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
	if (put_string(w, p, n, true))
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
	put_value(w, "\"", 1);
	ecap_base64_encode(w->out, p, n);
	put_end(w, '"');
}

void ecap_json_u64(struct ecap_json *w, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	for (; v >= 10; v /= 10)
		digits[--i] = (char)('0' + v % 10);
	digits[--i] = (char)('0' + v);
	put_value(w, digits + i, sizeof(digits) - i);
}

void ecap_json_bool(struct ecap_json *w, bool v)
{
	if (v)
		put_value(w, "true", 4);
	else
		put_value(w, "false", 5);
}

void ecap_json_null(struct ecap_json *w)
{
	put_value(w, "null", 4);
}

void ecap_json_time(struct ecap_json *w, uint64_t ns)
{
	const uint64_t second = ns / NS_PER_S;
	uint8_t *to = ecap_buf_reserve(w->out, 1 + sizeof(w->time) + 1);

	if (!to)
		return;
	if (second != w->second || !w->time[0]) {
		w->second = second;
		ecap_clock_format_utc(second * NS_PER_S, w->time);
	}
	*to = ',';
	to += w->comma;
	*to++ = '"';
	memcpy(to, w->time, sizeof(w->time));
	ns %= NS_PER_S;
	for (size_t i = FRACTION_END; i > FRACTION_AT; ns /= 10)
		to[--i] = (uint8_t)('0' + ns % 10);
	to[sizeof(w->time) - 1] = '"';
	w->out->len += 1 + sizeof(w->time) + w->comma;
	w->comma = true;
}
