/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/outputs.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/hash.h"
#include "engine/dest.h"
#include "sinks/event.h"

/* Directions of which an output misses something at the same time. */
#define MAX_MISSING 262144

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

struct one_output {
	struct ecap_output spec;
	uint32_t types;		   /* of events that it wants */
	struct ecap_hash *missing; /* struct direction -> struct missing, owned */
	uint64_t refused_bytes;
};

struct ecap_outputs {
	struct one_output items[ECAP_MAX_OUTPUTS];
	size_t n;
	struct ecap_sink_opts sink_opts;
	struct ecap_out_filter filter;
	void (*wait)(void *arg, struct ecap_dest *dest); /* NULL: nobody waits */
	void *wait_arg;
};

/* false: it is too large, or there is no memory for it; it counts as refused then. */
static bool put_event(const struct ecap_outputs *all, struct one_output *o, struct ecap_buf *buf,
		      const struct ecap_out_event *ev)
{
	int r = o->spec.sink->format(ev, &all->sink_opts, buf);

	ecap_dest_commit(o->spec.dest, r == 0);
	return r == 0;
}

/* How many bytes the event stands for, and where in its stream. false: for none. */
static bool event_range(const struct ecap_out_event *ev, uint64_t *ret_off, uint64_t *ret_bytes)
{
	if (ev->type == ECAP_OUT_DATA) {
		*ret_off = ev->data.off;
		*ret_bytes = ev->data.len;
		return true;
	}
	if (ev->type == ECAP_OUT_RAW) {
		*ret_off = ev->raw.off;
		*ret_bytes = ev->raw.len;
		return true;
	}
	if (ev->type == ECAP_OUT_MESSAGE) {
		*ret_off = ev->http.message->off;
		*ret_bytes = ev->http.message->wire_bytes;
		return true;
	}
	if (ev->type == ECAP_OUT_COMMAND) { /* no stream has it */
		*ret_off = 0;
		*ret_bytes = ev->command.len;
		return true;
	}
	if (ev->type == ECAP_OUT_HTTP) { /* of both streams; data events stand for the bytes */
		*ret_off = 0;
		*ret_bytes = 0;
		return true;
	}
	if (ev->type != ECAP_OUT_LOSS)
		return false;
	*ret_off = ev->loss.off;
	*ret_bytes = ev->loss.bytes;
	return ev->loss.has_off && ev->loss.has_bytes;
}

static struct direction direction_of(const struct ecap_out_event *ev)
{
	return (struct direction){ .conn_id = ev->conn.id, .dir = ev->dir };
}

/* The output does not take @ev: remember what is missing, for the next event that it takes. */
static void note_refused(struct one_output *o, const struct ecap_out_event *ev)
{
	ecap_autofree struct missing *fresh = NULL;
	struct direction where = direction_of(ev);
	struct missing *m = ecap_hash_find(o->missing, &where);
	uint64_t off, bytes;

	if (!event_range(ev, &off, &bytes))
		return;
	o->refused_bytes += bytes;
	if (m) {
		if (!m->bytes)
			m->off = off; /* what came before stood for no bytes */
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

/* Say in @buf, which is NULL without room, what the output missed. @ev gives the origin. */
static bool put_missing(const struct ecap_outputs *all, struct one_output *o, struct ecap_buf *buf,
			struct missing *m, struct ecap_out_event ev)
{
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
		.has_off = m->where.conn_id && m->bytes,
		.has_bytes = true,
	};
	if (!put_event(all, o, buf, &ev))
		return false;
	(void)ecap_hash_remove(o->missing, &m->where);
	free(m);
	return true;
}

/* Where the next event may be put, NULL without room. */
static struct ecap_buf *get_room(const struct ecap_outputs *all, const struct one_output *o)
{
	if (all->wait && !ecap_dest_has_room(o->spec.dest))
		all->wait(all->wait_arg, o->spec.dest);
	return ecap_dest_admit(o->spec.dest);
}

/* Where @ev may be put; what is said at the end of the run finds room in any case. */
static struct ecap_buf *admit(const struct ecap_outputs *all, const struct one_output *o,
			      const struct ecap_out_event *ev)
{
	if (ev->type == ECAP_OUT_STATS && ev->stats->is_final)
		return ecap_dest_admit_last(o->spec.dest);
	return get_room(all, o);
}

/* Tell what is missing of @where before @ev; false: there is no room for that. */
static bool settle(const struct ecap_outputs *all, struct one_output *o, struct direction where,
		   const struct ecap_out_event *ev)
{
	struct missing *m = ecap_hash_find(o->missing, &where);

	return !m || put_missing(all, o, get_room(all, o), m, *ev);
}

/* The same of all that @ev is about: of both directions if the connection ends. */
static bool settle_before(const struct ecap_outputs *all, struct one_output *o,
			  const struct ecap_out_event *ev)
{
	struct direction where = direction_of(ev);

	if (ev->type != ECAP_OUT_CLOSE)
		return settle(all, o, where, ev);
	for (where.dir = ECAP_OUT_SEND; where.dir <= ECAP_OUT_RECV; where.dir++) {
		if (!settle(all, o, where, ev))
			return false;
	}
	return true;
}

static bool is_in(const uint32_t *list, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == id)
			return true;
	}
	return false;
}

/* What is said of no process, or of no connection, may be about the ones that are chosen. */
static bool is_about_all(const struct ecap_out_event *ev)
{
	return ev->type == ECAP_OUT_LOSS || ev->type == ECAP_OUT_TARGET ||
	       ev->type == ECAP_OUT_STATS || ev->type == ECAP_OUT_IDLE;
}

static bool is_chosen(const struct ecap_out_filter *f, const struct ecap_out_event *ev)
{
	const struct ecap_out_process *process = ev->process;
	const bool is_about_any = is_about_all(ev);

	if (f->n_pids &&
	    (process && process->pid ? !is_in(f->pids, f->n_pids, process->pid) : !is_about_any))
		return false;
	if (f->n_uids && (process && process->has_uid ? !is_in(f->uids, f->n_uids, process->uid) :
							!is_about_any))
		return false;
	return !f->n_conns ||
	       (ev->conn.id ? is_in(f->conns, f->n_conns, ev->conn.id) : is_about_any);
}

void ecap_outputs_set_filter(struct ecap_outputs *all, const struct ecap_out_filter *filter)
{
	all->filter = *filter;
}

void ecap_outputs_set_wait(struct ecap_outputs *all,
			   void (*wait)(void *arg, struct ecap_dest *dest), void *arg)
{
	all->wait = wait;
	all->wait_arg = arg;
}

uint32_t ecap_outputs_types(const struct ecap_outputs *all)
{
	uint32_t types = 0;

	for (size_t i = 0; i < all->n; i++)
		types |= all->items[i].types;
	return types;
}

void ecap_outputs_put(struct ecap_outputs *all, const struct ecap_out_event *ev)
{
	if (!is_chosen(&all->filter, ev))
		return;
	for (size_t i = 0; i < all->n; i++) {
		struct one_output *o = &all->items[i];
		struct ecap_buf *buf = NULL;

		if (!(o->types & 1u << ev->type))
			continue;
		if (settle_before(all, o, ev))
			buf = admit(all, o, ev);
		if (!buf || !put_event(all, o, buf, ev))
			note_refused(o, ev);
	}
}

/* What a format has before the first event, or after the last. */
static void put_frame(const struct ecap_outputs *all, const struct one_output *o,
		      int (*format)(const struct ecap_out_event *ev,
				    const struct ecap_sink_opts *opts, struct ecap_buf *out),
		      const struct ecap_out_event *ev)
{
	struct ecap_buf *buf = format ? ecap_dest_admit_last(o->spec.dest) : NULL;

	if (buf)
		ecap_dest_commit(o->spec.dest, format(ev, &all->sink_opts, buf) == 0);
}

void ecap_outputs_begin(struct ecap_outputs *all, const struct ecap_out_event *begin)
{
	for (size_t i = 0; i < all->n; i++)
		put_frame(all, &all->items[i], all->items[i].spec.sink->begin, begin);
}

void ecap_outputs_end(struct ecap_outputs *all, const struct ecap_out_event *end)
{
	for (size_t i = 0; i < all->n; i++) {
		struct one_output *o = &all->items[i];
		struct missing *m;
		size_t pos = 0;

		while ((m = ecap_hash_next(o->missing, &pos)) &&
		       put_missing(all, o, ecap_dest_admit_last(o->spec.dest), m, *end))
			;
		put_frame(all, o, o->spec.sink->end, end);
	}
}

uint64_t ecap_outputs_refused_bytes(const struct ecap_outputs *all, size_t i)
{
	return all->items[i].refused_bytes;
}

int ecap_outputs_new(const struct ecap_output *outputs, size_t n,
		     const struct ecap_sink_opts *sink_opts, struct ecap_outputs **ret)
{
	ecap_cleanup(ecap_outputs_freep) struct ecap_outputs *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	if (n > ECAP_MAX_OUTPUTS)
		return -E2BIG;
	all->sink_opts = *sink_opts;
	if (getrandom(&all->sink_opts.file_id, sizeof(all->sink_opts.file_id), 0) < 0)
		return -errno;
	while (all->n < n) {
		struct one_output *o = &all->items[all->n];

		o->spec = outputs[all->n++];
		o->types = o->spec.sink->types(sink_opts);
		r = ecap_hash_new(sizeof(struct direction), MAX_MISSING, &o->missing);
		if (r < 0)
			return r;
	}
	*ret = ecap_take_ptr(all);
	return 0;
}

static void free_missing(struct one_output *o)
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

void ecap_outputs_free(struct ecap_outputs *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->n; i++)
		free_missing(&all->items[i]);
	free(all);
}
