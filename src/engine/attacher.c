/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attacher.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/finder.h"
#include "engine/hooks.h"
#include "engine/kernel.h"
#include "engine/reaper.h"
#include "engine/users.h"
#include "target/alias.h"
#include "target/watch.h"

/* The start line names so many targets; the rest is a number. */
#define MAX_NAMED   8
#define MAX_SUMMARY 65536

/*
 * How long after a file lost its user, or a new one was hooked in haste, the rest is done: many
 * come and go at a time, and new ones must not wait.
 */
#define CATCH_UP_NS UINT64_C(200000000)

/* Looking into every process is not for each file that finds no room. */
#define FULL_NS UINT64_C(1000000000)

struct ecap_attacher {
	struct ecap_attacher_opts opts;
	int stop_fd; /* readable once it is time to end: for waits that know no condition */
	pthread_t thread;
	int epoll_fd;
	int wake_fd;	/* there is something to do */
	int inotify_fd; /* files of targets */
	struct ecap_notices notices;
	_Atomic uint64_t n_missed;

	/* the thread's; the summary is read-only once it is ready */
	struct ecap_finder *finder;
	struct ecap_hooks *hooks;
	struct ecap_reaper *reaper;
	struct ecap_target *going; /* the reaper has them, a list by next_going */
	struct ecap_watch *watch;  /* NULL: what is there at the start is all */
	uint64_t due_ns;	   /* when to catch up; 0: never */
	bool has_refused;	   /* more targets than there is room for, and said so */
	uint64_t full_ns;	   /* when room was made for others, 0: never */
	struct ecap_buf summary;

	pthread_mutex_t lock;	    /* for what follows */
	struct ecap_kernel *kernel; /* NULL: not ready yet; read without the lock after that */
	enum ecap_attacher_state state;
	bool end;
	uint32_t moved[ECAP_MAX_BOUND]; /* processes that ecap_attacher_rebind() named */
	size_t n_moved;
	bool settle; /* ecap_attacher_settle() */
};

static void notify(int event_fd)
{
	uint64_t one = 1;

	(void)!write(event_fd, &one, sizeof(one)); /* full: it is readable already */
}

static void set_state(struct ecap_attacher *a, enum ecap_attacher_state state)
{
	(void)pthread_mutex_lock(&a->lock);
	a->state = state;
	(void)pthread_mutex_unlock(&a->lock);
	notify(a->opts.event_fd);
}

static bool end_asked(struct ecap_attacher *a)
{
	bool end;

	(void)pthread_mutex_lock(&a->lock);
	end = a->end;
	(void)pthread_mutex_unlock(&a->lock);
	return end;
}

static int watch_fd(const struct ecap_attacher *a, int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* ------------------------------------------------------------------------------------- telling */

static void describe(const struct ecap_target *t, struct ecap_buf *out)
{
	size_t n_aliases = t->n_ids - 1;

	ecap_buf_printf(out, "%s (%s", t->path, t->probe->name);
	if (t->n_inners)
		ecap_buf_puts(out, t->is_stepped ? ", hooked inside, single-stepped" :
						   ", hooked inside");
	if (n_aliases)
		ecap_buf_printf(out, ", the same file under %zu more name%s", n_aliases,
				n_aliases == 1 ? "" : "s");
	ecap_buf_putc(out, ')');
}

static void tell_target(struct ecap_attacher *a, const struct ecap_target *t)
{
	struct ecap_notice *notice = calloc(1, sizeof(*notice));

	if (!notice)
		return; /* standard error has it */
	*notice = (struct ecap_notice){
		.kind = ECAP_NOTICE_TARGET,
		.hooked_ns = t->hooked_ns,
		.path = strdup(t->path),
		.probe = t->probe,
		.n_hooks = t->n_places,
		.n_aliases = t->n_ids - 1,
		.is_inside = t->n_inners,
		.is_stepped = t->is_stepped,
	};
	ecap_notices_put(&a->notices, notice);
	notify(a->opts.event_fd);
}

static bool has_id(const uint32_t *ids, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

/* The process had @t mapped before it was hooked: what it may have said is not known. */
static void tell_late(struct ecap_attacher *a, const struct ecap_target *t,
		      const struct ecap_arrival *arrival)
{
	struct ecap_notice *notice = calloc(1, sizeof(*notice));

	if (!notice)
		return;
	notice->kind = ECAP_NOTICE_LATE;
	notice->hooked_ns = t->hooked_ns;
	notice->n_processes = 1;
	notice->pid = (uint32_t)arrival->pid;
	notice->has_facts = ecap_process_facts_read(arrival->pid, &notice->facts) == 0 &&
			    ecap_mapping_exists(arrival->pid, &arrival->map);
	if (notice->has_facts && a->opts.n_uids &&
	    !has_id(a->opts.uids, a->opts.n_uids, notice->facts.uid)) {
		ecap_notice_free(notice);
		return;
	}
	ecap_notices_put(&a->notices, notice);
	notify(a->opts.event_fd);
}

/* ---------------------------------------------------------------------- what is there at first */

/* Be told when it is written to, deleted, replaced or moved: nobody else would wake us then. */
static void watch_file(struct ecap_attacher *a, struct ecap_target *t)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", t->fd);
	t->watch = inotify_add_watch(a->inotify_fd, path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF);
}

static int hook(struct ecap_attacher *a, struct ecap_target *t)
{
	int r = ecap_hooks_add(a->hooks, t);

	if (r < 0)
		return r;
	t->hooked_ns = ecap_clock_monotonic();
	if (!a->opts.dry_run)
		watch_file(a, t);
	tell_target(a, t);
	return 0;
}

/* What the start line says of @n_hooked of @n files. */
static void summarise(struct ecap_attacher *a, struct ecap_target *const *targets, size_t n,
		      size_t n_hooked)
{
	size_t n_named = 0;

	if (!n)
		ecap_buf_printf(&a->summary, "nothing yet: %s; waiting for one",
				ecap_finder_describe_nothing(a->finder));
	for (size_t i = 0; i < n && n_named < MAX_NAMED; i++) {
		if (!targets[i]->hooked_ns)
			continue;
		if (n_named++)
			ecap_buf_puts(&a->summary, ", ");
		describe(targets[i], &a->summary);
	}
	if (n_hooked > n_named)
		ecap_buf_printf(&a->summary, " and %zu more files", n_hooked - n_named);
	if (n_hooked < n)
		ecap_buf_printf(&a->summary, " (%zu more could not be hooked)", n - n_hooked);
	ecap_buf_putc(&a->summary, '\0');
}

/* Hook every target that can be hooked. < 0: there are some, and not one could. */
static int hook_all(struct ecap_attacher *a)
{
	struct ecap_target *const *targets;
	size_t n = ecap_finder_get_targets(a->finder, &targets), n_hooked = 0;
	int r = 0;

	for (size_t i = 0; i < n && !end_asked(a); i++) {
		r = hook(a, targets[i]);
		if (r == -ESRCH)
			return ecap_err_r(r, "the processes that -p names have ended");
		n_hooked += r == 0;
	}
	summarise(a, targets, n, n_hooked);
	return n && !n_hooked && r < 0 ? r : 0;
}

/* Without it what is there at the start is all. */
static int open_watch(struct ecap_attacher *a)
{
	int r;

	if (a->opts.library || a->opts.dry_run)
		return 0;
	r = a->opts.can_watch ? ecap_watch_new(&a->watch) : -ENOTSUP;
	if (!r)
		r = watch_fd(a, ecap_watch_fd(a->watch), a->watch);
	if (r < 0)
		ecap_watch_freep(&a->watch);
	return r;
}

/* Returns how many targets there are. */
static int find_all(struct ecap_attacher *a)
{
	int r;

	if (a->opts.library)
		return ecap_finder_use_file(a->finder, a->opts.library);
	r = ecap_finder_search(a->finder, a->opts.pids, a->opts.n_pids);
	if (r || a->watch)
		return r;
	ecap_err("%s; name a library or a program with --%s PATH",
		 ecap_finder_describe_nothing(a->finder),
		 ecap_selection_option(&a->opts.selection));
	return -ENOENT;
}

/* ---------------------------------------------------------------------------- what comes later */

/* Nobody uses @t any more, or not as it was. */
static void let_go(struct ecap_attacher *a, struct ecap_target *t)
{
	ecap_debug("%s: unhooked", t->path);
	ecap_finder_release(a->finder, t);
	if (t->watch >= 0)
		(void)inotify_rm_watch(a->inotify_fd, t->watch);
	ecap_hooks_remove(a->hooks, t);
	t->next_going = a->going;
	a->going = t;
}

/* Nothing of @t is left in the kernel. */
static void forget(struct ecap_attacher *a, struct ecap_target *t)
{
	struct ecap_target **at = &a->going;

	while (*at != t)
		at = &(*at)->next_going;
	*at = t->next_going;
	ecap_hooks_forget(a->hooks, t);
	ecap_target_free(t);
}

/*
 * A file may come back before its old links are gone. Together with new ones they would see each
 * call twice.
 */
static void wait_for_old_links(struct ecap_attacher *a, const struct ecap_target *t)
{
	for (const struct ecap_target *old = a->going; old; old = old->next_going) {
		if (old->ids[0].ino != t->ids[0].ino)
			continue;
		if (ecap_target_is(old, &t->ids[0]) ||
		    ecap_alias_check(old->fd, t->fd, t->places[0].file_off) > 0) {
			ecap_reaper_wait(a->reaper);
			return;
		}
	}
}

/*
 * See who uses what nobody can find by its name any more, or (@all) what nobody is known to use.
 * What nobody uses goes.
 */
static void check_users(struct ecap_attacher *a, bool all)
{
	struct ecap_target *const *targets;
	size_t n = ecap_finder_get_targets(a->finder, &targets);
	int r;

	for (size_t i = 0; i < n; i++)
		targets[i]->needs_user =
			targets[i]->user_fd < 0 && (all || !ecap_target_is_reachable(targets[i]));
	r = ecap_users_find(targets, n);
	while (n--) { /* backwards: the last one fills the place of one that goes */
		struct ecap_target *t = targets[n];

		if (!t->needs_user)
			continue;
		if (t->user_fd >= 0)
			(void)watch_fd(a, t->user_fd, t);
		else if (r >= 0) /* else it may have one that we could not see */
			let_go(a, t);
	}
}

/*
 * A file that has its functions elsewhere by now must not be mapped with our hooks: they would be
 * put into the midst of its code.
 */
static void check_change(struct ecap_attacher *a, struct ecap_target *t)
{
	if (!ecap_target_is_changed(t) || ecap_finder_confirm(a->finder, t))
		return;
	ecap_warn("%s was written to: unhooked%s", t->path,
		  a->watch ? " until somebody uses it again" : ", start anew to capture it");
	let_go(a, t);
}

/* Some file was written to, or may not be found under its name any more. */
static void on_file_change(struct ecap_attacher *a)
{
	struct ecap_target *const *targets;
	size_t n = ecap_finder_get_targets(a->finder, &targets);
	char events[4096];

	while (read(a->inotify_fd, events, sizeof(events)) > 0)
		;
	while (n--) /* backwards: the last one fills the place of one that goes */
		check_change(a, targets[n]);
	a->due_ns = ecap_clock_monotonic() + CATCH_UP_NS;
}

/* What stays only because it could be found again goes. false: it has just been tried. */
static bool make_room(struct ecap_attacher *a)
{
	uint64_t now = ecap_clock_monotonic();

	if (a->full_ns && now - a->full_ns < FULL_NS)
		return false;
	a->full_ns = now;
	check_users(a, true);
	return true;
}

static void hook_arrival(struct ecap_attacher *a, struct ecap_target *t,
			 const struct ecap_arrival *arrival)
{
	ecap_cleanup(ecap_buf_done) struct ecap_buf text = { 0 };
	uint64_t found_ns = ecap_clock_monotonic();

	ecap_buf_init(&text, MAX_SUMMARY);
	wait_for_old_links(a, t);
	if (hook(a, t) < 0)
		return; /* it stays known, so that this is said once */
	ecap_debug("%s: found %" PRIu64 " us and hooked %" PRIu64 " us after it was mapped",
		   t->path, (found_ns - arrival->ts_ns) / 1000,
		   (t->hooked_ns - arrival->ts_ns) / 1000);
	tell_late(a, t, arrival);
	describe(t, &text);
	ecap_buf_putc(&text, '\0');
	ecap_info("also capturing %s", (const char *)text.data);
	a->due_ns = ecap_clock_monotonic() + CATCH_UP_NS;
}

/* Whether the process is one that is captured, or was. */
static bool is_wanted(const struct ecap_attacher *a, pid_t pid)
{
	if (a->opts.n_pids && !a->opts.children)
		return has_id(a->opts.pids, a->opts.n_pids, (uint32_t)pid);
	return ecap_kernel_wants_pid(a->kernel, (uint32_t)pid);
}

static void on_arrival(const struct ecap_arrival *arrival, void *arg)
{
	struct ecap_attacher *a = arg;
	struct ecap_target *t;
	enum ecap_look look;

	if (!is_wanted(a, arrival->pid))
		return;
	look = ecap_finder_look(a->finder, arrival, &t);
	if (look == ECAP_LOOK_FULL && make_room(a))
		look = ecap_finder_look(a->finder, arrival, &t);
	switch (look) {
	case ECAP_LOOK_NEW:
		hook_arrival(a, t, arrival);
		break;
	case ECAP_LOOK_KNOWN:
		if (arrival->ts_ns < t->hooked_ns)
			tell_late(a, t, arrival);
		break;
	case ECAP_LOOK_GONE:
		a->n_missed++;
		break;
	case ECAP_LOOK_FULL:
		a->n_missed++;
		if (!a->has_refused)
			ecap_warn("no more than %u files are hooked at a time: %s and others are "
				  "not",
				  ECAP_MAX_TARGETS, arrival->map.path);
		a->has_refused = true;
		break;
	case ECAP_LOOK_NOTHING:
		break;
	}
}

static void read_arrivals(struct ecap_attacher *a)
{
	if (a->watch)
		a->n_missed += ecap_watch_read(a->watch, on_arrival, a);
}

/* The process that used @t has ended. */
static void on_user_end(struct ecap_attacher *a, struct ecap_target *t)
{
	ecap_closep(&t->user_fd);
	a->due_ns = ecap_clock_monotonic() + CATCH_UP_NS;
}

/* Look inside one file that was hooked in haste. Returns whether there may be more of them. */
static bool deepen_one(struct ecap_attacher *a)
{
	struct ecap_target *const *targets;
	size_t n = ecap_finder_get_targets(a->finder, &targets);

	for (size_t i = 0; i < n; i++) {
		if (!targets[i]->hooked_ns || targets[i]->is_analysed)
			continue;
		ecap_finder_analyse(a->finder, targets[i]);
		if (ecap_hooks_deepen(a->hooks, targets[i]))
			tell_target(a, targets[i]);
		return true;
	}
	return false;
}

/* What can wait until those who came are hooked. */
static void catch_up(struct ecap_attacher *a)
{
	a->due_ns = 0;
	check_users(a, false);
	if (deepen_one(a))
		a->due_ns = ecap_clock_monotonic();
}

/* ----------------------------------------------------------------------------------- the thread */

enum command {
	COMMAND_NONE,
	COMMAND_END,
	COMMAND_REBIND,
	COMMAND_SETTLE,
};

/* What the loop wants next; *ret_pid is the process to rebind. */
static enum command take_command(struct ecap_attacher *a, uint32_t *ret_pid)
{
	enum command command = COMMAND_NONE;

	(void)pthread_mutex_lock(&a->lock);
	if (a->end) {
		command = COMMAND_END;
	} else if (a->n_moved) {
		command = COMMAND_REBIND;
		*ret_pid = a->moved[0];
		memmove(a->moved, a->moved + 1, --a->n_moved * sizeof(*a->moved));
	} else if (a->settle) {
		command = COMMAND_SETTLE;
		a->settle = false;
	}
	(void)pthread_mutex_unlock(&a->lock);
	return command;
}

/* false: it is time to end. */
static bool obey(struct ecap_attacher *a)
{
	uint32_t pid = 0;

	for (;;) {
		switch (take_command(a, &pid)) {
		case COMMAND_NONE:
			return true;
		case COMMAND_END:
			return false;
		case COMMAND_REBIND:
			ecap_hooks_rebind(a->hooks, pid);
			break;
		case COMMAND_SETTLE:
			ecap_hooks_settle(a->hooks, false);
			break;
		}
	}
}

static void take_reaped(struct ecap_attacher *a)
{
	struct ecap_target *t;

	while ((t = ecap_reaper_take(a->reaper)))
		forget(a, t);
}

/* Milliseconds until it is time to catch up, -1: never. */
static int time_left(const struct ecap_attacher *a)
{
	uint64_t now = ecap_clock_monotonic();

	if (!a->due_ns)
		return -1;
	return now >= a->due_ns ? 0 : (int)((a->due_ns - now) / 1000000 + 1);
}

/* Wait for something to do, and do what did not come as a command. */
static void wait_events(struct ecap_attacher *a)
{
	struct epoll_event events[16];
	uint64_t n_wakes;
	int n = epoll_wait(a->epoll_fd, events, ECAP_ARRAY_SIZE(events), time_left(a));

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == &a->wake_fd)
			(void)!read(a->wake_fd, &n_wakes, sizeof(n_wakes));
		else if (events[i].data.ptr == &a->inotify_fd)
			on_file_change(a);
		else if (events[i].data.ptr != a->watch)
			on_user_end(a, events[i].data.ptr);
	}
	read_arrivals(a);
	take_reaped(a);
	if (time_left(a) == 0)
		catch_up(a);
}

/* Returns when it is time to end. */
static void serve(struct ecap_attacher *a)
{
	if (a->watch)
		a->due_ns = ecap_clock_monotonic() + CATCH_UP_NS;
	while (obey(a))
		wait_events(a);
	ecap_hooks_settle(a->hooks, true);
}

/* Wait until it is time to end or, unless @only_end, until the kernel's side is there: true. */
static bool wait_kernel(struct ecap_attacher *a, bool only_end)
{
	struct epoll_event ev;
	bool is_ready, end;

	for (;;) {
		(void)pthread_mutex_lock(&a->lock);
		is_ready = a->kernel && !only_end;
		end = a->end;
		(void)pthread_mutex_unlock(&a->lock);
		if (is_ready || end)
			return is_ready;
		(void)epoll_wait(a->epoll_fd, &ev, 1, -1);
	}
}

static int start_hooks(struct ecap_attacher *a)
{
	struct ecap_hooks_opts opts = { .kernel = a->kernel, .dry_run = a->opts.dry_run };
	int r = ecap_reaper_new(a->wake_fd, &a->reaper);

	opts.reaper = a->reaper;
	if (!r)
		r = ecap_hooks_new(&opts, &a->hooks);
	return r < 0 ? ecap_err_r(r, "cannot start threads") : hook_all(a);
}

static void unhook(struct ecap_attacher *a)
{
	/* what is being taken away already may still run */
	if (a->hooks && !ecap_hooks_drop_one(a->hooks))
		ecap_reaper_wait(a->reaper);
	set_state(a, ECAP_ATTACHER_QUIET);
	ecap_hooks_freep(&a->hooks);
	ecap_kernel_drop_trial(a->kernel);
	ecap_reaper_freep(&a->reaper);
}

static void *attacher_thread(void *arg)
{
	struct ecap_attacher *a = arg;
	int watch_error = open_watch(a); /* first: nothing comes between it and the search */
	int r = find_all(a);

	if (!wait_kernel(a, false))
		return NULL;
	if (watch_error)
		(void)ecap_warn_r(watch_error,
				  "cannot notice programs and libraries that appear later");
	if (r >= 0)
		r = start_hooks(a);
	if (r >= 0)
		read_arrivals(a); /* what came meanwhile is not late */
	if (a->opts.dry_run)	  /* else later: that waits in the kernel */
		ecap_kernel_drop_trial(a->kernel);
	set_state(a, r < 0 ? ECAP_ATTACHER_FAILED : ECAP_ATTACHER_READY);
	if (r < 0)
		(void)wait_kernel(a, true);
	else
		serve(a);
	unhook(a);
	return NULL;
}

static int open_fds(struct ecap_attacher *a)
{
	int r;

	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	a->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (a->epoll_fd < 0 || a->wake_fd < 0 || a->stop_fd < 0 || a->inotify_fd < 0)
		return -errno;
	r = watch_fd(a, a->wake_fd, &a->wake_fd);
	return r < 0 ? r : watch_fd(a, a->inotify_fd, &a->inotify_fd);
}

static void attacher_free(struct ecap_attacher *a)
{
	ecap_finder_free(a->finder);
	ecap_watch_free(a->watch);
	ecap_notices_done(&a->notices);
	ecap_buf_done(&a->summary);
	ecap_closep(&a->inotify_fd);
	ecap_closep(&a->stop_fd);
	ecap_closep(&a->wake_fd);
	ecap_closep(&a->epoll_fd);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

int ecap_attacher_start(const struct ecap_attacher_opts *opts, struct ecap_attacher **ret)
{
	struct ecap_finder_opts finder_opts = {
		.selection = opts->selection,
		.placement = opts->placement,
	};
	struct ecap_attacher *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->opts = *opts;
	ecap_notices_init(&a->notices);
	ecap_buf_init(&a->summary, MAX_SUMMARY);
	(void)pthread_mutex_init(&a->lock, NULL);
	r = open_fds(a);
	finder_opts.stop_fd = a->stop_fd;
	if (!r)
		r = ecap_finder_new(&finder_opts, &a->finder);
	if (!r)
		r = -pthread_create(&a->thread, NULL, attacher_thread, a);
	if (r < 0) {
		attacher_free(a);
		return r;
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
	attacher_free(a);
}

/* ------------------------------------------------------------------------------- other threads' */

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
	(void)pthread_mutex_unlock(&a->lock);
	notify(a->stop_fd);
	notify(a->wake_fd);
}

void ecap_attacher_hook(struct ecap_attacher *a, struct ecap_kernel *k)
{
	(void)pthread_mutex_lock(&a->lock);
	a->kernel = k;
	(void)pthread_mutex_unlock(&a->lock);
	notify(a->wake_fd);
}

void ecap_attacher_settle(struct ecap_attacher *a)
{
	(void)pthread_mutex_lock(&a->lock);
	a->settle = true;
	(void)pthread_mutex_unlock(&a->lock);
	notify(a->wake_fd);
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
	(void)pthread_mutex_unlock(&a->lock);
	notify(a->wake_fd);
}

const char *ecap_attacher_get_summary(struct ecap_attacher *a)
{
	return (const char *)a->summary.data;
}

struct ecap_notice *ecap_attacher_take_notices(struct ecap_attacher *a)
{
	return ecap_notices_take(&a->notices);
}

uint64_t ecap_attacher_n_missed(const struct ecap_attacher *a)
{
	return a->n_missed;
}
