/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

#define MIN_CAP	  16u
#define LIMIT_MAX (1u << 30) /* positions are 32 bits wide */
#define NONE	  UINT32_MAX

/* Chained by position, so that the array can be walked while entries leave it. */
struct entry {
	void *value; /* NULL: the slot is free */
	uint32_t hash;
	uint32_t next; /* of the chain, or of the free slots */
	uint8_t key[];
};

struct ecap_hash {
	size_t key_size;
	size_t stride; /* of slots */
	size_t count;
	uint32_t max;
	uint32_t cap;	    /* slots, and chains: 0 or a power of two */
	uint32_t used;	    /* slots before this one have been in use */
	uint32_t free_slot; /* the first of those that are free again, or NONE */
	uint32_t *chains;
	uint8_t *slots;
	uint64_t seed[2];
};

static uint64_t rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

/*
 * SipHash-1-3 (Aumasson, Bernstein), as Rust and Python use it for their tables. Words are taken
 * in the byte order of the host: the result never leaves the process.
 */
static uint32_t hash_key(const struct ecap_hash *h, const uint8_t *key)
{
	uint64_t v[4] = {
		h->seed[0] ^ 0x736f6d6570736575u,
		h->seed[1] ^ 0x646f72616e646f6du,
		h->seed[0] ^ 0x6c7967656e657261u,
		h->seed[1] ^ 0x7465646279746573u,
	};

	for (size_t i = 0; i <= h->key_size; i += 8) {
		size_t left = h->key_size - i;
		uint64_t word = left < 8 ? (uint64_t)h->key_size << 56 : 0;

		memcpy(&word, key + i, left < 8 ? left : 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

static struct entry *entry_at(const struct ecap_hash *h, uint32_t i)
{
	return (struct entry *)(void *)(h->slots + i * h->stride);
}

/* The link that holds the position of @key, or the NONE at the end of its chain. */
static uint32_t *find_link(const struct ecap_hash *h, const void *key, uint32_t hash)
{
	uint32_t *link = &h->chains[hash & (h->cap - 1)];

	while (*link != NONE) {
		struct entry *e = entry_at(h, *link);

		if (e->hash == hash && memcmp(e->key, key, h->key_size) == 0)
			break;
		link = &e->next;
	}
	return link;
}

/* Only when every slot is taken: afterwards the old ones keep their positions. */
static int grow(struct ecap_hash *h)
{
	uint32_t cap = h->cap ? 2 * h->cap : MIN_CAP;
	ecap_autofree uint32_t *chains = NULL;
	ecap_autofree uint8_t *slots = NULL;
	size_t size;

	if (__builtin_mul_overflow(h->stride, (size_t)cap, &size))
		return -ENOMEM;
	slots = malloc(size);
	chains = malloc(cap * sizeof(*chains));
	if (!slots || !chains)
		return -ENOMEM;
	if (h->used)
		memcpy(slots, h->slots, h->used * h->stride);
	memset(chains, 0xff, cap * sizeof(*chains)); /* NONE */
	free(h->slots);
	free(h->chains);
	h->slots = ecap_take_ptr(slots);
	h->chains = ecap_take_ptr(chains);
	h->cap = cap;
	for (uint32_t i = 0; i < h->used; i++) {
		struct entry *e = entry_at(h, i);
		uint32_t *chain = &h->chains[e->hash & (cap - 1)];

		e->next = *chain;
		*chain = i;
	}
	return 0;
}

int ecap_hash_new(size_t key_size, size_t max, struct ecap_hash **ret)
{
	const size_t align = _Alignof(struct entry);
	ecap_cleanup(ecap_hash_freep) struct ecap_hash *h = NULL;

	if (!key_size || key_size > ECAP_HASH_KEY_MAX || max > LIMIT_MAX)
		return -EINVAL;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	if (getentropy(h->seed, sizeof(h->seed)) < 0)
		return -errno;
	h->key_size = key_size;
	h->stride = (offsetof(struct entry, key) + key_size + align - 1) / align * align;
	h->max = (uint32_t)max;
	h->free_slot = NONE;
	*ret = ecap_take_ptr(h);
	return 0;
}

void ecap_hash_free(struct ecap_hash *h)
{
	if (!h)
		return;
	free(h->chains);
	free(h->slots);
	free(h);
}

void *ecap_hash_find(const struct ecap_hash *h, const void *key)
{
	uint32_t i = h->count ? *find_link(h, key, hash_key(h, key)) : NONE;

	return i == NONE ? NULL : entry_at(h, i)->value;
}

int ecap_hash_insert(struct ecap_hash *h, const void *key, void *value)
{
	uint32_t hash = hash_key(h, key);
	uint32_t *chain, i = h->free_slot;
	struct entry *e;
	int r;

	assert(value);
	if (h->count && *find_link(h, key, hash) != NONE)
		return -EEXIST;
	if (h->count == h->max)
		return -ENOSPC;
	if (i == NONE && h->used == h->cap) {
		r = grow(h);
		if (r < 0)
			return r;
	}
	if (i == NONE)
		i = h->used++;
	else
		h->free_slot = entry_at(h, i)->next;
	e = entry_at(h, i);
	chain = &h->chains[hash & (h->cap - 1)];
	*e = (struct entry){ .value = value, .hash = hash, .next = *chain };
	memcpy(e->key, key, h->key_size);
	*chain = i;
	h->count++;
	return 0;
}

void *ecap_hash_remove(struct ecap_hash *h, const void *key)
{
	uint32_t *link = h->count ? find_link(h, key, hash_key(h, key)) : NULL;
	struct entry *e;
	void *value;
	uint32_t i;

	if (!link || *link == NONE)
		return NULL;
	i = *link;
	e = entry_at(h, i);
	value = e->value;
	*link = e->next;
	e->value = NULL;
	e->next = h->free_slot;
	h->free_slot = i;
	h->count--;
	return value;
}

void ecap_hash_remove_all(struct ecap_hash *h, const void *value)
{
	for (uint32_t i = 0; i < h->used; i++) {
		const struct entry *e = entry_at(h, i);

		if (e->value && (!value || e->value == value))
			(void)ecap_hash_remove(h, e->key);
	}
}

void *ecap_hash_next(const struct ecap_hash *h, size_t *pos)
{
	while (*pos < h->used) {
		void *value = entry_at(h, (uint32_t)(*pos)++)->value;

		if (value)
			return value;
	}
	return NULL;
}
