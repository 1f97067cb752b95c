/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* A set of capabilities (capabilities(7)) has a bit for each. */
#define ECAP_CAP(number) (UINT64_C(1) << (number))

struct ecap_caps {
	uint64_t permitted;
	uint64_t effective;
};

/*
 * The capabilities of the calling thread: each thread has its own, and what one gives up the others
 * keep. A negative errno from capget(2).
 */
int ecap_caps_get(struct ecap_caps *ret);
/*
 * Set those of the calling thread, with no inheritable ones, hence no ambient ones either. What
 * leaves the permitted set never comes back. A negative errno from capset(2).
 */
int ecap_caps_set(const struct ecap_caps *caps);
