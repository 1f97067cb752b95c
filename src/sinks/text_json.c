// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_json.h"

#include <string.h>

#include "sinks/text_view.h"

/* One bit each for what is open. */
#define MAX_DEPTH 64
/* Deeper levels are not indented further: output stays in proportion to its input. */
#define MAX_INDENT 16
#define INDENT	   2

enum token_type {
	TOKEN_END, /* of the bytes */
	TOKEN_BAD,
	TOKEN_STRING,
	TOKEN_SCALAR, /* a number, true, false, null */
	TOKEN_PUNCT,
};

struct token {
	enum token_type type;
	size_t at;
	size_t n;
	bool is_cut; /* the bytes end within it */
};

struct reader {
	const uint8_t *p;
	size_t n;
	size_t at; /* behind the last token */
};

/* --------------------------------------------------------------------------------------- tokens */

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_scalar_char(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' ||
	       c == '.' || c == 'E';
}

/* The end of the string that begins at @at; n if the bytes end first. */
static size_t string_end(const struct reader *r, size_t at, bool *is_bad)
{
	for (at++; at < r->n; at++) {
		if (r->p[at] == '"')
			return at + 1;
		if (r->p[at] < 0x20)
			*is_bad = true;
		if (r->p[at] == '\\')
			at++;
	}
	return r->n + 1; /* also if a backslash is the last byte */
}

/* 'true', or what begins so if the bytes end there. */
static bool is_literal(const struct reader *r, const struct token *t)
{
	static const char *const literals[] = { "true", "false", "null" };
	const uint8_t *p = r->p + t->at;

	if (*p == '-' || (*p >= '0' && *p <= '9')) {
		for (size_t i = 0; i < t->n; i++) {
			if (p[i] >= 'a' && p[i] != 'e')
				return false;
		}
		return true;
	}
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		if (t->n <= strlen(literals[i]) && memcmp(p, literals[i], t->n) == 0 &&
		    (t->is_cut || !literals[i][t->n]))
			return true;
	}
	return false;
}

static struct token next_token(struct reader *r)
{
	struct token t = { .type = TOKEN_END };
	bool is_bad = false;

	while (r->at < r->n && is_space(r->p[r->at]))
		r->at++;
	t.at = r->at;
	if (r->at == r->n)
		return t;
	if (r->p[t.at] == '"') {
		t.type = TOKEN_STRING;
		r->at = string_end(r, t.at, &is_bad);
		t.is_cut = r->at > r->n;
		if (t.is_cut)
			r->at = r->n;
	} else if (is_scalar_char(r->p[t.at])) {
		t.type = TOKEN_SCALAR;
		while (r->at < r->n && is_scalar_char(r->p[r->at]))
			r->at++;
		t.is_cut = r->at == r->n;
	} else {
		t.type = TOKEN_PUNCT;
		is_bad = !memchr("{}[],:", r->p[t.at], 6);
		r->at++;
	}
	t.n = r->at - t.at;
	if (is_bad || (t.type == TOKEN_SCALAR && !is_literal(r, &t)))
		t.type = TOKEN_BAD;
	return t;
}

/* ---------------------------------------------------------------------------------------- check */

enum expected {
	EXPECT_ROOT,
	EXPECT_FIRST, /* or the end of the array */
	EXPECT_VALUE,
	EXPECT_FIRST_KEY, /* or the end of the object */
	EXPECT_KEY,
	EXPECT_COLON,
	EXPECT_NEXT, /* or the end */
	EXPECT_NOTHING,
};

struct checker {
	enum expected expected;
	unsigned int depth;
	uint64_t objects; /* a bit for each level: an object is open, not an array */
};

static bool is_value_expected(const struct checker *c)
{
	return c->expected == EXPECT_VALUE || c->expected == EXPECT_FIRST;
}

static bool open_level(struct checker *c, bool is_object)
{
	if ((!is_value_expected(c) && c->expected != EXPECT_ROOT) || c->depth == MAX_DEPTH)
		return false;
	c->objects = c->objects << 1 | is_object;
	c->depth++;
	c->expected = is_object ? EXPECT_FIRST_KEY : EXPECT_FIRST;
	return true;
}

static bool close_level(struct checker *c, bool is_object)
{
	enum expected empty = is_object ? EXPECT_FIRST_KEY : EXPECT_FIRST;

	if ((c->expected != EXPECT_NEXT && c->expected != empty) || (c->objects & 1) != is_object)
		return false;
	c->objects >>= 1;
	c->depth--;
	c->expected = c->depth ? EXPECT_NEXT : EXPECT_NOTHING;
	return true;
}

static bool take_punct(struct checker *c, uint8_t punct)
{
	switch (punct) {
	case '{':
	case '[':
		return open_level(c, punct == '{');
	case '}':
	case ']':
		return close_level(c, punct == '}');
	case ':':
		if (c->expected != EXPECT_COLON)
			return false;
		c->expected = EXPECT_VALUE;
		return true;
	default:
		if (c->expected != EXPECT_NEXT)
			return false;
		c->expected = c->objects & 1 ? EXPECT_KEY : EXPECT_VALUE;
		return true;
	}
}

static bool take_token(struct checker *c, const uint8_t *p, const struct token *t)
{
	bool is_key = c->expected == EXPECT_KEY || c->expected == EXPECT_FIRST_KEY;

	if (t->type == TOKEN_PUNCT)
		return take_punct(c, p[t->at]);
	if (t->type == TOKEN_STRING && is_key) {
		c->expected = EXPECT_COLON;
		return true;
	}
	if (t->type == TOKEN_BAD || !is_value_expected(c))
		return false;
	c->expected = EXPECT_NEXT;
	return true;
}

bool ecap_text_json_check(const uint8_t *p, size_t n, bool is_cut)
{
	struct reader r = { .p = p, .n = n };
	struct checker c = { .expected = EXPECT_ROOT };

	for (;;) {
		struct token t = next_token(&r);

		if (t.type == TOKEN_END)
			return c.expected == EXPECT_NOTHING || (is_cut && c.depth);
		if (!take_token(&c, p, &t))
			return false;
	}
}

/* ----------------------------------------------------------------------------------------- show */

/*
 * Where what is opened by the last token ends, if that fits into @room columns; else 0. Looks at so
 * many bytes only that asking at each token stays in proportion to the input.
 */
static size_t find_short_end(struct reader r, unsigned int room)
{
	const size_t most = r.at + 2 * (size_t)room;
	unsigned int depth = 1;
	size_t n = 1;

	if (r.n > most)
		r.n = most;
	while (depth) {
		struct token t = next_token(&r);
		uint8_t c = t.type == TOKEN_END ? '\0' : r.p[t.at];

		n += t.n + (c == ',' || c == ':'); /* and the space behind it */
		if (t.type == TOKEN_END || t.is_cut || n > room)
			return 0;
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
	}
	return r.at;
}

static bool put(struct ecap_text_view *v, const char *s)
{
	size_t n = strlen(s);

	return ecap_view_put(v, (const uint8_t *)s, n) == n;
}

static bool put_indent(struct ecap_text_view *v, unsigned int depth)
{
	static const char spaces[] = "                                ";
	size_t n = (size_t)INDENT * (depth < MAX_INDENT ? depth : MAX_INDENT);

	_Static_assert(sizeof(spaces) - 1 == (size_t)MAX_INDENT * INDENT, "");
	return put(v, "\n") && ecap_view_put(v, (const uint8_t *)spaces, n) == n;
}

struct layout {
	unsigned int depth;
	size_t short_end; /* so far everything stands on one line */
};

/* What stands before a token, and behind the one before it. */
static bool put_space(struct ecap_text_view *v, struct layout *l, uint8_t before, uint8_t c)
{
	bool is_end = c == '}' || c == ']';

	if (before == ':')
		return put(v, " ");
	if (l->short_end)
		return before != ',' || put(v, " ");
	if (before == ',' || before == '{' || before == '[' || is_end)
		return put_indent(v, l->depth);
	return true;
}

size_t ecap_text_json_put(struct ecap_text_view *v, const uint8_t *p, size_t n)
{
	struct reader r = { .p = p, .n = n };
	struct layout l = { 0 };
	uint8_t before = '\0'; /* a punctuation mark; '"' for what is none */

	v->is_json = true;
	for (;;) {
		struct token t = next_token(&r);
		uint8_t c = t.type == TOKEN_END ? '\0' : p[t.at];
		size_t used;

		if (t.type == TOKEN_END)
			return n;
		if ((c == '}' || c == ']') && !l.short_end)
			l.depth--;
		if (!put_space(v, &l, before, c))
			return t.at;
		if ((c == '{' || c == '[') && !l.short_end) {
			l.short_end = find_short_end(r, ecap_view_get_room(v));
			l.depth += !l.short_end;
		}
		used = ecap_view_put(v, p + t.at, t.n);
		if (used < t.n)
			return t.at + used;
		if (r.at >= l.short_end)
			l.short_end = 0;
		before = t.type == TOKEN_PUNCT ? c : '"';
	}
}
