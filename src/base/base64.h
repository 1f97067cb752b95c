/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ecap_buf;

/* Append @n bytes in base64: RFC 4648 section 4, padded, one line. */
void ecap_base64_encode(struct ecap_buf *out, const uint8_t *p, size_t n);
