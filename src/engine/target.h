/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "engine/probe.h"

struct ecap_image;

/* A hook resolved in a file. */
struct ecap_place {
	uint32_t row;
	uint64_t file_off;
};

/* A file in which a probe found its library, and where its hooks go. */
struct ecap_target {
	char *path; /* for people; the kernel is given the descriptor */
	int fd;
	const struct ecap_probe_desc *probe;
	struct ecap_place *places;
	size_t n_places;
	size_t n_aliases; /* other files that are this very inode below an overlay */
};

/*
 * See whether a probe knows the file open at @fd, called @path, and resolve the probe's hooks.
 * On success @fd belongs to the target. -ENOENT: no probe knows it, or a required function is
 * missing; other errors as ecap_image_open().
 */
int ecap_target_resolve(int fd, const char *path, struct ecap_target **ret);
void ecap_target_free(struct ecap_target *t);
ECAP_DEFINE_FREEP(struct ecap_target, ecap_target_free)
