/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "parsers/http_message.h"

/* The parts of a URL, to be written one after the other; borrowed from the message. */
struct ecap_http_url {
	const char *scheme;    /* "https://", or "" */
	struct ecap_span host; /* with its port, or empty */
	struct ecap_span path; /* and query, or all of the URL if it was sent so */
};

/*
 * Which URL the request @m is about (RFC 9112 3.3); what we see comes over TLS. false: that is not
 * known, as it names no host, several, or one that is none, or because it is not about a URL.
 */
bool ecap_http_url_find(const struct ecap_http_message *m, struct ecap_http_url *ret);
