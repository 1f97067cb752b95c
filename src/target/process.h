/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What /proc says of a process. Everything here is read anew at each call. */

#define ECAP_CONTAINER_ID_LEN 64

#define ECAP_PROCESS_COMM_LEN 16

struct ecap_process_facts {
	uint32_t ppid;
	uint32_t uid;				   /* the real one */
	char comm[ECAP_PROCESS_COMM_LEN];	   /* of its first thread; ends with a NUL */
	char exe[PATH_MAX];			   /* empty: could not be read */
	char container[ECAP_CONTAINER_ID_LEN + 1]; /* empty: in none */
};

/* Read the facts of process @pid. -ESRCH: there is none. */
int ecap_process_facts_read(pid_t pid, struct ecap_process_facts *ret);

/* The process that has started process @pid, or has taken it over. -ESRCH: there is none. */
int ecap_process_ppid(pid_t pid, uint32_t *ret);

/*
 * The id of the process that thread or process @pid belongs to (equal to @pid for a process).
 * -ESRCH: there is none.
 */
int ecap_process_tgid(pid_t pid, pid_t *ret);

/*
 * Whether /proc shows our own PID namespace. After `unshare -p` without a /proc mounted anew it
 * does not: the numbers there are those of another namespace and name other processes than ours
 * do. A /proc that is missing is not ours either.
 */
bool ecap_process_proc_is_ours(void);

/*
 * Find the container id, 64 hexadecimal digits, in the text of /proc/PID/cgroup. Returns whether
 * there is one.
 */
bool ecap_container_id_parse(const char *cgroup, char ret[ECAP_CONTAINER_ID_LEN + 1]);

/* Called for each process; a return other than 0 ends the walk and is its result. */
typedef int (*ecap_process_fn)(pid_t pid, void *arg);
int ecap_process_each(ecap_process_fn fn, void *arg);

/* One executable mapping of a file. path is borrowed and may end in " (deleted)". */
struct ecap_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t ino;
	uint32_t dev_major;
	uint32_t dev_minor;
	const char *path;
};

/* Called for each executable file mapping of a process, as ecap_process_fn. */
typedef int (*ecap_mapping_fn)(pid_t pid, const struct ecap_mapping *map, void *arg);
int ecap_mapping_each(pid_t pid, ecap_mapping_fn fn, void *arg);

/*
 * Open the very file that @map of process @pid shows, for reading, even if its path is gone or
 * names another file by now. Without the right to that, or when the process has ended, by its path,
 * if it still has the same inode number there. Returns a descriptor, the caller's.
 */
int ecap_mapping_open(pid_t pid, const struct ecap_mapping *map);
/* Whether process @pid still has @map where it was: then it is the process that made it. */
bool ecap_mapping_exists(pid_t pid, const struct ecap_mapping *map);

/* Parse one line of /proc/PID/maps in place. false: not an executable mapping of a file. */
bool ecap_mapping_parse(char *line, struct ecap_mapping *ret);
