/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/reaper.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/attach.h"
#include "engine/target.h"

/* They only wait: more of them share one grace period. */
#define N_THREADS 32

struct job {
	struct job *next;
	struct bpf_link *link;
	struct ecap_target *target;
	struct batch *batch; /* it is one of the first of these; NULL: nothing waits for it */
};

/* Links that go in two steps. */
struct batch {
	size_t n_left; /* of the first */
	struct job *then;
};

struct ecap_reaper {
	int event_fd; /* borrowed */
	pthread_t threads[N_THREADS];
	size_t n_threads; /* started */

	pthread_mutex_t lock; /* for what follows, and the targets' n_going and is_given */
	pthread_cond_t work;
	pthread_cond_t idle;
	size_t n_jobs; /* waiting and under way */
	struct job *first, **last;
	struct ecap_target *done; /* a list by next_done */
	bool end;
};

/* Called with the lock. */
static void check_done(struct ecap_reaper *r, struct ecap_target *t)
{
	uint64_t one = 1;

	if (!t->is_given || t->n_going)
		return;
	t->next_done = r->done;
	r->done = t;
	(void)!write(r->event_fd, &one, sizeof(one)); /* full: it is readable already */
}

/* The next job; NULL: there will be none. */
static struct job *next_job(struct ecap_reaper *r)
{
	struct job *job;

	(void)pthread_mutex_lock(&r->lock);
	while (!r->first && !r->end)
		(void)pthread_cond_wait(&r->work, &r->lock);
	job = r->first;
	if (job) {
		r->first = job->next;
		if (!r->first)
			r->last = &r->first;
	}
	(void)pthread_mutex_unlock(&r->lock);
	return job;
}

/* Called with the lock. */
static void queue(struct ecap_reaper *r, struct job *jobs)
{
	if (!jobs)
		return;
	*r->last = jobs;
	while (jobs->next)
		jobs = jobs->next;
	r->last = &jobs->next;
	(void)pthread_cond_broadcast(&r->work);
}

/* One of the first links of @batch has gone. Called with the lock. */
static void batch_goes_on(struct ecap_reaper *r, struct batch *batch)
{
	if (!batch || --batch->n_left)
		return;
	queue(r, batch->then);
	free(batch);
}

static void *reaper_thread(void *arg)
{
	struct ecap_reaper *r = arg;
	struct job *job;

	while ((job = next_job(r))) {
		ecap_link_free(job->link);
		(void)pthread_mutex_lock(&r->lock);
		batch_goes_on(r, job->batch);
		job->target->n_going--;
		check_done(r, job->target);
		if (!--r->n_jobs)
			(void)pthread_cond_broadcast(&r->idle);
		(void)pthread_mutex_unlock(&r->lock);
		free(job);
	}
	return NULL;
}

int ecap_reaper_new(int event_fd, struct ecap_reaper **ret)
{
	ecap_cleanup(ecap_reaper_freep) struct ecap_reaper *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->event_fd = event_fd;
	r->last = &r->first;
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->work, NULL);
	(void)pthread_cond_init(&r->idle, NULL);
	for (; r->n_threads < N_THREADS; r->n_threads++) {
		err = pthread_create(&r->threads[r->n_threads], NULL, reaper_thread, r);
		if (err)
			return -err;
	}
	*ret = ecap_take_ptr(r);
	return 0;
}

void ecap_reaper_free(struct ecap_reaper *r)
{
	struct ecap_target *t;

	if (!r)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->end = true;
	(void)pthread_cond_broadcast(&r->work);
	(void)pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < r->n_threads; i++)
		(void)pthread_join(r->threads[i], NULL);
	while ((t = ecap_reaper_take(r)))
		ecap_target_free(t);
	(void)pthread_cond_destroy(&r->work);
	(void)pthread_cond_destroy(&r->idle);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Add a job for @link at the end of @list. Without memory it is done at once. */
static void add_job(struct ecap_target *t, struct bpf_link *link, struct batch *batch,
		    struct job **list)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		ecap_link_free(link);
		return;
	}
	job->link = link;
	job->target = t;
	job->batch = batch;
	while (*list)
		list = &(*list)->next;
	*list = job;
}

static size_t count(const struct job *jobs)
{
	size_t n = 0;

	for (; jobs; jobs = jobs->next)
		n++;
	return n;
}

/* Queue @first and, when they are done, what @batch (which may be NULL) has for then. */
static void start(struct ecap_reaper *r, struct ecap_target *t, struct job *first,
		  struct batch *batch)
{
	size_t n = count(first);

	(void)pthread_mutex_lock(&r->lock);
	if (batch) {
		batch->n_left = n;
		n += count(batch->then);
	}
	t->n_going += n;
	r->n_jobs += n;
	queue(r, first);
	if (batch && !batch->n_left) {
		queue(r, batch->then);
		free(batch);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

void ecap_reaper_put(struct ecap_reaper *r, struct ecap_attachment *links, struct ecap_target *t)
{
	struct job *first = NULL;
	struct bpf_link *link;

	while ((link = ecap_attachment_take_one(links)))
		add_job(t, link, NULL, &first);
	ecap_attachment_free(links);
	start(r, t, first, NULL);
}

void ecap_reaper_put_in_order(struct ecap_reaper *r, struct ecap_attachment *links,
			      struct ecap_target *t)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	struct job *first = NULL;
	struct bpf_link *link;

	if (!batch) {
		ecap_attachment_free(links);
		return;
	}
	while (ecap_attachment_ends_with_return(links))
		add_job(t, ecap_attachment_take_one(links), batch, &first);
	while ((link = ecap_attachment_take_one(links)))
		add_job(t, link, NULL, &batch->then);
	ecap_attachment_free(links);
	start(r, t, first, batch);
}

void ecap_reaper_wait(struct ecap_reaper *r)
{
	(void)pthread_mutex_lock(&r->lock);
	while (r->n_jobs)
		(void)pthread_cond_wait(&r->idle, &r->lock);
	(void)pthread_mutex_unlock(&r->lock);
}

void ecap_reaper_put_target(struct ecap_reaper *r, struct ecap_target *t)
{
	(void)pthread_mutex_lock(&r->lock);
	t->is_given = true;
	check_done(r, t);
	(void)pthread_mutex_unlock(&r->lock);
}

struct ecap_target *ecap_reaper_take(struct ecap_reaper *r)
{
	struct ecap_target *t;

	(void)pthread_mutex_lock(&r->lock);
	t = r->done;
	if (t)
		r->done = t->next_done;
	(void)pthread_mutex_unlock(&r->lock);
	return t;
}
