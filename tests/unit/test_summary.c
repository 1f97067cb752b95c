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

/* Whether the summary of these numbers says that nothing was lost. */
static bool is_clean(const struct ecap_out_stats *stats)
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
	return strstr(text, LOST) != NULL;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_only_if_nothing_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
