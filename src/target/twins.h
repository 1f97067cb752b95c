/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "target/image.h"
#include "target/isolate.h"

/*
 * Functions without a symbol, found by the tables that point to them. A library that can do its
 * work in two ways keeps two tables of functions of the same form, twins: some functions stand in
 * both, the others differ. The form of such a pair is unlike anything else in a file; which of the
 * two is which, the code of the functions says.
 */

#define ECAP_TWINS_MAX_SLOTS	32
#define ECAP_TWINS_MAX_FORWARDS 4

#define ECAP_TWINS_SLOT(n) (1u << (n))

/* A function that does nothing but call another one of its table with its own arguments. */
struct ecap_twins_forward {
	uint8_t from, to; /* slots */
	uint8_t n_args;	  /* that it passes on, from the first */
};

/* What the pair looks like. Slots count from 0; there is a function in slot 0. */
struct ecap_twins {
	uint8_t n_slots;
	uint32_t empty; /* ECAP_TWINS_SLOT: these hold no pointer into the file, in both tables */
	uint32_t same;	/* these are equal in the two tables; all others differ */
	/* In the first table of the pair all of them hold, in the second one none. */
	struct ecap_twins_forward forwards[ECAP_TWINS_MAX_FORWARDS];
	uint8_t n_forwards; /* at least 1 */
};

/* The functions of both tables; 0 where a slot is empty. No pointers: a child may say it. */
struct ecap_twins_found {
	uint64_t first[ECAP_TWINS_MAX_SLOTS];
	uint64_t second[ECAP_TWINS_MAX_SLOTS];
};

/*
 * Find the pair @look in @img. -ENOENT: there is none, or more than one that it could be; -EBADMSG:
 * damaged; -EFBIG: more relocations than we look at; -ENOMEM; others from reading.
 */
int ecap_twins_find(struct ecap_image *img, const struct ecap_twins *look,
		    struct ecap_twins_found *ret);

/*
 * The same for the file open at @fd, in a child process: the file is hostile. Each function of the
 * answer lies in code of @img, the same file. Further errors: those of ecap_isolate(); -EPROTO:
 * the child's answer can not be.
 */
int ecap_twins_find_isolated(int fd, const struct ecap_image *img, const struct ecap_twins *look,
			     const struct ecap_patience *patience, struct ecap_twins_found *ret);
