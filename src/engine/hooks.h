/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "engine/target.h"

struct ecap_kernel;
struct ecap_reaper;

/*
 * The hooks of all targets: which of their functions are hooked, in which processes, and whether an
 * inner function has taken over. Used by one thread, the attacher; most of it may wait in the
 * kernel.
 */
struct ecap_hooks;

/* Borrowed. */
struct ecap_hooks_opts {
	struct ecap_kernel *kernel;
	struct ecap_reaper *reaper; /* takes links away, so that nobody has to wait for it */
	bool dry_run;		    /* go through all of it, but hook nothing */
};

int ecap_hooks_new(const struct ecap_hooks_opts *opts, struct ecap_hooks **ret);
/* Unhooks what is left, and waits for it. The targets stay their owner's. */
void ecap_hooks_free(struct ecap_hooks *h);
ECAP_DEFINE_FREEP(struct ecap_hooks, ecap_hooks_free)

/*
 * Hook @t wherever it is to be, inside where that can be, or not at all. @t is borrowed until
 * ecap_hooks_remove(). -ESRCH: the processes that were named have ended; other errors were logged.
 */
int ecap_hooks_add(struct ecap_hooks *h, struct ecap_target *t);
/*
 * Hook the inner functions of @t, which was hooked before it was analysed. Returns whether it has
 * any.
 */
bool ecap_hooks_deepen(struct ecap_hooks *h, struct ecap_target *t);
/*
 * Unhook @t, if it is hooked, in the background. From now on it is the reaper's, which hands it out
 * when nothing of it is left in the kernel; then call ecap_hooks_forget().
 */
void ecap_hooks_remove(struct ecap_hooks *h, struct ecap_target *t);
/* Nothing of @t is left in the kernel: the room it had there can be used again. */
void ecap_hooks_forget(struct ecap_hooks *h, struct ecap_target *t);

/*
 * The links of process @pid are bound to a thread that is gone: bind new ones. Tells the user if
 * there were any.
 */
void ecap_hooks_rebind(struct ecap_hooks *h, uint32_t pid);
/*
 * Where inner functions have shown what the public ones did, take these away; where they have not,
 * say so. At the end of the run (@at_end) only the latter.
 */
void ecap_hooks_settle(struct ecap_hooks *h, bool at_end);
/* Take one link away, any: that waits for a grace period. false: there is none. */
bool ecap_hooks_drop_one(struct ecap_hooks *h);
