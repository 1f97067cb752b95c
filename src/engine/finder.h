/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "engine/selection.h"
#include "engine/target.h"

struct ecap_arrival;

#define ECAP_MAX_TARGETS 1024

/*
 * Knows the files that are to be hooked: those that a search found or that were named, and those
 * that processes map later. Used by one thread.
 */
struct ecap_finder;

struct ecap_finder_opts {
	struct ecap_selection selection;
	enum ecap_placement_choice placement;
	const char
		*program; /* what it needs when it is run is searched, too; NULL: none; borrowed */
	int stop_fd;	  /* readable: nothing is looked for any more; borrowed */
};

/* With the privileges of the start: to tell which files are one may need them. */
int ecap_finder_new(const struct ecap_finder_opts *opts, struct ecap_finder **ret);
/* Frees the targets, too. */
void ecap_finder_free(struct ecap_finder *f);
ECAP_DEFINE_FREEP(struct ecap_finder, ecap_finder_free)

/*
 * Search the dynamic linker's cache and what processes run; with @n_pids only what those run.
 * Returns how many targets there are; -ECANCELED: it was stopped; other negative errnos, which were
 * logged: nothing could be searched.
 */
int ecap_finder_search(struct ecap_finder *f, const uint32_t *pids, size_t n_pids);
/* That the search found nothing, for people: "no TLS library found in ...". Borrowed. */
const char *ecap_finder_describe_nothing(const struct ecap_finder *f);
/* Take the file at @path, which must be a target; logs why it is not one. */
int ecap_finder_use_file(struct ecap_finder *f, const char *path);

/* The targets. Returns how many. Borrowed until the next call of another function. */
size_t ecap_finder_get_targets(const struct ecap_finder *f, struct ecap_target *const **ret);
/*
 * Whether the files of @a and @b are one file for uprobes: 1, 0, or why that can not be told, see
 * ecap_alias_check().
 */
int ecap_finder_compare(const struct ecap_finder *f, const struct ecap_target *a,
			const struct ecap_target *b);
/* @t is the caller's from now on, and the finder does not know its file any more. */
void ecap_finder_release(struct ecap_finder *f, struct ecap_target *t);

enum ecap_look {
	ECAP_LOOK_NOTHING, /* no probe knows it */
	ECAP_LOOK_KNOWN,   /* a target that is there already */
	ECAP_LOOK_NEW,	   /* a target that was added */
	ECAP_LOOK_GONE,	   /* it could not be opened any more; said once of each file */
	ECAP_LOOK_FULL,	   /* a target, but there are ECAP_MAX_TARGETS */
};

/*
 * See what a process has just mapped. Each file is opened once. *@ret, borrowed, is the target if
 * it is known or new.
 */
enum ecap_look ecap_finder_look(struct ecap_finder *f, const struct ecap_arrival *arrival,
				struct ecap_target **ret);
/*
 * Look inside a target that was not analysed when it was found, if that is wanted. Takes a quarter
 * of a second at most.
 */
void ecap_finder_analyse(const struct ecap_finder *f, struct ecap_target *t);
/*
 * Whether the functions of @t, whose file was written to, are where they were; then it goes on as
 * it is.
 */
bool ecap_finder_confirm(const struct ecap_finder *f, struct ecap_target *t);
