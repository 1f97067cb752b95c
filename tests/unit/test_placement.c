/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "target/placement.h"

#define TEXT_ADDR 0x1000u
#define ROOM	  0x40u /* of each function */

/* In this order in the file. */
enum { PLAIN, FULL, FULL2, CALLEE, OTHER, NOTHING, N_PLACES };

/* A library in memory; the callee and the other function have no symbols. */
struct tiny {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	Elf64_Sym syms[5];
	char names[32];
	Elf64_Shdr sh[3];
	uint8_t code[N_PLACES][ROOM];
};

/* Code of public functions (x86-64, as hexadecimal text), and what is to be found. */
struct placement_case {
	const char *what;
	const char *plain, *full, *full2; /* NULL: not there */
	enum ecap_placement_kind kind;
	const char *reason;
	enum ecap_code_kind plain_kind; /* what it begins with; 0: makes a frame, as most do */
};

static const struct placement_case cases[] = {
	{
		.what = "as it should be",
		/* sub rsp,24; test edx,edx; js 1f; movsxd rdx,edx; mov rcx,rsp; call callee; 1: */
		/* add rsp,24; ret */
		.plain = "4883ec1885d2780b4863d24889e1e8ad0000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_CALLEE,
	},
	{
		.what = "what takes nothing may be called",
		/* sub rsp,24; test edx,edx; js 1f; mov rcx,rsp; call callee; add rsp,24; ret; 1: */
		/* call nothing; mov eax,-1; add rsp,24; ret */
		.plain = "4883ec1885d2780d4889e1e8b00000004883c418c3e826010000b8ffffffff4883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_CALLEE,
	},
	{
		.what = "a full function that jumps to another",
		/* sub rsp,24; xor ecx,ecx; mov r8,rsp; movsxd rdx,edx; call callee; add rsp,24; */
		/* ret */
		.plain = "4883ec1831c94989e04863d2e8af0000004883c418c3",
		/* mov r8,rcx; xor ecx,ecx; jmp full2 */
		.full = "4989c831c9eb39",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full2 = "4883ec08e8370000004883c408c3",
		.kind = ECAP_PLACEMENT_CALLEE,
	},
	{
		.what = "which gets something else",
		/* sub rsp,24; xor ecx,ecx; mov r8,rsp; movsxd rdx,edx; call callee; add rsp,24; */
		/* ret */
		.plain = "4883ec1831c94989e04863d2e8af0000004883c418c3",
		/* mov r8,rdx; xor ecx,ecx; jmp full2 */
		.full = "4989d031c9eb39",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full2 = "4883ec08e8370000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "full jumps to full2 with other arguments",
	},
	{
		.what = "a circle",
		/* sub rsp,24; xor ecx,ecx; mov r8,rsp; movsxd rdx,edx; call callee; add rsp,24; */
		/* ret */
		.plain = "4883ec1831c94989e04863d2e8af0000004883c418c3",
		/* mov r8,rcx; jmp full2 */
		.full = "4989c8eb3b",
		/* mov rcx,r8; jmp full */
		.full2 = "4c89c1ebbb",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "full jumps in a circle, or far",
	},
	{
		.what = "public functions that begin well",
		/* push rbx; movsxd rdx,edx; mov rcx,rsp; call callee; pop rbx; ret */
		.plain = "534863d24889e1e8b40000005bc3",
		.plain_kind = ECAP_CODE_PUSH,
		/* endbr64; push rbx; call callee; pop rbx; ret */
		.full = "f30f1efa53e8760000005bc3",
		.kind = ECAP_PLACEMENT_CALLEE,
	},
	{
		.what = "one function",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "too few functions to compare",
	},
	{
		.what = "no full function",
		/* sub rsp,24; test edx,edx; js 1f; movsxd rdx,edx; mov rcx,rsp; call callee; 1: */
		/* add rsp,24; ret */
		.plain = "4883ec1885d2780b4863d24889e1e8ad0000004883c418c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "too few functions to compare",
	},
	{
		.what = "arguments the other way round",
		/* sub rsp,24; mov rax,rdi; mov rdi,rsi; mov rsi,rax; mov rcx,rsp; call callee; */
		/* add rsp,24; ret */
		.plain = "4883ec184889f84889f74889c64889e1e8ab0000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "full calls at 0x1044 with other arguments",
	},
	{
		.what = "no place for the result",
		/* sub rsp,24; xor ecx,ecx; call callee; add rsp,24; ret */
		.plain = "4883ec1831c9e8b50000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain calls at 0x1006 with other arguments",
	},
	{
		.what = "a buffer that is half an address",
		/* sub rsp,24; mov esi,esi; mov rcx,rsp; call callee; add rsp,24; ret */
		.plain = "4883ec1889f64889e1e8b20000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain calls at 0x1009 with other arguments",
	},
	{
		.what = "another callee",
		/* sub rsp,24; xor esi,esi; call other; add rsp,24; ret */
		.plain = "4883ec1831f6e8f50000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain does not call what its siblings call",
	},
	{
		.what = "a second callee with the buffer",
		/* sub rsp,24; mov rcx,rsp; test edx,edx; js 1f; call callee; add rsp,24; ret; 1: */
		/* call other; add rsp,24; ret */
		.plain = "4883ec184889e185d2780ae8b00000004883c418c3e8e60000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain may pass the buffer to another function, at 0x1015",
	},
	{
		.what = "a second callee with everything",
		/* sub rsp,24; test edx,edx; js 1f; movsxd rdx,edx; mov rcx,rsp; call callee; 1: */
		/* add rsp,24; ret */
		.plain = "4883ec1885d2780b4863d24889e1e8ad0000004883c418c3",
		/* sub rsp,8; test edx,edx; js 1f; call callee; add rsp,8; ret; 1: call other; */
		/* add rsp,8; ret */
		.full = "4883ec0885d2780ae8730000004883c408c3e8a90000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "full hands its arguments to more than one function",
	},
	{
		.what = "a pointer gets the buffer",
		/* sub rsp,24; mov rcx,rsp; test edx,edx; js 1f; call callee; add rsp,24; ret; 1: */
		/* call [rdi+8]; add rsp,24; ret */
		.plain = "4883ec184889e185d2780ae8b00000004883c418c3ff57084883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain may pass the buffer to another function, at 0x1015",
	},
	{
		.what = "the buffer is kept",
		/* sub rsp,24; mov [rdi+8],rsi; mov rcx,rsp; call callee; add rsp,24; ret */
		.plain = "4883ec18488977084889e1e8b00000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain may keep the buffer",
	},
	{
		.what = "the buffer as a seventh argument",
		/* sub rsp,24; mov rcx,rsp; test edx,edx; js 1f; call callee; add rsp,24; ret; 1: */
		/* push rsi; xor esi,esi; xor ecx,ecx; call other; add rsp,32; ret */
		.plain = "4883ec184889e185d2780ae8b00000004883c418c35631f631c9e8e10000004883c420c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain may pass the buffer to another function, at 0x101a",
	},
	{
		.what = "the buffer is copied without the callee",
		/* sub rsp,24; mov rcx,rsp; test edx,edx; js 1f; call callee; add rsp,24; ret; 1: */
		/* mov al,[rsi]; mov [rdi],al; add rsp,24; ret */
		.plain = "4883ec184889e185d2780ae8b00000004883c418c38a0688074883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain may look into the buffer itself",
	},
	{
		.what = "the buffer is changed after the callee",
		/* push rbx; mov rbx,rsi; sub rsp,16; mov rcx,rsp; call callee; mov byte [rbx],0; */
		/* add rsp,16; pop rbx; ret */
		.plain = "534889f34883ec104889e1e8b0000000c603004883c4105bc3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain may look into the buffer itself",
	},
	{
		.what = "what is in the buffer decides",
		/* sub rsp,24; mov rcx,rsp; cmp byte [rsi],0; je 1f; call callee; 1: */
		/* add rsp,24; ret */
		.plain = "4883ec184889e1803e007405e8af0000004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain may look into the buffer itself",
	},
	{
		.what = "a variable of the file is looked at after the callee",
		/* sub rsp,24; mov rcx,rsp; call callee; mov rax,[rip]; mov rax,[rax]; */
		/* add rsp,24; ret */
		.plain = "4883ec184889e1e8b4000000488b0500000000488b004883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_CALLEE,
	},
	{
		.what = "not understood",
		/* sub rsp,24; mov rcx,rsp; call callee; .byte 0x06; add rsp,24; ret */
		.plain = "4883ec184889e1e8b4000000064883c418c3",
		/* sub rsp,8; call callee; add rsp,8; ret */
		.full = "4883ec08e8770000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "plain: an instruction is not understood",
	},
	{
		.what = "no callee",
		/* sub rsp,24; test edx,edx; js 1f; movsxd rdx,edx; mov rcx,rsp; call callee; 1: */
		/* add rsp,24; ret */
		.plain = "4883ec1885d2780b4863d24889e1e8ad0000004883c418c3",
		/* sub rsp,8; xor esi,esi; call callee; add rsp,8; ret */
		.full = "4883ec0831f6e8750000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "full hands its arguments to no function of this file",
	},
	{
		.what = "the out argument twice",
		/* sub rsp,24; mov rcx,rsp; mov r8,rcx; call callee; add rsp,24; ret */
		.plain = "4883ec184889e14989c8e8b10000004883c418c3",
		/* sub rsp,8; mov r8,rcx; call callee; add rsp,8; ret */
		.full = "4883ec084989c8e8740000004883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "an argument is passed twice",
	},
	{
		.what = "a public callee",
		/* sub rsp,24; mov r8,rsp; xor ecx,ecx; call full2; add rsp,24; ret */
		.plain = "4883ec184989e031c9e8720000004883c418c3",
		/* sub rsp,8; mov r8,rcx; xor ecx,ecx; call full2; add rsp,8; ret */
		.full = "4883ec084989c831c9e8320000004883c408c3",
		/* sub rsp,8; call full2; add rsp,8; ret */
		.full2 = "4883ec08e8f7ffffff4883c408c3",
		.kind = ECAP_PLACEMENT_UNPROVEN,
		.reason = "the callee is public",
	},
};

static const struct ecap_placement_group group = {
	.functions =
		(const struct ecap_placement_function[]){
			{ .symbol = "plain", .args = { .handle = 1, .buf = 2, .len = 3 } },
			{ .symbol = "full", .args = { .handle = 1, .buf = 2, .len = 3, .out = 4 } },
			{ .symbol = "full2",
			  .args = { .handle = 1, .buf = 2, .len = 3, .out = 5 } },
		},
	.n_functions = 3,
	.no_args = (const char *const[]){ "nothing", NULL },
};

static void put_code(uint8_t room[ROOM], const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= ROOM);
	for (size_t i = 0; i < n; i++) {
		char pair[] = { hex[2 * i], hex[2 * i + 1], 0 };

		room[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
}

/* The symbol of a function that is there. */
static Elf64_Sym symbol(uint32_t name, unsigned int place, const char *hex)
{
	return (Elf64_Sym){
		.st_name = name,
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		.st_shndx = hex ? 1 : SHN_UNDEF,
		.st_value = TEXT_ADDR + place * ROOM,
		.st_size = hex ? strlen(hex) / 2 : 0,
	};
}

static struct tiny make_tiny(const struct placement_case *c)
{
	const char *push_ret = "53c3";
	struct tiny t = {
		.eh = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
			.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct tiny, ph),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
			.e_shoff = offsetof(struct tiny, sh),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 3,
		},
		.ph = {
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_offset = offsetof(struct tiny, code),
			.p_vaddr = TEXT_ADDR,
			.p_filesz = sizeof(((struct tiny *)0)->code),
			.p_memsz = sizeof(((struct tiny *)0)->code),
		},
		.syms = {
			[1] = symbol(1, PLAIN, c->plain),
			[2] = symbol(7, FULL, c->full),
			[3] = symbol(12, FULL2, c->full2),
			[4] = symbol(18, NOTHING, push_ret),
		},
		.names = "\0plain\0full\0full2\0nothing",
		.sh = {
			[1] = { .sh_type = SHT_DYNSYM, .sh_link = 2,
				.sh_offset = offsetof(struct tiny, syms),
				.sh_size = sizeof(((struct tiny *)0)->syms),
				.sh_entsize = sizeof(Elf64_Sym) },
			[2] = { .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct tiny, names),
				.sh_size = sizeof(((struct tiny *)0)->names) },
		},
	};

	put_code(t.code[PLAIN], c->plain ? c->plain : "");
	put_code(t.code[FULL], c->full ? c->full : "");
	put_code(t.code[FULL2], c->full2 ? c->full2 : "");
	put_code(t.code[CALLEE], push_ret);
	put_code(t.code[OTHER], push_ret);
	put_code(t.code[NOTHING], push_ret);
	return t;
}

static int file_of(const struct placement_case *c)
{
	struct tiny t = make_tiny(c);
	int fd = memfd_create("library", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &t, sizeof(t)), sizeof(t));
	return fd;
}

static void check_callee(const struct placement_case *c, const struct ecap_placement *p)
{
	const struct ecap_placement_caller *callers = p->callers;
	uint64_t callee = TEXT_ADDR + CALLEE * ROOM;

	assert_int_equal(p->args.handle, 1);
	assert_int_equal(p->args.buf, 2);
	assert_int_equal(p->args.len, 3);
	assert_int_equal(p->args.out, c->full2 ? 5 : 4);
	assert_int_equal(p->n_places, 1);
	assert_int_equal(p->places[0].address, callee);
	assert_int_equal(p->places[0].file_off, offsetof(struct tiny, code) + CALLEE * ROOM);
	assert_int_equal(p->places[0].kind, ECAP_CODE_PUSH);
	for (uint8_t i = 0; i < group.n_functions; i++)
		assert_int_equal(callers[i].present,
				 i == PLAIN || (i == FULL ? c->full : c->full2) != NULL);
	assert_int_equal(callers[PLAIN].n_returns, 1);
	assert_int_equal(callers[PLAIN].returns[0].link, callers[PLAIN].returns[0].frame);
	assert_int_equal(callers[PLAIN].kind, c->plain_kind ? c->plain_kind : ECAP_CODE_SUB_SP);
	assert_int_equal(callers[FULL].n_returns, c->full2 ? 0 : 1);
	assert_int_equal(callers[FULL].via, c->full2 ? FULL2 : -1);
}

static void the_rule_wants_proof(void **state)
{
	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		const struct placement_case *c = &cases[i];
		ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
		ecap_autoclose int fd = file_of(c);
		struct ecap_placement p;

		assert_int_equal(ecap_image_open_any(fd, &img), 0);
		assert_int_equal(ecap_placement_find(img, &group, &p), 0);
		if (p.kind != c->kind || strcmp(p.reason, c->reason ? c->reason : "") != 0)
			fail_msg("%s: kind %u, \"%s\"", c->what, p.kind, p.reason);
		if (p.kind == ECAP_PLACEMENT_CALLEE)
			check_callee(c, &p);
		assert_true(ecap_placement_is_sane(&p, img, &group));
	}
}

#if defined(__x86_64__)
static void a_child_finds_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		const struct ecap_placement_group groups[] = { group, group };
		const struct ecap_patience patience = { .ms = 20000, .stop_fd = -1 };
		ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
		ecap_autoclose int fd = file_of(&cases[i]);
		struct ecap_placement here, there[2];

		assert_int_equal(ecap_image_open(fd, &img), 0);
		assert_int_equal(ecap_placement_find(img, &group, &here), 0);
		assert_int_equal(ecap_placement_find_isolated(fd, img, groups, 2, &patience, there),
				 0);
		assert_memory_equal(&here, &there[0], sizeof(here));
		assert_memory_equal(&here, &there[1], sizeof(here));
	}
}
#endif

/* One byte of a good result is made wrong. */
static void wrong_answers_are_refused(void **state)
{
#define FIELD(f) offsetof(struct ecap_placement, f), #f
	static const struct {
		size_t off;
		const char *what;
		uint8_t value;
	} wrong[] = {
		{ FIELD(kind), ECAP_PLACEMENT_N_KINDS },
		{ FIELD(args.handle), 0 },
		{ FIELD(args.handle), 2 }, /* as the buffer */
		{ FIELD(args.out), ECAP_CODE_N_ARGS + 1 },
		{ FIELD(n_places), 0 },
		{ FIELD(n_places), 3 },
		{ FIELD(places[0].address), 1 },
		{ FIELD(places[0].file_off), 1 },
		{ FIELD(places[0].kind), ECAP_CODE_N_KINDS },
		{ FIELD(callers[0].present), 2 },
		{ FIELD(callers[3].present), 1 },
		{ FIELD(callers[0].kind), ECAP_CODE_N_KINDS },
		{ FIELD(callers[0].via), 0 },
		{ FIELD(callers[0].via), 3 },
		{ FIELD(callers[0].via), 0xfe },
		{ FIELD(callers[0].n_returns), ECAP_PLACEMENT_MAX_RETURNS + 1 },
		{ FIELD(callers[0].returns[0].place.file_off), 1 },
		{ FIELD(callers[0].returns[0].link), 33 }, /* beyond the frame */
		{ FIELD(reason[0]), 27 },
	};
#undef FIELD
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = file_of(&cases[0]);
	struct ecap_placement good, p;

	(void)state;
	assert_int_equal(ecap_image_open_any(fd, &img), 0);
	assert_int_equal(ecap_placement_find(img, &group, &good), 0);
	assert_int_equal(good.kind, ECAP_PLACEMENT_CALLEE);
	assert_true(ecap_placement_is_sane(&good, img, &group));
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(wrong); i++) {
		p = good;
		memset((uint8_t *)&p + wrong[i].off, wrong[i].value, 1);
		if (ecap_placement_is_sane(&p, img, &group))
			fail_msg("%s = %u", wrong[i].what, wrong[i].value);
	}
	p = good;
	memset(p.reason, 'x', sizeof(p.reason));
	assert_false(ecap_placement_is_sane(&p, img, &group));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rule_wants_proof),
#if defined(__x86_64__)
		cmocka_unit_test(a_child_finds_the_same),
#endif
		cmocka_unit_test(wrong_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
