/* SPDX-License-Identifier: Apache-2.0 */
#include "target/alias.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* An entry of pagemap: bits 0-54 are the frame number, bit 63 says that the page is present. */
#define ENTRY_FRAME   ((UINT64_C(1) << 55) - 1)
#define ENTRY_PRESENT (UINT64_C(1) << 63)

struct page {
	void *at;
	size_t size;
};

static void unmap(struct page *p)
{
	if (p->at)
		(void)munmap(p->at, p->size);
}

/*
 * Map a page of the file and hold it in memory, so that its frame can not become another page's.
 * It is not read here: the file may be cut off under us, which mlock() reports and a read does not
 * survive.
 */
static int hold(int fd, uint64_t off, struct page *ret)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	off_t start = (off_t)(off & ~(uint64_t)(size - 1));
	/* shared: a private mapping gets a copy of the page when somebody hooks it */
	void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, start);

	if (at == MAP_FAILED)
		return -errno;
	*ret = (struct page){ .at = at, .size = size };
	/* not mlock(): sanitizers make that do nothing */
	if (syscall(SYS_mlock, at, size) == 0)
		return 0;
	return errno == EPERM ? -ENOMEM : -errno; /* that RLIMIT_MEMLOCK is 0 is no other reason */
}

/* -EPERM: the kernel shows that there is a frame, but not which. */
static int frame_of(int pagemap, const struct page *p, uint64_t *ret)
{
	uint64_t entry = 0;
	off_t at = (off_t)((uintptr_t)p->at / (uintptr_t)sysconf(_SC_PAGESIZE) * sizeof(entry));

	if (pread(pagemap, &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
		return -EIO;
	if (!(entry & ENTRY_PRESENT))
		return -EAGAIN;
	*ret = entry & ENTRY_FRAME;
	return *ret ? 0 : -EPERM;
}

int ecap_alias_open(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ecap_alias_check(int pagemap, int fd_a, int fd_b, uint64_t off)
{
	ecap_cleanup(unmap) struct page a = { 0 }, b = { 0 };
	uint64_t frame_a = 0, frame_b = 0;
	int r = pagemap < 0 ? pagemap : 0;

	if (!r)
		r = hold(fd_a, off, &a);
	if (!r)
		r = hold(fd_b, off, &b);
	if (!r)
		r = frame_of(pagemap, &a, &frame_a);
	if (!r)
		r = frame_of(pagemap, &b, &frame_b);
	return r < 0 ? r : frame_a == frame_b;
}
