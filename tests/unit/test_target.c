/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/target.h"

#define BIT(kind) (1u << (kind))

static void inner_functions_must_be_worth_it(void **state)
{
	static const bool is_emulated[ECAP_CODE_N_KINDS] = {
		[ECAP_CODE_PUSH] = true,
		[ECAP_CODE_NOP] = true,
	};
	static const struct {
		uint32_t public_kinds;
		bool stays;
	} cases[] = {
		{ BIT(ECAP_CODE_SUB_SP), true },
		{ BIT(ECAP_CODE_PUSH), false },
		{ BIT(ECAP_CODE_PUSH) | BIT(ECAP_CODE_NOP), false },
		{ BIT(ECAP_CODE_PUSH) | BIT(ECAP_CODE_MARK), true },
		{ BIT(ECAP_CODE_OTHER), true },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		char path[] = "library";
		struct ecap_target t = {
			.path = path,
			.inners = {
				{ .group = 1, .public_kinds = cases[i].public_kinds },
				{ .group = 2, .public_kinds = BIT(ECAP_CODE_MOV) },
			},
			.n_inners = 2,
		};

		ecap_target_drop_needless(&t, is_emulated);
		assert_int_equal(t.n_inners, cases[i].stays ? 2 : 1);
		assert_int_equal(t.inners[0].group, cases[i].stays ? 1 : 2);
		assert_int_equal(t.inners[t.n_inners - 1].group, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inner_functions_must_be_worth_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
