/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/*
 * Give what was closed a descriptor, else the next one that is opened, say the event loop's, would
 * be standard output. That one cannot be written: output that goes nowhere is an error to report.
 */
static int fill_standard_descriptors(void)
{
	static const int modes[] = {
		[STDIN_FILENO] = O_RDONLY,
		[STDOUT_FILENO] = O_RDONLY,
		[STDERR_FILENO] = O_WRONLY,
	};

	for (int fd = 0; fd < (int)ECAP_ARRAY_SIZE(modes); fd++) {
		/* open() takes the lowest number that is free: those below are in use by now */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0)
			return -errno;
	}
	return 0;
}

/*
 * Each file that is hooked takes descriptors, on older kernels one for each of its hooks; the usual
 * soft limit of 1024 is for programs that call select(). With what cannot be had we do without.
 */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int ecap_setup_process(void)
{
	int r = fill_standard_descriptors();

	if (r < 0)
		return ecap_err_r(r, "cannot open /dev/null for a closed standard descriptor");
	raise_descriptor_limit();
	return 0;
}
