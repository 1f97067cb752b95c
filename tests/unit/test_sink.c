// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void finds_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(ecap_sink_find("json"), &ecap_sink_json);
	assert_ptr_equal(ecap_sink_find("text"), &ecap_sink_text);
	assert_null(ecap_sink_find("Text"));
	assert_null(ecap_sink_find("tex"));
	assert_null(ecap_sink_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
