/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

struct ecap_out_event;
struct ecap_outputs;

/*
 * From sources to outputs. A source, the kernel's records or a capture file, tells of plaintext in
 * the order in which it was said; here messages are made of it, if any output wants them.
 */
struct ecap_pipeline;

struct ecap_http1_counters;

struct ecap_pipeline_opts {
	struct ecap_outputs *outputs; /* borrowed */
	uint64_t stream_limit;	      /* bytes of a body that are kept; 0: the default */
};

int ecap_pipeline_new(const struct ecap_pipeline_opts *opts, struct ecap_pipeline **ret);
void ecap_pipeline_free(struct ecap_pipeline *p);
ECAP_DEFINE_FREEP(struct ecap_pipeline, ecap_pipeline_free)

/* Before the first event; @begin has the time and the host. */
void ecap_pipeline_begin(struct ecap_pipeline *p, const struct ecap_out_event *begin);
/* Hand on @ev, which comes from a source, and what becomes of it. */
void ecap_pipeline_put(struct ecap_pipeline *p, const struct ecap_out_event *ev);
/*
 * Nothing more comes: hand out what is under way, and what the outputs miss. @end has the time and
 * the host for that.
 */
void ecap_pipeline_end(struct ecap_pipeline *p, const struct ecap_out_event *end);

/* Borrowed; NULL: no output wants messages. */
const struct ecap_http1_counters *ecap_pipeline_counters(const struct ecap_pipeline *p);
