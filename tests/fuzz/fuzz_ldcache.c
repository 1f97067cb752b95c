/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "target/ldcache.h"

struct bounds {
	const char *start;
	const char *end;
};

static int check_path(const char *path, void *arg)
{
	const struct bounds *b = arg;

	if (path < b->start || path + strlen(path) >= b->end)
		abort(); /* a path outside the cache */
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bounds b = { (const char *)data, (const char *)data + size };

	(void)ecap_ldcache_walk(data, size, check_path, &b);
	return 0;
}
