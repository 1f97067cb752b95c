/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* How long somebody waits for a job. */
struct ecap_patience {
	unsigned int ms;
	int stop_fd; /* not any longer once this is readable; -1: there is no such thing */
};

/* Work on a hostile file, for a process of its own. */
struct ecap_isolate_job {
	int fd; /* of the file; nothing else can be read, nor memory that is shared */
	/*
	 * The work. It may allocate memory and read from @fd; it dies if it opens anything, logs or
	 * makes other system calls that sandbox.h does not allow. Fills *ret and returns 0, or a
	 * negative errno.
	 */
	int (*work)(int fd, const void *arg, void *ret);
	const void *arg;
	size_t size; /* of *ret, which must contain no pointers */
	struct ecap_patience patience;
};

/*
 * Do @job in a child process without privileges: other user and no capabilities (as far as we may
 * change them), no descriptors but the file's and a pipe, no new ones, little memory, 2 s of CPU
 * time, and no system calls but a few, where the kernel can filter them. When this returns the
 * child is gone. *ret is what the child says, so check it like any
 * foreign input. Returns what the work returned; -ETIMEDOUT: it took too long; -ECANCELED: the
 * caller was told to stop; -ECHILD: it died; other errors from making the child.
 */
int ecap_isolate(const struct ecap_isolate_job *job, void *ret);
