/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/table.h"

#include <errno.h>
#include <stdint.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

/* Entries per system call: more than any bucket of a map with random positions holds. */
#define PIECE 256

int ecap_table_walk(int fd, size_t key_size, size_t value_size, ecap_table_fn fn, void *arg)
{
	ecap_autofree uint8_t *keys = calloc(PIECE, key_size);
	ecap_autofree uint8_t *values = calloc(PIECE, value_size);
	__u32 position = 0, n;
	void *from = NULL;
	int r;

	if (!keys || !values)
		return -ENOMEM;
	do {
		n = PIECE;
		r = bpf_map_lookup_batch(fd, from, &position, keys, values, &n, NULL);
		if (r < 0 && r != -ENOENT) /* that is the last piece */
			return r;
		for (size_t i = 0; i < n; i++) {
			if (fn(arg, keys + i * key_size, values + i * value_size))
				(void)bpf_map_delete_elem(fd, keys + i * key_size);
		}
		from = &position;
	} while (!r);
	return 0;
}
