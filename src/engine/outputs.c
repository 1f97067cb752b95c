/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/outputs.h"

#include <errno.h>
#include <stdbool.h>

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
	uint64_t limit; /* 0: none */
	uint64_t n_counted;
};

static void put_event(const struct ecap_outputs *all, struct one_output *o, struct ecap_buf *buf,
		      const struct ecap_out_event *ev)
{
	int r = o->spec.sink->format(ev, &all->sink_opts, buf);

	ecap_dest_commit(o->spec.dest, r == 0);
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
	put_event(all, o, buf, &ev);
	(void)ecap_hash_remove(o->missing, &m->where);
	free(m);
	return true;
}

/* Where @ev may be put; what is said at the end of the run finds room in any case. */
static struct ecap_buf *admit(const struct one_output *o, const struct ecap_out_event *ev)
{
	if (ev->type == ECAP_OUT_STATS && ev->stats->is_final)
		return ecap_dest_admit_last(o->spec.dest);
	return ecap_dest_admit(o->spec.dest);
}

uint32_t ecap_outputs_types(const struct ecap_outputs *all)
{
	uint32_t types = 0;

	for (size_t i = 0; i < all->n; i++)
		types |= all->items[i].types;
	return types;
}

/* Whether the limit is about such events: what programs said, in the form that is shown. */
static bool is_limited(const struct ecap_outputs *all, const struct ecap_out_event *ev)
{
	const uint32_t types = 1u << ECAP_OUT_DATA | 1u << ECAP_OUT_COMMAND |
			       1u << ECAP_OUT_MESSAGE | 1u << ECAP_OUT_HTTP | 1u << ECAP_OUT_RAW;

	return all->limit && (types & 1u << ev->type);
}

void ecap_outputs_set_limit(struct ecap_outputs *all, uint64_t n)
{
	all->limit = n;
}

bool ecap_outputs_limit_is_reached(const struct ecap_outputs *all)
{
	return all->limit && all->n_counted >= all->limit;
}

void ecap_outputs_put(struct ecap_outputs *all, const struct ecap_out_event *ev)
{
	const struct direction where = direction_of(ev);
	const bool counts = is_limited(all, ev);

	if (counts && ecap_outputs_limit_is_reached(all))
		return; /* of a time when the capture has ended already */
	for (size_t i = 0; i < all->n; i++) {
		struct one_output *o = &all->items[i];
		struct ecap_buf *buf = NULL;
		struct missing *m;

		if (!(o->types & 1u << ev->type))
			continue;
		m = ecap_hash_find(o->missing, &where);
		if (!m || put_missing(all, o, ecap_dest_admit(o->spec.dest), m, *ev))
			buf = admit(o, ev);
		all->n_counted += buf && counts && i == 0;
		if (buf)
			put_event(all, o, buf, ev);
		else
			note_refused(o, ev);
	}
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
