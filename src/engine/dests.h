/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/outputs.h"

struct ecap_output_spec;

/* All destinations of a run. The caller owns the storage; zeroed, it is one of none. */
struct ecap_dests {
	struct ecap_output items[ECAP_MAX_OUTPUTS];
	size_t n;
	uint64_t progress;	/* bytes that all took, at the last look */
	unsigned int n_stalled; /* looks since then at which it was the same */
};

/* How often to call ecap_dests_check_stall(), in milliseconds. */
#define ECAP_DESTS_STALL_MS 1000

/*
 * Open the destination of each of the @n_specs outputs, as ecap_dest_open() does; two may not be
 * one file. A negative errno was logged.
 */
int ecap_dests_open(struct ecap_dests *dests, const struct ecap_output_spec *specs, size_t n_specs,
		    int event_fd);
void ecap_dests_done(struct ecap_dests *dests);

/* Empty the files and start the threads. A negative errno was logged. */
int ecap_dests_start(struct ecap_dests *dests);
/* Hand what was put out to the threads. */
void ecap_dests_flush(struct ecap_dests *dests);
/* Nothing more comes; the threads end when all is written. */
void ecap_dests_finish(struct ecap_dests *dests);
bool ecap_dests_finished(struct ecap_dests *dests);

/*
 * Why a destination takes nothing any more. 0: none has failed; -EPIPE: whoever read it has seen
 * enough; any other negative errno was logged.
 */
int ecap_dests_check(struct ecap_dests *dests);
/*
 * While they finish: whether one that still writes gets on. A stalled reader must not keep us for
 * ever; what it did not take is counted. -ETIMEDOUT, which was logged: that was given up.
 */
int ecap_dests_check_stall(struct ecap_dests *dests);
