/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* "2026-01-02T03:04:05.123456789Z" and "03:04:05.123", with their terminators. */
#define ECAP_CLOCK_UTC_SIZE   31
#define ECAP_CLOCK_LOCAL_SIZE 13

/* From the clock of the kernel's records (CLOCK_MONOTONIC) to nanoseconds since 1970-01-01 UTC. */
struct ecap_clock {
	uint64_t offset; /* modulo 2^64: the wall clock may be behind */
};

/*
 * Measure the offset. Measured once, times stay in order when the wall clock is set; time that the
 * host spends suspended is missing from them.
 */
void ecap_clock_init(struct ecap_clock *c);
/* When was @monotonic_ns, in nanoseconds since 1970? */
uint64_t ecap_clock_to_realtime(const struct ecap_clock *c, uint64_t monotonic_ns);
/* Now, by the clock of the records, in nanoseconds. */
uint64_t ecap_clock_monotonic(void);

/* Write RFC 3339 in UTC with nanoseconds. */
void ecap_clock_format_utc(uint64_t ns, char ret[static ECAP_CLOCK_UTC_SIZE]);
/* Write the time of day in the local time zone with milliseconds. */
void ecap_clock_format_local(uint64_t ns, char ret[static ECAP_CLOCK_LOCAL_SIZE]);
