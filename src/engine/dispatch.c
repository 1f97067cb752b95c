/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/kernel.h"
#include "engine/notice.h"
#include "engine/pipeline.h"
#include "engine/record.h"
#include "engine/registry.h"
#include "flow/flow.h"
#include "sinks/event.h"
#include "target/process.h"

/* Twice what the kernel's tables hold: ends of connections may arrive late. */
#define MAX_CONNS     131072
#define MAX_PROCESSES 32768

/* What was noted of a process while it lived; NULL: could not be established. */
struct facts {
	uint32_t pid;
	char comm[ECAP_COMM_LEN + 1];
	bool has_ppid;
	uint32_t ppid;
	char *exe;
	char *container;
};

struct ecap_dispatch {
	struct ecap_kernel *kernel;
	struct ecap_pipeline *pipeline; /* borrowed */
	void (*moved)(void *arg, uint32_t pid);
	void *moved_arg;
	struct ecap_flow *flow;
	struct ecap_clock clock;
	char host[sizeof(((struct utsname *)0)->nodename)];
	uint32_t n_rows;
	bool proc_is_ours; /* else its numbers name other processes */
	uint64_t n_events;
	uint64_t n_bytes;
	uint64_t n_commands;
	uint64_t n_invalid;
	uint64_t n_late;
	/* what loss events have told, per reason: the kernel's counters tell the rest */
	uint64_t told_calls[ECAP_LOSS_REASON_COUNT];
	uint64_t told_bytes[ECAP_LOSS_REASON_COUNT];
};

static const char *const loss_names[] = {
	[ECAP_LOSS_NONE] = "unknown",
	[ECAP_LOSS_RING_FULL] = "ring_full",
	[ECAP_LOSS_THREADS_FULL] = "threads_full",
	[ECAP_LOSS_NESTING] = "nesting",
	[ECAP_LOSS_STREAMS_FULL] = "streams_full",
	[ECAP_LOSS_PAGE_FAULT] = "page_fault",
	[ECAP_LOSS_CALL_TOO_LARGE] = "call_too_large",
	[ECAP_LOSS_MID_CALL] = "mid_call",
	[ECAP_LOSS_LATE_ATTACH] = "late_attach",
};
_Static_assert(ECAP_ARRAY_SIZE(loss_names) == ECAP_LOSS_REASON_COUNT, "a reason without a name");

const char *ecap_loss_name(unsigned int reason)
{
	return loss_names[reason];
}

/* Now, as the records' times are shown: what we say ourselves stays in order with them. */
static uint64_t now(const struct ecap_dispatch *d)
{
	return ecap_clock_to_realtime(&d->clock, ecap_clock_monotonic());
}

/* ---------------------------------------------------------------------------------- processes */

static void facts_free(void *p)
{
	struct facts *facts = p;

	if (!facts)
		return;
	free(facts->exe);
	free(facts->container);
	free(facts);
}

/* A pid or tid of a record; outside our pid namespace the number means nothing here: 0. */
static uint32_t shown_id(const struct ecap_event_hdr *hdr, uint32_t id)
{
	return hdr->flags & ECAP_EVF_FOREIGN_PID ? 0 : id;
}

/*
 * Note what /proc says of the process, unless it has ended or become another program meanwhile:
 * then what we read may belong to that.
 */
static struct facts *facts_read(const struct ecap_dispatch *d, const struct ecap_event_hdr *hdr,
				uint64_t incarnation)
{
	struct facts *facts = calloc(1, sizeof(*facts));
	struct ecap_process_facts now;

	if (!facts)
		return NULL;
	facts->pid = shown_id(hdr, hdr->tgid);
	memcpy(facts->comm, hdr->comm, ECAP_COMM_LEN);
	if (!d->proc_is_ours || (hdr->flags & ECAP_EVF_FOREIGN_PID) ||
	    ecap_process_facts_read((pid_t)hdr->tgid, &now) < 0 ||
	    !ecap_kernel_is_alive(d->kernel, incarnation))
		return facts;
	facts->has_ppid = true;
	facts->ppid = now.ppid;
	facts->exe = now.exe[0] ? strdup(now.exe) : NULL;
	facts->container = now.container[0] ? strdup(now.container) : NULL;
	return facts;
}

/* The process of a record, NULL beyond our limit. */
static struct ecap_flow_process *process_of(struct ecap_dispatch *d,
					    const struct ecap_event_hdr *hdr, uint64_t incarnation)
{
	struct ecap_flow_process *process = NULL;

	if (!incarnation || ecap_flow_get_process(d->flow, incarnation, &process) < 0)
		return NULL;
	if (!process->facts)
		process->facts = facts_read(d, hdr, incarnation);
	return process;
}

/* -------------------------------------------------------------------------------------- events */

/* What all events of a record have in common; ev points into its own storage. */
struct description {
	struct ecap_out_event ev;
	struct ecap_out_process process;
	char comm[ECAP_COMM_LEN + 1];
};

/* What is known of a process without a record of it. */
static void describe_process(const struct ecap_dispatch *d, const struct ecap_flow_process *process,
			     struct description *ret)
{
	const struct facts *facts = process ? process->facts : NULL;

	*ret = (struct description){ .ev.host = d->host };
	if (!facts)
		return;
	memcpy(ret->comm, facts->comm, sizeof(ret->comm));
	ret->process = (struct ecap_out_process){
		.pid = facts->pid,
		.ppid = facts->ppid,
		.has_ppid = facts->has_ppid,
		.comm = ret->comm,
		.exe = facts->exe,
		.container = facts->container,
	};
	ret->ev.process = &ret->process;
}

static void describe(const struct ecap_dispatch *d, const struct ecap_event_hdr *hdr,
		     const struct ecap_flow_process *process, struct description *ret)
{
	describe_process(d, process, ret);
	memcpy(ret->comm, hdr->comm, ECAP_COMM_LEN); /* the thread's, by now */
	ret->process.pid = shown_id(hdr, hdr->tgid);
	ret->process.comm = ret->comm;
	ret->ev.process = &ret->process;
	ret->ev.ts_ns = ecap_clock_to_realtime(&d->clock, hdr->ts_ns);
	ret->ev.tid = shown_id(hdr, hdr->tid);
}

static void describe_with_uid(const struct ecap_dispatch *d, const struct ecap_event_hdr *hdr,
			      const struct ecap_flow_process *process, uint32_t uid,
			      struct description *ret)
{
	describe(d, hdr, process, ret);
	ret->process.uid = uid;
	ret->process.has_uid = true;
}

static enum ecap_out_dir out_dir(unsigned int dir)
{
	return dir == ECAP_SEND ? ECAP_OUT_SEND : ECAP_OUT_RECV;
}

/* Why bytes are missing before a point of a stream. */
struct gap {
	uint64_t end; /* offset of that point */
	uint32_t calls;
	unsigned int reason;
};

/* @ev has everything but the loss. */
static void emit_gap(struct ecap_dispatch *d, struct ecap_out_event ev, const struct gap *gap,
		     int64_t bytes)
{
	if (bytes <= 0)
		return;
	d->told_bytes[gap->reason] += (uint64_t)bytes;
	d->told_calls[gap->reason] += gap->calls;
	ev.type = ECAP_OUT_LOSS;
	ev.loss = (struct ecap_out_loss){
		.reason = ecap_loss_name(gap->reason),
		.off = gap->end - (uint64_t)bytes,
		.bytes = (uint64_t)bytes,
		.calls = gap->calls,
		.has_off = true,
		.has_bytes = true,
	};
	ecap_pipeline_put(d->pipeline, &ev);
}

/* No more comes on @conn; @ev has everything but that. */
static void end_conn(struct ecap_dispatch *d, struct ecap_conn *conn, struct ecap_out_event ev,
		     bool is_closed)
{
	ev.type = ECAP_OUT_CLOSE;
	ev.dir = ECAP_OUT_DIR_UNKNOWN;
	ev.conn.id = conn->id;
	ev.close = (struct ecap_out_close){ .is_closed = is_closed };
	ecap_pipeline_put(d->pipeline, &ev);
	ecap_flow_end_conn(d->flow, conn);
}

/*
 * The connection of @key, NULL beyond a limit. A handle that was born anew is another one; @ev has
 * the time and the process for the end of what it was before.
 */
static struct ecap_conn *conn_of(struct ecap_dispatch *d, struct ecap_flow_process *process,
				 const struct ecap_conn_key *key, const struct ecap_out_event *ev)
{
	struct ecap_conn *conn = NULL;
	int r = process ? ecap_flow_get_conn(d->flow, process, key, &conn) : -ENOSPC;

	if (r == -EEXIST) {
		end_conn(d, conn, *ev, true);
		r = ecap_flow_get_conn(d->flow, process, key, &conn);
	}
	return r < 0 ? NULL : conn;
}

static void on_data(struct ecap_dispatch *d, const struct ecap_data_event *rec)
{
	struct ecap_flow_process *process = process_of(d, &rec->hdr, rec->conn.incarnation);
	const struct gap gap = { rec->off, rec->gap_calls, rec->gap_reason };
	const struct ecap_probe_desc *probe = NULL;
	const struct ecap_hook *hook = ecap_registry_get_row(rec->row, &probe);
	struct ecap_conn *conn;
	struct description about;
	int64_t missing = 0;

	describe_with_uid(d, &rec->hdr, process, rec->uid, &about);
	conn = conn_of(d, process, &rec->conn, &about.ev);
	about.ev.dir = out_dir(rec->dir);
	if (conn) {
		about.ev.conn.id = conn->id;
		missing = ecap_conn_place(conn, rec->dir, rec->off, rec->len);
	}
	if (missing < 0) {
		d->n_invalid++;
		return;
	}
	emit_gap(d, about.ev, &gap, missing);

	about.ev.type = ECAP_OUT_DATA;
	about.ev.data = (struct ecap_out_data){
		.lib = probe->name,
		.fn = hook->symbol,
		.off = rec->off,
		.total = rec->total,
		.bytes = rec->data,
		.len = rec->len,
	};
	d->n_events++;
	d->n_bytes += rec->len;
	ecap_pipeline_put(d->pipeline, &about.ev);
}

static void on_line(struct ecap_dispatch *d, const struct ecap_line_event *rec)
{
	struct ecap_flow_process *process = process_of(d, &rec->hdr, rec->incarnation);
	const struct ecap_probe_desc *probe = NULL;
	const struct ecap_hook *hook = ecap_registry_get_row(rec->row, &probe);
	struct description about;

	describe_with_uid(d, &rec->hdr, process, rec->uid, &about);
	about.ev.type = ECAP_OUT_COMMAND;
	about.ev.dir = ECAP_OUT_DIR_UNKNOWN;
	about.ev.command = (struct ecap_out_command){
		.lib = probe->name,
		.fn = hook->symbol,
		.bytes = rec->data,
		.len = rec->len,
	};
	if (process)
		ecap_flow_count_process(d->flow, process);
	d->n_commands++;
	ecap_pipeline_put(d->pipeline, &about.ev);
}

static void on_loss(struct ecap_dispatch *d, const struct ecap_loss_event *rec)
{
	bool is_line = ecap_registry_get_row(rec->row, NULL)->at == ECAP_AT_LINE;
	struct description about;

	describe_with_uid(d, &rec->hdr, process_of(d, &rec->hdr, rec->conn.incarnation), rec->uid,
			  &about);
	about.ev.dir = is_line ? ECAP_OUT_DIR_UNKNOWN : out_dir(rec->dir);
	if (rec->bytes != ECAP_BYTES_UNKNOWN)
		d->told_bytes[rec->reason] += rec->bytes;
	d->told_calls[rec->reason] += rec->calls;
	about.ev.type = ECAP_OUT_LOSS;
	about.ev.loss = (struct ecap_out_loss){
		.reason = ecap_loss_name(rec->reason),
		.bytes = rec->bytes,
		.calls = rec->calls,
		.has_bytes = rec->bytes != ECAP_BYTES_UNKNOWN,
	};
	ecap_pipeline_put(d->pipeline, &about.ev);
}

/* Report what is missing between the last record of a direction and its end. */
static void end_stream(struct ecap_dispatch *d, struct ecap_conn *conn, unsigned int dir,
		       const struct gap *gap, struct ecap_out_event ev)
{
	ev.dir = out_dir(dir);
	ev.conn.id = conn->id;
	emit_gap(d, ev, gap, ecap_conn_place(conn, dir, gap->end, 0));
}

static void on_conn_end(struct ecap_dispatch *d, const struct ecap_conn_end_event *rec)
{
	struct ecap_flow_process *process;
	struct ecap_conn *conn;
	struct description about;

	if (!rec->off[ECAP_SEND] && !rec->off[ECAP_RECV])
		return; /* it never carried anything */
	process = process_of(d, &rec->hdr, rec->conn.incarnation);
	describe_with_uid(d, &rec->hdr, process, rec->uid, &about);
	conn = conn_of(d, process, &rec->conn, &about.ev);
	if (!conn)
		return;
	for (unsigned int dir = 0; dir < ECAP_DIR_COUNT; dir++) {
		const struct gap gap = { rec->off[dir], rec->gap_calls[dir], rec->gap_reason[dir] };

		end_stream(d, conn, dir, &gap, about.ev);
	}
	end_conn(d, conn, about.ev, true);
}

/* Without a record that says where its streams ended, ask the kernel's table. */
static void end_conn_by_table(struct ecap_dispatch *d, struct ecap_conn *conn,
			      const struct ecap_out_event *ev, bool is_closed)
{
	struct ecap_stream_key key = {
		.incarnation = conn->key.incarnation,
		.handle = conn->key.handle,
	};
	struct ecap_stream last;

	if (ecap_kernel_take_stream(d->kernel, &key, &last) == 0 &&
	    last.born_ns == conn->key.born_ns) {
		for (unsigned int dir = 0; dir < ECAP_DIR_COUNT; dir++) {
			const struct gap gap = { last.seen[dir], last.gap_calls[dir],
						 last.gap_reason[dir] };

			end_stream(d, conn, dir, &gap, *ev);
		}
	}
	end_conn(d, conn, *ev, is_closed);
}

static void end_process(struct ecap_dispatch *d, struct ecap_flow_process *process,
			const struct ecap_out_event *ev, bool is_closed)
{
	while (process->conns)
		end_conn_by_table(d, process->conns, ev, is_closed);
	ecap_flow_end_process(d->flow, process);
}

static void on_proc_start(struct ecap_dispatch *d, const struct ecap_proc_event *rec)
{
	(void)process_of(d, &rec->hdr, rec->incarnation);
}

static void on_proc_end(struct ecap_dispatch *d, const struct ecap_proc_event *rec)
{
	struct ecap_flow_process *process = ecap_flow_find_process(d->flow, rec->incarnation);
	struct description about;

	if (!process)
		return;
	describe(d, &rec->hdr, process, &about);
	end_process(d, process, &about.ev, true);
}

/* Until its links are bound anew, nothing that the process says is seen. */
static void on_proc_moved(struct ecap_dispatch *d, const struct ecap_proc_event *rec)
{
	struct description about;

	describe(d, &rec->hdr, NULL, &about);
	about.ev.type = ECAP_OUT_LOSS;
	about.ev.dir = ECAP_OUT_DIR_UNKNOWN;
	about.ev.loss = (struct ecap_out_loss){
		.reason = ecap_loss_name(ECAP_LOSS_LATE_ATTACH),
		.calls = 1,
	};
	d->told_calls[ECAP_LOSS_LATE_ATTACH]++;
	ecap_pipeline_put(d->pipeline, &about.ev);
	d->moved(d->moved_arg, rec->hdr.tgid);
}

void ecap_dispatch_end_processes(struct ecap_dispatch *d,
				 bool (*ends)(void *arg, uint64_t incarnation), void *arg)
{
	struct ecap_flow_process *process, *next;

	for (process = ecap_flow_first_process(d->flow); process; process = next) {
		struct description about;

		next = process->next;
		if (ends && !ends(arg, process->incarnation))
			continue;
		describe_process(d, process, &about);
		about.ev.ts_ns = now(d);
		end_process(d, process, &about.ev, ends != NULL);
	}
}

void ecap_dispatch_record(void *arg, const void *data, size_t size)
{
	struct ecap_dispatch *d = arg;
	const struct ecap_event_hdr *hdr = ecap_record_check(data, size, d->n_rows);

	if (!hdr) {
		d->n_invalid++;
		return;
	}
	switch ((enum ecap_event_kind)hdr->kind) {
	case ECAP_EV_DATA:
		on_data(d, data);
		break;
	case ECAP_EV_LOSS:
		on_loss(d, data);
		break;
	case ECAP_EV_CONN_END:
		on_conn_end(d, data);
		break;
	case ECAP_EV_PROC_START:
		on_proc_start(d, data);
		break;
	case ECAP_EV_PROC_END:
		on_proc_end(d, data);
		break;
	case ECAP_EV_PROC_MOVED:
		on_proc_moved(d, data);
		break;
	case ECAP_EV_LINE:
		on_line(d, data);
		break;
	case ECAP_EV_NONE:
		break;
	}
}

/* Losses of which each has an event of its own; those in a stream can share one. */
static bool is_told_by_call(unsigned int reason)
{
	return reason != ECAP_LOSS_RING_FULL && reason != ECAP_LOSS_PAGE_FAULT &&
	       reason != ECAP_LOSS_CALL_TOO_LARGE;
}

/* Losses that no record could tell of, because the records of their ends were lost, too. */
static void emit_untold(struct ecap_dispatch *d, struct ecap_out_event ev)
{
	uint64_t counters[ECAP_CTR_COUNT];

	if (ecap_kernel_read_counters(d->kernel, counters) < 0)
		return;
	ev.type = ECAP_OUT_LOSS;
	ev.dir = ECAP_OUT_DIR_UNKNOWN;
	for (unsigned int reason = 0; reason < ECAP_LOSS_REASON_COUNT; reason++) {
		uint64_t bytes = counters[ECAP_CTR_LOST_BYTES + reason];
		uint64_t calls = counters[ECAP_CTR_LOST_CALLS + reason];

		bytes -= bytes > d->told_bytes[reason] ? d->told_bytes[reason] : bytes;
		calls -= calls > d->told_calls[reason] ? d->told_calls[reason] : calls;
		if (!bytes && !(calls && is_told_by_call(reason)))
			continue;
		ev.loss = (struct ecap_out_loss){
			.reason = ecap_loss_name(reason),
			.bytes = bytes,
			.calls = calls,
			.has_bytes = bytes > 0,
		};
		ecap_pipeline_put(d->pipeline, &ev);
	}
}

void ecap_dispatch_end(struct ecap_dispatch *d)
{
	struct ecap_out_event end = { .ts_ns = now(d), .host = d->host };

	ecap_dispatch_end_processes(d, NULL, NULL);
	emit_untold(d, end);
	ecap_pipeline_end(d->pipeline, &end);
}

/* An event of ours, not of a process. */
static struct ecap_out_event own_event(const struct ecap_dispatch *d, enum ecap_out_type type)
{
	return (struct ecap_out_event){
		.type = type,
		.ts_ns = now(d),
		.host = d->host,
		.dir = ECAP_OUT_DIR_UNKNOWN,
	};
}

void ecap_dispatch_begin(struct ecap_dispatch *d)
{
	struct ecap_out_event begin = { .ts_ns = now(d), .host = d->host };

	ecap_pipeline_begin(d->pipeline, &begin);
}

void ecap_dispatch_target_event(struct ecap_dispatch *d, const struct ecap_out_target *target)
{
	struct ecap_out_event ev = own_event(d, ECAP_OUT_TARGET);

	ev.target = *target;
	ecap_pipeline_put(d->pipeline, &ev);
}

void ecap_dispatch_late(struct ecap_dispatch *d, const struct ecap_notice *notice)
{
	const struct ecap_process_facts *facts = notice->has_facts ? &notice->facts : NULL;
	const struct ecap_out_process process = {
		.pid = notice->pid,
		.has_ppid = facts,
		.ppid = facts ? facts->ppid : 0,
		.has_uid = facts,
		.uid = facts ? facts->uid : 0,
		.comm = facts ? facts->comm : NULL,
		.exe = facts && facts->exe[0] ? facts->exe : NULL,
		.container = facts && facts->container[0] ? facts->container : NULL,
	};
	struct ecap_out_event ev = own_event(d, ECAP_OUT_LOSS);

	ev.process = notice->pid ? &process : NULL;
	ev.loss = (struct ecap_out_loss){
		.reason = ecap_loss_name(ECAP_LOSS_LATE_ATTACH),
		.calls = notice->n_processes,
	};
	d->n_late += notice->n_processes;
	ecap_pipeline_put(d->pipeline, &ev);
}

void ecap_dispatch_idle(struct ecap_dispatch *d)
{
	struct ecap_out_event ev = own_event(d, ECAP_OUT_IDLE);

	ecap_pipeline_put(d->pipeline, &ev);
}

void ecap_dispatch_stats_event(struct ecap_dispatch *d, const struct ecap_out_stats *stats)
{
	struct ecap_out_event ev = own_event(d, ECAP_OUT_STATS);

	ev.stats = stats;
	ecap_pipeline_put(d->pipeline, &ev);
}

/* ----------------------------------------------------------------------------------- life cycle */

int ecap_dispatch_new(const struct ecap_dispatch_opts *opts, struct ecap_dispatch **ret)
{
	const struct ecap_flow_limits limits = {
		.max_processes = MAX_PROCESSES,
		.max_conns = MAX_CONNS,
		.free_facts = facts_free,
	};
	ecap_cleanup(ecap_dispatch_freep) struct ecap_dispatch *d = calloc(1, sizeof(*d));
	struct utsname uts;
	int r;

	if (!d)
		return -ENOMEM;
	r = ecap_flow_new(&limits, &d->flow);
	if (r < 0)
		return r;
	if (uname(&uts) < 0)
		return -errno;
	memcpy(d->host, uts.nodename, sizeof(d->host));
	ecap_clock_init(&d->clock);
	d->kernel = opts->kernel;
	d->pipeline = opts->pipeline;
	d->moved = opts->moved;
	d->moved_arg = opts->moved_arg;
	d->n_rows = ecap_registry_n_rows();
	d->proc_is_ours = ecap_process_proc_is_ours();
	*ret = ecap_take_ptr(d);
	return 0;
}

void ecap_dispatch_free(struct ecap_dispatch *d)
{
	if (!d)
		return;
	ecap_flow_free(d->flow);
	free(d);
}

struct ecap_dispatch_stats ecap_dispatch_get_stats(const struct ecap_dispatch *d)
{
	return (struct ecap_dispatch_stats){
		.n_events = d->n_events,
		.n_bytes = d->n_bytes,
		.n_commands = d->n_commands,
		.n_conns = ecap_flow_n_conns(d->flow),
		.n_processes = ecap_flow_n_processes(d->flow),
		.n_invalid = d->n_invalid,
		.n_late = d->n_late,
	};
}
