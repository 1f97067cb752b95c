/* SPDX-License-Identifier: Apache-2.0 */
#include "target/needed.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "target/ldcache.h"

/* A program like a desktop's needs some hundred libraries. */
#define MAX_FILES 512
#define MAX_DIRS  64
/* As the kernel: BINFMT_SCRIPT reads so much of a script, and follows so many interpreters. */
#define SCRIPT_BYTES 256
#define MAX_SCRIPTS  4

#define MAX_PHDRS   64
#define MAX_DYNAMIC 1024
#define MAX_STRINGS (1u << 20)

/* ------------------------------------------------------------------------------------ programs */

/*
 * Not by access(2), which asks what the real user may do: whoever looks here may be somebody else,
 * with the capability to read any file.
 */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES ? -EACCES : -ENOENT;
	return S_ISREG(st.st_mode) && st.st_mode & 0111 ? 0 : -EACCES;
}

/* Copy the first @n bytes of @dir, an empty one being the current one, and @name to @ret. */
static int join(const char *dir, size_t n, const char *name, char *ret, size_t size)
{
	int len = n ? snprintf(ret, size, "%.*s/%s", (int)n, dir, name) :
		      snprintf(ret, size, "./%s", name);

	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

int ecap_needed_find_program(const char *name, char *ret, size_t size)
{
	const char *dirs = getenv("PATH"), *dir;
	int result = -ENOENT, r;

	if (strchr(name, '/')) {
		if (strlen(name) >= size)
			return -ENAMETOOLONG;
		(void)snprintf(ret, size, "%s", name);
		return check_program(ret);
	}
	if (!*name)
		return -ENOENT;
	/* where there is no $PATH, execvp() of glibc looks here */
	for (dir = dirs ? dirs : "/bin:/usr/bin";; dir += strcspn(dir, ":") + 1) {
		r = join(dir, strcspn(dir, ":"), name, ret, size);
		if (!r)
			r = check_program(ret);
		if (!r)
			return 0;
		if (r == -EACCES)
			result = r;
		if (!dir[strcspn(dir, ":")])
			return result;
	}
}

/* -------------------------------------------------------------------------------- what is found */

struct needed {
	ecap_needed_fn fn;
	void *arg;
	char *files[MAX_FILES]; /* those named so far; looked into in this order */
	size_t n_files;
	char *dirs[MAX_DIRS]; /* where libraries are looked for */
	size_t n_dirs;
};

static void needed_done(struct needed *n)
{
	for (size_t i = 0; i < n->n_files; i++)
		free(n->files[i]);
	for (size_t i = 0; i < n->n_dirs; i++)
		free(n->dirs[i]);
}

/* Beyond the limit, and without memory, it is not named. */
static void add_file(struct needed *n, const char *path)
{
	for (size_t i = 0; i < n->n_files; i++) {
		if (strcmp(n->files[i], path) == 0)
			return;
	}
	if (n->n_files == MAX_FILES)
		return;
	n->files[n->n_files] = strdup(path);
	if (n->files[n->n_files])
		n->fn(n->files[n->n_files++], n->arg);
}

static void add_dir(struct needed *n, const char *path)
{
	for (size_t i = 0; i < n->n_dirs; i++) {
		if (strcmp(n->dirs[i], path) == 0)
			return;
	}
	if (!*path || n->n_dirs == MAX_DIRS)
		return;
	n->dirs[n->n_dirs] = strdup(path);
	n->n_dirs += n->dirs[n->n_dirs] != NULL;
}

/* Add what is in a list like DT_RUNPATH; @file is for $ORIGIN. */
static void add_dirs(struct needed *n, const char *list, const char *file)
{
	static const char *const origins[] = { "$ORIGIN", "${ORIGIN}" };
	ecap_autofree char *real = realpath(file, NULL);
	char *slash = real ? strrchr(real, '/') : NULL;
	char dir[PATH_MAX];

	if (slash)
		*slash = '\0';
	for (;; list += strcspn(list, ":;") + 1) {
		size_t len = strcspn(list, ":;"), skip = 0;
		const char *before = "";

		for (size_t i = 0; slash && i < ECAP_ARRAY_SIZE(origins); i++) {
			if (strncmp(list, origins[i], strlen(origins[i])) == 0) {
				skip = strlen(origins[i]);
				before = real;
			}
		}
		if (snprintf(dir, sizeof(dir), "%s%.*s", before, (int)(len - skip), list + skip) <
		    (int)sizeof(dir))
			add_dir(n, dir);
		if (!list[len])
			return;
	}
}

struct lookup {
	const char *name;
	struct needed *needed;
};

static int on_cached(const char *path, void *arg)
{
	const struct lookup *l = arg;
	const char *slash = strrchr(path, '/');

	if (strcmp(slash ? slash + 1 : path, l->name) == 0)
		add_file(l->needed, path);
	return 0;
}

static void add_library(struct needed *n, const char *name)
{
	static const char *const usual[] = { "/lib64", "/usr/lib64", "/lib", "/usr/lib" };
	struct lookup lookup = { .name = name, .needed = n };
	const size_t before = n->n_files;
	char path[PATH_MAX];

	if (strchr(name, '/')) {
		add_file(n, name);
		return;
	}
	for (size_t i = 0; i < n->n_dirs; i++) {
		if (join(n->dirs[i], strlen(n->dirs[i]), name, path, sizeof(path)) == 0 &&
		    is_file(path)) {
			add_file(n, path);
			return;
		}
	}
	(void)ecap_ldcache_walk_file(ECAP_LDCACHE_PATH, on_cached, &lookup);
	for (size_t i = 0; n->n_files == before && i < ECAP_ARRAY_SIZE(usual); i++) {
		if (join(usual[i], strlen(usual[i]), name, path, sizeof(path)) == 0 &&
		    is_file(path))
			add_file(n, path);
	}
}

/* --------------------------------------------------------------------------------- what is read */

static bool read_at(int fd, uint64_t off, void *buf, size_t size)
{
	return off <= INT64_MAX && pread(fd, buf, size, (off_t)off) == (ssize_t)size;
}

struct elf {
	int fd;
	Elf64_Phdr phdrs[MAX_PHDRS];
	size_t n_phdrs;
	Elf64_Dyn dynamic[MAX_DYNAMIC];
	size_t n_dynamic;
	char *strings; /* owned; ends with a NUL of ours */
	size_t strings_size;
};

static void elf_done(struct elf *e)
{
	free(e->strings);
}

/* Where @address lies in the file, UINT64_MAX: nowhere. */
static uint64_t offset_of(const struct elf *e, uint64_t address)
{
	for (size_t i = 0; i < e->n_phdrs; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (p->p_type == PT_LOAD && address >= p->p_vaddr &&
		    address - p->p_vaddr < p->p_filesz)
			return p->p_offset + (address - p->p_vaddr);
	}
	return UINT64_MAX;
}

static bool read_dynamic(struct elf *e)
{
	for (size_t i = 0; i < e->n_phdrs; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];
		uint64_t n = p->p_filesz / sizeof(e->dynamic[0]);

		if (p->p_type != PT_DYNAMIC)
			continue;
		e->n_dynamic = n < MAX_DYNAMIC ? (size_t)n : MAX_DYNAMIC;
		return read_at(e->fd, p->p_offset, e->dynamic,
			       e->n_dynamic * sizeof(e->dynamic[0]));
	}
	return false;
}

static uint64_t dynamic_value(const struct elf *e, Elf64_Sxword tag)
{
	for (size_t i = 0; i < e->n_dynamic && e->dynamic[i].d_tag != DT_NULL; i++) {
		if (e->dynamic[i].d_tag == tag)
			return e->dynamic[i].d_un.d_val;
	}
	return 0;
}

static bool read_strings(struct elf *e)
{
	uint64_t size = dynamic_value(e, DT_STRSZ);

	if (size > MAX_STRINGS)
		return false;
	e->strings = calloc(1, (size_t)size + 1);
	e->strings_size = (size_t)size;
	return e->strings &&
	       read_at(e->fd, offset_of(e, dynamic_value(e, DT_STRTAB)), e->strings, (size_t)size);
}

/* What the file needs to be run, if it is dynamically linked. */
static bool read_elf(struct elf *e)
{
	Elf64_Ehdr h;

	if (!read_at(e->fd, 0, &h, sizeof(h)) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phentsize != sizeof(e->phdrs[0]))
		return false;
	e->n_phdrs = h.e_phnum < MAX_PHDRS ? h.e_phnum : MAX_PHDRS;
	return read_at(e->fd, h.e_phoff, e->phdrs, e->n_phdrs * sizeof(e->phdrs[0])) &&
	       read_dynamic(e) && read_strings(e);
}

/* Call @add with each string that has @tag. */
static void each_string(const struct elf *e, Elf64_Sxword tag, struct needed *n, const char *file,
			void (*add)(struct needed *n, const char *text, const char *file))
{
	for (size_t i = 0; i < e->n_dynamic && e->dynamic[i].d_tag != DT_NULL; i++) {
		if (e->dynamic[i].d_tag == tag && e->dynamic[i].d_un.d_val < e->strings_size)
			add(n, e->strings + e->dynamic[i].d_un.d_val, file);
	}
}

static void add_needed(struct needed *n, const char *name, const char *file)
{
	(void)file;
	add_library(n, name);
}

static void look_into(struct needed *n, const char *path)
{
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ecap_autofree struct elf *e = calloc(1, sizeof(*e));

	if (fd < 0 || !e)
		return;
	e->fd = fd;
	if (read_elf(e)) {
		each_string(e, DT_RPATH, n, path, add_dirs);
		each_string(e, DT_RUNPATH, n, path, add_dirs);
		each_string(e, DT_NEEDED, n, path, add_needed);
	}
	elf_done(e);
}

/* ------------------------------------------------------------------------------------- scripts */

/* The word at *@p, ended in place; NULL: there is none. */
static char *next_word(char **p)
{
	char *word = *p + strspn(*p, " \t");

	if (!*word)
		return NULL;
	*p = word + strcspn(word, " \t");
	if (**p)
		*(*p)++ = '\0';
	return word;
}

/* Whether the file is a script; then *ret is what runs it. */
static bool find_interpreter(const char *path, char *ret, size_t size)
{
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char line[SCRIPT_BYTES + 1] = "", *p = line + 2, *word, *name;
	ssize_t n = fd < 0 ? -1 : pread(fd, line, SCRIPT_BYTES, 0);

	if (n < 2 || line[0] != '#' || line[1] != '!')
		return false;
	line[strcspn(line, "\n")] = '\0';
	word = next_word(&p);
	if (!word)
		return false;
	name = strrchr(word, '/');
	if (strcmp(name ? name + 1 : word, "env") == 0) {
		do { /* options, and what goes into the environment */
			name = next_word(&p);
		} while (name && (*name == '-' || strchr(name, '=')));
		if (name)
			return ecap_needed_find_program(name, ret, size) == 0;
	}
	(void)snprintf(ret, size, "%s", word);
	return true;
}

void ecap_needed_each(const char *path, ecap_needed_fn fn, void *arg)
{
	ecap_cleanup(needed_done) struct needed n = { .fn = fn, .arg = arg };
	const char *dirs = getenv("LD_LIBRARY_PATH");
	char program[PATH_MAX], interpreter[PATH_MAX];

	if (dirs)
		add_dirs(&n, dirs, path);
	(void)snprintf(program, sizeof(program), "%s", path);
	add_file(&n, program);
	for (int i = 0;
	     i < MAX_SCRIPTS && find_interpreter(program, interpreter, sizeof(interpreter)); i++) {
		memcpy(program, interpreter, sizeof(program));
		add_file(&n, program);
	}
	for (size_t i = 0; i < n.n_files; i++) /* which grows */
		look_into(&n, n.files[i]);
}
