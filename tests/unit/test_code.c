/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "code_cases.h"
#include "target/code.h"

#define START	 0x1000u
#define MAX_CODE 128

static size_t bytes_of(const char *hex, uint8_t ret[MAX_CODE])
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= MAX_CODE);
	for (size_t i = 0; i < n; i++) {
		char pair[] = { hex[2 * i], hex[2 * i + 1], 0 };

		ret[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

static struct ecap_code *open_view(struct ecap_code_view *view, enum ecap_code_arch arch)
{
	const struct ecap_code_source source = {
		.arch = arch,
		.read = ecap_code_view_read,
		.arg = view,
	};
	struct ecap_code *code = NULL;

	assert_int_equal(ecap_code_open(&source, &code), 0);
	return code;
}

static void put_set(struct ecap_buf *b, uint8_t set)
{
	if (!set)
		ecap_buf_putc(b, '-');
	for (unsigned int n = 1; n <= ECAP_CODE_N_ARGS; n++) {
		if (set & ECAP_CODE_ARG_BIT(n))
			ecap_buf_printf(b, "%u", n);
	}
}

static void put_call(struct ecap_buf *b, const struct ecap_code_call *call)
{
	ecap_buf_puts(b, b->len && b->data[b->len - 1] != ' ' ? ", " : "");
	ecap_buf_puts(b, call->returns_to ? "" : "jump ");
	if (call->target)
		ecap_buf_printf(b, "+%x ", (unsigned int)(call->target - START));
	else if (call->slot)
		ecap_buf_printf(b, "[+%x] ", (unsigned int)(call->slot - START));
	else
		ecap_buf_puts(b, "? ");
	for (size_t i = 0; i < ECAP_CODE_N_ARGS; i++) {
		const struct ecap_code_arg *arg = &call->args[i];

		if (arg->local)
			ecap_buf_putc(b, 'L');
		else if (arg->from)
			ecap_buf_printf(b, "%u", arg->from);
		else
			ecap_buf_putc(b, '.');
		ecap_buf_puts(b, arg->ext == ECAP_CODE_SIGN ? "s" :
				 arg->ext == ECAP_CODE_ZERO ? "z" :
							      "");
	}
	ecap_buf_puts(b, " gets ");
	put_set(b, call->may_get);
}

/* What is said of a function, as struct code_case has it. */
static void describe(const struct ecap_code_function *f, struct ecap_buf *b)
{
	if (f->gap)
		ecap_buf_printf(b, "(%s)%s", ecap_code_gap_text(f->gap), f->n_calls ? " " : "");
	for (uint16_t i = 0; i < f->n_calls; i++)
		put_call(b, &f->calls[i]);
	if (f->may_store) {
		ecap_buf_puts(b, b->len ? ", stores " : "stores ");
		put_set(b, f->may_store);
	}
	ecap_buf_putc(b, 0);
}

static void check_cases(const struct code_case *cases, size_t n, enum ecap_code_arch arch)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t bytes[MAX_CODE];
		struct ecap_code_view view = { .bytes = bytes, .address = START };
		ecap_cleanup(ecap_code_freep) struct ecap_code *code = open_view(&view, arch);
		struct ecap_code_function f;
		struct ecap_buf got;

		view.len = bytes_of(cases[i].hex, bytes);
		assert_int_equal(ecap_code_analyse(code, START, view.len, &f), 0);
		ecap_buf_init(&got, 1024);
		describe(&f, &got);
		assert_int_equal(got.err, 0);
		if (strcmp((const char *)got.data, cases[i].want) != 0)
			fail_msg("%s:\n got %s\nwant %s", cases[i].what, (const char *)got.data,
				 cases[i].want);
		ecap_buf_done(&got);
	}
}

static void x86_arguments_are_followed(void **state)
{
	(void)state;
	check_cases(x86_cases, ECAP_ARRAY_SIZE(x86_cases), ECAP_CODE_X86_64);
}

static void arm64_arguments_are_followed(void **state)
{
	(void)state;
	check_cases(arm64_cases, ECAP_ARRAY_SIZE(arm64_cases), ECAP_CODE_ARM64);
}

/* Whatever is missing at the end: the result is not complete, or says nothing that is not so. */
static void check_cuts(const struct code_case *cases, size_t n, enum ecap_code_arch arch)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t bytes[MAX_CODE];
		size_t len = bytes_of(cases[i].hex, bytes);

		for (size_t cut = 0; cut < len; cut++) {
			ecap_autofree uint8_t *part = malloc(cut ? cut : 1);
			struct ecap_code_view view = { .len = cut, .address = START };
			ecap_cleanup(ecap_code_freep) struct ecap_code *code =
				open_view(&view, arch);
			struct ecap_code_insn first[ECAP_CODE_N_FIRST];
			struct ecap_code_function f = { 0 };
			uint64_t slot;

			/* exactly as long, so that a sanitizer sees reads behind it */
			assert_non_null(part);
			memcpy(part, bytes, cut);
			view.bytes = part;
			assert_int_equal(ecap_code_analyse(code, START, len, &f), 0);
			for (uint16_t c = 0; c < f.n_calls; c++)
				assert_true(f.calls[c].address < START + cut);
			assert_true(ecap_code_first(code, START, first) <= ECAP_CODE_N_FIRST);
			assert_true(ecap_code_stub(code, START, &slot) >= 0);
			assert_int_equal(ecap_code_first(code, START + cut, first), 0);
		}
	}
}

static void code_that_is_cut_anywhere_is_no_surprise(void **state)
{
	(void)state;
	check_cuts(x86_cases, ECAP_ARRAY_SIZE(x86_cases), ECAP_CODE_X86_64);
	check_cuts(arm64_cases, ECAP_ARRAY_SIZE(arm64_cases), ECAP_CODE_ARM64);
}

/* A cold part: outside of the function, entered with a frame in place or by a condition. */
static void parts_elsewhere_belong_to_the_function(void **state)
{
	static const struct code_case cases[] = {
		{
			/* sub rsp, 8; test edx, edx; js 1f; add rsp, 8; ret; 1: call +0x100; ud2 */
			"with a frame",
			"4883ec0885d278054883c408c3e8ee0000000f0b",
			"+100 123456 gets 123456",
		},
		{
			/* test edx, edx; js 1f; ret; 1: xor esi, esi; jmp +0x100 */
			"without",
			"85d27801c331f6e9f4000000",
			"jump +100 1.3456 gets 13456",
		},
	};
	static const uint64_t sizes[] = { 13, 5 };

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		uint8_t bytes[MAX_CODE];
		struct ecap_code_view view = { .bytes = bytes, .address = START };
		ecap_cleanup(ecap_code_freep) struct ecap_code *code =
			open_view(&view, ECAP_CODE_X86_64);
		struct ecap_code_function f;
		struct ecap_buf got;

		view.len = bytes_of(cases[i].hex, bytes);
		assert_int_equal(ecap_code_analyse(code, START, sizes[i], &f), 0);
		ecap_buf_init(&got, 1024);
		describe(&f, &got);
		assert_string_equal((const char *)got.data, cases[i].want);
		ecap_buf_done(&got);
	}
}

/* Kinds of the first instructions; a dot behind those where a hook may not sit. */
static void first_instructions_are_known(void **state)
{
	static const struct {
		const char *hex;
		enum ecap_code_arch arch;
		const char *want;
	} cases[] = {
		/* endbr64; push rbp; mov rbp, rsp; ret */
		{ "f30f1efa554889e5c3", ECAP_CODE_X86_64, "mark push mov. other." },
		/* push r15; push rbx */
		{ "415753", ECAP_CODE_X86_64, "push push." },
		/* sub rsp, 24; nop; call */
		{ "4883ec1890e800000000", ECAP_CODE_X86_64, "sub-sp nop. call." },
		/* mov rax, rdi; xor ecx, ecx; nop; jmp */
		{ "4889f831c990eb00", ECAP_CODE_X86_64, "mov other nop. jump." },
		/* a long nop; four at most */
		{ "0f1f40009090909090", ECAP_CODE_X86_64, "other nop nop nop" },
		/* jmp; nothing after it */
		{ "eb0090", ECAP_CODE_X86_64, "jump" },
		/* push 1 is none of a register */
		{ "6a01c3", ECAP_CODE_X86_64, "other other." },
		/* a byte that is none */
		{ "06", ECAP_CODE_X86_64, "" },
		/* bti c; stp x29, x30, [sp, -16]!; mov x29, sp; nop */
		{ "5f2403d5fd7bbfa9fd0300911f2003d5", ECAP_CODE_ARM64, "mark push mov. nop." },
		/* paciasp signs the return address: nothing may sit behind it */
		{ "3f2303d5ff8300d1", ECAP_CODE_ARM64, "other sub-sp." },
		/* mov x9, x30; nop; b */
		{ "e9031eaa1f2003d500000014", ECAP_CODE_ARM64, "mov nop jump" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		uint8_t bytes[MAX_CODE];
		struct ecap_code_view view = { .bytes = bytes, .address = START };
		ecap_cleanup(ecap_code_freep) struct ecap_code *code =
			open_view(&view, cases[i].arch);
		struct ecap_code_insn first[ECAP_CODE_N_FIRST];
		struct ecap_buf got;
		int n;

		view.len = bytes_of(cases[i].hex, bytes);
		n = ecap_code_first(code, START, first);
		ecap_buf_init(&got, 256);
		for (int k = 0; k < n; k++)
			ecap_buf_printf(&got, "%s%s%s", k ? " " : "",
					ecap_code_kind_text(first[k].kind),
					first[k].intact ? "" : ".");
		ecap_buf_putc(&got, 0);
		assert_string_equal((const char *)got.data, cases[i].want);
		ecap_buf_done(&got);
	}
}

static void stubs_are_known(void **state)
{
	static const struct {
		const char *hex;
		enum ecap_code_arch arch;
		uint64_t want; /* 0: it is none */
	} cases[] = {
		/* jmp [rip + 0x2ff0] */
		{ "ff25f02f0000", ECAP_CODE_X86_64, 0x1006 + 0x2ff0 },
		/* endbr64; bnd jmp [rip + 0x2ff0] */
		{ "f30f1efaf2ff25f02f0000", ECAP_CODE_X86_64, 0x100b + 0x2ff0 },
		/* jmp rax; push 1; endbr64 alone */
		{ "ffe0", ECAP_CODE_X86_64, 0 },
		{ "6a01", ECAP_CODE_X86_64, 0 },
		{ "f30f1efa", ECAP_CODE_X86_64, 0 },
		/* adrp x16, +0x11e000; ldr x17, [x16, 0x590]; add x16, x16, 0x590; br x17 */
		{ "f0080090"
		  "11ca42f9"
		  "10421691"
		  "20021fd6",
		  ECAP_CODE_ARM64, 0x11d590 },
		/* the same behind bti c */
		{ "5f2403d5"
		  "f0080090"
		  "11ca42f9"
		  "10421691"
		  "20021fd6",
		  ECAP_CODE_ARM64, 0x11d590 },
		/* another register */
		{ "f0080090"
		  "11ca42f9"
		  "10421691"
		  "00021fd6",
		  ECAP_CODE_ARM64, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		uint8_t bytes[MAX_CODE];
		struct ecap_code_view view = { .bytes = bytes, .address = START };
		ecap_cleanup(ecap_code_freep) struct ecap_code *code =
			open_view(&view, cases[i].arch);
		uint64_t slot = 0;

		view.len = bytes_of(cases[i].hex, bytes);
		assert_int_equal(ecap_code_stub(code, START, &slot), cases[i].want != 0);
		assert_int_equal(slot, cases[i].want);
	}
}

/* Code that goes on for longer than we look, once with many calls in it. */
static void code_without_end_is_bounded(void **state)
{
	static uint8_t bytes[4 * ECAP_CODE_MAX_INSNS];
	struct ecap_code_view view = { .bytes = bytes, .len = sizeof(bytes), .address = START };
	struct ecap_code_function f = { 0 };

	(void)state;
	memset(bytes, 0x90, sizeof(bytes));
	for (int calls = 0; calls < 2; calls++) {
		ecap_cleanup(ecap_code_freep) struct ecap_code *code =
			open_view(&view, ECAP_CODE_X86_64);

		assert_int_equal(ecap_code_analyse(code, START, sizeof(bytes), &f), 0);
		assert_int_equal(f.gap, ECAP_CODE_GAP_TOO_LARGE);
		assert_int_equal(f.n_calls, calls ? ECAP_CODE_MAX_CALLS : 0);
		if (!calls)
			assert_int_equal(f.n_insns, ECAP_CODE_MAX_INSNS);
		for (size_t i = 0; i < sizeof(bytes); i += 5)
			bytes[i] = 0xe8;
		bytes[5 * (ECAP_CODE_MAX_CALLS + 1)] = 0xc3;
	}
}

static ssize_t fail_to_read(void *arg, uint64_t address, void *buf, size_t n)
{
	(void)arg;
	(void)address;
	(void)buf;
	(void)n;
	return -EIO;
}

static void errors_of_the_source_are_passed_on(void **state)
{
	const struct ecap_code_source source = { .read = fail_to_read };
	ecap_cleanup(ecap_code_freep) struct ecap_code *code = NULL;
	struct ecap_code_insn first[ECAP_CODE_N_FIRST];
	struct ecap_code_function f = { .address = 1 };
	uint64_t slot = 2;

	(void)state;
	assert_int_equal(ecap_code_open(&source, &code), 0);
	assert_int_equal(ecap_code_analyse(code, START, 4, &f), -EIO);
	assert_int_equal(ecap_code_analyse(code, START, 0, &f), -EINVAL);
	assert_int_equal(ecap_code_analyse(code, UINT64_MAX, 4, &f), -EINVAL);
	assert_int_equal(ecap_code_first(code, START, first), -EIO);
	assert_int_equal(ecap_code_stub(code, START, &slot), -EIO);
	assert_int_equal(f.address, 1); /* untouched by failures */
	assert_int_equal(slot, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x86_arguments_are_followed),
		cmocka_unit_test(arm64_arguments_are_followed),
		cmocka_unit_test(code_that_is_cut_anywhere_is_no_surprise),
		cmocka_unit_test(parts_elsewhere_belong_to_the_function),
		cmocka_unit_test(first_instructions_are_known),
		cmocka_unit_test(stubs_are_known),
		cmocka_unit_test(code_without_end_is_bounded),
		cmocka_unit_test(errors_of_the_source_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
