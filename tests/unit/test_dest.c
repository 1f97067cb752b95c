/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "engine/dest.h"

#define DEADLINE_MS 10000

struct fixture {
	char dir[32];
	char path[64];
	int event_fd;
	struct ecap_dest *dest;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .dir = "/tmp/ecap-dest-XXXXXX" };
	assert_non_null(mkdtemp(f.dir));
	(void)snprintf(f.path, sizeof(f.path), "%s/out", f.dir);
	f.event_fd = eventfd(0, EFD_CLOEXEC);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ecap_dest_free(f->dest);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
	(void)close(f->event_fd);
	return 0;
}

static void open_and_start(struct fixture *f, const char *path)
{
	assert_int_equal(ecap_dest_open(path, f->event_fd, &f->dest), 0);
	assert_int_equal(ecap_dest_start(f->dest), 0);
}

/* Offer one event of @n bytes. Returns whether it was taken. */
static bool put(struct ecap_dest *dest, char c, size_t n)
{
	struct ecap_buf *buf = ecap_dest_admit(dest);

	if (!buf)
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		ecap_buf_putc(buf, c);
	ecap_buf_putc(buf, '\n');
	ecap_dest_commit(dest, true);
	return true;
}

static void wait_finished(const struct fixture *f)
{
	while (!ecap_dest_finished(f->dest)) {
		struct pollfd p = { .fd = f->event_fd, .events = POLLIN };
		uint64_t n;

		assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
		assert_int_equal(read(f->event_fd, &n, sizeof(n)), sizeof(n));
	}
}

/* Let the destination write all it has, and wait for its thread. */
static void finish(const struct fixture *f)
{
	ecap_dest_finish(f->dest);
	wait_finished(f);
}

/* A FIFO with a reader that does not read. Returns the reader's end. */
static int open_stalled(struct fixture *f)
{
	int reader;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	open_and_start(f, f->path);
	return reader;
}

/* Wait until @n bytes are in the pipe, whose reader does not read. */
static void wait_progress(struct ecap_dest *dest, uint64_t n)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < DEADLINE_MS && ecap_dest_get_progress(dest) < n; i++)
		(void)nanosleep(&ms, NULL);
	assert_int_equal(ecap_dest_get_progress(dest), n);
}

static size_t file_content(const char *path, char *buf, size_t size)
{
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, buf, size - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	return (size_t)n;
}

static void events_arrive_in_order_in_a_private_file(void **state)
{
	struct fixture *f = *state;
	struct ecap_dest_stats stats;
	char content[64];
	struct stat st;

	open_and_start(f, f->path);
	assert_true(put(f->dest, 'a', 3));
	ecap_dest_flush(f->dest);
	assert_true(put(f->dest, 'b', 2));
	assert_true(put(f->dest, 'c', 4));
	finish(f);
	(void)file_content(f->path, content, sizeof(content));
	assert_string_equal(content, "aa\nb\nccc\n");
	stats = ecap_dest_get_stats(f->dest);
	assert_int_equal(stats.written, 3);
	assert_int_equal(stats.refused + stats.failed, 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void an_event_that_fails_to_format_is_taken_back(void **state)
{
	struct fixture *f = *state;
	struct ecap_buf *buf;
	char content[64];

	open_and_start(f, f->path);
	assert_true(put(f->dest, 'a', 2));
	buf = ecap_dest_admit(f->dest);
	ecap_buf_puts(buf, "half");
	ecap_dest_commit(f->dest, false);
	assert_true(put(f->dest, 'b', 2));
	finish(f);
	(void)file_content(f->path, content, sizeof(content));
	assert_string_equal(content, "a\nb\n");
	assert_int_equal(ecap_dest_get_stats(f->dest).refused, 1);
}

static void an_old_file_is_emptied_at_the_start_not_before(void **state)
{
	struct fixture *f = *state;
	FILE *old = fopen(f->path, "w");
	char content[64];

	assert_non_null(old);
	assert_true(fputs("old", old) >= 0);
	assert_int_equal(fclose(old), 0);
	assert_int_equal(ecap_dest_open(f->path, f->event_fd, &f->dest), 0);
	(void)file_content(f->path, content, sizeof(content));
	assert_string_equal(content, "old");
	assert_int_equal(ecap_dest_start(f->dest), 0);
	finish(f);
	(void)file_content(f->path, content, sizeof(content));
	assert_string_equal(content, "");
}

/* A limit on the file's size stands for a full disk: the file ends with a whole event. */
static void a_full_disk_is_counted_and_leaves_whole_events(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, limit;
	struct ecap_dest_stats stats;
	char content[64];

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ .rlim_cur = 10, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	open_and_start(f, f->path);
	assert_true(put(f->dest, 'a', 4));
	assert_true(put(f->dest, 'b', 4));
	assert_true(put(f->dest, 'c', 4));
	ecap_dest_flush(f->dest);
	assert_true(put(f->dest, 'd', 4));
	finish(f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

	stats = ecap_dest_get_stats(f->dest);
	assert_int_equal(stats.err, -EFBIG);
	assert_int_equal(stats.written, 2);
	assert_int_equal(stats.failed, 2);
	(void)file_content(f->path, content, sizeof(content));
	assert_string_equal(content, "aaa\nbbb\n");
}

/* Nobody reads the pipe: the queue fills to its bound, then events are refused and counted. */
static void a_stalled_reader_costs_events_not_memory(void **state)
{
	enum { EVENT = 1 << 20 };
	struct fixture *f = *state;
	struct ecap_dest_stats stats;
	unsigned int n_taken = 0, n_refused = 0;
	ecap_autofree char *sink = malloc(EVENT);
	int reader;

	assert_non_null(sink);
	reader = open_stalled(f);
	for (unsigned int i = 0; i < 300; i++) {
		if (put(f->dest, 'x', EVENT))
			n_taken++;
		else
			n_refused++;
		ecap_dest_flush(f->dest);
	}
	assert_in_range(n_taken, 250, 260); /* 256 MiB, give or take some */
	assert_int_equal(n_taken + n_refused, 300);

	ecap_dest_finish(f->dest); /* the reader comes back */
	while (!ecap_dest_finished(f->dest)) {
		struct pollfd p = { .fd = reader, .events = POLLIN };

		if (poll(&p, 1, 100) == 1)
			(void)!read(reader, sink, EVENT);
	}
	(void)close(reader);
	stats = ecap_dest_get_stats(f->dest);
	assert_int_equal(stats.written, n_taken);
	assert_int_equal(stats.refused, n_refused);
	assert_int_equal(stats.failed, 0);
}

static void abandoning_a_stalled_pipe_ends_it_and_counts(void **state)
{
	struct fixture *f = *state;
	ecap_autoclose int reader = open_stalled(f);
	int size = fcntl(reader, F_GETPIPE_SZ);
	struct ecap_dest_stats stats;

	assert_true(size > 0);
	assert_true(put(f->dest, 'a', 10));
	assert_true(put(f->dest, 'b', (size_t)size));
	ecap_dest_flush(f->dest);
	assert_true(put(f->dest, 'c', 10)); /* queued */
	ecap_dest_flush(f->dest);
	assert_true(put(f->dest, 'd', 10)); /* not handed over */
	wait_progress(f->dest, (uint64_t)size);
	assert_false(ecap_dest_finished(f->dest));
	ecap_dest_abandon(f->dest);
	wait_finished(f);
	assert_true(put(f->dest, 'e', 10));
	ecap_dest_flush(f->dest);

	stats = ecap_dest_get_stats(f->dest);
	assert_int_equal(stats.err, -ETIMEDOUT);
	assert_int_equal(stats.written, 1);
	assert_int_equal(stats.failed, 4);
	assert_int_equal(stats.refused, 0);
	ecap_dest_free(f->dest); /* and it can be freed as any other */
	f->dest = NULL;
}

static void abandoning_what_has_finished_is_no_error(void **state)
{
	struct fixture *f = *state;

	open_and_start(f, f->path);
	assert_true(put(f->dest, 'a', 10));
	finish(f);
	ecap_dest_abandon(f->dest);
	assert_int_equal(ecap_dest_get_stats(f->dest).err, 0);
	assert_int_equal(ecap_dest_get_stats(f->dest).written, 1);
	assert_int_equal(ecap_dest_get_progress(f->dest), 10);
}

static void freeing_does_not_wait_for_a_stalled_reader(void **state)
{
	struct fixture *f = *state;
	ecap_autoclose int reader = open_stalled(f);
	int size = fcntl(reader, F_GETPIPE_SZ);

	assert_true(size > 0);
	assert_true(put(f->dest, 'a', 2 * (size_t)size));
	ecap_dest_finish(f->dest);
	wait_progress(f->dest, (uint64_t)size);
	(void)alarm(DEADLINE_MS / 1000);
	ecap_dest_free(f->dest);
	(void)alarm(0);
	f->dest = NULL;
}

static void a_file_is_the_same_under_two_names(void **state)
{
	struct fixture *f = *state;
	struct ecap_dest *same = NULL, *other = NULL, *null[2] = { NULL, NULL };
	char link_path[80], other_path[80];

	(void)snprintf(link_path, sizeof(link_path), "%s/link", f->dir);
	(void)snprintf(other_path, sizeof(other_path), "%s/other", f->dir);
	assert_int_equal(symlink(f->path, link_path), 0);
	assert_int_equal(ecap_dest_open(f->path, f->event_fd, &f->dest), 0);
	assert_int_equal(ecap_dest_open(link_path, f->event_fd, &same), 0);
	assert_int_equal(ecap_dest_open(other_path, f->event_fd, &other), 0);
	assert_int_equal(ecap_dest_open("/dev/null", f->event_fd, &null[0]), 0);
	assert_int_equal(ecap_dest_open("/dev/null", f->event_fd, &null[1]), 0);
	assert_true(ecap_dest_is_same_file(f->dest, same));
	assert_false(ecap_dest_is_same_file(f->dest, other));
	assert_false(ecap_dest_is_same_file(null[0], null[1])); /* that one takes any number */
	ecap_dest_free(same);
	ecap_dest_free(other);
	ecap_dest_free(null[0]);
	ecap_dest_free(null[1]);
	assert_int_equal(unlink(link_path), 0);
}

static void a_new_file_that_was_not_started_goes_away(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ecap_dest_open(f->path, f->event_fd, &f->dest), 0);
	assert_int_equal(access(f->path, F_OK), 0);
	ecap_dest_free(f->dest);
	assert_int_equal(access(f->path, F_OK), -1);

	open_and_start(f, f->path);
	ecap_dest_free(f->dest);
	assert_int_equal(access(f->path, F_OK), 0);

	/* now it is an old one, if empty */
	assert_int_equal(ecap_dest_open(f->path, f->event_fd, &f->dest), 0);
	ecap_dest_free(f->dest);
	f->dest = NULL;
	assert_int_equal(access(f->path, F_OK), 0);
}

static void a_new_file_that_another_program_took_stays(void **state)
{
	struct fixture *f = *state;
	ecap_autoclose int fd = -1;

	assert_int_equal(ecap_dest_open(f->path, f->event_fd, &f->dest), 0);
	fd = open(f->path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	ecap_dest_free(f->dest);
	f->dest = NULL;
	assert_int_equal(access(f->path, F_OK), 0);
}

static void standard_output_must_be_open_for_writing(void **state)
{
	struct fixture *f = *state;
	ecap_autoclose int saved = dup(STDOUT_FILENO);
	ecap_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int r;

	assert_true(saved >= 0 && null >= 0);
	assert_int_equal(fflush(stdout), 0);
	assert_int_equal(dup2(null, STDOUT_FILENO), STDOUT_FILENO);
	r = ecap_dest_open("-", f->event_fd, &f->dest);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(r, -EBADF);
	assert_null(f->dest);
}

static void a_fifo_without_reader_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(ecap_dest_open(f->path, f->event_fd, &f->dest), -ENXIO);
	assert_null(f->dest);
}

static void a_missing_folder_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ecap_dest_open("/nowhere/at/all", f->event_fd, &f->dest), -ENOENT);
	assert_null(f->dest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(events_arrive_in_order_in_a_private_file),
		TEST(an_event_that_fails_to_format_is_taken_back),
		TEST(an_old_file_is_emptied_at_the_start_not_before),
		TEST(a_full_disk_is_counted_and_leaves_whole_events),
		TEST(a_stalled_reader_costs_events_not_memory),
		TEST(abandoning_a_stalled_pipe_ends_it_and_counts),
		TEST(abandoning_what_has_finished_is_no_error),
		TEST(freeing_does_not_wait_for_a_stalled_reader),
		TEST(a_file_is_the_same_under_two_names),
		TEST(a_new_file_that_was_not_started_goes_away),
		TEST(a_new_file_that_another_program_took_stays),
		TEST(standard_output_must_be_open_for_writing),
		TEST(a_fifo_without_reader_is_an_error),
		TEST(a_missing_folder_is_an_error),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
