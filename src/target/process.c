/* SPDX-License-Identifier: Apache-2.0 */
#include "target/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static void closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static void fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

/* Read a small file of /proc as text. Returns its length; what does not fit is left out. */
static ssize_t read_small(pid_t pid, const char *name, char *buf, size_t size)
{
	ecap_autoclose int fd = -1;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

/* pid (comm) state ppid ... comm may hold anything: look for its end from the end of the line. */
static int parse_stat(const char *stat, struct ecap_process_facts *ret)
{
	const char *begin = strchr(stat, '('), *end = strrchr(stat, ')');
	size_t len;

	if (!begin || !end || sscanf(end, ") %*c %" SCNu32, &ret->ppid) != 1)
		return -EBADMSG;
	len = (size_t)(end - ++begin);
	memcpy(ret->comm, begin, len < sizeof(ret->comm) ? len : sizeof(ret->comm) - 1);
	return 0;
}

bool ecap_container_id_parse(const char *cgroup, char ret[ECAP_CONTAINER_ID_LEN + 1])
{
	size_t run = 0;

	for (const char *p = cgroup;; p++) {
		if (isdigit((unsigned char)*p) || (*p >= 'a' && *p <= 'f')) {
			run++;
			continue;
		}
		if (run == ECAP_CONTAINER_ID_LEN) {
			memcpy(ret, p - run, run);
			ret[run] = '\0';
			return true;
		}
		if (!*p)
			return false;
		run = 0;
	}
}

static int parse_status(const char *status, struct ecap_process_facts *ret)
{
	const char *p = strstr(status, "\nUid:");

	return p && sscanf(p, "\nUid: %" SCNu32, &ret->uid) == 1 ? 0 : -EBADMSG;
}

int ecap_process_facts_read(pid_t pid, struct ecap_process_facts *ret)
{
	struct ecap_process_facts facts = { 0 };
	char text[4096], path[64];
	ssize_t n;
	int r;

	n = read_small(pid, "stat", text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	r = parse_stat(text, &facts);
	if (r < 0)
		return r;
	n = read_small(pid, "status", text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	r = parse_status(text, &facts);
	if (r < 0)
		return r;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, facts.exe, sizeof(facts.exe) - 1);
	facts.exe[n > 0 ? n : 0] = '\0';
	if (read_small(pid, "cgroup", text, sizeof(text)) > 0)
		(void)ecap_container_id_parse(text, facts.container);

	*ret = facts;
	return 0;
}

int ecap_process_ppid(pid_t pid, uint32_t *ret)
{
	struct ecap_process_facts facts = { 0 };
	char text[1024];
	ssize_t n = read_small(pid, "stat", text, sizeof(text));
	int r;

	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	r = parse_stat(text, &facts);
	if (!r)
		*ret = facts.ppid;
	return r;
}

int ecap_process_tgid(pid_t pid, pid_t *ret)
{
	char text[4096];
	const char *p;
	ssize_t n = read_small(pid, "status", text, sizeof(text));

	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	p = strstr(text, "\nTgid:");
	return p && sscanf(p, "\nTgid: %d", ret) == 1 ? 0 : -EBADMSG;
}

bool ecap_process_proc_is_ours(void)
{
	char self[16], target[16];
	ssize_t n = readlink("/proc/self", target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	(void)snprintf(self, sizeof(self), "%d", getpid());
	return strcmp(target, self) == 0;
}

int ecap_process_each(ecap_process_fn fn, void *arg)
{
	ecap_cleanup(closedirp) DIR *dir = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (!r && (entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			r = fn((pid_t)strtol(entry->d_name, NULL, 10), arg);
	}
	return r;
}

bool ecap_mapping_parse(char *line, struct ecap_mapping *ret)
{
	struct ecap_mapping m = { 0 };
	int path_at = 0;
	char exec;

	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %*c%*c%c%*c %*x %" SCNx32 ":%" SCNx32 " %" SCNu64 " %n",
		   &m.start, &m.end, &exec, &m.dev_major, &m.dev_minor, &m.ino, &path_at) < 6)
		return false;
	if (exec != 'x' || !m.ino || !path_at || line[path_at] != '/')
		return false;
	line[strcspn(line, "\n")] = '\0';
	m.path = line + path_at;
	*ret = m;
	return true;
}

static void map_files_path(pid_t pid, const struct ecap_mapping *map, char ret[64])
{
	(void)snprintf(ret, 64, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, map->start,
		       map->end);
}

/* Open @path if it has the inode number of @map. */
static int open_if_same(const char *path, const struct ecap_mapping *map)
{
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_ino == map->ino ? ecap_take_fd(fd) : -ESTALE;
}

int ecap_mapping_open(pid_t pid, const struct ecap_mapping *map)
{
	char path[PATH_MAX + 32];
	int fd;

	map_files_path(pid, map, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	(void)snprintf(path, sizeof(path), "/proc/%d/root%s", pid, map->path);
	fd = open_if_same(path, map);
	return fd == -ENOENT ? open_if_same(map->path, map) : fd;
}

bool ecap_mapping_exists(pid_t pid, const struct ecap_mapping *map)
{
	char path[64];

	map_files_path(pid, map, path);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int ecap_mapping_each(pid_t pid, ecap_mapping_fn fn, void *arg)
{
	ecap_cleanup(fclosep) FILE *f = NULL;
	ecap_autofree char *line = NULL;
	struct ecap_mapping map;
	size_t size = 0;
	char path[64];
	int r = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!r && getline(&line, &size, f) > 0) {
		if (ecap_mapping_parse(line, &map))
			r = fn(pid, &map, arg);
	}
	return r;
}
