/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/buf.h"

/*
 * What a destination may hold back: the bound on our memory. A disk that writes back what others
 * have dirtied takes nothing for a second; a fast program says 200 MB in that time.
 */
#define QUEUE_MAX (256u << 20)
/*
 * A batch may pass the bound by its last event: two bodies as large as the user allows, escaped.
 * The ends of events are 32 bits wide.
 */
#define BATCH_MAX UINT32_MAX
/* What had to hold such an event does not wait for the next one. */
#define SPARE_MAX (16u << 20)
/* Hand a batch over before the drain ends, so that the thread writes while the loop formats. */
#define BATCH_FLUSH (1u << 20)

/* What a pipe takes without blocking after poll() said so (POSIX: PIPE_BUF). */
#define PIPE_PIECE 4096

struct batch {
	struct batch *next;
	struct ecap_buf bytes;
	struct ecap_buf ends; /* uint32_t each: where an event ends in bytes */
};

struct ecap_dest {
	char *name;
	int fd;
	int event_fd; /* borrowed */
	int stop_fd;  /* readable, and left so: do not wait for the destination */
	dev_t dev;
	ino_t ino;
	bool regular;
	bool is_stdout;
	bool created; /* the file was not there before */
	bool started;
	pthread_t thread;
	_Atomic uint64_t progress; /* bytes that were written */

	/* the loop's */
	struct batch *filling;

	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t work;
	struct batch *first, **last;
	struct batch *spare; /* one, so that a steady flow allocates nothing */
	size_t queued;	     /* bytes, including what is being written */
	size_t limit;	     /* for these */
	bool tell_of_room;   /* somebody waits */
	struct ecap_dest_stats stats;
	bool finishing;
	bool abandoned;
	bool finished;
};

static void batch_free(struct batch *b)
{
	if (!b)
		return;
	ecap_buf_done(&b->bytes);
	ecap_buf_done(&b->ends);
	free(b);
}

static size_t n_events(const struct batch *b)
{
	return b->ends.len / sizeof(uint32_t);
}

static uint32_t event_end(const struct batch *b, size_t i)
{
	uint32_t end;

	memcpy(&end, b->ends.data + i * sizeof(end), sizeof(end));
	return end;
}

/* Returns the descriptor; *ret_created: whether the file is new. */
static int open_file(const char *path, bool *ret_created)
{
	/* not blocking: a FIFO that nobody reads is an error, not a wait */
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags | O_EXCL, 0600);

	*ret_created = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* main() opens what was closed for reading, so that it is not taken for a destination. */
static int check_stdout(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (flags < 0)
		return -errno;
	return (flags & O_ACCMODE) == O_RDONLY ? -EBADF : STDOUT_FILENO;
}

int ecap_dest_open(const char *path, int event_fd, struct ecap_dest **ret)
{
	ecap_cleanup(ecap_dest_freep) struct ecap_dest *d = calloc(1, sizeof(*d));
	struct stat st;

	if (!d)
		return -ENOMEM;
	d->is_stdout = strcmp(path, "-") == 0;
	d->fd = -1;
	d->limit = QUEUE_MAX;
	d->event_fd = event_fd;
	d->last = &d->first;
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_cond_init(&d->work, NULL);
	d->name = strdup(d->is_stdout ? "standard output" : path);
	d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->stop_fd < 0)
		return -errno;
	if (!d->name)
		return -ENOMEM;
	d->fd = d->is_stdout ? check_stdout() : open_file(path, &d->created);
	if (d->fd < 0)
		return d->fd;
	if (fstat(d->fd, &st) < 0)
		return -errno;
	d->regular = S_ISREG(st.st_mode);
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	*ret = ecap_take_ptr(d);
	return 0;
}

/* Leave no empty file behind by a run that never began; one that is not ours any more stays. */
static void remove_unused(const struct ecap_dest *d)
{
	struct stat st;

	if (lstat(d->name, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino && !st.st_size)
		(void)unlink(d->name);
}

void ecap_dest_free(struct ecap_dest *dest)
{
	if (!dest)
		return;
	if (dest->started) {
		ecap_dest_abandon(dest);
		(void)pthread_join(dest->thread, NULL);
	}
	for (struct batch *b = dest->first, *next; b; b = next) {
		next = b->next;
		batch_free(b);
	}
	batch_free(dest->filling);
	batch_free(dest->spare);
	if (dest->created && !dest->started)
		remove_unused(dest);
	if (!dest->is_stdout)
		ecap_closep(&dest->fd);
	ecap_closep(&dest->stop_fd);
	(void)pthread_cond_destroy(&dest->work);
	(void)pthread_mutex_destroy(&dest->lock);
	free(dest->name);
	free(dest);
}

/* -ECANCELED: the destination was abandoned. */
static int wait_writable(const struct ecap_dest *d)
{
	struct pollfd p[] = {
		{ .fd = d->fd, .events = POLLOUT },
		{ .fd = d->stop_fd, .events = POLLIN },
	};

	while (poll(p, ECAP_ARRAY_SIZE(p), -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return p[1].revents ? -ECANCELED : 0;
}

/* Write all of @n bytes; *ret_done is how far it came. */
static int write_all(struct ecap_dest *d, const uint8_t *p, size_t n, size_t *ret_done)
{
	size_t done = 0;
	int r = 0;

	while (!r && done < n) {
		size_t piece = n - done;
		ssize_t put;

		/* standard output is shared: its blocking mode is not ours to set */
		if (d->is_stdout && !d->regular && piece > PIPE_PIECE)
			piece = PIPE_PIECE;
		if (!d->regular)
			r = wait_writable(d);
		if (r < 0)
			break;
		put = write(d->fd, p + done, piece);
		if (put < 0) {
			r = errno == EINTR || errno == EAGAIN ? 0 : -errno;
			continue;
		}
		done += (size_t)put;
		atomic_fetch_add_explicit(&d->progress, (uint64_t)put, memory_order_relaxed);
	}
	*ret_done = done;
	return r;
}

/* A full disk cuts an event in two: take its first half back, so that the file ends whole. */
static void cut_partial_event(const struct ecap_dest *d, size_t partial)
{
	off_t end;

	if (!d->regular || !partial)
		return;
	end = lseek(d->fd, 0, SEEK_CUR);
	if (end >= (off_t)partial && ftruncate(d->fd, end - (off_t)partial) == 0)
		(void)lseek(d->fd, 0, SEEK_END);
}

static void notify(const struct ecap_dest *d)
{
	uint64_t one = 1;

	(void)!write(d->event_fd, &one, sizeof(one)); /* full: it is readable already */
}

/* Write one batch and account for its events. Called without the lock. */
static void write_batch(struct ecap_dest *d, const struct batch *b)
{
	size_t done = 0, n = n_events(b), whole = 0;
	bool failed_before, tell;
	int r = 0;

	(void)pthread_mutex_lock(&d->lock);
	failed_before = d->stats.err != 0;
	(void)pthread_mutex_unlock(&d->lock);
	if (!failed_before)
		r = write_all(d, b->bytes.data, b->bytes.len, &done);
	while (whole < n && event_end(b, whole) <= done)
		whole++;
	if (r)
		cut_partial_event(d, done - (whole ? event_end(b, whole - 1) : 0));

	(void)pthread_mutex_lock(&d->lock);
	d->stats.written += whole;
	d->stats.failed += n - whole;
	d->queued -= b->bytes.len;
	if (!d->stats.err)
		d->stats.err = r;
	tell = r || d->tell_of_room;
	d->tell_of_room = false;
	(void)pthread_mutex_unlock(&d->lock);
	if (tell)
		notify(d);
}

/* Give up what waits to be written. Called with the lock. */
static void drop_queue(struct ecap_dest *d)
{
	for (struct batch *b = d->first, *next; b; b = next) {
		next = b->next;
		d->stats.failed += n_events(b);
		d->queued -= b->bytes.len;
		batch_free(b);
	}
	d->first = NULL;
	d->last = &d->first;
}

/* Called with the lock. */
static void batch_recycle(struct ecap_dest *d, struct batch *b)
{
	if (d->spare || b->bytes.cap > SPARE_MAX) {
		batch_free(b);
		return;
	}
	ecap_buf_reset(&b->bytes);
	ecap_buf_reset(&b->ends);
	b->next = NULL;
	d->spare = b;
}

static void *dest_thread(void *arg)
{
	struct ecap_dest *d = arg;

	(void)pthread_mutex_lock(&d->lock);
	while (!d->abandoned && (d->first || !d->finishing)) {
		struct batch *b = d->first;

		if (!b) {
			(void)pthread_cond_wait(&d->work, &d->lock);
			continue;
		}
		d->first = b->next;
		if (!d->first)
			d->last = &d->first;
		(void)pthread_mutex_unlock(&d->lock);
		write_batch(d, b);
		(void)pthread_mutex_lock(&d->lock);
		batch_recycle(d, b);
	}
	d->finished = true;
	(void)pthread_mutex_unlock(&d->lock);
	notify(d);
	return NULL;
}

int ecap_dest_start(struct ecap_dest *dest)
{
	int r;

	if (dest->regular && !dest->is_stdout && ftruncate(dest->fd, 0) < 0)
		return -errno;
	r = pthread_create(&dest->thread, NULL, dest_thread, dest);
	if (r)
		return -r;
	dest->started = true;
	return 0;
}

static struct batch *batch_new(struct ecap_dest *d)
{
	struct batch *b;

	(void)pthread_mutex_lock(&d->lock);
	b = ecap_take_ptr(d->spare);
	(void)pthread_mutex_unlock(&d->lock);
	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	ecap_buf_init(&b->bytes, BATCH_MAX);
	ecap_buf_init(&b->ends, BATCH_MAX);
	return b;
}

static void refuse(struct ecap_dest *d)
{
	(void)pthread_mutex_lock(&d->lock);
	d->stats.refused++;
	(void)pthread_mutex_unlock(&d->lock);
}

static struct ecap_buf *admit(struct ecap_dest *dest, bool is_last)
{
	size_t queued;

	if (dest->filling && dest->filling->bytes.len >= BATCH_FLUSH)
		ecap_dest_flush(dest);
	if (!dest->filling)
		dest->filling = batch_new(dest);
	(void)pthread_mutex_lock(&dest->lock);
	queued = dest->queued;
	(void)pthread_mutex_unlock(&dest->lock);
	if (dest->filling && (is_last || queued + dest->filling->bytes.len < dest->limit))
		return &dest->filling->bytes;
	refuse(dest);
	return NULL;
}

struct ecap_buf *ecap_dest_admit(struct ecap_dest *dest)
{
	return admit(dest, false);
}

struct ecap_buf *ecap_dest_admit_last(struct ecap_dest *dest)
{
	return admit(dest, true);
}

void ecap_dest_set_limit(struct ecap_dest *dest, size_t bytes)
{
	dest->limit = bytes;
}

bool ecap_dest_has_room(struct ecap_dest *dest)
{
	size_t filling = dest->filling ? dest->filling->bytes.len : 0;
	bool has_room;

	(void)pthread_mutex_lock(&dest->lock);
	has_room = dest->queued + filling < dest->limit;
	dest->tell_of_room = !has_room;
	(void)pthread_mutex_unlock(&dest->lock);
	if (!has_room)
		ecap_dest_flush(dest); /* the thread tells when it has written something */
	return has_room;
}

void ecap_dest_commit(struct ecap_dest *dest, bool ok)
{
	struct batch *b = dest->filling;
	size_t n = n_events(b);
	uint32_t end = (uint32_t)b->bytes.len;

	if (ok && !b->bytes.err)
		ecap_buf_put(&b->ends, &end, sizeof(end));
	if (ok && !b->bytes.err && !b->ends.err)
		return;
	b->bytes.len = n ? event_end(b, n - 1) : 0;
	b->bytes.err = 0;
	b->ends.err = 0;
	refuse(dest);
}

void ecap_dest_flush(struct ecap_dest *dest)
{
	struct batch *b = dest->filling;

	if (!b || !n_events(b))
		return;
	dest->filling = NULL;
	(void)pthread_mutex_lock(&dest->lock);
	*dest->last = b;
	dest->last = &b->next;
	dest->queued += b->bytes.len;
	if (dest->abandoned)
		drop_queue(dest);
	(void)pthread_cond_signal(&dest->work);
	(void)pthread_mutex_unlock(&dest->lock);
}

void ecap_dest_finish(struct ecap_dest *dest)
{
	ecap_dest_flush(dest);
	(void)pthread_mutex_lock(&dest->lock);
	dest->finishing = true;
	(void)pthread_cond_signal(&dest->work);
	(void)pthread_mutex_unlock(&dest->lock);
}

void ecap_dest_abandon(struct ecap_dest *dest)
{
	uint64_t one = 1;

	ecap_dest_flush(dest);
	(void)pthread_mutex_lock(&dest->lock);
	dest->abandoned = true;
	if (!dest->stats.err && !dest->finished)
		dest->stats.err = -ETIMEDOUT;
	drop_queue(dest);
	(void)pthread_cond_signal(&dest->work);
	(void)pthread_mutex_unlock(&dest->lock);
	(void)!write(dest->stop_fd, &one, sizeof(one)); /* full: it is readable already */
}

bool ecap_dest_finished(struct ecap_dest *dest)
{
	bool finished;

	(void)pthread_mutex_lock(&dest->lock);
	finished = dest->finished || !dest->started;
	(void)pthread_mutex_unlock(&dest->lock);
	return finished;
}

struct ecap_dest_stats ecap_dest_get_stats(struct ecap_dest *dest)
{
	struct ecap_dest_stats stats;

	(void)pthread_mutex_lock(&dest->lock);
	stats = dest->stats;
	(void)pthread_mutex_unlock(&dest->lock);
	return stats;
}

uint64_t ecap_dest_get_progress(struct ecap_dest *dest)
{
	return atomic_load_explicit(&dest->progress, memory_order_relaxed);
}

bool ecap_dest_is_same_file(const struct ecap_dest *a, const struct ecap_dest *b)
{
	return a->regular && b->regular && a->dev == b->dev && a->ino == b->ino;
}

bool ecap_dest_is_fd(const struct ecap_dest *dest, int fd)
{
	struct stat st;

	return dest->regular && fstat(fd, &st) == 0 && st.st_dev == dest->dev &&
	       st.st_ino == dest->ino;
}

const char *ecap_dest_get_name(const struct ecap_dest *dest)
{
	return dest->name;
}
