/* SPDX-License-Identifier: Apache-2.0 */
#include "sinks/redact.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "parsers/http_message.h"

/* Who holds these values can speak in the name of another (RFC 9110 11.6, 11.7; RFC 6265). */
static const char *const secret[] = {
	"Authorization",
	"Proxy-Authorization",
	"Cookie",
	"Set-Cookie",
};

/* RFC 9110 5.6.2. */
static bool is_name_char(uint8_t c)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr(others, c));
}

/* Does @text, less what no name has before it, begin with @name and end, or not go on as one? */
static bool begins_with(struct ecap_span text, const char *name)
{
	size_t n = strlen(name);

	while (text.n && !is_name_char(*text.p)) {
		text.p++;
		text.n--;
	}
	if (text.n < n || strncasecmp((const char *)text.p, name, n) != 0)
		return false;
	return text.n == n || !is_name_char(text.p[n]);
}

/* The same of what stands behind each CR and LF within: to some servers, these end a line. */
static bool hides_name(struct ecap_span text, const char *name)
{
	for (size_t i = 0; i < text.n; i++) {
		struct ecap_span rest = { text.p + i + 1, text.n - i - 1 };

		if ((text.p[i] == '\r' || text.p[i] == '\n') && begins_with(rest, name))
			return true;
	}
	return false;
}

bool ecap_redact_is_secret(const struct ecap_http_field *field)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(secret); i++) {
		if (begins_with(field->name.n ? field->name : field->value, secret[i]) ||
		    hides_name(field->name, secret[i]) || hides_name(field->value, secret[i]))
			return true;
	}
	return false;
}

void ecap_redact_put(const struct ecap_http_field *field, char ret[static ECAP_REDACT_SIZE])
{
	(void)snprintf(ret, ECAP_REDACT_SIZE, "[redacted, %zu byte%s]", field->value.n,
		       field->value.n == 1 ? "" : "s");
}
