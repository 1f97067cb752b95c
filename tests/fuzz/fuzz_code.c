/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says which architecture, the second how long the function says it is. */
#include "fuzz.h"

#include <stdlib.h>

#include "target/code.h"

#define START 0x1000u

static void check_function(const struct ecap_code_function *f)
{
	if (f->gap >= ECAP_CODE_N_GAPS || f->n_insns > ECAP_CODE_MAX_INSNS ||
	    f->n_calls > ECAP_CODE_MAX_CALLS || f->n_first > ECAP_CODE_N_FIRST)
		abort();
	for (uint16_t i = 0; i < f->n_calls; i++) {
		const struct ecap_code_call *call = &f->calls[i];

		for (size_t n = 0; n < ECAP_CODE_N_ARGS; n++) {
			const struct ecap_code_arg *arg = &call->args[n];

			if (arg->from > ECAP_CODE_N_ARGS || arg->ext >= ECAP_CODE_N_EXTS)
				abort();
			if (arg->from && arg->local)
				abort();
			/* what it is, it may be */
			if (arg->from && !(call->may_get & ECAP_CODE_ARG_BIT(arg->from)))
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ecap_code_view view = { .address = START };
	struct ecap_code_source source = { .read = ecap_code_view_read, .arg = &view };
	ecap_cleanup(ecap_code_freep) struct ecap_code *code = NULL;
	struct ecap_code_insn first[ECAP_CODE_N_FIRST];
	struct ecap_code_function f;
	uint64_t slot;
	int n;

	if (size < 2)
		return 0;
	source.arch = data[0] % ECAP_CODE_N_ARCHS;
	view.bytes = data + 2;
	view.len = size - 2;
	if (ecap_code_open(&source, &code) < 0)
		abort();
	if (ecap_code_analyse(code, START, data[1] ? data[1] : view.len + 1, &f) < 0)
		abort();
	check_function(&f);
	n = ecap_code_first(code, START, first);
	if (n < 0 || n > ECAP_CODE_N_FIRST)
		abort();
	for (int i = 0; i < n; i++) {
		if (first[i].address + first[i].len > START + view.len)
			abort(); /* an instruction beyond the code */
	}
	if (ecap_code_stub(code, START, &slot) < 0)
		abort();
	return 0;
}
