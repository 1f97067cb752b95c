/* SPDX-License-Identifier: Apache-2.0 */
#include "target/needed.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define MAX_NAMED 64

/* A dynamically linked file with one segment: header, two program headers, dynamic, strings. */
struct file {
	Elf64_Ehdr header;
	Elf64_Phdr phdrs[2];
	Elf64_Dyn dynamic[8];
	char strings[128];
};

struct named {
	char paths[MAX_NAMED][PATH_MAX];
	size_t n;
};

static char dir[] = "/tmp/ecapture-needed-XXXXXX";

static void write_file(const char *name, const void *p, size_t n, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void write_script(const char *name, const char *text)
{
	write_file(name, text, strlen(text), 0700);
}

static uint64_t add_string(struct file *f, size_t *used, const char *text)
{
	uint64_t at = *used;

	(void)snprintf(f->strings + at, sizeof(f->strings) - at, "%s", text);
	*used += strlen(text) + 1;
	return at;
}

/* An ELF file that needs @library, which it looks for in @where (NULL: nowhere of its own). */
static struct file make_file(const char *library, Elf64_Sxword tag, const char *where)
{
	struct file f = {
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
			.e_phoff = offsetof(struct file, phdrs),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
		},
		.phdrs = {
			{ .p_type = PT_LOAD, .p_vaddr = 0x1000, .p_filesz = sizeof(f) },
			{
				.p_type = PT_DYNAMIC,
				.p_offset = offsetof(struct file, dynamic),
				.p_filesz = sizeof(f.dynamic),
			},
		},
	};
	size_t used = 1, n = 0;

	if (where)
		f.dynamic[n++] = (Elf64_Dyn){ tag, { add_string(&f, &used, where) } };
	f.dynamic[n++] = (Elf64_Dyn){ DT_NEEDED, { add_string(&f, &used, library) } };
	f.dynamic[n++] = (Elf64_Dyn){ DT_STRTAB, { 0x1000 + offsetof(struct file, strings) } };
	f.dynamic[n++] = (Elf64_Dyn){ DT_STRSZ, { sizeof(f.strings) } };
	return f;
}

static void note(const char *path, void *arg)
{
	struct named *named = arg;

	assert_true(named->n < MAX_NAMED);
	(void)snprintf(named->paths[named->n++], PATH_MAX, "%s", path);
}

/* Whether a file whose path ends with @tail is named. */
static bool has(const struct named *named, const char *tail)
{
	for (size_t i = 0; i < named->n; i++) {
		size_t n = strlen(named->paths[i]), k = strlen(tail);

		if (n >= k && strcmp(named->paths[i] + n - k, tail) == 0)
			return true;
	}
	return false;
}

static const struct named *each(const char *path)
{
	static struct named named;

	named.n = 0;
	ecap_needed_each(path, note, &named);
	assert_string_equal(named.paths[0], path);
	return &named;
}

static int set_up(void **state)
{
	(void)state;
	(void)unsetenv("LD_LIBRARY_PATH");
	if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("lib", 0700) < 0 || mkdir("bin", 0700) < 0)
		return -1;
	write_file("lib/libfirst.so.1", "", 0, 0600);
	write_script("bin/tool", "#!/bin/true\n");
	write_file("bin/plain", "", 0, 0600);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") < 0 || nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0;
}

static void programs_are_found_as_exec_does(void **state)
{
	static const struct {
		const char *path, *name, *want;
		int result;
	} cases[] = {
		{ "/nowhere:bin", "tool", "bin/tool", 0 },
		{ "bin", "bin/tool", "bin/tool", 0 },
		{ "", "bin/tool", "bin/tool", 0 },
		{ "bin", "plain", NULL, -EACCES },
		{ "bin:/nowhere", "plain", NULL, -EACCES },
		{ "bin", "bin/plain", NULL, -EACCES },
		{ "bin", "bin", NULL, -ENOENT },
		{ ".", "bin", NULL, -EACCES },
		{ "bin", "missing", NULL, -ENOENT },
		{ "bin", "", NULL, -ENOENT },
		{ "/nowhere", "tool", NULL, -ENOENT },
	};
	char found[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		assert_int_equal(setenv("PATH", cases[i].path, 1), 0);
		assert_int_equal(ecap_needed_find_program(cases[i].name, found, sizeof(found)),
				 cases[i].result);
		if (cases[i].want)
			assert_string_equal(found, cases[i].want);
	}
	assert_int_equal(ecap_needed_find_program("bin/tool", found, 4), -ENAMETOOLONG);
}

static void an_empty_entry_of_the_path_is_here(void **state)
{
	char found[PATH_MAX];

	(void)state;
	write_script("here", "#!/bin/true\n");
	assert_int_equal(setenv("PATH", "/nowhere:", 1), 0);
	assert_int_equal(ecap_needed_find_program("here", found, sizeof(found)), 0);
	assert_string_equal(found, "./here");
}

static void scripts_lead_to_what_runs_them(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "#!/opt/interpreter\n", "/opt/interpreter" },
		{ "#! /opt/interpreter -x y\n", "/opt/interpreter" },
		{ "#!/usr/bin/env tool\n", "bin/tool" },
		{ "#!/usr/bin/env -S A=b tool -v\n", "bin/tool" },
	};

	(void)state;
	assert_int_equal(setenv("PATH", "bin", 1), 0);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		write_script("script", cases[i].text);
		assert_true(has(each("script"), cases[i].want));
	}
	write_script("script", "#!\n");
	assert_int_equal(each("script")->n, 1);
	write_script("script", "#!script\n"); /* of itself: it ends */
	assert_int_equal(each("script")->n, 1);
}

static void libraries_are_found(void **state)
{
	struct file f;

	(void)state;
	f = make_file("libfirst.so.1", DT_RUNPATH, "$ORIGIN/lib:/nowhere");
	write_file("program", &f, sizeof(f), 0700);
	assert_true(has(each("program"), "/lib/libfirst.so.1"));
	f = make_file("libfirst.so.1", DT_RPATH, "/nowhere:${ORIGIN}/lib");
	write_file("program", &f, sizeof(f), 0700);
	assert_true(has(each("program"), "/lib/libfirst.so.1"));

	f = make_file("libfirst.so.1", 0, NULL);
	write_file("program", &f, sizeof(f), 0700);
	assert_int_equal(each("program")->n, 1);
	assert_int_equal(setenv("LD_LIBRARY_PATH", "/nowhere:lib", 1), 0);
	assert_true(has(each("program"), "lib/libfirst.so.1"));
	(void)unsetenv("LD_LIBRARY_PATH");

	f = make_file("lib/libfirst.so.1", 0, NULL);
	write_file("program", &f, sizeof(f), 0700);
	assert_true(has(each("program"), "lib/libfirst.so.1"));
}

/* What a library needs is needed, too. */
static void libraries_are_followed(void **state)
{
	struct file f = make_file("libsecond.so", DT_RUNPATH, "$ORIGIN/lib");

	(void)state;
	write_file("program", &f, sizeof(f), 0700);
	f = make_file("libfirst.so.1", DT_RUNPATH, "$ORIGIN");
	write_file("lib/libsecond.so", &f, sizeof(f), 0600);
	assert_true(has(each("program"), "/lib/libsecond.so"));
	assert_true(has(each("program"), "/lib/libfirst.so.1"));
	assert_true(has(each("/proc/self/exe"), "libc.so.6"));
}

/* Cut off anywhere, and with any one field wrong, the program itself is named. */
static void broken_files_are_harmless(void **state)
{
	const struct file good = make_file("libfirst.so.1", DT_RUNPATH, "$ORIGIN/lib");
	struct file bad;

	(void)state;
	for (size_t n = 0; n < sizeof(good); n++) {
		write_file("program", &good, n, 0700);
		(void)each("program");
	}
	for (size_t i = 0; i + sizeof(uint64_t) <= offsetof(struct file, strings); i += 4) {
		static const uint64_t wrong[] = { 0, UINT64_MAX, INT64_MAX, 1u << 20 };

		for (size_t k = 0; k < ECAP_ARRAY_SIZE(wrong); k++) {
			bad = good;
			memcpy((char *)&bad + i, &wrong[k], sizeof(wrong[k]));
			write_file("program", &bad, sizeof(bad), 0700);
			(void)each("program");
		}
	}
	assert_int_equal(mkfifo("fifo", 0700), 0);
	assert_int_equal(each("fifo")->n, 1);
	assert_int_equal(each("missing")->n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_found_as_exec_does),
		cmocka_unit_test(an_empty_entry_of_the_path_is_here),
		cmocka_unit_test(scripts_lead_to_what_runs_them),
		cmocka_unit_test(libraries_are_found),
		cmocka_unit_test(libraries_are_followed),
		cmocka_unit_test(broken_files_are_harmless),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
