/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Why no function can be found in the ELF file open at @fd, after ecap_image_open() or what was
 * asked of the image returned @r: in words, with what was read and what to do, for a message that
 * begins with the file's name. The file is hostile input. false: it is none, or it is whole and has
 * functions, so that the reason is another one.
 */
bool ecap_diagnose(int fd, int r, char *ret, size_t size);
