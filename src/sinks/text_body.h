/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "parsers/http_message.h"

struct ecap_text;

/* The media type of @m's body, without parameters; empty if it does not say any. */
struct ecap_span ecap_text_content_type(const struct ecap_http_message *m);

/* A line of ours below an event's first line. */
__attribute__((format(printf, 2, 3))) void ecap_text_put_note(const struct ecap_text *t,
							      const char *fmt, ...);

/* The body, as far as the options say: JSON indented, other text as it is, the rest as hex. */
void ecap_text_put_body(const struct ecap_text *t, const struct ecap_http_message *m);

/* @n bytes as they came, of which the first is number @off of their stream. */
void ecap_text_put_payload(const struct ecap_text *t, uint64_t off, const uint8_t *p, size_t n);
