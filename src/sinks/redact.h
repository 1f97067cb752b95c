/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Room for what ecap_redact_put() writes, with its terminator. */
#define ECAP_REDACT_SIZE 48

struct ecap_http_field;

/*
 * Is the value of @field a secret that --redact hides? So it is if its name is one of a table, in
 * any case, whatever the characters around it that no name may have: a server may well ignore
 * them. A line without a colon, which has no name, is a secret if it begins with one of the names.
 * So is a field in which one of the names follows a CR or LF (a bare one, or that of a folded
 * line): who takes that for the end of a line sees a field of this name.
 */
bool ecap_redact_is_secret(const struct ecap_http_field *field);
/* What is shown instead of the value: "[redacted, 12 bytes]". */
void ecap_redact_put(const struct ecap_http_field *field, char ret[static ECAP_REDACT_SIZE]);
