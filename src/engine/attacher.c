/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attacher.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "engine/attach.h"
#include "engine/registry.h"
#include "engine/target.h"
#include "target/discover.h"

#define MAX_TARGETS 1024
/* The start line names so many targets; the rest is a number. */
#define MAX_NAMED   8
#define MAX_SUMMARY 65536

struct ecap_attacher {
	struct ecap_attacher_opts opts;
	pthread_t thread;

	/* the thread's until it is ready, read-only after that */
	struct ecap_target *targets[MAX_TARGETS];
	size_t n_targets;
	size_t n_refused;				  /* targets beyond MAX_TARGETS */
	struct ecap_attachment *attachments[MAX_TARGETS]; /* NULL: not hooked */
	size_t n_attached;
	struct ecap_buf summary;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t wake;
	enum ecap_attacher_state state;
	bool end;
};

static void set_state(struct ecap_attacher *a, enum ecap_attacher_state state)
{
	uint64_t one = 1;

	(void)pthread_mutex_lock(&a->lock);
	a->state = state;
	(void)pthread_mutex_unlock(&a->lock);
	(void)!write(a->opts.event_fd, &one, sizeof(one)); /* full: it is readable already */
}

static bool end_asked(struct ecap_attacher *a)
{
	bool end;

	(void)pthread_mutex_lock(&a->lock);
	end = a->end;
	(void)pthread_mutex_unlock(&a->lock);
	return end;
}

/* --------------------------------------------------------------------------- finding targets */

static bool wants_name(const char *name, void *arg)
{
	uint32_t row;

	(void)arg;
	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const char *prefix = ecap_registry_get_probe(i, &row)->file_prefix;

		if (strncmp(name, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

static bool found_file(int fd, const char *path, void *arg)
{
	struct ecap_attacher *a = arg;
	struct ecap_target *t = NULL;
	char why[128];
	int r = ecap_target_resolve(fd, path, &t);

	if (r < 0) {
		if (r != -ENOENT && r != -ENOEXEC)
			ecap_debug("%s: passed over: %s", path, ecap_strerror(r, why, sizeof(why)));
		return false;
	}
	if (a->n_targets == MAX_TARGETS) {
		a->n_refused++;
		t->fd = -1;
		ecap_target_free(t);
		return false;
	}
	a->targets[a->n_targets++] = t;
	return true;
}

static int search(struct ecap_attacher *a)
{
	const struct ecap_discovery_ops ops = {
		.wants_name = wants_name,
		.found = found_file,
		.arg = a,
	};
	struct ecap_discovery where = { 0 };
	int r = ecap_discover(&ops, &where);

	if (r < 0)
		return ecap_err_r(r, "cannot search for TLS libraries in /proc");
	if (a->n_refused)
		ecap_warn("%zu TLS libraries beyond the first %u are not hooked; name one with "
			  "--libssl",
			  a->n_refused, MAX_TARGETS);
	if (a->n_targets)
		return 0;
	ecap_err("no TLS library found in the dynamic linker's cache and %zu files that %zu "
		 "processes run (%zu more could not be looked into); name a library or a program "
		 "with --libssl PATH",
		 where.n_files, where.n_processes, where.n_denied);
	return -ENOENT;
}

/* Append what a file must define to be a target of some probe. */
static void put_required(struct ecap_buf *out)
{
	uint32_t row;

	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);

		ecap_buf_printf(out, "%s%s:", i ? "; " : "", probe->name);
		for (size_t j = 0; j < probe->n_hooks; j++) {
			if (probe->hooks[j].required)
				ecap_buf_printf(out, " %s", probe->hooks[j].symbol);
		}
	}
	ecap_buf_putc(out, '\0');
}

/* Why the file that the user named is no target, with what we saw in it. */
static int explain_named(struct ecap_buf *text, const char *path, int fd, int r)
{
	uint8_t magic[4] = { 0 };
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	put_required(text);
	if (r == -ENOENT)
		ecap_err("--libssl %s: does not define all of %s; name the file that holds the TLS "
			 "library (`ldd PROGRAM` shows it)",
			 path, (const char *)text->data);
	else if (r == -ENOEXEC)
		ecap_err("--libssl %s: not a 64-bit ELF library or program of this machine "
			 "(%zd bytes read, they begin %02x %02x %02x %02x)",
			 path, n, magic[0], magic[1], magic[2], magic[3]);
	else
		return ecap_err_r(r, "--libssl %s: cannot read it as an ELF file", path);
	return r;
}

static int use_named(struct ecap_attacher *a)
{
	ecap_autoclose int fd = open(a->opts.library, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return ecap_err_r(errno, "--libssl %s", a->opts.library);
	r = ecap_target_resolve(fd, a->opts.library, &a->targets[0]);
	if (r < 0)
		return explain_named(&a->summary, a->opts.library, fd, r);
	(void)ecap_take_fd(fd);
	a->n_targets = 1;
	return 0;
}

/* ----------------------------------------------------------------------------------- the thread */

/* Hook every target that can be hooked. < 0: not one could. */
static int hook_all(struct ecap_attacher *a)
{
	int r = -ENOENT;

	for (size_t i = 0; i < a->n_targets && !end_asked(a); i++) {
		struct ecap_target *t = a->targets[i];

		r = a->opts.dry_run ? 0 : ecap_attach(a->opts.kernel, t, &a->attachments[i]);
		/* the kernel holds the file from here on */
		(void)close(ecap_take_fd(t->fd));
		if (r < 0)
			continue;
		if (a->n_attached++ < MAX_NAMED)
			ecap_buf_printf(&a->summary, "%s%s (%s)", a->n_attached > 1 ? ", " : "",
					t->path, t->probe->name);
		ecap_debug("%s: %s, %zu hooks", t->path, t->probe->name, t->n_places);
	}
	if (a->n_attached > MAX_NAMED)
		ecap_buf_printf(&a->summary, " and %zu more files", a->n_attached - MAX_NAMED);
	if (a->n_attached < a->n_targets)
		ecap_buf_printf(&a->summary, " (%zu more could not be hooked)",
				a->n_targets - a->n_attached);
	ecap_buf_putc(&a->summary, '\0');
	return a->n_attached ? 0 : r;
}

static void unhook_first(struct ecap_attacher *a)
{
	for (size_t i = 0; i < a->n_targets; i++) {
		if (a->attachments[i]) {
			ecap_attachment_drop_one(a->attachments[i]);
			return;
		}
	}
}

static void unhook_all(struct ecap_attacher *a)
{
	for (size_t i = 0; i < a->n_targets; i++)
		ecap_attachment_freep(&a->attachments[i]);
}

static void *attacher_thread(void *arg)
{
	struct ecap_attacher *a = arg;
	int r = a->opts.library ? use_named(a) : search(a);

	if (!r)
		r = hook_all(a);
	set_state(a, r < 0 ? ECAP_ATTACHER_FAILED : ECAP_ATTACHER_READY);

	(void)pthread_mutex_lock(&a->lock);
	while (!a->end)
		(void)pthread_cond_wait(&a->wake, &a->lock);
	(void)pthread_mutex_unlock(&a->lock);
	unhook_first(a);
	set_state(a, ECAP_ATTACHER_QUIET);
	unhook_all(a);
	return NULL;
}

int ecap_attacher_start(const struct ecap_attacher_opts *opts, struct ecap_attacher **ret)
{
	struct ecap_attacher *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->opts = *opts;
	ecap_buf_init(&a->summary, MAX_SUMMARY);
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->wake, NULL);
	r = pthread_create(&a->thread, NULL, attacher_thread, a);
	if (r) {
		free(a);
		return -r;
	}
	*ret = a;
	return 0;
}

void ecap_attacher_free(struct ecap_attacher *a)
{
	if (!a)
		return;
	ecap_attacher_end(a);
	(void)pthread_join(a->thread, NULL);
	for (size_t i = 0; i < a->n_targets; i++)
		ecap_target_free(a->targets[i]);
	ecap_buf_done(&a->summary);
	(void)pthread_cond_destroy(&a->wake);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

enum ecap_attacher_state ecap_attacher_get_state(struct ecap_attacher *a)
{
	enum ecap_attacher_state state;

	(void)pthread_mutex_lock(&a->lock);
	state = a->state;
	(void)pthread_mutex_unlock(&a->lock);
	return state;
}

void ecap_attacher_end(struct ecap_attacher *a)
{
	(void)pthread_mutex_lock(&a->lock);
	a->end = true;
	(void)pthread_cond_signal(&a->wake);
	(void)pthread_mutex_unlock(&a->lock);
}

const char *ecap_attacher_get_summary(struct ecap_attacher *a)
{
	return (const char *)a->summary.data;
}
