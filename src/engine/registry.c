/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/registry.h"

#include <assert.h>

#include "base/cleanup.h"

#define ECAP_PROBE(name) extern const struct ecap_probe_desc ecap_probe_##name;
#include "probe_list.h"
#undef ECAP_PROBE

static const struct ecap_probe_desc *const probes[] = {
#define ECAP_PROBE(name) &ecap_probe_##name,
#include "probe_list.h"
#undef ECAP_PROBE
};

size_t ecap_registry_n_probes(void)
{
	return ECAP_ARRAY_SIZE(probes);
}

const struct ecap_probe_desc *ecap_registry_get_probe(size_t i, uint32_t *ret_first_row)
{
	uint32_t first = 0;

	assert(i < ECAP_ARRAY_SIZE(probes));
	for (size_t before = 0; before < i; before++)
		first += (uint32_t)probes[before]->n_hooks;
	*ret_first_row = first;
	return probes[i];
}

uint32_t ecap_registry_n_rows(void)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(probes); i++)
		n += (uint32_t)probes[i]->n_hooks;
	return n;
}

const struct ecap_hook *ecap_registry_get_row(uint32_t row,
					      const struct ecap_probe_desc **ret_probe)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(probes); i++) {
		if (row < probes[i]->n_hooks) {
			if (ret_probe)
				*ret_probe = probes[i];
			return &probes[i]->hooks[row];
		}
		row -= (uint32_t)probes[i]->n_hooks;
	}
	return NULL;
}
