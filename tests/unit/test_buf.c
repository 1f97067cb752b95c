// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_content(const struct ecap_buf *b, const char *want)
{
	assert_int_equal(b->err, 0);
	assert_int_equal(b->len, strlen(want));
	assert_memory_equal(b->data, want, b->len);
}

static void appends(void **state)
{
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 100);
	ecap_buf_puts(&b, "one ");
	ecap_buf_putc(&b, 't');
	ecap_buf_put(&b, "wo three", 2);
	ecap_buf_put(&b, NULL, 0);
	ecap_buf_printf(&b, " %d %s", 3, "four");
	assert_content(&b, "one two 3 four");
	ecap_buf_reset(&b);
	ecap_buf_puts(&b, "again");
	assert_content(&b, "again");
	ecap_buf_done(&b);
	ecap_buf_puts(&b, "after done");
	assert_content(&b, "after done");
	ecap_buf_done(&b);
}

static void limit_is_exact(void **state)
{
	static const size_t limits[] = { 0, 1, 255, 256, 257, 511, 512, 513, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct ecap_buf b;

		ecap_buf_init(&b, limits[i]);
		for (size_t j = 0; j < limits[i]; j++)
			ecap_buf_putc(&b, 'x');
		assert_int_equal(b.err, 0);
		assert_int_equal(b.len, limits[i]);
		assert_true(b.cap <= limits[i]);
		ecap_buf_putc(&b, 'y');
		assert_int_equal(b.err, -EMSGSIZE);
		assert_int_equal(b.len, limits[i]);
		ecap_buf_done(&b);
	}
}

static void first_error_sticks(void **state)
{
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, 4);
	ecap_buf_puts(&b, "abc");
	ecap_buf_puts(&b, "de"); /* all or nothing */
	assert_int_equal(b.err, -EMSGSIZE);
	ecap_buf_putc(&b, 'd'); /* would fit */
	ecap_buf_printf(&b, "%d", 1);
	assert_null(ecap_buf_reserve(&b, 0));
	assert_int_equal(b.len, 3);
	ecap_buf_reset(&b);
	ecap_buf_puts(&b, "abcd");
	assert_content(&b, "abcd");
	ecap_buf_done(&b);
}

static void sizes_do_not_overflow(void **state)
{
	struct ecap_buf b;

	(void)state;
	ecap_buf_init(&b, SIZE_MAX);
	ecap_buf_puts(&b, "abc");
	assert_null(ecap_buf_reserve(&b, SIZE_MAX - 2));
	assert_int_equal(b.err, -EMSGSIZE);
	assert_memory_equal(b.data, "abc", 3);
	ecap_buf_done(&b);
}

/* No memory: what was there stays. A sanitizer's allocator would abort instead. */
static void survives_without_memory(void **state)
{
	struct ecap_buf b;

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	ecap_buf_init(&b, SIZE_MAX);
	ecap_buf_puts(&b, "abc");
	assert_null(ecap_buf_reserve(&b, SIZE_MAX / 2));
	assert_int_equal(b.err, -ENOMEM);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "abc", 3);
	ecap_buf_done(&b);
}

static void reserved_room_is_there(void **state)
{
	struct ecap_buf b;
	uint8_t *p;

	(void)state;
	ecap_buf_init(&b, 5000);
	ecap_buf_puts(&b, "head");
	p = ecap_buf_reserve(&b, 4996);
	assert_non_null(p);
	memset(p, '.', 4996);
	assert_int_equal(b.len, 4);
	b.len += 4996;
	assert_memory_equal(b.data, "head....", 8);
	assert_non_null(ecap_buf_reserve(&b, 0));
	ecap_buf_done(&b);
}

static void printf_of_every_length(void **state)
{
	(void)state;
	for (int n = 0; n < 600; n++) {
		struct ecap_buf b;

		ecap_buf_init(&b, (size_t)n); /* no room for a terminator */
		ecap_buf_printf(&b, "%*s", n, "");
		assert_int_equal(b.err, 0);
		assert_int_equal(b.len, n);
		ecap_buf_printf(&b, "%c", 'x');
		assert_int_equal(b.err, -EMSGSIZE);
		ecap_buf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends),
		cmocka_unit_test(limit_is_exact),
		cmocka_unit_test(first_error_sticks),
		cmocka_unit_test(sizes_do_not_overflow),
		cmocka_unit_test(survives_without_memory),
		cmocka_unit_test(reserved_room_is_there),
		cmocka_unit_test(printf_of_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
