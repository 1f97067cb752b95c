/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/hooks.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/attach.h"
#include "engine/finder.h"
#include "engine/kernel.h"
#include "engine/reaper.h"

/* Which hooks of a target go and come together; between them, the numbers of its groups. */
enum part {
	PART_BASE = 0, /* what no inner function serves */
	PART_INNER = ECAP_MAX_GROUPS + 1,
	PART_COUNT,
};

/* The links of one part of a target, in one process or in all. */
struct ecap_binding {
	struct ecap_binding *next; /* of the same target */
	unsigned int part;	   /* enum part, or the group whose public functions these are */
	uint32_t check;		   /* of that group, 0: none */
	uint32_t pid;		   /* 0: all */
	struct ecap_attachment *links;
	bool is_stale; /* to be bound anew */
};

struct ecap_hooks {
	struct ecap_hooks_opts opts;
	struct ecap_target *targets; /* a list by next_hooked */
};

/* ------------------------------------------------------------------------------ inner functions */

/* The place of @inner that costs least. */
static const struct ecap_placement_place *choose_place(const struct ecap_hooks *h,
						       const struct ecap_inner *inner)
{
	for (uint8_t i = 0; i < inner->n_places; i++) {
		enum ecap_code_kind kind = (enum ecap_code_kind)inner->places[i].kind;

		if (ecap_kernel_get_emulated(h->opts.kernel)[kind])
			return &inner->places[i];
	}
	return &inner->places[0];
}

/* Whether the functions of a group may be served by an inner one, now or when @t is analysed. */
static bool may_have_inner(const struct ecap_target *t, unsigned int group)
{
	for (size_t i = 0; i < t->n_inners; i++) {
		if (t->inners[i].group == group)
			return true;
	}
	for (size_t i = 0; !t->is_analysed && i < t->probe->n_hooks; i++) {
		if (t->probe->hooks[i].at == ECAP_AT_INNER && t->probe->hooks[i].group == group)
			return true;
	}
	return false;
}

/* The cookies of public functions say with what an inner one is to be compared. */
static void add_checks(struct ecap_hooks *h, struct ecap_target *t)
{
	for (unsigned int group = 1; group <= ECAP_MAX_GROUPS; group++) {
		uint32_t check;

		if (!may_have_inner(t, group) || ecap_kernel_add_check(h->opts.kernel, &check) < 0)
			continue;
		for (size_t i = 0; i < t->n_places; i++) {
			if (t->places[i].group == group)
				t->places[i].check = check;
		}
		t->checks[group - 1] = check;
	}
}

/* Make room in the kernel for the inner function. */
static int add_inner(struct ecap_hooks *h, struct ecap_target *t, const struct ecap_inner *inner)
{
	const struct ecap_placement_place *place = choose_place(h, inner);
	uint32_t row, check = t->checks[inner->group - 1];
	struct ecap_row shape = inner->shape;
	int r;

	if (!check)
		return -ENOSPC;
	/* relative to the hook, as BPF sees it */
	for (uint8_t i = 0; i < shape.n_callers; i++)
		shape.callers[i].back -= (int64_t)(place->address - inner->places[0].address);
	r = ecap_kernel_add_inner(h->opts.kernel, inner->own, &shape, &row);
	if (r < 0)
		return r;
	if (!ecap_kernel_get_emulated(h->opts.kernel)[place->kind])
		t->is_stepped = true;
	t->places[t->n_places++] = (struct ecap_place){
		.at = ECAP_AT_CALL,
		.row = row,
		.check = check,
		.is_inner = true,
		.file_off = place->file_off,
	};
	return 0;
}

/* Use the inner functions that were found, as far as the kernel has room. */
static void add_inners(struct ecap_hooks *h, struct ecap_target *t)
{
	char why[128];

	for (size_t i = 0; i < t->n_inners; i++) {
		int r = add_inner(h, t, &t->inners[i]);

		if (r < 0) {
			ecap_debug("%s: only public functions from here on: %s", t->path,
				   ecap_strerror(r, why, sizeof(why)));
			t->n_inners = i;
		}
	}
}

/* From now on what the inner functions show is compared with what the public ones do. */
static void open_checks(struct ecap_hooks *h, const struct ecap_target *t)
{
	for (size_t i = 0; i < t->n_inners; i++)
		ecap_kernel_open_check(h->opts.kernel, t->checks[t->inners[i].group - 1]);
}

/* Forget the inner functions: the public ones are hooked, as if nobody had looked. */
static void drop_inners(struct ecap_hooks *h, struct ecap_target *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_places; i++) {
		if (t->places[i].is_inner)
			ecap_kernel_drop_inner(h->opts.kernel, t->places[i].row);
		else
			t->places[n++] = t->places[i];
	}
	t->n_places = n;
	t->n_inners = 0;
	t->is_stepped = false;
}

/* -------------------------------------------------------------------------------------- hooking */

static unsigned int part_of(const struct ecap_place *p)
{
	if (p->is_inner)
		return PART_INNER;
	return p->check ? p->group : PART_BASE;
}

/* The places of one part of @t; returns how many. */
static size_t collect(const struct ecap_target *t, unsigned int part, struct ecap_place *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_places; i++) {
		const struct ecap_place *p = &t->places[i];

		if (part == part_of(p))
			ret[n++] = *p;
	}
	return n;
}

/* Hook a part of @t in @pid (0: all). -ESRCH: that process has ended. */
static int bind_part(struct ecap_hooks *h, struct ecap_target *t, unsigned int part, uint32_t pid)
{
	struct ecap_place places[ECAP_MAX_ROWS];
	const struct ecap_attach_spec spec = {
		.target = t,
		.places = places,
		.n_places = collect(t, part, places),
		.pid = pid,
	};
	ecap_autofree struct ecap_binding *b = calloc(1, sizeof(*b));
	int r = 0;

	if (!spec.n_places)
		return 0;
	if (!b)
		return -ENOMEM;
	b->part = part;
	b->pid = pid;
	b->check = part == PART_INNER ? 0 : places[0].check;
	if (!h->opts.dry_run)
		r = ecap_attach(h->opts.kernel, &spec, &b->links);
	if (r < 0)
		return r;
	b->next = t->bindings;
	t->bindings = ecap_take_ptr(b);
	return 0;
}

static int bind_target(struct ecap_hooks *h, struct ecap_target *t, uint32_t pid)
{
	int r = 0;

	for (unsigned int part = PART_BASE; !r && part < PART_COUNT; part++)
		r = bind_part(h, t, part, pid);
	return r;
}

/* The processes to hook in, 0 for all at once. Returns how many. */
static size_t get_pids(const struct ecap_hooks *h, const uint32_t **ret)
{
	static const uint32_t everywhere = 0;
	size_t n = ecap_kernel_get_bound(h->opts.kernel, ret);

	if (!n)
		*ret = &everywhere;
	return n ? n : 1;
}

/* Take everything of @t away and wait for it. */
static void unbind_target(struct ecap_target *t)
{
	struct ecap_binding *b;

	while ((b = t->bindings)) {
		t->bindings = b->next;
		ecap_attachment_free(b->links);
		free(b);
	}
}

/* Hook @t wherever it is to be, or nowhere. -ESRCH: no such process is left. */
static int hook_target(struct ecap_hooks *h, struct ecap_target *t)
{
	const uint32_t *pids;
	size_t n = get_pids(h, &pids);
	int result = -ESRCH;

	for (size_t i = 0; i < n; i++) {
		int r = bind_target(h, t, pids[i]);

		if (r < 0 && r != -ESRCH) {
			unbind_target(t);
			return r;
		}
		result = r ? result : 0;
	}
	return result;
}

/* Hook inside where that can be; the kernel may refuse a place there that it takes elsewhere. */
static int hook_best(struct ecap_hooks *h, struct ecap_target *t)
{
	int r;

	if (!ecap_kernel_has_cookies(h->opts.kernel)) {
		t->is_analysed = true; /* it would be of no use */
		t->n_inners = 0;
	}
	ecap_target_drop_needless(t, ecap_kernel_get_emulated(h->opts.kernel));
	add_checks(h, t);
	add_inners(h, t);
	r = hook_target(h, t);
	if (t->n_inners && r < 0 && r != -ESRCH) {
		ecap_info("%s: trying the public functions only", t->path);
		drop_inners(h, t);
		r = hook_target(h, t);
	}
	if (r >= 0)
		open_checks(h, t);
	return r;
}

int ecap_hooks_add(struct ecap_hooks *h, struct ecap_target *t)
{
	int r = hook_best(h, t);

	if (r < 0) {
		unbind_target(t); /* of processes that ended meanwhile */
		ecap_hooks_forget(h, t);
		return r;
	}
	t->next_hooked = h->targets;
	h->targets = t;
	ecap_debug("%s: %s, %zu hooks", t->path, t->probe->name, t->n_places);
	return 0;
}

/* ------------------------------------------------------------------------- while it is captured */

/* Hook the inner functions of @t, whose public ones are hooked. */
static int bind_inners(struct ecap_hooks *h, struct ecap_target *t)
{
	const uint32_t *pids;
	size_t n = get_pids(h, &pids);
	int r = 0;

	for (size_t i = 0; i < n && (r >= 0 || r == -ESRCH); i++)
		r = bind_part(h, t, PART_INNER, pids[i]);
	return r == -ESRCH ? 0 : r;
}

bool ecap_hooks_deepen(struct ecap_hooks *h, struct ecap_target *t)
{
	ecap_target_drop_needless(t, ecap_kernel_get_emulated(h->opts.kernel));
	add_inners(h, t);
	if (!t->n_inners)
		return false;
	if (bind_inners(h, t) < 0) {
		/* the checks stay idle, and so does what is hooked */
		t->n_inners = 0;
		return false;
	}
	open_checks(h, t);
	return true;
}

static void reap(struct ecap_hooks *h, struct ecap_binding *b, struct ecap_target *t)
{
	if (b->links)
		ecap_reaper_put(h->opts.reaper, ecap_take_ptr(b->links), t);
}

static void reap_all(struct ecap_hooks *h, struct ecap_target *t)
{
	struct ecap_binding *b;

	while ((b = t->bindings)) {
		t->bindings = b->next;
		reap(h, b, t);
		free(b);
	}
}

void ecap_hooks_remove(struct ecap_hooks *h, struct ecap_target *t)
{
	struct ecap_target **at = &h->targets;

	while (*at && *at != t)
		at = &(*at)->next_hooked;
	if (*at)
		*at = t->next_hooked;
	reap_all(h, t);
	ecap_reaper_put_target(h->opts.reaper, t);
}

void ecap_hooks_forget(struct ecap_hooks *h, struct ecap_target *t)
{
	drop_inners(h, t);
	for (unsigned int group = 1; group <= ECAP_MAX_GROUPS; group++) {
		if (t->checks[group - 1])
			ecap_kernel_drop_check(h->opts.kernel, t->checks[group - 1]);
		t->checks[group - 1] = 0;
	}
}

/* Take away what is bound to @pid. Returns whether there was anything. */
static bool unbind_process(struct ecap_hooks *h, uint32_t pid)
{
	bool any = false;

	for (struct ecap_target *t = h->targets; t; t = t->next_hooked) {
		for (struct ecap_binding *b = t->bindings; b; b = b->next) {
			b->is_stale = b->pid == pid && b->links;
			any |= b->is_stale;
			if (b->is_stale)
				reap(h, b, t);
		}
	}
	return any;
}

/* Bind @b, whose links are gone, anew. */
static void rebind(struct ecap_hooks *h, struct ecap_target *t, struct ecap_binding *b)
{
	struct ecap_binding *fresh;

	if (!b->is_stale || bind_part(h, t, b->part, b->pid) < 0)
		return;
	fresh = t->bindings;
	t->bindings = fresh->next;
	b->links = ecap_take_ptr(fresh->links);
	free(fresh);
}

void ecap_hooks_rebind(struct ecap_hooks *h, uint32_t pid)
{
	if (!unbind_process(h, pid))
		return; /* links are not bound to processes, or it has ended */
	/* the old ones would run, too, wherever a new one has put a breakpoint */
	ecap_reaper_wait(h->opts.reaper);
	for (struct ecap_target *t = h->targets; t; t = t->next_hooked) {
		for (struct ecap_binding *b = t->bindings; b; b = b->next)
			rebind(h, t, b);
	}
	ecap_warn("process %u became another program by an exec that was not its first thread's: "
		  "hooked anew; what it may have said before that was not seen",
		  pid);
}

/* Say once that a check failed, which may stand for several processes and groups of a target. */
static void tell_failed(struct ecap_hooks *h, struct ecap_target *t)
{
	for (struct ecap_binding *b = t->bindings; b; b = b->next) {
		if (b->check &&
		    ecap_kernel_get_check(h->opts.kernel, b->check) == ECAP_CHECK_FAILED)
			b->check = 0;
	}
	ecap_warn("%s: an inner function did not show what the public ones did, so these are used; "
		  "--placement=public does so from the start",
		  t->path);
}

static void settle_target(struct ecap_hooks *h, struct ecap_target *t, bool at_end)
{
	for (struct ecap_binding *b = t->bindings; b; b = b->next) {
		enum ecap_check_state state;

		if (!b->check || !b->links)
			continue;
		state = ecap_kernel_get_check(h->opts.kernel, b->check);
		if (state == ECAP_CHECK_PROVEN && !at_end)
			ecap_reaper_put_in_order(h->opts.reaper, ecap_take_ptr(b->links), t);
		else if (state == ECAP_CHECK_FAILED)
			tell_failed(h, t);
	}
}

void ecap_hooks_settle(struct ecap_hooks *h, bool at_end)
{
	for (struct ecap_target *t = h->targets; t; t = t->next_hooked)
		settle_target(h, t, at_end);
}

/* -------------------------------------------------------------------------------- life and end */

int ecap_hooks_new(const struct ecap_hooks_opts *opts, struct ecap_hooks **ret)
{
	struct ecap_hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->opts = *opts;
	*ret = h;
	return 0;
}

bool ecap_hooks_drop_one(struct ecap_hooks *h)
{
	for (struct ecap_target *t = h->targets; t; t = t->next_hooked) {
		for (struct ecap_binding *b = t->bindings; b; b = b->next) {
			if (!b->links)
				continue;
			ecap_attachment_drop_one(b->links);
			return true;
		}
	}
	return false;
}

void ecap_hooks_free(struct ecap_hooks *h)
{
	if (!h)
		return;
	for (struct ecap_target *t = h->targets; t; t = t->next_hooked)
		reap_all(h, t);
	free(h);
}
