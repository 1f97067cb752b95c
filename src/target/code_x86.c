/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include <capstone/capstone.h>

#include "target/code_insn.h"

/* The numbers of general registers in instructions. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11 };

#define BIT(reg) (1ull << (reg))

struct decoder {
	csh handle;
	cs_insn *insn;
};

static int x86_open(void **ret)
{
	ecap_autofree struct decoder *d = calloc(1, sizeof(*d));

	if (!d || cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) != CS_ERR_OK)
		return -ENOMEM;
	(void)cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	d->insn = cs_malloc(d->handle);
	if (!d->insn) {
		(void)cs_close(&d->handle);
		return -ENOMEM;
	}
	*ret = ecap_take_ptr(d);
	return 0;
}

static void x86_close(void *decoder)
{
	struct decoder *d = decoder;

	cs_free(d->insn, 1);
	(void)cs_close(&d->handle);
	free(d);
}

/* The number of the general register that @reg is a part of, and how many bytes the part has. */
static uint8_t general_reg(unsigned int reg, uint8_t *ret_width)
{
#define REG(r, e, w, b) { X86_REG_##r, X86_REG_##e, X86_REG_##w, X86_REG_##b }
#define NEW(n)		{ X86_REG_R##n, X86_REG_R##n##D, X86_REG_R##n##W, X86_REG_R##n##B }
	static const uint16_t parts[16][4] = {
		REG(RAX, EAX, AX, AL),
		REG(RCX, ECX, CX, CL),
		REG(RDX, EDX, DX, DL),
		REG(RBX, EBX, BX, BL),
		REG(RSP, ESP, SP, SPL),
		REG(RBP, EBP, BP, BPL),
		REG(RSI, ESI, SI, SIL),
		REG(RDI, EDI, DI, DIL),
		NEW(8),
		NEW(9),
		NEW(10),
		NEW(11),
		NEW(12),
		NEW(13),
		NEW(14),
		NEW(15),
	};
	static const uint16_t high[] = { X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH };
#undef REG
#undef NEW

	for (uint8_t n = 0; n < 16; n++) {
		for (uint8_t part = 0; part < 4; part++) {
			if (parts[n][part] == reg) {
				*ret_width = (uint8_t)(8 >> part);
				return n;
			}
		}
	}
	*ret_width = 1;
	for (uint8_t n = 0; n < 4; n++) {
		if (high[n] == reg)
			return n;
	}
	return CODE_REG_NONE;
}

/* Any register: what is not general is flags and segments, which carry nothing, or a vector. */
static uint8_t any_reg(unsigned int reg, uint8_t *ret_width)
{
	uint8_t n = general_reg(reg, ret_width);

	if (n != CODE_REG_NONE)
		return n;
	switch (reg) {
	case X86_REG_INVALID:
	case X86_REG_EFLAGS:
	case X86_REG_FPSW:
	case X86_REG_RIP:
	case X86_REG_EIP:
	case X86_REG_CS:
	case X86_REG_DS:
	case X86_REG_ES:
	case X86_REG_FS:
	case X86_REG_GS:
	case X86_REG_SS:
	case X86_REG_RIZ:
	case X86_REG_EIZ:
		return CODE_REG_NONE;
	default:
		return CODE_REG_VECTOR;
	}
}

static uint8_t general_of(const cs_x86_op *op, uint8_t *ret_width)
{
	*ret_width = 0;
	return op->type == X86_OP_REG ? general_reg(op->reg, ret_width) : CODE_REG_NONE;
}

/* Where the memory operand @op lies, as a step of kind @what. */
static struct code_op memory_op(uint8_t what, const cs_x86_op *op)
{
	struct code_op ret = {
		.what = what,
		.dst = CODE_REG_NONE,
		.src = CODE_REG_NONE,
		.base = CODE_REG_NONE,
		.index = CODE_REG_NONE,
		.width = op->size,
		.disp = op->mem.disp,
	};
	uint8_t width;

	/* fs and gs lead away from the frame */
	if (op->mem.segment == X86_REG_FS || op->mem.segment == X86_REG_GS)
		return ret;
	ret.base = any_reg(op->mem.base, &width);
	ret.index = any_reg(op->mem.index, &width);
	return ret;
}

static bool add_load(struct code_insn *insn, uint8_t dst, const cs_x86_op *op, bool sign)
{
	struct code_op load = memory_op(CODE_LOAD, op);

	load.dst = dst;
	load.sign = sign;
	return code_add(insn, load);
}

/* Access to the word at the top of the stack. */
static bool add_top(struct code_insn *insn, uint8_t what, uint8_t reg)
{
	return code_add(insn, (struct code_op){ .what = what,
						.dst = reg,
						.src = reg,
						.base = RSP,
						.index = CODE_REG_NONE,
						.width = 8 });
}

static uint64_t set_of(const uint16_t *regs, uint8_t n)
{
	uint64_t set = 0;
	uint8_t width;

	for (uint8_t i = 0; i < n; i++)
		set |= code_reg_bit(any_reg(regs[i], &width));
	return set;
}

/* An instruction without steps of its own: what it might write comes from what it might read. */
static bool decode_other(const cs_insn *in, struct code_insn *insn)
{
	const cs_x86 *x86 = &in->detail->x86;
	const cs_x86_op *store = NULL;
	uint64_t dsts = set_of(in->detail->regs_write, in->detail->regs_write_count);
	uint64_t srcs = set_of(in->detail->regs_read, in->detail->regs_read_count);
	struct code_op op;
	uint8_t width;

	if (in->id == X86_INS_CMPXCHG)
		dsts |= BIT(RAX); /* neither version of Capstone says so */
	for (uint8_t i = 0; i < x86->op_count; i++) {
		const cs_x86_op *o = &x86->operands[i];
		bool written = i == 0 || (o->access & CS_AC_WRITE);

		if (o->type == X86_OP_REG) {
			srcs |= code_reg_bit(any_reg(o->reg, &width));
			dsts |= written ? code_reg_bit(any_reg(o->reg, &width)) : 0;
		} else if (o->type == X86_OP_MEM) {
			if (!add_load(insn, CODE_REG_TEMP, o, false))
				return false;
			insn->ops[insn->n_ops - 1].width = 1;
			srcs |= code_reg_bit(CODE_REG_TEMP);
			store = written ? o : store;
		}
	}
	if (!store)
		return code_add_compute(insn, dsts, srcs);
	op = memory_op(CODE_STORE, store);
	op.src = CODE_REG_TEMP;
	if (x86->prefix[0] == X86_PREFIX_REP || x86->prefix[0] == X86_PREFIX_REPNE)
		op.width = 0;
	return code_add_compute(insn, BIT(CODE_REG_TEMP), srcs) && code_add(insn, op) &&
	       code_add_compute(insn, dsts, srcs);
}

/* mov to memory */
static bool decode_mov_out(const cs_insn *in, struct code_insn *insn)
{
	const cs_x86_op *to = &in->detail->x86.operands[0], *from = &in->detail->x86.operands[1];
	struct code_op store = memory_op(CODE_STORE, to);
	uint8_t width;

	store.src = general_of(from, &width);
	if (from->type == X86_OP_IMM || (store.src != CODE_REG_NONE && width == to->size))
		return code_add(insn, store);
	return decode_other(in, insn);
}

/* mov, movsxd: @sign says which, and then the source has 32 bits. */
static bool decode_mov(const cs_insn *in, struct code_insn *insn, bool sign)
{
	const cs_x86_op *to = &in->detail->x86.operands[0], *from = &in->detail->x86.operands[1];
	uint8_t to_width, from_width;
	uint8_t dst = general_of(to, &to_width), src = general_of(from, &from_width);

	insn->kind = ECAP_CODE_MOV;
	if (to->type == X86_OP_MEM && !sign)
		return decode_mov_out(in, insn);
	if (dst == CODE_REG_NONE || to_width < 4 || (sign && to_width != 8))
		return decode_other(in, insn);
	if (from->type == X86_OP_IMM)
		return code_add_compute(insn, BIT(dst), 0);
	if (from->type == X86_OP_MEM)
		return from->size < 4 ? decode_other(in, insn) : add_load(insn, dst, from, sign);
	if (src == CODE_REG_NONE || from_width < 4)
		return decode_other(in, insn);
	return code_add_copy(insn, dst, src, from_width, sign);
}

static bool decode_lea(const cs_insn *in, struct code_insn *insn)
{
	const cs_x86_op *from = &in->detail->x86.operands[1];
	struct code_op mem = memory_op(CODE_ADDRESS, from);
	uint8_t width;
	uint8_t dst = general_of(&in->detail->x86.operands[0], &width);

	if (dst == CODE_REG_NONE || width < 4)
		return false;
	if (width == 8 && mem.base != CODE_REG_NONE && mem.index == CODE_REG_NONE)
		return code_add_address(insn, dst, mem.base, mem.disp);
	return code_add_compute(insn, BIT(dst), code_reg_bit(mem.base) | code_reg_bit(mem.index));
}

/* add, sub, xor: the forms that leave something known. */
static bool decode_arithmetic(const cs_insn *in, struct code_insn *insn)
{
	const cs_x86_op *to = &in->detail->x86.operands[0], *by = &in->detail->x86.operands[1];
	uint8_t width;
	uint8_t dst = general_of(to, &width);
	bool sub = in->id == X86_INS_SUB;

	if (dst == CODE_REG_NONE || width < 4)
		return decode_other(in, insn);
	if (by->type == X86_OP_REG && by->reg == to->reg && in->id != X86_INS_ADD)
		return code_add_compute(insn, BIT(dst), 0); /* zero */
	if (by->type != X86_OP_IMM || width != 8 || in->id == X86_INS_XOR ||
	    by->imm != (int32_t)by->imm)
		return decode_other(in, insn);
	if (sub && dst == RSP)
		insn->kind = ECAP_CODE_SUB_SP;
	return code_add_address(insn, dst, dst, sub ? -by->imm : by->imm);
}

/* Only flags are written, but memory may be read. */
static bool decode_compare(const cs_insn *in, struct code_insn *insn)
{
	const cs_x86 *x86 = &in->detail->x86;

	for (uint8_t i = 0; i < x86->op_count; i++) {
		if (x86->operands[i].type == X86_OP_MEM &&
		    !add_load(insn, CODE_REG_TEMP, &x86->operands[i], false))
			return false;
	}
	return true;
}

/* bts and its kin: with the bit's number in a register it may lie far from the operand. */
static bool decode_bit(const cs_insn *in, struct code_insn *insn)
{
	const cs_x86_op *to = &in->detail->x86.operands[0], *bit = &in->detail->x86.operands[1];

	if (to->type == X86_OP_MEM && bit->type == X86_OP_REG)
		return false;
	return decode_other(in, insn);
}

static bool decode_push(const cs_insn *in, struct code_insn *insn)
{
	const cs_x86_op *from = &in->detail->x86.operands[0];
	uint8_t width;
	uint8_t src = general_of(from, &width);

	if (from->type == X86_OP_REG && src == CODE_REG_NONE)
		return false;
	if (in->detail->x86.prefix[2])
		return false; /* 16 bits */
	if (from->type == X86_OP_MEM) {
		src = CODE_REG_TEMP;
		if (!add_load(insn, src, from, false))
			return false;
	}
	if (from->type == X86_OP_REG)
		insn->kind = ECAP_CODE_PUSH;
	if (src == CODE_REG_NONE)
		return code_add_address(insn, RSP, RSP, -8) && add_top(insn, CODE_STORE, src);
	/* push rsp stores what it was before */
	return code_add_copy(insn, CODE_REG_TEMP, src, 8, false) &&
	       code_add_address(insn, RSP, RSP, -8) && add_top(insn, CODE_STORE, CODE_REG_TEMP);
}

static bool decode_pop(const cs_insn *in, struct code_insn *insn)
{
	uint8_t width;
	uint8_t dst = general_of(&in->detail->x86.operands[0], &width);

	if (dst == CODE_REG_NONE || dst == RSP || width != 8)
		return false;
	return add_top(insn, CODE_LOAD, dst) && code_add_address(insn, RSP, RSP, 8);
}

/* Where a call or jump leads. */
static bool decode_transfer(const cs_insn *in, struct code_insn *insn, uint8_t flow)
{
	const cs_x86_op *to = &in->detail->x86.operands[0];

	insn->flow = flow;
	insn->kind = flow == CODE_CALL ? ECAP_CODE_CALL : ECAP_CODE_JUMP;
	if (in->detail->x86.op_count != 1)
		return false;
	if (to->type == X86_OP_IMM)
		insn->target = (uint64_t)to->imm;
	else if (to->type == X86_OP_MEM && to->mem.base == X86_REG_RIP &&
		 to->mem.index == X86_REG_INVALID && to->mem.segment == X86_REG_INVALID)
		insn->slot = in->address + in->size + (uint64_t)to->mem.disp;
	return true;
}

static bool decode_plain(const cs_insn *in, struct code_insn *insn)
{
	switch (in->id) {
	case X86_INS_ENDBR64:
		insn->kind = ECAP_CODE_MARK;
		return true;
	case X86_INS_NOP:
		insn->kind = in->size == 1 ? ECAP_CODE_NOP : ECAP_CODE_OTHER;
		return true;
	case X86_INS_CMP:
	case X86_INS_TEST:
		return decode_compare(in, insn);
	case X86_INS_PAUSE:
		return true;
	case X86_INS_MOV:
	case X86_INS_MOVABS:
		return decode_mov(in, insn, false);
	case X86_INS_MOVSXD:
		return decode_mov(in, insn, true);
	case X86_INS_CDQE:
		return code_add_copy(insn, RAX, RAX, 4, true);
	case X86_INS_LEA:
		return decode_lea(in, insn);
	case X86_INS_ADD:
	case X86_INS_SUB:
	case X86_INS_XOR:
		return decode_arithmetic(in, insn);
	case X86_INS_BTC:
	case X86_INS_BTR:
	case X86_INS_BTS:
		return decode_bit(in, insn);
	case X86_INS_PUSH:
		return decode_push(in, insn);
	case X86_INS_POP:
		return decode_pop(in, insn);
	case X86_INS_LEAVE:
		return code_add_copy(insn, RSP, RBP, 8, false) && add_top(insn, CODE_LOAD, RBP) &&
		       code_add_address(insn, RSP, RSP, 8);
	case X86_INS_SYSCALL:
		return code_add_compute(insn, BIT(RAX) | BIT(RCX) | BIT(R11), 0);
	default:
		return decode_other(in, insn);
	}
}

static bool in_group(const cs_insn *in, uint8_t group)
{
	for (uint8_t i = 0; i < in->detail->groups_count; i++) {
		if (in->detail->groups[i] == group)
			return true;
	}
	return false;
}

/* Instructions that leave the function, or write what their operands do not show. */
static bool is_refused(unsigned int id)
{
	switch (id) {
	case X86_INS_LJMP:
	case X86_INS_LCALL:
	case X86_INS_RETF:
	case X86_INS_RETFQ:
	case X86_INS_IRETQ:
	case X86_INS_XBEGIN:
	case X86_INS_XABORT:
	case X86_INS_INT:
	case X86_INS_INTO:
	case X86_INS_SYSENTER:
	case X86_INS_VMCALL:
	case X86_INS_ENTER:
	case X86_INS_PUSHF:
	case X86_INS_PUSHFQ:
	case X86_INS_POPF:
	case X86_INS_POPFQ:
	case X86_INS_XLATB:
	case X86_INS_MASKMOVQ:
	case X86_INS_MASKMOVDQU:
	case X86_INS_VMASKMOVDQU:
	case X86_INS_FNSAVE:
	case X86_INS_FXSAVE:
	case X86_INS_FXSAVE64:
	case X86_INS_XSAVE:
	case X86_INS_XSAVE64:
	case X86_INS_XSAVEOPT:
	case X86_INS_XSAVEOPT64:
	case X86_INS_XSAVEC:
	case X86_INS_XSAVEC64:
	case X86_INS_XSAVES:
	case X86_INS_XSAVES64:
		return true;
	default:
		return false;
	}
}

static bool decode_insn(const cs_insn *in, struct code_insn *insn)
{
	switch (in->id) {
	case X86_INS_JMP:
		return decode_transfer(in, insn, CODE_JUMP);
	case X86_INS_CALL:
		return decode_transfer(in, insn, CODE_CALL);
	case X86_INS_RET:
		insn->flow = CODE_RETURN;
		return in->detail->x86.op_count == 0;
	case X86_INS_UD2:
	case X86_INS_HLT:
	case X86_INS_INT3:
		insn->flow = CODE_STOP;
		return true;
	default:
		break;
	}
	if (is_refused(in->id))
		return false;
	if (in_group(in, CS_GRP_JUMP)) {
		if (!decode_transfer(in, insn, CODE_BRANCH) || !insn->target)
			return false;
		/* loop and its kin count in rcx */
		return in->detail->regs_write_count ? code_add_compute(insn, BIT(RCX), BIT(RCX)) :
						      true;
	}
	/* addresses of 32 bits wrap elsewhere than our arithmetic */
	if (in->detail->x86.addr_size == 4)
		return false;
	return decode_plain(in, insn);
}

static bool x86_decode(void *decoder, const uint8_t *bytes, size_t n, struct code_insn *insn)
{
	struct decoder *d = decoder;
	uint64_t address = insn->address;

	if (!cs_disasm_iter(d->handle, &bytes, &n, &address, d->insn))
		return false;
	insn->len = (uint8_t)d->insn->size;
	return decode_insn(d->insn, insn);
}

static bool x86_stub(void *decoder, const uint8_t *bytes, size_t n, uint64_t address, uint64_t *ret)
{
	struct code_insn insn = { .address = address };

	if (!x86_decode(decoder, bytes, n, &insn))
		return false;
	if (insn.kind == ECAP_CODE_MARK) {
		size_t skip = insn.len;

		insn = (struct code_insn){ .address = address + skip };
		if (!x86_decode(decoder, bytes + skip, n - skip, &insn))
			return false;
	}
	if (insn.flow != CODE_JUMP || !insn.slot)
		return false;
	*ret = insn.slot;
	return true;
}

/* System V ABI for x86-64, section 3.2 */
const struct code_arch ecap_code_x86 = {
	.args = { RDI, RSI, RDX, RCX, R8, R9 },
	.n_args = 6,
	.sp = RSP,
	.returned = BIT(RAX) | BIT(RDX),
	.clobbered = BIT(RAX) | BIT(RCX) | BIT(RDX) | BIT(RSI) | BIT(RDI) | BIT(R8) | BIT(R9) |
		     BIT(R10) | BIT(R11),
	.link = 0,
	.red_zone = 128,
	.open = x86_open,
	.close = x86_close,
	.decode = x86_decode,
	.stub = x86_stub,
};
