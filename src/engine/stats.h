/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "abi/event.h"
#include "engine/outputs.h"
#include "sinks/event.h"

struct ecap_attacher;
struct ecap_dispatch;
struct ecap_kernel;
struct ecap_pipeline;

/* Where the numbers of a run are. Borrowed. */
struct ecap_stats_sources {
	const struct ecap_kernel *kernel;
	const struct ecap_dispatch *dispatch;
	const struct ecap_attacher *attacher;
	const struct ecap_pipeline *pipeline;
	const struct ecap_output *specs; /* as many as outputs has */
	const struct ecap_outputs *outputs;
	size_t n_outputs;
	bool counts_commands; /* the run is about these */
	bool is_of_launched;  /* it is about a program that it started */
};

#define ECAP_STATS_N_HTTP 11

/* All numbers of a run; out points into the arrays. */
struct ecap_stats {
	struct ecap_out_stats out;
	struct ecap_out_lost lost[ECAP_LOSS_REASON_COUNT];
	struct ecap_out_counter http[ECAP_STATS_N_HTTP];
	struct ecap_out_output outputs[ECAP_MAX_OUTPUTS];
};

/* Read every counter. A negative errno: the kernel's could not be read, and are 0. */
int ecap_stats_read(const struct ecap_stats_sources *from, struct ecap_stats *ret);
