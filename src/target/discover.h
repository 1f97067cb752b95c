/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a search looked, for the message when it found nothing. */
struct ecap_discovery {
	size_t n_processes; /* whose mappings were read */
	size_t n_denied;    /* whose mappings could not be */
	size_t n_files;
};

struct ecap_discovery_ops {
	/* Whether a library of the linker cache is worth a look; @name has no directory. */
	bool (*wants_name)(const char *name, void *arg);
	/*
	 * A file, met for the first time in this search: in the cache or named, or mapped. Returns
	 * true if it keeps @fd (opened for reading). @path is for people; it may lie in another
	 * mount namespace or be gone.
	 */
	bool (*found)(int fd, const char *path, bool is_mapped, void *arg);
	/* Whether to look no further; asked before each file. NULL: never. */
	bool (*stopped)(void *arg);
	void *arg;
	const char *const *files; /* look at these, too, as far as they are there; borrowed */
	size_t n_files;
	const uint32_t *pids; /* look at these processes only; borrowed */
	size_t n_pids;	      /* 0: at all */
};

/*
 * Look at every file that a process has mapped executable, as it is mapped (deleted, replaced, in
 * another root), at the wanted libraries of the dynamic linker's cache and at the named files; each
 * file once. What can not be read is counted and passed over. -ECANCELED: it was stopped; other
 * negative errnos only if nothing works.
 */
int ecap_discover(const struct ecap_discovery_ops *ops, struct ecap_discovery *ret);
