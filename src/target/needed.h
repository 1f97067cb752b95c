/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Called with the path of each file; borrowed. */
typedef void (*ecap_needed_fn)(const char *path, void *arg);

/*
 * Find the program that `exec @name` would run, as execvp(3) does: in $PATH if @name has no slash.
 * -ENOENT: there is none; -EACCES: there is one that cannot be executed; -ENAMETOOLONG.
 */
int ecap_needed_find_program(const char *name, char *ret, size_t size);

/*
 * Name what program @path will map when it is started, as far as its file and those say that it
 * needs: itself, the interpreter of a script (`env NAME` included), libraries. Where a library is
 * found depends on more than is looked at here (dlopen, namespaces, capabilities), and all of this
 * is foreign: a file that is named may not be the one, one that is missing shows when it is mapped.
 * Files that cannot be read are passed over.
 */
void ecap_needed_each(const char *path, ecap_needed_fn fn, void *arg);
