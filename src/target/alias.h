/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Whether the files open at @fd_a and @fd_b are one file for uprobes, although stat() tells them
 * apart: under overlayfs every mount has numbers of its own for a file of a shared lower layer, but
 * a uprobe belongs to the inode below. That inode owns the page cache, so both files show the same
 * page frame at @off (Documentation/admin-guide/mm/pagemap.rst). 1: they are one, 0: they are two;
 * -EPERM: the kernel hides frame numbers from us (CAP_SYS_ADMIN is needed); other errors from
 * mapping the files.
 */
int ecap_alias_check(int fd_a, int fd_b, uint64_t off);
