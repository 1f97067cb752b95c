/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

#define LINE_MAX_BYTES 2048
#define PREFIX	       "ecapture: "
#define CUT	       "..."

/* Numbers of the kernel that reach user space and that libc has no text for. */
#define KERNEL_ENOTSUPP 524

static atomic_int level = ECAP_LOG_INFO;

void ecap_log_set_level(enum ecap_log_level lvl)
{
	atomic_store_explicit(&level, (int)lvl, memory_order_relaxed);
}

enum ecap_log_level ecap_log_get_level(void)
{
	return (enum ecap_log_level)atomic_load_explicit(&level, memory_order_relaxed);
}

const char *ecap_strerror(int err, char *buf, unsigned long size)
{
	char libc[128];
	int number = err < 0 && err != INT32_MIN ? -err : err;
	const char *text = number == KERNEL_ENOTSUPP ?
				   "operation not supported by the kernel (ENOTSUPP)" :
				   strerror_r(number, libc, sizeof(libc));

	(void)snprintf(buf, size, "%s", text);
	return buf;
}

/*
 * One write, so that lines of several threads and processes stay whole. A reader of stderr that
 * went away is no reason to die: SIGPIPE is kept off, and ours is swallowed.
 */
static void write_line(const char *line, size_t n)
{
	const struct timespec now = { .tv_sec = 0 };
	sigset_t sigpipe, old, pending;

	(void)sigemptyset(&sigpipe);
	(void)sigaddset(&sigpipe, SIGPIPE);
	(void)sigemptyset(&pending);
	(void)sigpending(&pending);
	(void)pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
	if (write(STDERR_FILENO, line, n) < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE))
		(void)sigtimedwait(&sigpipe, NULL, &now);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void put_line(const char *msg)
{
	const size_t room = LINE_MAX_BYTES - strlen(CUT "\n");
	const uint8_t *p = (const uint8_t *)msg;
	size_t left = strlen(msg), len = strlen(PREFIX);
	char line[LINE_MAX_BYTES] = PREFIX;

	while (left && p[left - 1] == '\n') /* messages of libraries bring their own */
		left--;
	while (left) {
		char shown[ECAP_UTF8_SHOWN_MAX];
		size_t n, used = ecap_utf8_show(p, left, shown, &n);

		if (n > room - len) {
			memcpy(line + len, CUT, strlen(CUT));
			len += strlen(CUT);
			break;
		}
		memcpy(line + len, shown, n);
		len += n;
		p += used;
		left -= used;
	}
	line[len++] = '\n';
	write_line(line, len);
}

void ecap_log(enum ecap_log_level lvl, const char *fmt, ...)
{
	char msg[LINE_MAX_BYTES];
	int saved = errno;
	va_list args;

	if (lvl > ecap_log_get_level())
		return;
	va_start(args, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, args) >= 0)
		put_line(msg);
	va_end(args);
	errno = saved;
}

int ecap_log_errno(enum ecap_log_level lvl, int err, const char *fmt, ...)
{
	char msg[LINE_MAX_BYTES], why[128];
	va_list args;

	va_start(args, fmt);
	if (lvl <= ecap_log_get_level() && vsnprintf(msg, sizeof(msg), fmt, args) >= 0)
		ecap_log(lvl, "%s: %s", msg, ecap_strerror(err, why, sizeof(why)));
	va_end(args);
	return err < 0 ? err : -err;
}
