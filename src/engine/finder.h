/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "engine/target.h"

#define ECAP_MAX_TARGETS 1024

/* The files that are to be hooked: those that a search found, or the one that was named. */
struct ecap_finder {
	struct ecap_target *targets[ECAP_MAX_TARGETS]; /* owned */
	size_t n_targets;
	size_t n_refused; /* beyond ECAP_MAX_TARGETS */
	enum ecap_placement_choice placement;
	int stop_fd; /* readable: the search ends early; -1: there is no such thing */
	struct ecap_budget budget;
	int alias_error; /* why aliases could not be told, 0: they could */
};

/*
 * Search the dynamic linker's cache and what processes run; with @n_pids only what those run.
 * -ENOENT: there is no target; -ECANCELED: it was stopped. Logs what failed.
 */
int ecap_finder_search(struct ecap_finder *f, const uint32_t *pids, size_t n_pids);
/* Take the file at @path, which must be a target; logs why it is not one. */
int ecap_finder_use_file(struct ecap_finder *f, const char *path);
/* Release the targets; @f is the caller's. */
void ecap_finder_done(struct ecap_finder *f);
