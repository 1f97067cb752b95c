/* SPDX-License-Identifier: Apache-2.0 */
#include "target/diagnose.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* What the headers say, as far as they can be read. */
struct facts {
	uint64_t size; /* of the file */
	uint64_t end;  /* the last byte that they speak of, and one */
	Elf64_Ehdr eh;
	uint64_t n_symbols;
};

static bool read_all(int fd, void *p, size_t n, uint64_t off)
{
	uint8_t *dst = p;

	while (n) {
		ssize_t got = pread(fd, dst, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		dst += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

/* Something of @n bytes at @off is spoken of. */
static void extend(struct facts *f, uint64_t off, uint64_t n)
{
	uint64_t end = off > UINT64_MAX - n ? UINT64_MAX : off + n;

	if (n && end > f->end)
		f->end = end;
}

static void read_sections(int fd, struct facts *f)
{
	Elf64_Shdr s;

	for (uint64_t i = 0; i < f->eh.e_shnum; i++) {
		if (!read_all(fd, &s, sizeof(s), f->eh.e_shoff + i * sizeof(s)))
			return;
		if (s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL)
			extend(f, s.sh_offset, s.sh_size);
		/* the first one is empty in each table */
		if ((s.sh_type == SHT_DYNSYM || s.sh_type == SHT_SYMTAB) &&
		    s.sh_size / sizeof(Elf64_Sym) > 1)
			f->n_symbols += s.sh_size / sizeof(Elf64_Sym) - 1;
	}
}

static void read_segments(int fd, struct facts *f)
{
	Elf64_Phdr p;

	for (uint64_t i = 0; i < f->eh.e_phnum; i++) {
		if (!read_all(fd, &p, sizeof(p), f->eh.e_phoff + i * sizeof(p)))
			return;
		if (p.p_type == PT_LOAD)
			extend(f, p.p_offset, p.p_filesz);
	}
}

/* false: not a file whose headers we understand. */
static bool read_facts(int fd, struct facts *ret)
{
	struct facts f = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !read_all(fd, &f.eh, sizeof(f.eh), 0) ||
	    memcmp(f.eh.e_ident, ELFMAG, SELFMAG) != 0 || f.eh.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	f.size = (uint64_t)st.st_size;
	extend(&f, f.eh.e_phoff, (uint64_t)f.eh.e_phnum * sizeof(Elf64_Phdr));
	extend(&f, f.eh.e_shoff, (uint64_t)f.eh.e_shnum * sizeof(Elf64_Shdr));
	if (f.eh.e_phentsize == sizeof(Elf64_Phdr))
		read_segments(fd, &f);
	if (f.eh.e_shentsize == sizeof(Elf64_Shdr))
		read_sections(fd, &f);
	*ret = f;
	return true;
}

bool ecap_diagnose(int fd, int r, char *ret, size_t size)
{
	struct facts f;

	if (!read_facts(fd, &f) || r == -ENOEXEC)
		return false;
	if (f.end > f.size)
		(void)snprintf(ret, size,
			       "cut off: it has %" PRIu64
			       " bytes, and its headers speak of %" PRIu64
			       "; compare it with the file that it was copied from",
			       f.size, f.end);
	else if (!f.eh.e_shnum)
		(void)snprintf(ret, size,
			       "has no section headers, so its functions have no names here; take "
			       "the file as its package or its build has it");
	else if (r == -EFBIG)
		(void)snprintf(ret, size,
			       "its symbol tables are larger than any that we read (%" PRIu64
			       " symbols); `strip` a copy and run that",
			       f.n_symbols);
	else if (r == -EBADMSG)
		(void)snprintf(ret, size,
			       "damaged: its headers or symbol tables contradict themselves "
			       "(%u segments of %u bytes each, %u sections of %u, %" PRIu64
			       " symbols); compare it with the file that it was copied from",
			       f.eh.e_phnum, f.eh.e_phentsize, f.eh.e_shnum, f.eh.e_shentsize,
			       f.n_symbols);
	else if (!f.n_symbols)
		(void)snprintf(
			ret, size,
			"has no symbols (%u sections, none with names of functions): what was "
			"linked into a stripped program can not be found; run one that is not "
			"stripped",
			f.eh.e_shnum);
	else
		return false;
	return true;
}
