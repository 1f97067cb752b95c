/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "engine/probe.h"
#include "target/placement.h"

struct ecap_image;

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

/* A file in which a probe found its library, and where its hooks go. */
struct ecap_target {
	char *path; /* for people; the kernel is given the descriptor */
	int fd;
	const struct ecap_probe_desc *probe;
	struct ecap_place *places;
	size_t n_places;
	struct ecap_inner inners[ECAP_MAX_GROUPS];
	size_t n_inners;
	bool is_stepped;  /* at least one of them is hooked where the kernel single-steps */
	size_t n_aliases; /* other files that are this very inode below an overlay */
};

/* What the analysis of code may cost, of all files that are resolved with it. */
struct ecap_budget {
	unsigned int left_ms;
	int stop_fd;	  /* readable: give up at once; -1: there is no such thing */
	size_t n_refused; /* files that came when nothing was left */
};

/* Analysis takes milliseconds; a hostile file may make it take seconds. */
#define ECAP_BUDGET_MS 5000

/*
 * See whether a probe knows the file open at @fd, called @path, and resolve the probe's hooks.
 * On success @fd belongs to the target. Where code is analysed (ECAP_PLACE_AUTO), that takes from
 * @budget; when nothing is left the public functions are hooked. -ENOENT: no probe knows it, or a
 * required function is missing; other errors as ecap_image_open().
 */
int ecap_target_resolve(int fd, const char *path, enum ecap_placement_choice placement,
			struct ecap_budget *budget, struct ecap_target **ret);
/*
 * Forget the inner functions of groups whose public functions begin with nothing but what
 * @is_emulated has: there is nothing to gain.
 */
void ecap_target_drop_needless(struct ecap_target *t, const bool is_emulated[ECAP_CODE_N_KINDS]);
void ecap_target_free(struct ecap_target *t);
ECAP_DEFINE_FREEP(struct ecap_target, ecap_target_free)
