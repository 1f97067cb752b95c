/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

/* The longest key: nothing that identifies something here is longer. */
#define ECAP_HASH_KEY_MAX 64

/*
 * A table from keys of one fixed size to pointers that it does not own. Keys are compared as bytes,
 * so a struct used as one has no padding. Keys come from what is observed, so positions depend on
 * a random seed that nobody outside knows.
 */
struct ecap_hash;

/*
 * A table of at most @max entries with keys of @key_size bytes (1..ECAP_HASH_KEY_MAX); it starts
 * small. -EINVAL for sizes out of range, -ENOMEM, or why there is no random seed.
 */
int ecap_hash_new(size_t key_size, size_t max, struct ecap_hash **ret);
/* Release the table; what the values point to is the caller's. */
void ecap_hash_free(struct ecap_hash *h);
ECAP_DEFINE_FREEP(struct ecap_hash, ecap_hash_free)

/* The value of @key, NULL if it has none. */
void *ecap_hash_find(const struct ecap_hash *h, const void *key);
/*
 * Add @value, which is not NULL, under a copy of @key. -EEXIST if the key has a value, -ENOSPC
 * beyond the maximum (the caller counts what it turns away), -ENOMEM.
 */
int ecap_hash_insert(struct ecap_hash *h, const void *key, void *value);
/* Remove @key and return the value that it had, NULL if it had none. */
void *ecap_hash_remove(struct ecap_hash *h, const void *key);

/* Remove every entry with @value; NULL: all there are. */
void ecap_hash_remove_all(struct ecap_hash *h, const void *value);

/*
 * The next value, NULL after the last: start with *@pos = 0. Any entry may be removed on the way;
 * whether one inserted on the way is seen is not said.
 */
void *ecap_hash_next(const struct ecap_hash *h, size_t *pos);
