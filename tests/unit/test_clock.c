// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define NS_PER_S 1000000000u

static void formats_utc(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} cases[] = {
		{ .ns = 0, .want = "1970-01-01T00:00:00.000000000Z" },
		{ .ns = 999999999, .want = "1970-01-01T00:00:00.999999999Z" },
		{ .ns = 951782400000000001, .want = "2000-02-29T00:00:00.000000001Z" },
		{ .ns = 951868799999999999, .want = "2000-02-29T23:59:59.999999999Z" },
		{ .ns = 951868800000000000, .want = "2000-03-01T00:00:00.000000000Z" },
		{ .ns = 1767323045123456789, .want = "2026-01-02T03:04:05.123456789Z" },
		{ .ns = 4107542400000000000, .want = "2100-03-01T00:00:00.000000000Z" },
		{ .ns = UINT64_MAX, .want = "2554-07-21T23:34:33.709551615Z" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		char got[ECAP_CLOCK_UTC_SIZE];

		ecap_clock_format_utc(cases[i].ns, got);
		assert_string_equal(got, cases[i].want);
	}
}

static void agrees_with_gmtime(void **state)
{
	(void)state;
	for (uint64_t s = 0; s < 18446744073; s += 86400 / 2 + 1) { /* every day until 2554 */
		char got[ECAP_CLOCK_UTC_SIZE], want[64];
		const time_t t = (time_t)s;
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		assert_true(strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000000Z", &tm) > 0);
		ecap_clock_format_utc(s * NS_PER_S, got);
		assert_string_equal(got, want);
	}
}

static void formats_local(void **state)
{
	const uint64_t ns = 1767323045123999999;
	char got[ECAP_CLOCK_LOCAL_SIZE];

	(void)state;
	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	tzset();
	ecap_clock_format_local(ns, got);
	assert_string_equal(got, "03:04:05.123");
	assert_int_equal(setenv("TZ", "IST-05:30", 1), 0); /* east of Greenwich */
	tzset();
	ecap_clock_format_local(ns, got);
	assert_string_equal(got, "08:34:05.123");
}

static uint64_t wall_clock(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &t), 0);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void converts_to_wall_clock(void **state)
{
	struct ecap_clock c;
	uint64_t before, got, after;

	(void)state;
	ecap_clock_init(&c);
	before = wall_clock();
	got = ecap_clock_to_realtime(&c, ecap_clock_monotonic());
	after = wall_clock();
	/* a millisecond for the clocks being slewed apart; reading them takes far less */
	assert_in_range(got, before - 1000000, after + 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_utc),
		cmocka_unit_test(agrees_with_gmtime),
		cmocka_unit_test(formats_local),
		cmocka_unit_test(converts_to_wall_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
