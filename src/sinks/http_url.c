// SPDX-License-Identifier: Apache-2.0
#include "sinks/http_url.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static bool span_is(struct ecap_span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/*
 * RFC 3986 3.2.2 and 3.2.3: what a host and a port may have in them; nothing that makes another URL
 * of what follows.
 */
static bool is_host(struct ecap_span host)
{
	static const char others[] = "-._~%!$&'()*+,;=:[]";

	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = host.p[i], letter = c | 0x20;

		if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') &&
		    !(c && strchr(others, c)))
			return false;
	}
	return host.n > 0;
}

/* Is this a URL already, as proxies get it (RFC 9112 3.2.2)? */
static bool is_absolute(struct ecap_span target)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (target.n > n && strncasecmp((const char *)target.p, schemes[i], n) == 0)
			return true;
	}
	return false;
}

/*
 * Is the target a path, or the asterisk that only OPTIONS may have (RFC 9112 3.2.4)? CONNECT has a
 * host and a port, and asks for no URL.
 */
static bool is_local(const struct ecap_http_message *m)
{
	if (span_is(m->method, "CONNECT") || !m->target.n)
		return false;
	return m->target.p[0] == '/' || (span_is(m->method, "OPTIONS") && span_is(m->target, "*"));
}

bool ecap_http_url_find(const struct ecap_http_message *m, struct ecap_http_url *ret)
{
	const struct ecap_http_field *host = ecap_http_find_field(m, "host");

	if (is_absolute(m->target)) {
		*ret = (struct ecap_http_url){ .scheme = "", .path = m->target };
		return true;
	}
	if (!host || m->flags & ECAP_HTTP_MANY_HOSTS || !is_host(host->value) || !is_local(m))
		return false;
	*ret = (struct ecap_http_url){
		.scheme = "https://",
		.host = host->value,
		.path = m->target,
	};
	if (span_is(m->target, "*")) /* RFC 9112 3.2.4: it is about the server as a whole */
		ret->path.n = 0;
	return true;
}
