/* SPDX-License-Identifier: Apache-2.0 */
#include "target/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/caps.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "target/sandbox.h"

#define NOBODY	    65534
#define CPU_SECONDS 2
#define MORE_MEMORY (128ull << 20) /* the largest symbol tables need most of it */

/* Where the child has what it may use. */
enum { FILE_FD, PIPE_FD, FIRST_CLOSED_FD };

/* What comes through the pipe. */
struct answer {
	int32_t status;
	_Alignas(max_align_t) uint8_t result[];
};

/* ------------------------------------------------------------------------------------ the child */

static void limit(int what, uint64_t to)
{
	struct rlimit l = { .rlim_cur = to, .rlim_max = to };
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max < to)
		l.rlim_cur = l.rlim_max = now.rlim_max;
	(void)setrlimit((__rlimit_resource_t)what, &l);
}

/* The size of our address space in bytes, most of which is our parent's and only shared. */
static uint64_t address_space(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		(void)close(fd);
	return n > 0 ? strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/*
 * System calls directly: glibc's functions would ask the other threads to change along, and they
 * did not come with us. What we may not change stays as it is.
 */
static void drop_privileges(pid_t parent)
{
	const struct ecap_caps none = { 0 };

	(void)syscall(SYS_setgroups, 0, NULL);
	(void)syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY);
	(void)syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY);
	(void)ecap_caps_set(&none);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* forgotten when the user changes, so it comes last */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

/*
 * Memory that is shared with others, such as BPF maps with what they have seen, came with the
 * fork. -errno: it can not be told what is shared.
 */
static int drop_shared_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512], kind;

	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*c%*c%*c%c", &start, &end, &kind) == 3 && kind == 's')
			(void)munmap((void *)start,
				     end - start); /* NOLINT(performance-no-int-to-ptr) */
	}
	(void)fclose(maps);
	return 0;
}

/* Keep two descriptors, under their new numbers. */
static int keep(int file, int pipe_end)
{
	file = fcntl(file, F_DUPFD, FIRST_CLOSED_FD);
	pipe_end = fcntl(pipe_end, F_DUPFD, FIRST_CLOSED_FD);
	if (file < 0 || pipe_end < 0 || dup2(file, FILE_FD) < 0 || dup2(pipe_end, PIPE_FD) < 0)
		return -errno;
	return syscall(SYS_close_range, FIRST_CLOSED_FD, ~0u, 0) < 0 ? -errno : 0;
}

static void send_all(const void *p, size_t n)
{
	const uint8_t *src = p;

	while (n) {
		ssize_t put = write(PIPE_FD, src, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return; /* nobody reads any more */
		src += put;
		n -= (size_t)put;
	}
}

static void child(const struct ecap_isolate_job *job, int pipe_end, pid_t parent,
		  struct answer *answer)
{
	uint64_t space = address_space();
	int r = drop_shared_memory();

	if (!r)
		r = keep(job->fd, pipe_end);
	if (r < 0)
		_exit(EXIT_FAILURE);
	drop_privileges(parent);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 0);
	limit(RLIMIT_NPROC, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_CPU, CPU_SECONDS);
	if (space)
		limit(RLIMIT_AS, space + MORE_MEMORY);
	(void)ecap_sandbox_enter(PIPE_FD); /* a kernel without it: what is above has to do */
	answer->status = job->work(FILE_FD, job->arg, answer->result);
	send_all(answer, sizeof(*answer) + (answer->status < 0 ? 0 : job->size));
	_exit(EXIT_SUCCESS);
}

/* ----------------------------------------------------------------------------------- the parent */

static int64_t now_ms(void)
{
	return (int64_t)(ecap_clock_monotonic() / 1000000);
}

/* Wait until the pipe can be read. */
static int wait_for(int fd, int stop_fd, int64_t deadline)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN }, /* ignored if it is -1 */
	};
	int ready;

	do {
		int64_t left = deadline - now_ms();

		ready = left <= 0 ? 0 : poll(fds, ECAP_ARRAY_SIZE(fds), (int)left);
	} while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return -errno;
	if (!ready)
		return -ETIMEDOUT;
	return fds[1].revents ? -ECANCELED : 0;
}

/* Read until the end of the pipe or of @size bytes; returns how many came. */
static int receive(int fd, void *p, size_t size, int stop_fd, int64_t deadline)
{
	uint8_t *dst = p;
	size_t n = 0;

	while (n < size) {
		int r = wait_for(fd, stop_fd, deadline);
		ssize_t got;

		if (r < 0)
			return r;
		got = read(fd, dst + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		n += (size_t)got;
	}
	return (int)n;
}

static int judge(const struct answer *answer, int n_received, size_t size)
{
	if (n_received < 0)
		return n_received;
	if ((size_t)n_received < sizeof(*answer))
		return -ECHILD;
	if (answer->status < 0)
		return answer->status < -4095 ? -ECHILD : answer->status;
	return (size_t)n_received == sizeof(*answer) + size ? 0 : -ECHILD;
}

int ecap_isolate(const struct ecap_isolate_job *job, void *ret)
{
	int64_t deadline = now_ms() + job->patience.ms;
	ecap_autofree struct answer *answer = NULL;
	ecap_autoclose int read_end = -1, write_end = -1;
	pid_t parent = getpid(), pid;
	int ends[2], r;

	if (job->size > INT32_MAX / 2)
		return -EINVAL;
	answer = calloc(1, sizeof(*answer) + job->size);
	if (!answer)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(job, write_end, parent, answer);

	(void)close(ecap_take_fd(write_end));
	r = receive(read_end, answer, sizeof(*answer) + job->size, job->patience.stop_fd, deadline);
	/* it has nothing more to say, whatever it does */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	r = judge(answer, r, job->size);
	if (r == 0)
		memcpy(ret, answer->result, job->size);
	return r;
}
