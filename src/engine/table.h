/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether the entry is to be removed. */
typedef bool (*ecap_table_fn)(void *arg, const void *key, const void *value);

/*
 * Walk over the BPF hash map @fd in large pieces (BPF_MAP_LOOKUP_BATCH, Linux 5.6) and remove the
 * entries that @fn names. Entries that come or go meanwhile may be missed or met. Negative errno.
 */
int ecap_table_walk(int fd, size_t key_size, size_t value_size, ecap_table_fn fn, void *arg);
