/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define NS_PER_S     1000000000u
#define S_PER_DAY    86400u
#define ERA_DAYS     146097u /* 400 years of the Gregorian calendar */
#define DAYS_TO_1970 719468u /* from 0000-03-01 */

/* Being preempted between two readings costs more than this many tries find. */
#define TRIES 32

static uint64_t read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t); /* these two clocks exist everywhere */
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void ecap_clock_init(struct ecap_clock *c)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = read_clock(CLOCK_MONOTONIC);
		uint64_t real = read_clock(CLOCK_REALTIME);
		uint64_t took = read_clock(CLOCK_MONOTONIC) - before;

		if (took >= best)
			continue;
		best = took;
		c->offset = real - (before + took / 2);
	}
}

uint64_t ecap_clock_to_realtime(const struct ecap_clock *c, uint64_t monotonic_ns)
{
	return c->offset + monotonic_ns;
}

uint64_t ecap_clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* Write @v with @n digits and then @end. */
static char *put_number(char *to, uint64_t v, size_t n, char end)
{
	for (size_t i = n; i-- > 0; v /= 10)
		to[i] = (char)('0' + v % 10);
	to[n] = end;
	return to + n + 1;
}

/*
 * Without gmtime(), which takes a lock: this runs for every event. Years begin in March, so that
 * the leap day comes last (Hinnant, "chrono-compatible low-level date algorithms").
 */
void ecap_clock_format_utc(uint64_t ns, char ret[static ECAP_CLOCK_UTC_SIZE])
{
	uint64_t s = ns / NS_PER_S;
	uint32_t days = (uint32_t)(s / S_PER_DAY) + DAYS_TO_1970;
	uint32_t of_day = (uint32_t)(s % S_PER_DAY);
	uint32_t of_era = days % ERA_DAYS;
	uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t month = (5 * of_year + 2) / 153; /* 0: March */
	uint32_t day = of_year - (153 * month + 2) / 5 + 1;

	year += days / ERA_DAYS * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	ret = put_number(ret, year, 4, '-');
	ret = put_number(ret, month, 2, '-');
	ret = put_number(ret, day, 2, 'T');
	ret = put_number(ret, of_day / 3600, 2, ':');
	ret = put_number(ret, of_day / 60 % 60, 2, ':');
	ret = put_number(ret, of_day % 60, 2, '.');
	ret = put_number(ret, ns % NS_PER_S, 9, 'Z');
	*ret = '\0';
}

void ecap_clock_format_local(uint64_t ns, char ret[static ECAP_CLOCK_LOCAL_SIZE])
{
	const time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm = { 0 };

	(void)localtime_r(&s, &tm);
	ret = put_number(ret, (uint64_t)tm.tm_hour, 2, ':');
	ret = put_number(ret, (uint64_t)tm.tm_min, 2, ':');
	ret = put_number(ret, (uint64_t)tm.tm_sec, 2, '.');
	(void)put_number(ret, ns % NS_PER_S / 1000000, 3, '\0');
}
