/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/registry.h"
#include "target/image.h"
#include "target/placement.h"
#include "target/twins.h"

void ecap_target_free(struct ecap_target *t)
{
	if (!t)
		return;
	ecap_closep(&t->fd);
	ecap_closep(&t->user_fd);
	free(t->ids);
	free(t->path);
	free(t->places);
	free(t);
}

struct ecap_file_id ecap_file_id_of(const struct stat *st)
{
	return (struct ecap_file_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime = st->st_mtim,
	};
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool ecap_target_is_changed(const struct ecap_target *t)
{
	struct stat st;

	return fstat(t->fd, &st) == 0 &&
	       (st.st_size != t->ids[0].size || !is_same_time(&st.st_mtim, &t->ids[0].mtime));
}

bool ecap_target_is(const struct ecap_target *t, const struct ecap_file_id *id)
{
	const struct ecap_file_id *own = &t->ids[0];

	if (own->dev == id->dev && own->ino == id->ino)
		return true; /* we hold it open: nothing else can have its numbers */
	for (size_t i = 1; i < t->n_ids; i++) {
		if (t->ids[i].dev == id->dev && t->ids[i].ino == id->ino && own->size == id->size &&
		    is_same_time(&own->mtime, &id->mtime))
			return true;
	}
	return false;
}

int ecap_target_add_alias(struct ecap_target *t, const struct ecap_file_id *id)
{
	struct ecap_file_id *ids = realloc(t->ids, (t->n_ids + 1) * sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	t->ids = ids;
	t->ids[t->n_ids++] = *id;
	return 0;
}

static int note_file(struct ecap_target *t, int fd)
{
	struct ecap_file_id id;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	id = ecap_file_id_of(&st);
	return ecap_target_add_alias(t, &id);
}

/* Two names of one function get one hook: the first row's. */
static bool has_place(const struct ecap_target *t, uint64_t file_off)
{
	for (size_t i = 0; i < t->n_places; i++) {
		if (t->places[i].file_off == file_off)
			return true;
	}
	return false;
}

/* One file may take half of what is there at first, so that the next one has its share. */
#define FILE_MS (ECAP_BUDGET_MS / 2)

/* How long a child may work on one file. false: nothing is left. */
static bool get_patience(struct ecap_budget *budget, struct ecap_patience *ret)
{
	*ret = (struct ecap_patience){
		.ms = budget->left_ms < FILE_MS ? budget->left_ms : FILE_MS,
		.stop_fd = budget->stop_fd,
	};
	budget->n_refused += !budget->left_ms;
	return budget->left_ms;
}

/* Take from the budget what work took that began at @start. */
static void spend(struct ecap_budget *budget, uint64_t start)
{
	uint64_t ms = (ecap_clock_monotonic() - start) / 1000000;

	budget->left_ms -= ms < budget->left_ms ? (unsigned int)ms : budget->left_ms;
}

static const char *explain(int r, char *buf, size_t size)
{
	if (r == -EDQUOT)
		return "other files took all the time for that";
	if (r == -ECHILD)
		return "that took too much time or memory, or a system call that is not allowed";
	return ecap_strerror(r, buf, size);
}

/* Find the probe's tables of functions in the file open at @fd, called @path, if it has any. */
static int find_twins(const struct ecap_target *t, int fd, const char *path,
		      const struct ecap_image *img, struct ecap_budget *budget,
		      struct ecap_twins_found *ret)
{
	uint64_t start = ecap_clock_monotonic();
	struct ecap_patience patience;
	char why[128];
	int r;

	if (!t->probe->twins)
		return 0;
	r = get_patience(budget, &patience) ?
		    ecap_twins_find_isolated(fd, img, t->probe->twins, &patience, ret) :
		    -EDQUOT;
	spend(budget, start);
	if (r == -ENOENT)
		ecap_warn("%s is not hooked: it is a library of probe %s, but its functions, which "
			  "have no symbols, were not found",
			  path, t->probe->name);
	else if (r < 0 && r != -ECANCELED)
		ecap_warn("%s is not hooked: it is a library of probe %s, but its functions, which "
			  "have no symbols, could not be looked for: %s",
			  path, t->probe->name, explain(r, why, sizeof(why)));
	return r;
}

static int find_function(struct ecap_image *img, const struct ecap_hook *hook,
			 const struct ecap_twins_found *twins, struct ecap_function *ret)
{
	const uint64_t *table = hook->by == ECAP_BY_FIRST_TWIN ? twins->first : twins->second;

	if (hook->by == ECAP_BY_SYMBOL)
		return ecap_image_find_function(img, hook->symbol, ret);
	*ret = (struct ecap_function){ .address = table[hook->slot] };
	return ecap_image_offset_of(img, ret->address, &ret->file_off);
}

static int resolve_places(struct ecap_target *t, struct ecap_image *img,
			  const struct ecap_twins_found *twins)
{
	const struct ecap_probe_desc *probe = t->probe;
	struct ecap_function f;
	int r;

	/* each group may get its inner function */
	t->places = calloc(probe->n_hooks + ECAP_MAX_GROUPS, sizeof(*t->places));
	if (!t->places)
		return -ENOMEM;
	for (size_t i = 0; i < probe->n_hooks; i++) {
		if (probe->hooks[i].at == ECAP_AT_INNER)
			continue; /* it has no name */
		r = find_function(img, &probe->hooks[i], twins, &f);
		if (r == -ENOENT && !probe->hooks[i].required)
			continue;
		if (r < 0)
			return r;
		if (has_place(t, f.file_off))
			continue;
		t->places[t->n_places++] = (struct ecap_place){
			.at = probe->hooks[i].at,
			.group = probe->hooks[i].group,
			.row = t->first_row + (uint32_t)i,
			.file_off = f.file_off,
		};
	}
	return 0;
}

/* --------------------------------------------------------------------------- inner functions */

/* The public functions of a group, and where they stand in the probe's table. */
struct group {
	struct ecap_placement_function functions[ECAP_PLACEMENT_MAX_FUNCTIONS];
	uint32_t hooks[ECAP_PLACEMENT_MAX_FUNCTIONS];
	struct ecap_placement_group group;
	const struct ecap_hook *inner; /* NULL: none can be */
	uint32_t inner_hook;
};

static void add_function(struct group *g, const struct ecap_hook *hook, uint32_t number)
{
	size_t n = g->group.n_functions++;

	g->hooks[n] = number;
	g->functions[n] = (struct ecap_placement_function){
		.symbol = hook->symbol,
		.args = {
			.handle = hook->shape.handle,
			.buf = hook->shape.buf,
			.len = (uint8_t)hook->len_arg,
			.out = hook->shape.len_from == ECAP_LEN_OUT_SIZE ? hook->shape.len_arg : 0,
		},
	};
}

static void collect_group(const struct ecap_probe_desc *probe, unsigned int number,
			  struct group *ret)
{
	*ret = (struct group){ .group = { .functions = ret->functions,
					  .no_args = probe->no_args } };
	for (uint32_t i = 0; i < probe->n_hooks; i++) {
		const struct ecap_hook *hook = &probe->hooks[i];

		if (hook->group != number)
			continue;
		if (hook->at == ECAP_AT_INNER) {
			ret->inner = hook;
			ret->inner_hook = i;
		} else if (ret->group.n_functions < ECAP_PLACEMENT_MAX_FUNCTIONS) {
			add_function(ret, hook, i);
		}
	}
}

/* From which addresses the inner function is called, relative to its entry. -E2BIG: too many. */
static int add_callers(const struct ecap_placement *found, const struct group *g,
		       uint32_t first_row, struct ecap_row *row)
{
	uint64_t entry = found->places[0].address;

	for (size_t i = 0; i < g->group.n_functions; i++) {
		const struct ecap_placement_caller *from = &found->callers[i];

		for (size_t n = 0; n < from->n_returns; n++) {
			if (row->n_callers == ECAP_MAX_CALLERS)
				return -E2BIG;
			row->callers[row->n_callers++] = (struct ecap_caller){
				.back = (int64_t)(from->returns[n].place.address - entry),
				.frame = from->returns[n].frame,
				.link = from->returns[n].link,
				.row = first_row + g->hooks[i],
			};
		}
	}
	return 0;
}

static void add_inner(struct ecap_target *t, const struct ecap_placement *found,
		      const struct group *g)
{
	struct ecap_inner inner = {
		.group = g->inner->group,
		.own = t->first_row + g->inner_hook,
		.n_places = found->n_places,
		.shape = {
			.dir = g->inner->shape.dir,
			.flags = g->inner->shape.flags,
			.handle = found->args.handle,
			.buf = found->args.buf,
			.len_from = ECAP_LEN_OUT_SIZE,
			.len_arg = found->args.out,
		},
	};

	for (size_t i = 0; i < g->group.n_functions; i++) {
		if (found->callers[i].present)
			inner.public_kinds |= 1u << found->callers[i].kind;
	}
	memcpy(inner.places, found->places, sizeof(inner.places));
	if (add_callers(found, g, t->first_row, &inner.shape) == 0)
		t->inners[t->n_inners++] = inner;
}

/* Analyse the code within the budget. */
static int find_placements(int fd, const struct ecap_image *img,
			   const struct ecap_placement_group *groups, size_t n,
			   struct ecap_budget *budget, struct ecap_placement *ret)
{
	uint64_t start = ecap_clock_monotonic();
	struct ecap_patience patience;
	int r;

	if (!get_patience(budget, &patience))
		return -EDQUOT;
	r = ecap_placement_find_isolated(fd, img, groups, n, &patience, ret);
	spend(budget, start);
	return r;
}

static void find_inners(struct ecap_target *t, const struct ecap_image *img,
			struct ecap_budget *budget)
{
	struct ecap_placement found[ECAP_MAX_GROUPS];
	struct ecap_placement_group groups[ECAP_MAX_GROUPS];
	struct group collected[ECAP_MAX_GROUPS];
	size_t n = 0;
	char why[128];
	int r;

	for (unsigned int number = 1; number <= ECAP_MAX_GROUPS; number++) {
		collect_group(t->probe, number, &collected[n]);
		if (!collected[n].inner)
			continue;
		groups[n] = collected[n].group;
		n++;
	}
	if (!n)
		return;
	r = find_placements(t->fd, img, groups, n, budget, found);
	if (r < 0) {
		ecap_debug("%s: its code was not analysed: %s", t->path,
			   explain(r, why, sizeof(why)));
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (found[i].kind == ECAP_PLACEMENT_CALLEE)
			add_inner(t, &found[i], &collected[i]);
		else
			ecap_debug("%s: %s and its like stay hooked: %s", t->path,
				   groups[i].functions[0].symbol, found[i].reason);
	}
}

void ecap_target_analyse(struct ecap_target *t, struct ecap_budget *budget)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;

	if (ecap_image_open(t->fd, &img) == 0)
		find_inners(t, img, budget);
}

void ecap_target_drop_needless(struct ecap_target *t, const bool is_emulated[ECAP_CODE_N_KINDS])
{
	uint32_t emulated = 0;
	size_t n = 0;

	for (unsigned int kind = 0; kind < ECAP_CODE_N_KINDS; kind++)
		emulated |= is_emulated[kind] ? 1u << kind : 0;
	for (size_t i = 0; i < t->n_inners; i++) {
		if (t->inners[i].public_kinds & ~emulated)
			t->inners[n++] = t->inners[i];
		else
			ecap_debug("%s: public functions begin as well as the inner one: they are "
				   "hooked",
				   t->path);
	}
	t->n_inners = n;
}

int ecap_target_resolve(int fd, const char *path, const struct ecap_selection *selection,
			struct ecap_budget *budget, struct ecap_target **ret)
{
	ecap_cleanup(ecap_target_freep) struct ecap_target *t = NULL;
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	struct ecap_twins_found twins = { 0 };
	int r;

	r = ecap_image_open(fd, &img);
	if (r < 0)
		return r;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->fd = -1;
	t->user_fd = -1;
	t->watch = -1;
	for (size_t i = 0; i < ecap_registry_n_probes() && !t->probe; i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &t->first_row);

		if (ecap_selection_has(selection, probe) && probe->recognise(img))
			t->probe = probe;
	}
	if (!t->probe)
		return -ENOENT;
	r = find_twins(t, fd, path, img, budget, &twins);
	if (r == 0)
		r = resolve_places(t, img, &twins);
	if (r < 0)
		return r;
	t->path = strdup(path);
	if (!t->path)
		return -ENOMEM;
	r = note_file(t, fd);
	if (r < 0)
		return r;

	t->fd = fd;
	*ret = ecap_take_ptr(t);
	return 0;
}
