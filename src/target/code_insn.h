/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "target/code.h"

/*
 * An instruction as the analysis needs it, alike for all architectures. A decoder may always say
 * less than the instruction does to known values, never more: what it can not express becomes a
 * CODE_COMPUTE of everything that it might write, from everything that it might read.
 */

/* General registers have the numbers that instructions give them; on arm64 31 is sp. */
#define CODE_REG_VECTOR 32 /* all registers of other kinds in one: what came in may come out */
#define CODE_REG_TEMP	33 /* between two steps of one instruction */
#define CODE_N_REGS	34
#define CODE_REG_NONE	0xff
#define CODE_MAX_OPS	8
#define CODE_MAX_LEN	15 /* of an instruction, x86 */

static inline uint64_t code_reg_bit(uint8_t reg)
{
	return reg < CODE_N_REGS ? 1ull << reg : 0;
}

enum code_what {
	CODE_COPY,    /* dst = src; width 4: the low half, extended */
	CODE_ADDRESS, /* dst = base + disp */
	CODE_LOAD,    /* dst = width bytes at base + index + disp; width 4 is extended */
	CODE_STORE,   /* width bytes there = src; width 0: nobody knows how many */
	CODE_COMPUTE, /* each of dsts = something made of srcs */
};

/* One step of an instruction. */
struct code_op {
	uint8_t what; /* enum code_what */
	uint8_t dst;
	uint8_t src; /* CODE_REG_NONE: something that is no argument */
	uint8_t base;
	uint8_t index; /* CODE_REG_NONE: none */
	uint8_t width;
	bool sign; /* the extension is signed */
	int64_t disp;
	uint64_t dsts; /* sets of registers */
	uint64_t srcs;
};

enum code_flow {
	CODE_NEXT,
	CODE_JUMP,
	CODE_BRANCH, /* or on to the next instruction */
	CODE_CALL,
	CODE_RETURN,
	CODE_STOP, /* a trap: control ends here */
};

struct code_insn {
	uint64_t address;
	uint64_t target; /* of CODE_JUMP, CODE_BRANCH, CODE_CALL; 0: not a constant */
	uint64_t slot;	 /* the address of the pointer that it goes through, if that is constant */
	uint8_t len;
	uint8_t kind;  /* enum ecap_code_kind */
	uint8_t flow;  /* enum code_flow */
	uint8_t n_ops; /* done in this order */
	struct code_op ops[CODE_MAX_OPS];
};

/* Calling convention and decoder of an architecture. */
struct code_arch {
	uint8_t args[8]; /* argument registers */
	uint8_t n_args;
	uint8_t sp;
	uint64_t returned;  /* sets of registers: results of a call */
	uint64_t clobbered; /* lost by a call */
	uint64_t link;	    /* the one with the return address */
	uint8_t red_zone;   /* bytes below the stack pointer that are a function's own */
	int (*open)(void **ret);
	void (*close)(void *decoder);
	/* Decode the instruction in @bytes. false: not understood, or @n are too few. */
	bool (*decode)(void *decoder, const uint8_t *bytes, size_t n, struct code_insn *insn);
	/* struct ecap_code: ecap_code_stub(), with @n bytes at @address. */
	bool (*stub)(void *decoder, const uint8_t *bytes, size_t n, uint64_t address,
		     uint64_t *ret);
};

extern const struct code_arch ecap_code_x86;
extern const struct code_arch ecap_code_arm64;

/* Append a step to an instruction; one too many makes false. */
static inline bool code_add(struct code_insn *insn, struct code_op op)
{
	if (insn->n_ops == CODE_MAX_OPS)
		return false;
	insn->ops[insn->n_ops++] = op;
	return true;
}

/* The steps that both architectures are made of. */
static inline bool code_add_compute(struct code_insn *insn, uint64_t dsts, uint64_t srcs)
{
	return code_add(insn, (struct code_op){ .what = CODE_COMPUTE, .dsts = dsts, .srcs = srcs });
}

static inline bool code_add_address(struct code_insn *insn, uint8_t dst, uint8_t base, int64_t disp)
{
	return code_add(insn, (struct code_op){ .what = CODE_ADDRESS,
						.dst = dst,
						.base = base,
						.index = CODE_REG_NONE,
						.disp = disp });
}

static inline bool code_add_copy(struct code_insn *insn, uint8_t dst, uint8_t src, uint8_t width,
				 bool sign)
{
	return code_add(
		insn,
		(struct code_op){
			.what = CODE_COPY, .dst = dst, .src = src, .width = width, .sign = sign });
}
