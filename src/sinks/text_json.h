/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecap_text_view;

/*
 * JSON (RFC 8259) for a person: only white space between tokens changes, so numbers, the order of
 * members and members that come twice stay exactly as they were sent.
 */

/*
 * Are the @n bytes one JSON text, an object or an array, that can be indented? Of one that
 * @is_cut, the beginning. No for one that is nested very deeply.
 */
bool ecap_text_json_check(const uint8_t *p, size_t n, bool is_cut);

/*
 * Show what ecap_text_json_check() said yes to. An object or array stands on one line if it fits
 * there. Returns for how many of the bytes there was room.
 */
size_t ecap_text_json_put(struct ecap_text_view *v, const uint8_t *p, size_t n);
