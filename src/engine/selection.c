/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/selection.h"

#include "base/cleanup.h"

bool ecap_selection_has(const struct ecap_selection *sel, const struct ecap_probe_desc *probe)
{
	return probe->kind == sel->kind && (!sel->probe || sel->probe == probe);
}

const char *ecap_selection_what(const struct ecap_selection *sel)
{
	static const char *const all[] = {
		[ECAP_PROBE_TLS] = "TLS library",
		[ECAP_PROBE_SHELL] = "shell",
	};
	_Static_assert(ECAP_ARRAY_SIZE(all) == ECAP_PROBE_KIND_COUNT, "a kind without a word");

	return sel->probe ? sel->probe->what : all[sel->kind];
}

const char *ecap_selection_option(const struct ecap_selection *sel)
{
	return sel->probe && sel->probe->option ? sel->probe->option : "libssl";
}
