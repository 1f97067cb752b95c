/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sinks/sink.h"

struct ecap_dest;
struct ecap_kernel;

/* From records to outputs: checks each record, keeps the flow, formats events. */
struct ecap_dispatch;

#define ECAP_MAX_OUTPUTS 16

/* One -o: a format and where its bytes go. Both borrowed. */
struct ecap_output {
	const struct ecap_sink *sink;
	struct ecap_dest *dest;
};

struct ecap_dispatch_opts {
	struct ecap_kernel *kernel;
	const struct ecap_output *outputs;
	size_t n_outputs;
	struct ecap_sink_opts sink_opts;
};

struct ecap_dispatch_stats {
	uint64_t n_events; /* data events */
	uint64_t n_bytes;  /* plaintext in them */
	uint64_t n_conns;
	uint64_t n_processes;
	uint64_t n_invalid; /* records that the checks refused */
};

/* @opts is copied, what it points to is borrowed. */
int ecap_dispatch_new(const struct ecap_dispatch_opts *opts, struct ecap_dispatch **ret);
void ecap_dispatch_free(struct ecap_dispatch *d);
ECAP_DEFINE_FREEP(struct ecap_dispatch, ecap_dispatch_free)

/* Take one record from the ring; @arg is the dispatch (ecap_record_fn). */
void ecap_dispatch_record(void *arg, const void *data, size_t size);

/* Nothing more comes: report what is missing at the end of each stream. */
void ecap_dispatch_end(struct ecap_dispatch *d);

/* The name of an enum ecap_loss_reason, as events show it. */
const char *ecap_loss_name(unsigned int reason);

/* Bytes of plaintext, and of losses, that output number @output did not take. */
uint64_t ecap_dispatch_refused_bytes(const struct ecap_dispatch *d, size_t output);

struct ecap_dispatch_stats ecap_dispatch_get_stats(const struct ecap_dispatch *d);
