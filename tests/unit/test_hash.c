// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct ecap_hash *new_table(size_t key_size, size_t max)
{
	struct ecap_hash *h = NULL;

	assert_int_equal(ecap_hash_new(key_size, max, &h), 0);
	return h;
}

static size_t count(const struct ecap_hash *h)
{
	size_t pos = 0, n = 0;

	while (ecap_hash_next(h, &pos))
		n++;
	return n;
}

static void refuses_sizes(void **state)
{
	struct ecap_hash *h = NULL;

	(void)state;
	assert_int_equal(ecap_hash_new(0, 10, &h), -EINVAL);
	assert_int_equal(ecap_hash_new(ECAP_HASH_KEY_MAX + 1, 10, &h), -EINVAL);
	assert_int_equal(ecap_hash_new(8, SIZE_MAX, &h), -EINVAL);
	assert_null(h);
	ecap_hash_free(NULL);
}

static void finds_what_was_inserted(void **state)
{
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = new_table(4, 10);
	int one, two;

	(void)state;
	assert_null(ecap_hash_find(h, "key1"));
	assert_null(ecap_hash_remove(h, "key1"));
	assert_int_equal(ecap_hash_insert(h, "key1", &one), 0);
	assert_int_equal(ecap_hash_insert(h, "key2", &two), 0);
	assert_int_equal(ecap_hash_insert(h, "key1", &two), -EEXIST);
	assert_ptr_equal(ecap_hash_find(h, "key1"), &one);
	assert_ptr_equal(ecap_hash_find(h, "key2"), &two);
	assert_null(ecap_hash_find(h, "key3"));
	assert_ptr_equal(ecap_hash_remove(h, "key1"), &one);
	assert_null(ecap_hash_remove(h, "key1"));
	assert_null(ecap_hash_find(h, "key1"));
	assert_int_equal(count(h), 1);
}

static void refuses_beyond_the_limit(void **state)
{
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = new_table(sizeof(uint32_t), 20);
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *none = new_table(1, 0);
	int value;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(ecap_hash_insert(h, &i, &value), 0);
	assert_int_equal(ecap_hash_insert(h, &(uint32_t){ 20 }, &value), -ENOSPC);
	assert_int_equal(ecap_hash_insert(h, &(uint32_t){ 5 }, &value), -EEXIST);
	assert_int_equal(count(h), 20);
	assert_ptr_equal(ecap_hash_remove(h, &(uint32_t){ 5 }), &value);
	assert_int_equal(ecap_hash_insert(h, &(uint32_t){ 20 }, &value), 0);
	assert_int_equal(ecap_hash_insert(none, "x", &value), -ENOSPC);
	assert_null(ecap_hash_find(none, "x"));
}

/* Every byte of a key of every size counts, the first and the last ones too. */
static void compares_whole_keys(void **state)
{
	(void)state;
	for (size_t size = 1; size <= ECAP_HASH_KEY_MAX; size++) {
		ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = new_table(size, 1000);
		uint8_t values[ECAP_HASH_KEY_MAX], key[ECAP_HASH_KEY_MAX];

		for (size_t i = 0; i < size; i++) {
			memset(key, 0, size);
			key[i] = 1;
			assert_int_equal(ecap_hash_insert(h, key, &values[i]), 0);
		}
		for (size_t i = 0; i < size; i++) {
			memset(key, 0, size);
			assert_null(ecap_hash_find(h, key));
			key[i] = 1;
			assert_ptr_equal(ecap_hash_find(h, key), &values[i]);
		}
	}
}

/* Many keys in few chains, with slots that are used again, against a plain array. */
static void agrees_with_an_array(void **state)
{
	enum { KEYS = 200, STEPS = 50000 };
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = new_table(sizeof(uint64_t), KEYS);
	bool present[KEYS] = { 0 };
	size_t n_present = 0;
	uint32_t random = 7;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		uint64_t key;

		random = random * 1664525 + 1013904223;
		key = (random >> 16) % KEYS;
		assert_ptr_equal(ecap_hash_find(h, &key), present[key] ? &present[key] : NULL);
		if (random >> 31) {
			assert_int_equal(ecap_hash_insert(h, &key, &present[key]),
					 present[key] ? -EEXIST : 0);
			n_present += !present[key];
			present[key] = true;
		} else {
			assert_int_equal(ecap_hash_remove(h, &key) != NULL, present[key]);
			n_present -= present[key];
			present[key] = false;
		}
		assert_int_equal(count(h), n_present);
	}
}

static void holds_many(void **state)
{
	enum { N = 100000 };
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = new_table(24, N);
	ecap_autofree uint64_t *keys = calloc(N, 3 * sizeof(*keys));

	(void)state;
	assert_non_null(keys);
	for (uint64_t i = 0; i < N; i++) {
		keys[3 * i] = 1;
		keys[3 * i + 1] = i << 12; /* as addresses are: only some bits differ */
		assert_int_equal(ecap_hash_insert(h, &keys[3 * i], &keys[3 * i]), 0);
	}
	for (uint64_t i = 0; i < N; i++)
		assert_ptr_equal(ecap_hash_find(h, &keys[3 * i]), &keys[3 * i]);
	assert_int_equal(count(h), N);
}

static void walk_removes(void **state)
{
	enum { N = 1000 };
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = new_table(sizeof(uint32_t), N);
	uint32_t keys[N], *key;
	bool seen[N] = { 0 };
	size_t pos = 0;

	(void)state;
	assert_null(ecap_hash_next(h, &pos));
	for (uint32_t i = 0; i < N; i++) {
		keys[i] = i;
		assert_int_equal(ecap_hash_insert(h, &keys[i], &keys[i]), 0);
	}
	for (pos = 0; (key = ecap_hash_next(h, &pos));) {
		assert_false(seen[*key]);
		seen[*key] = true;
		if (*key % 3)
			assert_ptr_equal(ecap_hash_remove(h, key), key);
	}
	for (uint32_t i = 0; i < N; i++) {
		assert_true(seen[i]);
		assert_int_equal(ecap_hash_find(h, &i) != NULL, i % 3 == 0);
	}
	/* also others than the one at hand */
	pos = 0;
	assert_non_null(ecap_hash_next(h, &pos));
	for (uint32_t i = 0; i < N; i++)
		(void)ecap_hash_remove(h, &i);
	assert_null(ecap_hash_next(h, &pos));
	assert_int_equal(count(h), 0);
}

static void removes_by_value(void **state)
{
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = NULL;
	int values[3];

	(void)state;
	assert_int_equal(ecap_hash_new(sizeof(uint32_t), 1000, &h), 0);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(ecap_hash_insert(h, &i, &values[i % 3]), 0);
	ecap_hash_remove_all(h, &values[1]);
	assert_int_equal(count(h), 200);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(ecap_hash_find(h, &i) != NULL, i % 3 != 1);
	ecap_hash_remove_all(h, NULL);
	assert_int_equal(count(h), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_sizes),
		cmocka_unit_test(finds_what_was_inserted),
		cmocka_unit_test(refuses_beyond_the_limit),
		cmocka_unit_test(compares_whole_keys),
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(holds_many),
		cmocka_unit_test(walk_removes),
		cmocka_unit_test(removes_by_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
