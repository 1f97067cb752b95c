/* SPDX-License-Identifier: Apache-2.0 */
#include "target/placement.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_POSITIONS ((1u << ECAP_CODE_N_ARGS) - 1)

struct function {
	bool present;
	struct ecap_function where;
	struct ecap_code_function code;
};

/* Positions, as bits, at which all calls seen so far pass on what the callee needs. */
struct positions {
	unsigned int handle, buf, len, out;
};

struct search {
	struct ecap_image *img;
	struct ecap_code *code;
	const struct ecap_placement_group *group;
	struct function *functions; /* as the group's */
	uint64_t callee;
	struct positions at;
	unsigned int n_calls; /* of the callee, in the function that is being checked */
	struct ecap_placement *ret;
};

/* Where a call leads, as far as the file says. */
struct resolved {
	uint64_t address; /* 0: out of the file, or nobody knows */
	const char *name; /* of an import; else NULL */
};

/* Not proven: note why. Returns 0, which ends the search. */
__attribute__((format(printf, 2, 3))) static int give_up(struct search *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->ret->reason, sizeof(s->ret->reason), fmt, ap);
	va_end(ap);
	return 0;
}

static const char *name_of(const struct search *s, size_t i)
{
	return s->group->functions[i].symbol;
}

/* 1: done; 0: given up. */
static int load_functions(struct search *s)
{
	struct function *f;
	int r;

	for (size_t i = 0; i < s->group->n_functions; i++) {
		s->ret->callers[i].via = -1;
		f = &s->functions[i];
		r = ecap_image_find_function(s->img, name_of(s, i), &f->where);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		if (!f->where.size)
			return give_up(s, "%s: its symbol has no size", name_of(s, i));
		r = ecap_code_analyse(s->code, f->where.address, f->where.size, &f->code);
		if (r < 0)
			return r;
		f->present = true;
		s->ret->callers[i].present = 1;
		s->ret->callers[i].kind = f->code.first[0].kind;
	}
	return 1;
}

/* The places of a function where a hook may sit: its entry, and what follows a mark there. */
static uint8_t hookable(const struct ecap_code_insn *first, uint8_t n_first)
{
	if (!n_first)
		return 0;
	return n_first > 1 && first[0].kind == ECAP_CODE_MARK && first[1].intact ? 2 : 1;
}

/* ---------------------------------------------------------------------------------------- calls */

/* Follow a call through a linker's stub. Returns 0, or an error from reading. */
static int resolve(struct search *s, const struct ecap_code_call *call, struct resolved *ret)
{
	struct ecap_import import;
	uint64_t slot = call->slot;
	int r = 0;

	*ret = (struct resolved){ .address = call->target };
	if (call->target)
		r = ecap_code_stub(s->code, call->target, &slot);
	if (r < 0)
		return r;
	if (!slot)
		return 0;
	ret->address = 0;
	r = ecap_image_find_import(s->img, slot, &import);
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	if (r < 0)
		return r;
	*ret = (struct resolved){ .address = import.address, .name = import.name };
	return 0;
}

static bool is_named(struct search *s, const struct resolved *to, const char *name)
{
	struct ecap_function f;

	if (to->name && strcmp(to->name, name) == 0)
		return true;
	return to->address && ecap_image_find_function(s->img, name, &f) == 0 &&
	       f.address == to->address;
}

/* Whether the function that is called takes no arguments, as the C library or the table has it. */
static bool takes_nothing(struct search *s, const struct resolved *to)
{
	const char *const *name = s->group->no_args;

	if (is_named(s, to, "__stack_chk_fail"))
		return true;
	for (; name && *name; name++) {
		if (is_named(s, to, *name))
			return true;
	}
	return false;
}

/* At which positions a call passes incoming argument @n on. */
static unsigned int passed_at(const struct ecap_code_call *call, uint8_t n, bool any_ext)
{
	unsigned int ret = 0;

	for (unsigned int i = 0; i < ECAP_CODE_N_ARGS; i++) {
		const struct ecap_code_arg *arg = &call->args[i];

		if (n && arg->from == n && (any_ext || arg->ext == ECAP_CODE_WHOLE))
			ret |= 1u << i;
	}
	return ret;
}

static unsigned int local_at(const struct ecap_code_call *call)
{
	unsigned int ret = 0;

	for (unsigned int i = 0; i < ECAP_CODE_N_ARGS; i++)
		ret |= call->args[i].local ? 1u << i : 0;
	return ret;
}

/* Narrow @at down to what @call agrees with; returns whether something is left of each. */
static bool agree(struct positions *at, const struct ecap_code_call *call,
		  const struct ecap_arg_map *args)
{
	at->handle &= passed_at(call, args->handle, false);
	at->buf &= passed_at(call, args->buf, false);
	at->len &= passed_at(call, args->len, true);
	at->out &= args->out ? passed_at(call, args->out, false) : local_at(call);
	return at->handle && at->buf && at->len && at->out;
}

/* ------------------------------------------------------------------------------------- the rule */

/* The function of the group at @address, or -1. */
static int member_at(const struct search *s, uint64_t address)
{
	for (size_t i = 0; address && i < s->group->n_functions; i++) {
		if (s->functions[i].present && s->functions[i].where.address == address)
			return (int)i;
	}
	return -1;
}

/* Whether a call of a function with arguments @to passes the same things on that @from names. */
static bool hands_over(const struct ecap_code_call *call, const struct ecap_arg_map *from,
		       const struct ecap_arg_map *to)
{
	if (!from->out != !to->out)
		return false;
	if (to->out && !(passed_at(call, from->out, false) & 1u << (to->out - 1)))
		return false;
	return (passed_at(call, from->handle, false) & 1u << (to->handle - 1)) &&
	       (passed_at(call, from->buf, false) & 1u << (to->buf - 1)) &&
	       (passed_at(call, from->len, true) & 1u << (to->len - 1));
}

/*
 * A function that does nothing but jump to another one of the group, with what that one wants where
 * that one wants it. 1: done; 0: given up.
 */
static int find_jumps(struct search *s)
{
	for (size_t i = 0; i < s->group->n_functions; i++) {
		const struct ecap_code_function *f = &s->functions[i].code;
		const struct ecap_arg_map *from = &s->group->functions[i].args;
		const struct ecap_arg_map *to;
		struct resolved where;
		int r, other;

		if (!s->functions[i].present || f->n_calls != 1 || f->calls[0].returns_to)
			continue;
		r = resolve(s, &f->calls[0], &where);
		if (r < 0)
			return r;
		other = member_at(s, where.address);
		if (other < 0 || (size_t)other == i)
			continue;
		to = &s->group->functions[other].args;
		if (f->gap || !hands_over(&f->calls[0], from, to))
			return give_up(s, "%s jumps to %s with other arguments", name_of(s, i),
				       name_of(s, (size_t)other));
		s->ret->callers[i].via = (int8_t)other;
	}
	return 1;
}

/* The one function that a full-shape function hands its work to. 1: found; 0: given up. */
static int find_callee(struct search *s, size_t i)
{
	const struct ecap_code_function *f = &s->functions[i].code;
	struct resolved to;
	int r;

	for (uint16_t n = 0; n < f->n_calls; n++) {
		struct positions at = { ALL_POSITIONS, ALL_POSITIONS, ALL_POSITIONS,
					ALL_POSITIONS };

		r = resolve(s, &f->calls[n], &to);
		if (r < 0)
			return r;
		if (!to.address || !agree(&at, &f->calls[n], &s->group->functions[i].args))
			continue;
		if (s->callee && s->callee != to.address)
			return give_up(s, "%s hands its arguments to more than one function",
				       name_of(s, i));
		s->callee = to.address;
	}
	if (!s->callee)
		return give_up(s, "%s hands its arguments to no function of this file",
			       name_of(s, i));
	return 1;
}

static int add_return(struct search *s, size_t i, const struct ecap_code_call *call)
{
	struct ecap_placement_caller *caller = &s->ret->callers[i];
	struct ecap_placement_return *to;

	if (!call->returns_to)
		return 1;
	if (caller->n_returns == ECAP_PLACEMENT_MAX_RETURNS)
		return give_up(s, "%s calls in too many places", name_of(s, i));
	to = &caller->returns[caller->n_returns++];
	to->place.address = call->returns_to;
	if (call->link >= 0 && call->depth <= UINT16_MAX - 8) {
		/* x86-64: the call pushes an address */
		int32_t pushed = ecap_image_arch(s->img) == ECAP_CODE_X86_64 ? 8 : 0;

		to->frame = (uint16_t)(call->depth + pushed);
		to->link = (uint16_t)(call->link + pushed);
	}
	if (ecap_image_offset_of(s->img, call->returns_to, &to->place.file_off) < 0)
		return give_up(s, "%s calls at its end", name_of(s, i));
	return 1;
}

/* One call of function @i: of the callee, or of one that does not get the buffer. */
static int check_call(struct search *s, size_t i, const struct ecap_code_call *call)
{
	const struct ecap_arg_map *args = &s->group->functions[i].args;
	struct resolved to;
	int r;

	r = resolve(s, call, &to);
	if (r < 0)
		return r;
	if (to.address != s->callee) {
		if (!(call->may_get & ECAP_CODE_ARG_BIT(args->buf)) || takes_nothing(s, &to))
			return 1;
		return give_up(s, "%s may pass the buffer to another function, at 0x%" PRIx64,
			       name_of(s, i), call->address);
	}
	if (!agree(&s->at, call, args))
		return give_up(s, "%s calls at 0x%" PRIx64 " with other arguments", name_of(s, i),
			       call->address);
	s->n_calls++;
	return add_return(s, i, call);
}

/* Function @i does all its work through the callee. 1: it does; 0: given up. */
static int check_function(struct search *s, size_t i)
{
	const struct ecap_code_function *f = &s->functions[i].code;
	int r;

	if (f->gap)
		return give_up(s, "%s: %s", name_of(s, i), ecap_code_gap_text(f->gap));
	if (f->may_store & ECAP_CODE_ARG_BIT(s->group->functions[i].args.buf))
		return give_up(s, "%s may keep the buffer", name_of(s, i));
	if (f->may_touch & ECAP_CODE_ARG_BIT(s->group->functions[i].args.buf))
		return give_up(s, "%s may look into the buffer itself", name_of(s, i));
	s->n_calls = 0;
	for (uint16_t n = 0; n < f->n_calls; n++) {
		r = check_call(s, i, &f->calls[n]);
		if (r <= 0)
			return r;
	}
	if (!s->n_calls)
		return give_up(s, "%s does not call what its siblings call", name_of(s, i));
	return 1;
}

/* All functions of the group that call, at least two of them. 1: proven; 0: given up. */
static int check_group(struct search *s)
{
	size_t full = s->group->n_functions, n_callers = 0;
	int r;

	for (size_t i = 0; i < s->group->n_functions; i++) {
		int8_t via = s->ret->callers[i].via;

		if (!s->functions[i].present)
			continue;
		if (via >= 0 && s->ret->callers[via].via >= 0)
			return give_up(s, "%s jumps in a circle, or far", name_of(s, i));
		if (via >= 0)
			continue;
		n_callers++;
		if (s->group->functions[i].args.out && full == s->group->n_functions)
			full = i;
	}
	if (full == s->group->n_functions || n_callers < 2)
		return give_up(s, "too few functions to compare");
	r = find_callee(s, full);
	for (size_t i = 0; i < s->group->n_functions && r > 0; i++) {
		if (s->functions[i].present && s->ret->callers[i].via < 0)
			r = check_function(s, i);
	}
	return r;
}

/* The number of the only bit in @positions, counted from 1; 0: there is not exactly one. */
static uint8_t only(unsigned int positions)
{
	uint8_t n = 1;

	if (!positions || (positions & (positions - 1)))
		return 0;
	for (; !(positions & 1); positions >>= 1)
		n++;
	return n;
}

/* The callee is known: what are its arguments, how does it begin? 1: all of it is known. */
static int describe_callee(struct search *s)
{
	struct ecap_code_insn first[ECAP_CODE_N_FIRST];
	struct ecap_placement *p = s->ret;
	int r;

	p->args = (struct ecap_arg_map){
		.handle = only(s->at.handle),
		.buf = only(s->at.buf),
		.len = only(s->at.len),
		.out = only(s->at.out),
	};
	if (!p->args.handle || !p->args.buf || !p->args.len || !p->args.out)
		return give_up(s, "an argument is passed twice");
	if (member_at(s, s->callee) >= 0)
		return give_up(s, "the callee is public");
	r = ecap_code_first(s->code, s->callee, first);
	if (r < 0)
		return r;
	p->n_places = hookable(first, (uint8_t)r);
	if (!p->n_places)
		return give_up(s, "the callee has no code");
	for (uint8_t i = 0; i < p->n_places; i++) {
		p->places[i] = (struct ecap_placement_place){
			.address = first[i].address,
			.kind = first[i].kind,
		};
		r = ecap_image_offset_of(s->img, p->places[i].address, &p->places[i].file_off);
		if (r < 0)
			return give_up(s, "the callee has no code");
	}
	return 1;
}

static int prove(struct search *s)
{
	int r = load_functions(s);

	if (r <= 0)
		return r;
	r = find_jumps(s);
	if (r > 0)
		r = check_group(s);
	if (r > 0)
		r = describe_callee(s);
	if (r > 0)
		s->ret->kind = ECAP_PLACEMENT_CALLEE;
	return r < 0 ? r : 0;
}

int ecap_placement_find(struct ecap_image *img, const struct ecap_placement_group *group,
			struct ecap_placement *ret)
{
	ecap_cleanup(ecap_code_freep) struct ecap_code *code = NULL;
	ecap_autofree struct function *functions = NULL;
	struct ecap_placement found = { .kind = ECAP_PLACEMENT_UNPROVEN };
	struct ecap_code_source source = {
		.arch = ecap_image_arch(img),
		.read = ecap_image_read_code,
		.arg = img,
	};
	struct search s = {
		.img = img,
		.group = group,
		.at = { ALL_POSITIONS, ALL_POSITIONS, ALL_POSITIONS, ALL_POSITIONS },
		.ret = &found,
	};
	int r;

	if (group->n_functions > ECAP_PLACEMENT_MAX_FUNCTIONS)
		return -EINVAL;
	functions = calloc(ECAP_PLACEMENT_MAX_FUNCTIONS, sizeof(*functions));
	if (!functions)
		return -ENOMEM;
	s.functions = functions;
	r = ecap_code_open(&source, &code);
	if (r < 0)
		return r;
	s.code = code;
	r = prove(&s);
	if (r < 0)
		return r;
	*ret = found;
	return 0;
}

/* ------------------------------------------------------------------------- from another process */

/* What the child is asked for. */
struct request {
	const struct ecap_placement_group *groups;
	size_t n_groups;
};

static int find_all(int fd, const void *arg, void *ret)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	const struct request *request = arg;
	struct ecap_placement *placements = ret;
	int r;

	r = ecap_image_open(fd, &img);
	for (size_t i = 0; i < request->n_groups && r == 0; i++)
		r = ecap_placement_find(img, &request->groups[i], &placements[i]);
	return r;
}

static bool place_is_sane(const struct ecap_placement_place *place, const struct ecap_image *img)
{
	uint64_t off;

	return place->kind < ECAP_CODE_N_KINDS &&
	       ecap_image_offset_of(img, place->address, &off) == 0 && off == place->file_off;
}

static bool callers_are_sane(const struct ecap_placement *p, const struct ecap_image *img,
			     const struct ecap_placement_group *group)
{
	for (uint8_t i = 0; i < ECAP_PLACEMENT_MAX_FUNCTIONS; i++) {
		const struct ecap_placement_caller *c = &p->callers[i];

		if (c->present > (i < group->n_functions) || c->kind >= ECAP_CODE_N_KINDS ||
		    c->n_returns > ECAP_PLACEMENT_MAX_RETURNS)
			return false;
		if (c->present &&
		    (c->via < -1 || c->via >= (int)group->n_functions || c->via == (int)i))
			return false;
		for (uint8_t n = 0; n < c->n_returns; n++) {
			if (!place_is_sane(&c->returns[n].place, img) ||
			    c->returns[n].link > c->returns[n].frame)
				return false;
		}
	}
	return true;
}

static bool args_are_sane(const struct ecap_arg_map *args)
{
	const uint8_t each[] = { args->handle, args->buf, args->len, args->out };
	unsigned int seen = 0;

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(each); i++) {
		if (each[i] < 1 || each[i] > ECAP_CODE_N_ARGS || (seen & 1u << each[i]))
			return false;
		seen |= 1u << each[i];
	}
	return true;
}

static bool text_is_sane(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return len < size;
}

bool ecap_placement_is_sane(const struct ecap_placement *p, const struct ecap_image *img,
			    const struct ecap_placement_group *group)
{
	if (p->kind >= ECAP_PLACEMENT_N_KINDS || p->n_places > ECAP_ARRAY_SIZE(p->places) ||
	    !text_is_sane(p->reason, sizeof(p->reason)))
		return false;
	for (uint8_t i = 0; i < p->n_places; i++) {
		if (!place_is_sane(&p->places[i], img))
			return false;
	}
	if (p->kind == ECAP_PLACEMENT_CALLEE && (!args_are_sane(&p->args) || !p->n_places))
		return false;
	return callers_are_sane(p, img, group);
}

int ecap_placement_find_isolated(int fd, const struct ecap_image *img,
				 const struct ecap_placement_group *groups, size_t n_groups,
				 const struct ecap_patience *patience, struct ecap_placement *ret)
{
	ecap_autofree struct ecap_placement *found = calloc(n_groups, sizeof(*found));
	const struct request request = { .groups = groups, .n_groups = n_groups };
	const struct ecap_isolate_job job = {
		.fd = fd,
		.work = find_all,
		.arg = &request,
		.size = n_groups * sizeof(*found),
		.patience = *patience,
	};
	int r;

	if (!found)
		return -ENOMEM;
	r = ecap_isolate(&job, found);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_groups; i++) {
		if (!ecap_placement_is_sane(&found[i], img, &groups[i]))
			return -EPROTO;
	}
	memcpy(ret, found, job.size);
	return 0;
}
