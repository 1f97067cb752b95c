/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A response as text. The first byte says how it is shown, the second how wide the terminal is,
 * then come the type, the value of a header and the body, with a NUL between them.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "sinks/event.h"
#include "sinks/sink.h"

/* What a text may become at most: each byte an escape, or a row of a hex dump, indented. */
#define MAX_OUT (64u << 20)

static struct ecap_span cut(struct ecap_span *rest)
{
	const uint8_t *nul = memchr(rest->p, 0, rest->n);
	struct ecap_span first = { rest->p, nul ? (size_t)(nul - rest->p) : rest->n };

	rest->p += first.n + (nul != NULL);
	rest->n -= first.n + (nul != NULL);
	return first;
}

/* Nothing that a terminal acts upon, but what moves the cursor forwards. */
static bool is_harmless(const struct ecap_buf *out)
{
	for (size_t i = 0; i < out->len;) {
		uint32_t cp;
		size_t len = ecap_utf8_decode(out->data + i, out->len - i, &cp);

		if (!len || (ecap_utf8_is_unsafe(cp) && cp != '\n' && cp != '\t'))
			return false;
		i += len;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ecap_show shows[] = { ECAP_SHOW_DEFAULT, ECAP_SHOW_NONE,
						ECAP_SHOW_PREVIEW, ECAP_SHOW_ALL };
	struct ecap_span rest = { data + 2, size - 2 };
	struct ecap_http_field fields[2] = {
		{ .name = { (const uint8_t *)"Content-Type", 12 } },
		{ .name = { (const uint8_t *)"Set-Cookie", 10 } },
	};
	struct ecap_http_message m = {
		.is_response = true,
		.status = 200,
		.fields = fields,
		.n_fields = 2,
	};
	const struct ecap_http_exchange x = { .number = 1, .response = &m };
	const struct ecap_out_event ev = {
		.type = ECAP_OUT_MESSAGE,
		.http = { .lib = "tls", .exchange = &x, .message = &m },
	};
	struct ecap_sink_opts opts = { 0 };
	struct ecap_buf out;

	if (size < 2)
		return 0;
	opts.body = shows[data[0] & 3];
	opts.hex = data[0] & 4;
	opts.redact = data[0] & 8;
	opts.tsize = data[0] & 16 ? 100 : 0;
	opts.look.width = data[1];
	m.flags = data[0] & 32 ? ECAP_HTTP_BODY_CUT : 0;
	fields[0].value = cut(&rest);
	fields[1].value = cut(&rest);
	m.reason = fields[1].value;
	m.body = rest;
	m.body_bytes = m.coded_bytes = rest.n;
	ecap_buf_init(&out, MAX_OUT);
	if (ecap_sink_text.format(&ev, &opts, &out) < 0 || !is_harmless(&out))
		abort();
	ecap_buf_done(&out);
	return 0;
}
