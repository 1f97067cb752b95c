/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/cleanup.h"
#include "engine/probe.h"
#include "engine/selection.h"
#include "target/placement.h"

struct ecap_binding;
struct ecap_image;
struct stat;

/* A hook resolved in a file. */
struct ecap_place {
	enum ecap_hook_at at;
	unsigned int group; /* as in the probe's table */
	uint32_t row;
	uint32_t check; /* of the group, 0: none */
	bool is_inner;
	uint64_t file_off;
};

/* The function inside the file that all public ones of a group call. */
struct ecap_inner {
	unsigned int group;
	uint32_t own; /* row of the group in the probe's table */
	struct ecap_row shape;
	struct ecap_placement_place places[2]; /* where it can be hooked, the entry first */
	uint8_t n_places;
	uint32_t public_kinds; /* what the public ones begin with, as 1 << enum ecap_code_kind */
};

/* Where reads and writes are hooked. */
enum ecap_placement_choice {
	ECAP_PLACE_AUTO,   /* inside the library, where its code proves that this shows the same */
	ECAP_PLACE_PUBLIC, /* the functions that programs call */
};

/*
 * What stat() says of a file. Under overlayfs one inode has one of these for each mount; when such
 * a mount is gone another one may get its numbers, so the rest has to agree, too.
 */
struct ecap_file_id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

/* A file in which a probe found its library, and where its hooks go. */
struct ecap_target {
	char *path; /* for people; the kernel is given the descriptor */
	int fd;
	struct ecap_file_id *ids; /* its own, then those of its aliases */
	size_t n_ids;
	const struct ecap_probe_desc *probe;
	uint32_t first_row; /* of the probe's hooks */
	struct ecap_place *places;
	size_t n_places;
	struct ecap_inner inners[ECAP_MAX_GROUPS];
	size_t n_inners;
	bool is_named;	  /* by the dynamic linker's cache, a probe or the user */
	bool is_analysed; /* else there may be inner functions, but nobody has looked yet */
	bool is_stepped;  /* at least one of them is hooked where the kernel single-steps */

	/* engine/hooks.c's */
	struct ecap_binding *bindings;
	uint32_t checks[ECAP_MAX_GROUPS]; /* of each group, 0: none */
	struct ecap_target *next_hooked;

	/* engine/reaper.c's */
	size_t n_going; /* links that are being taken away */
	bool is_given;
	struct ecap_target *next_done;

	/* engine/attacher.c's */
	uint64_t hooked_ns; /* CLOCK_MONOTONIC; from then on nothing is missed; 0: it is not */
	struct ecap_target *next_going; /* of those whose links are being taken away */
	bool needs_user;		/* else it stays hooked whoever uses it */
	int watch;			/* of its file by inotify, -1: none */
	int user_fd;			/* pidfd of a process that does, or -1 */
};

/* What the analysis of code may cost, of one file or of several together. */
struct ecap_budget {
	unsigned int left_ms;
	int stop_fd;	  /* readable: give up at once; -1: there is no such thing */
	size_t n_refused; /* files that came when nothing was left */
};

/* For the search. Analysis takes milliseconds; a hostile file may make it take seconds. */
#define ECAP_BUDGET_MS 5000

/*
 * See whether a selected probe knows the file open at @fd, called @path, and resolve its hooks.
 * On success @fd belongs to the target. Functions without a symbol are looked for in a process of
 * its own, which takes from @budget. -ENOENT: none knows it, or a required function is missing;
 * -EDQUOT: nothing was left for that; other errors as ecap_image_open().
 */
int ecap_target_resolve(int fd, const char *path, const struct ecap_selection *selection,
			struct ecap_budget *budget, struct ecap_target **ret);
/*
 * Analyse the code of @t for inner functions, some milliseconds in a process of its own, which it
 * takes from @budget. To find none, or to have none left of that, is no error: the public functions
 * are hooked, as if nobody had looked.
 */
void ecap_target_analyse(struct ecap_target *t, struct ecap_budget *budget);
/*
 * Forget the inner functions of groups whose public functions begin with nothing but what
 * @is_emulated has: there is nothing to gain.
 */
void ecap_target_drop_needless(struct ecap_target *t, const bool is_emulated[ECAP_CODE_N_KINDS]);
/* Its hooks must be gone. */
void ecap_target_free(struct ecap_target *t);
struct ecap_file_id ecap_file_id_of(const struct stat *st);
/* Whether @t is the file that stat() shows as @id, under whatever name. */
bool ecap_target_is(const struct ecap_target *t, const struct ecap_file_id *id);
/* Whether its file was written to since it was resolved: then its functions may be elsewhere. */
bool ecap_target_is_changed(const struct ecap_target *t);
/* The file that stat() shows as @id is @t, too. */
int ecap_target_add_alias(struct ecap_target *t, const struct ecap_file_id *id);
ECAP_DEFINE_FREEP(struct ecap_target, ecap_target_free)
