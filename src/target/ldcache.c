/* SPDX-License-Identifier: Apache-2.0 */
#include "target/ldcache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define OLD_MAGIC "ld.so-1.7.0"
#define NEW_MAGIC "glibc-ld.so.cache1.1"

/* Hundreds of thousands of libraries; a real cache is below 1 MiB. */
#define MAX_CACHE (64u << 20)

/* Header and entries as glibc lays them out (sysdeps/generic/dl-cache.h, file_entry_new). */
struct header {
	char magic[20];
	uint32_t n_libs;
	uint32_t strings_size;
	uint32_t unused[5];
};

struct entry {
	int32_t flags;
	uint32_t key;
	uint32_t value; /* offset of the path from the header */
	uint32_t os_version;
	uint64_t hwcap;
};

struct old_header {
	char magic[12];
	uint32_t n_libs;
};

#define OLD_ENTRY_SIZE 12

/* Old and new format may share a file: the new part follows the old one, aligned to 8. */
static size_t skip_old_part(const uint8_t *data, size_t size)
{
	struct old_header old;
	uint64_t at;

	if (size < sizeof(old) || memcmp(data, OLD_MAGIC, sizeof(OLD_MAGIC) - 1) != 0)
		return 0;
	memcpy(&old, data, sizeof(old));
	at = (sizeof(old) + (uint64_t)old.n_libs * OLD_ENTRY_SIZE + 7) & ~(uint64_t)7;
	return at < size ? (size_t)at : size;
}

int ecap_ldcache_walk(const void *data, size_t size, ecap_ldcache_fn fn, void *arg)
{
	size_t skip = skip_old_part(data, size);
	const uint8_t *base = (const uint8_t *)data + skip;
	struct header h;
	int r = 0;

	size -= skip;
	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, base, sizeof(h));
	if (memcmp(h.magic, NEW_MAGIC, sizeof(h.magic)) != 0 ||
	    h.n_libs > (size - sizeof(h)) / sizeof(struct entry))
		return -EBADMSG;

	for (uint32_t i = 0; !r && i < h.n_libs; i++) {
		struct entry e;

		memcpy(&e, base + sizeof(h) + i * sizeof(e), sizeof(e));
		if (e.value >= size || !memchr(base + e.value, '\0', size - e.value))
			return -EBADMSG;
		r = fn((const char *)base + e.value, arg);
	}
	return r;
}

int ecap_ldcache_walk_file(const char *path, ecap_ldcache_fn fn, void *arg)
{
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ecap_autofree uint8_t *data = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > (off_t)MAX_CACHE)
		return -EFBIG;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	n = pread(fd, data, (size_t)st.st_size, 0);
	if (n < 0)
		return -errno;
	return ecap_ldcache_walk(data, (size_t)n, fn, arg);
}
