/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Work on a hostile file, for a process of its own. */
struct ecap_isolate_job {
	int fd; /* of the file; nothing else can be read, nor memory that is shared */
	/*
	 * The work. It may allocate memory and read from @fd; it may not open anything, log, or
	 * wait for other threads, of which there are none. Fills *ret and returns 0, or a negative
	 * errno.
	 */
	int (*work)(int fd, const void *arg, void *ret);
	const void *arg;
	size_t size; /* of *ret, which must contain no pointers */
	unsigned int timeout_ms;
};

/*
 * Do @job in a child process without privileges: other user and no capabilities (as far as we may
 * change them), no descriptors but the file's and a pipe, no new ones, little memory and 2 s of CPU
 * time. When this returns the child is gone. *ret is what the child says, so check it like any
 * foreign input. Returns what the work returned; -ETIMEDOUT: it took too long; -ECHILD: it died;
 * other errors from making the child.
 */
int ecap_isolate(const struct ecap_isolate_job *job, void *ret);
