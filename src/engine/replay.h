/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "engine/outputs.h"
#include "sinks/sink.h"

struct ecap_output_spec;

/* What to replay, and where to put it. Everything is borrowed for the run. */
struct ecap_replay_opts {
	const char *file; /* "-": standard input */
	const struct ecap_output_spec *outputs;
	size_t n_outputs;
	struct ecap_sink_opts sink_opts;
	struct ecap_out_filter filter;
	uint64_t stream_limit; /* as in struct ecap_engine_opts */
};

/*
 * Put the events of a capture file out as the run that wrote it did. Slow outputs are waited for.
 * 0: all of it was put out, or whoever read the output has seen enough; also if the capture did not
 * end in order, which is a warning. A negative errno, whose reason was logged: the file can not be
 * read or is damaged (what is whole was put out), an output failed, or a signal came.
 */
int ecap_replay_run(const struct ecap_replay_opts *opts);
