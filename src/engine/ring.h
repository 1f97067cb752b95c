/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct ecap_kernel;

/*
 * The reader's side of the ring, and when to wake up: a record that comes while we sleep wakes
 * us; from then on we poll every ECAP_RING_POLL_MS and BPF sends no wake-ups, until a poll finds
 * nothing. Idle costs nothing, and no record waits longer than one period.
 */
struct ecap_ring;

#define ECAP_RING_POLL_MS 2

/* Called for each record, which is borrowed for the call. */
typedef void (*ecap_record_fn)(void *arg, const void *data, size_t size);

int ecap_ring_new(struct ecap_kernel *k, ecap_record_fn fn, void *arg, struct ecap_ring **ret);
void ecap_ring_free(struct ecap_ring *r);
ECAP_DEFINE_FREEP(struct ecap_ring, ecap_ring_free)

/* Two descriptors to wait on; call ecap_ring_drain() when either is readable. */
int ecap_ring_wake_fd(const struct ecap_ring *r); /* edge triggered: add with EPOLLET */
int ecap_ring_timer_fd(const struct ecap_ring *r);

/* Hand over what there is, up to a bound that keeps the loop alert; the timer brings the rest. */
int ecap_ring_drain(struct ecap_ring *r);
/* Hand over what is in the ring now, but not what comes meanwhile. */
int ecap_ring_drain_present(struct ecap_ring *r);
/* Hand over everything; for the end, when nothing new can come. */
int ecap_ring_drain_all(struct ecap_ring *r);
