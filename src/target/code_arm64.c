/* SPDX-License-Identifier: Apache-2.0 */
#include "target/code_insn.h"

/*
 * Decoded by hand: four bytes each, and the fields stand where the top bits say ("Arm Architecture
 * Reference Manual", C4.1, from which the names of groups are). Unallocated encodings within a
 * group that is understood pass for their neighbours; they would trap.
 */

enum { X16 = 16, X17 = 17, X30 = 30, SP = 31 };

#define BIT(reg) (1ull << (reg))

static uint32_t bits(uint32_t word, unsigned int high, unsigned int low)
{
	return (word >> low) & ((1u << (high - low + 1)) - 1);
}

static int64_t signed_bits(uint32_t word, unsigned int high, unsigned int low)
{
	uint32_t value = bits(word, high, low), sign = 1u << (high - low);

	return (int64_t)(value ^ sign) - (int64_t)sign;
}

/* Register fields: 31 is the zero register in most places and the stack pointer in some. */
static uint8_t field(uint32_t word, unsigned int low)
{
	return (uint8_t)bits(word, low + 4, low);
}

static uint8_t no_zero(uint8_t reg)
{
	return reg == 31 ? CODE_REG_NONE : reg;
}

static uint64_t set_of(uint32_t word, unsigned int low)
{
	return code_reg_bit(no_zero(field(word, low)));
}

/* ------------------------------------------------------------------- data processing, immediate */

static bool decode_add_immediate(uint32_t w, struct code_insn *insn)
{
	int64_t by = (int64_t)bits(w, 21, 10) << (bits(w, 22, 22) ? 12 : 0);
	uint8_t dst = field(w, 0), src = field(w, 5);
	bool sub = bits(w, 30, 30), flags = bits(w, 29, 29), wide = bits(w, 31, 31);

	if (flags)
		dst = no_zero(dst);
	if (!wide || dst == CODE_REG_NONE)
		return code_add_compute(insn, code_reg_bit(dst), code_reg_bit(src));
	if (dst == SP && sub)
		insn->kind = ECAP_CODE_SUB_SP;
	else if (!by && !flags)
		insn->kind = ECAP_CODE_MOV;
	return code_add_address(insn, dst, src, sub ? -by : by);
}

static bool decode_bitfield(uint32_t w, struct code_insn *insn)
{
	uint32_t op = bits(w, 30, 29);

	/* sxtw, and uxtw of the 64-bit form */
	if (bits(w, 31, 31) && op != 1 && bits(w, 21, 10) == 31) {
		insn->kind = ECAP_CODE_MOV;
		return code_add_copy(insn, no_zero(field(w, 0)), no_zero(field(w, 5)), 4, op == 0);
	}
	return code_add_compute(insn, set_of(w, 0), set_of(w, 5) | (op == 1 ? set_of(w, 0) : 0));
}

static bool decode_immediate(uint32_t w, struct code_insn *insn)
{
	switch (bits(w, 25, 23)) {
	case 0:
	case 1: /* adr, adrp */
		return code_add_compute(insn, set_of(w, 0), 0);
	case 2:
		return decode_add_immediate(w, insn);
	case 3: /* tags */
		return code_add_compute(insn, BIT(field(w, 0)), BIT(field(w, 5)));
	case 4: /* logical; ands writes the zero register, not sp */
		return code_add_compute(
			insn, bits(w, 30, 29) == 3 ? set_of(w, 0) : BIT(field(w, 0)), set_of(w, 5));
	case 5: /* move wide; movk keeps the rest */
		insn->kind = ECAP_CODE_MOV;
		return code_add_compute(insn, set_of(w, 0),
					bits(w, 30, 29) == 3 ? set_of(w, 0) : 0);
	case 6:
		return decode_bitfield(w, insn);
	default: /* extract */
		return code_add_compute(insn, set_of(w, 0), set_of(w, 5) | set_of(w, 16));
	}
}

/* -------------------------------------------------------------------- data processing, register */

static bool decode_register(uint32_t w, struct code_insn *insn)
{
	uint64_t dst = set_of(w, 0), srcs = set_of(w, 5) | set_of(w, 16);
	bool wide = bits(w, 31, 31);

	switch (bits(w, 28, 24)) {
	case 0x0a: /* logical, shifted; orr with the zero register is mov */
		if (bits(w, 30, 29) == 1 && !bits(w, 21, 21) && field(w, 5) == 31 &&
		    !bits(w, 15, 10) && !bits(w, 23, 22)) {
			insn->kind = ECAP_CODE_MOV;
			return code_add_copy(insn, no_zero(field(w, 0)), no_zero(field(w, 16)),
					     wide ? 8 : 4, false);
		}
		return code_add_compute(insn, dst, srcs);
	case 0x0b: /* add, sub; the extended form knows sp */
		if (bits(w, 21, 21)) {
			srcs |= BIT(field(w, 5));
			if (!bits(w, 29, 29))
				dst = BIT(field(w, 0));
		}
		return code_add_compute(insn, dst, srcs);
	case 0x1a:
		if (bits(w, 23, 21) == 2)
			return true; /* conditional compare */
		if (bits(w, 23, 21) ==
		    6) /* signatures and tags know sp, and change their register */
			srcs |= dst | BIT(field(w, 5)) | BIT(field(w, 16));
		return code_add_compute(insn, dst, srcs);
	default: /* three sources */
		return code_add_compute(insn, dst, srcs | set_of(w, 10));
	}
}

/* Conversions and copies between general and vector registers: both ways, it does not matter. */
static bool decode_vector(uint32_t w, struct code_insn *insn)
{
	uint64_t vector = BIT(CODE_REG_VECTOR);
	bool scalar = bits(w, 30, 24) == 0x1e && (!bits(w, 21, 21) || !bits(w, 15, 10));
	bool copy = bits(w, 28, 21) == 0x70 && !bits(w, 15, 15) && bits(w, 10, 10);

	if (!scalar && !copy)
		return true;
	return code_add_compute(insn, vector, vector | set_of(w, 5)) &&
	       code_add_compute(insn, set_of(w, 0), vector);
}

/* ----------------------------------------------------------------------------- loads and stores */

struct access {
	uint8_t base, index;
	int64_t disp;
	uint8_t width; /* CODE_LOAD of others than 4 and 8 gives nothing known */
	bool load;
	bool sign;
};

static bool add_access(struct code_insn *insn, const struct access *a, uint8_t reg, int64_t more)
{
	return code_add(insn, (struct code_op){ .what = a->load ? CODE_LOAD : CODE_STORE,
						.dst = reg,
						.src = reg,
						.base = a->base,
						.index = a->index,
						.width = a->width,
						.sign = a->sign,
						.disp = a->disp + more });
}

/* Indexing: 1 after the access, 3 before it, else none. Moves the base, and the access with it. */
static bool add_indexed(struct code_insn *insn, struct access *a, uint32_t mode)
{
	int64_t by = a->disp;

	if (mode != 1 && mode != 3)
		return true;
	a->disp = mode == 1 ? -by : 0; /* seen from where the base is afterwards */
	return code_add_address(insn, a->base, a->base, by);
}

/*
 * The base is moved first, also where the instruction does it last: then a value that is loaded
 * into the base register itself (unpredictable, but possible) is what remains.
 */
static bool decode_pair(uint32_t w, struct code_insn *insn)
{
	bool vector = bits(w, 26, 26);
	uint32_t size = bits(w, 31, 30), mode = bits(w, 24, 23);
	uint8_t first = no_zero(field(w, 0)), second = no_zero(field(w, 10));
	struct access a = {
		.base = field(w, 5),
		.index = CODE_REG_NONE,
		.load = bits(w, 22, 22),
		.sign = size == 1,
	};

	if (size == 3 || (!vector && size == 1 && !a.load))
		return false;
	if (!vector)
		size = size == 2; /* what is left: 64 bits, or 32 */
	a.width = (uint8_t)(4u << size);
	a.disp = signed_bits(w, 21, 15) * a.width;
	if (vector)
		first = second = CODE_REG_VECTOR;
	if ((w & 0xffc07fff) == 0xa9807bfd) /* stp x29, x30, [sp, #n]! */
		insn->kind = ECAP_CODE_PUSH;
	return add_indexed(insn, &a, mode) && add_access(insn, &a, first, 0) &&
	       add_access(insn, &a, second, a.width);
}

/* Loads and stores of one register with a place that is known, or base and index. */
static bool decode_single(uint32_t w, struct code_insn *insn, struct access *a, uint32_t mode)
{
	uint32_t size = bits(w, 31, 30), op = bits(w, 23, 22);
	uint8_t reg = no_zero(field(w, 0));

	if (bits(w, 26, 26)) {
		if (op > 1 && size)
			return false;
		reg = CODE_REG_VECTOR;
		a->load = op & 1;
		size = op > 1 ? 4 : size;
	} else {
		if (op >= 2 && size == 3)
			return op == 2; /* a prefetch */
		a->load = op != 0;
		a->sign = op == 2;
	}
	a->width = (uint8_t)(1u << size);
	if (mode == 0xff) /* a scaled offset */
		a->disp = (int64_t)bits(w, 21, 10) << size;
	return add_indexed(insn, a, mode) && add_access(insn, a, reg, 0);
}

/* Atomics, exclusives, ordered ones, and vector structures: anything may go either way. */
static bool decode_any_access(uint32_t w, struct code_insn *insn, uint64_t regs, bool moves)
{
	uint8_t base = field(w, 5);
	struct access a = { .base = base, .index = CODE_REG_NONE, .load = true, .width = 1 };
	uint64_t temp = BIT(CODE_REG_TEMP);

	if (!add_access(insn, &a, CODE_REG_TEMP, 0))
		return false;
	a.load = false;
	a.width = 0;
	return code_add_compute(insn, temp, temp | regs) &&
	       add_access(insn, &a, CODE_REG_TEMP, 0) && code_add_compute(insn, regs, temp) &&
	       (!moves || code_add_compute(insn, BIT(base), BIT(base) | set_of(w, 16)));
}

static bool decode_one(uint32_t w, struct code_insn *insn)
{
	struct access a = { .base = field(w, 5), .index = CODE_REG_NONE };

	if (bits(w, 25, 24) == 1)
		return decode_single(w, insn, &a, 0xff);
	if (bits(w, 25, 24) != 0)
		return false;
	if (!bits(w, 21, 21)) {
		a.disp = signed_bits(w, 20, 12);
		return decode_single(w, insn, &a, bits(w, 11, 10));
	}
	if (bits(w, 11, 10) == 2) {
		a.index = field(w, 16) == 31 ? CODE_REG_VECTOR : field(w, 16);
		return decode_single(w, insn, &a, 0);
	}
	if (bits(w, 11, 10) == 0)
		return decode_any_access(w, insn, set_of(w, 0) | set_of(w, 16), false);
	/* loads with pointer signatures; they may move the base */
	return decode_any_access(w, insn, set_of(w, 0), true);
}

static bool decode_access(uint32_t w, struct code_insn *insn)
{
	switch (bits(w, 29, 27)) {
	case 5:
		return decode_pair(w, insn);
	case 7:
		return decode_one(w, insn);
	case 3:
		if (bits(w, 24, 24)) /* ordered with an offset, tags, copies of memory */
			return bits(w, 25, 24) == 1 && !bits(w, 21, 21) && bits(w, 31, 30) != 3 &&
			       decode_any_access(w, insn, set_of(w, 0), false);
		/* literals */
		return code_add_compute(insn, bits(w, 26, 26) ? 0 : set_of(w, 0), 0);
	default:
		if (bits(w, 26, 26)) /* structures */
			return decode_any_access(w, insn, BIT(CODE_REG_VECTOR), bits(w, 23, 23));
		return decode_any_access(w, insn, set_of(w, 0) | set_of(w, 10) | set_of(w, 16),
					 false);
	}
}

/* -------------------------------------------------------------------------- branches and system */

static bool set_target(struct code_insn *insn, uint8_t flow, int64_t words)
{
	insn->flow = flow;
	insn->kind = flow == CODE_CALL ? ECAP_CODE_CALL : ECAP_CODE_JUMP;
	insn->target = insn->address + (uint64_t)(words * 4);
	return insn->target != 0;
}

static bool decode_hint(uint32_t w, struct code_insn *insn)
{
	uint32_t hint = bits(w, 11, 5);

	if (hint == 0)
		insn->kind = ECAP_CODE_NOP;
	if (hint >= 32 && hint <= 38 && hint % 2 == 0)
		insn->kind = ECAP_CODE_MARK; /* bti */
	if (hint == 7 || (hint >= 24 && hint <= 31))
		return code_add_copy(insn, X30, X30, 8, false); /* paciasp and its kin */
	if (hint >= 8 && hint <= 15)
		return code_add_compute(insn, BIT(X17), BIT(X17));
	return hint < 40 ? true : code_add_compute(insn, BIT(X16), 0);
}

static bool decode_branch_register(uint32_t w, struct code_insn *insn)
{
	insn->kind = ECAP_CODE_JUMP;
	switch (bits(w, 23, 21)) { /* bit 24: with a signature */
	case 0:
		insn->flow = CODE_JUMP;
		return true;
	case 1:
		insn->flow = CODE_CALL;
		insn->kind = ECAP_CODE_CALL;
		return true;
	case 2: /* with a signature the field is 31 */
		insn->kind = ECAP_CODE_OTHER;
		insn->flow = field(w, 5) >= X30 ? CODE_RETURN : CODE_JUMP;
		return true;
	default:
		return false;
	}
}

static bool decode_system(uint32_t w, struct code_insn *insn)
{
	if ((w & 0xfffff01f) == 0xd503201f)
		return decode_hint(w, insn);
	if (bits(w, 31, 22) == 0x354)
		return bits(w, 21, 21) ? code_add_compute(insn, set_of(w, 0), 0) : true;
	if (bits(w, 31, 25) == 0x6b)
		return decode_branch_register(w, insn);
	if (bits(w, 31, 24) != 0xd4)
		return false;
	if (bits(w, 23, 21) == 0 && bits(w, 4, 0) == 1)
		return code_add_compute(insn, BIT(0), 0); /* svc */
	insn->flow = CODE_STOP;
	return bits(w, 23, 21) == 1 || bits(w, 23, 21) == 2; /* brk, hlt */
}

static bool decode_branch(uint32_t w, struct code_insn *insn)
{
	switch (bits(w, 30, 25)) {
	case 0x1a: /* cbz, cbnz */
		return set_target(insn, CODE_BRANCH, signed_bits(w, 23, 5));
	case 0x1b: /* tbz, tbnz */
		return set_target(insn, CODE_BRANCH, signed_bits(w, 18, 5));
	case 0x2a: /* b.cond; the always of it is always */
		if (!bits(w, 31, 31))
			return set_target(insn, bits(w, 3, 0) >= 14 ? CODE_JUMP : CODE_BRANCH,
					  signed_bits(w, 23, 5));
		return decode_system(w, insn);
	case 0x2b:
		return decode_system(w, insn);
	default:
		break;
	}
	if (bits(w, 30, 26) == 5)
		return set_target(insn, bits(w, 31, 31) ? CODE_CALL : CODE_JUMP,
				  signed_bits(w, 25, 0));
	return false;
}

static bool arm64_decode(void *decoder, const uint8_t *bytes, size_t n, struct code_insn *insn)
{
	uint32_t w;

	(void)decoder;
	if (n < 4)
		return false;
	w = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	    (uint32_t)bytes[3] << 24;
	insn->len = 4;
	switch (bits(w, 28, 25)) {
	case 8:
	case 9:
		return decode_immediate(w, insn);
	case 10:
	case 11:
		return decode_branch(w, insn);
	case 4:
	case 6:
	case 12:
	case 14:
		return decode_access(w, insn);
	case 5:
	case 13:
		return decode_register(w, insn);
	case 7:
	case 15:
		return decode_vector(w, insn);
	default: /* scalable vectors and matrices, nothing */
		return false;
	}
}

/* bti c (if any); adrp x16, page; ldr x17, [x16, #off]; ...; br x17 */
static bool arm64_stub(void *decoder, const uint8_t *bytes, size_t n, uint64_t address,
		       uint64_t *ret)
{
	uint32_t w[6] = { 0 };
	size_t i = 0;
	uint64_t page;

	(void)decoder;
	for (size_t b = 0; b < sizeof(w) && b < n; b++)
		w[b / 4] |= (uint32_t)bytes[b] << (b % 4 * 8);
	if (w[0] == 0xd503245f)
		i = 1;
	if ((w[i] & 0x9f00001f) != 0x90000010 || (w[i + 1] & 0xffc003ff) != 0xf9400211)
		return false;
	/* add x16, x16, #off; then perhaps autia1716 */
	if ((w[i + 2] & 0xffc003ff) != 0x91000210 ||
	    (w[i + 3] != 0xd61f0220 && (w[i + 3] != 0xd503219f || w[i + 4] != 0xd61f0220)))
		return false;
	page = ((address + 4 * i) & ~0xfffull) +
	       (uint64_t)((signed_bits(w[i], 23, 5) * 4 + bits(w[i], 30, 29)) * 4096);
	*ret = page + (uint64_t)bits(w[i + 1], 21, 10) * 8;
	return true;
}

static int arm64_open(void **ret)
{
	*ret = NULL;
	return 0;
}

static void arm64_close(void *decoder)
{
	(void)decoder;
}

/* Procedure Call Standard for the Arm 64-bit Architecture, section 6 */
const struct code_arch ecap_code_arm64 = {
	.args = { 0, 1, 2, 3, 4, 5, 6, 7 },
	.n_args = 8,
	.sp = SP,
	.returned = BIT(0) | BIT(1),
	.clobbered = (BIT(19) - 1) | BIT(X30),
	.link = BIT(X30),
	.red_zone = 0,
	.open = arm64_open,
	.close = arm64_close,
	.decode = arm64_decode,
	.stub = arm64_stub,
};
