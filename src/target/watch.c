/* SPDX-License-Identifier: Apache-2.0 */
#include "target/watch.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of each CPU: room for some hundred records. A power of two, as the kernel wants it. */
#define RING_SIZE  65536u
#define RECORD_MAX 8192u /* path names end at 4096 */

/* The kernel's records of one CPU. */
struct cpu_ring {
	int fd;
	struct perf_event_mmap_page *head; /* a page; the data follows */
};

struct ecap_watch {
	int epoll_fd;
	size_t page_size;
	size_t n_cpus;
	struct cpu_ring cpus[];
};

/* PERF_RECORD_MMAP2 up to the path; behind that, at the record's end, lies the time. */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid;
	uint32_t tid;
	uint64_t address;
	uint64_t length;
	uint64_t page_offset;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t ino;
	uint64_t generation;
	uint32_t protection;
	uint32_t flags;
	char path[];
};

/* PERF_RECORD_LOST */
struct lost_record {
	struct perf_event_header header;
	uint64_t id;
	uint64_t n;
};

/* -------------------------------------------------------------------------------------- reading */

bool ecap_arrival_parse(const void *record, size_t size, struct ecap_arrival *ret)
{
	const struct mmap2_record *rec = record;
	const size_t head = sizeof(*rec), tail = sizeof(ret->ts_ns);

	if (size < head + tail || rec->header.type != PERF_RECORD_MMAP2 || rec->header.size != size)
		return false;
	if (!memchr(rec->path, '\0', size - head - tail))
		return false;
	if (rec->path[0] != '/' || rec->path[1] == '/' || !rec->ino || !rec->pid ||
	    !(rec->protection & PROT_EXEC))
		return false; /* "//anon", "[vdso]", other pid namespaces */
	*ret = (struct ecap_arrival){
		.pid = (pid_t)rec->pid,
		.generation = rec->generation,
		.map = {
			.start = rec->address,
			.end = rec->address + rec->length,
			.ino = rec->ino,
			.dev_major = rec->dev_major,
			.dev_minor = rec->dev_minor,
			.path = rec->path,
		},
	};
	memcpy(&ret->ts_ns, (const char *)record + size - tail, tail);
	return true;
}

/* Copy @n bytes at position @at of the ring, which may lie around its end. */
static void copy_out(const uint8_t *data, uint64_t at, void *ret, size_t n)
{
	size_t begin = at & (RING_SIZE - 1);
	size_t first = n < RING_SIZE - begin ? n : RING_SIZE - begin;

	memcpy(ret, data + begin, first);
	memcpy((uint8_t *)ret + first, data, n - first);
}

struct reader {
	void (*fn)(const struct ecap_arrival *arrival, void *arg);
	void *arg;
	uint64_t n_lost;
};

static void on_record(const void *record, size_t size, struct reader *reader)
{
	const struct lost_record *lost = record;
	struct ecap_arrival arrival;

	if (lost->header.type == PERF_RECORD_LOST && size >= sizeof(*lost))
		reader->n_lost += lost->n;
	else if (ecap_arrival_parse(record, size, &arrival))
		reader->fn(&arrival, reader->arg);
}

static void read_ring(const struct ecap_watch *w, const struct cpu_ring *cpu, struct reader *reader)
{
	const uint8_t *data = (const uint8_t *)cpu->head + w->page_size;
	uint64_t end = __atomic_load_n(&cpu->head->data_head, __ATOMIC_ACQUIRE);
	uint64_t at = cpu->head->data_tail;
	_Alignas(8) uint8_t record[RECORD_MAX];
	struct perf_event_header header;

	while (end - at >= sizeof(header)) {
		copy_out(data, at, &header, sizeof(header));
		if (header.size < sizeof(header) || header.size > end - at)
			break;
		if (header.size <= sizeof(record)) {
			copy_out(data, at, record, header.size);
			on_record(record, header.size, reader);
		}
		at += header.size;
		/* at once: what the callback does may take milliseconds */
		__atomic_store_n(&cpu->head->data_tail, at, __ATOMIC_RELEASE);
	}
}

uint64_t ecap_watch_read(struct ecap_watch *w,
			 void (*fn)(const struct ecap_arrival *arrival, void *arg), void *arg)
{
	struct reader reader = { .fn = fn, .arg = arg };

	for (size_t i = 0; i < w->n_cpus; i++) {
		if (w->cpus[i].head)
			read_ring(w, &w->cpus[i], &reader);
	}
	return reader.n_lost;
}

/* ------------------------------------------------------------------------------------- starting */

static int open_event(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1, /* executable ones */
		.mmap2 = 1,
		.watermark = 1, /* wakeup_events counts samples only */
		.wakeup_watermark = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	long fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static int open_ring(struct ecap_watch *w, int cpu)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct cpu_ring *ring = &w->cpus[cpu];
	void *at;

	ring->fd = open_event(cpu);
	if (ring->fd < 0)
		return ring->fd;
	at = mmap(NULL, w->page_size + RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	ring->head = at;
	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, ring->fd, &ev) < 0 ? -errno : 0;
}

int ecap_watch_new(struct ecap_watch **ret)
{
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	ecap_cleanup(ecap_watch_freep) struct ecap_watch *w = NULL;
	size_t n = n_cpus > 0 ? (size_t)n_cpus : 1;
	int r;

	w = calloc(1, sizeof(*w) + n * sizeof(w->cpus[0]));
	if (!w)
		return -ENOMEM;
	w->page_size = (size_t)sysconf(_SC_PAGESIZE);
	w->n_cpus = n;
	for (size_t i = 0; i < n; i++)
		w->cpus[i].fd = -1;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		r = open_ring(w, (int)i);
		if (r < 0 && r != -ENODEV) /* that CPU is offline */
			return r;
	}
	*ret = ecap_take_ptr(w);
	return 0;
}

void ecap_watch_free(struct ecap_watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_cpus; i++) {
		if (w->cpus[i].head)
			(void)munmap(w->cpus[i].head, w->page_size + RING_SIZE);
		ecap_closep(&w->cpus[i].fd);
	}
	ecap_closep(&w->epoll_fd);
	free(w);
}

int ecap_watch_fd(const struct ecap_watch *w)
{
	return w->epoll_fd;
}
