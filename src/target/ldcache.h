/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#define ECAP_LDCACHE_PATH "/etc/ld.so.cache"

/* Called with the path of each library of the cache; a return other than 0 ends the walk. */
typedef int (*ecap_ldcache_fn)(const char *path, void *arg);

/*
 * Walk a dynamic linker cache (glibc 2.2 and newer, dl-cache.h: "glibc-ld.so.cache1.1") held in
 * @data. -EBADMSG: not one, or damaged; else what the last call of @fn returned.
 */
int ecap_ldcache_walk(const void *data, size_t size, ecap_ldcache_fn fn, void *arg);

/* The same for the cache file at @path. */
int ecap_ldcache_walk_file(const char *path, ecap_ldcache_fn fn, void *arg);
