/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "target/code.h"

/*
 * An ELF file as a target: which functions it defines and where they lie in the file. The file is
 * hostile input: everything is read with pread() (a mapping could be truncated under us: SIGBUS),
 * checked and bounded.
 */
struct ecap_image;

/* A function: hooks are placed by file offset. */
struct ecap_function {
	uint64_t file_off;
	uint64_t size;	  /* as the symbol says; 0: it does not */
	uint64_t address; /* as the file has it */
};

/* What a pointer of the file will hold when the dynamic linker is done. */
struct ecap_import {
	const char *name; /* borrowed, "" if it has none */
	uint64_t address; /* where the file itself defines it; 0: it does not */
};

/* A pointer in the file's data that the dynamic linker makes point into the file itself. */
struct ecap_pointer {
	uint64_t slot;	/* address of the pointer */
	uint64_t value; /* address where it points, as the file has it */
};

/* Relative relocations that are looked at; Firefox's libxul, the largest seen, has half as many. */
#define ECAP_IMAGE_MAX_POINTERS (1u << 20)

/*
 * Read the headers and the dynamic symbols of the file open at @fd, which stays the caller's and
 * must outlive the image. -ENOEXEC: not a 64-bit ELF program or library of this machine;
 * -EBADMSG: damaged; -EFBIG: symbol tables beyond our limit; other errors from reading.
 */
int ecap_image_open(int fd, struct ecap_image **ret);

/* The same for the machine of any supported architecture, for programs that only look at files. */
int ecap_image_open_any(int fd, struct ecap_image **ret);

void ecap_image_free(struct ecap_image *img);
ECAP_DEFINE_FREEP(struct ecap_image, ecap_image_free)

/*
 * Find the function @name among the exported ones (.dynsym), then in .symtab, which is read at
 * the first need. -ENOENT: not defined; -EBADMSG: damaged, or its address is not in an executable
 * segment of the file.
 */
int ecap_image_find_function(struct ecap_image *img, const char *name, struct ecap_function *ret);

/* Whether ecap_image_find_function() would find @name. */
bool ecap_image_defines(struct ecap_image *img, const char *name);

enum ecap_code_arch ecap_image_arch(const struct ecap_image *img);

/* Where the code at @address lies in the file. -EBADMSG: not in an executable segment. */
int ecap_image_offset_of(const struct ecap_image *img, uint64_t address, uint64_t *ret);

/*
 * Copy at most @n bytes of code at @address to @buf. Returns how many; 0: there is no code, or a
 * negative errno from reading. Fits struct ecap_code_source with the image as its argument.
 */
ssize_t ecap_image_read_code(void *img_arg, uint64_t address, void *buf, size_t n);

/*
 * What the pointer at @slot will hold: an entry of the global offset table, which a linker's stub
 * jumps through. -ENOENT: no relocation says; -EBADMSG: damaged; others from reading.
 */
int ecap_image_find_import(struct ecap_image *img, uint64_t slot, struct ecap_import *ret);

/*
 * All relative relocations of the file, in either of the formats (RELA, and the packed RELR), in
 * the order of their slots. *ret is the caller's to free, and NULL if there are none. -EBADMSG:
 * damaged, or two of them are for one slot; -EFBIG: too many; others from reading.
 */
int ecap_image_pointers(const struct ecap_image *img, struct ecap_pointer **ret, size_t *ret_n);
