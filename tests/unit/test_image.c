/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/diagnose.h"
#include "target/image.h"

/* A small library file in memory: ELF header, one segment, .dynsym, .dynstr, section headers. */
struct tiny {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	Elf64_Sym syms[4];
	char names[32];
	Elf64_Shdr sh[3];
};

#define TEXT_ADDR 0x1000u

static struct tiny make_tiny(void)
{
	struct tiny t = {
		.eh = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
			.e_type = ET_DYN,
#if defined(__x86_64__)
			.e_machine = EM_X86_64,
#else
			.e_machine = EM_AARCH64,
#endif
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
			.p_offset = 0,
			.p_vaddr = TEXT_ADDR,
			.p_filesz = sizeof(struct tiny),
			.p_memsz = sizeof(struct tiny),
		},
		.syms = {
			[1] = { .st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				.st_shndx = 1, .st_value = TEXT_ADDR + 16, .st_size = 4 },
			[2] = { .st_name = 6, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				.st_shndx = SHN_UNDEF },
			[3] = { .st_name = 12, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				.st_shndx = 1, .st_value = 0x900000 },
		},
		.names = "\0here\0undef\0faraway",
		.sh = {
			[1] = { .sh_type = SHT_DYNSYM, .sh_link = 2,
				.sh_offset = offsetof(struct tiny, syms),
				.sh_size = sizeof(Elf64_Sym) * 4,
				.sh_entsize = sizeof(Elf64_Sym) },
			[2] = { .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct tiny, names),
				.sh_size = sizeof(((struct tiny *)0)->names) },
		},
	};

	return t;
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	return fd;
}

static int open_bytes(const void *data, size_t size, struct ecap_image **ret, int *ret_fd)
{
	*ret_fd = file_of(data, size);
	return ecap_image_open(*ret_fd, ret);
}

static void functions_are_found_by_file_offset(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = -1;
	struct ecap_function f = { 0 };
	struct tiny t = make_tiny();

	(void)state;
	assert_int_equal(open_bytes(&t, sizeof(t), &img, &fd), 0);
	assert_int_equal(ecap_image_find_function(img, "here", &f), 0);
	assert_int_equal(f.file_off, 16);
	assert_int_equal(f.size, 4);
	assert_int_equal(ecap_image_find_function(img, "undef", &f), -ENOENT);
	assert_int_equal(ecap_image_find_function(img, "her", &f), -ENOENT);
	assert_int_equal(ecap_image_find_function(img, "heree", &f), -ENOENT);
	assert_int_equal(ecap_image_find_function(img, "", &f), -ENOENT);
	assert_int_equal(ecap_image_find_function(img, "faraway", &f), -EBADMSG);
	assert_int_equal(f.file_off, 16); /* untouched by failures */
	assert_true(ecap_image_defines(img, "here"));
	assert_false(ecap_image_defines(img, "undef"));
}

/* One field of the small library is made wrong. */
static void wrong_files_are_refused(void **state)
{
#define FIELD(f) offsetof(struct tiny, f), sizeof(((struct tiny *)0)->f)
	static const struct {
		const char *what;
		size_t off, size;
		uint64_t value;
		int want;
	} cases[] = {
		{ "no magic", FIELD(eh.e_ident[0]), 'x', -ENOEXEC },
		{ "32 bits", FIELD(eh.e_ident[EI_CLASS]), ELFCLASS32, -ENOEXEC },
		{ "big endian", FIELD(eh.e_ident[EI_DATA]), ELFDATA2MSB, -ENOEXEC },
		{ "other machine", FIELD(eh.e_machine), EM_SPARC, -ENOEXEC },
		{ "object file", FIELD(eh.e_type), ET_REL, -ENOEXEC },
		{ "segments outside", FIELD(eh.e_phoff), 1u << 30, -EBADMSG },
		{ "segment entries of odd size", FIELD(eh.e_phentsize), 7, -EBADMSG },
		{ "too many segments", FIELD(eh.e_phnum), 60000, -EBADMSG },
		{ "sections outside", FIELD(eh.e_shoff), UINT64_MAX, -EBADMSG },
		{ "section entries of odd size", FIELD(eh.e_shentsize), 7, -EBADMSG },
		{ "symbols outside", FIELD(sh[1].sh_offset), 1u << 30, -EBADMSG },
		{ "symbols too large", FIELD(sh[1].sh_size), UINT64_MAX, -EFBIG },
		{ "symbol entries of odd size", FIELD(sh[1].sh_entsize), 1, -EBADMSG },
		{ "no string table", FIELD(sh[1].sh_link), 3, -EBADMSG },
		{ "strings that are none", FIELD(sh[2].sh_type), SHT_NOTE, -EBADMSG },
		{ "strings outside", FIELD(sh[2].sh_offset), 1u << 30, -EBADMSG },
	};
#undef FIELD

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
		ecap_autoclose int fd = -1;
		struct tiny t = make_tiny();
		int r;

		memcpy((uint8_t *)&t + cases[i].off, &cases[i].value, cases[i].size);
		r = open_bytes(&t, sizeof(t), &img, &fd);
		if (r != cases[i].want)
			fail_msg("%s: got %d, want %d", cases[i].what, r, cases[i].want);
		assert_null(img);
	}
}

static void names_never_leave_their_table(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = -1;
	struct tiny t = make_tiny();

	(void)state;
	memset(t.names, 'a', sizeof(t.names)); /* not terminated */
	t.syms[1].st_name = sizeof(t.names) - 2;
	t.syms[2].st_name = UINT32_MAX;
	assert_int_equal(open_bytes(&t, sizeof(t), &img, &fd), 0);
	assert_true(ecap_image_defines(img, "aa"));
	assert_false(ecap_image_defines(img, "aaa"));
}

static void a_truncated_file_is_refused_at_every_byte(void **state)
{
	struct tiny t = make_tiny();

	(void)state;
	for (size_t n = 0; n < sizeof(t); n++) {
		ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
		ecap_autoclose int fd = -1;

		assert_true(open_bytes(&t, n, &img, &fd) < 0);
	}
}

/* Code of the small library: the second half of its file, seen at other addresses. */
static void code_is_read_by_address(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = -1;
	struct tiny t = make_tiny();
	uint8_t bytes[sizeof(t)];
	uint64_t to = 0;

	(void)state;
	t.ph.p_offset = sizeof(t) / 2;
	t.ph.p_filesz = sizeof(t) / 2;
	assert_int_equal(open_bytes(&t, sizeof(t), &img, &fd), 0);
	assert_int_equal(ecap_image_offset_of(img, TEXT_ADDR + 5, &to), 0);
	assert_int_equal(to, sizeof(t) / 2 + 5);
	assert_int_equal(ecap_image_offset_of(img, TEXT_ADDR - 1, &to), -EBADMSG);
	assert_int_equal(ecap_image_offset_of(img, TEXT_ADDR + sizeof(t) / 2, &to), -EBADMSG);
	assert_int_equal(to, sizeof(t) / 2 + 5); /* untouched by failures */

	assert_int_equal(ecap_image_read_code(img, TEXT_ADDR + 3, bytes, 8), 8);
	assert_memory_equal(bytes, (uint8_t *)&t + sizeof(t) / 2 + 3, 8);
	/* to the end of the segment, and not beyond */
	assert_int_equal(ecap_image_read_code(img, TEXT_ADDR + sizeof(t) / 2 - 3, bytes, 8), 3);
	assert_int_equal(ecap_image_read_code(img, TEXT_ADDR + sizeof(t) / 2, bytes, 8), 0);
	assert_int_equal(ecap_image_read_code(img, UINT64_MAX, bytes, 8), 0);
}

static void segments_that_leave_the_file_have_less_code(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = -1;
	struct tiny t = make_tiny();
	uint8_t bytes[16];
	uint64_t to = 0;

	(void)state;
	t.ph.p_filesz = UINT64_MAX;
	assert_int_equal(open_bytes(&t, sizeof(t), &img, &fd), 0);
	assert_int_equal(ecap_image_read_code(img, TEXT_ADDR + sizeof(t) - 3, bytes, 8), 3);
	assert_int_equal(ecap_image_read_code(img, TEXT_ADDR + sizeof(t), bytes, 8), 0);
	assert_int_equal(ecap_image_offset_of(img, TEXT_ADDR + sizeof(t), &to), -EBADMSG);
	assert_int_equal(ecap_image_offset_of(img, UINT64_MAX, &to), -EBADMSG);
}

#if defined(__x86_64__)
#define JUMP_SLOT R_X86_64_JUMP_SLOT
#define RELATIVE  R_X86_64_RELATIVE
#define ABSOLUTE  R_X86_64_64
#define FOREIGN	  EM_AARCH64
#else
#define JUMP_SLOT R_AARCH64_JUMP_SLOT
#define RELATIVE  R_AARCH64_RELATIVE
#define ABSOLUTE  R_AARCH64_ABS64
#define FOREIGN	  EM_X86_64
#endif

static void pointers_are_resolved(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = -1;
	struct {
		struct tiny t;
		Elf64_Rela rela[5];
	} file = {
		.t = make_tiny(),
		.rela = {
			{ .r_offset = 0x10, .r_info = ELF64_R_INFO(1, JUMP_SLOT) },
			{ .r_offset = 0x18, .r_info = ELF64_R_INFO(2, JUMP_SLOT) },
			{ .r_offset = 0x20, .r_info = ELF64_R_INFO(0, RELATIVE), .r_addend = 77 },
			{ .r_offset = 0x28, .r_info = ELF64_R_INFO(9, JUMP_SLOT) },
			{ .r_offset = 0x30, .r_info = ELF64_R_INFO(1, ABSOLUTE) },
		},
	};
	struct ecap_import import = { .address = 1 };

	(void)state;
	file.t.sh[0] = (Elf64_Shdr){
		.sh_type = SHT_RELA,
		.sh_offset = sizeof(file.t),
		.sh_size = sizeof(file.rela),
		.sh_entsize = sizeof(Elf64_Rela),
	};
	assert_int_equal(open_bytes(&file, sizeof(file), &img, &fd), 0);
	assert_int_equal(ecap_image_find_import(img, 8, &import), -ENOENT);
	assert_int_equal(ecap_image_find_import(img, 0x28, &import), -EBADMSG);
	assert_int_equal(ecap_image_find_import(img, 0x30, &import), -ENOENT);
	assert_int_equal(import.address, 1); /* untouched by failures */
	assert_int_equal(ecap_image_find_import(img, 0x10, &import), 0);
	assert_string_equal(import.name, "here");
	assert_int_equal(import.address, TEXT_ADDR + 16);
	assert_int_equal(ecap_image_find_import(img, 0x18, &import), 0);
	assert_string_equal(import.name, "undef");
	assert_int_equal(import.address, 0);
	assert_int_equal(ecap_image_find_import(img, 0x20, &import), 0);
	assert_string_equal(import.name, "");
	assert_int_equal(import.address, 77);
}

static void damaged_relocations_are_refused(void **state)
{
	static const struct {
		uint64_t off, size;
		int want;
	} cases[] = {
		{ 1u << 30, 24, -EBADMSG },
		{ UINT64_MAX - 7, 24, -EBADMSG },
		{ 0, UINT64_MAX, -EFBIG },
		{ 0, 1u << 20, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
		ecap_autoclose int fd = -1;
		struct tiny t = make_tiny();
		struct ecap_import import;

		t.sh[0] = (Elf64_Shdr){
			.sh_type = SHT_RELA,
			.sh_offset = cases[i].off,
			.sh_size = cases[i].size,
			.sh_entsize = sizeof(Elf64_Rela),
		};
		assert_int_equal(open_bytes(&t, sizeof(t), &img, &fd), 0);
		assert_int_equal(ecap_image_find_import(img, 0xffff0000, &import), cases[i].want);
	}
}

static void a_foreign_machine_is_only_looked_at(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = -1;
	struct tiny t = make_tiny();

	(void)state;
	t.eh.e_machine = FOREIGN;
	assert_int_equal(open_bytes(&t, sizeof(t), &img, &fd), -ENOEXEC);
	assert_int_equal(ecap_image_open_any(fd, &img), 0);
	assert_int_equal(ecap_image_arch(img),
			 FOREIGN == EM_X86_64 ? ECAP_CODE_X86_64 : ECAP_CODE_ARM64);
}

/* The same function as the dynamic linker finds, in a real library of this machine. */
static void a_real_library_agrees_with_the_linker(void **state)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = -1;
	struct ecap_function f;
	uint8_t in_file[16];
	Dl_info info;
	void *sym = dlsym(RTLD_DEFAULT, "qsort");

	(void)state;
	assert_non_null(sym);
	assert_true(dladdr(sym, &info) != 0);
	fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ecap_image_open(fd, &img), 0);
	assert_int_equal(ecap_image_find_function(img, "qsort", &f), 0);
	assert_int_equal(pread(fd, in_file, sizeof(in_file), (off_t)f.file_off), sizeof(in_file));
	assert_memory_equal(in_file, sym, sizeof(in_file));
}

/* The words that say what is wrong with a file; NULL: nothing is, or it is none of ours. */
struct diagnosis_case {
	const char *what;
	void (*change)(struct tiny *t);
	const char *words;
};

static void no_change(struct tiny *t)
{
	(void)t;
}

static void no_sections(struct tiny *t)
{
	t->eh.e_shnum = 0;
}

static void no_symbols(struct tiny *t)
{
	t->sh[1].sh_type = SHT_PROGBITS;
}

static void only_the_empty_symbol(struct tiny *t)
{
	t->sh[1].sh_size = sizeof(Elf64_Sym);
}

static void symbols_of_another_size(struct tiny *t)
{
	t->sh[1].sh_entsize++;
}

static void no_strings(struct tiny *t)
{
	t->sh[1].sh_link = 0;
}

static void names_beyond_the_end(struct tiny *t)
{
	t->sh[2].sh_offset = UINT64_MAX;
}

static void code_beyond_the_end(struct tiny *t)
{
	t->ph.p_filesz++;
}

static void another_machine(struct tiny *t)
{
	t->eh.e_machine = EM_NONE;
}

static void no_magic(struct tiny *t)
{
	t->eh.e_ident[0] = 0;
}

static void what_is_wrong_is_said_in_words(void **state)
{
	static const struct diagnosis_case cases[] = {
		{ "nothing", no_change, NULL },
		{ "no sections", no_sections, "has no section headers" },
		{ "no symbols", no_symbols, "has no symbols (3 sections" },
		{ "the empty symbol", only_the_empty_symbol, "has no symbols" },
		{ "symbols of another size", symbols_of_another_size, "damaged: " },
		{ "no strings", no_strings, "damaged: " },
		{ "names beyond the end", names_beyond_the_end, "cut off: " },
		{ "code beyond the end", code_beyond_the_end, "cut off: " },
		{ "another machine", another_machine, NULL },
		{ "no magic", no_magic, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
		ecap_autoclose int fd = -1;
		struct tiny t = make_tiny();
		char why[256] = "";
		bool said;
		int r;

		cases[i].change(&t);
		r = open_bytes(&t, sizeof(t), &img, &fd);
		said = ecap_diagnose(fd, r < 0 ? r : -ENOENT, why, sizeof(why));
		if (said != (cases[i].words != NULL) ||
		    (said && strncmp(why, cases[i].words, strlen(cases[i].words)) != 0))
			fail_msg("%s: %s", cases[i].what, why);
	}
}

static void a_cut_file_is_called_so_at_every_byte(void **state)
{
	struct tiny t = make_tiny();

	(void)state;
	for (size_t size = 0; size < sizeof(t); size++) {
		ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
		ecap_autoclose int fd = -1;
		char why[256] = "", words[64];
		int r = open_bytes(&t, size, &img, &fd);

		/* without its first header it is no ELF file */
		assert_int_equal(ecap_diagnose(fd, r, why, sizeof(why)), size >= sizeof(t.eh));
		(void)snprintf(words, sizeof(words), "cut off: it has %zu bytes,", size);
		if (size >= sizeof(t.eh))
			assert_memory_equal(why, words, strlen(words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found_by_file_offset),
		cmocka_unit_test(wrong_files_are_refused),
		cmocka_unit_test(names_never_leave_their_table),
		cmocka_unit_test(a_truncated_file_is_refused_at_every_byte),
		cmocka_unit_test(what_is_wrong_is_said_in_words),
		cmocka_unit_test(a_cut_file_is_called_so_at_every_byte),
		cmocka_unit_test(code_is_read_by_address),
		cmocka_unit_test(segments_that_leave_the_file_have_less_code),
		cmocka_unit_test(pointers_are_resolved),
		cmocka_unit_test(damaged_relocations_are_refused),
		cmocka_unit_test(a_foreign_machine_is_only_looked_at),
		cmocka_unit_test(a_real_library_agrees_with_the_linker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
