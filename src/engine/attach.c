/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attach.h"

#include <errno.h>
#include <stdio.h>

#include <bpf/libbpf.h>

#include "base/log.h"
#include "engine/kernel.h"
#include "engine/target.h"

/* One way in which a hook is attached: which program runs at which end of the function. */
struct step {
	enum ecap_hook_at at;
	enum ecap_kernel_prog prog;
	bool at_return;
};

/*
 * In this order: a return hook that came first would see returns without entries, which look like
 * losses; an entry hook that comes first leaves calls behind that look as if they never returned,
 * which harms nobody.
 */
static const struct step steps[] = {
	{ .at = ECAP_AT_REF, .prog = ECAP_PROG_HANDLE_REF },
	{ .at = ECAP_AT_FREE, .prog = ECAP_PROG_HANDLE_FREE },
	{ .at = ECAP_AT_CLEAR, .prog = ECAP_PROG_HANDLE_CLEAR },
	{ .at = ECAP_AT_CALL, .prog = ECAP_PROG_CALL_ENTRY },
	{ .at = ECAP_AT_CALL, .prog = ECAP_PROG_CALL_RETURN, .at_return = true },
	{ .at = ECAP_AT_LINE, .prog = ECAP_PROG_LINE_RETURN, .at_return = true },
};

/* Each place has at most an entry and a return link. */
struct ecap_attachment {
	size_t n_links;
	size_t n_at_return; /* of them, the last ones */
	struct bpf_link *links[];
};

void ecap_attachment_free(struct ecap_attachment *a)
{
	if (!a)
		return;
	while (a->n_links)
		ecap_attachment_drop_one(a);
	free(a);
}

void ecap_attachment_drop_one(struct ecap_attachment *a)
{
	ecap_link_free(ecap_attachment_take_one(a));
}

struct bpf_link *ecap_attachment_take_one(struct ecap_attachment *a)
{
	if (!a->n_links)
		return NULL;
	if (a->n_at_return)
		a->n_at_return--;
	return a->links[--a->n_links];
}

bool ecap_attachment_ends_with_return(const struct ecap_attachment *a)
{
	return a->n_at_return;
}

void ecap_link_free(struct bpf_link *link)
{
	(void)bpf_link__destroy(link);
}

static int take_link(struct ecap_attachment *a, struct bpf_link *link, const struct step *step)
{
	if (!link)
		return -errno;
	a->links[a->n_links++] = link;
	a->n_at_return += step->at_return;
	return 0;
}

/* What a step works on. */
struct job {
	struct ecap_kernel *kernel;
	const struct step *step;
	pid_t pid; /* -1: all */
	char path[64];
	const struct ecap_place *places[ECAP_MAX_ROWS];
	size_t n;
};

/* Uprobe multi: all places of a step are one link; the cookie tells them apart. */
static int attach_multi(const struct job *job, struct ecap_attachment *a)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts);
	unsigned long offsets[ECAP_MAX_ROWS];
	const struct bpf_program *prog;
	__u64 cookies[ECAP_MAX_ROWS];
	int r;

	r = ecap_kernel_get_program(job->kernel, job->step->prog, job->places[0]->row, &prog);
	if (r < 0)
		return r;
	for (size_t i = 0; i < job->n; i++) {
		offsets[i] = job->places[i]->file_off;
		cookies[i] = ECAP_COOKIE(job->places[i]->row, job->places[i]->check);
	}
	opts.offsets = offsets;
	opts.cookies = cookies;
	opts.cnt = job->n;
	opts.retprobe = job->step->at_return;
	return take_link(a,
			 bpf_program__attach_uprobe_multi(prog, job->pid, job->path, NULL, &opts),
			 job->step);
}

/* Perf events: a link for each place; without cookies a program instance for each row, too. */
static int attach_perf(const struct job *job, struct ecap_attachment *a)
{
	bool has_cookies = ecap_kernel_has_cookies(job->kernel);
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = job->step->at_return);
	const struct bpf_program *prog;
	int r = 0;

	for (size_t i = 0; !r && i < job->n; i++) {
		const struct ecap_place *place = job->places[i];

		r = ecap_kernel_get_program(job->kernel, job->step->prog, place->row, &prog);
		opts.bpf_cookie = has_cookies ? ECAP_COOKIE(place->row, place->check) : 0;
		if (!r)
			r = take_link(a,
				      bpf_program__attach_uprobe_opts(prog, job->pid, job->path,
								      place->file_off, &opts),
				      job->step);
	}
	return r;
}

static int run_step(struct job *job, const struct ecap_attach_spec *spec, struct ecap_attachment *a)
{
	job->n = 0;
	for (size_t i = 0; i < spec->n_places; i++) {
		if (spec->places[i].at == job->step->at)
			job->places[job->n++] = &spec->places[i];
	}
	if (!job->n)
		return 0;
	if (ecap_kernel_get_rung(job->kernel) == ECAP_RUNG_MULTI)
		return attach_multi(job, a);
	return attach_perf(job, a);
}

int ecap_attach(struct ecap_kernel *k, const struct ecap_attach_spec *spec,
		struct ecap_attachment **ret)
{
	ecap_cleanup(ecap_attachment_freep) struct ecap_attachment *a =
		calloc(1, sizeof(*a) + 2 * spec->n_places * sizeof(struct bpf_link *));
	struct job job = { .kernel = k, .pid = spec->pid ? (pid_t)spec->pid : -1 };
	const struct ecap_target *target = spec->target;
	int r = a ? 0 : -ENOMEM;

	/* by descriptor: the path may name another file by now, or lie in another namespace */
	(void)snprintf(job.path, sizeof(job.path), "/proc/self/fd/%d", target->fd);
	for (size_t i = 0; !r && i < ECAP_ARRAY_SIZE(steps); i++) {
		job.step = &steps[i];
		r = run_step(&job, spec, a);
	}
	if (r == -ESRCH && spec->pid)
		return r;
	if (r < 0)
		return ecap_err_r(r, "cannot hook %s (%s, attach=%s), nothing of it stays hooked",
				  target->path, target->probe->name,
				  ecap_rung_name(ecap_kernel_get_rung(k)));
	*ret = ecap_take_ptr(a);
	return 0;
}
