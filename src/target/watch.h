/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "target/process.h"

/*
 * Notices every file that a process of this host maps executable, when it does: programs that are
 * started and libraries that they load. The kernel's perf records say so (PERF_RECORD_MMAP2, in
 * perf_event_open(2)); nothing else wakes us.
 */
struct ecap_watch;

/* A file that has just been mapped. */
struct ecap_arrival {
	uint64_t ts_ns; /* CLOCK_MONOTONIC */
	pid_t pid;
	uint64_t generation;	 /* tells two files apart that had one inode number in turn */
	struct ecap_mapping map; /* path is borrowed */
};

/*
 * Begin to notice. A negative errno: the kernel does not let us, -EACCES and -EPERM for want of
 * CAP_PERFMON.
 */
int ecap_watch_new(struct ecap_watch **ret);
void ecap_watch_free(struct ecap_watch *w);
ECAP_DEFINE_FREEP(struct ecap_watch, ecap_watch_free)

/* Readable when there is something to read. Borrowed. */
int ecap_watch_fd(const struct ecap_watch *w);

/*
 * Hand all that was noticed to @fn, each CPU's in order. Returns how many arrivals were lost since
 * the last call because there was no room for them.
 */
uint64_t ecap_watch_read(struct ecap_watch *w,
			 void (*fn)(const struct ecap_arrival *arrival, void *arg), void *arg);

/*
 * Parse a record of @size bytes, as the kernel wrote it. false: it is not of a file that was mapped
 * executable, or damaged. ret->map.path points into it.
 */
bool ecap_arrival_parse(const void *record, size_t size, struct ecap_arrival *ret);
