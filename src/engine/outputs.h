/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sinks/sink.h"

struct ecap_dest;
struct ecap_out_event;

#define ECAP_MAX_OUTPUTS 16

/* One -o: a format and where its bytes go. Both borrowed. */
struct ecap_output {
	const struct ecap_sink *sink;
	struct ecap_dest *dest;
};

/*
 * Each event to each output. What one does not take, because it is slow, is remembered per
 * direction of a connection and told in its place as soon as the output takes something again.
 */
struct ecap_outputs;

int ecap_outputs_new(const struct ecap_output *outputs, size_t n,
		     const struct ecap_sink_opts *sink_opts, struct ecap_outputs **ret);
void ecap_outputs_free(struct ecap_outputs *all);
ECAP_DEFINE_FREEP(struct ecap_outputs, ecap_outputs_free)

/* Whose events are put out; an empty list: everybody's. Borrowed. */
struct ecap_out_filter {
	const uint32_t *pids;
	size_t n_pids;
	const uint32_t *uids;
	size_t n_uids;
	const uint32_t *conns; /* ids */
	size_t n_conns;
};

/* From now on; @filter is copied, what it points to is borrowed. */
void ecap_outputs_set_filter(struct ecap_outputs *all, const struct ecap_out_filter *filter);
/*
 * Call @wait(@arg, dest) before an event is refused because @dest is slow. It returns when that may
 * have room; if it still has none, the event is refused.
 */
void ecap_outputs_set_wait(struct ecap_outputs *all,
			   void (*wait)(void *arg, struct ecap_dest *dest), void *arg);

/* The types of events that any output wants, as in struct ecap_sink. */
uint32_t ecap_outputs_types(const struct ecap_outputs *all);
/* Before the first event: what formats begin with; @begin has the time and the host for that. */
void ecap_outputs_begin(struct ecap_outputs *all, const struct ecap_out_event *begin);
void ecap_outputs_put(struct ecap_outputs *all, const struct ecap_out_event *ev);
/*
 * Nothing more comes: tell what is still missing, and what formats end with; @end has the time and
 * the host for that.
 */
void ecap_outputs_end(struct ecap_outputs *all, const struct ecap_out_event *end);
/* Bytes of plaintext, and of losses, that output number @i did not take. */
uint64_t ecap_outputs_refused_bytes(const struct ecap_outputs *all, size_t i);
