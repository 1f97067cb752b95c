/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define LOWEST_FD 3

struct ecap_launch {
	char *const *argv; /* borrowed */
	pid_t pid;	   /* 0: there is none, or it was awaited */
	int pid_fd;
	int go_fd;    /* written to once; its end says that it never will be */
	int error_fd; /* why exec failed; its end says that it did not */
	bool is_let_go;
	int status;
};

/*
 * A pipe that takes none of the three standard descriptors: the command gets those as the caller
 * has them, closed ones included, and they are filled later for us.
 */
static int open_pipe(int ret[2])
{
	int low[2], r = 0;

	if (pipe2(low, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ret[i] = fcntl(low[i], F_DUPFD_CLOEXEC, LOWEST_FD);
		if (ret[i] < 0)
			r = -errno;
		(void)close(low[i]);
	}
	return r;
}

/* The command's process: all of it until exec. */
static _Noreturn void wait_and_exec(char *const *argv, int go_fd, int error_fd)
{
	ssize_t n;
	char go;
	int r;

	do {
		n = read(go_fd, &go, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(ECAP_LAUNCH_FAILED);
	(void)execvp(argv[0], argv);
	r = errno;
	(void)!write(error_fd, &r, sizeof(r));
	_exit(r == ENOENT ? ECAP_LAUNCH_NOT_FOUND : ECAP_LAUNCH_NOT_EXECUTABLE);
}

static int fork_command(struct ecap_launch *l)
{
	ecap_autoclose int go_read = -1, error_write = -1;
	int go[2] = { -1, -1 }, error[2] = { -1, -1 };
	int r = open_pipe(go);

	go_read = go[0];
	l->go_fd = go[1];
	if (!r)
		r = open_pipe(error);
	l->error_fd = error[0];
	error_write = error[1];
	if (r < 0)
		return r;
	l->pid = fork();
	if (l->pid < 0)
		return -errno;
	if (!l->pid) {
		(void)close(l->go_fd); /* its end is ours to see */
		wait_and_exec(l->argv, go_read, error_write);
	}
	l->pid_fd = (int)syscall(SYS_pidfd_open, l->pid, 0);
	if (l->pid_fd < 0)
		return -errno;
	if (l->pid_fd >= LOWEST_FD)
		return 0;
	r = fcntl(l->pid_fd, F_DUPFD_CLOEXEC, LOWEST_FD);
	(void)close(l->pid_fd);
	l->pid_fd = r;
	return r < 0 ? -errno : 0;
}

int ecap_launch_new(char *const *argv, struct ecap_launch **ret)
{
	ecap_cleanup(ecap_launch_freep) struct ecap_launch *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->argv = argv;
	l->pid_fd = l->go_fd = l->error_fd = -1;
	r = fork_command(l);
	if (!r)
		*ret = ecap_take_ptr(l);
	return r;
}

void ecap_launch_free(struct ecap_launch *l)
{
	if (!l)
		return;
	ecap_closep(&l->go_fd);
	if (l->pid > 0 && !l->is_let_go)
		(void)waitpid(l->pid, NULL, 0);
	ecap_closep(&l->pid_fd);
	ecap_closep(&l->error_fd);
	free(l);
}

pid_t ecap_launch_get_pid(const struct ecap_launch *l)
{
	return l->pid;
}

void ecap_launch_go(struct ecap_launch *l)
{
	/* it may have been killed: a pipe that nobody reads, which SIGPIPE is not to tell us */
	l->is_let_go = write(l->go_fd, "", 1) == 1;
	ecap_closep(&l->go_fd);
}

int ecap_launch_fd(const struct ecap_launch *l)
{
	return l->pid_fd;
}

bool ecap_launch_is_running(const struct ecap_launch *l)
{
	return l->is_let_go && l->pid;
}

void ecap_launch_signal(const struct ecap_launch *l, int sig)
{
	(void)syscall(SYS_pidfd_send_signal, l->pid_fd, sig, NULL, 0);
}

/* Why exec failed, 0: it did not. */
static int read_error(const struct ecap_launch *l)
{
	int error = 0;

	return read(l->error_fd, &error, sizeof(error)) == (ssize_t)sizeof(error) ? error : 0;
}

int ecap_launch_wait(struct ecap_launch *l)
{
	int status = 0, error;

	if (!l->is_let_go)
		return ECAP_LAUNCH_FAILED;
	if (!l->pid)
		return l->status;
	while (waitpid(l->pid, &status, 0) < 0 && errno == EINTR)
		;
	l->pid = 0;
	error = read_error(l);
	if (error)
		(void)ecap_err_r(error, "cannot run %s", l->argv[0]);
	l->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return l->status;
}
