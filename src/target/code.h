/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

/*
 * What a function of machine code does with the arguments that it got: which of them it passes on
 * to which other functions. Pure: bytes and addresses in, facts out. The code is hostile input:
 * whatever it is, reading it is bounded in time and memory. What is said to be known holds on every
 * path; what is not understood is not known, or makes the result incomplete.
 */

enum ecap_code_arch {
	ECAP_CODE_X86_64,
	ECAP_CODE_ARM64,
	ECAP_CODE_N_ARCHS,
};

#define ECAP_CODE_N_ARGS     6 /* integer arguments that are followed */
#define ECAP_CODE_MAX_INSNS  512
#define ECAP_CODE_MAX_CALLS  48
#define ECAP_CODE_N_FIRST    4
#define ECAP_CODE_ARG_BIT(n) (1u << ((n) - 1)) /* of argument @n, which counts from 1 */

/* Where code is read. */
struct ecap_code_source {
	enum ecap_code_arch arch;
	/*
	 * Copy at most @n bytes at @address to @buf; returns how many, 0: there is no code, or a
	 * negative errno.
	 */
	ssize_t (*read)(void *arg, uint64_t address, void *buf, size_t n);
	void *arg;
};

/* Code that lies in memory; ecap_code_view_read() with it makes a source. */
struct ecap_code_view {
	const uint8_t *bytes;
	size_t len;
	uint64_t address;
};

/* struct ecap_code_source.read for a struct ecap_code_view. */
ssize_t ecap_code_view_read(void *arg, uint64_t address, void *buf, size_t n);

/* What an instruction at the beginning of a function is. */
enum ecap_code_kind {
	ECAP_CODE_OTHER,
	ECAP_CODE_MARK,	  /* endbr64, bti: a place to jump to, does nothing */
	ECAP_CODE_PUSH,	  /* push of a register; arm64: stp x29, x30, [sp, #-n]! */
	ECAP_CODE_NOP,	  /* the short one */
	ECAP_CODE_SUB_SP, /* makes a frame */
	ECAP_CODE_MOV,
	ECAP_CODE_JUMP, /* conditional, too */
	ECAP_CODE_CALL,
	ECAP_CODE_N_KINDS,
};

struct ecap_code_insn {
	uint64_t address;
	uint8_t len;
	uint8_t kind; /* enum ecap_code_kind */
	/*
	 * 1: everything before it lies on the only way here from the entry and has left the
	 * argument registers, the stack pointer and the return address as they were. Else 0.
	 */
	uint8_t intact;
};

enum ecap_code_ext {
	ECAP_CODE_WHOLE, /* passed on as it came */
	ECAP_CODE_ZERO,	 /* its low 32 bits, zero-extended */
	ECAP_CODE_SIGN,	 /* its low 32 bits, sign-extended */
	ECAP_CODE_N_EXTS,
};

/* What a callee gets as one of its arguments. */
struct ecap_code_arg {
	uint8_t from; /* it is this incoming argument, 1 to 6; 0: not known to be one */
	uint8_t ext;  /* enum ecap_code_ext, of an incoming argument */
	bool local;   /* it is an address in the calling function's own frame */
};

/* A call or a jump to another function. What several paths bring there is what all agree on. */
struct ecap_code_call {
	uint64_t address;
	uint64_t returns_to; /* 0: a tail jump, control does not come back */
	uint64_t target;     /* 0: goes through a pointer */
	uint64_t slot;	     /* the pointer's address, if it is a constant one; else 0 */
	/* Bytes from the stack pointer there up to where it was at the entry; -1: not known. */
	int32_t depth;
	/* The same up to where the function's own return address lies. */
	int32_t link;
	struct ecap_code_arg args[ECAP_CODE_N_ARGS];
	/*
	 * Incoming arguments (ECAP_CODE_ARG_BIT) that the callee may get on some path: in any
	 * argument register, on the stack, in any form, or behind a pointer into the frame. A
	 * register that was left alone counts, although a callee without arguments never looks at
	 * it, and so does what the function keeps on the stack for itself.
	 */
	uint8_t may_get;
};

/* Why an analysis is not complete; the first reason that was met. */
enum ecap_code_gap {
	ECAP_CODE_COMPLETE,
	ECAP_CODE_GAP_BYTES,	 /* no code where control goes */
	ECAP_CODE_GAP_INSN,	 /* an instruction that we do not understand */
	ECAP_CODE_GAP_JUMP,	 /* a jump through a pointer */
	ECAP_CODE_GAP_END,	 /* runs out of the function */
	ECAP_CODE_GAP_STACK,	 /* returns with another stack pointer than it came with */
	ECAP_CODE_GAP_TOO_LARGE, /* beyond our limits */
	ECAP_CODE_N_GAPS,
};

struct ecap_code_function {
	uint64_t address;
	uint8_t gap; /* enum ecap_code_gap */
	/* Incoming arguments that may be kept in memory outside of the frame. */
	uint8_t may_store;
	/* Incoming arguments that may be used as addresses of memory, to read or to write it. */
	uint8_t may_touch;
	uint16_t n_insns;
	uint16_t n_calls;
	uint8_t n_first;
	struct ecap_code_call calls[ECAP_CODE_MAX_CALLS];
	struct ecap_code_insn first[ECAP_CODE_N_FIRST];
};

/* Decoder and window for one source; may be used for one function after the other. */
struct ecap_code;

/* Make a reader of code; @source is copied, what it points to is borrowed. -ENOMEM. */
int ecap_code_open(const struct ecap_code_source *source, struct ecap_code **ret);
void ecap_code_free(struct ecap_code *code);
ECAP_DEFINE_FREEP(struct ecap_code, ecap_code_free)

/*
 * Analyse the function of @size bytes at @address. Parts that the compiler moved out of it are
 * followed. Code that can not be understood is no error: see gap. -EINVAL: @size is 0; -ENOMEM;
 * what reading returned.
 */
int ecap_code_analyse(struct ecap_code *code, uint64_t address, uint64_t size,
		      struct ecap_code_function *ret);

/*
 * The first instructions at @address, up to one that changes where control goes. Returns how many
 * of @ret were filled, or what reading returned.
 */
int ecap_code_first(struct ecap_code *code, uint64_t address,
		    struct ecap_code_insn ret[ECAP_CODE_N_FIRST]);

/*
 * Whether the code at @address is a linker's stub that only jumps through a pointer at a constant
 * address (an entry of the PLT). 1: it is, *ret is the pointer's address; 0: it is not; what
 * reading returned.
 */
int ecap_code_stub(struct ecap_code *code, uint64_t address, uint64_t *ret);

/* What @gap says, for a message. */
const char *ecap_code_gap_text(enum ecap_code_gap gap);

/* The name of @kind, as "push". */
const char *ecap_code_kind_text(enum ecap_code_kind kind);
