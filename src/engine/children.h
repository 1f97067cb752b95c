/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct ecap_kernel;

/*
 * What the captured processes start is captured with them. The kernel notes each new process of
 * theirs before it runs; those that are there already are found in /proc.
 */
struct ecap_children;

/*
 * Measure where this kernel keeps a task's id, follow what the processes that @k filters by start
 * from now on, and add their descendants that are there. Logs what failed. @k is borrowed.
 */
int ecap_children_open(struct ecap_kernel *k, const uint32_t *pids, size_t n_pids,
		       struct ecap_children **ret);
void ecap_children_free(struct ecap_children *c);
ECAP_DEFINE_FREEP(struct ecap_children, ecap_children_free)

/* Readable when processes have ended that ecap_children_forget_ended() is to forget. Borrowed. */
int ecap_children_fd(const struct ecap_children *c);
/* Their numbers may be used again, by others. */
void ecap_children_forget_ended(struct ecap_children *c);
