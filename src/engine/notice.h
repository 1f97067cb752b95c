/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/process.h"

struct ecap_probe_desc;

enum ecap_notice_kind {
	ECAP_NOTICE_TARGET, /* a file was hooked */
	ECAP_NOTICE_LATE,   /* a process had mapped it before, and may have used it */
};

/* What the attacher has to tell the loop. */
struct ecap_notice {
	struct ecap_notice *next;
	enum ecap_notice_kind kind;
	uint64_t hooked_ns; /* CLOCK_MONOTONIC */

	/* ECAP_NOTICE_TARGET */
	char *path; /* owned */
	const struct ecap_probe_desc *probe;
	size_t n_hooks;
	size_t n_aliases;
	bool is_inside;
	bool is_stepped;

	/* ECAP_NOTICE_LATE */
	uint64_t n_processes; /* 1, or some that no notice of their own had room for */
	uint32_t pid;	      /* 0: some */
	bool has_facts;
	struct ecap_process_facts facts;
};

void ecap_notice_free(struct ecap_notice *notice);

/* A queue of them between two threads. */
struct ecap_notices {
	pthread_mutex_t lock;
	struct ecap_notice *first, **last;
	size_t n;
	uint64_t n_untold; /* late processes that found no room */
};

void ecap_notices_init(struct ecap_notices *q);
void ecap_notices_done(struct ecap_notices *q);
/* Append @notice, now the queue's. Beyond a limit late processes are only counted. */
void ecap_notices_put(struct ecap_notices *q, struct ecap_notice *notice);
/* Take all that are there, oldest first. */
struct ecap_notice *ecap_notices_take(struct ecap_notices *q);
