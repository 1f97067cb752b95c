/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/http1_head.h"

#include <string.h>
#include <strings.h>

/* The longest method in use is UPDATEREDIRECTREF. */
#define MAX_METHOD 32

/* Those registered with IANA but PRI, and some that are as common (UPnP, caches, WebDAV drafts). */
static const char *const methods[] = {
	"ACL",
	"BASELINE-CONTROL",
	"BIND",
	"CHECKIN",
	"CHECKOUT",
	"CONNECT",
	"COPY",
	"DELETE",
	"GET",
	"HEAD",
	"LABEL",
	"LINK",
	"LOCK",
	"M-SEARCH",
	"MERGE",
	"MKACTIVITY",
	"MKCALENDAR",
	"MKCOL",
	"MKREDIRECTREF",
	"MKWORKSPACE",
	"MOVE",
	"NOTIFY",
	"OPTIONS",
	"ORDERPATCH",
	"PATCH",
	"POST",
	"PROPFIND",
	"PROPPATCH",
	"PURGE",
	"PUT",
	"QUERY",
	"REBIND",
	"REPORT",
	"SEARCH",
	"SUBSCRIBE",
	"TRACE",
	"UNBIND",
	"UNCHECKOUT",
	"UNLINK",
	"UNLOCK",
	"UNSUBSCRIBE",
	"UPDATE",
	"UPDATEREDIRECTREF",
	"VERSION-CONTROL",
};

static const char version[] = "HTTP/1.";
#define VERSION_LEN (sizeof(version) - 1)

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110 5.6.2: letters, digits and !#$%&'*+-.^_`|~, a bit each. */
static bool is_token_char(uint8_t c)
{
	static const uint32_t token[8] = { 0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff };

	return token[c >> 5] >> (c & 31) & 1;
}

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool span_is(struct ecap_span s, const char *name)
{
	return s.n == strlen(name) && strncasecmp((const char *)s.p, name, s.n) == 0;
}

/* Without the white space around it; that of folded lines includes their ends. */
static struct ecap_span trim(struct ecap_span s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* How long a line is without its end. */
static size_t content_length(const uint8_t *p, size_t n)
{
	if (n && p[n - 1] == '\n')
		n--;
	if (n && p[n - 1] == '\r')
		n--;
	return n;
}

bool ecap_http1_is_empty_line(const uint8_t *p, size_t n)
{
	return n <= 2 && content_length(p, n) == 0;
}

/* ---------------------------------------------------------------------------------- start line */

/* Are these @n bytes the beginning of a known method, or with @is_whole one of them? */
static bool is_known_method(const uint8_t *p, size_t n, bool is_whole)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(methods); i++) {
		size_t len = strlen(methods[i]);

		if (n <= len && memcmp(p, methods[i], n) == 0 && (n == len || !is_whole))
			return true;
	}
	return false;
}

/* May the method go on with, or end at, the byte behind these @n? */
static bool method_may_go_on(const uint8_t *p, size_t n, bool any_method)
{
	bool is_end = p[n] == ' ';

	if (!any_method)
		return is_known_method(p, is_end ? n : n + 1, is_end);
	return is_end ? n > 0 : n < MAX_METHOD && is_token_char(p[n]);
}

/* May this byte stand behind the method, or the version of a response? CR and LF end the line. */
static bool may_be_in_line(uint8_t c)
{
	return c == '\r' || c == '\n' || (c != '\t' && !is_control(c));
}

bool ecap_http1_may_start(struct ecap_http1_scan *scan, const uint8_t *p, size_t n, bool any_method)
{
	size_t i = scan->checked;

	scan->checked = n;
	if (memcmp(p, version, n < VERSION_LEN ? n : VERSION_LEN) == 0) {
		if (n <= VERSION_LEN)
			return true;
		scan->space = VERSION_LEN; /* no method, but what counts from here on is the same */
	} else if (i <= VERSION_LEN) {
		i = 0; /* so far it may have looked like a version */
	}
	for (; i < n && !scan->space; i++) {
		if (!method_may_go_on(p, i, any_method))
			return false;
		if (p[i] == ' ')
			scan->space = i;
	}
	for (; i < n; i++) {
		if (!may_be_in_line(p[i]))
			return false;
	}
	return true;
}

/* "HTTP/1.1 200 OK"; the reason may be missing, and many leave out the space before it. */
static bool parse_status_line(const uint8_t *p, size_t n, struct ecap_http1_start *ret)
{
	const uint8_t *status = p + VERSION_LEN + 2;

	if (n < VERSION_LEN + 5 || p[VERSION_LEN + 1] != ' ')
		return false;
	if (status[0] < '1' || status[0] > '9' || !is_digit(status[1]) || !is_digit(status[2]))
		return false;
	if (n > VERSION_LEN + 5 && status[3] != ' ')
		return false;
	ret->is_response = true;
	ret->minor = p[VERSION_LEN] - '0';
	ret->status =
		(uint16_t)(100 * (status[0] - '0') + 10 * (status[1] - '0') + status[2] - '0');
	if (n > VERSION_LEN + 6)
		ret->reason = (struct ecap_span){ status + 4, n - VERSION_LEN - 6 };
	return true;
}

/* "GET /path HTTP/1.1" */
static bool parse_request_line(const uint8_t *p, size_t n, struct ecap_http1_start *ret)
{
	const uint8_t *space = memchr(p, ' ', n);
	const uint8_t *last;

	if (n < VERSION_LEN + 5 || !space || space == p)
		return false;
	last = p + n - VERSION_LEN - 2; /* the space before the version */
	if (last[0] != ' ' || memcmp(last + 1, version, VERSION_LEN) != 0 || last < space + 2)
		return false;
	if (p[n - 1] != '0' && p[n - 1] != '1')
		return false;
	ret->minor = p[n - 1] - '0';
	ret->method = (struct ecap_span){ p, (size_t)(space - p) };
	ret->target = (struct ecap_span){ space + 1, (size_t)(last - space) - 1 };
	if (memchr(ret->target.p, ' ', ret->target.n))
		ret->flags |= ECAP_HTTP_BAD_TARGET;
	return true;
}

bool ecap_http1_parse_start(const uint8_t *p, size_t n, struct ecap_http1_start *ret)
{
	size_t len = content_length(p, n);

	*ret = (struct ecap_http1_start){ 0 };
	if (len + 1 == n)
		ret->flags |= ECAP_HTTP_BARE_LF;
	if (memchr(p, '\r', len) || memchr(p, '\n', len))
		return false;
	if (len <= VERSION_LEN || memcmp(p, version, VERSION_LEN) != 0)
		return parse_request_line(p, len, ret);
	if (p[VERSION_LEN] != '0' && p[VERSION_LEN] != '1')
		return false;
	return parse_status_line(p, len, ret);
}

/* -------------------------------------------------------------------------------------- fields */

/* The next element of a list with commas in @*s, which keeps what follows it; empty ones too. */
static bool next_element(struct ecap_span *s, struct ecap_span *ret)
{
	const uint8_t *comma;
	size_t n;

	if (!s->p)
		return false;
	comma = memchr(s->p, ',', s->n);
	n = comma ? (size_t)(comma - s->p) : s->n;
	*ret = trim((struct ecap_span){ s->p, n });
	*s = comma ? (struct ecap_span){ comma + 1, s->n - n - 1 } : (struct ecap_span){ NULL, 0 };
	return true;
}

static bool parse_length(struct ecap_span s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]) || v > (UINT64_MAX >> 5))
			return false;
		v = 10 * v + (uint64_t)(s.p[i] - '0');
	}
	*ret = v;
	return s.n > 0;
}

static void on_length(struct ecap_span value, uint32_t *flags, struct ecap_http1_framing *f)
{
	struct ecap_span element;
	uint64_t length = 0;

	while (next_element(&value, &element)) {
		if (++f->n_lengths > 1)
			*flags |= ECAP_HTTP_MANY_LENGTHS;
		if (!parse_length(element, &length)) {
			*flags |= ECAP_HTTP_BAD_LENGTH;
			f->is_length_bad = true;
		} else if (f->has_length && f->length != length) {
			f->is_length_bad = true;
		}
		f->has_length = true;
		f->length = length;
	}
}

static void add_coding(struct ecap_span name, enum ecap_coding *list, size_t *n,
		       struct ecap_http1_framing *f)
{
	enum ecap_coding coding = ecap_coding_find((const char *)name.p, name.n);

	if (coding == ECAP_CODING_UNKNOWN || *n == ECAP_CODEC_MAX_CHAIN)
		f->is_coding_unknown = true;
	else if (coding != ECAP_CODING_IDENTITY)
		list[(*n)++] = coding;
}

static void on_transfer_encoding(struct ecap_span value, uint32_t *flags,
				 struct ecap_http1_framing *f)
{
	struct ecap_span name;

	while (next_element(&value, &name)) {
		if (!name.n)
			continue;
		/* Only chunked may follow, once; identity went with RFC 7230. */
		if (f->is_chunked || span_is(name, "identity"))
			*flags |= ECAP_HTTP_BAD_TE;
		if (span_is(name, "identity"))
			continue;
		f->has_te = true;
		f->is_chunked = span_is(name, "chunked");
		if (f->is_chunked)
			continue;
		add_coding(name, f->te_codings, &f->n_te_codings, f);
		if (ecap_coding_find((const char *)name.p, name.n) == ECAP_CODING_UNKNOWN)
			*flags |= ECAP_HTTP_BAD_TE;
	}
}

static void on_content_encoding(struct ecap_span value, struct ecap_http1_framing *f)
{
	struct ecap_span name;

	if (!f->content_coding.p)
		f->content_coding = value;
	while (next_element(&value, &name)) {
		if (name.n)
			add_coding(name, f->codings, &f->n_codings, f);
	}
}

static void on_field(const struct ecap_http_field *it, uint32_t *flags,
		     struct ecap_http1_framing *f)
{
	if (span_is(it->name, "content-length"))
		on_length(it->value, flags, f);
	else if (span_is(it->name, "transfer-encoding"))
		on_transfer_encoding(it->value, flags, f);
	else if (span_is(it->name, "content-encoding"))
		on_content_encoding(it->value, f);
	else if (span_is(it->name, "host") && ++f->n_hosts > 1)
		*flags |= ECAP_HTTP_MANY_HOSTS;
}

/* May one of these eight bytes be a control character? Tab counts as one here. */
static bool may_have_control(const uint8_t *p)
{
	const uint64_t each = 0x0101010101010101u;
	uint64_t word, del;

	memcpy(&word, p, sizeof(word));
	del = word ^ each * 0x7f;
	return (((word - each * 0x20) & ~word) | ((del - each) & ~del)) & each * 0x80;
}

/* Control characters in a line, CR included. */
static uint32_t line_flags(const uint8_t *p, size_t n)
{
	uint32_t flags = 0;

	/* what is left may be shorter than eight bytes, but the last eight are as good */
	if (n >= sizeof(uint64_t) && !may_have_control(p + n - sizeof(uint64_t)))
		n -= n % sizeof(uint64_t);
	for (size_t i = 0; i < n; i++) {
		while (n - i >= sizeof(uint64_t) && !may_have_control(p + i))
			i += sizeof(uint64_t);
		if (i < n && is_control(p[i]))
			flags |= p[i] == '\r' ? ECAP_HTTP_BARE_CR : ECAP_HTTP_CONTROL;
	}
	return flags;
}

/* Take one line apart; @n is without its end. */
static void parse_field(const uint8_t *p, size_t n, struct ecap_http_field *ret, uint32_t *flags)
{
	const uint8_t *colon = memchr(p, ':', n);
	size_t n_name = colon ? (size_t)(colon - p) : 0;

	if (!colon) {
		*ret = (struct ecap_http_field){ .name = { p, 0 }, .value = { p, n } };
		*flags |= ECAP_HTTP_BAD_FIELD;
		return;
	}
	ret->value = trim((struct ecap_span){ colon + 1, n - n_name - 1 });
	while (n_name && is_blank(p[n_name - 1])) {
		*flags |= ECAP_HTTP_SPACE_IN_NAME;
		n_name--;
	}
	ret->name = (struct ecap_span){ p, n_name };
	if (!n_name)
		*flags |= ECAP_HTTP_BAD_FIELD;
	for (size_t i = 0; i < n_name; i++) {
		if (!is_token_char(p[i]))
			*flags |= ECAP_HTTP_BAD_FIELD;
	}
}

/* How long the next field is with its end, and the lines on which it is folded. */
static size_t field_length(const uint8_t *p, size_t n)
{
	size_t len = 0;

	do {
		const uint8_t *lf = memchr(p + len, '\n', n - len);

		if (!lf)
			return n;
		len = (size_t)(lf - p) + 1;
	} while (len < n && (p[len] == ' ' || p[len] == '\t'));
	return len;
}

/* Flags of the lines of one field; @n is with the end of the last one. */
static uint32_t field_flags(const uint8_t *p, size_t n)
{
	uint32_t flags = p[0] == ' ' || p[0] == '\t' ? ECAP_HTTP_BAD_FIELD : 0;

	for (size_t at = 0; at < n;) {
		const uint8_t *lf = memchr(p + at, '\n', n - at);
		size_t len = lf ? (size_t)(lf - p) + 1 - at : n - at;
		size_t content = content_length(p + at, len);

		if (lf && content + 1 == len)
			flags |= ECAP_HTTP_BARE_LF;
		if (at)
			flags |= ECAP_HTTP_FOLDED;
		flags |= line_flags(p + at, content);
		at += len;
	}
	return flags;
}

size_t ecap_http1_parse_fields(const uint8_t *p, size_t n, struct ecap_http_field *fields,
			       size_t max, uint32_t *flags, struct ecap_http1_framing *framing)
{
	size_t n_fields = 0;

	while (n && !ecap_http1_is_empty_line(p, n)) {
		struct ecap_http_field field;
		size_t len = field_length(p, n);

		*flags |= field_flags(p, len);
		parse_field(p, content_length(p, len), &field, flags);
		on_field(&field, flags, framing);
		if (fields && n_fields < max)
			fields[n_fields] = field;
		n_fields++;
		p += len;
		n -= len;
	}
	if (n == 1)
		*flags |= ECAP_HTTP_BARE_LF;
	return n_fields;
}

/* -------------------------------------------------------------------------------------- chunks */

static int hex_digit(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ecap_http1_parse_chunk_size(const uint8_t *p, size_t n, uint64_t *ret)
{
	size_t len = content_length(p, n), i;
	uint64_t size = 0;

	for (i = 0; i < len && hex_digit(p[i]) >= 0; i++) {
		if (size >> 56)
			return false;
		size = size << 4 | (uint64_t)hex_digit(p[i]);
	}
	if (!i)
		return false;
	while (i < len && (p[i] == ' ' || p[i] == '\t'))
		i++;
	*ret = size;
	return i == len || p[i] == ';';
}
