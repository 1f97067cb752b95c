// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

/* stderr is a pipe while a test runs; what is written to it is short enough to stay inside. */
struct fixture {
	int saved;
	int reader;
};

static int redirect(void **state)
{
	static struct fixture f;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	f.saved = dup(STDERR_FILENO);
	f.reader = fds[0];
	if (f.saved < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		return -1;
	(void)close(fds[1]);
	ecap_log_set_level(ECAP_LOG_INFO);
	*state = &f;
	return 0;
}

static int restore(void **state)
{
	struct fixture *f = *state;

	(void)close(f->reader);
	return dup2(f->saved, STDERR_FILENO) < 0 || close(f->saved) < 0 ? -1 : 0;
}

/* What came since the last time. */
static const char *take(const struct fixture *f, char *buf, size_t size)
{
	ssize_t n = read(f->reader, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void writes_one_line(void **state)
{
	char got[4096];

	ecap_err("cannot open %s", "/x");
	assert_string_equal(take(*state, got, sizeof(got)), "ecapture: cannot open /x\n");
	ecap_info("of a library\n");
	assert_string_equal(take(*state, got, sizeof(got)), "ecapture: of a library\n");
	ecap_warn("%s", "");
	assert_string_equal(take(*state, got, sizeof(got)), "ecapture: \n");
}

static void shows_control_characters(void **state)
{
	char got[4096];

	ecap_info("%s", "two\nlines \x1b[2J \xc2\x9b \xff \xc3\xa9");
	assert_string_equal(take(*state, got, sizeof(got)),
			    "ecapture: two\\x0alines \\x1b[2J \\u{9b} \\xff \xc3\xa9\n");
}

static void bounds_the_line(void **state)
{
	static const char fill[] = { 'a', '\x1b' };
	char message[5000], got[8192];

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(fill); i++) {
		memset(message, fill[i], sizeof(message) - 1);
		message[sizeof(message) - 1] = '\0';
		ecap_info("%s", message);
		(void)take(*state, got, sizeof(got));
		assert_in_range(strlen(got), 2040, 2048);
		assert_string_equal(got + strlen(got) - 4, "...\n");
	}
}

static void level_hides(void **state)
{
	char got[100];

	ecap_debug("hidden");
	assert_int_equal(ecap_warn_r(EPERM, "seen"), -EPERM);
	ecap_log_set_level(ECAP_LOG_ERR);
	assert_int_equal(ecap_log_get_level(), ECAP_LOG_ERR);
	assert_int_equal(ecap_warn_r(-EPERM, "hidden"), -EPERM);
	assert_string_equal(take(*state, got, sizeof(got)),
			    "ecapture: seen: Operation not permitted\n");
}

static void names_errors(void **state)
{
	char got[200], small[5];

	assert_int_equal(ecap_err_r(ENOENT, "cannot open %s", "f"), -ENOENT);
	assert_string_equal(take(*state, got, sizeof(got)),
			    "ecapture: cannot open f: No such file or directory\n");
	assert_int_equal(ecap_err_r(-524, "link"), -524);
	assert_string_equal(take(*state, got, sizeof(got)),
			    "ecapture: link: operation not supported by the kernel (ENOTSUPP)\n");
	assert_string_equal(ecap_strerror(-ENOENT, got, sizeof(got)), "No such file or directory");
	assert_string_equal(ecap_strerror(ENOENT, small, sizeof(small)), "No s");
	assert_string_equal(ecap_strerror(-5000, got, sizeof(got)), "Unknown error 5000");
}

static void errno_stays(void **state)
{
	char got[100];

	errno = EXDEV;
	ecap_info("x");
	assert_int_equal(errno, EXDEV);
	(void)take(*state, got, sizeof(got));
}

/* Neither a reader that went away nor a closed descriptor ends the program. */
static void survives_without_stderr(void **state)
{
	struct fixture *f = *state;

	(void)close(f->reader);
	f->reader = -1;
	errno = EXDEV;
	ecap_err("nobody reads this");
	ecap_err("nor this");
	assert_int_equal(errno, EXDEV);
	(void)close(STDERR_FILENO);
	ecap_err("nor this");
}

#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, redirect, restore)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOG_TEST(writes_one_line),
		LOG_TEST(shows_control_characters),
		LOG_TEST(bounds_the_line),
		LOG_TEST(level_hides),
		LOG_TEST(names_errors),
		LOG_TEST(errno_stays),
		LOG_TEST(survives_without_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
