/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/attacher.h"
#include "engine/children.h"
#include "engine/dests.h"
#include "engine/dispatch.h"
#include "engine/kernel.h"
#include "engine/launch.h"
#include "engine/notify.h"
#include "engine/outputs.h"
#include "engine/pipeline.h"
#include "engine/privileges.h"
#include "engine/ring.h"
#include "engine/stats.h"
#include "engine/summary.h"
#include "engine/sweep.h"
#include "target/process.h"

/* How long after records have come what they left behind is looked for. */
#define SWEEP_NS UINT64_C(2000000000)

/* timeout(1) and others send a signal to the process and to its group: that is one request. */
#define SAME_SIGNAL_NS 500000000u

enum phase {
	PHASE_STARTING,	 /* the attacher looks for targets and hooks them */
	PHASE_CAPTURING, /* until something asks us to stop */
	PHASE_STOPPING,	 /* the hooks are idle; programs under way may still send records */
	PHASE_WRITING,	 /* nothing new comes; the destinations finish */
	PHASE_DONE,
};

struct engine {
	const struct ecap_engine_opts *opts;
	enum phase phase;
	uint64_t signal_ns; /* when the first signal came, 0: none did */
	uint64_t active_ns; /* when the hooks were switched on */
	int result;	    /* 0, or the negative errno that ended the run */
	bool captured;	    /* the start line was shown: a summary follows */

	int epoll_fd;
	int signal_fd;
	int event_fd; /* the other threads': something changed */
	int stats_fd; /* timers */
	int sweep_fd;
	int duration_fd;
	bool sweep_is_due; /* the timer runs */
	struct ecap_kernel *kernel;
	struct ecap_children *children; /* NULL: only the processes themselves */
	struct ecap_ring *ring;
	struct ecap_dispatch *dispatch;
	struct ecap_attacher *attacher;
	struct ecap_dests dests;
	struct ecap_outputs *outputs;
	struct ecap_pipeline *pipeline;
};

/* ------------------------------------------------------------------------------------ stopping */

/* Stop in order. The first reason counts. */
static void stop(struct engine *e, int result)
{
	if (!e->result)
		e->result = result;
	if (e->phase >= PHASE_STOPPING)
		return;
	e->phase = PHASE_STOPPING;
	ecap_kernel_set_active(e->kernel, false);
	ecap_attacher_end(e->attacher);
}

static bool command_is_running(const struct engine *e)
{
	return e->opts->launch && ecap_launch_is_running(e->opts->launch);
}

/*
 * While a command runs, signals are for it: we end when it does. The terminal sends them to all
 * processes in the foreground, the command included, by the kernel; what a process sends it sends
 * to us alone.
 */
static void hand_on_signal(const struct engine *e, const struct signalfd_siginfo *info)
{
	if (info->ssi_code != SI_KERNEL)
		ecap_launch_signal(e->opts->launch, (int)info->ssi_signo);
}

/* The first signal stops in order, a later one at once. */
static void on_signal(struct engine *e)
{
	struct signalfd_siginfo info;
	uint64_t now = ecap_clock_monotonic();

	while (read(e->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (command_is_running(e)) {
			hand_on_signal(e, &info);
		} else if (!e->signal_ns) {
			e->signal_ns = now;
			stop(e, 0);
		} else if (now - e->signal_ns > SAME_SIGNAL_NS) {
			ecap_warn("a second signal: ended at once, output may be incomplete");
			_exit(EXIT_FAILURE);
		}
	}
}

/* ------------------------------------------------------------------------------ phase changes */

/* @period_ns: 0 means once; @first_ns: 0 stops the timer. */
static void set_timer(int fd, uint64_t first_ns, uint64_t period_ns)
{
	const struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(first_ns / 1000000000),
			      .tv_nsec = (long)(first_ns % 1000000000) },
		.it_interval = { .tv_sec = (time_t)(period_ns / 1000000000),
				 .tv_nsec = (long)(period_ns % 1000000000) },
	};

	(void)timerfd_settime(fd, 0, &when, NULL);
}

static int read_stats(const struct engine *e, struct ecap_stats *ret)
{
	const struct ecap_stats_sources from = {
		.kernel = e->kernel,
		.dispatch = e->dispatch,
		.attacher = e->attacher,
		.pipeline = e->pipeline,
		.specs = e->dests.items,
		.outputs = e->outputs,
		.n_outputs = e->dests.n,
		.counts_commands = e->opts->selection.kind == ECAP_PROBE_SHELL,
		.is_of_launched = e->opts->launch,
	};

	return ecap_stats_read(&from, ret);
}

static void emit_stats(struct engine *e, bool is_final)
{
	struct ecap_stats stats;

	(void)read_stats(e, &stats); /* the kernel's numbers are 0 then; the summary says why */
	stats.out.is_final = is_final;
	ecap_dispatch_stats_event(e->dispatch, &stats.out);
}

static void on_notice(struct engine *e, const struct ecap_notice *notice)
{
	const struct ecap_out_target target = {
		.path = notice->path,
		.lib = notice->probe ? notice->probe->name : NULL,
		.attach = ecap_rung_name(ecap_kernel_get_rung(e->kernel)),
		.is_inside = notice->is_inside,
		.is_stepped = notice->is_stepped,
		.n_hooks = notice->n_hooks,
		.n_aliases = notice->n_aliases,
	};

	if (notice->kind == ECAP_NOTICE_TARGET)
		ecap_dispatch_target_event(e->dispatch, &target);
	else if (notice->hooked_ns > e->active_ns)
		ecap_dispatch_late(e->dispatch, notice);
}

/* What the attacher has to tell. */
static void take_notices(struct engine *e)
{
	struct ecap_notice *notice, *next;

	for (notice = ecap_attacher_take_notices(e->attacher); notice; notice = next) {
		next = notice->next;
		if (!e->opts->dry_run)
			on_notice(e, notice);
		ecap_notice_free(notice);
	}
}

static int begin_capture(struct engine *e)
{
	const char *targets = ecap_attacher_get_summary(e->attacher);
	const char *rung = ecap_kernel_describe_rung(e->kernel);
	/* now: until here a file that was made in vain is removed with the rights that made it */
	int r = ecap_privileges_drop(ecap_kernel_get_privileges(e->kernel));

	if (r < 0)
		return r;
	ecap_privileges_warn_missing();
	r = ecap_dests_start(&e->dests);
	if (r < 0)
		return r;
	e->phase = PHASE_CAPTURING;
	e->captured = true;
	ecap_dispatch_begin(e->dispatch);
	take_notices(e);
	ecap_dests_flush(&e->dests);
	ecap_kernel_set_active(e->kernel, !e->opts->dry_run);
	e->active_ns = ecap_clock_monotonic();
	if (e->opts->dry_run)
		ecap_info("capturing nothing (dry run); would hook %s, %s", targets, rung);
	else
		ecap_info("capturing %s, %s", targets, rung);
	set_timer(e->stats_fd, e->opts->stats_ns, e->opts->stats_ns);
	set_timer(e->duration_fd, e->opts->duration_ns, 0);
	ecap_notify_ready();
	if (e->opts->launch && !e->opts->dry_run)
		ecap_launch_go(e->opts->launch);
	else if (e->opts->launch)
		stop(e, 0); /* the command is what would have been waited for */
	return 0;
}

/* Records and timers are over: a descriptor that stays readable would keep the loop awake. */
static void unwatch_records(const struct engine *e)
{
	const int fds[] = { ecap_ring_wake_fd(e->ring),
			    ecap_ring_timer_fd(e->ring),
			    e->stats_fd,
			    e->sweep_fd,
			    e->duration_fd,
			    e->children ? ecap_children_fd(e->children) : -1 };

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(fds); i++)
		(void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fds[i], NULL);
}

static void begin_writing(struct engine *e)
{
	int r = ecap_ring_drain_all(e->ring);

	unwatch_records(e);
	if (r < 0)
		e->result = ecap_err_r(r, "cannot read the kernel's records");
	if (e->captured)
		take_notices(e);
	ecap_dispatch_end(e->dispatch);
	if (e->captured)
		emit_stats(e, true);
	ecap_dests_finish(&e->dests);
	e->phase = PHASE_WRITING;
}

static void check_attacher(struct engine *e)
{
	int r;

	switch (ecap_attacher_get_state(e->attacher)) {
	case ECAP_ATTACHER_WORKING:
		break;
	case ECAP_ATTACHER_READY:
		if (e->phase != PHASE_STARTING)
			break;
		r = begin_capture(e);
		if (r < 0)
			stop(e, r);
		break;
	case ECAP_ATTACHER_FAILED:
		if (e->phase == PHASE_STARTING)
			stop(e, -ENOENT);
		break;
	case ECAP_ATTACHER_QUIET:
		if (e->phase == PHASE_STOPPING)
			begin_writing(e);
		break;
	}
}

static void check_destinations(struct engine *e)
{
	bool all_finished = ecap_dests_finished(&e->dests);
	int err = e->phase < PHASE_STOPPING ? ecap_dests_check(&e->dests) : 0;

	if (err)
		stop(e, err == -EPIPE ? 0 : err); /* whoever read the pipe has seen enough */
	if (e->phase == PHASE_WRITING && all_finished)
		e->phase = PHASE_DONE;
}

static void on_change(struct engine *e)
{
	uint64_t n;

	(void)!read(e->event_fd, &n, sizeof(n));
	if (e->phase == PHASE_CAPTURING)
		take_notices(e);
	check_attacher(e);
	check_destinations(e);
}

/* ------------------------------------------------------------------------------------ the loop */

static void on_records(struct engine *e)
{
	int r = ecap_ring_drain(e->ring);

	ecap_dests_flush(&e->dests);
	if (r < 0)
		stop(e, ecap_err_r(r, "cannot read the kernel's records"));
	if (!e->sweep_is_due)
		set_timer(e->sweep_fd, SWEEP_NS, 0);
	e->sweep_is_due = true;
}

static void on_sweep(struct engine *e)
{
	uint64_t n;
	int r;

	(void)!read(e->sweep_fd, &n, sizeof(n));
	e->sweep_is_due = false;
	r = ecap_sweep(e->kernel, e->ring, e->dispatch);
	ecap_dispatch_idle(e->dispatch);
	ecap_attacher_settle(e->attacher);
	ecap_dests_flush(&e->dests);
	if (r < 0) /* it is tried again; meanwhile a full table refuses, and is counted */
		ecap_debug("the kernel's tables were not cleared: error %d", -r);
}

static void on_stats(struct engine *e)
{
	uint64_t n;

	(void)!read(e->stats_fd, &n, sizeof(n));
	emit_stats(e, false);
	ecap_dests_flush(&e->dests);
}

static void on_duration(struct engine *e)
{
	uint64_t n;

	(void)!read(e->duration_fd, &n, sizeof(n));
	stop(e, 0);
}

/* It has ended, or was killed before it could begin. */
static void on_command_end(struct engine *e)
{
	(void)epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, ecap_launch_fd(e->opts->launch), NULL);
	(void)ecap_launch_wait(e->opts->launch);
	stop(e, 0);
}

/* Links to that process are bound to a task that is gone. */
static void on_moved(void *arg, uint32_t pid)
{
	struct engine *e = arg;

	if (e->phase <= PHASE_CAPTURING)
		ecap_attacher_rebind(e->attacher, pid);
}

static void check_stall(struct engine *e)
{
	int r = ecap_dests_check_stall(&e->dests);

	if (r < 0)
		e->result = r;
}

/*
 * A reader that gets only its fair share among many busy threads loses what they say, although it
 * needs less: the ring is full before its turn comes. The destinations' threads start later and
 * inherit this; the attacher, which reads foreign files, has started and does not.
 */
static void go_first(void)
{
	char why[128];

	if (setpriority(PRIO_PROCESS, 0, -20) == 0)
		return;
	if (errno == EACCES || errno == EPERM)
		ecap_privileges_warn(ECAP_CAP(CAP_SYS_NICE));
	else
		ecap_debug("cannot run before other programs: %s; on a busy host more may be lost",
			   ecap_strerror(errno, why, sizeof(why)));
}

/* Of what is only there until the destinations finish. */
static void on_source(struct engine *e, int fd)
{
	if (fd == e->stats_fd)
		on_stats(e);
	else if (fd == e->sweep_fd)
		on_sweep(e);
	else if (fd == e->duration_fd)
		on_duration(e);
	else if (e->children && fd == ecap_children_fd(e->children))
		ecap_children_forget_ended(e->children);
	else
		on_records(e);
	if (ecap_outputs_limit_is_reached(e->outputs))
		stop(e, 0);
}

static void on_readable(struct engine *e, int fd)
{
	if (fd == e->signal_fd)
		on_signal(e);
	else if (fd == e->event_fd)
		on_change(e);
	else if (e->opts->launch && fd == ecap_launch_fd(e->opts->launch))
		on_command_end(e);
	else if (e->phase < PHASE_WRITING) /* else it came with the change to that phase */
		on_source(e, fd);
}

/* Until all is written, and the command, which may outlive the capture, has ended. */
static int loop(struct engine *e)
{
	struct epoll_event events[8];
	int n;

	go_first();
	while (e->phase != PHASE_DONE || command_is_running(e)) {
		n = epoll_wait(e->epoll_fd, events, ECAP_ARRAY_SIZE(events),
			       e->phase == PHASE_WRITING ? ECAP_DESTS_STALL_MS : -1);
		if (n < 0 && errno != EINTR)
			return ecap_err_r(errno, "cannot wait for events");
		if (!n)
			check_stall(e);
		for (int i = 0; i < n; i++)
			on_readable(e, events[i].data.fd);
	}
	return e->result;
}

static int watch(const struct engine *e, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* ------------------------------------------------------------------------------------ starting */

/* Signals come through a descriptor; blocked before any thread starts, so that none takes them. */
static int open_descriptors(struct engine *e)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of its write */
	(void)signal(SIGCHLD,
		     SIG_DFL); /* some parents leave it ignored: then no child is awaited */

	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	e->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->stats_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	e->sweep_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	e->duration_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (e->epoll_fd < 0 || e->signal_fd < 0 || e->event_fd < 0 || e->stats_fd < 0 ||
	    e->sweep_fd < 0 || e->duration_fd < 0)
		return ecap_err_r(errno, "cannot set up the event loop");
	return 0;
}

static int watch_all(const struct engine *e)
{
	const int fds[] = {
		ecap_ring_timer_fd(e->ring),
		e->signal_fd,
		e->event_fd,
		e->stats_fd,
		e->sweep_fd,
		e->duration_fd,
		e->children ? ecap_children_fd(e->children) : -1,
		e->opts->launch ? ecap_launch_fd(e->opts->launch) : -1,
	};
	int r = watch(e, ecap_ring_wake_fd(e->ring), EPOLLIN | EPOLLET);

	for (size_t i = 0; !r && i < ECAP_ARRAY_SIZE(fds); i++)
		r = fds[i] < 0 ? 0 : watch(e, fds[i], EPOLLIN);
	return r;
}

static int open_kernel(struct engine *e)
{
	const struct ecap_kernel_opts opts = {
		.selection = e->opts->selection,
		.rung = e->opts->rung,
		.ring_bytes = e->opts->ring_bytes,
		.needs_btf = e->opts->needs_btf,
		.pids = e->opts->pids,
		.n_pids = e->opts->n_pids,
		.children = e->opts->children,
		.uids = e->opts->uids,
		.n_uids = e->opts->n_uids,
	};
	int r = ecap_kernel_open(&opts, &e->kernel);

	if (!r && e->opts->children)
		r = ecap_children_open(e->kernel, opts.pids, opts.n_pids, &e->children);
	return r;
}

/*
 * Of how many processes what they run is all that is searched: 0, what all run is. Other libraries
 * may be used by what a process will start; but a command has not begun, so that what it will run
 * is looked for by name. Another namespace's /proc names others by these numbers.
 */
static size_t n_searched(const struct engine *e)
{
	if (!ecap_process_proc_is_ours() || (e->opts->children && !e->opts->launch))
		return 0;
	return e->opts->n_pids;
}

static int start_attacher(struct engine *e)
{
	const struct ecap_attacher_opts opts = {
		.selection = e->opts->selection,
		.library = e->opts->library,
		.pids = e->opts->pids,
		.n_pids = n_searched(e),
		.children = e->opts->children,
		.program = e->opts->program,
		.uids = e->opts->uids,
		.n_uids = e->opts->n_uids,
		.placement = e->opts->placement,
		.can_watch = ecap_process_proc_is_ours(),
		.dry_run = e->opts->dry_run,
		.event_fd = e->event_fd,
	};

	return ecap_attacher_start(&opts, &e->attacher);
}

static int open_pipeline(struct engine *e)
{
	const struct ecap_pipeline_opts opts = {
		.outputs = e->outputs,
		.stream_limit = e->opts->stream_limit,
	};

	return ecap_pipeline_new(&opts, &e->pipeline);
}

static int start(struct engine *e)
{
	struct ecap_dispatch_opts dispatch_opts = { .moved = on_moved, .moved_arg = e };
	int r = ecap_dests_open(&e->dests, e->opts->outputs, e->opts->n_outputs, e->event_fd);

	if (r < 0)
		return r;
	r = start_attacher(e);
	if (r < 0)
		return ecap_err_r(r, "cannot start a thread");
	r = open_kernel(e);
	if (r < 0)
		return r;
	ecap_attacher_hook(e->attacher, e->kernel);
	r = ecap_outputs_new(e->dests.items, e->dests.n, &e->opts->sink_opts, &e->outputs);
	if (!r)
		ecap_outputs_set_limit(e->outputs, e->opts->n_events);
	dispatch_opts.kernel = e->kernel;
	if (!r)
		r = open_pipeline(e);
	dispatch_opts.pipeline = e->pipeline;
	if (!r)
		r = ecap_dispatch_new(&dispatch_opts, &e->dispatch);
	if (!r)
		r = ecap_ring_new(e->kernel, ecap_dispatch_record, e->dispatch, &e->ring);
	if (!r)
		r = watch_all(e);
	if (r < 0)
		return ecap_err_r(r, "cannot set up the capture");
	return 0;
}

static void engine_done(struct engine *e)
{
	ecap_attacher_free(e->attacher);
	ecap_ring_free(e->ring);
	ecap_dispatch_free(e->dispatch);
	ecap_pipeline_free(e->pipeline);
	ecap_outputs_free(e->outputs);
	ecap_dests_done(&e->dests);
	ecap_children_free(e->children);
	ecap_kernel_free(e->kernel);
	ecap_closep(&e->epoll_fd);
	ecap_closep(&e->signal_fd);
	ecap_closep(&e->event_fd);
	ecap_closep(&e->stats_fd);
	ecap_closep(&e->sweep_fd);
	ecap_closep(&e->duration_fd);
}

static void log_summary(const struct engine *e)
{
	struct ecap_stats stats;
	int r = read_stats(e, &stats);

	ecap_summary_log(&stats.out, r);
}

int ecap_engine_run(const struct ecap_engine_opts *opts)
{
	ecap_cleanup(engine_done) struct engine e = {
		.opts = opts,
		.epoll_fd = -1,
		.signal_fd = -1,
		.event_fd = -1,
		.stats_fd = -1,
		.sweep_fd = -1,
		.duration_fd = -1,
	};
	int r = open_descriptors(&e);

	if (!r)
		r = start(&e);
	if (r < 0)
		return r;
	r = loop(&e);
	if (e.captured && !opts->dry_run)
		log_summary(&e);
	return r;
}
