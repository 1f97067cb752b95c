/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/target.h"
#include "engine/users.h"

static char own_program[] = "/proc/self/exe";

/* A target that is the program which runs here, so it has a user. */
static void make_target(struct ecap_target *ret, struct ecap_file_id ids[2])
{
	struct stat st;

	assert_int_equal(stat(own_program, &st), 0);
	ids[0] = ecap_file_id_of(&st);
	*ret = (struct ecap_target){
		.path = own_program,
		.ids = ids,
		.n_ids = 1,
		.needs_user = true,
		.is_named = true,
		.user_fd = -1,
		.fd = -1,
	};
}

static void a_user_is_found(void **state)
{
	struct ecap_file_id ids[2];
	struct ecap_target t, *targets[] = { &t };

	(void)state;
	make_target(&t, ids);
	assert_int_equal(ecap_users_find(targets, 1), 0);
	assert_true(t.user_fd >= 0);
	(void)close(t.user_fd);
}

static void nobody_uses_another_file(void **state)
{
	struct ecap_file_id ids[2];
	struct ecap_target t, *targets[] = { &t };

	(void)state;
	make_target(&t, ids);
	ids[0].dev++; /* the same number elsewhere */
	assert_int_equal(ecap_users_find(targets, 1), 0);
	assert_int_equal(t.user_fd, -1);
}

/* With descriptors for /proc and for the list of mappings, but none to look into those. */
static void not_to_see_is_not_to_be_unused(void **state)
{
	struct ecap_file_id ids[2];
	struct ecap_target t, *targets[] = { &t };
	struct rlimit before, little;
	int lowest = open("/", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(lowest >= 0);
	(void)close(lowest);
	make_target(&t, ids);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	little = before;
	little.rlim_cur = (rlim_t)lowest + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &little), 0);
	assert_int_equal(ecap_users_find(targets, 1), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(t.user_fd, -1);
}

static void names_lead_to_files(void **state)
{
	struct ecap_file_id ids[2];
	struct ecap_target t;

	(void)state;
	make_target(&t, ids);
	assert_true(ecap_target_is_reachable(&t));
	ids[0].ino++; /* replaced */
	assert_false(ecap_target_is_reachable(&t));
	make_target(&t, ids);
	t.path = (char[]){ "/nonexistent" };
	assert_false(ecap_target_is_reachable(&t));
}

/* Our descriptor keeps the first one's numbers from being used again; nothing keeps an alias's. */
static void used_numbers_are_no_alias(void **state)
{
	struct ecap_file_id ids[2], other;
	struct ecap_target t;

	(void)state;
	make_target(&t, ids);
	other = ids[0];
	other.mtime.tv_sec++;
	other.size++;
	assert_true(ecap_target_is(&t, &other));

	ids[1] = ids[0];
	ids[1].dev += 7;
	t.n_ids = 2;
	other = ids[1];
	assert_true(ecap_target_is(&t, &other));
	other.mtime.tv_nsec ^= 1;
	assert_false(ecap_target_is(&t, &other));
	other = ids[1];
	other.size++;
	assert_false(ecap_target_is(&t, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_found),
		cmocka_unit_test(nobody_uses_another_file),
		cmocka_unit_test(not_to_see_is_not_to_be_unused),
		cmocka_unit_test(names_lead_to_files),
		cmocka_unit_test(used_numbers_are_no_alias),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
