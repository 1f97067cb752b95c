/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/notice.h"

static void put(struct ecap_notices *q, enum ecap_notice_kind kind, uint32_t pid)
{
	struct ecap_notice *notice = calloc(1, sizeof(*notice));

	assert_non_null(notice);
	notice->kind = kind;
	notice->pid = pid;
	notice->n_processes = 1;
	notice->path = strdup("/lib");
	ecap_notices_put(q, notice);
}

static void come_in_order(void **state)
{
	struct ecap_notice *notice, *next;
	struct ecap_notices q;
	uint32_t n = 0;

	(void)state;
	ecap_notices_init(&q);
	assert_null(ecap_notices_take(&q));
	for (uint32_t i = 0; i < 10; i++)
		put(&q, ECAP_NOTICE_LATE, i);
	for (notice = ecap_notices_take(&q); notice; notice = next) {
		next = notice->next;
		assert_int_equal(notice->pid, n++);
		ecap_notice_free(notice);
	}
	assert_int_equal(n, 10);
	put(&q, ECAP_NOTICE_TARGET, 0);
	ecap_notices_done(&q); /* with one in it */
}

/* Beyond the limit no process is forgotten, and no target left out. */
static void late_ones_are_counted(void **state)
{
	struct ecap_notice *notice, *next;
	uint64_t n_late = 0, n_targets = 0, n_notices = 0;
	struct ecap_notices q;

	(void)state;
	ecap_notices_init(&q);
	for (uint32_t i = 1; i <= 10000; i++)
		put(&q, ECAP_NOTICE_LATE, i);
	put(&q, ECAP_NOTICE_TARGET, 0);
	for (notice = ecap_notices_take(&q); notice; notice = next) {
		next = notice->next;
		n_notices++;
		if (notice->kind == ECAP_NOTICE_LATE)
			n_late += notice->n_processes;
		else
			n_targets++;
		ecap_notice_free(notice);
	}
	assert_int_equal(n_late, 10000);
	assert_int_equal(n_targets, 1);
	assert_true(n_notices < 5000);
	assert_null(ecap_notices_take(&q));
	ecap_notices_done(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(come_in_order),
		cmocka_unit_test(late_ones_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
