/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/cleanup.h"

struct ecap_attachment;
struct ecap_target;

/*
 * Threads that take links away. Each link waits in the kernel for a grace period, some ten
 * milliseconds, in which whoever hooks new files has better things to do; several threads wait for
 * the same one.
 */
struct ecap_reaper;

/* @event_fd, borrowed, is written to when a target can be taken. */
int ecap_reaper_new(int event_fd, struct ecap_reaper **ret);
/* Waits until everything is gone. Targets that nobody took are freed. */
void ecap_reaper_free(struct ecap_reaper *r);
ECAP_DEFINE_FREEP(struct ecap_reaper, ecap_reaper_free)

/* Take @links of @t away; they are the reaper's from now on, @t stays its owner's. */
void ecap_reaper_put(struct ecap_reaper *r, struct ecap_attachment *links, struct ecap_target *t);
/*
 * The same while calls go on: a function's entry stays hooked until its return is not. Else its
 * return address would still be the kernel's, and with no entry seen nobody could tell who called
 * what it calls.
 */
void ecap_reaper_put_in_order(struct ecap_reaper *r, struct ecap_attachment *links,
			      struct ecap_target *t);
/* Wait until everything that was put is gone. */
void ecap_reaper_wait(struct ecap_reaper *r);
/* @t is the reaper's from now on, until all of its links that were put are gone. */
void ecap_reaper_put_target(struct ecap_reaper *r, struct ecap_target *t);
/* A target of which nothing is left in the kernel; it is the caller's. NULL: there is none. */
struct ecap_target *ecap_reaper_take(struct ecap_reaper *r);
