/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/summary.h"
#include "sinks/event.h"

#define LOST "nothing was lost"

/* Whether the summary of these numbers says @what. */
static bool says(const struct ecap_out_stats *stats, const char *what)
{
	int file = memfd_create("summary", MFD_CLOEXEC), before = dup(STDERR_FILENO);
	char text[4096];
	ssize_t n;

	assert_true(file >= 0 && before >= 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	ecap_summary_log(stats, 0);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	n = pread(file, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "seen: "));
	(void)close(before);
	(void)close(file);
	return strstr(text, what) != NULL;
}

static bool is_clean(const struct ecap_out_stats *stats)
{
	return says(stats, LOST);
}

static void nothing_is_lost_only_if_nothing_may_be(void **state)
{
	static const struct ecap_out_lost lost = { .reason = "ring_full", .calls = 1, .bytes = 9 };
	static const struct ecap_out_lost late = { .reason = "late_attach", .calls = 1 };
	static const struct ecap_out_lost none = { .reason = "page_fault" };
	static const struct ecap_out_output slow = { .format = "json", .dest = "-", .refused = 1 };
	const struct ecap_out_stats clean = { .bytes = 1, .lost = &none, .n_lost = 1 };
	struct ecap_out_stats stats = clean;

	(void)state;
	assert_true(is_clean(&stats));
	stats.lost = &lost;
	assert_false(is_clean(&stats));
	stats.lost = &late;
	assert_false(is_clean(&stats));
	stats = clean;
	stats.missed_files = 1;
	assert_false(is_clean(&stats));
	stats = clean;
	stats.invalid_records = 1;
	assert_false(is_clean(&stats));
	stats = clean;
	stats.outputs = &slow;
	stats.n_outputs = 1;
	assert_false(is_clean(&stats));
}

static void hints_fit_what_was_asked_for(void **state)
{
	struct ecap_out_stats stats = { .is_of_launched = true };

	(void)state;
	assert_true(says(&stats, "did the command, or what it started, use"));
	assert_true(says(&stats, "Programs in Go"));
	assert_false(says(&stats, "do -p and -u let it through"));
	stats.is_of_launched = false;
	assert_true(says(&stats, "do -p and -u let it through"));
	stats.bytes = 1;
	assert_false(says(&stats, "nothing was seen"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_only_if_nothing_may_be),
		cmocka_unit_test(hints_fit_what_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
