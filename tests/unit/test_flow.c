/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/flow.h"

static unsigned int n_freed;

static void count_free(void *facts)
{
	n_freed += facts != NULL;
	free(facts);
}

static struct ecap_flow *new_flow(void)
{
	const struct ecap_flow_limits limits = {
		.max_processes = 2,
		.max_conns = 3,
		.free_facts = count_free,
	};
	struct ecap_flow *f = NULL;

	n_freed = 0;
	assert_int_equal(ecap_flow_new(&limits, &f), 0);
	return f;
}

static struct ecap_conn *conn_of(struct ecap_flow *f, uint64_t incarnation, uint64_t handle,
				 uint64_t born)
{
	const struct ecap_conn_key key = {
		.incarnation = incarnation,
		.handle = handle,
		.born_ns = born,
	};
	struct ecap_flow_process *p = NULL;
	struct ecap_conn *c = NULL;

	if (ecap_flow_get_process(f, incarnation, &p) < 0)
		return NULL;
	if (ecap_flow_get_conn(f, p, &key, &c) == -EEXIST) {
		assert_true(c->key.born_ns != born);
		ecap_flow_end_conn(f, c);
		c = NULL;
		(void)ecap_flow_get_conn(f, p, &key, &c);
	}
	return c;
}

static void a_key_is_one_connection(void **state)
{
	struct ecap_flow *f = new_flow();
	struct ecap_conn *a = conn_of(f, 1, 0x10, 5);

	(void)state;
	assert_non_null(a);
	assert_int_equal(a->id, 1);
	assert_ptr_equal(conn_of(f, 1, 0x10, 5), a);
	assert_int_equal(conn_of(f, 1, 0x20, 5)->id, 2);
	assert_int_equal(conn_of(f, 2, 0x10, 5)->id, 3); /* a forked child's handle */
	assert_int_equal(ecap_flow_n_conns(f), 3);
	assert_int_equal(ecap_flow_n_processes(f), 2);
	ecap_flow_free(f);
}

static void an_address_that_comes_back_is_another_connection(void **state)
{
	struct ecap_flow *f = new_flow();
	struct ecap_conn *c = conn_of(f, 1, 0x10, 5);

	(void)state;
	assert_int_equal(ecap_conn_place(c, ECAP_SEND, 0, 7), 0);
	c = conn_of(f, 1, 0x10, 6);
	assert_int_equal(c->id, 2);
	assert_int_equal(ecap_conn_place(c, ECAP_SEND, 0, 7), 0);
	ecap_flow_free(f);
}

static void gaps_are_found_and_overlaps_refused(void **state)
{
	static const struct {
		uint64_t off, len;
		int64_t want;
	} steps[] = {
		{ 0, 10, 0 },
		{ 10, 5, 0 },
		{ 20, 1, 5 },
		{ 20, 1, -EPROTO },
		{ 0, 100, -EPROTO },
		{ 21, 0, 0 },
		{ 121, 0, 100 }, /* the end of a stream whose last bytes are missing */
		{ (uint64_t)INT64_MAX + 1, 0, -EPROTO },
		{ 121, (uint64_t)INT64_MAX, -EPROTO },
		{ 121, 1, 0 },
	};
	struct ecap_flow *f = new_flow();
	struct ecap_conn *c = conn_of(f, 1, 0x10, 5);

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int64_t got = ecap_conn_place(c, ECAP_RECV, steps[i].off, steps[i].len);

		if (got != steps[i].want)
			fail_msg("step %zu: got %lld", i, (long long)got);
	}
	assert_int_equal(ecap_conn_place(c, ECAP_SEND, 0, 1), 0); /* directions are apart */
	ecap_flow_free(f);
}

static void limits_refuse(void **state)
{
	struct ecap_flow *f = new_flow();

	(void)state;
	assert_non_null(conn_of(f, 1, 0x10, 1));
	assert_non_null(conn_of(f, 1, 0x20, 1));
	assert_non_null(conn_of(f, 2, 0x10, 1));
	assert_null(conn_of(f, 2, 0x20, 1));
	assert_null(conn_of(f, 3, 0x10, 1));
	ecap_flow_end_process(f, ecap_flow_find_process(f, 1));
	assert_non_null(conn_of(f, 3, 0x10, 1));
	assert_non_null(conn_of(f, 3, 0x20, 1));
	ecap_flow_free(f);
}

static void ends_free_what_belongs_to_them(void **state)
{
	struct ecap_flow *f = new_flow();
	struct ecap_flow_process *p = NULL;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(ecap_flow_get_process(f, 1, &p), 0);
	p->facts = malloc(1);
	(void)conn_of(f, 1, 0x10, 1);
	(void)conn_of(f, 1, 0x20, 1);
	ecap_flow_end_conn(f, conn_of(f, 1, 0x20, 1));
	assert_int_equal(conn_of(f, 1, 0x20, 1)->id, 3);
	(void)conn_of(f, 2, 0x20, 1);
	for (; (p = ecap_flow_first_process(f)); n++)
		ecap_flow_end_process(f, p);
	assert_int_equal(n, 2);
	assert_int_equal(n_freed, 1);
	assert_null(ecap_flow_find_process(f, 1));
	ecap_flow_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_one_connection),
		cmocka_unit_test(an_address_that_comes_back_is_another_connection),
		cmocka_unit_test(gaps_are_found_and_overlaps_refused),
		cmocka_unit_test(limits_refuse),
		cmocka_unit_test(ends_free_what_belongs_to_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
