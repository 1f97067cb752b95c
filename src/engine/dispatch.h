/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct ecap_kernel;
struct ecap_notice;
struct ecap_out_stats;
struct ecap_out_target;
struct ecap_pipeline;

/* From records to outputs: checks each record, keeps the flow, makes events. */
struct ecap_dispatch;

struct ecap_dispatch_opts {
	struct ecap_kernel *kernel;
	struct ecap_pipeline *pipeline;
	/* Links that are bound to process @pid must be bound anew. */
	void (*moved)(void *arg, uint32_t pid);
	void *moved_arg;
};

struct ecap_dispatch_stats {
	uint64_t n_events; /* data events */
	uint64_t n_bytes;  /* plaintext in them */
	uint64_t n_commands;
	uint64_t n_conns;
	uint64_t n_processes;
	uint64_t n_invalid; /* records that the checks refused */
	uint64_t n_late;    /* processes that ecap_dispatch_late() named */
};

/* @opts is copied, what it points to is borrowed. */
int ecap_dispatch_new(const struct ecap_dispatch_opts *opts, struct ecap_dispatch **ret);
void ecap_dispatch_free(struct ecap_dispatch *d);
ECAP_DEFINE_FREEP(struct ecap_dispatch, ecap_dispatch_free)

/* Take one record from the ring; @arg is the dispatch (ecap_record_fn). */
void ecap_dispatch_record(void *arg, const void *data, size_t size);

/*
 * End the processes for which @ends returns true; it is called once for each. NULL: all, because
 * nobody looks any more.
 */
void ecap_dispatch_end_processes(struct ecap_dispatch *d,
				 bool (*ends)(void *arg, uint64_t incarnation), void *arg);
/* Say that a file was hooked. */
void ecap_dispatch_target_event(struct ecap_dispatch *d, const struct ecap_out_target *target);
/*
 * Say that what a process said before its library was hooked is not known: a loss. @notice is of
 * the kind ECAP_NOTICE_LATE.
 */
void ecap_dispatch_late(struct ecap_dispatch *d, const struct ecap_notice *notice);
/* Say that for a while no record has come. */
void ecap_dispatch_idle(struct ecap_dispatch *d);
/* Emit the counters as an event. */
void ecap_dispatch_stats_event(struct ecap_dispatch *d, const struct ecap_out_stats *stats);
/* Before the first event: let the outputs begin. */
void ecap_dispatch_begin(struct ecap_dispatch *d);
/* Nothing more comes: report what is missing at the end of each stream. */
void ecap_dispatch_end(struct ecap_dispatch *d);

/* The name of an enum ecap_loss_reason, as events show it. */
const char *ecap_loss_name(unsigned int reason);

struct ecap_dispatch_stats ecap_dispatch_get_stats(const struct ecap_dispatch *d);
