/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "target/code_insn.h"

/* What is known at one point of a function: where the incoming arguments are. */

#define CODE_MAX_SLOTS 24 /* words of the frame that are followed */
#define CODE_TAINT_FRAME \
	0x80u /* may be an address in the frame; the lower bits: incoming arguments */

enum code_value_kind {
	CODE_VALUE_UNKNOWN,
	CODE_VALUE_ARG,	  /* incoming argument n */
	CODE_VALUE_FRAME, /* the stack pointer at the entry, plus off */
	CODE_VALUE_LINK,  /* the return address, with a signature or without */
};

struct code_value {
	uint8_t kind;
	uint8_t n;
	uint8_t ext;   /* enum ecap_code_ext */
	uint8_t taint; /* what it may have been made of; holds whatever kind says */
	int32_t off;
};

struct code_slot {
	int32_t off;
	uint8_t width;
	uint8_t unused[3]; /* states are compared as bytes */
	struct code_value value;
};

/* What is known before an instruction. */
struct code_state {
	struct code_value regs[CODE_N_REGS];
	struct code_slot slots[CODE_MAX_SLOTS];
	uint8_t n_slots;
	uint8_t in_frame; /* taint of the frame's bytes that no slot stands for */
	uint8_t stored;	  /* taint of memory elsewhere; CODE_TAINT_FRAME: others reach our frame */
	uint8_t touched;  /* arguments behind which memory may have been read or written */
};

_Static_assert(sizeof(struct code_state) == CODE_N_REGS * sizeof(struct code_value) +
						    CODE_MAX_SLOTS * sizeof(struct code_slot) + 4,
	       "no padding: states are compared as bytes");

/* The entry of a function. */
void ecap_code_state_init(struct code_state *s, const struct code_arch *arch);

/* Do what an instruction does, but for going elsewhere. */
void ecap_code_state_step(struct code_state *s, const struct code_arch *arch,
			  const struct code_insn *insn);

/* Call an unknown function and come back. */
void ecap_code_state_call(struct code_state *s, const struct code_arch *arch);

/*
 * Taint of all that a callee may get now: in argument registers, on the stack, and behind pointers
 * into the frame that it has or may find.
 */
uint8_t ecap_code_state_passed(const struct code_state *s, const struct code_arch *arch);

/*
 * Where in the frame the return address is kept, from the stack pointer at the entry. Returns
 * whether that is known; on machines whose calls push it, it is.
 */
bool ecap_code_state_find_link(const struct code_state *s, const struct code_arch *arch,
			       int32_t *ret);

/* Keep what two states agree on. Returns whether @to knows less than before. */
bool ecap_code_state_join(struct code_state *to, const struct code_state *from);
