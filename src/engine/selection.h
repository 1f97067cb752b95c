/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "engine/probe.h"

/* Which probes a run is about. All zero: all that show TLS. */
struct ecap_selection {
	enum ecap_probe_kind kind;
	const struct ecap_probe_desc *probe; /* only this one, of that kind; NULL: all of it */
};

/* Whether files are searched for what @probe knows. */
bool ecap_selection_has(const struct ecap_selection *sel, const struct ecap_probe_desc *probe);

/* What is searched for, for people, in the singular: "TLS library". Static. */
const char *ecap_selection_what(const struct ecap_selection *sel);

/* The option that names the only file to hook, without its dashes: "libssl". Static. */
const char *ecap_selection_option(const struct ecap_selection *sel);
