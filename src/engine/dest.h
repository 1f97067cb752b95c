/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct ecap_buf;

/*
 * A destination and the thread that writes to it. The loop formats events into a batch and hands
 * batches over; it never waits for a disk or a reader. Each destination has a thread of its own,
 * so that a stalled pipe does not hold up a file. A queue that is full refuses events, and the
 * refusal is counted.
 */
struct ecap_dest;

struct ecap_dest_stats {
	uint64_t written; /* events that were written whole */
	uint64_t refused; /* events that found the queue full, or could not be formatted */
	uint64_t failed;  /* events that could not be written */
	int err;	  /* 0, or the negative errno that ended the destination */
};

/*
 * Open @path ("-": standard output) for writing; a new file gets mode 0600, an old one keeps its
 * content until ecap_dest_start(). A FIFO that nobody reads is -ENXIO, a standard output that is
 * not open for writing -EBADF. @event_fd, an eventfd that stays the caller's, is written to when
 * the destination fails and when it has finished.
 */
int ecap_dest_open(const char *path, int event_fd, struct ecap_dest **ret);
/*
 * What is still queued is lost, so call ecap_dest_finish() and wait before. Does not wait for a
 * pipe's reader, but for a disk that is writing. A file that ecap_dest_open() created is removed
 * again if ecap_dest_start() did not follow.
 */
void ecap_dest_free(struct ecap_dest *dest);
ECAP_DEFINE_FREEP(struct ecap_dest, ecap_dest_free)

/* Empty the file and start the thread. */
int ecap_dest_start(struct ecap_dest *dest);

/* Where to append the next event, until ecap_dest_commit(). NULL: refused, and counted so. */
struct ecap_buf *ecap_dest_admit(struct ecap_dest *dest);
/* The same for the last few events, also where the queue is full. NULL: no memory. */
struct ecap_buf *ecap_dest_admit_last(struct ecap_dest *dest);
/* Hold back at most @bytes, not 256 MiB. Before anything is admitted. */
void ecap_dest_set_limit(struct ecap_dest *dest, size_t bytes);
/*
 * Whether the next event would be admitted. If not, what was committed is flushed, and the eventfd
 * of ecap_dest_open() is written to as soon as that may have changed.
 */
bool ecap_dest_has_room(struct ecap_dest *dest);
/* The event is complete; after a formatting error (@ok false) it is taken back and refused. */
void ecap_dest_commit(struct ecap_dest *dest, bool ok);
/* Hand what was committed to the thread. */
void ecap_dest_flush(struct ecap_dest *dest);

/* Flush, and let the thread end when all is written. */
void ecap_dest_finish(struct ecap_dest *dest);
/*
 * Flush, and let the thread end now, also if it waits for a pipe's reader: events that are not
 * written by then have failed, and so have later ones. The error is -ETIMEDOUT, unless there was
 * one or the thread has ended already.
 */
void ecap_dest_abandon(struct ecap_dest *dest);
/* Whether the thread has ended, or was never started. */
bool ecap_dest_finished(struct ecap_dest *dest);

struct ecap_dest_stats ecap_dest_get_stats(struct ecap_dest *dest);
/* Bytes that were written so far, also of a batch that is under way: shows a stall. */
uint64_t ecap_dest_get_progress(struct ecap_dest *dest);
/* Whether both are one regular file, by whatever names. */
bool ecap_dest_is_same_file(const struct ecap_dest *a, const struct ecap_dest *b);
/* Whether @fd is the destination's file, if that is a regular one. */
bool ecap_dest_is_fd(const struct ecap_dest *dest, int fd);
/* The path, or "standard output". */
const char *ecap_dest_get_name(const struct ecap_dest *dest);
