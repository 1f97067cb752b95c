/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ecap_target;

/*
 * Who uses a target. One that a new process can still find under its name, on the filesystems of
 * the system or because it was named, stays hooked whoever uses it, so that the next process is
 * seen from its first byte. One in a container's root, on another filesystem, deleted or replaced
 * stays as long as a process has it mapped: our descriptor and hooks keep its filesystem busy.
 */

/* Whether @t stays without a user. */
bool ecap_target_is_reachable(const struct ecap_target *t);

/*
 * Look for a process that has it mapped for each of the @n @targets whose needs_user says so: their
 * user_fd, -1 if there is none. A negative errno: nothing could be searched.
 */
int ecap_users_find(struct ecap_target *const *targets, size_t n);
