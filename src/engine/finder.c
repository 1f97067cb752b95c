/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/finder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "engine/registry.h"
#include "engine/target.h"
#include "target/alias.h"
#include "target/discover.h"

#define MAX_REQUIRED 4096

void ecap_finder_done(struct ecap_finder *f)
{
	for (size_t i = 0; i < f->n_targets; i++)
		ecap_target_free(f->targets[i]);
	f->n_targets = 0;
}

/* ---------------------------------------------------------------------------------- the search */

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

/* Whether @t is @other under another name. Copies of a file look alike, too: the kernel decides. */
static bool is_alias(struct ecap_finder *f, const struct ecap_target *t,
		     const struct ecap_target *other)
{
	int r;

	if (t->probe != other->probe || t->n_places != other->n_places ||
	    t->places[0].file_off != other->places[0].file_off)
		return false;
	r = ecap_alias_check(t->fd, other->fd, t->places[0].file_off);
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

/* Returns whether the target, and its descriptor, are the finder's from now on. */
static bool add_target(struct ecap_finder *f, struct ecap_target *t)
{
	struct ecap_target *same;

	if (f->n_targets == ECAP_MAX_TARGETS) {
		f->n_refused++;
		return false;
	}
	same = find_alias(f, t);
	if (same) {
		ecap_debug("%s is %s under another name: hooked once", t->path, same->path);
		same->n_aliases++;
		return false;
	}
	f->targets[f->n_targets++] = t;
	return true;
}

static bool found_file(int fd, const char *path, void *arg)
{
	struct ecap_finder *f = arg;
	struct ecap_target *t = NULL;
	char why[128];
	int r = ecap_target_resolve(fd, path, f->placement, &t);

	if (r < 0) {
		if (r != -ENOENT && r != -ENOEXEC)
			ecap_debug("%s: passed over: %s", path, ecap_strerror(r, why, sizeof(why)));
		return false;
	}
	if (add_target(f, t))
		return true;
	t->fd = -1; /* stays the caller's */
	ecap_target_free(t);
	return false;
}

int ecap_finder_search(struct ecap_finder *f, const uint32_t *pids, size_t n_pids)
{
	const struct ecap_discovery_ops ops = {
		.wants_name = wants_name,
		.found = found_file,
		.arg = f,
		.pids = pids,
		.n_pids = n_pids,
	};
	struct ecap_discovery where = { 0 };
	int r = ecap_discover(&ops, &where);

	if (r < 0)
		return ecap_err_r(r, "cannot search for TLS libraries in /proc");
	if (f->n_refused)
		ecap_warn("%zu TLS libraries beyond the first %u are not hooked; name one with "
			  "--libssl",
			  f->n_refused, ECAP_MAX_TARGETS);
	if (f->alias_error)
		(void)ecap_warn_r(f->alias_error,
				  "cannot tell whether libraries under overlayfs are one file; one "
				  "that is hooked twice shows false losses (mid_call)");
	if (f->n_targets)
		return 0;
	ecap_err("no TLS library found in the dynamic linker's cache and %zu files that %zu "
		 "processes run (%zu more could not be looked into); name a library or a program "
		 "with --libssl PATH",
		 where.n_files, where.n_processes, where.n_denied);
	return -ENOENT;
}

/* ------------------------------------------------------------------------------ the named file */

/* Append what a file must define to be a target of some probe. */
static void put_required(struct ecap_buf *out)
{
	uint32_t row;

	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);

		ecap_buf_printf(out, "%s%s:", i ? "; " : "", probe->name);
		for (size_t j = 0; j < probe->n_hooks; j++) {
			if (probe->hooks[j].required && probe->hooks[j].by == ECAP_BY_SYMBOL)
				ecap_buf_printf(out, " %s", probe->hooks[j].symbol);
		}
	}
	ecap_buf_putc(out, '\0');
}

/* Why the file that the user named is no target, with what we saw in it. */
static int explain_named(const char *path, int fd, int r)
{
	ecap_cleanup(ecap_buf_done) struct ecap_buf required;
	uint8_t magic[4] = { 0 };
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	ecap_buf_init(&required, MAX_REQUIRED);
	put_required(&required);
	if (r == -ENOENT)
		ecap_err("--libssl %s: does not define all of %s; name the file that holds the TLS "
			 "library (`ldd PROGRAM` shows it)",
			 path, (const char *)required.data);
	else if (r == -ENOEXEC)
		ecap_err("--libssl %s: not a 64-bit ELF library or program of this machine "
			 "(%zd bytes read, they begin %02x %02x %02x %02x)",
			 path, n, magic[0], magic[1], magic[2], magic[3]);
	else
		return ecap_err_r(r, "--libssl %s: cannot read it as an ELF file", path);
	return r;
}

int ecap_finder_use_file(struct ecap_finder *f, const char *path)
{
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return ecap_err_r(errno, "--libssl %s", path);
	r = ecap_target_resolve(fd, path, f->placement, &f->targets[0]);
	if (r < 0)
		return explain_named(path, fd, r);
	(void)ecap_take_fd(fd);
	f->n_targets = 1;
	return 0;
}
