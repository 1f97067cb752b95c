/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

/*
 * Writes JSON into a buffer as it is told, commas included. That objects are closed and that keys
 * and values alternate is up to the caller; failures stick in the buffer. A string is only begun
 * where it fits with every byte of it, or the first 4 KiB, escaped.
 */
struct ecap_json {
	struct ecap_buf *out; /* borrowed */
	bool comma;	      /* a value precedes on this level */
	/* The last time that was written: those of one line are near each other. */
	uint64_t second;
	char time[ECAP_CLOCK_UTC_SIZE];
};

/* Start writing at the end of @out. */
void ecap_json_init(struct ecap_json *w, struct ecap_buf *out);

void ecap_json_begin_object(struct ecap_json *w);
void ecap_json_end_object(struct ecap_json *w);
void ecap_json_begin_array(struct ecap_json *w);
void ecap_json_end_array(struct ecap_json *w);
/*
 * The key of the value that follows; one of ours, that needs no escapes. A line has many of them,
 * nearly all constants, so this is inlined.
 */
static inline void ecap_json_key(struct ecap_json *w, const char *key)
{
	const size_t n = strlen(key);
	uint8_t *to = ecap_buf_reserve(w->out, n + 4);

	if (!to)
		return;
	*to = ',';
	to += w->comma;
	*to++ = '"';
	memcpy(to, key, n);
	memcpy(to + n, "\":", 2);
	w->out->len += n + 3 + w->comma;
	w->comma = false;
}

/*
 * A string from any bytes: what is not UTF-8 becomes U+FFFD, and what a terminal would act on
 * (ecap_utf8_is_unsafe) is escaped, which reads back as the same.
 */
void ecap_json_string(struct ecap_json *w, const void *p, size_t n);
/* The same in parts, which are whole characters each. */
void ecap_json_begin_string(struct ecap_json *w);
void ecap_json_add_string(struct ecap_json *w, const void *p, size_t n);
void ecap_json_end_string(struct ecap_json *w);
/* A string from a C string, null for NULL. */
void ecap_json_string_or_null(struct ecap_json *w, const char *s);
/* These bytes and no others: a string where they are text, else {"b64":"..."}. */
void ecap_json_exact(struct ecap_json *w, const void *p, size_t n);
/* A string with the @n bytes in base64. */
void ecap_json_base64(struct ecap_json *w, const uint8_t *p, size_t n);
/* An integer, with all its digits also where a double could not hold them. */
void ecap_json_u64(struct ecap_json *w, uint64_t v);
void ecap_json_bool(struct ecap_json *w, bool v);
/* A string: RFC 3339; @ns since 1970-01-01 UTC. */
void ecap_json_time(struct ecap_json *w, uint64_t ns);
void ecap_json_null(struct ecap_json *w);

/* A key and its value: as the functions above, null unless @is_known. */
static inline void ecap_json_put_string(struct ecap_json *w, const char *key, const char *value)
{
	ecap_json_key(w, key);
	ecap_json_string_or_null(w, value);
}

static inline void ecap_json_put_u64(struct ecap_json *w, const char *key, uint64_t value)
{
	ecap_json_key(w, key);
	ecap_json_u64(w, value);
}

static inline void ecap_json_put_known(struct ecap_json *w, const char *key, uint64_t value,
				       bool is_known)
{
	ecap_json_key(w, key);
	if (is_known)
		ecap_json_u64(w, value);
	else
		ecap_json_null(w);
}

static inline void ecap_json_put_bool(struct ecap_json *w, const char *key, bool value)
{
	ecap_json_key(w, key);
	ecap_json_bool(w, value);
}

static inline void ecap_json_put_time(struct ecap_json *w, const char *key, uint64_t ns)
{
	ecap_json_key(w, key);
	ecap_json_time(w, ns);
}

/* The exact bytes, readable where they are text: "text" is the key, else "b64". */
void ecap_json_put_bytes(struct ecap_json *w, const void *p, size_t n);
