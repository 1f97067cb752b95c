/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct ecap_out_stats;

/*
 * Say on stderr what was seen, what was lost and why, and how each output fared; with nothing
 * seen, what to look at next. @err: 0, or why the numbers of the kernel are not known.
 */
void ecap_summary_log(const struct ecap_out_stats *stats, int err);
