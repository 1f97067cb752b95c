/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/alias.h"

#define SIZE 8192

/* A file of two pages; the caller closes it, and it is gone. */
static FILE *two_pages(void)
{
	static const char zeros[SIZE];
	FILE *f = tmpfile();

	assert_non_null(f);
	assert_int_equal(fwrite(zeros, 1, SIZE, f), SIZE);
	assert_int_equal(fflush(f), 0);
	return f;
}

static void same_bytes_are_not_the_same_file(void **state)
{
	FILE *a = two_pages(), *b = two_pages();
	int pagemap = ecap_alias_open(), again = dup(fileno(a));
	int same = ecap_alias_check(pagemap, fileno(a), again, 5000);

	(void)state;
	/* only root may see frame numbers: then nothing is claimed */
	assert_int_equal(same, geteuid() ? -EPERM : 1);
	assert_int_equal(ecap_alias_check(pagemap, fileno(a), fileno(b), 5000),
			 geteuid() ? -EPERM : 0);
	(void)close(again);
	(void)close(pagemap);
	(void)fclose(a);
	(void)fclose(b);
}

static void a_file_that_is_cut_off_is_an_error(void **state)
{
	FILE *a = two_pages(), *b = two_pages();
	int pagemap = ecap_alias_open();

	(void)state;
	assert_int_equal(ftruncate(fileno(b), 100), 0);
	assert_true(ecap_alias_check(pagemap, fileno(a), fileno(b), 5000) < 0);
	assert_true(ecap_alias_check(pagemap, fileno(a), -1, 5000) < 0);
	assert_int_equal(ecap_alias_check(-EACCES, fileno(a), fileno(a), 5000), -EACCES);
	(void)close(pagemap);
	(void)fclose(a);
	(void)fclose(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes_are_not_the_same_file),
		cmocka_unit_test(a_file_that_is_cut_off_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
