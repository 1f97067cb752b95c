/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/discover.h"

/* How many files are met, and after how many it is to be over. */
struct count {
	size_t n_found;
	size_t stop_at;
};

static bool wants_all(const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return true;
}

static bool count_file(int fd, const char *path, bool is_mapped, void *arg)
{
	struct count *count = arg;

	(void)fd;
	(void)path;
	(void)is_mapped;
	count->n_found++;
	return false;
}

static bool has_enough(void *arg)
{
	const struct count *count = arg;

	return count->n_found >= count->stop_at;
}

static bool wants_none(const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return false;
}

/* The linker's cache, or what we have mapped: the program, the C library, the loader at least. */
static void a_search_can_be_stopped(void **state)
{
	const uint32_t self = (uint32_t)getpid();
	struct ecap_discovery_ops ops = {
		.found = count_file,
		.stopped = has_enough,
		.pids = &self,
		.n_pids = 1,
	};
	struct ecap_discovery where;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct count count = { .stop_at = SIZE_MAX };

		ops.wants_name = i ? wants_all : wants_none;
		ops.arg = &count;
		assert_int_equal(ecap_discover(&ops, &where), 0);
		assert_true(count.n_found >= 3);
		assert_int_equal(where.n_processes, 1);

		for (count.stop_at = 0; count.stop_at < 3; count.stop_at++) {
			count.n_found = 0;
			assert_int_equal(ecap_discover(&ops, &where), -ECANCELED);
			assert_int_equal(count.n_found, count.stop_at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_search_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
