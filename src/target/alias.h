/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Whether the files open at @fd_a and @fd_b are one file for uprobes, although stat() tells them
 * apart: under overlayfs every mount has numbers of its own for a file of a shared lower layer, but
 * a uprobe belongs to the inode below. That inode owns the page cache, so both files show the same
 * page frame at @off (Documentation/admin-guide/mm/pagemap.rst). @pagemap is ecap_alias_open()'s,
 * or the negative errno that it gave. 1: they are one, 0: they are two; -EPERM: the kernel hides
 * frame numbers from us; other errors from mapping the files.
 */
int ecap_alias_check(int pagemap, int fd_a, int fd_b, uint64_t off);

/*
 * What shows page frames, for ecap_alias_check(). The kernel shows them if this is called with
 * CAP_SYS_ADMIN, which is not needed after that. Returns a descriptor or a negative errno.
 */
int ecap_alias_open(void);
