/* SPDX-License-Identifier: Apache-2.0 */
#include "target/twins.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "target/code.h"
#include "target/isolate.h"

/* Tables that have the form, each by itself; the most that was seen is four. */
#define MAX_CANDIDATES 64
/* A function that only calls another one is shorter than this. */
#define FORWARD_SIZE 64

struct candidate {
	uint64_t slot; /* address of the table */
	uint64_t functions[ECAP_TWINS_MAX_SLOTS];
	unsigned int n_forwards; /* that hold */
};

struct search {
	struct ecap_image *img;
	const struct ecap_twins *look;
	struct ecap_pointer *pointers;
	size_t n_pointers;
	struct candidate candidates[MAX_CANDIDATES];
	size_t n_candidates;
};

static void search_done(struct search *s)
{
	free(s->pointers);
}

/* ----------------------------------------------------------------------------- one table's form */

static int by_slot(const void *a, const void *b)
{
	uint64_t x = ((const struct ecap_pointer *)a)->slot;
	uint64_t y = ((const struct ecap_pointer *)b)->slot;

	return (x > y) - (x < y);
}

/* The function that the pointer at @slot points to; 0: there is no pointer, or not to code. */
static uint64_t function_at(const struct search *s, uint64_t slot, bool *ret_is_pointer)
{
	const struct ecap_pointer key = { .slot = slot };
	const struct ecap_pointer *p =
		bsearch(&key, s->pointers, s->n_pointers, sizeof(key), by_slot);
	uint64_t off;

	*ret_is_pointer = p != NULL;
	return p && ecap_image_offset_of(s->img, p->value, &off) == 0 ? p->value : 0;
}

/* Whether the table at @slot has pointers to code where the form has functions, and no others. */
static bool read_table(const struct search *s, uint64_t slot, struct candidate *ret)
{
	bool is_pointer;

	*ret = (struct candidate){ .slot = slot };
	for (uint8_t i = 0; i < s->look->n_slots; i++) {
		ret->functions[i] = function_at(s, slot + i * sizeof(uint64_t), &is_pointer);
		if (s->look->empty & ECAP_TWINS_SLOT(i) ? is_pointer : !ret->functions[i])
			return false;
	}
	return true;
}

static int collect_candidates(struct search *s)
{
	for (size_t i = 0; i < s->n_pointers; i++) {
		struct candidate c;

		if (!read_table(s, s->pointers[i].slot, &c))
			continue;
		if (s->n_candidates == MAX_CANDIDATES)
			return -ENOENT; /* the form says too little here */
		s->candidates[s->n_candidates++] = c;
	}
	return 0;
}

/* ------------------------------------------------------------------------------- what code says */

/* 1: the function at @from does nothing but call that at @to with its first @n_args arguments. */
static int is_forward(struct ecap_code *code, uint64_t from, uint64_t to, uint8_t n_args)
{
	struct ecap_code_function f;
	int r = ecap_code_analyse(code, from, FORWARD_SIZE, &f);

	if (r < 0)
		return r;
	if (f.gap != ECAP_CODE_COMPLETE || f.may_store || f.n_calls != 1 || f.calls[0].target != to)
		return 0;
	for (uint8_t i = 0; i < n_args; i++) {
		if (f.calls[0].args[i].from != i + 1)
			return 0;
	}
	return 1;
}

static int count_forwards(const struct ecap_twins *look, struct ecap_code *code,
			  struct candidate *c)
{
	int r;

	for (uint8_t i = 0; i < look->n_forwards; i++) {
		const struct ecap_twins_forward *f = &look->forwards[i];

		r = is_forward(code, c->functions[f->from], c->functions[f->to], f->n_args);
		if (r < 0)
			return r;
		c->n_forwards += (unsigned int)r;
	}
	return 0;
}

static int read_code(struct search *s)
{
	ecap_cleanup(ecap_code_freep) struct ecap_code *code = NULL;
	const struct ecap_code_source source = {
		.arch = ecap_image_arch(s->img),
		.read = ecap_image_read_code,
		.arg = s->img,
	};
	int r = ecap_code_open(&source, &code);

	for (size_t i = 0; i < s->n_candidates && r == 0; i++)
		r = count_forwards(s->look, code, &s->candidates[i]);
	return r;
}

/* ------------------------------------------------------------------------------------- the pair */

static bool overlap(const struct ecap_twins *look, uint64_t a, uint64_t b)
{
	uint64_t size = look->n_slots * sizeof(uint64_t);

	return a < b ? b - a < size : a - b < size;
}

static bool is_pair(const struct ecap_twins *look, const struct candidate *first,
		    const struct candidate *second)
{
	if (first->n_forwards != look->n_forwards || second->n_forwards ||
	    overlap(look, first->slot, second->slot))
		return false;
	for (uint8_t i = 0; i < look->n_slots; i++) {
		bool same = first->functions[i] == second->functions[i];

		if (same != !!((look->same | look->empty) & ECAP_TWINS_SLOT(i)))
			return false;
	}
	return true;
}

static int choose_pair(const struct search *s, struct ecap_twins_found *ret)
{
	const struct candidate *first = NULL, *second = NULL;

	for (size_t i = 0; i < s->n_candidates; i++) {
		for (size_t j = 0; j < s->n_candidates; j++) {
			if (!is_pair(s->look, &s->candidates[i], &s->candidates[j]))
				continue;
			if (first)
				return -ENOENT; /* which of them? */
			first = &s->candidates[i];
			second = &s->candidates[j];
		}
	}
	if (!first)
		return -ENOENT;
	for (uint8_t i = 0; i < ECAP_TWINS_MAX_SLOTS; i++) {
		ret->first[i] = first->functions[i];
		ret->second[i] = second->functions[i];
	}
	return 0;
}

int ecap_twins_find(struct ecap_image *img, const struct ecap_twins *look,
		    struct ecap_twins_found *ret)
{
	ecap_cleanup(search_done) struct search s = { .img = img, .look = look };
	int r;

	assert(look->n_slots <= ECAP_TWINS_MAX_SLOTS && !(look->empty & ECAP_TWINS_SLOT(0)));
	assert(look->n_forwards && look->n_forwards <= ECAP_TWINS_MAX_FORWARDS);
	r = ecap_image_pointers(img, &s.pointers, &s.n_pointers);
	if (r == 0)
		r = collect_candidates(&s);
	if (r == 0)
		r = read_code(&s);
	return r < 0 ? r : choose_pair(&s, ret);
}

/* --------------------------------------------------------------------------- in another process */

static int find_in_child(int fd, const void *arg, void *ret)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	int r = ecap_image_open_any(fd, &img);

	return r < 0 ? r : ecap_twins_find(img, arg, ret);
}

static bool is_sane(const struct ecap_twins_found *found, const struct ecap_twins *look,
		    const struct ecap_image *img)
{
	uint64_t off;

	for (uint8_t i = 0; i < look->n_slots; i++) {
		if (look->empty & ECAP_TWINS_SLOT(i))
			continue;
		if (ecap_image_offset_of(img, found->first[i], &off) < 0 ||
		    ecap_image_offset_of(img, found->second[i], &off) < 0)
			return false;
	}
	return true;
}

int ecap_twins_find_isolated(int fd, const struct ecap_image *img, const struct ecap_twins *look,
			     const struct ecap_patience *patience, struct ecap_twins_found *ret)
{
	struct ecap_twins_found found;
	const struct ecap_isolate_job job = {
		.fd = fd,
		.work = find_in_child,
		.arg = look,
		.size = sizeof(found),
		.patience = *patience,
	};
	int r = ecap_isolate(&job, &found);

	if (r < 0)
		return r;
	if (!is_sane(&found, look, img))
		return -EPROTO;
	*ret = found;
	return 0;
}
