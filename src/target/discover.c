/* SPDX-License-Identifier: Apache-2.0 */
#include "target/discover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "target/ldcache.h"
#include "target/process.h"

/* Distinct executable files on one host, over all containers. */
#define MAX_FILES 262144

/* What a maps line says of a file; two lines that agree are one file. */
struct mapped_key {
	uint64_t ino;
	uint64_t path_hash; /* some filesystems repeat numbers between subvolumes */
	uint32_t dev_major;
	uint32_t dev_minor;
};

/* What stat() says of a file: different paths may lead to one. */
struct file_key {
	uint64_t dev;
	uint64_t ino;
};

struct search {
	const struct ecap_discovery_ops *ops;
	struct ecap_discovery where;
	struct ecap_hash *mapped; /* struct mapped_key */
	struct ecap_hash *files;  /* struct file_key */
};

static uint64_t fnv1a(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3u;
	return h;
}

/* Whether @key is new in @set. Beyond the limit nothing is new. */
static bool add_key(struct ecap_hash *set, const void *key)
{
	return !ecap_hash_find(set, key) && ecap_hash_insert(set, key, set) == 0;
}

/* 0, or -ECANCELED, which ends the walk. */
static int check_stopped(const struct search *s)
{
	return s->ops->stopped && s->ops->stopped(s->ops->arg) ? -ECANCELED : 0;
}

/* Hand an open file to the caller of the search, if it is a new one. */
static void offer(struct search *s, int fd, const char *path, bool is_mapped)
{
	ecap_autoclose int owned = fd;
	struct file_key key = { 0 };
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	key.dev = st.st_dev;
	key.ino = st.st_ino;
	if (!add_key(s->files, &key))
		return;
	s->where.n_files++;
	if (s->ops->found(fd, path, is_mapped, s->ops->arg))
		(void)ecap_take_fd(owned);
}

static int on_mapping(pid_t pid, const struct ecap_mapping *map, void *arg)
{
	struct search *s = arg;
	struct mapped_key key = {
		.ino = map->ino,
		.path_hash = fnv1a(map->path),
		.dev_major = map->dev_major,
		.dev_minor = map->dev_minor,
	};
	int fd, r;

	if (!add_key(s->mapped, &key))
		return 0;
	r = check_stopped(s);
	if (r < 0)
		return r;
	fd = ecap_mapping_open(pid, map);
	if (fd >= 0)
		offer(s, fd, map->path, true);
	return 0;
}

static int on_process(pid_t pid, void *arg)
{
	struct search *s = arg;
	int r = ecap_mapping_each(pid, on_mapping, s);

	if (r == -ECANCELED)
		return r;
	if (!r)
		s->where.n_processes++;
	else if (r != -ESRCH)
		s->where.n_denied++;
	return 0;
}

static void offer_path(struct search *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		offer(s, fd, path, false);
}

static int on_cached(const char *path, void *arg)
{
	struct search *s = arg;
	const char *name = strrchr(path, '/');
	int r;

	if (!s->ops->wants_name(name ? name + 1 : path, s->ops->arg))
		return 0;
	r = check_stopped(s);
	if (!r)
		offer_path(s, path);
	return r;
}

static int walk_cache(struct search *s)
{
	/* a host without the cache (musl, a bare container) still has processes */
	return ecap_ldcache_walk_file(ECAP_LDCACHE_PATH, on_cached, s) == -ECANCELED ? -ECANCELED :
										       0;
}

static int each_process(struct search *s)
{
	int r = 0;

	if (!s->ops->n_pids)
		return ecap_process_each(on_process, s);
	for (size_t i = 0; i < s->ops->n_pids && !r; i++)
		r = on_process((pid_t)s->ops->pids[i], s);
	return r;
}

int ecap_discover(const struct ecap_discovery_ops *ops, struct ecap_discovery *ret)
{
	struct search s = { .ops = ops };
	int r = ecap_hash_new(sizeof(struct mapped_key), MAX_FILES, &s.mapped);

	if (!r)
		r = ecap_hash_new(sizeof(struct file_key), MAX_FILES, &s.files);
	if (!r) {
		r = walk_cache(&s);
		for (size_t i = 0; !r && i < ops->n_files; i++)
			offer_path(&s, ops->files[i]);
		if (!r)
			r = each_process(&s);
	}
	ecap_hash_free(s.mapped);
	ecap_hash_free(s.files);
	*ret = s.where;
	return r;
}
