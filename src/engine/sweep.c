/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sweep.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "engine/dispatch.h"
#include "engine/kernel.h"
#include "engine/ring.h"
#include "engine/table.h"

/* Incarnations of one sweep; what is beyond comes with the next. */
#define MAX_INCARNATIONS 65536

struct sweep {
	struct ecap_kernel *kernel;
	struct ecap_hash *seen; /* incarnations that something belongs to */
	struct ecap_hash *dead; /* those that are no more */
};

static void add(struct ecap_hash *set, uint64_t incarnation)
{
	(void)ecap_hash_insert(set, &incarnation, set); /* only membership counts */
}

/* A process that lost its first thread before its first call ends without a record. */
static bool is_gone(void *arg, const void *key, const void *value)
{
	uint32_t tgid;

	(void)arg;
	(void)value;
	memcpy(&tgid, key, sizeof(tgid));
	return kill((pid_t)tgid, 0) < 0 && errno == ESRCH;
}

static int remove_gone_processes(const struct ecap_kernel *k)
{
	/* the keys are numbers of the initial namespace */
	if (!ecap_kernel_is_in_initial_pidns(k))
		return 0;
	return ecap_table_walk(ecap_kernel_table_fd(k, ECAP_TABLE_PROCS), sizeof(uint32_t),
			       sizeof(struct ecap_proc), is_gone, NULL);
}

/* What a walk asks of each incarnation. */
struct question {
	bool (*ask)(void *arg, uint64_t incarnation);
	struct sweep *sweep;
};

static bool ask_of_stream(void *arg, const void *key, const void *value)
{
	const struct question *q = arg;
	struct ecap_stream_key stream;

	(void)value;
	memcpy(&stream, key, sizeof(stream));
	return q->ask(q->sweep, stream.incarnation);
}

static bool ask_of_thread(void *arg, const void *key, const void *value)
{
	const struct question *q = arg;
	struct ecap_thread thread;

	(void)key;
	memcpy(&thread, value, sizeof(thread));
	return q->ask(q->sweep, thread.incarnation);
}

/* Remove the streams and threads for whose process @ask returns true. */
static int walk(struct sweep *s, bool (*ask)(void *arg, uint64_t incarnation))
{
	struct question q = { .ask = ask, .sweep = s };
	int r = ecap_table_walk(ecap_kernel_table_fd(s->kernel, ECAP_TABLE_STREAMS),
				sizeof(struct ecap_stream_key), sizeof(struct ecap_stream),
				ask_of_stream, &q);

	if (r < 0)
		return r;
	return ecap_table_walk(ecap_kernel_table_fd(s->kernel, ECAP_TABLE_THREADS),
			       sizeof(uint64_t), sizeof(struct ecap_thread), ask_of_thread, &q);
}

/* Note an incarnation, and whether it lives, when it is met for the first time. */
static bool note(void *arg, uint64_t incarnation)
{
	struct sweep *s = arg;

	if (!incarnation || ecap_hash_find(s->seen, &incarnation))
		return false; /* 0: the entry is being made */
	add(s->seen, incarnation);
	if (!ecap_kernel_is_alive(s->kernel, incarnation))
		add(s->dead, incarnation);
	return false;
}

static bool is_dead(void *arg, uint64_t incarnation)
{
	const struct sweep *s = arg;

	return ecap_hash_find(s->dead, &incarnation) != NULL;
}

/*
 * The dead are looked for first, then the records that were in the ring by then are read: the last
 * records of a process must find its connections as they were.
 */
static int run(struct sweep *s, struct ecap_ring *ring, struct ecap_dispatch *dispatch)
{
	int r = remove_gone_processes(s->kernel);

	if (r < 0)
		return r;
	ecap_dispatch_end_processes(dispatch, note, s);
	r = walk(s, note);
	if (!r)
		r = ecap_ring_drain_present(ring);
	if (r < 0)
		return r;
	ecap_dispatch_end_processes(dispatch, is_dead, s);
	return walk(s, is_dead);
}

int ecap_sweep(struct ecap_kernel *k, struct ecap_ring *ring, struct ecap_dispatch *dispatch)
{
	struct sweep s = { .kernel = k };
	int r = ecap_hash_new(sizeof(uint64_t), MAX_INCARNATIONS, &s.seen);

	if (!r)
		r = ecap_hash_new(sizeof(uint64_t), MAX_INCARNATIONS, &s.dead);
	if (!r)
		r = run(&s, ring, dispatch);
	ecap_hash_free(s.seen);
	ecap_hash_free(s.dead);
	return r;
}
