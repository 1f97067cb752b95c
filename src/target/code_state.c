/* SPDX-License-Identifier: Apache-2.0 */
#include "target/code_state.h"

#include <string.h>

static struct code_value unknown(uint8_t taint)
{
	return (struct code_value){ .kind = CODE_VALUE_UNKNOWN, .taint = taint };
}

static struct code_value frame_address(int64_t off)
{
	if (off != (int32_t)off)
		return unknown(CODE_TAINT_FRAME);
	return (struct code_value){ .kind = CODE_VALUE_FRAME,
				    .taint = CODE_TAINT_FRAME,
				    .off = (int32_t)off };
}

static bool same_value(const struct code_value *a, const struct code_value *b)
{
	return a->kind == b->kind && a->n == b->n && a->ext == b->ext && a->off == b->off;
}

static struct code_value join_values(const struct code_value *a, const struct code_value *b)
{
	uint8_t taint = a->taint | b->taint;
	struct code_value ret = same_value(a, b) ? *a : unknown(0);

	ret.taint = taint;
	return ret;
}

/* The low 32 bits of a value, extended. */
static struct code_value half(struct code_value v, bool sign)
{
	if (v.kind != CODE_VALUE_ARG)
		return unknown(v.taint);
	v.ext = sign ? ECAP_CODE_SIGN : ECAP_CODE_ZERO;
	return v;
}

static uint8_t taint_of_set(const struct code_state *s, uint64_t regs)
{
	uint8_t taint = 0;

	for (uint8_t i = 0; i < CODE_N_REGS; i++) {
		if (regs & code_reg_bit(i))
			taint |= s->regs[i].taint;
	}
	return taint;
}

static void set_reg(struct code_state *s, uint8_t reg, struct code_value v)
{
	if (reg >= CODE_N_REGS)
		return;
	if (reg == CODE_REG_VECTOR) /* many registers: nothing is overwritten */
		v = unknown(v.taint | s->regs[reg].taint);
	s->regs[reg] = v;
}

static struct code_value get_reg(const struct code_state *s, uint8_t reg)
{
	return reg < CODE_N_REGS ? s->regs[reg] : unknown(0);
}

static uint8_t frame_taint(const struct code_state *s)
{
	uint8_t taint = s->in_frame;

	for (uint8_t i = 0; i < s->n_slots; i++)
		taint |= s->slots[i].value.taint;
	return taint;
}

/* Forget slot @i, but not that what it held may still be there. */
static void drop_slot(struct code_state *s, uint8_t i)
{
	s->in_frame |= s->slots[i].value.taint;
	s->slots[i] = s->slots[--s->n_slots];
}

static void drop_all_slots(struct code_state *s)
{
	s->in_frame = frame_taint(s);
	s->n_slots = 0;
}

static void put_slot(struct code_state *s, int32_t off, uint8_t width, struct code_value v)
{
	for (uint8_t i = s->n_slots; i-- > 0;) {
		struct code_slot *slot = &s->slots[i];
		int64_t slot_end = (int64_t)slot->off + slot->width, end = (int64_t)off + width;

		if (slot->off >= off && slot_end <= end)
			*slot = s->slots[--s->n_slots]; /* overwritten */
		else if (slot->off < end && off < slot_end)
			drop_slot(s, i);
	}
	if (v.kind == CODE_VALUE_UNKNOWN && !v.taint)
		return;
	if (s->n_slots == CODE_MAX_SLOTS || (width != 4 && width != 8)) {
		s->in_frame |= v.taint;
		return;
	}
	if (width == 4)
		v = half(v, false);
	s->slots[s->n_slots++] = (struct code_slot){ .off = off, .width = width, .value = v };
}

static struct code_value get_slot(const struct code_state *s, int32_t off, uint8_t width, bool sign)
{
	for (uint8_t i = 0; i < s->n_slots; i++) {
		const struct code_slot *slot = &s->slots[i];

		if (slot->off != off || slot->width < width)
			continue;
		if (width == 8)
			return slot->value;
		if (width == 4)
			return half(slot->value, sign);
	}
	return unknown(frame_taint(s));
}

bool ecap_code_state_join(struct code_state *to, const struct code_state *from)
{
	struct code_state old = *to;

	for (uint8_t i = 0; i < CODE_N_REGS; i++)
		to->regs[i] = join_values(&to->regs[i], &from->regs[i]);
	for (uint8_t i = to->n_slots; i-- > 0;) {
		struct code_slot *slot = &to->slots[i];
		const struct code_slot *other = NULL;

		for (uint8_t k = 0; k < from->n_slots && !other; k++) {
			if (from->slots[k].off == slot->off && from->slots[k].width == slot->width)
				other = &from->slots[k];
		}
		if (other)
			slot->value = join_values(&slot->value, &other->value);
		else
			drop_slot(to, i);
	}
	/* what only the other one has a slot for is in the frame, but nobody knows where */
	to->in_frame |= frame_taint(from) & (uint8_t)~frame_taint(to);
	to->stored |= from->stored;
	to->touched |= from->touched;
	return memcmp(&old, to, sizeof(old)) != 0;
}

enum where {
	AT_SLOT,   /* in the frame, at a known place */
	AT_FRAME,  /* perhaps in the frame */
	ELSEWHERE, /* in the frame only if others reach it */
};

static enum where where(const struct code_state *s, const struct code_op *op, int64_t *ret_off)
{
	struct code_value base = get_reg(s, op->base), index = get_reg(s, op->index);

	*ret_off = base.off + op->disp;
	if (base.kind == CODE_VALUE_FRAME && op->index == CODE_REG_NONE &&
	    *ret_off == (int32_t)*ret_off)
		return AT_SLOT;
	return (base.taint | index.taint) & CODE_TAINT_FRAME ? AT_FRAME : ELSEWHERE;
}

/* An address that is made of nothing that came in: of a variable of the file, as a rule. */
static bool is_constant(const struct code_state *s, const struct code_op *op)
{
	return !(get_reg(s, op->base).taint | get_reg(s, op->index).taint);
}

/* Memory is accessed, not at a known place of the frame: which arguments may have led there? */
static void note_touch(struct code_state *s, const struct code_op *op)
{
	uint8_t taint = get_reg(s, op->base).taint | get_reg(s, op->index).taint;

	s->touched |= taint & (uint8_t)~CODE_TAINT_FRAME;
}

static void do_load(struct code_state *s, const struct code_op *op)
{
	struct code_value v;
	int64_t off;
	enum where at = where(s, op, &off);

	if (at != AT_SLOT)
		note_touch(s, op);
	if (at == AT_SLOT)
		v = get_slot(s, (int32_t)off, op->width, op->sign);
	else if (at == AT_FRAME || (!is_constant(s, op) && (s->stored & CODE_TAINT_FRAME)))
		v = unknown(frame_taint(s) | s->stored);
	else
		v = unknown(s->stored);
	set_reg(s, op->dst, v);
}

static void do_store(struct code_state *s, const struct code_op *op)
{
	struct code_value v = get_reg(s, op->src);
	enum where at;
	int64_t off;

	at = where(s, op, &off);
	if (at == AT_SLOT && op->width) {
		put_slot(s, (int32_t)off, op->width, v);
		return;
	}
	if (at != AT_SLOT)
		note_touch(s, op);
	if (at != ELSEWHERE || (s->stored & CODE_TAINT_FRAME)) {
		drop_all_slots(s);
		s->in_frame |= v.taint;
	}
	if (at != AT_SLOT)
		s->stored |= v.taint;
}

static void do_op(struct code_state *s, const struct code_op *op)
{
	struct code_value v;
	uint8_t taint;

	switch (op->what) {
	case CODE_COPY:
		v = get_reg(s, op->src);
		set_reg(s, op->dst, op->width == 8 ? v : half(v, op->sign));
		break;
	case CODE_ADDRESS:
		v = get_reg(s, op->base);
		if (v.kind == CODE_VALUE_FRAME)
			v = frame_address(v.off + op->disp);
		else if (op->disp)
			v = unknown(v.taint);
		set_reg(s, op->dst, v);
		break;
	case CODE_LOAD:
		do_load(s, op);
		break;
	case CODE_STORE:
		do_store(s, op);
		break;
	default:
		taint = taint_of_set(s, op->srcs);
		for (uint8_t i = 0; i < CODE_N_REGS; i++) {
			if (op->dsts & code_reg_bit(i))
				set_reg(s, i, unknown(taint));
		}
	}
}

/*
 * What lies where further arguments would be. How many there are nobody knows, nor where the
 * function's own words begin: what it only keeps there counts, too.
 */
static uint8_t on_stack(const struct code_state *s, const struct code_arch *arch)
{
	struct code_value sp = s->regs[arch->sp];
	uint8_t taint = s->in_frame;

	for (uint8_t i = 0; i < s->n_slots; i++) {
		if (sp.kind != CODE_VALUE_FRAME || s->slots[i].off >= sp.off)
			taint |= s->slots[i].value.taint;
	}
	return taint;
}

uint8_t ecap_code_state_passed(const struct code_state *s, const struct code_arch *arch)
{
	uint8_t taint = 0;

	for (uint8_t i = 0; i < arch->n_args; i++)
		taint |= s->regs[arch->args[i]].taint;
	taint |= on_stack(s, arch);
	if ((taint | s->stored) & CODE_TAINT_FRAME)
		taint |= frame_taint(s);
	return taint;
}

void ecap_code_state_call(struct code_state *s, const struct code_arch *arch)
{
	uint8_t taint = ecap_code_state_passed(s, arch);
	struct code_value sp = s->regs[arch->sp];

	for (uint8_t i = 0; i < CODE_N_REGS; i++) {
		if (arch->clobbered & code_reg_bit(i))
			s->regs[i] = unknown(arch->returned & code_reg_bit(i) ? taint : 0);
	}
	s->regs[CODE_REG_VECTOR].taint |= taint;
	if (taint & CODE_TAINT_FRAME)
		s->stored |= CODE_TAINT_FRAME;
	if ((s->stored & CODE_TAINT_FRAME) || sp.kind != CODE_VALUE_FRAME) {
		drop_all_slots(s);
		s->in_frame |= taint;
	}
	/* below the stack pointer is the callee's frame */
	for (uint8_t i = s->n_slots; i-- > 0;) {
		if (s->slots[i].off < sp.off)
			s->slots[i] = s->slots[--s->n_slots];
	}
}

/* What is too far below the stack pointer may change at any time: signal handlers run there. */
static void drop_dead_slots(const struct code_arch *arch, struct code_state *s)
{
	struct code_value sp = s->regs[arch->sp];

	if (sp.kind != CODE_VALUE_FRAME)
		return;
	for (uint8_t i = s->n_slots; i-- > 0;) {
		if (s->slots[i].off < (int64_t)sp.off - arch->red_zone)
			s->slots[i] = s->slots[--s->n_slots];
	}
}

void ecap_code_state_init(struct code_state *s, const struct code_arch *arch)
{
	memset(s, 0, sizeof(*s)); /* states are compared as bytes */
	for (uint8_t n = 1; n <= ECAP_CODE_N_ARGS; n++)
		s->regs[arch->args[n - 1]] = (struct code_value){
			.kind = CODE_VALUE_ARG,
			.n = n,
			.taint = (uint8_t)ECAP_CODE_ARG_BIT(n),
		};
	s->regs[arch->sp] = frame_address(0);
	for (uint8_t i = 0; i < CODE_N_REGS; i++) {
		if (arch->link & code_reg_bit(i))
			s->regs[i].kind = CODE_VALUE_LINK;
	}
}

bool ecap_code_state_find_link(const struct code_state *s, const struct code_arch *arch,
			       int32_t *ret)
{
	if (!arch->link) {
		*ret = 0; /* where the stack pointer was */
		return true;
	}
	for (uint8_t i = 0; i < s->n_slots; i++) {
		if (s->slots[i].value.kind != CODE_VALUE_LINK || s->slots[i].width != 8)
			continue;
		*ret = s->slots[i].off;
		return true;
	}
	return false;
}

void ecap_code_state_step(struct code_state *s, const struct code_arch *arch,
			  const struct code_insn *insn)
{
	for (uint8_t i = 0; i < insn->n_ops; i++)
		do_op(s, &insn->ops[i]);
	s->regs[CODE_REG_TEMP] = unknown(0);
	drop_dead_slots(arch, s);
}
