/* SPDX-License-Identifier: Apache-2.0 */
#include "target/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/code_insn.h"

#define WINDOW	  512 /* bytes read at once */
#define MAX_SLOTS 24  /* words of the frame that are followed */
#define MAX_STEPS 32  /* times that an instruction may be looked at again, on average */

#define TAINT_FRAME 0x80u /* may be an address in the frame; the lower bits: incoming arguments */

enum value_kind {
	VALUE_UNKNOWN,
	VALUE_ARG,   /* incoming argument n */
	VALUE_FRAME, /* the stack pointer at the entry, plus off */
};

struct value {
	uint8_t kind;
	uint8_t n;
	uint8_t ext;   /* enum ecap_code_ext */
	uint8_t taint; /* what it may have been made of; holds whatever kind says */
	int32_t off;
};

struct slot {
	int32_t off;
	uint8_t width;
	uint8_t unused[3]; /* states are compared as bytes */
	struct value value;
};

/* What is known before an instruction. */
struct state {
	struct value regs[CODE_N_REGS];
	struct slot slots[MAX_SLOTS];
	uint8_t n_slots;
	uint8_t in_frame; /* taint of the frame's bytes that no slot stands for */
	uint8_t stored;	  /* taint of memory elsewhere; with TAINT_FRAME others reach our frame */
	uint8_t unused;
};

_Static_assert(sizeof(struct state) ==
		       CODE_N_REGS * sizeof(struct value) + MAX_SLOTS * sizeof(struct slot) + 4,
	       "no padding: states are compared as bytes");

struct node {
	struct code_insn insn;
	struct state before;
	bool waiting;
};

struct ecap_code {
	struct ecap_code_source source;
	const struct code_arch *arch;
	void *decoder;
	uint64_t window_at;
	size_t window_len;
	uint8_t window[WINDOW];
};

struct analysis {
	struct ecap_code *code;
	const struct code_arch *arch;
	uint64_t start, end;
	struct node *nodes;
	size_t n_nodes;
	struct ecap_code_function *fn;
};

/* ------------------------------------------------------------------------------------- reading */

ssize_t ecap_code_view_read(void *arg, uint64_t address, void *buf, size_t n)
{
	const struct ecap_code_view *view = arg;
	uint64_t off = address - view->address;

	if (address < view->address || off >= view->len)
		return 0;
	if (n > view->len - off)
		n = view->len - off;
	memcpy(buf, view->bytes + off, n);
	return (ssize_t)n;
}

int ecap_code_open(const struct ecap_code_source *source, struct ecap_code **ret)
{
	static const struct code_arch *const archs[] = {
		[ECAP_CODE_X86_64] = &ecap_code_x86,
		[ECAP_CODE_ARM64] = &ecap_code_arm64,
	};
	_Static_assert(ECAP_ARRAY_SIZE(archs) == ECAP_CODE_N_ARCHS, "one row per architecture");
	ecap_autofree struct ecap_code *code = calloc(1, sizeof(*code));
	int r;

	if (!code)
		return -ENOMEM;
	code->source = *source;
	code->arch = archs[source->arch];
	r = code->arch->open(&code->decoder);
	if (r < 0)
		return r;
	*ret = ecap_take_ptr(code);
	return 0;
}

void ecap_code_free(struct ecap_code *code)
{
	if (!code)
		return;
	code->arch->close(code->decoder);
	free(code);
}

/* The code at @address, as much as an instruction may have; returns how much there is. */
static int fetch(struct ecap_code *code, uint64_t address, size_t want, const uint8_t **ret)
{
	uint64_t off = address - code->window_at;
	ssize_t got;

	if (address < code->window_at || off >= code->window_len || code->window_len - off < want) {
		code->window_len = 0;
		got = code->source.read(code->source.arg, address, code->window, WINDOW);
		if (got < 0)
			return (int)got;
		code->window_at = address;
		code->window_len = (size_t)got;
		off = 0;
	}
	*ret = code->window + off;
	return (int)(code->window_len - off);
}

/* Decode the instruction at @address. 1: done; 0: not understood; -ENODATA: there is no code. */
static int decode(struct ecap_code *code, uint64_t address, struct code_insn *ret)
{
	const uint8_t *bytes = NULL;
	int n = fetch(code, address, CODE_MAX_LEN, &bytes);

	if (n < 0)
		return n;
	if (!n)
		return -ENODATA;
	*ret = (struct code_insn){ .address = address };
	return code->arch->decode(code->decoder, bytes, (size_t)n, ret);
}

int ecap_code_stub(struct ecap_code *code, uint64_t address, uint64_t *ret)
{
	const uint8_t *bytes = NULL;
	int n = fetch(code, address, 2 * CODE_MAX_LEN, &bytes);

	if (n < 0)
		return n;
	return code->arch->stub(code->decoder, bytes, (size_t)n, address, ret);
}

/* -------------------------------------------------------------------------------------- states */

static struct value unknown(uint8_t taint)
{
	return (struct value){ .kind = VALUE_UNKNOWN, .taint = taint };
}

static struct value frame_address(int64_t off)
{
	if (off != (int32_t)off)
		return unknown(TAINT_FRAME);
	return (struct value){ .kind = VALUE_FRAME, .taint = TAINT_FRAME, .off = (int32_t)off };
}

static bool same_value(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->n == b->n && a->ext == b->ext && a->off == b->off;
}

static struct value join_values(const struct value *a, const struct value *b)
{
	uint8_t taint = a->taint | b->taint;
	struct value ret = same_value(a, b) ? *a : unknown(0);

	ret.taint = taint;
	return ret;
}

/* The low 32 bits of a value, extended. */
static struct value half(struct value v, bool sign)
{
	if (v.kind != VALUE_ARG)
		return unknown(v.taint);
	v.ext = sign ? ECAP_CODE_SIGN : ECAP_CODE_ZERO;
	return v;
}

static uint8_t taint_of_set(const struct state *s, uint64_t regs)
{
	uint8_t taint = 0;

	for (uint8_t i = 0; i < CODE_N_REGS; i++) {
		if (regs & code_reg_bit(i))
			taint |= s->regs[i].taint;
	}
	return taint;
}

static void set_reg(struct state *s, uint8_t reg, struct value v)
{
	if (reg >= CODE_N_REGS)
		return;
	if (reg == CODE_REG_VECTOR) /* many registers: nothing is overwritten */
		v = unknown(v.taint | s->regs[reg].taint);
	s->regs[reg] = v;
}

static struct value get_reg(const struct state *s, uint8_t reg)
{
	return reg < CODE_N_REGS ? s->regs[reg] : unknown(0);
}

static uint8_t frame_taint(const struct state *s)
{
	uint8_t taint = s->in_frame;

	for (uint8_t i = 0; i < s->n_slots; i++)
		taint |= s->slots[i].value.taint;
	return taint;
}

/* Forget slot @i, but not that what it held may still be there. */
static void drop_slot(struct state *s, uint8_t i)
{
	s->in_frame |= s->slots[i].value.taint;
	s->slots[i] = s->slots[--s->n_slots];
}

static void drop_all_slots(struct state *s)
{
	s->in_frame = frame_taint(s);
	s->n_slots = 0;
}

static void put_slot(struct state *s, int32_t off, uint8_t width, struct value v)
{
	for (uint8_t i = s->n_slots; i-- > 0;) {
		struct slot *slot = &s->slots[i];

		if (slot->off == off && slot->width == width)
			*slot = s->slots[--s->n_slots];
		else if (slot->off < (int64_t)off + width && off < (int64_t)slot->off + slot->width)
			drop_slot(s, i);
	}
	if (v.kind == VALUE_UNKNOWN && !v.taint)
		return;
	if (s->n_slots == MAX_SLOTS || (width != 4 && width != 8)) {
		s->in_frame |= v.taint;
		return;
	}
	if (width == 4)
		v = half(v, false);
	s->slots[s->n_slots++] = (struct slot){ .off = off, .width = width, .value = v };
}

static struct value get_slot(const struct state *s, int32_t off, uint8_t width, bool sign)
{
	for (uint8_t i = 0; i < s->n_slots; i++) {
		const struct slot *slot = &s->slots[i];

		if (slot->off != off || slot->width < width)
			continue;
		if (width == 8)
			return slot->value;
		if (width == 4)
			return half(slot->value, sign);
	}
	return unknown(frame_taint(s));
}

/* Keep what two states agree on; returns whether @to knows less than before. */
static bool join_states(struct state *to, const struct state *from)
{
	struct state old = *to;

	for (uint8_t i = 0; i < CODE_N_REGS; i++)
		to->regs[i] = join_values(&to->regs[i], &from->regs[i]);
	for (uint8_t i = to->n_slots; i-- > 0;) {
		struct slot *slot = &to->slots[i];
		const struct slot *other = NULL;

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
	return memcmp(&old, to, sizeof(old)) != 0;
}

/* ------------------------------------------------------------------------------- instructions */

enum where {
	AT_SLOT,   /* in the frame, at a known place */
	AT_FRAME,  /* perhaps in the frame */
	ELSEWHERE, /* in the frame only if others reach it */
};

static enum where where(const struct state *s, const struct code_op *op, int64_t *ret_off)
{
	struct value base = get_reg(s, op->base), index = get_reg(s, op->index);

	*ret_off = base.off + op->disp;
	if (base.kind == VALUE_FRAME && op->index == CODE_REG_NONE && *ret_off == (int32_t)*ret_off)
		return AT_SLOT;
	return (base.taint | index.taint) & TAINT_FRAME ? AT_FRAME : ELSEWHERE;
}

static void do_load(struct state *s, const struct code_op *op)
{
	struct value v = unknown(0);
	int64_t off;

	switch (where(s, op, &off)) {
	case AT_SLOT:
		v = get_slot(s, (int32_t)off, op->width, op->sign);
		break;
	case AT_FRAME:
		v = unknown(frame_taint(s) | s->stored);
		break;
	case ELSEWHERE:
		v = unknown(s->stored | (s->stored & TAINT_FRAME ? frame_taint(s) : 0));
		break;
	}
	set_reg(s, op->dst, v);
}

static void do_store(struct state *s, const struct code_op *op)
{
	struct value v = get_reg(s, op->src);
	enum where at;
	int64_t off;

	at = where(s, op, &off);
	if (at == AT_SLOT && op->width) {
		put_slot(s, (int32_t)off, op->width, v);
		return;
	}
	if (at != ELSEWHERE || (s->stored & TAINT_FRAME)) {
		drop_all_slots(s);
		s->in_frame |= v.taint;
	}
	if (at != AT_SLOT)
		s->stored |= v.taint;
}

static void do_op(struct state *s, const struct code_op *op)
{
	struct value v;
	uint8_t taint;

	switch (op->what) {
	case CODE_COPY:
		v = get_reg(s, op->src);
		set_reg(s, op->dst, op->width == 8 ? v : half(v, op->sign));
		break;
	case CODE_ADDRESS:
		v = get_reg(s, op->base);
		if (v.kind == VALUE_FRAME)
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

/* Incoming arguments, and the frame, that a callee may get; see ecap_code_call.may_get. */
static uint8_t passed_to_call(const struct code_arch *arch, const struct state *s)
{
	uint8_t taint = 0;

	for (uint8_t i = 0; i < arch->n_args; i++)
		taint |= s->regs[arch->args[i]].taint;
	if ((taint | s->stored) & TAINT_FRAME)
		taint |= frame_taint(s);
	return taint;
}

static void do_call(const struct code_arch *arch, struct state *s)
{
	uint8_t taint = passed_to_call(arch, s);
	struct value sp = s->regs[arch->sp];

	for (uint8_t i = 0; i < CODE_N_REGS; i++) {
		if (arch->clobbered & code_reg_bit(i))
			s->regs[i] = unknown(arch->returned & code_reg_bit(i) ? taint : 0);
	}
	s->regs[CODE_REG_VECTOR].taint |= taint;
	if (taint & TAINT_FRAME)
		s->stored |= TAINT_FRAME;
	if ((s->stored & TAINT_FRAME) || sp.kind != VALUE_FRAME) {
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
static void drop_dead_slots(const struct code_arch *arch, struct state *s)
{
	struct value sp = s->regs[arch->sp];

	if (sp.kind != VALUE_FRAME)
		return;
	for (uint8_t i = s->n_slots; i-- > 0;) {
		if (s->slots[i].off < (int64_t)sp.off - arch->red_zone)
			s->slots[i] = s->slots[--s->n_slots];
	}
}

/* ----------------------------------------------------------------------------------- functions */

static void note_gap(struct analysis *a, enum ecap_code_gap gap)
{
	if (!a->fn->gap)
		a->fn->gap = (uint8_t)gap;
}

static bool is_inside(const struct analysis *a, uint64_t address)
{
	return address >= a->start && address < a->end;
}

static bool sp_is_back(const struct analysis *a, const struct state *s)
{
	struct value sp = s->regs[a->arch->sp];

	return sp.kind == VALUE_FRAME && sp.off == 0;
}

/*
 * Whether a jump leaves the function. With a frame in place it does not: then it goes to a part of
 * the function that the compiler put elsewhere.
 */
static bool leaves(const struct analysis *a, const struct state *s, uint64_t target)
{
	return !is_inside(a, target) && sp_is_back(a, s);
}

/* Control reaches @address in state @s. Returns 0, or what reading returned. */
static int reach(struct analysis *a, uint64_t address, const struct state *s)
{
	struct node *node;
	int r;

	for (size_t i = 0; i < a->n_nodes; i++) {
		node = &a->nodes[i];
		if (node->insn.address != address)
			continue;
		if (join_states(&node->before, s))
			node->waiting = true;
		return 0;
	}
	if (a->n_nodes == ECAP_CODE_MAX_INSNS) {
		note_gap(a, ECAP_CODE_GAP_TOO_LARGE);
		return 0;
	}
	node = &a->nodes[a->n_nodes];
	r = decode(a->code, address, &node->insn);
	if (r == -ENODATA || r == 0) {
		note_gap(a, r ? ECAP_CODE_GAP_BYTES : ECAP_CODE_GAP_INSN);
		return 0;
	}
	if (r < 0)
		return r;
	node->before = *s;
	node->waiting = true;
	a->n_nodes++;
	return 0;
}

/* Go on behind the instruction. A call that ends the function is one that does not return. */
static int reach_next(struct analysis *a, const struct node *node, const struct state *s)
{
	uint64_t next = node->insn.address + node->insn.len;

	if (next == a->end && is_inside(a, node->insn.address)) {
		if (node->insn.flow != CODE_CALL)
			note_gap(a, ECAP_CODE_GAP_END);
		return 0;
	}
	return reach(a, next, s);
}

static int reach_target(struct analysis *a, const struct node *node, const struct state *s)
{
	if (!node->insn.target) {
		/* through a pointer at a constant address: to another function */
		if (!node->insn.slot || !sp_is_back(a, s))
			note_gap(a, ECAP_CODE_GAP_JUMP);
		return 0;
	}
	return leaves(a, s, node->insn.target) ? 0 : reach(a, node->insn.target, s);
}

static int step(struct analysis *a, const struct node *node)
{
	struct state s = node->before;
	int r = 0;

	for (uint8_t i = 0; i < node->insn.n_ops; i++)
		do_op(&s, &node->insn.ops[i]);
	s.regs[CODE_REG_TEMP] = unknown(0);
	drop_dead_slots(a->arch, &s);

	switch (node->insn.flow) {
	case CODE_JUMP:
		return reach_target(a, node, &s);
	case CODE_BRANCH:
		r = reach_target(a, node, &s);
		return r < 0 ? r : reach_next(a, node, &s);
	case CODE_CALL:
		do_call(a->arch, &s);
		return reach_next(a, node, &s);
	case CODE_RETURN:
		if (!sp_is_back(a, &s))
			note_gap(a, ECAP_CODE_GAP_STACK);
		return 0;
	case CODE_STOP:
		return 0;
	default:
		return reach_next(a, node, &s);
	}
}

/* Follow every path until nothing changes any more. */
static int follow(struct analysis *a)
{
	bool again = true;
	int r;

	for (size_t round = 0; again; round++) {
		if (round == MAX_STEPS) {
			note_gap(a, ECAP_CODE_GAP_TOO_LARGE);
			break;
		}
		again = false;
		for (size_t i = 0; i < a->n_nodes; i++) {
			if (!a->nodes[i].waiting)
				continue;
			a->nodes[i].waiting = false;
			again = true;
			r = step(a, &a->nodes[i]);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void describe_arg(struct value v, struct ecap_code_arg *ret)
{
	if (v.kind == VALUE_ARG) {
		ret->from = v.n;
		ret->ext = v.ext;
	}
	ret->local = v.kind == VALUE_FRAME;
}

static void note_call(struct analysis *a, const struct node *node)
{
	const struct code_insn *insn = &node->insn;
	const struct state *s = &node->before;
	struct ecap_code_call *call;

	a->fn->may_store |= s->stored & (uint8_t)~TAINT_FRAME;
	if (insn->flow != CODE_CALL && insn->flow != CODE_JUMP && insn->flow != CODE_BRANCH)
		return;
	if (insn->flow != CODE_CALL && insn->target && !leaves(a, s, insn->target))
		return;
	if (a->fn->n_calls == ECAP_CODE_MAX_CALLS) {
		note_gap(a, ECAP_CODE_GAP_TOO_LARGE);
		return;
	}
	call = &a->fn->calls[a->fn->n_calls++];
	*call = (struct ecap_code_call){
		.address = insn->address,
		.returns_to = insn->flow == CODE_CALL ? insn->address + insn->len : 0,
		.target = insn->target,
		.slot = insn->slot,
		.may_get = passed_to_call(a->arch, s) & (uint8_t)~TAINT_FRAME,
	};
	for (uint8_t i = 0; i < ECAP_CODE_N_ARGS; i++)
		describe_arg(s->regs[a->arch->args[i]], &call->args[i]);
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct node *)a)->insn.address;
	uint64_t y = ((const struct node *)b)->insn.address;

	return (x > y) - (x < y);
}

static void entry_state(const struct code_arch *arch, struct state *ret)
{
	memset(ret, 0, sizeof(*ret)); /* states are compared as bytes */
	for (uint8_t n = 1; n <= ECAP_CODE_N_ARGS; n++)
		ret->regs[arch->args[n - 1]] = (struct value){
			.kind = VALUE_ARG,
			.n = n,
			.taint = (uint8_t)ECAP_CODE_ARG_BIT(n),
		};
	ret->regs[arch->sp] = frame_address(0);
}

int ecap_code_analyse(struct ecap_code *code, uint64_t address, uint64_t size,
		      struct ecap_code_function *ret)
{
	ecap_autofree struct node *nodes = NULL;
	struct ecap_code_function fn = { .address = address };
	struct analysis a = {
		.code = code,
		.arch = code->arch,
		.start = address,
		.end = address + size,
		.fn = &fn,
	};
	struct state entry;
	int r;

	if (!size || a.end < address)
		return -EINVAL;
	nodes = calloc(ECAP_CODE_MAX_INSNS, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	a.nodes = nodes;
	entry_state(a.arch, &entry);
	r = reach(&a, address, &entry);
	if (r == 0)
		r = follow(&a);
	if (r < 0)
		return r;
	qsort(nodes, a.n_nodes, sizeof(*nodes), by_address);
	for (size_t i = 0; i < a.n_nodes; i++)
		note_call(&a, &nodes[i]);
	fn.n_insns = (uint16_t)a.n_nodes;
	r = ecap_code_first(code, address, fn.first);
	if (r < 0)
		return r;
	fn.n_first = (uint8_t)r;
	*ret = fn;
	return 0;
}

/* The registers that an instruction changes. */
static uint64_t changed_by(const struct code_insn *insn)
{
	uint64_t changed = 0;

	for (uint8_t i = 0; i < insn->n_ops; i++) {
		const struct code_op *op = &insn->ops[i];

		if (op->what == CODE_COMPUTE)
			changed |= op->dsts;
		else if (op->what != CODE_STORE)
			changed |= code_reg_bit(op->dst);
	}
	return changed;
}

int ecap_code_first(struct ecap_code *code, uint64_t address,
		    struct ecap_code_insn ret[ECAP_CODE_N_FIRST])
{
	uint64_t kept = code_reg_bit(code->arch->sp) | code->arch->link;
	struct code_insn insn;
	bool intact = true;
	int n = 0, r;

	for (uint8_t i = 0; i < code->arch->n_args; i++)
		kept |= code_reg_bit(code->arch->args[i]);
	while (n < ECAP_CODE_N_FIRST) {
		r = decode(code, address, &insn);
		if (r < 0 && r != -ENODATA)
			return r;
		if (r <= 0)
			break;
		ret[n++] = (struct ecap_code_insn){
			.address = address,
			.len = insn.len,
			.kind = insn.kind,
			.intact = intact,
		};
		if (insn.flow != CODE_NEXT)
			break;
		intact = intact && !(changed_by(&insn) & kept);
		address += insn.len;
	}
	return n;
}

const char *ecap_code_gap_text(enum ecap_code_gap gap)
{
	static const char *const texts[] = {
		[ECAP_CODE_COMPLETE] = "complete",
		[ECAP_CODE_GAP_BYTES] = "control goes where no code is",
		[ECAP_CODE_GAP_INSN] = "an instruction is not understood",
		[ECAP_CODE_GAP_JUMP] = "a jump goes through a pointer",
		[ECAP_CODE_GAP_END] = "control runs out of the function",
		[ECAP_CODE_GAP_STACK] = "a return does not find its address",
		[ECAP_CODE_GAP_TOO_LARGE] = "too large",
	};
	_Static_assert(ECAP_ARRAY_SIZE(texts) == ECAP_CODE_N_GAPS, "one text per gap");

	return (size_t)gap < ECAP_CODE_N_GAPS ? texts[gap] : "?";
}

const char *ecap_code_kind_text(enum ecap_code_kind kind)
{
	static const char *const texts[] = {
		[ECAP_CODE_OTHER] = "other",   [ECAP_CODE_MARK] = "mark",
		[ECAP_CODE_PUSH] = "push",     [ECAP_CODE_NOP] = "nop",
		[ECAP_CODE_SUB_SP] = "sub-sp", [ECAP_CODE_MOV] = "mov",
		[ECAP_CODE_JUMP] = "jump",     [ECAP_CODE_CALL] = "call",
	};
	_Static_assert(ECAP_ARRAY_SIZE(texts) == ECAP_CODE_N_KINDS, "one text per kind");

	return (size_t)kind < ECAP_CODE_N_KINDS ? texts[kind] : "?";
}
