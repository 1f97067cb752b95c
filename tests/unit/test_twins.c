/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/twins.h"

enum slot {
	OPEN,
	EMPTY,
	NAME,
	RECV,
	READ,
	N_SLOTS,
};

static const struct ecap_twins look = {
	.n_slots = N_SLOTS,
	.empty = ECAP_TWINS_SLOT(EMPTY),
	.same = ECAP_TWINS_SLOT(NAME),
	.forwards = { { .from = READ, .to = RECV, .n_args = 2 } },
	.n_forwards = 1,
};

/* Functions of the file; each of the first table has its twin of the second one. */
enum function {
	NAME_BOTH,
	OPEN_1,
	OPEN_2,
	RECV_1,
	RECV_2,
	READ_1,
	READ_2,
	N_FUNCTIONS,
};

#define FUNCTION_SIZE 128
#define N_TABLES      3
#define N_RELOCATIONS (N_TABLES * N_SLOTS)
#define CODE_ADDR     0x10000u
#define DATA_ADDR     0x20000u

/* What a test wants to be wrong, or only different. */
struct variation {
	const char *what;
	bool second_first;  /* in memory */
	bool packed;	    /* RELR */
	bool none_forwards; /* no function calls another one */
	bool both_forward;
	bool other_args; /* it passes on something else than it got */
	bool third;	 /* a further table, equal to the second one */
	bool twice;	 /* a relocation */
	bool outside;	 /* the relocations lie outside of the file */
	int slot;	 /* of the first table: that holds function instead; -1: none */
	enum function function;
	int want;
};

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	Elf64_Shdr sh[2];
	Elf64_Rela rela[N_RELOCATIONS + 1];
	Elf64_Relr relr[2];
	uint64_t tables[N_TABLES][N_SLOTS];
	uint8_t code[N_FUNCTIONS * FUNCTION_SIZE];
};

static uint64_t address_of(enum function f)
{
	return CODE_ADDR + (uint64_t)f * FUNCTION_SIZE;
}

#if defined(__x86_64__)
#define MACHINE	 EM_X86_64
#define RELATIVE R_X86_64_RELATIVE
static void put_return(uint8_t *code)
{
	code[0] = 0xc3;
}

static void put_forward(uint8_t *code, int32_t distance, bool other_args)
{
	/* xor %ecx, %ecx, or mov %rdx, %rsi; jmp */
	uint8_t first[][3] = { { 0x31, 0xc9, 0x90 }, { 0x48, 0x89, 0xd6 } };

	memcpy(code, first[other_args], 3);
	code[3] = 0xe9;
	distance -= 8;
	memcpy(code + 4, &distance, sizeof(distance));
}
#else
#define MACHINE	 EM_AARCH64
#define RELATIVE R_AARCH64_RELATIVE
static void put_return(uint8_t *code)
{
	uint32_t insn = 0xd65f03c0;

	memcpy(code, &insn, sizeof(insn));
}

static void put_forward(uint8_t *code, int32_t distance, bool other_args)
{
	/* mov w3, wzr, or mov x1, x2; b */
	uint32_t insns[] = { other_args ? 0xaa0203e1 : 0x2a1f03e3,
			     0x14000000 | ((uint32_t)((distance - 4) / 4) & 0x3ffffff) };

	memcpy(code, insns, sizeof(insns));
}
#endif

static void put_headers(struct file *f, const struct variation *v)
{
	f->eh = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
		.e_type = ET_DYN,
		.e_machine = MACHINE,
		.e_phoff = offsetof(struct file, ph),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
		.e_shoff = offsetof(struct file, sh),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 2,
	};
	f->ph[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = offsetof(struct file, code),
		.p_vaddr = CODE_ADDR,
		.p_filesz = sizeof(f->code),
	};
	f->ph[1] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_W,
		.p_offset = offsetof(struct file, tables),
		.p_vaddr = DATA_ADDR,
		.p_filesz = sizeof(f->tables),
	};
	f->sh[1] = (Elf64_Shdr){
		.sh_type = v->packed ? SHT_RELR : SHT_RELA,
		.sh_offset = v->packed ? offsetof(struct file, relr) : offsetof(struct file, rela),
		.sh_size = v->packed ? sizeof(f->relr) : sizeof(f->rela),
		.sh_entsize = v->packed ? sizeof(Elf64_Relr) : sizeof(Elf64_Rela),
	};
	if (v->outside)
		f->sh[1].sh_offset = sizeof(*f);
}

static void put_tables(struct file *f, const struct variation *v)
{
	enum function first[N_SLOTS] = {
		[OPEN] = OPEN_1, [NAME] = NAME_BOTH, [RECV] = RECV_1, [READ] = READ_1
	};
	enum function second[N_SLOTS] = {
		[OPEN] = OPEN_2, [NAME] = NAME_BOTH, [RECV] = RECV_2, [READ] = READ_2
	};
	uint64_t *one = f->tables[v->second_first], *two = f->tables[!v->second_first];

	for (int i = 0; i < N_SLOTS; i++) {
		if (i == EMPTY)
			continue;
		one[i] = address_of(first[i]);
		two[i] = address_of(second[i]);
		if (v->third)
			f->tables[2][i] = address_of(second[i]);
	}
	if (v->slot >= 0)
		one[v->slot] = address_of(v->function);
}

/* Both formats of relocations say the same: each pointer that is not 0 has one. */
static void put_relocations(struct file *f, const struct variation *v)
{
	uint64_t *all = &f->tables[0][0];
	size_t n = 0;

	f->relr[0] = DATA_ADDR; /* slot 0 is never empty */
	f->relr[1] = 1;
	for (size_t i = 0; i < N_RELOCATIONS; i++) {
		if (!all[i])
			continue;
		f->rela[n++] = (Elf64_Rela){
			.r_offset = DATA_ADDR + i * sizeof(*all),
			.r_info = ELF64_R_INFO(0, RELATIVE),
			.r_addend = (int64_t)all[i],
		};
		if (i)
			f->relr[1] |= 1ull << i;
	}
	if (v->twice)
		f->rela[n] = f->rela[0];
	if (!v->packed)
		memset(f->tables, 0, sizeof(f->tables)); /* as linkers do */
}

static void put_code(struct file *f, const struct variation *v)
{
	int32_t distance = -2 * FUNCTION_SIZE; /* from READ to RECV, in both tables */

	for (int i = 0; i < N_FUNCTIONS; i++)
		put_return(&f->code[i * FUNCTION_SIZE]);
	if (!v->none_forwards)
		put_forward(&f->code[READ_1 * FUNCTION_SIZE], distance, v->other_args);
	if (v->both_forward)
		put_forward(&f->code[READ_2 * FUNCTION_SIZE], distance, false);
}

static struct file make_file(const struct variation *v)
{
	struct file f = { 0 };

	put_headers(&f, v);
	put_tables(&f, v);
	put_relocations(&f, v);
	put_code(&f, v);
	return f;
}

/* How looking for the pair in the first @size bytes of the file ends. */
static int find_in(const struct file *f, size_t size, struct ecap_twins_found *ret)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = memfd_create("twins", MFD_CLOEXEC);
	const struct ecap_patience patience = { .ms = 10000, .stop_fd = -1 };
	struct ecap_twins_found apart;
	int r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, f, size), size);
	r = ecap_image_open(fd, &img);
	if (r < 0)
		return r;
	r = ecap_twins_find(img, &look, ret);
	if (r < 0)
		return r;
	/* another process says the same */
	assert_int_equal(ecap_twins_find_isolated(fd, img, &look, &patience, &apart), 0);
	assert_memory_equal(ret, &apart, sizeof(apart));
	return 0;
}

static void the_pair_is_found(void **state)
{
	static const struct variation variations[] = {
		{ .what = "plain", .slot = -1 },
		{ .what = "in the other order", .slot = -1, .second_first = true },
		{ .what = "packed relocations", .slot = -1, .packed = true },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(variations); i++) {
		struct ecap_twins_found found = { 0 };
		struct file f = make_file(&variations[i]);
		int r = find_in(&f, sizeof(f), &found);

		if (r != 0)
			fail_msg("%s: %d", variations[i].what, r);
		assert_int_equal(found.first[OPEN], address_of(OPEN_1));
		assert_int_equal(found.first[EMPTY], 0);
		assert_int_equal(found.first[NAME], address_of(NAME_BOTH));
		assert_int_equal(found.first[RECV], address_of(RECV_1));
		assert_int_equal(found.first[READ], address_of(READ_1));
		assert_int_equal(found.second[RECV], address_of(RECV_2));
		assert_int_equal(found.second[READ], address_of(READ_2));
	}
}

static void what_may_be_something_else_is_refused(void **state)
{
	static const struct variation variations[] = {
		{ .what = "nothing forwards", .slot = -1, .none_forwards = true, .want = -ENOENT },
		{ .what = "both forward", .slot = -1, .both_forward = true, .want = -ENOENT },
		{ .what = "other arguments", .slot = -1, .other_args = true, .want = -ENOENT },
		{ .what = "two that fit", .slot = -1, .third = true, .want = -ENOENT },
		{ .what = "a function where none is",
		  .slot = EMPTY,
		  .function = OPEN_1,
		  .want = -ENOENT },
		{ .what = "not the same", .slot = NAME, .function = OPEN_1, .want = -ENOENT },
		{ .what = "the same", .slot = OPEN, .function = OPEN_2, .want = -ENOENT },
		{ .what = "not code", .slot = OPEN, .function = N_FUNCTIONS, .want = -ENOENT },
		{ .what = "another callee", .slot = RECV, .function = OPEN_1, .want = -ENOENT },
		{ .what = "two for a slot", .slot = -1, .twice = true, .want = -EBADMSG },
		{ .what = "outside", .slot = -1, .outside = true, .want = -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(variations); i++) {
		struct ecap_twins_found found = { .first = { 1 } };
		struct file f = make_file(&variations[i]);
		int r = find_in(&f, sizeof(f), &found);

		if (r != variations[i].want)
			fail_msg("%s: %d", variations[i].what, r);
		assert_int_equal(found.first[0], 1); /* untouched */
	}
}

static void a_file_may_end_anywhere(void **state)
{
	struct variation v = { .slot = -1 };

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		struct ecap_twins_found found;
		struct file f;

		v.packed = packed;
		f = make_file(&v);
		for (size_t size = 0; size < offsetof(struct file, code) + FUNCTION_SIZE; size++)
			assert_true(find_in(&f, size, &found) < 0);
	}
}

/* Only so many relocations are looked at, also where few bytes stand for many of them. */
static void too_many_pointers_are_refused(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = memfd_create("many", MFD_CLOEXEC);
	const struct variation v = { .slot = -1, .packed = true };
	struct file f = make_file(&v);
	struct ecap_pointer *pointers = NULL;
	size_t n = 0;
	Elf64_Relr same = DATA_ADDR;

	(void)state;
	f.sh[1].sh_offset = sizeof(f);
	f.sh[1].sh_size = (ECAP_IMAGE_MAX_POINTERS + 1) * sizeof(same);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &f, sizeof(f)), sizeof(f));
	for (size_t i = 0; i <= ECAP_IMAGE_MAX_POINTERS; i += 4096) {
		Elf64_Relr part[4096];

		for (size_t k = 0; k < ECAP_ARRAY_SIZE(part); k++)
			part[k] = same;
		assert_int_equal(write(fd, part, sizeof(part)), sizeof(part));
	}
	assert_int_equal(ecap_image_open(fd, &img), 0);
	assert_int_equal(ecap_image_pointers(img, &pointers, &n), -EFBIG);
	assert_null(pointers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pair_is_found),
		cmocka_unit_test(what_may_be_something_else_is_refused),
		cmocka_unit_test(a_file_may_end_anywhere),
		cmocka_unit_test(too_many_pointers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
