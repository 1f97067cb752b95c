/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ring.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>

#include <bpf/libbpf.h>

#include "engine/kernel.h"

/* Records per drain: some ten milliseconds of work. */
#define DRAIN_MAX 4096

struct ecap_ring {
	struct ecap_kernel *kernel;
	struct ring_buffer *rb;
	int timer_fd;
	bool busy;
	ecap_record_fn fn;
	void *arg;
	unsigned int n_drained;
};

static int one_record(void *ctx, void *data, size_t size)
{
	struct ecap_ring *r = ctx;

	r->fn(r->arg, data, size);
	/* libbpf goes on as long as records come; an error is the way to stop it, after this one */
	return ++r->n_drained < DRAIN_MAX ? 0 : -ECANCELED;
}

int ecap_ring_new(struct ecap_kernel *k, ecap_record_fn fn, void *arg, struct ecap_ring **ret)
{
	ecap_cleanup(ecap_ring_freep) struct ecap_ring *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->kernel = k;
	r->fn = fn;
	r->arg = arg;
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->timer_fd < 0)
		return -errno;
	r->rb = ring_buffer__new(ecap_kernel_ring_fd(k), one_record, r, NULL);
	if (!r->rb)
		return -errno;
	*ret = ecap_take_ptr(r);
	return 0;
}

void ecap_ring_free(struct ecap_ring *r)
{
	if (!r)
		return;
	ring_buffer__free(r->rb);
	if (r->timer_fd >= 0)
		(void)close(r->timer_fd);
	free(r);
}

int ecap_ring_wake_fd(const struct ecap_ring *r)
{
	return ecap_kernel_ring_fd(r->kernel);
}

int ecap_ring_timer_fd(const struct ecap_ring *r)
{
	return r->timer_fd;
}

static void set_busy(struct ecap_ring *r, bool busy)
{
	struct itimerspec every = { 0 };

	if (busy)
		every.it_value.tv_nsec = every.it_interval.tv_nsec = ECAP_RING_POLL_MS * 1000000L;
	r->busy = busy;
	ecap_kernel_set_reader_busy(r->kernel, busy);
	(void)timerfd_settime(r->timer_fd, 0, &every, NULL);
}

static int consume(struct ecap_ring *r)
{
	int n;

	r->n_drained = 0;
	n = ring_buffer__consume(r->rb);
	return n < 0 && n != -ECANCELED ? n : 0;
}

int ecap_ring_drain(struct ecap_ring *r)
{
	uint64_t ticks;
	int err;

	(void)!read(r->timer_fd, &ticks, sizeof(ticks));
	if (!r->busy)
		set_busy(r, true);
	err = consume(r);
	if (err || r->n_drained)
		return err;

	/*
	 * Nothing came: go to sleep. A record that is reserved by now moved the producer position,
	 * so we stay; one that is reserved later sees the cleared flag and wakes us.
	 */
	set_busy(r, false);
	if (ring__avail_data_size(ring_buffer__ring(r->rb, 0)))
		set_busy(r, true);
	return 0;
}

int ecap_ring_drain_present(struct ecap_ring *r)
{
	const struct ring *ring = ring_buffer__ring(r->rb, 0);
	unsigned long end = ring__producer_pos(ring);
	int err;

	do {
		err = consume(r);
	} while (!err && r->n_drained && (long)(end - ring__consumer_pos(ring)) > 0);
	return err;
}

int ecap_ring_drain_all(struct ecap_ring *r)
{
	int err;

	do {
		err = consume(r);
	} while (!err && r->n_drained);
	return err;
}
