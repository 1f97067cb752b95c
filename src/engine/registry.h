/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/probe.h"

/*
 * The probes that were built in, and their hooks numbered through: a row number names a hook in
 * records, in the kernel's row table and, as a cookie, on its links.
 */

/* Number of rows, at most ECAP_MAX_ROWS. */
uint32_t ecap_registry_n_rows(void);
/* The hook of row @row and, if @ret_probe is not NULL, its probe. NULL: there is no such row. */
const struct ecap_hook *ecap_registry_get_row(uint32_t row,
					      const struct ecap_probe_desc **ret_probe);

size_t ecap_registry_n_probes(void);
/* Probe @i and the row number of its first hook. */
const struct ecap_probe_desc *ecap_registry_get_probe(size_t i, uint32_t *ret_first_row);
