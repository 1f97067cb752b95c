/* SPDX-License-Identifier: Apache-2.0 */
#include "target/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/code_state.h"

#define WINDOW	  512 /* bytes read at once */
#define STUB_LEN  32  /* bytes that decide whether code is a stub */
#define MAX_STEPS 32  /* times that an instruction may be looked at again, on average */

struct node {
	struct code_insn insn;
	struct code_state before;
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
	int n = fetch(code, address, STUB_LEN, &bytes);

	if (n < 0)
		return n;
	return code->arch->stub(code->decoder, bytes, (size_t)n, address, ret);
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

static bool sp_is_back(const struct analysis *a, const struct code_state *s)
{
	struct code_value sp = s->regs[a->arch->sp];

	return sp.kind == CODE_VALUE_FRAME && sp.off == 0;
}

/*
 * Whether a jump leaves the function. With a frame in place it does not: then it goes to a part of
 * the function that the compiler put elsewhere. A conditional jump does so as a rule; should it
 * leave, what it leads to is looked at as if it were a part.
 */
static bool leaves(const struct analysis *a, const struct node *node, const struct code_state *s)
{
	return node->insn.flow == CODE_JUMP && !is_inside(a, node->insn.target) && sp_is_back(a, s);
}

/* Control reaches @address in state @s. Returns 0, or what reading returned. */
static int reach(struct analysis *a, uint64_t address, const struct code_state *s)
{
	struct node *node;
	int r;

	for (size_t i = 0; i < a->n_nodes; i++) {
		node = &a->nodes[i];
		if (node->insn.address != address)
			continue;
		if (ecap_code_state_join(&node->before, s))
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
static int reach_next(struct analysis *a, const struct node *node, const struct code_state *s)
{
	uint64_t next = node->insn.address + node->insn.len;

	if (next == a->end && is_inside(a, node->insn.address)) {
		if (node->insn.flow != CODE_CALL)
			note_gap(a, ECAP_CODE_GAP_END);
		return 0;
	}
	return reach(a, next, s);
}

static int reach_target(struct analysis *a, const struct node *node, const struct code_state *s)
{
	if (!node->insn.target) {
		/* through a pointer at a constant address: to another function */
		if (!node->insn.slot || !sp_is_back(a, s))
			note_gap(a, ECAP_CODE_GAP_JUMP);
		return 0;
	}
	return leaves(a, node, s) ? 0 : reach(a, node->insn.target, s);
}

static int step(struct analysis *a, const struct node *node)
{
	struct code_state s = node->before;
	int r = 0;

	ecap_code_state_step(&s, a->arch, &node->insn);

	switch (node->insn.flow) {
	case CODE_JUMP:
		return reach_target(a, node, &s);
	case CODE_BRANCH:
		r = reach_target(a, node, &s);
		return r < 0 ? r : reach_next(a, node, &s);
	case CODE_CALL:
		ecap_code_state_call(&s, a->arch);
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

static void describe_arg(struct code_value v, struct ecap_code_arg *ret)
{
	if (v.kind == CODE_VALUE_ARG) {
		ret->from = v.n;
		ret->ext = v.ext;
	}
	ret->local = v.kind == CODE_VALUE_FRAME;
}

static int32_t depth_of(struct code_value sp)
{
	return sp.kind == CODE_VALUE_FRAME && sp.off <= 0 && sp.off > INT32_MIN ? -sp.off : -1;
}

/* Where the return address lies, seen from a stack pointer that is @depth below the entry's. */
static int32_t link_of(const struct code_state *s, const struct code_arch *arch, int32_t depth)
{
	int32_t off = 0;

	if (depth < 0 || !ecap_code_state_find_link(s, arch, &off) || off > 0 || off < -depth)
		return -1;
	return depth + off;
}

static void note_call(struct analysis *a, const struct node *node)
{
	const struct code_insn *insn = &node->insn;
	const struct code_state *s = &node->before;
	struct ecap_code_call *call;

	a->fn->may_store |= s->stored & (uint8_t)~CODE_TAINT_FRAME;
	a->fn->may_touch |= s->touched;
	if (insn->flow != CODE_CALL && insn->flow != CODE_JUMP)
		return;
	if (insn->flow == CODE_JUMP && insn->target && !leaves(a, node, s))
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
		.depth = depth_of(s->regs[a->arch->sp]),
		.may_get = ecap_code_state_passed(s, a->arch) & (uint8_t)~CODE_TAINT_FRAME,
	};
	call->link = link_of(s, a->arch, call->depth);
	for (uint8_t i = 0; i < ECAP_CODE_N_ARGS; i++)
		describe_arg(s->regs[a->arch->args[i]], &call->args[i]);
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct node *)a)->insn.address;
	uint64_t y = ((const struct node *)b)->insn.address;

	return (x > y) - (x < y);
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
	struct code_state entry;
	int r;

	if (!size || a.end < address)
		return -EINVAL;
	nodes = calloc(ECAP_CODE_MAX_INSNS, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	a.nodes = nodes;
	ecap_code_state_init(&entry, a.arch);
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
