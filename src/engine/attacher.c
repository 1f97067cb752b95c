/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attacher.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "engine/attach.h"
#include "engine/finder.h"
#include "engine/kernel.h"
#include "engine/target.h"

/* The start line names so many targets; the rest is a number. */
#define MAX_NAMED   8
#define MAX_SUMMARY 65536

/* Which hooks of a target go and come together; between them, the numbers of its groups. */
enum part {
	PART_BASE = 0, /* what no inner function serves */
	PART_INNER = ECAP_MAX_GROUPS + 1,
	PART_COUNT,
};

/* The links of one part of a target, in one process or in all. */
struct binding {
	const struct ecap_target *target;
	unsigned int part; /* enum part, or the group whose public functions these are */
	uint32_t check;	   /* of that group, 0: none */
	uint32_t pid;	   /* 0: all */
	struct ecap_attachment *links;
};

struct ecap_attacher {
	struct ecap_attacher_opts opts;
	int stop_fd; /* readable once it is time to end: for waits that know no condition */
	pthread_t thread;

	/* the thread's; the summary is read-only once it is ready */
	struct ecap_finder finder;
	struct binding *bindings;
	size_t n_bindings;
	struct ecap_target *attached[ECAP_MAX_TARGETS]; /* borrowed from the finder */
	size_t n_attached;
	struct ecap_buf summary;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t wake;
	struct ecap_kernel *kernel; /* NULL: not ready yet; read without the lock after that */
	enum ecap_attacher_state state;
	bool end;
	uint32_t moved[ECAP_MAX_BOUND]; /* processes that ecap_attacher_rebind() named */
	size_t n_moved;
	bool settle; /* ecap_attacher_settle() */
};

static void set_state(struct ecap_attacher *a, enum ecap_attacher_state state)
{
	uint64_t one = 1;

	(void)pthread_mutex_lock(&a->lock);
	a->state = state;
	(void)pthread_mutex_unlock(&a->lock);
	(void)!write(a->opts.event_fd, &one, sizeof(one)); /* full: it is readable already */
}

static bool end_asked(struct ecap_attacher *a)
{
	bool end;

	(void)pthread_mutex_lock(&a->lock);
	end = a->end;
	(void)pthread_mutex_unlock(&a->lock);
	return end;
}

/* ------------------------------------------------------------------------------------- hooking */

/* The place of @inner that costs least. */
static const struct ecap_placement_place *choose_place(const struct ecap_attacher *a,
						       const struct ecap_inner *inner)
{
	for (uint8_t i = 0; i < inner->n_places; i++) {
		enum ecap_code_kind kind = (enum ecap_code_kind)inner->places[i].kind;

		if (ecap_kernel_get_emulated(a->kernel)[kind])
			return &inner->places[i];
	}
	return &inner->places[0];
}

/* Make room in the kernel for the inner function, and have its group checked against it. */
static int add_inner(struct ecap_attacher *a, struct ecap_target *t, const struct ecap_inner *inner)
{
	const struct ecap_placement_place *place = choose_place(a, inner);
	struct ecap_row shape = inner->shape;
	uint32_t row, check;
	int r = ecap_kernel_add_check(a->kernel, &check);

	/* relative to the hook, as BPF sees it */
	for (uint8_t i = 0; i < shape.n_callers; i++)
		shape.callers[i].back -= (int64_t)(place->address - inner->places[0].address);
	if (!r)
		r = ecap_kernel_add_inner(a->kernel, inner->own, &shape, &row);
	if (r < 0)
		return r;
	if (!ecap_kernel_get_emulated(a->kernel)[place->kind])
		t->is_stepped = true;
	for (size_t i = 0; i < t->n_places; i++) {
		if (t->places[i].group == inner->group)
			t->places[i].check = check;
	}
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
static void add_inners(struct ecap_attacher *a, struct ecap_target *t)
{
	int r = ecap_kernel_has_cookies(a->kernel) ? 0 : -ENOTSUP;
	char why[128];

	ecap_target_drop_needless(t, ecap_kernel_get_emulated(a->kernel));
	for (size_t i = 0; i < t->n_inners; i++) {
		if (!r)
			r = add_inner(a, t, &t->inners[i]);
		if (r < 0) {
			ecap_debug("%s: only public functions from here on: %s", t->path,
				   ecap_strerror(r, why, sizeof(why)));
			t->n_inners = i;
		}
	}
}

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
static int bind_part(struct ecap_attacher *a, const struct ecap_target *t, unsigned int part,
		     uint32_t pid)
{
	struct ecap_place places[ECAP_MAX_ROWS];
	const struct ecap_attach_spec spec = {
		.target = t,
		.places = places,
		.n_places = collect(t, part, places),
		.pid = pid,
	};
	struct ecap_attachment *links = NULL;
	int r = 0;

	if (!spec.n_places)
		return 0;
	if (!a->opts.dry_run)
		r = ecap_attach(a->kernel, &spec, &links);
	if (!r)
		a->bindings[a->n_bindings++] = (struct binding){
			.target = t,
			.part = part,
			.check = part == PART_INNER ? 0 : places[0].check,
			.pid = pid,
			.links = links,
		};
	return r;
}

static int bind_target(struct ecap_attacher *a, const struct ecap_target *t, uint32_t pid)
{
	int r = 0;

	for (unsigned int part = PART_BASE; !r && part < PART_COUNT; part++)
		r = bind_part(a, t, part, pid);
	return r;
}

/* Take back the bindings that were made last, those of @t. */
static void unbind_target(struct ecap_attacher *a, const struct ecap_target *t)
{
	while (a->n_bindings && a->bindings[a->n_bindings - 1].target == t)
		ecap_attachment_freep(&a->bindings[--a->n_bindings].links);
}

/* Hook @t wherever it is to be, or nowhere. -ESRCH: no such process is left. */
static int hook_target(struct ecap_attacher *a, const struct ecap_target *t)
{
	const uint32_t *pids, everywhere = 0;
	size_t n = ecap_kernel_get_bound(a->kernel, &pids);
	int result = -ESRCH;

	if (!n) {
		pids = &everywhere;
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		int r = bind_target(a, t, pids[i]);

		if (r < 0 && r != -ESRCH) {
			unbind_target(a, t);
			return r;
		}
		result = r ? result : 0;
	}
	return result;
}

static void note_attached(struct ecap_attacher *a, struct ecap_target *t)
{
	a->attached[a->n_attached++] = t;
	if (a->n_attached > MAX_NAMED)
		return;
	ecap_buf_printf(&a->summary, "%s%s (%s", a->n_attached > 1 ? ", " : "", t->path,
			t->probe->name);
	if (t->n_inners)
		ecap_buf_puts(&a->summary, t->is_stepped ? ", hooked inside, single-stepped" :
							   ", hooked inside");
	if (t->n_aliases)
		ecap_buf_printf(&a->summary, ", the same file under %zu more name%s", t->n_aliases,
				t->n_aliases == 1 ? "" : "s");
	ecap_buf_putc(&a->summary, ')');
}

/* Forget the inner functions: the public ones are hooked, as if nobody had looked. */
static void drop_inners(struct ecap_target *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_places; i++) {
		t->places[i].check = 0;
		if (!t->places[i].is_inner)
			t->places[n++] = t->places[i];
	}
	t->n_places = n;
	t->n_inners = 0;
}

/* Hook inside where that can be; the kernel may refuse a place there that it takes elsewhere. */
static int hook_best(struct ecap_attacher *a, struct ecap_target *t)
{
	int r;

	add_inners(a, t);
	if (!t->n_inners)
		return hook_target(a, t);
	r = hook_target(a, t);
	if (r >= 0 || r == -ESRCH)
		return r;
	ecap_info("%s: trying the public functions only", t->path);
	drop_inners(t);
	return hook_target(a, t);
}

/* Hook every target that can be hooked. < 0: not one could. */
static int hook_all(struct ecap_attacher *a)
{
	const struct ecap_finder *f = &a->finder;
	const uint32_t *pids;
	size_t n_bound = ecap_kernel_get_bound(a->kernel, &pids);
	int r = -ENOENT;

	a->bindings = calloc(f->n_targets * (n_bound ? n_bound : 1) * PART_COUNT + 1,
			     sizeof(*a->bindings)); /* rebind() uses one more for a moment */
	if (!a->bindings)
		return -ENOMEM;
	for (size_t i = 0; i < f->n_targets && !end_asked(a); i++) {
		r = hook_best(a, f->targets[i]);
		if (r == -ESRCH)
			return ecap_err_r(r, "the processes that -p names have ended");
		if (r < 0)
			continue;
		note_attached(a, f->targets[i]);
		ecap_debug("%s: %s, %zu hooks", f->targets[i]->path, f->targets[i]->probe->name,
			   f->targets[i]->n_places);
	}
	if (a->n_attached > MAX_NAMED)
		ecap_buf_printf(&a->summary, " and %zu more files", a->n_attached - MAX_NAMED);
	if (a->n_attached < f->n_targets)
		ecap_buf_printf(&a->summary, " (%zu more could not be hooked)",
				f->n_targets - a->n_attached);
	ecap_buf_putc(&a->summary, '\0');
	return a->n_attached ? 0 : r;
}

/* ------------------------------------------------------------------------- while it is captured */

/*
 * The links of @pid are bound to a thread that is gone: bind new ones first, so that the wait in
 * the kernel for the old ones to go costs nothing. They see nothing any more, so no call is seen
 * twice.
 */
static void rebind(struct ecap_attacher *a, uint32_t pid)
{
	size_t n = a->n_bindings, n_bound = 0;

	for (size_t i = 0; i < n; i++) {
		struct binding *b = &a->bindings[i];

		if (b->pid != pid || !b->links || bind_part(a, b->target, b->part, pid) < 0)
			continue;
		ecap_attachment_free(b->links);
		b->links = a->bindings[--a->n_bindings].links;
		n_bound++;
	}
	if (n_bound) /* else links are not bound to processes, or it has ended */
		ecap_warn("process %u became another program by an exec that was not its first "
			  "thread's: hooked anew; what it may have said before that was not seen",
			  pid);
}

/* Say once that a check failed, which may stand for several processes and groups of a target. */
static void tell_failed(struct ecap_attacher *a, const struct ecap_target *t)
{
	for (size_t i = 0; i < a->n_bindings; i++) {
		struct binding *b = &a->bindings[i];

		if (b->target == t && b->check &&
		    ecap_kernel_get_check(a->kernel, b->check) == ECAP_CHECK_FAILED)
			b->check = 0;
	}
	ecap_warn("%s: an inner function did not show what the public ones did, so these are used; "
		  "--placement=public does so from the start",
		  t->path);
}

/*
 * Where inner functions have shown what the public ones did, these are not needed any more. At the
 * end of the run only what has failed is said.
 */
static void settle(struct ecap_attacher *a, bool at_end)
{
	for (size_t i = 0; i < a->n_bindings; i++) {
		struct binding *b = &a->bindings[i];
		enum ecap_check_state state;

		if (!b->check || !b->links)
			continue;
		state = ecap_kernel_get_check(a->kernel, b->check);
		if (state == ECAP_CHECK_PROVEN && !at_end)
			ecap_attachment_freep(&b->links);
		else if (state == ECAP_CHECK_FAILED)
			tell_failed(a, b->target);
	}
}

enum command {
	COMMAND_END,
	COMMAND_REBIND,
	COMMAND_SETTLE,
};

/* What to do next; *ret_pid is the process to rebind. */
static enum command wait_command(struct ecap_attacher *a, uint32_t *ret_pid)
{
	enum command command = COMMAND_END;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->end && !a->n_moved && !a->settle)
		(void)pthread_cond_wait(&a->wake, &a->lock);
	if (!a->end && a->n_moved) {
		command = COMMAND_REBIND;
		*ret_pid = a->moved[0];
		memmove(a->moved, a->moved + 1, --a->n_moved * sizeof(*a->moved));
	} else if (!a->end) {
		command = COMMAND_SETTLE;
		a->settle = false;
	}
	(void)pthread_mutex_unlock(&a->lock);
	return command;
}

/* Returns when it is time to end. */
static void serve(struct ecap_attacher *a)
{
	uint32_t pid;

	for (;;) {
		switch (wait_command(a, &pid)) {
		case COMMAND_END:
			settle(a, true);
			return;
		case COMMAND_REBIND:
			rebind(a, pid);
			break;
		case COMMAND_SETTLE:
			settle(a, false);
			break;
		}
	}
}

static void unhook_first(struct ecap_attacher *a)
{
	for (size_t i = 0; i < a->n_bindings; i++) {
		if (a->bindings[i].links) {
			ecap_attachment_drop_one(a->bindings[i].links);
			return;
		}
	}
}

static void unhook_all(struct ecap_attacher *a)
{
	for (size_t i = 0; i < a->n_bindings; i++)
		ecap_attachment_freep(&a->bindings[i].links);
}

/* ----------------------------------------------------------------------------------- the thread */

/* false: it is time to end, and nothing was hooked. */
static bool wait_kernel(struct ecap_attacher *a)
{
	bool ready;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->kernel && !a->end)
		(void)pthread_cond_wait(&a->wake, &a->lock);
	ready = a->kernel != NULL;
	(void)pthread_mutex_unlock(&a->lock);
	return ready;
}

static void *attacher_thread(void *arg)
{
	struct ecap_attacher *a = arg;
	int r;

	a->finder.placement = a->opts.placement;
	a->finder.stop_fd = a->stop_fd;
	if (a->opts.library)
		r = ecap_finder_use_file(&a->finder, a->opts.library);
	else
		r = ecap_finder_search(&a->finder, a->opts.pids, a->opts.n_pids);
	if (!wait_kernel(a))
		return NULL;
	if (!r)
		r = hook_all(a);
	set_state(a, r < 0 ? ECAP_ATTACHER_FAILED : ECAP_ATTACHER_READY);

	ecap_kernel_drop_trial(a->kernel);
	serve(a);
	unhook_first(a);
	set_state(a, ECAP_ATTACHER_QUIET);
	unhook_all(a);
	return NULL;
}

int ecap_attacher_start(const struct ecap_attacher_opts *opts, struct ecap_attacher **ret)
{
	struct ecap_attacher *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->opts = *opts;
	a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->stop_fd < 0) {
		r = -errno;
		free(a);
		return r;
	}
	ecap_buf_init(&a->summary, MAX_SUMMARY);
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->wake, NULL);
	r = pthread_create(&a->thread, NULL, attacher_thread, a);
	if (r) {
		ecap_closep(&a->stop_fd);
		free(a);
		return -r;
	}
	*ret = a;
	return 0;
}

void ecap_attacher_free(struct ecap_attacher *a)
{
	if (!a)
		return;
	ecap_attacher_end(a);
	(void)pthread_join(a->thread, NULL);
	ecap_finder_done(&a->finder);
	free(a->bindings);
	ecap_closep(&a->stop_fd);
	ecap_buf_done(&a->summary);
	(void)pthread_cond_destroy(&a->wake);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

enum ecap_attacher_state ecap_attacher_get_state(struct ecap_attacher *a)
{
	enum ecap_attacher_state state;

	(void)pthread_mutex_lock(&a->lock);
	state = a->state;
	(void)pthread_mutex_unlock(&a->lock);
	return state;
}

void ecap_attacher_end(struct ecap_attacher *a)
{
	uint64_t one = 1;

	(void)pthread_mutex_lock(&a->lock);
	a->end = true;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
	(void)!write(a->stop_fd, &one, sizeof(one));
}

void ecap_attacher_hook(struct ecap_attacher *a, struct ecap_kernel *k)
{
	(void)pthread_mutex_lock(&a->lock);
	a->kernel = k;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
}

void ecap_attacher_settle(struct ecap_attacher *a)
{
	(void)pthread_mutex_lock(&a->lock);
	a->settle = true;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
}

void ecap_attacher_rebind(struct ecap_attacher *a, uint32_t pid)
{
	bool is_named = false;

	(void)pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->n_moved; i++)
		is_named |= a->moved[i] == pid;
	/* as many as can be bound */
	if (!is_named && a->n_moved < ECAP_MAX_BOUND)
		a->moved[a->n_moved++] = pid;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
}

size_t ecap_attacher_get_targets(struct ecap_attacher *a, struct ecap_target *const **ret)
{
	*ret = a->attached;
	return a->n_attached;
}

const char *ecap_attacher_get_summary(struct ecap_attacher *a)
{
	return (const char *)a->summary.data;
}
