/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/finder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/privileges.h"
#include "engine/registry.h"
#include "engine/target.h"
#include "target/alias.h"
#include "target/diagnose.h"
#include "target/discover.h"
#include "target/needed.h"
#include "target/watch.h"

#define MAX_REQUIRED 4096
/* That probes know by name, or that a program needs. */
#define MAX_FILES 600

/* Files that were looked at while we capture; beyond that many, all are looked at once more. */
#define MAX_LOOKED_AT 65536

/*
 * What the analysis of each file that comes while we capture may take, of the time of those that
 * come behind it: twice as long as that of a program of 100 MB.
 */
#define LATER_MS 250

/*
 * What is known of a mapped file without looking into it. Numbers of inodes are used again, and so
 * are those of unmounted file systems: the generation tells such files apart. Where the file system
 * has none (overlayfs, which containers run on, squashfs), the change time and the size do.
 */
struct arrival_key {
	uint64_t ino;
	uint64_t generation;
	int64_t changed_ns;
	int64_t size;
	uint32_t dev_major;
	uint32_t dev_minor;
};

struct ecap_finder {
	struct ecap_target *targets[ECAP_MAX_TARGETS]; /* owned */
	size_t n_targets;
	size_t n_refused; /* beyond ECAP_MAX_TARGETS */
	struct ecap_finder_opts opts;
	struct ecap_budget budget;
	int pagemap;	   /* ecap_alias_open() */
	int alias_error;   /* why aliases could not be told, 0: they could */
	char nothing[200]; /* where the search looked, if it found nothing */
	/* struct arrival_key -> its target, or one of those below */
	struct ecap_hash *looked_at;
};

static char no_target; /* no probe knows it */
static char was_gone;  /* nobody could look; the next process that has it may live longer */

int ecap_finder_new(const struct ecap_finder_opts *opts, struct ecap_finder **ret)
{
	ecap_cleanup(ecap_finder_freep) struct ecap_finder *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->opts = *opts;
	f->budget = (struct ecap_budget){ .left_ms = ECAP_BUDGET_MS, .stop_fd = opts->stop_fd };
	f->pagemap = ecap_alias_open();
	r = ecap_hash_new(sizeof(struct arrival_key), MAX_LOOKED_AT, &f->looked_at);
	if (r < 0)
		return r;
	*ret = ecap_take_ptr(f);
	return 0;
}

void ecap_finder_free(struct ecap_finder *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_targets; i++)
		ecap_target_free(f->targets[i]);
	ecap_hash_free(f->looked_at);
	ecap_closep(&f->pagemap);
	free(f);
}

size_t ecap_finder_get_targets(const struct ecap_finder *f, struct ecap_target *const **ret)
{
	*ret = f->targets;
	return f->n_targets;
}

void ecap_finder_release(struct ecap_finder *f, struct ecap_target *t)
{
	for (size_t i = 0; i < f->n_targets; i++) {
		if (f->targets[i] == t) {
			f->targets[i] = f->targets[--f->n_targets];
			break;
		}
	}
	ecap_hash_remove_all(f->looked_at, t);
}

/* ---------------------------------------------------------------------------------- the search */

static bool wants_name(const char *name, void *arg)
{
	const struct ecap_finder *f = arg;
	uint32_t row;

	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);
		const char *prefix = probe->file_prefix;

		if (ecap_selection_has(&f->opts.selection, probe) &&
		    strncmp(name, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

int ecap_finder_compare(const struct ecap_finder *f, const struct ecap_target *a,
			const struct ecap_target *b)
{
	return ecap_alias_check(f->pagemap, a->fd, b->fd, b->places[0].file_off);
}

/*
 * Whether @t is @other under another name. Copies of a file look alike, too: on one device their
 * numbers tell, otherwise the kernel decides.
 */
static bool is_alias(struct ecap_finder *f, const struct ecap_target *t,
		     const struct ecap_target *other)
{
	int r;

	if (t->probe != other->probe || t->places[0].file_off != other->places[0].file_off ||
	    t->ids[0].size != other->ids[0].size || t->ids[0].dev == other->ids[0].dev)
		return false;
	r = ecap_finder_compare(f, t, other);
	if (r < 0 && !f->alias_error)
		f->alias_error = r;
	return r > 0;
}

static struct ecap_target *find_alias(struct ecap_finder *f, const struct ecap_target *t)
{
	for (size_t i = 0; i < f->n_targets; i++) {
		if (is_alias(f, t, f->targets[i]))
			return f->targets[i];
	}
	return NULL;
}

/* Of a file that comes later: nobody can use up what is there for others. */
static struct ecap_budget later_budget(const struct ecap_finder *f)
{
	return (struct ecap_budget){ .left_ms = LATER_MS, .stop_fd = f->opts.stop_fd };
}

/*
 * See whether the file open at @fd is a target, new or under another name. On ECAP_LOOK_NEW @fd is
 * the target's.
 */
static enum ecap_look add_file(struct ecap_finder *f, struct ecap_budget *budget, int fd,
			       const char *path, struct ecap_target **ret)
{
	ecap_cleanup(ecap_target_freep) struct ecap_target *t = NULL;
	char why[128];
	int r = ecap_target_resolve(fd, path, &f->opts.selection, budget, &t);

	if (r < 0) {
		if (r != -ENOENT && r != -ENOEXEC)
			ecap_debug("%s: passed over: %s", path, ecap_strerror(r, why, sizeof(why)));
		return ECAP_LOOK_NOTHING;
	}
	*ret = find_alias(f, t);
	if (!*ret && f->n_targets < ECAP_MAX_TARGETS) {
		*ret = t;
		f->targets[f->n_targets++] = ecap_take_ptr(t);
		return ECAP_LOOK_NEW;
	}
	t->fd = -1; /* stays the caller's */
	if (!*ret)
		return ECAP_LOOK_FULL;
	ecap_debug("%s is %s under another name: hooked once", t->path, (*ret)->path);
	if (ecap_target_add_alias(*ret, &t->ids[0]) < 0)
		ecap_debug("no memory to remember that");
	return ECAP_LOOK_KNOWN;
}

static void analyse(const struct ecap_finder *f, struct ecap_target *t, struct ecap_budget *budget)
{
	t->is_analysed = true;
	if (f->opts.placement == ECAP_PLACE_AUTO)
		ecap_target_analyse(t, budget);
}

void ecap_finder_analyse(const struct ecap_finder *f, struct ecap_target *t)
{
	struct ecap_budget budget = later_budget(f);

	analyse(f, t, &budget);
}

static bool found_file(int fd, const char *path, bool is_mapped, void *arg)
{
	struct ecap_finder *f = arg;
	struct ecap_target *t;

	switch (add_file(f, &f->budget, fd, path, &t)) {
	case ECAP_LOOK_NEW:
		t->is_named = !is_mapped;
		analyse(f, t, &f->budget);
		return true;
	case ECAP_LOOK_FULL:
		f->n_refused++;
		break;
	case ECAP_LOOK_NOTHING:
	case ECAP_LOOK_KNOWN:
	case ECAP_LOOK_GONE:
		break;
	}
	return false;
}

/* Files to look at beside those that are found. */
struct file_list {
	char *names[MAX_FILES]; /* owned */
	size_t n;
};

static void add_name(const char *name, void *arg)
{
	struct file_list *list = arg;

	if (list->n == MAX_FILES)
		return;
	list->names[list->n] = strdup(name);
	list->n += list->names[list->n] != NULL;
}

static void file_list_freep(struct file_list **list)
{
	for (size_t i = 0; *list && i < (*list)->n; i++)
		free((*list)->names[i]);
	free(*list);
}

/* What the selected probes know by name, and what the program needs. NULL: no memory. */
static struct file_list *collect_files(const struct ecap_finder *f)
{
	struct file_list *list = calloc(1, sizeof(*list));
	uint32_t row;

	if (!list)
		return NULL;
	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);
		const char *const *file = probe->files;

		for (; ecap_selection_has(&f->opts.selection, probe) && file && *file; file++)
			add_name(*file, list);
	}
	if (f->opts.program)
		ecap_needed_each(f->opts.program, add_name, list);
	return list;
}

static bool is_stopped(void *arg)
{
	const struct ecap_finder *f = arg;
	struct pollfd stop = { .fd = f->opts.stop_fd, .events = POLLIN };

	return poll(&stop, 1, 0) > 0;
}

static void warn_search(const struct ecap_finder *f)
{
	if (f->n_refused)
		ecap_warn("%zu files beyond the first %u are not hooked; name one with --%s",
			  f->n_refused, ECAP_MAX_TARGETS,
			  ecap_selection_option(&f->opts.selection));
	if (f->budget.n_refused)
		ecap_warn("%zu files are hooked at their public functions, which costs their "
			  "programs more: the analysis of others took all the time for it",
			  f->budget.n_refused);
	if (f->alias_error == -EPERM)
		ecap_privileges_warn(ECAP_CAP(CAP_SYS_ADMIN));
	else if (f->alias_error)
		(void)ecap_warn_r(f->alias_error,
				  "cannot tell whether libraries under overlayfs are one file; one "
				  "that is hooked twice shows false losses (mid_call)");
}

int ecap_finder_search(struct ecap_finder *f, const uint32_t *pids, size_t n_pids)
{
	ecap_cleanup(file_list_freep) struct file_list *files = collect_files(f);
	const struct ecap_discovery_ops ops = {
		.wants_name = wants_name,
		.found = found_file,
		.stopped = is_stopped,
		.arg = f,
		.files = files ? (const char *const *)files->names : NULL,
		.n_files = files ? files->n : 0,
		.pids = pids,
		.n_pids = n_pids,
	};
	struct ecap_discovery where = { 0 };
	int r = ecap_discover(&ops, &where);

	if (r == -ECANCELED)
		return r;
	if (r < 0)
		return ecap_err_r(r, "cannot search in /proc");
	warn_search(f);
	(void)snprintf(f->nothing, sizeof(f->nothing),
		       "no %s found in the dynamic linker's cache and %zu files that %zu processes "
		       "run (%zu more could not be looked into)",
		       ecap_selection_what(&f->opts.selection), where.n_files, where.n_processes,
		       where.n_denied);
	return (int)f->n_targets;
}

const char *ecap_finder_describe_nothing(const struct ecap_finder *f)
{
	return f->nothing;
}

/* ---------------------------------------------------------------------------- files that arrive */

/* Whether the file open at @fd is that of a target: *ret. */
static bool find_target(const struct ecap_finder *f, int fd, struct ecap_target **ret)
{
	struct ecap_file_id id;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	id = ecap_file_id_of(&st);
	for (size_t i = 0; i < f->n_targets; i++) {
		*ret = f->targets[i];
		if (ecap_target_is(*ret, &id))
			return true;
	}
	*ret = NULL;
	return false;
}

/* @fd_or_none, if it is not -1, is the file's, and closed. */
static enum ecap_look look_at_file(struct ecap_finder *f, const struct ecap_arrival *arrival,
				   int fd_or_none, struct ecap_target **ret)
{
	ecap_autoclose int fd = fd_or_none;
	struct ecap_budget budget = later_budget(f);
	enum ecap_look look;

	if (fd < 0)
		fd = ecap_mapping_open(arrival->pid, &arrival->map);
	if (fd < 0)
		return ECAP_LOOK_GONE;
	if (find_target(f, fd, ret))
		return ECAP_LOOK_KNOWN;
	look = add_file(f, &budget, fd, arrival->map.path, ret);
	if (look == ECAP_LOOK_NEW)
		(void)ecap_take_fd(fd);
	return look;
}

static void remember(struct ecap_finder *f, const struct arrival_key *key, void *what)
{
	(void)ecap_hash_remove(f->looked_at, key);
	if (ecap_hash_insert(f->looked_at, key, what) == -ENOSPC)
		ecap_hash_remove_all(f->looked_at, NULL);
}

/* Returns a descriptor of the file if it had to be opened for that, else -1. */
static int make_key(const struct ecap_arrival *arrival, struct arrival_key *ret)
{
	struct stat st;
	int fd;

	*ret = (struct arrival_key){
		.ino = arrival->map.ino,
		.generation = arrival->generation,
		.dev_major = arrival->map.dev_major,
		.dev_minor = arrival->map.dev_minor,
	};
	if (arrival->generation)
		return -1;
	fd = ecap_mapping_open(arrival->pid, &arrival->map);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		ret->changed_ns = st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec;
		ret->size = st.st_size;
	}
	return fd < 0 ? -1 : fd;
}

enum ecap_look ecap_finder_look(struct ecap_finder *f, const struct ecap_arrival *arrival,
				struct ecap_target **ret)
{
	struct arrival_key key;
	ecap_autoclose int fd = make_key(arrival, &key);
	void *known = ecap_hash_find(f->looked_at, &key);
	enum ecap_look look;

	*ret = NULL;
	if (known == &no_target)
		return ECAP_LOOK_NOTHING;
	if (known && known != &was_gone) {
		*ret = known;
		return ECAP_LOOK_KNOWN;
	}
	look = look_at_file(f, arrival, ecap_take_fd(fd), ret);
	if (look == ECAP_LOOK_GONE && known)
		return ECAP_LOOK_NOTHING;
	if (look == ECAP_LOOK_GONE)
		remember(f, &key, &was_gone);
	else if (look == ECAP_LOOK_NOTHING)
		remember(f, &key, &no_target);
	else if (look != ECAP_LOOK_FULL)
		remember(f, &key, *ret);
	return look;
}

/* ------------------------------------------------------------------------------ the named file */

/* Append what a file must define to be a target of a selected probe, for those that say so. */
static void put_required(const struct ecap_selection *sel, struct ecap_buf *out)
{
	const char *separator = "";
	uint32_t row;

	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);

		if (!ecap_selection_has(sel, probe) || probe->twins)
			continue;
		ecap_buf_printf(out, "%s%s:", separator, probe->name);
		separator = " or ";
		for (size_t j = 0; j < probe->n_hooks; j++) {
			if (probe->hooks[j].required && probe->hooks[j].by == ECAP_BY_SYMBOL)
				ecap_buf_printf(out, " %s", probe->hooks[j].symbol);
		}
	}
	ecap_buf_putc(out, '\0');
}

/* Why the file that the user named is no target, with what we saw in it. */
static int explain_named(const struct ecap_finder *f, const char *path, int fd, int r)
{
	const char *option = ecap_selection_option(&f->opts.selection);
	ecap_cleanup(ecap_buf_done) struct ecap_buf required = { 0 };
	uint8_t magic[4] = { 0 };
	ssize_t n = pread(fd, magic, sizeof(magic), 0);
	char why[256];

	ecap_buf_init(&required, MAX_REQUIRED);
	put_required(&f->opts.selection, &required);
	if (ecap_diagnose(fd, r, why, sizeof(why)))
		ecap_err("--%s %s: %s", option, path, why);
	else if (r == -ENOENT)
		ecap_err("--%s %s: does not define what is looked for (%s); name the file "
			 "that holds the %s (`ldd PROGRAM` shows it)",
			 option, path, (const char *)required.data,
			 ecap_selection_what(&f->opts.selection));
	else if (r == -ENOEXEC)
		ecap_err("--%s %s: not a 64-bit ELF library or program of this machine "
			 "(%zd bytes read, they begin %02x %02x %02x %02x)",
			 option, path, n, magic[0], magic[1], magic[2], magic[3]);
	else
		return ecap_err_r(r, "--%s %s: cannot read it as an ELF file", option, path);
	return r;
}

int ecap_finder_use_file(struct ecap_finder *f, const char *path)
{
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return ecap_err_r(errno, "--%s %s", ecap_selection_option(&f->opts.selection),
				  path);
	r = ecap_target_resolve(fd, path, &f->opts.selection, &f->budget, &f->targets[0]);
	if (r < 0)
		return explain_named(f, path, fd, r);
	(void)ecap_take_fd(fd);
	f->n_targets = 1;
	f->targets[0]->is_named = true;
	analyse(f, f->targets[0], &f->budget);
	return 1;
}

/* Whether the functions that are hooked are in the same places in both. */
static bool is_alike(const struct ecap_target *t, const struct ecap_target *fresh)
{
	if (t->probe != fresh->probe || t->n_places < fresh->n_places ||
	    t->n_inners > fresh->n_inners)
		return false;
	for (size_t i = 0; i < fresh->n_places; i++) {
		if (t->places[i].file_off != fresh->places[i].file_off)
			return false;
	}
	for (size_t i = 0; i < t->n_inners; i++) {
		if (t->inners[i].places[0].address != fresh->inners[i].places[0].address)
			return false;
	}
	return true;
}

bool ecap_finder_confirm(const struct ecap_finder *f, struct ecap_target *t)
{
	ecap_cleanup(ecap_target_freep) struct ecap_target *fresh = NULL;
	struct ecap_budget budget = later_budget(f);
	bool same;

	if (ecap_target_resolve(t->fd, t->path, &f->opts.selection, &budget, &fresh) < 0)
		return false;
	if (t->n_inners)
		ecap_target_analyse(fresh, &budget);
	same = is_alike(t, fresh);
	if (same)
		t->ids[0] = fresh->ids[0];
	fresh->fd = -1; /* it is @t's */
	return same;
}
