/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/dest.h"
#include "engine/kernel.h"
#include "engine/record.h"
#include "engine/registry.h"
#include "flow/flow.h"
#include "sinks/event.h"
#include "target/process.h"

/* Twice what the kernel's tables hold: ends of connections may arrive late. */
#define MAX_CONNS     131072
#define MAX_PROCESSES 32768
#define MAX_OUTPUTS   16

/* What was noted of a process while it lived; NULL: could not be established. */
struct facts {
	uint32_t pid;
	char comm[ECAP_COMM_LEN + 1];
	bool has_ppid;
	uint32_t ppid;
	char *exe;
	char *container;
};

struct output {
	struct ecap_output spec;
	/* refused since the last event that was taken: reported before the next one */
	uint64_t refused_events;
	uint64_t refused_bytes;
};

struct ecap_dispatch {
	struct ecap_kernel *kernel;
	struct output outputs[MAX_OUTPUTS];
	size_t n_outputs;
	struct ecap_sink_opts sink_opts;
	struct ecap_flow *flow;
	struct ecap_clock clock;
	char host[sizeof(((struct utsname *)0)->nodename)];
	uint32_t n_rows;
	uint64_t n_events;
	uint64_t n_bytes;
	uint64_t n_invalid;
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
};
_Static_assert(ECAP_ARRAY_SIZE(loss_names) == ECAP_LOSS_REASON_COUNT, "a reason without a name");

const char *ecap_loss_name(unsigned int reason)
{
	return loss_names[reason];
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
	if ((hdr->flags & ECAP_EVF_FOREIGN_PID) ||
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

/* ------------------------------------------------------------------------------------- outputs */

static void put_event(const struct ecap_dispatch *d, struct output *o, struct ecap_buf *buf,
		      const struct ecap_out_event *ev)
{
	int r = o->spec.sink->format(ev, &d->sink_opts, buf);

	ecap_dest_commit(o->spec.dest, r == 0);
}

/* What a slow destination did not take, in the place where it is missing. */
static bool put_refused(const struct ecap_dispatch *d, struct output *o, uint64_t ts_ns)
{
	struct ecap_out_event ev = {
		.type = ECAP_OUT_LOSS,
		.ts_ns = ts_ns,
		.host = d->host,
		.dir = ECAP_OUT_DIR_UNKNOWN,
		.loss = {
			.reason = "slow_output",
			.bytes = o->refused_bytes,
			.calls = o->refused_events,
			.has_bytes = true,
		},
	};
	struct ecap_buf *buf = ecap_dest_admit(o->spec.dest);

	if (!buf)
		return false;
	put_event(d, o, buf, &ev);
	o->refused_events = 0;
	o->refused_bytes = 0;
	return true;
}

static void emit(struct ecap_dispatch *d, const struct ecap_out_event *ev)
{
	for (size_t i = 0; i < d->n_outputs; i++) {
		struct output *o = &d->outputs[i];
		struct ecap_buf *buf = NULL;

		if (!o->refused_events || put_refused(d, o, ev->ts_ns))
			buf = ecap_dest_admit(o->spec.dest);
		if (buf) {
			put_event(d, o, buf, ev);
			continue;
		}
		o->refused_events++;
		if (ev->type == ECAP_OUT_DATA)
			o->refused_bytes += ev->data.len;
	}
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
	ev.type = ECAP_OUT_LOSS;
	ev.loss = (struct ecap_out_loss){
		.reason = ecap_loss_name(gap->reason),
		.off = gap->end - (uint64_t)bytes,
		.bytes = (uint64_t)bytes,
		.calls = gap->calls,
		.has_off = true,
		.has_bytes = true,
	};
	emit(d, &ev);
}

static void on_data(struct ecap_dispatch *d, const struct ecap_data_event *rec)
{
	struct ecap_flow_process *process = process_of(d, &rec->hdr, rec->conn.incarnation);
	const struct gap gap = { rec->off, rec->gap_calls, rec->gap_reason };
	const struct ecap_probe_desc *probe = NULL;
	const struct ecap_hook *hook = ecap_registry_get_row(rec->row, &probe);
	struct ecap_conn *conn = NULL;
	struct description about;
	int64_t missing = 0;

	describe_with_uid(d, &rec->hdr, process, rec->uid, &about);
	about.ev.dir = out_dir(rec->dir);
	if (process && ecap_flow_get_conn(d->flow, process, &rec->conn, &conn) == 0) {
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
	emit(d, &about.ev);
}

static void on_loss(struct ecap_dispatch *d, const struct ecap_loss_event *rec)
{
	struct description about;

	describe_with_uid(d, &rec->hdr, process_of(d, &rec->hdr, rec->conn.incarnation), rec->uid,
			  &about);
	about.ev.dir = out_dir(rec->dir);
	about.ev.type = ECAP_OUT_LOSS;
	about.ev.loss = (struct ecap_out_loss){
		.reason = ecap_loss_name(rec->reason),
		.bytes = rec->bytes,
		.calls = rec->calls,
		.has_bytes = rec->bytes != ECAP_BYTES_UNKNOWN,
	};
	emit(d, &about.ev);
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
	struct ecap_conn *conn = NULL;
	struct description about;

	if (!rec->off[ECAP_SEND] && !rec->off[ECAP_RECV])
		return; /* it never carried anything */
	process = process_of(d, &rec->hdr, rec->conn.incarnation);
	if (!process || ecap_flow_get_conn(d->flow, process, &rec->conn, &conn) < 0)
		return;
	describe_with_uid(d, &rec->hdr, process, rec->uid, &about);
	for (unsigned int dir = 0; dir < ECAP_DIR_COUNT; dir++) {
		const struct gap gap = { rec->off[dir], rec->gap_calls[dir], rec->gap_reason[dir] };

		end_stream(d, conn, dir, &gap, about.ev);
	}
	ecap_flow_end_conn(d->flow, conn);
}

/* Without a record that says where its streams ended, ask the kernel's table. */
static void end_conn_by_table(struct ecap_dispatch *d, struct ecap_conn *conn,
			      const struct ecap_out_event *ev)
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
	ecap_flow_end_conn(d->flow, conn);
}

static void end_process(struct ecap_dispatch *d, struct ecap_flow_process *process,
			const struct ecap_out_event *ev)
{
	while (process->conns)
		end_conn_by_table(d, process->conns, ev);
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
	end_process(d, process, &about.ev);
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
	case ECAP_EV_NONE:
		break;
	}
}

void ecap_dispatch_end(struct ecap_dispatch *d)
{
	uint64_t now = ecap_clock_now();
	struct ecap_flow_process *process;

	while ((process = ecap_flow_first_process(d->flow))) {
		struct description about;

		describe_process(d, process, &about);
		about.ev.ts_ns = now;
		end_process(d, process, &about.ev);
	}
	for (size_t i = 0; i < d->n_outputs; i++) {
		if (d->outputs[i].refused_events)
			(void)put_refused(d, &d->outputs[i], now);
	}
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
	if (opts->n_outputs > MAX_OUTPUTS)
		return -E2BIG;
	r = ecap_flow_new(&limits, &d->flow);
	if (r < 0)
		return r;
	if (uname(&uts) < 0)
		return -errno;
	memcpy(d->host, uts.nodename, sizeof(d->host));
	ecap_clock_init(&d->clock);
	d->kernel = opts->kernel;
	d->sink_opts = opts->sink_opts;
	d->n_rows = ecap_registry_n_rows();
	for (size_t i = 0; i < opts->n_outputs; i++)
		d->outputs[d->n_outputs++].spec = opts->outputs[i];
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
		.n_conns = ecap_flow_n_conns(d->flow),
		.n_processes = ecap_flow_n_processes(d->flow),
		.n_invalid = d->n_invalid,
	};
}
