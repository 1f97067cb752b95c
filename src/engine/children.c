/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/children.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/state.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/kernel.h"
#include "target/process.h"
#include "children.skel.h"

/* As many as the kernel's table holds. */
#define MAX_NAMED 4096

struct ecap_children {
	struct ecap_kernel *kernel;
	struct children_bpf *skel;
	int epoll_fd;		 /* a pidfd of each process below */
	struct ecap_hash *named; /* uint32_t -> struct named, owned */
	bool found_more;	 /* the walk under way has added one */
};

/* A process that we have told the kernel of. */
struct named {
	uint32_t pid;
	int pidfd;
};

static void object_freep(struct children_bpf **skel)
{
	children_bpf__destroy(*skel);
}

/* ------------------------------------------------------------------------------------ measuring */

/* Threads of ours, each of which starts the next one. */
struct chain {
	const struct bpf_map *samples;
	struct ecap_task_sample *blank;
	uint32_t n_started;
	int result;
};

static void *start_next(void *arg)
{
	struct chain *chain = arg;
	uint32_t no = chain->n_started++;
	pthread_t next;

	if (no == ECAP_TASK_SAMPLES)
		return NULL;
	chain->blank->asked = (uint32_t)syscall(SYS_gettid);
	chain->result = bpf_map__update_elem(chain->samples, &no, sizeof(no), chain->blank,
					     sizeof(*chain->blank), BPF_ANY);
	if (!chain->result)
		chain->result = -pthread_create(&next, NULL, start_next, chain);
	if (!chain->result)
		(void)pthread_join(next, NULL);
	return NULL;
}

/* Whether each sample has its thread's id at @off. */
static bool has_ids_at(const struct ecap_task_sample *samples, size_t off)
{
	for (size_t i = 0; i < ECAP_TASK_SAMPLES; i++) {
		uint32_t tid = (uint32_t)samples[i].id, there;

		memcpy(&there, &samples[i].bytes[off], sizeof(there));
		if (there != tid)
			return false;
	}
	return true;
}

/* Each thread is the one that the thread before it was told to have started. */
static bool are_linked(const struct ecap_task_sample *samples)
{
	for (size_t i = 0; i < ECAP_TASK_SAMPLES; i++) {
		if (!samples[i].id || (i && samples[i].task != samples[i - 1].child))
			return false;
	}
	return true;
}

/* The only place that fits all samples. */
static int find_offset(const struct ecap_task_sample *samples, uint32_t *ret)
{
	size_t n = 0;

	if (!are_linked(samples))
		return -ENODATA;
	for (uint32_t off = 0; off < ECAP_TASK_BYTES; off += sizeof(uint32_t)) {
		if (!has_ids_at(samples, off))
			continue;
		*ret = off;
		n++;
	}
	return n == 1 ? 0 : -ENOTUNIQ;
}

static int take_samples(const struct children_bpf *skel, uint32_t *ret)
{
	ecap_autofree struct ecap_task_sample *samples =
		calloc(ECAP_TASK_SAMPLES + 1, sizeof(*samples));
	struct chain chain = {
		.samples = skel->maps.ecap_task_samples,
		.blank = samples ? &samples[ECAP_TASK_SAMPLES] : NULL,
	};

	if (!samples)
		return -ENOMEM;
	(void)start_next(&chain);
	for (uint32_t i = 0; !chain.result && i < ECAP_TASK_SAMPLES; i++)
		chain.result = bpf_map__lookup_elem(chain.samples, &i, sizeof(i), &samples[i],
						    sizeof(samples[i]), 0);
	return chain.result ? chain.result : find_offset(samples, ret);
}

/* Open the object with some programs of it, sharing the kernel's maps; to be loaded. */
static int open_object(const struct ecap_kernel *k, bool measures, struct children_bpf **ret)
{
	ecap_cleanup(object_freep) struct children_bpf *skel = children_bpf__open();
	int r;

	if (!skel)
		return -errno;
	(void)bpf_program__set_autoload(skel->progs.child_measure, measures);
	(void)bpf_program__set_autoload(skel->progs.child_new, !measures);
	(void)bpf_program__set_autoload(skel->progs.child_exit, !measures);
	(void)bpf_map__set_autocreate(skel->maps.ecap_task_samples, measures);
	r = ecap_kernel_share_maps(k, skel->obj);
	if (!r)
		*ret = ecap_take_ptr(skel);
	return r;
}

static int measure(const struct ecap_kernel *k, uint32_t *ret)
{
	ecap_cleanup(object_freep) struct children_bpf *skel = NULL;
	int r = open_object(k, true, &skel);

	if (!r)
		r = children_bpf__load(skel);
	if (!r)
		r = children_bpf__attach(skel);
	if (!r)
		r = take_samples(skel, ret);
	if (!r)
		ecap_debug("a task's id lies at offset %u of it", *ret);
	return r;
}

static int follow(struct ecap_children *c, uint32_t tid_offset)
{
	int r = open_object(c->kernel, false, &c->skel);

	if (r < 0)
		return r;
	c->skel->rodata->ecap_tid_offset = tid_offset;
	r = children_bpf__load(c->skel);
	return r < 0 ? r : children_bpf__attach(c->skel);
}

/* ------------------------------------------------------------------------- those that are there */

static bool has_ended(const struct named *n)
{
	return syscall(SYS_pidfd_send_signal, n->pidfd, 0, NULL, 0) < 0 && errno == ESRCH;
}

static void named_free(struct named *n)
{
	if (!n)
		return;
	ecap_closep(&n->pidfd);
	free(n);
}
ECAP_DEFINE_FREEP(struct named, named_free)

static int open_named(uint32_t pid, struct named **ret)
{
	ecap_cleanup(named_freep) struct named *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->pid = pid;
	n->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (n->pidfd < 0)
		return -errno;
	*ret = ecap_take_ptr(n);
	return 0;
}

/* Have the kernel capture it until it ends. */
static int add_named(struct ecap_children *c, struct named *n)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = n };
	int r = ecap_hash_insert(c->named, &n->pid, n);

	if (r < 0)
		return r;
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, n->pidfd, &ev) < 0)
		r = -errno;
	if (!r)
		r = ecap_kernel_add_pid(c->kernel, n->pid);
	if (r < 0)
		(void)ecap_hash_remove(c->named, &n->pid);
	return r;
}

/* Whether it was started by one of those that are named. */
static bool is_descendant(const struct ecap_children *c, pid_t pid)
{
	uint32_t ppid;

	return ecap_process_ppid(pid, &ppid) == 0 && ecap_hash_find(c->named, &ppid);
}

static int on_process(pid_t pid, void *arg)
{
	ecap_cleanup(named_freep) struct named *n = NULL;
	struct ecap_children *c = arg;
	uint32_t key = (uint32_t)pid;
	int r;

	if (ecap_hash_find(c->named, &key) || !is_descendant(c, pid))
		return 0;
	r = open_named(key, &n);
	if (r == -ESRCH)
		return 0;
	if (r < 0)
		return r;
	/* with the descriptor open the number is no other's, if the process still is */
	if (!is_descendant(c, pid) || has_ended(n))
		return 0;
	r = add_named(c, n);
	if (r < 0)
		return r;
	(void)ecap_take_ptr(n);
	c->found_more = true;
	return 0;
}

/*
 * Each walk that has added one is followed by another: what that one had started before is seen
 * then. What it starts later the kernel notes.
 */
static int add_descendants(struct ecap_children *c)
{
	int r;

	do {
		c->found_more = false;
		r = ecap_process_each(on_process, c);
	} while (!r && c->found_more);
	return r;
}

static int add_roots(struct ecap_children *c, const uint32_t *pids, size_t n_pids)
{
	int r = 0;

	for (size_t i = 0; !r && i < n_pids; i++) {
		ecap_cleanup(named_freep) struct named *n = NULL;

		r = open_named(pids[i], &n);
		if (!r)
			r = add_named(c, n);
		if (!r)
			(void)ecap_take_ptr(n);
	}
	return r;
}

void ecap_children_forget_ended(struct ecap_children *c)
{
	struct epoll_event events[16];
	int n = epoll_wait(c->epoll_fd, events, ECAP_ARRAY_SIZE(events), 0);

	for (int i = 0; i < n; i++) {
		struct named *named = events[i].data.ptr;

		ecap_kernel_remove_pid(c->kernel, named->pid);
		(void)ecap_hash_remove(c->named, &named->pid);
		named_free(named);
	}
}

int ecap_children_fd(const struct ecap_children *c)
{
	return c->epoll_fd;
}

/* ------------------------------------------------------------------------------------ all of it */

static int start(struct ecap_children *c, const uint32_t *pids, size_t n_pids)
{
	uint32_t offset = 0;
	int r = measure(c->kernel, &offset);

	if (!r)
		r = follow(c, offset);
	if (r < 0)
		return ecap_err_r(r, "cannot follow what processes start, which --children and a "
				     "command to run need: where the kernel keeps the ids of its "
				     "tasks was not found");
	r = add_roots(c, pids, n_pids);
	if (!r)
		r = add_descendants(c);
	if (r == -ENOSPC || r == -E2BIG)
		return ecap_err_r(r, "more than %d processes are there to be followed", MAX_NAMED);
	if (r == -ESRCH)
		return ecap_err_r(r, "a process that -p names has ended");
	return r < 0 ? ecap_err_r(r, "cannot find what the processes have started") : 0;
}

int ecap_children_open(struct ecap_kernel *k, const uint32_t *pids, size_t n_pids,
		       struct ecap_children **ret)
{
	ecap_cleanup(ecap_children_freep) struct ecap_children *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->kernel = k;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return ecap_err_r(errno, "cannot watch for ends of processes");
	r = ecap_hash_new(sizeof(uint32_t), MAX_NAMED, &c->named);
	if (!r)
		r = start(c, pids, n_pids);
	if (!r)
		*ret = ecap_take_ptr(c);
	return r;
}

void ecap_children_free(struct ecap_children *c)
{
	struct named *n;
	size_t pos = 0;

	if (!c)
		return;
	while (c->named && (n = ecap_hash_next(c->named, &pos))) {
		(void)ecap_hash_remove(c->named, &n->pid);
		named_free(n);
	}
	ecap_hash_free(c->named);
	children_bpf__destroy(c->skel);
	ecap_closep(&c->epoll_fd);
	free(c);
}
