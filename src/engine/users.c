/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/users.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/target.h"
#include "target/process.h"

struct search {
	struct ecap_target *const *targets;
	size_t n;
	size_t n_left; /* to find a user of */
};

/* Nobody unmounts these. */
static bool is_of_system(dev_t dev)
{
	struct stat root, usr;

	return (stat("/", &root) == 0 && root.st_dev == dev) ||
	       (stat("/usr", &usr) == 0 && usr.st_dev == dev);
}

bool ecap_target_is_reachable(const struct ecap_target *t)
{
	struct ecap_file_id id;
	struct stat st;

	if (stat(t->path, &st) < 0)
		return false;
	id = ecap_file_id_of(&st);
	return ecap_target_is(t, &id) && (t->is_named || is_of_system(st.st_dev));
}

/* The target that @map may be of, by its inode number. */
static struct ecap_target *find_candidate(const struct search *s, const struct ecap_mapping *map)
{
	for (size_t i = 0; i < s->n; i++) {
		struct ecap_target *t = s->targets[i];

		if (!t->needs_user || t->user_fd >= 0)
			continue;
		for (size_t j = 0; j < t->n_ids; j++) {
			if (t->ids[j].ino == map->ino)
				return t;
		}
	}
	return NULL;
}

/* Whether we could not look, which says nothing of the process. */
static bool is_our_lack(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

static int on_mapping(pid_t pid, const struct ecap_mapping *map, void *arg)
{
	struct search *s = arg;
	struct ecap_target *t = find_candidate(s, map);
	ecap_autoclose int fd = t ? ecap_mapping_open(pid, map) : -1;
	struct ecap_file_id id;
	struct stat st;

	if (t && is_our_lack(fd))
		return fd;
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	id = ecap_file_id_of(&st);
	if (!ecap_target_is(t, &id))
		return 0;
	t->user_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (t->user_fd < 0)
		return is_our_lack(-errno) ? -errno : 0;
	s->n_left--;
	return 0;
}

static int on_process(pid_t pid, void *arg)
{
	const struct search *s = arg;
	int r = ecap_mapping_each(pid, on_mapping, arg);

	if (is_our_lack(r))
		return r;
	return s->n_left ? 0 : 1; /* other errors: it may have ended */
}

int ecap_users_find(struct ecap_target *const *targets, size_t n)
{
	struct search s = { .targets = targets, .n = n };
	int r;

	for (size_t i = 0; i < n; i++)
		s.n_left += targets[i]->needs_user;
	if (!s.n_left)
		return 0;
	r = ecap_process_each(on_process, &s);
	return r < 0 ? r : 0;
}
