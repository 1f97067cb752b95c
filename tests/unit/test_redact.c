// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "parsers/http_message.h"
#include "sinks/redact.h"

#define SPAN(s) { (const uint8_t *)(s), sizeof(s) - 1 }

static void knows_secret_fields(void **state)
{
	static const struct {
		struct ecap_http_field field;
		bool want;
	} cases[] = {
		{ { SPAN("Authorization"), SPAN("Basic eDp5") }, true },
		{ { SPAN("authorization"), SPAN("") }, true },
		{ { SPAN("PROXY-AUTHORIZATION"), SPAN("x") }, true },
		{ { SPAN("Cookie"), SPAN("a=b") }, true },
		{ { SPAN("set-cookie"), SPAN("a=b") }, true },
		/* as servers may take it all the same */
		{ { SPAN("Cookie\t "), SPAN("a=b") }, true },
		{ { SPAN(" \x0b"
			 "Cookie"),
		    SPAN("a=b") },
		  true },
		{ { SPAN("Cookie\0"), SPAN("a=b") }, true },
		{ { SPAN(""), SPAN("Authorization Basic eDp5") }, true },
		{ { SPAN(""), SPAN("Cookie") }, true },
		/* behind what some take for the end of a line */
		{ { SPAN("X"), SPAN("y\rCookie: a=b") }, true },
		{ { SPAN("X"), SPAN("y\r\n \tcookie: a=b") }, true },
		{ { SPAN("X"), SPAN("y\n Authorization") }, true },
		{ { SPAN("y\rSet-Cookie"), SPAN("a=b") }, true },
		{ { SPAN(""), SPAN("y\rCookie a=b") }, true },
		/* others */
		{ { SPAN("X"), SPAN("y\r\n Cookies: a=b") }, false },
		{ { SPAN("X"), SPAN("y Cookie: a=b\r") }, false },
		{ { SPAN("X"), SPAN("y\r\n") }, false },
		{ { SPAN("Cookies"), SPAN("a=b") }, false },
		{ { SPAN("Set-Cookie2"), SPAN("a=b") }, false },
		{ { SPAN("X-Cookie"), SPAN("a=b") }, false },
		{ { SPAN("Cooki"), SPAN("e: a=b") }, false },
		{ { SPAN("Host"), SPAN("Cookie") }, false },
		{ { SPAN(""), SPAN("no colon") }, false },
		{ { SPAN(""), SPAN("") }, false },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		if (ecap_redact_is_secret(&cases[i].field) != cases[i].want)
			fail_msg("case %zu: not %d", i, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(knows_secret_fields) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
