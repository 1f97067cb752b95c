/* SPDX-License-Identifier: Apache-2.0 */
#include "target/image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
#define NATIVE_ARCH ECAP_CODE_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH ECAP_CODE_ARM64
#else
#error "this architecture is not supported"
#endif

/* Chromium's .symtab, the largest seen, is below 100 MiB. */
#define MAX_SEGMENTS 256
#define MAX_TABLE    (256u << 20)

/* What differs between machines. */
static const struct machine {
	uint16_t elf; /* e_machine */
	uint32_t jump_slot, data, relative;
} machines[] = {
	[ECAP_CODE_X86_64] = {
		.elf = EM_X86_64,
		.jump_slot = R_X86_64_JUMP_SLOT,
		.data = R_X86_64_GLOB_DAT,
		.relative = R_X86_64_RELATIVE,
	},
	[ECAP_CODE_ARM64] = {
		.elf = EM_AARCH64,
		.jump_slot = R_AARCH64_JUMP_SLOT,
		.data = R_AARCH64_GLOB_DAT,
		.relative = R_AARCH64_RELATIVE,
	},
};
_Static_assert(ECAP_ARRAY_SIZE(machines) == ECAP_CODE_N_ARCHS, "one row per architecture");

#define RELOCATIONS_AT_ONCE 1024

struct symbols {
	Elf64_Sym *syms;
	size_t n_syms;
	char *names; /* ends with a NUL that we add */
	size_t names_size;
};

struct ecap_image {
	int fd; /* borrowed */
	uint64_t file_size;
	enum ecap_code_arch arch;
	Elf64_Phdr *phdrs;
	size_t n_phdrs;
	Elf64_Shdr *sections;
	size_t n_sections;
	struct symbols exported; /* .dynsym */
	struct symbols all;	 /* .symtab, empty if stripped or not read yet */
	bool all_tried;
};

static int read_at(int fd, void *p, size_t n, uint64_t off)
{
	uint8_t *dst = p;

	while (n) {
		ssize_t got = pread(fd, dst, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -EBADMSG; /* shorter than its headers say */
		dst += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* Read @n bytes at @off into a new block with one zero byte behind it. */
static int read_block(const struct ecap_image *img, uint64_t off, uint64_t n, void **ret)
{
	ecap_autofree uint8_t *block = NULL;
	int r;

	if (n > MAX_TABLE)
		return -EFBIG;
	if (off > img->file_size || n > img->file_size - off)
		return -EBADMSG;
	block = malloc(n + 1);
	if (!block)
		return -ENOMEM;
	r = read_at(img->fd, block, n, off);
	if (r < 0)
		return r;
	block[n] = 0;
	*ret = ecap_take_ptr(block);
	return 0;
}

static int check_header(const Elf64_Ehdr *eh, bool any, enum ecap_code_arch *ret)
{
	size_t arch = 0;

	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    (eh->e_type != ET_DYN && eh->e_type != ET_EXEC))
		return -ENOEXEC;
	while (arch < ECAP_ARRAY_SIZE(machines) && eh->e_machine != machines[arch].elf)
		arch++;
	if (arch == ECAP_ARRAY_SIZE(machines) || (!any && arch != NATIVE_ARCH))
		return -ENOEXEC;
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum > MAX_SEGMENTS)
		return -EBADMSG;
	*ret = (enum ecap_code_arch)arch;
	return 0;
}

/* Read the symbol table of section type @type, if the file has one. */
static int read_symbols(const struct ecap_image *img, uint32_t type, struct symbols *ret)
{
	const Elf64_Shdr *table = NULL, *strings;
	int r;

	for (size_t i = 0; i < img->n_sections && !table; i++) {
		if (img->sections[i].sh_type == type)
			table = &img->sections[i];
	}
	if (!table)
		return 0;
	if (table->sh_link >= img->n_sections || table->sh_entsize != sizeof(Elf64_Sym))
		return -EBADMSG;
	strings = &img->sections[table->sh_link];
	if (strings->sh_type != SHT_STRTAB)
		return -EBADMSG;
	r = read_block(img, table->sh_offset, table->sh_size, (void **)&ret->syms);
	if (r < 0)
		return r;
	r = read_block(img, strings->sh_offset, strings->sh_size, (void **)&ret->names);
	if (r < 0)
		return r;
	ret->n_syms = table->sh_size / sizeof(Elf64_Sym);
	ret->names_size = strings->sh_size;
	return 0;
}

static int read_headers(struct ecap_image *img, const Elf64_Ehdr *eh)
{
	int r;

	img->n_phdrs = eh->e_phnum;
	r = read_block(img, eh->e_phoff, eh->e_phnum * sizeof(Elf64_Phdr), (void **)&img->phdrs);
	if (r < 0 || !eh->e_shnum)
		return r;
	if (eh->e_shentsize != sizeof(Elf64_Shdr))
		return -EBADMSG;
	r = read_block(img, eh->e_shoff, eh->e_shnum * sizeof(Elf64_Shdr), (void **)&img->sections);
	if (r < 0)
		return r;
	img->n_sections = eh->e_shnum;
	return read_symbols(img, SHT_DYNSYM, &img->exported);
}

static int open_image(int fd, bool any, struct ecap_image **ret)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	enum ecap_code_arch arch;
	struct stat st;
	Elf64_Ehdr eh;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size < sizeof(eh))
		return -ENOEXEC;
	r = read_at(fd, &eh, sizeof(eh), 0);
	if (r < 0)
		return r;
	r = check_header(&eh, any, &arch);
	if (r < 0)
		return r;

	img = calloc(1, sizeof(*img));
	if (!img)
		return -ENOMEM;
	img->fd = fd;
	img->arch = arch;
	img->file_size = (uint64_t)st.st_size;
	r = read_headers(img, &eh);
	if (r < 0)
		return r;

	*ret = ecap_take_ptr(img);
	return 0;
}

int ecap_image_open(int fd, struct ecap_image **ret)
{
	return open_image(fd, false, ret);
}

int ecap_image_open_any(int fd, struct ecap_image **ret)
{
	return open_image(fd, true, ret);
}

void ecap_image_free(struct ecap_image *img)
{
	if (!img)
		return;
	free(img->phdrs);
	free(img->sections);
	free(img->exported.syms);
	free(img->exported.names);
	free(img->all.syms);
	free(img->all.names);
	free(img);
}

/* The first definition of function @name: with versioned symbols all of them are one function. */
static const Elf64_Sym *find_symbol(const struct symbols *t, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < t->n_syms; i++) {
		const Elf64_Sym *s = &t->syms[i];

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx == SHN_UNDEF)
			continue;
		/* names_size excludes the NUL that we added, so a match lies inside the block */
		if (s->st_name >= t->names_size || t->names_size - s->st_name < len)
			continue;
		if (memcmp(t->names + s->st_name, name, len + 1) == 0)
			return s;
	}
	return NULL;
}

/* The executable segment with the bytes at @address, or NULL. */
static const Elf64_Phdr *code_segment(const struct ecap_image *img, uint64_t address)
{
	for (size_t i = 0; i < img->n_phdrs; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && address >= p->p_vaddr &&
		    address - p->p_vaddr < p->p_filesz)
			return p;
	}
	return NULL;
}

int ecap_image_offset_of(const struct ecap_image *img, uint64_t address, uint64_t *ret)
{
	const Elf64_Phdr *p = code_segment(img, address);
	uint64_t off;

	if (!p)
		return -EBADMSG;
	off = address - p->p_vaddr + p->p_offset;
	if (off < p->p_offset || off >= img->file_size)
		return -EBADMSG;
	*ret = off;
	return 0;
}

ssize_t ecap_image_read_code(void *img_arg, uint64_t address, void *buf, size_t n)
{
	const struct ecap_image *img = img_arg;
	const Elf64_Phdr *p = code_segment(img, address);
	uint64_t off = 0, left;
	int r;

	if (!p || ecap_image_offset_of(img, address, &off) < 0)
		return 0;
	left = p->p_filesz - (address - p->p_vaddr);
	if (left > img->file_size - off)
		left = img->file_size - off;
	if (n > left)
		n = left;
	r = read_at(img->fd, buf, n, off);
	return r < 0 ? r : (ssize_t)n;
}

enum ecap_code_arch ecap_image_arch(const struct ecap_image *img)
{
	return img->arch;
}

int ecap_image_find_function(struct ecap_image *img, const char *name, struct ecap_function *ret)
{
	const Elf64_Sym *s = find_symbol(&img->exported, name);
	uint64_t off = 0;
	int r;

	if (!s && !img->all_tried) {
		img->all_tried = true;
		r = read_symbols(img, SHT_SYMTAB, &img->all);
		if (r < 0)
			return r;
	}
	if (!s)
		s = find_symbol(&img->all, name);
	if (!s)
		return -ENOENT;
	r = ecap_image_offset_of(img, s->st_value, &off);
	if (r < 0)
		return r;
	*ret = (struct ecap_function){
		.file_off = off,
		.size = s->st_size,
		.address = s->st_value,
	};
	return 0;
}

bool ecap_image_defines(struct ecap_image *img, const char *name)
{
	struct ecap_function f;

	return ecap_image_find_function(img, name, &f) == 0;
}

static int import_of(const struct ecap_image *img, const Elf64_Rela *rela, struct ecap_import *ret)
{
	const struct machine *machine = &machines[img->arch];
	uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	uint64_t n = ELF64_R_SYM(rela->r_info);
	const Elf64_Sym *sym;

	if (type == machine->relative) {
		*ret = (struct ecap_import){ .name = "", .address = (uint64_t)rela->r_addend };
		return 0;
	}
	if (type != machine->jump_slot && type != machine->data)
		return -ENOENT;
	if (n >= img->exported.n_syms || img->exported.syms[n].st_name >= img->exported.names_size)
		return -EBADMSG;
	sym = &img->exported.syms[n];
	*ret = (struct ecap_import){
		.name = img->exported.names + sym->st_name,
		.address = sym->st_shndx == SHN_UNDEF ? 0 : sym->st_value,
	};
	return 0;
}

/*
 * Hand each entry of the relocation table @table to @each, until one returns something other
 * than 0; returns that.
 */
static int for_each_entry(const struct ecap_image *img, const Elf64_Shdr *table,
			  int (*each)(const void *entry, void *arg), void *arg)
{
	size_t size = table->sh_entsize;
	ecap_autofree uint8_t *part = calloc(RELOCATIONS_AT_ONCE, size);
	uint64_t left = table->sh_size / size, off = table->sh_offset;
	int r;

	if (!part)
		return -ENOMEM;
	if (table->sh_size > MAX_TABLE)
		return -EFBIG;
	if (off > img->file_size || table->sh_size > img->file_size - off)
		return -EBADMSG;
	while (left) {
		size_t n = left < RELOCATIONS_AT_ONCE ? left : RELOCATIONS_AT_ONCE;

		r = read_at(img->fd, part, n * size, off);
		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++) {
			r = each(part + i * size, arg);
			if (r)
				return r;
		}
		left -= n;
		off += n * size;
	}
	return 0;
}

static bool is_table(const Elf64_Shdr *section, uint32_t type, size_t entry_size)
{
	return section->sh_type == type && section->sh_entsize == entry_size;
}

/* ------------------------------------------------------------------------------- one relocation */

struct slot_search {
	const struct ecap_image *img;
	uint64_t slot;
	bool found;
	struct ecap_import *ret;
};

static int match_slot(const void *entry, void *arg)
{
	struct slot_search *search = arg;
	Elf64_Rela rela;
	int r;

	memcpy(&rela, entry, sizeof(rela));
	if (rela.r_offset != search->slot)
		return 0;
	r = import_of(search->img, &rela, search->ret);
	search->found = r == 0;
	return search->found ? 1 : r;
}

int ecap_image_find_import(struct ecap_image *img, uint64_t slot, struct ecap_import *ret)
{
	struct slot_search search = { .img = img, .slot = slot, .ret = ret };
	int r = 0;

	for (size_t i = 0; i < img->n_sections && (r == 0 || r == -ENOENT) && !search.found; i++) {
		if (is_table(&img->sections[i], SHT_RELA, sizeof(Elf64_Rela)))
			r = for_each_entry(img, &img->sections[i], match_slot, &search);
	}
	if (search.found)
		return 0;
	return r < 0 ? r : -ENOENT;
}

/* ------------------------------------------------------------------- all relative relocations */

struct pointers {
	const struct ecap_image *img;
	struct ecap_pointer *all;
	size_t n, n_room;
	uint64_t next; /* RELR: where the next bitmap begins */
};

/* Read @n bytes of the file as they lie at @address once it is loaded. */
static int read_data(const struct ecap_image *img, uint64_t address, void *buf, size_t n)
{
	for (size_t i = 0; i < img->n_phdrs; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];
		uint64_t in = address - p->p_vaddr;

		if (p->p_type != PT_LOAD || address < p->p_vaddr || in >= p->p_filesz ||
		    p->p_filesz - in < n)
			continue;
		if (p->p_offset > img->file_size || in > img->file_size - p->p_offset)
			return -EBADMSG;
		return read_at(img->fd, buf, n, p->p_offset + in);
	}
	return -EBADMSG;
}

static int add_pointer(struct pointers *p, uint64_t slot, uint64_t value)
{
	size_t room = p->n_room ? p->n_room * 2 : RELOCATIONS_AT_ONCE;
	struct ecap_pointer *grown;

	if (p->n == ECAP_IMAGE_MAX_POINTERS)
		return -EFBIG;
	if (p->n == p->n_room) {
		grown = reallocarray(p->all, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		p->all = grown;
		p->n_room = room;
	}
	p->all[p->n++] = (struct ecap_pointer){ .slot = slot, .value = value };
	return 0;
}

static int add_rela(const void *entry, void *arg)
{
	struct pointers *p = arg;
	Elf64_Rela rela;

	memcpy(&rela, entry, sizeof(rela));
	if (ELF64_R_TYPE(rela.r_info) != machines[p->img->arch].relative)
		return 0;
	return add_pointer(p, rela.r_offset, (uint64_t)rela.r_addend);
}

/* Packed relocations leave the value where the pointer is. */
static int add_packed(struct pointers *p, uint64_t slot)
{
	uint64_t value = 0;
	int r = read_data(p->img, slot, &value, sizeof(value));

	return r < 0 ? r : add_pointer(p, slot, value);
}

/* An even entry is the address of a slot; an odd one has a bit for each of the 63 after that. */
static int add_relr(const void *entry, void *arg)
{
	struct pointers *p = arg;
	Elf64_Relr relr;
	int r = 0;

	memcpy(&relr, entry, sizeof(relr));
	if (!(relr & 1)) {
		p->next = relr + sizeof(uint64_t);
		return add_packed(p, relr);
	}
	for (unsigned int i = 0; i < 63 && r == 0; i++) {
		if (relr >> (i + 1) & 1)
			r = add_packed(p, p->next + i * sizeof(uint64_t));
	}
	p->next += 63 * sizeof(uint64_t);
	return r;
}

static int by_slot(const void *a, const void *b)
{
	uint64_t x = ((const struct ecap_pointer *)a)->slot;
	uint64_t y = ((const struct ecap_pointer *)b)->slot;

	return (x > y) - (x < y);
}

int ecap_image_pointers(const struct ecap_image *img, struct ecap_pointer **ret, size_t *ret_n)
{
	struct pointers p = { .img = img };
	int r = 0;

	for (size_t i = 0; i < img->n_sections && r == 0; i++) {
		const Elf64_Shdr *table = &img->sections[i];

		p.next = 0;
		if (is_table(table, SHT_RELA, sizeof(Elf64_Rela)))
			r = for_each_entry(img, table, add_rela, &p);
		else if (is_table(table, SHT_RELR, sizeof(Elf64_Relr)))
			r = for_each_entry(img, table, add_relr, &p);
	}
	if (r == 0 && p.n)
		qsort(p.all, p.n, sizeof(*p.all), by_slot);
	for (size_t i = 1; i < p.n && r == 0; i++) {
		if (p.all[i].slot == p.all[i - 1].slot)
			r = -EBADMSG;
	}
	if (r < 0) {
		free(p.all);
		return r;
	}
	*ret = p.all;
	*ret_n = p.n;
	return 0;
}
