/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/notice.h"

#include <stdlib.h>

/* Each holds paths, so some kilobytes. */
#define MAX_NOTICES 4096

void ecap_notice_free(struct ecap_notice *notice)
{
	if (!notice)
		return;
	free(notice->path);
	free(notice);
}

void ecap_notices_init(struct ecap_notices *q)
{
	*q = (struct ecap_notices){ .last = &q->first };
	(void)pthread_mutex_init(&q->lock, NULL);
}

void ecap_notices_done(struct ecap_notices *q)
{
	struct ecap_notice *notice;

	while ((notice = q->first)) {
		q->first = notice->next;
		ecap_notice_free(notice);
	}
	(void)pthread_mutex_destroy(&q->lock);
}

/* Targets are no more than can be hooked at once; processes may be any number. */
void ecap_notices_put(struct ecap_notices *q, struct ecap_notice *notice)
{
	(void)pthread_mutex_lock(&q->lock);
	if (q->n >= MAX_NOTICES && notice->kind == ECAP_NOTICE_LATE) {
		q->n_untold += notice->n_processes;
		ecap_notice_free(notice);
	} else {
		*q->last = notice;
		q->last = &notice->next;
		q->n++;
	}
	(void)pthread_mutex_unlock(&q->lock);
}

struct ecap_notice *ecap_notices_take(struct ecap_notices *q)
{
	struct ecap_notice *notices, *more;

	(void)pthread_mutex_lock(&q->lock);
	more = q->n_untold ? calloc(1, sizeof(*more)) : NULL;
	if (more) {
		more->kind = ECAP_NOTICE_LATE;
		more->n_processes = q->n_untold;
		more->hooked_ns = UINT64_MAX;
		*q->last = more;
		q->n_untold = 0;
	}
	notices = q->first;
	q->first = NULL;
	q->last = &q->first;
	q->n = 0;
	(void)pthread_mutex_unlock(&q->lock);
	return notices;
}
