/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/event.h"

/*
 * Check a record from the ring: size, kind, lengths and numbers are what event.h promises, so
 * that nobody after this has to. Returns its header, borrowed, or NULL if it is not a record.
 */
const struct ecap_event_hdr *ecap_record_check(const void *data, size_t size, uint32_t n_rows);
