/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct ecap_http_exchange;
struct ecap_json;

/* Write what an http event says of @x, from its number on; @redacts: without secret values. */
void ecap_json_put_exchange(struct ecap_json *w, const struct ecap_http_exchange *x, bool redacts);
