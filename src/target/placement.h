/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "target/code.h"
#include "target/image.h"
#include "target/isolate.h"

/*
 * Where to hook a group of public functions: in the one function that they all call to do their
 * work, if the code proves that there is one. It may begin with an instruction that the kernel
 * needs not single-step, which public functions seldom do.
 */

#define ECAP_PLACEMENT_MAX_FUNCTIONS 8
#define ECAP_PLACEMENT_MAX_RETURNS   8 /* call sites per function */

/* Which arguments of a function are what; they count from 1. */
struct ecap_arg_map {
	uint8_t handle;
	uint8_t buf;
	uint8_t len;
	uint8_t out; /* where it leaves how much it did; 0: there is none (the plain shape) */
};

/* One of the public functions. */
struct ecap_placement_function {
	const char *symbol;
	struct ecap_arg_map args;
};

/* Public functions that do one and the same thing; at least one of them has an out argument. */
struct ecap_placement_group {
	const struct ecap_placement_function *functions;
	uint8_t n_functions;
	/*
	 * Functions that take no arguments, NULL at the end: what is left in the argument registers
	 * at a call of them is not for them. May be NULL.
	 */
	const char *const *no_args;
};

enum ecap_placement_kind {
	ECAP_PLACEMENT_UNPROVEN, /* hook the public functions; reason says why */
	ECAP_PLACEMENT_CALLEE,	 /* hook the callee */
	ECAP_PLACEMENT_N_KINDS,
};

/* A place in the file. */
struct ecap_placement_place {
	uint64_t address;
	uint64_t file_off;
	uint8_t kind; /* enum ecap_code_kind of the instruction there */
};

/* A call of the callee. */
struct ecap_placement_return {
	struct ecap_placement_place place; /* where it returns to */
	/*
	 * So many bytes above the stack pointer at the callee's entry it was at the entry of the
	 * function that calls; 0: not known.
	 */
	uint16_t frame;
	uint16_t link; /* and there lies that one's return address, perhaps signed */
};

/* How one of the public functions comes to the callee. */
struct ecap_placement_caller {
	uint8_t present; /* 1: the file defines it; else 0 */
	uint8_t kind;	 /* enum ecap_code_kind of its first instruction */
	/*
	 * What it jumps to instead of calling: another one of the group, which then is the one
	 * that calls (its index); -1: none.
	 */
	int8_t via;
	uint8_t n_returns; /* where the callee returns to in it; none if it jumped */
	struct ecap_placement_return returns[ECAP_PLACEMENT_MAX_RETURNS];
};

/* No pointers: this comes from another process. */
struct ecap_placement {
	uint8_t kind;		  /* enum ecap_placement_kind */
	struct ecap_arg_map args; /* of the callee */
	/*
	 * Where a hook may sit: the callee's first instruction, and the one after a mark for
	 * branches. The stack pointer, the arguments and the return address are in place there.
	 * A return hook may sit there as well.
	 */
	uint8_t n_places;
	struct ecap_placement_place places[2];
	struct ecap_placement_caller callers[ECAP_PLACEMENT_MAX_FUNCTIONS]; /* as the group's */
	char reason[160]; /* for a debug line; may be empty */
};

/*
 * Find where to hook @group in @img. Not to be able to prove anything is no error. Errors come from
 * reading the file, and -ENOMEM.
 */
int ecap_placement_find(struct ecap_image *img, const struct ecap_placement_group *group,
			struct ecap_placement *ret);

/*
 * Find where to hook each of @n_groups groups in the file open at @fd, in a child process: the file
 * is hostile. What comes back is sane as ecap_placement_is_sane() has it for @img, the same file.
 * Errors as from ecap_isolate() and ecap_image_open(); -EPROTO: the child's answer is not sane.
 */
int ecap_placement_find_isolated(int fd, const struct ecap_image *img,
				 const struct ecap_placement_group *groups, size_t n_groups,
				 const struct ecap_patience *patience, struct ecap_placement *ret);

/*
 * Whether a result that came from elsewhere keeps the promises of its type for @group: numbers in
 * range, arguments distinct, places in code of @img, text printable and terminated. What it claims
 * about the code may still be wrong.
 */
bool ecap_placement_is_sane(const struct ecap_placement *p, const struct ecap_image *img,
			    const struct ecap_placement_group *group);
