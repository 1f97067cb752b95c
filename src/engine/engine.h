/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/selection.h"
#include "engine/target.h"
#include "engine/trial.h"
#include "sinks/sink.h"

/* One -o FORMAT[=DEST]; borrowed. */
struct ecap_output_spec {
	const struct ecap_sink *sink;
	const char *dest; /* a path, "-": standard output */
};

/* What to capture and where to put it. Everything is borrowed for the run. */
struct ecap_engine_opts {
	const struct ecap_output_spec *outputs;
	size_t n_outputs;
	struct ecap_selection selection;
	const char *library;  /* the only file to hook; NULL: search */
	const uint32_t *pids; /* empty: all processes */
	size_t n_pids;
	bool children;	      /* with them what they have started */
	const uint32_t *uids; /* empty: all users */
	size_t n_uids;
	enum ecap_rung rung;
	uint32_t ring_bytes; /* between BPF and us; 0: the default */
	bool needs_btf;	     /* fail if the kernel has no type information */
	struct ecap_sink_opts sink_opts;
	enum ecap_placement_choice placement;
	uint64_t stream_limit; /* bytes of a message's body that are kept; 0: the default */
	uint64_t stats_ns;     /* how often to emit counters while capturing; 0: at the end only */
	bool dry_run;
};

/*
 * Capture until SIGINT, SIGTERM or SIGHUP, a closed pipe or an error; a second signal ends the
 * program at once. 0: stopped as asked; a negative errno: failed, and the reason was logged.
 */
int ecap_engine_run(const struct ecap_engine_opts *opts);
