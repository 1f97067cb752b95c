/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/*
 * An ELF file as a target: which functions it defines and where they lie in the file. The file is
 * hostile input: everything is read with pread() (a mapping could be truncated under us: SIGBUS),
 * checked and bounded.
 */
struct ecap_image;

/* A function: hooks are placed by file offset. */
struct ecap_function {
	uint64_t file_off;
	uint64_t size; /* as the symbol says; 0: it does not */
};

/*
 * Read the headers and the dynamic symbols of the file open at @fd, which stays the caller's and
 * must outlive the image. -ENOEXEC: not a 64-bit ELF program or library of this machine;
 * -EBADMSG: damaged; -EFBIG: symbol tables beyond our limit; other errors from reading.
 */
int ecap_image_open(int fd, struct ecap_image **ret);
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
