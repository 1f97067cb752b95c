/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
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

/* One direction of a connection, as a key: no padding. */
struct direction {
	uint64_t conn_id;
	uint64_t dir;
};

/* What an output did not take of one direction, since it last took something of it. */
struct missing {
	struct direction where;
	uint64_t off;
	uint64_t bytes;
	uint64_t events;
};

struct output {
	struct ecap_output spec;
	struct ecap_hash *missing; /* struct direction -> struct missing, owned */
	uint64_t refused_bytes;
};

struct ecap_dispatch {
	struct ecap_kernel *kernel;
	struct output outputs[ECAP_MAX_OUTPUTS];
	size_t n_outputs;
	struct ecap_sink_opts sink_opts;
	struct ecap_flow *flow;
	struct ecap_clock clock;
	char host[sizeof(((struct utsname *)0)->nodename)];
	uint32_t n_rows;
	bool proc_is_ours; /* else its numbers name other processes */
	uint64_t n_events;
	uint64_t n_bytes;
	uint64_t n_invalid;
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

/* ------------------------------------------------------------------------------------- outputs */

static void put_event(const struct ecap_dispatch *d, struct output *o, struct ecap_buf *buf,
		      const struct ecap_out_event *ev)
{
	int r = o->spec.sink->format(ev, &d->sink_opts, buf);

	ecap_dest_commit(o->spec.dest, r == 0);
}

/* How many bytes of its stream the event stands for, and where. false: it has no such place. */
static bool event_range(const struct ecap_out_event *ev, uint64_t *ret_off, uint64_t *ret_bytes)
{
	if (ev->type == ECAP_OUT_DATA) {
		*ret_off = ev->data.off;
		*ret_bytes = ev->data.len;
		return true;
	}
	*ret_off = ev->loss.off;
	*ret_bytes = ev->loss.bytes;
	return ev->loss.has_off && ev->loss.has_bytes;
}

static struct direction direction_of(const struct ecap_out_event *ev)
{
	return (struct direction){ .conn_id = ev->conn.id, .dir = ev->dir };
}

/* The output does not take @ev: remember what is missing, for the next event that it takes. */
static void note_refused(struct output *o, const struct ecap_out_event *ev)
{
	ecap_autofree struct missing *fresh = NULL;
	struct direction where = direction_of(ev);
	struct missing *m = ecap_hash_find(o->missing, &where);
	uint64_t off, bytes;

	if (!event_range(ev, &off, &bytes))
		return;
	o->refused_bytes += bytes;
	if (m) {
		m->bytes += bytes;
		m->events++;
		return;
	}
	fresh = malloc(sizeof(*fresh));
	if (!fresh)
		return;
	*fresh = (struct missing){ .where = where, .off = off, .bytes = bytes, .events = 1 };
	if (ecap_hash_insert(o->missing, &where, fresh) == 0)
		(void)ecap_take_ptr(fresh); /* else the summary alone has it */
}

/* Say what the output missed before @ev, of which only the origin is used. false: no room yet. */
static bool put_missing(const struct ecap_dispatch *d, struct output *o, struct missing *m,
			struct ecap_out_event ev)
{
	struct ecap_buf *buf = ecap_dest_admit(o->spec.dest);

	if (!buf)
		return false;
	ev.type = ECAP_OUT_LOSS;
	ev.dir = (enum ecap_out_dir)m->where.dir;
	ev.conn.id = m->where.conn_id;
	ev.loss = (struct ecap_out_loss){
		.reason = "slow_output",
		.off = m->off,
		.bytes = m->bytes,
		.calls = m->events,
		.has_off = true,
		.has_bytes = true,
	};
	put_event(d, o, buf, &ev);
	(void)ecap_hash_remove(o->missing, &m->where);
	free(m);
	return true;
}

static void emit(struct ecap_dispatch *d, const struct ecap_out_event *ev)
{
	const struct direction where = direction_of(ev);

	for (size_t i = 0; i < d->n_outputs; i++) {
		struct output *o = &d->outputs[i];
		struct missing *m = ecap_hash_find(o->missing, &where);
		struct ecap_buf *buf = NULL;

		if (!m || put_missing(d, o, m, *ev))
			buf = ecap_dest_admit(o->spec.dest);
		if (buf)
			put_event(d, o, buf, ev);
		else
			note_refused(o, ev);
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

		if (bytes <= d->told_bytes[reason])
			continue;
		calls -= calls > d->told_calls[reason] ? d->told_calls[reason] : calls;
		ev.loss = (struct ecap_out_loss){
			.reason = ecap_loss_name(reason),
			.bytes = bytes - d->told_bytes[reason],
			.calls = calls,
			.has_bytes = true,
		};
		emit(d, &ev);
	}
}

void ecap_dispatch_end(struct ecap_dispatch *d)
{
	struct ecap_out_event end = { .ts_ns = ecap_clock_now(), .host = d->host };
	struct ecap_flow_process *process;

	while ((process = ecap_flow_first_process(d->flow))) {
		struct description about;

		describe_process(d, process, &about);
		about.ev.ts_ns = end.ts_ns;
		end_process(d, process, &about.ev);
	}
	emit_untold(d, end);
	for (size_t i = 0; i < d->n_outputs; i++) {
		struct output *o = &d->outputs[i];
		struct missing *m;
		size_t pos = 0;

		while ((m = ecap_hash_next(o->missing, &pos)) && put_missing(d, o, m, end))
			;
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
	if (opts->n_outputs > ECAP_MAX_OUTPUTS)
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
	d->proc_is_ours = ecap_process_proc_is_ours();
	for (size_t i = 0; i < opts->n_outputs; i++) {
		struct output *o = &d->outputs[d->n_outputs++];

		o->spec = opts->outputs[i];
		r = ecap_hash_new(sizeof(struct direction), MAX_CONNS, &o->missing);
		if (r < 0)
			return r;
	}
	*ret = ecap_take_ptr(d);
	return 0;
}

static void free_missing(struct output *o)
{
	struct missing *m;
	size_t pos = 0;

	if (!o->missing)
		return;
	while ((m = ecap_hash_next(o->missing, &pos))) {
		(void)ecap_hash_remove(o->missing, &m->where);
		free(m);
	}
	ecap_hash_free(o->missing);
}

void ecap_dispatch_free(struct ecap_dispatch *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_outputs; i++)
		free_missing(&d->outputs[i]);
	ecap_flow_free(d->flow);
	free(d);
}

uint64_t ecap_dispatch_refused_bytes(const struct ecap_dispatch *d, size_t output)
{
	return d->outputs[output].refused_bytes;
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
