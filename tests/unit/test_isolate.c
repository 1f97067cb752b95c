/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
		.patience = { .ms = timeout_ms, .stop_fd = -1 },
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

/* Its descriptors, as far as there may be any. */
static int count_descriptors(int fd, const void *arg, void *ret)
{
	struct result *result = ret;
	struct stat st;

	(void)fd;
	(void)arg;
	for (int i = 0; i < 1024; i++)
		result->numbers[0] += fstat(i, &st) == 0;
	return 0;
}

static void the_child_has_two_descriptors(void **state)
{
	ecap_autoclose int unrelated = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct result result = { .text = "" };

	(void)state;
	assert_true(unrelated >= 0);
	assert_int_equal(isolate(count_descriptors, NULL, LONG_MS, &result), 0);
	assert_int_equal(result.numbers[0], 2); /* the file and the pipe */
}

static int wait_for_ever(int fd, const void *arg, void *ret)
{
	int word = 0;

	(void)fd;
	(void)arg;
	(void)ret;
	while (word == 0)
		(void)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return 0;
}

/* What the kernel says of a child, whether it is as isolated as can be, and what is missing. */
struct look {
	pid_t parent;
	const char *missing; /* NULL: nothing */
};

static void read_text(pid_t pid, const char *name, char *ret, size_t size)
{
	ecap_autoclose int fd = -1;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, size - 1);
	ret[n < 0 ? 0 : n] = 0;
}

/* The first of the lines that /proc does not have of @pid, or NULL. */
static const char *find_missing(pid_t pid)
{
	static const char *const lines[] = {
		"\nNoNewPrivs:\t1\n",
		"\nCapEff:\t0000000000000000\n",
		"\nSeccomp:\t2\n",
	};
	static const char *const limits[] = {
		"\nMax cpu time              2 ", "\nMax file size             0 ",
		"\nMax core file size        0 ", "\nMax processes             0 ",
		"\nMax open files            0 ",
	};
	char text[8192];

	read_text(pid, "limits", text, sizeof(text));
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(limits); i++) {
		if (!strstr(text, limits[i]))
			return limits[i] + 1;
	}
	read_text(pid, "status", text, sizeof(text));
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(lines); i++) {
		if (!strstr(text, lines[i]))
			return lines[i] + 1;
	}
	if (geteuid() == 0 && !strstr(text, "\nUid:\t65534\t65534\t65534\t65534\n"))
		return "Uid: 65534";
	return NULL;
}

/* Look until there is a child that is as it should be, or for too long; then end it. */
static void *look_at_child(void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct look *look = arg;
	char children[64], text[64];
	int pid = 0;

	(void)snprintf(children, sizeof(children), "task/%d/children", (int)look->parent);
	look->missing = "a child";
	for (int i = 0; look->missing && i < LONG_MS / 2; i++) {
		(void)nanosleep(&pause, NULL);
		read_text(look->parent, children, text, sizeof(text));
		pid = (int)strtol(text, NULL, 10);
		if (pid > 0)
			look->missing = find_missing(pid);
	}
	if (pid > 0)
		(void)kill(pid, SIGKILL);
	return NULL;
}

static void the_child_has_no_privileges(void **state)
{
	struct look look = { .parent = getpid() };
	struct result result;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, look_at_child, &look), 0);
	assert_int_equal(isolate(wait_for_ever, NULL, 2 * LONG_MS, &result), -ECHILD);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (look.missing)
		fail_msg("missing: %s", look.missing);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What looks at the machine before it decides how. */
static int use_c_library(int fd, const void *arg, void *ret)
{
	size_t n = 1u << 20;
	ecap_autofree int *numbers = calloc(n, sizeof(*numbers));

	(void)fd;
	(void)arg;
	(void)ret;
	if (!numbers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		numbers[i] = (int)(n - i);
	qsort(numbers, n, sizeof(*numbers), compare_ints);
	return numbers[0] == 1 ? 0 : -EBADMSG;
}

static void the_c_library_may_be_used(void **state)
{
	struct result result;

	(void)state;
	assert_int_equal(isolate(use_c_library, NULL, LONG_MS, &result), 0);
}

static int look_at_room(int fd, const void *arg, void *ret)
{
	(void)fd;
	(void)arg;
	return (uintptr_t)ret % _Alignof(max_align_t) ? -EFAULT : 0;
}

/* It is filled as a structure of any kind. */
static void room_for_the_answer_is_aligned(void **state)
{
	struct result result;

	(void)state;
	assert_int_equal(isolate(look_at_room, NULL, LONG_MS, &result), 0);
}

static int give_error(int fd, const void *arg, void *ret)
{
	(void)fd;
	memset(ret, 'x', sizeof(struct result));
	return *(const int *)arg;
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

/* System calls that a child must not survive. */
enum call {
	CALL_OPEN,
	CALL_SOCKET,
	CALL_DUP,
	CALL_KILL,
	CALL_FORK,
	CALL_EXECUTABLE,
	CALL_WRITE_TO_FILE,
	CALL_STAT,
};

static int call_kernel(int fd, const void *arg, void *ret)
{
	struct stat st;

	(void)ret;
	switch (*(const enum call *)arg) {
	case CALL_OPEN:
		(void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
		break;
	case CALL_SOCKET:
		(void)socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		break;
	case CALL_DUP:
		(void)fcntl(fd, F_DUPFD_CLOEXEC, 0);
		break;
	case CALL_KILL:
		(void)kill(getppid(), 0);
		break;
	case CALL_FORK:
		(void)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
		break;
	case CALL_EXECUTABLE:
		(void)mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case CALL_WRITE_TO_FILE:
		(void)!write(fd, "x", 1);
		break;
	case CALL_STAT:
		(void)fstatat(fd, "x", &st, AT_SYMLINK_NOFOLLOW);
		break;
	}
	return 0;
}

static void the_child_dies_of_other_system_calls(void **state)
{
	(void)state;
	for (enum call call = CALL_OPEN; call <= CALL_STAT; call++) {
		struct result result;
		int r = isolate(call_kernel, &call, LONG_MS, &result);

		if (r != -ECHILD)
			fail_msg("call %d: got %d", (int)call, r);
	}
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

static void stopping_ends_the_child(void **state)
{
	ecap_autoclose int file = memfd_create("file", MFD_CLOEXEC);
	ecap_autoclose int stop = eventfd(1, EFD_CLOEXEC);
	const struct ecap_isolate_job job = {
		.fd = file,
		.work = wait_for_ever,
		.size = sizeof(struct result),
		.patience = { .ms = LONG_MS, .stop_fd = stop },
	};
	struct result result = { .text = "untouched" };

	(void)state;
	assert_true(file >= 0 && stop >= 0);
	assert_int_equal(ecap_isolate(&job, &result), -ECANCELED);
	assert_string_equal(result.text, "untouched");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
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
	result->numbers[0] = madvise(page, 1, MADV_NORMAL) < 0 ? errno : 0;
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
		cmocka_unit_test(the_child_has_two_descriptors),
		cmocka_unit_test(the_child_has_no_privileges),
		cmocka_unit_test(the_child_dies_of_other_system_calls),
		cmocka_unit_test(the_c_library_may_be_used),
		cmocka_unit_test(room_for_the_answer_is_aligned),
		cmocka_unit_test(what_goes_wrong_is_an_error),
		cmocka_unit_test(stopping_ends_the_child),
		cmocka_unit_test(threads_may_do_it_at_once),
		cmocka_unit_test(shared_memory_stays_with_the_parent),
		cmocka_unit_test(no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
