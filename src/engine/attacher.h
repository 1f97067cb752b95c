/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "engine/notice.h"
#include "engine/selection.h"
#include "engine/target.h"

struct ecap_kernel;

/*
 * The thread that finds targets and hooks them: those that are there, then those that programs map
 * while we capture. It waits in the kernel for that, so that the loop need not.
 */
struct ecap_attacher;

enum ecap_attacher_state {
	ECAP_ATTACHER_WORKING, /* looks for targets */
	ECAP_ATTACHER_READY,   /* all that are there are hooked; the summary says which */
	ECAP_ATTACHER_FAILED,  /* nothing could be hooked; the reason was logged */
	ECAP_ATTACHER_QUIET,   /* asked to end: no program of ours runs any more */
};

struct ecap_attacher_opts {
	struct ecap_selection selection;
	const char *library;	  /* hook this file only; NULL: search, and watch for more */
	const uint32_t *pids;	  /* what these processes run; borrowed */
	size_t n_pids;		  /* 0: what all do */
	bool children;		  /* later also what those do that they start */
	const char *const *files; /* with n_pids: these, too, as are those that are known by name */
	size_t n_files;
	const uint32_t *uids; /* of whom losses are told; borrowed */
	size_t n_uids;	      /* 0: of all */
	enum ecap_placement_choice placement;
	bool can_watch; /* processes can be told by their numbers */
	bool dry_run;	/* find and check, but hook nothing */
	int event_fd;	/* written to at each change of state, and when there are notices */
};

/*
 * Start the thread, which looks for targets at once: that takes as long as the kernel's side.
 * @opts is copied, what it points to is borrowed.
 */
int ecap_attacher_start(const struct ecap_attacher_opts *opts, struct ecap_attacher **ret);
/* The kernel's side is there: hook the targets when they are found. @k is borrowed. */
void ecap_attacher_hook(struct ecap_attacher *a, struct ecap_kernel *k);
/* Waits for the thread: ask it to end first. */
void ecap_attacher_free(struct ecap_attacher *a);
ECAP_DEFINE_FREEP(struct ecap_attacher, ecap_attacher_free)

enum ecap_attacher_state ecap_attacher_get_state(struct ecap_attacher *a);
/*
 * Ask the thread to unhook everything and to end. Once the hooks are idle, the first to go takes a
 * grace period with it, in which all programs under way finish: the state is
 * ECAP_ATTACHER_QUIET then. The rest may take seconds; ecap_attacher_free() waits for it.
 */
void ecap_attacher_end(struct ecap_attacher *a);

/* See whether inner functions have proved themselves, so that public ones can go. */
void ecap_attacher_settle(struct ecap_attacher *a);

/*
 * Process @pid, to which links are bound, lost them by an exec that was not its first thread's:
 * bind them anew.
 */
void ecap_attacher_rebind(struct ecap_attacher *a, uint32_t pid);

/*
 * What was hooked, "PATH (NAME), PATH (NAME)", or that nothing could be found yet. Borrowed; valid
 * once the state is ECAP_ATTACHER_READY.
 */
const char *ecap_attacher_get_summary(struct ecap_attacher *a);

/* Take the notices since the last call, oldest first; free each with ecap_notice_free(). */
struct ecap_notice *ecap_attacher_take_notices(struct ecap_attacher *a);

/* Files that processes mapped, but that were gone before anybody could look, or had no room. */
uint64_t ecap_attacher_n_missed(const struct ecap_attacher *a);
