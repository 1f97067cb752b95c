/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct ecap_dispatch;
struct ecap_kernel;
struct ecap_output;

/*
 * Say on stderr what was seen, what was lost and why, and how each output fared; with nothing
 * seen, what to look at next.
 */
void ecap_summary_log(const struct ecap_kernel *k, const struct ecap_dispatch *dispatch,
		      const struct ecap_output *outputs, size_t n_outputs);
