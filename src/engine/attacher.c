/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attacher.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
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

/* The links of one target, in one process or in all. */
struct binding {
	const struct ecap_target *target;
	uint32_t pid; /* 0: all */
	struct ecap_attachment *links;
};

struct ecap_attacher {
	struct ecap_attacher_opts opts;
	pthread_t thread;

	/* the thread's; the summary is read-only once it is ready */
	struct ecap_finder finder;
	struct binding *bindings;
	size_t n_bindings;
	size_t n_attached; /* targets */
	struct ecap_buf summary;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t wake;
	struct ecap_kernel *kernel; /* NULL: not ready yet; read without the lock after that */
	enum ecap_attacher_state state;
	bool end;
	uint32_t moved[ECAP_MAX_BOUND]; /* processes that ecap_attacher_rebind() named */
	size_t n_moved;
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

/* Hook @t in @pid (0: all). -ESRCH: that process has ended. */
static int bind_target(struct ecap_attacher *a, const struct ecap_target *t, uint32_t pid)
{
	struct ecap_attachment *links = NULL;
	int r = a->opts.dry_run ? 0 : ecap_attach(a->kernel, t, pid, &links);

	if (r < 0)
		return r;
	a->bindings[a->n_bindings++] = (struct binding){ .target = t, .pid = pid, .links = links };
	return 0;
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
	const uint32_t *pids;
	size_t n = ecap_kernel_get_bound(a->kernel, &pids);
	int result = -ESRCH;

	if (!n)
		return bind_target(a, t, 0);
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

static void describe(struct ecap_attacher *a, const struct ecap_target *t)
{
	if (a->n_attached++ >= MAX_NAMED)
		return;
	ecap_buf_printf(&a->summary, "%s%s (%s", a->n_attached > 1 ? ", " : "", t->path,
			t->probe->name);
	if (t->n_aliases)
		ecap_buf_printf(&a->summary, ", the same file under %zu more name%s", t->n_aliases,
				t->n_aliases == 1 ? "" : "s");
	ecap_buf_putc(&a->summary, ')');
}

/* Hook every target that can be hooked. < 0: not one could. */
static int hook_all(struct ecap_attacher *a)
{
	const struct ecap_finder *f = &a->finder;
	const uint32_t *pids;
	size_t n_bound = ecap_kernel_get_bound(a->kernel, &pids);
	int r = -ENOENT;

	a->bindings = calloc(f->n_targets * (n_bound ? n_bound : 1), sizeof(*a->bindings));
	if (!a->bindings)
		return -ENOMEM;
	for (size_t i = 0; i < f->n_targets && !end_asked(a); i++) {
		r = hook_target(a, f->targets[i]);
		if (r == -ESRCH)
			return ecap_err_r(r, "the processes that -p names have ended");
		if (r < 0)
			continue;
		describe(a, f->targets[i]);
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
	for (size_t i = 0; i < a->n_bindings; i++) {
		struct binding *b = &a->bindings[i];
		struct ecap_attachment *links = NULL;

		if (b->pid != pid || ecap_attach(a->kernel, b->target, pid, &links) < 0)
			continue;
		ecap_attachment_free(b->links);
		b->links = links;
	}
	ecap_warn("process %u became another program by an exec that was not its first thread's: "
		  "hooked anew; what it may have said before that was not seen",
		  pid);
}

/* The process to rebind that was named first, 0: it is time to end. */
static uint32_t wait_moved(struct ecap_attacher *a)
{
	uint32_t pid = 0;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->end && !a->n_moved)
		(void)pthread_cond_wait(&a->wake, &a->lock);
	if (!a->end) {
		pid = a->moved[0];
		memmove(a->moved, a->moved + 1, --a->n_moved * sizeof(*a->moved));
	}
	(void)pthread_mutex_unlock(&a->lock);
	return pid;
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
	uint32_t moved;
	int r;

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
	while ((moved = wait_moved(a)))
		rebind(a, moved);
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
	ecap_buf_init(&a->summary, MAX_SUMMARY);
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->wake, NULL);
	r = pthread_create(&a->thread, NULL, attacher_thread, a);
	if (r) {
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
	(void)pthread_mutex_lock(&a->lock);
	a->end = true;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
}

void ecap_attacher_hook(struct ecap_attacher *a, struct ecap_kernel *k)
{
	(void)pthread_mutex_lock(&a->lock);
	a->kernel = k;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
}

void ecap_attacher_rebind(struct ecap_attacher *a, uint32_t pid)
{
	(void)pthread_mutex_lock(&a->lock);
	/* as many as can be bound, so a full list names it already */
	if (a->n_moved < ECAP_MAX_BOUND)
		a->moved[a->n_moved++] = pid;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
}

const char *ecap_attacher_get_summary(struct ecap_attacher *a)
{
	return (const char *)a->summary.data;
}
