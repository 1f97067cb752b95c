/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/dest.h"
#include "engine/dests.h"
#include "engine/engine.h"
#include "engine/pipeline.h"
#include "sinks/capture_format.h"
#include "sinks/capture_reader.h"

/* What an output may hold back: nothing is lost if it is slow, so little is enough. */
#define QUEUE_MAX (4u << 20)

/* Each place of damage is named, unless there are very many. */
#define MAX_TOLD 20

struct replay {
	const struct ecap_replay_opts *opts;
	const char *name; /* of the input, for messages */
	int fd;
	uint64_t left; /* bytes of it that are read yet */
	int signal_fd;
	int event_fd; /* the destinations': something changed */
	struct ecap_dests dests;
	struct ecap_outputs *outputs;
	struct ecap_pipeline *pipeline;
	struct ecap_capture_reader *reader;

	bool has_begun;	     /* something whole was found: the outputs are in use */
	bool has_ended;	     /* and know that nothing more comes */
	bool is_damage_due;  /* a loss event stands in its place */
	bool is_interrupted; /* a signal came */
	bool is_stopped;     /* nothing more is put out */
	int result;	     /* 0, or a negative errno that was logged */
	uint64_t last_ts_ns; /* of the last event */
	bool has_host;
	char host[ECAP_CAPTURE_MAX_NAME + 1];
};

/* ------------------------------------------------------------------------------------ stopping */

/* The first reason counts. */
static void stop(struct replay *rp, int result)
{
	rp->is_stopped = true;
	if (!rp->result)
		rp->result = result;
}

static void check_signal(struct replay *rp)
{
	struct signalfd_siginfo info;

	while (read(rp->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (rp->is_interrupted)
			continue;
		rp->is_interrupted = true;
		if (rp->has_ended)
			continue;
		ecap_warn("stopped by a signal, before all of %s was shown", rp->name);
		stop(rp, -EINTR);
	}
}

static void check_destinations(struct replay *rp)
{
	uint64_t n;
	int err;

	(void)!read(rp->event_fd, &n, sizeof(n));
	err = rp->is_stopped ? 0 : ecap_dests_check(&rp->dests);
	if (err)
		stop(rp, err == -EPIPE ? 0 : err); /* whoever read the pipe has seen enough */
}

/* Wait until something happens, or @timeout_ms; with @with_input also for that to be readable. */
static void wait_for_change(struct replay *rp, bool with_input, int timeout_ms)
{
	struct pollfd p[] = {
		{ .fd = rp->signal_fd, .events = POLLIN },
		{ .fd = rp->event_fd, .events = POLLIN },
		{ .fd = with_input ? rp->fd : -1, .events = POLLIN },
	};

	if (poll(p, ECAP_ARRAY_SIZE(p), timeout_ms) <= 0)
		return;
	if (p[0].revents)
		check_signal(rp);
	if (p[1].revents)
		check_destinations(rp);
}

static void wait_for_room(void *arg, struct ecap_dest *dest)
{
	struct replay *rp = arg;

	while (!rp->is_stopped && !ecap_dest_has_room(dest))
		wait_for_change(rp, false, -1);
}

/* ----------------------------------------------------------------------------------- the items */

/* What we say of the capture, with the time and the host of what came last. */
static struct ecap_out_event own_event(const struct replay *rp)
{
	return (struct ecap_out_event){
		.ts_ns = rp->last_ts_ns,
		.host = rp->has_host ? rp->host : NULL,
		.dir = ECAP_OUT_DIR_UNKNOWN,
	};
}

static void note_origin(struct replay *rp, const struct ecap_out_event *ev)
{
	rp->last_ts_ns = ev->ts_ns;
	if (!ev->host || rp->has_host)
		return;
	rp->has_host = true;
	memcpy(rp->host, ev->host, strlen(ev->host) + 1); /* the reader bounds it */
}

static void put_damage(struct replay *rp)
{
	struct ecap_out_event ev = own_event(rp);

	if (!rp->is_damage_due)
		return;
	rp->is_damage_due = false;
	ev.type = ECAP_OUT_LOSS;
	ev.loss = (struct ecap_out_loss){ .reason = "damaged_capture" };
	ecap_pipeline_put(rp->pipeline, &ev);
}

/* Outputs are not touched before there is something for them. */
static int begin(struct replay *rp)
{
	struct ecap_out_event ev = own_event(rp);
	int r = ecap_dests_start(&rp->dests);

	if (r < 0)
		return r;
	rp->has_begun = true;
	ecap_pipeline_begin(rp->pipeline, &ev);
	return 0;
}

static void on_damage(struct replay *rp, const struct ecap_capture_item *item)
{
	const uint64_t n = ecap_capture_reader_totals(rp->reader).damages;

	rp->is_damage_due = true;
	if (!item->off)
		ecap_warn("%s does not begin like a capture file; looking for what is whole in it",
			  rp->name);
	else if (n <= MAX_TOLD)
		ecap_warn("%s is damaged at offset %" PRIu64 ": %s", rp->name, item->off,
			  item->what);
	if (n == MAX_TOLD)
		ecap_warn("more damage is only counted");
}

static int on_item(struct replay *rp, const struct ecap_capture_item *item)
{
	int r;

	if (item->type == ECAP_CAPTURE_ITEM_DAMAGE) {
		on_damage(rp, item);
		return 0;
	}
	note_origin(rp, &item->event);
	r = rp->has_begun ? 0 : begin(rp);
	if (r < 0)
		return r;
	put_damage(rp);
	if (item->type == ECAP_CAPTURE_ITEM_EVENT)
		ecap_pipeline_put(rp->pipeline, &item->event);
	return 0;
}

static int take_items(struct replay *rp)
{
	struct ecap_capture_item item;
	int r = 0;

	while (!rp->is_stopped && (r = ecap_capture_reader_next(rp->reader, &item)) > 0) {
		r = on_item(rp, &item);
		if (r < 0)
			return r;
	}
	if (r == -EPROTONOSUPPORT) {
		ecap_err("%s is a capture file of version %u; this ecapture reads version %d",
			 rp->name, ecap_capture_reader_totals(rp->reader).version,
			 ECAP_CAPTURE_VERSION);
	}
	return r < 0 ? r : 0;
}

/* -------------------------------------------------------------------------------------- the end */

/* The input was read to its end: say what was wrong with it. */
static int judge(const struct replay *rp)
{
	const struct ecap_capture_totals t = ecap_capture_reader_totals(rp->reader);

	if (!t.bytes)
		ecap_err("%s is empty: a capture file has a header at least", rp->name);
	else if (!t.version)
		ecap_err("%s is not a capture file, as `ecapture -o capture=FILE` makes them: it "
			 "has no block of one",
			 rp->name);
	if (!t.version)
		return -EBADMSG;
	if (t.unknown)
		ecap_warn("%s has %" PRIu64 " block%s of kinds that this ecapture does not know; "
			  "they were left out",
			  rp->name, t.unknown, t.unknown == 1 ? "" : "s");
	if (!t.has_end)
		ecap_warn("%s is unfinished: the capture runs yet, was killed, or the disk was "
			  "full; what would come after is not known",
			  rp->name);
	if (!t.damages)
		return 0;
	ecap_err("%s is damaged in %" PRIu64 " place%s: %" PRIu64 " of %" PRIu64 " bytes are of "
		 "no use, the rest was shown",
		 rp->name, t.damages, t.damages == 1 ? "" : "s", t.skipped, t.bytes);
	return -EBADMSG;
}

static void end_outputs(struct replay *rp)
{
	struct ecap_out_event end = own_event(rp);

	if (rp->is_stopped || !rp->has_begun)
		return;
	put_damage(rp);
	ecap_pipeline_end(rp->pipeline, &end);
}

/* A reader may take its time, unless we are asked to end. */
static void finish(struct replay *rp)
{
	int r;

	rp->has_ended = true;
	ecap_dests_finish(&rp->dests);
	while (!ecap_dests_finished(&rp->dests)) {
		wait_for_change(rp, false, rp->is_interrupted ? ECAP_DESTS_STALL_MS : -1);
		r = rp->is_interrupted ? ecap_dests_check_stall(&rp->dests) : 0;
		if (r < 0)
			stop(rp, r);
	}
	check_destinations(rp);
}

/* -------------------------------------------------------------------------------------- reading */

/* Returns how much came, 0 at the end; or a negative errno, logged. */
static int read_more(struct replay *rp)
{
	size_t room;
	uint8_t *to = ecap_capture_reader_space(rp->reader, &room);
	ssize_t n = read(rp->fd, to, room < rp->left ? room : rp->left);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n < 0)
		return ecap_err_r(errno, "cannot read %s", rp->name);
	ecap_capture_reader_fill(rp->reader, (size_t)n);
	rp->left -= (uint64_t)n;
	return n > 0;
}

static int replay(struct replay *rp)
{
	int more = 1, r = 0;

	while (more > 0 && !r && !rp->is_stopped) {
		wait_for_change(rp, true, -1);
		if (rp->is_stopped)
			break;
		more = read_more(rp);
		r = more < 0 ? more : take_items(rp);
		ecap_dests_flush(&rp->dests);
	}
	if (!r && !rp->is_stopped)
		r = judge(rp);
	end_outputs(rp);
	finish(rp);
	return rp->result ? rp->result : r;
}

/* ------------------------------------------------------------------------------------- starting */

static int open_descriptors(struct replay *rp)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of its write */
	rp->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	rp->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rp->signal_fd < 0 || rp->event_fd < 0)
		return ecap_err_r(errno, "cannot set up the replay");
	return 0;
}

static int open_input(struct replay *rp)
{
	struct stat st;

	if (strcmp(rp->opts->file, "-") == 0) {
		rp->name = "standard input";
		rp->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	} else {
		rp->fd = open(rp->opts->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (rp->fd < 0)
		return ecap_err_r(errno, "cannot open %s", rp->name);
	if (isatty(rp->fd)) {
		ecap_err("%s is a terminal; name a capture file", rp->name);
		return -ENOTTY;
	}
	/* a capture that still runs may write faster than we show: to its present end */
	rp->left = UINT64_MAX;
	if (fstat(rp->fd, &st) == 0 && S_ISREG(st.st_mode))
		rp->left = (uint64_t)st.st_size;
	return 0;
}

static int open_dests(struct replay *rp)
{
	int r = ecap_dests_open(&rp->dests, rp->opts->outputs, rp->opts->n_outputs, rp->event_fd);

	for (size_t i = 0; !r && i < rp->dests.n; i++) {
		struct ecap_dest *dest = rp->dests.items[i].dest;

		ecap_dest_set_limit(dest, QUEUE_MAX);
		if (ecap_dest_is_fd(dest, rp->fd)) {
			ecap_err("%s is the file that is replayed; write to another one",
				 ecap_dest_get_name(dest));
			r = -EINVAL;
		}
	}
	return r;
}

static int start(struct replay *rp)
{
	struct ecap_pipeline_opts pipeline_opts = { .stream_limit = rp->opts->stream_limit };
	int r = open_input(rp);

	if (!r)
		r = open_descriptors(rp);
	if (!r)
		r = open_dests(rp);
	if (r < 0)
		return r;
	r = ecap_capture_reader_new(&rp->reader);
	if (!r)
		r = ecap_outputs_new(rp->dests.items, rp->dests.n, &rp->opts->sink_opts,
				     &rp->outputs);
	pipeline_opts.outputs = rp->outputs;
	if (!r)
		r = ecap_pipeline_new(&pipeline_opts, &rp->pipeline);
	if (r < 0)
		return ecap_err_r(r, "cannot set up the replay");
	ecap_outputs_set_filter(rp->outputs, &rp->opts->filter);
	ecap_outputs_set_wait(rp->outputs, wait_for_room, rp);
	return 0;
}

static void replay_done(struct replay *rp)
{
	ecap_pipeline_free(rp->pipeline);
	ecap_outputs_free(rp->outputs);
	ecap_capture_reader_free(rp->reader);
	ecap_dests_done(&rp->dests);
	ecap_closep(&rp->fd);
	ecap_closep(&rp->signal_fd);
	ecap_closep(&rp->event_fd);
}

int ecap_replay_run(const struct ecap_replay_opts *opts)
{
	ecap_cleanup(replay_done) struct replay rp = {
		.opts = opts,
		.name = opts->file,
		.fd = -1,
		.signal_fd = -1,
		.event_fd = -1,
	};
	int r = start(&rp);

	if (r < 0)
		return r;
	r = replay(&rp);
	return r < 0 ? r : 0;
}
