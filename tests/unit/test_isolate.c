/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "target/isolate.h"

#define SHORT_MS 500
#define LONG_MS	 20000 /* for what ends by itself */

struct result {
	char text[16];
	int numbers[4];
};

static int isolate(int (*work)(int fd, const void *arg, void *ret), const void *arg,
		   unsigned int timeout_ms, struct result *ret)
{
	ecap_autoclose int fd = memfd_create("file", MFD_CLOEXEC);
	const struct ecap_isolate_job job = {
		.fd = fd,
		.work = work,
		.arg = arg,
		.size = sizeof(*ret),
		.timeout_ms = timeout_ms,
	};

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "in the file", 12), 12);
	return ecap_isolate(&job, ret);
}

static int read_file(int fd, const void *arg, void *ret)
{
	struct result *result = ret;

	result->numbers[0] = *(const int *)arg;
	return pread(fd, result->text, sizeof(result->text), 0) < 0 ? -errno : 0;
}

static void the_child_reads_the_file(void **state)
{
	struct result result = { .text = "" };
	int number = 4711;

	(void)state;
	assert_int_equal(isolate(read_file, &number, LONG_MS, &result), 0);
	assert_string_equal(result.text, "in the file");
	assert_int_equal(result.numbers[0], 4711);
}

/* What a child could do: open files, have descriptors, be somebody, make processes. */
static int try_things(int fd, const void *arg, void *ret)
{
	struct result *result = ret;

	(void)arg;
	result->numbers[0] = open("/proc/self/stat", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
	for (int i = 0; i < 1024; i++)
		result->numbers[1] += fcntl(i, F_GETFD) >= 0;
	result->numbers[2] = dup(fd) < 0 ? errno : 0;
	result->numbers[3] = (int)getuid();
	return 0;
}

static void the_child_can_do_nothing_else(void **state)
{
	ecap_autoclose int unrelated = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct result result = { .text = "" };

	(void)state;
	assert_true(unrelated >= 0);
	assert_int_equal(isolate(try_things, NULL, LONG_MS, &result), 0);
	assert_int_equal(result.numbers[0], EMFILE);
	assert_int_equal(result.numbers[1], 2); /* the file and the pipe */
	assert_int_equal(result.numbers[2], EMFILE);
	assert_int_equal(result.numbers[3], geteuid() ? getuid() : 65534);
}

static int give_error(int fd, const void *arg, void *ret)
{
	(void)fd;
	memset(ret, 'x', sizeof(struct result));
	return *(const int *)arg;
}

static int wait_for_ever(int fd, const void *arg, void *ret)
{
	(void)fd;
	(void)arg;
	(void)ret;
	while (pause() < 0)
		;
	return 0;
}

static int compute_for_ever(int fd, const void *arg, void *ret)
{
	volatile unsigned int n = 0;

	(void)fd;
	(void)arg;
	(void)ret;
	while (n < 2)
		n = 1 - n;
	return 0;
}

static int die(int fd, const void *arg, void *ret)
{
	(void)fd;
	(void)arg;
	(void)ret;
	(void)kill(getpid(), SIGKILL);
	return 0;
}

static int leave(int fd, const void *arg, void *ret)
{
	(void)fd;
	(void)arg;
	(void)ret;
	_exit(EXIT_SUCCESS);
}

/* More memory than is allowed, in mappings of 16 MiB. */
static int take_memory(int fd, const void *arg, void *ret)
{
	struct result *result = ret;

	(void)fd;
	(void)arg;
	for (int i = 0; i < 64; i++) {
		if (mmap(NULL, 16u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0) == MAP_FAILED)
			return -errno;
		result->numbers[0]++;
	}
	return 0;
}

static void what_goes_wrong_is_an_error(void **state)
{
	static const int error = -EBADMSG, no_error = -100000;
	static const struct {
		const char *what;
		int (*work)(int fd, const void *arg, void *ret);
		const void *arg;
		int want;
	} cases[] = {
		{ "its own error", give_error, &error, -EBADMSG },
		{ "a number that is no error", give_error, &no_error, -ECHILD },
		{ "waits", wait_for_ever, NULL, -ETIMEDOUT },
		{ "computes", compute_for_ever, NULL, -ETIMEDOUT },
		{ "computes beyond its limit", compute_for_ever, NULL, -ECHILD },
		{ "dies", die, NULL, -ECHILD },
		{ "leaves", leave, NULL, -ECHILD },
		{ "takes memory", take_memory, NULL, -ENOMEM },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		struct result result = { .text = "untouched" };
		unsigned int timeout_ms = cases[i].want == -ETIMEDOUT ? SHORT_MS : LONG_MS;
		int r = isolate(cases[i].work, cases[i].arg, timeout_ms, &result);

		if (r != cases[i].want)
			fail_msg("%s: got %d, want %d", cases[i].what, r, cases[i].want);
		assert_string_equal(result.text, "untouched");
		/* and no child is left */
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		assert_int_equal(errno, ECHILD);
	}
}

/* The heap of a process whose other threads used it when it was copied. */
static int use_heap(int fd, const void *arg, void *ret)
{
	struct result *result = ret;

	(void)fd;
	(void)arg;
	for (size_t i = 1; i < 100; i++) {
		ecap_autofree uint8_t *block = calloc(i, 100);

		if (!block)
			return -ENOMEM;
		result->numbers[0] += block[i * 99] == 0;
	}
	return 0;
}

static void *isolate_often(void *arg)
{
	size_t *n_good = arg;

	for (int i = 0; i < 20; i++) {
		struct result result = { .text = "" };

		if (isolate(use_heap, NULL, LONG_MS, &result) == 0 && result.numbers[0] == 99)
			(*n_good)++;
	}
	return NULL;
}

/* gcc's AddressSanitizer does not hold its own heap's locks over fork(), as the C library does. */
#if defined(__SANITIZE_ADDRESS__)
#define N_THREADS 1
#else
#define N_THREADS 4
#endif

static void threads_may_do_it_at_once(void **state)
{
	pthread_t threads[N_THREADS];
	size_t n_good[N_THREADS] = { 0 };

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, isolate_often, &n_good[i]), 0);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(n_good[i], 20);
	}
}

static size_t n_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static int look_at_page(int fd, const void *arg, void *ret)
{
	struct result *result = ret;
	void *page = *(void *const *)arg;

	(void)fd;
	result->numbers[0] = msync(page, 1, MS_ASYNC) < 0 ? errno : 0;
	return 0;
}

static void shared_memory_stays_with_the_parent(void **state)
{
	static const int kinds[] = { MAP_SHARED, MAP_PRIVATE };

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(kinds); i++) {
		void *page = mmap(NULL, 1, PROT_READ, kinds[i] | MAP_ANONYMOUS, -1, 0);
		struct result result = { .text = "" };

		assert_ptr_not_equal(page, MAP_FAILED);
		assert_int_equal(isolate(look_at_page, &page, LONG_MS, &result), 0);
		assert_int_equal(result.numbers[0], kinds[i] == MAP_SHARED ? ENOMEM : 0);
		(void)munmap(page, 1);
	}
}

static void no_descriptor_is_left(void **state)
{
	static const int error = -EBADMSG;
	size_t before = n_descriptors();
	struct result result;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(isolate(give_error, &error, LONG_MS, &result), -EBADMSG);
	assert_int_equal(n_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_child_reads_the_file),
		cmocka_unit_test(the_child_can_do_nothing_else),
		cmocka_unit_test(what_goes_wrong_is_an_error),
		cmocka_unit_test(threads_may_do_it_at_once),
		cmocka_unit_test(shared_memory_stays_with_the_parent),
		cmocka_unit_test(no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
