/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct ecap_dispatch;
struct ecap_kernel;
struct ecap_ring;

/*
 * Remove what stayed behind of processes that have ended: entries of the kernel's tables, and
 * their processes and connections in the flow. As a rule the record of an end does that; it is
 * missing if the ring was full, if a handle was never used, or if a process went on without its
 * first thread. Call it some seconds after records have come. Costs a few milliseconds.
 */
int ecap_sweep(struct ecap_kernel *k, struct ecap_ring *ring, struct ecap_dispatch *dispatch);
