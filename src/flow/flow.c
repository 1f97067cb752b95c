/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/flow.h"

#include <errno.h>

#include "base/hash.h"

/* A handle's address within its process: which use of it is meant, born_ns decides. */
struct handle_key {
	uint64_t incarnation;
	uint64_t handle;
};

struct ecap_flow {
	struct ecap_flow_limits limits;
	struct ecap_hash *processes; /* incarnation -> struct ecap_flow_process */
	struct ecap_hash *conns;     /* struct handle_key -> struct ecap_conn */
	struct ecap_flow_process *all;
	uint64_t n_conns;
	uint64_t n_processes;
};

int ecap_flow_new(const struct ecap_flow_limits *limits, struct ecap_flow **ret)
{
	ecap_cleanup(ecap_flow_freep) struct ecap_flow *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->limits = *limits;
	r = ecap_hash_new(sizeof(uint64_t), limits->max_processes, &f->processes);
	if (!r)
		r = ecap_hash_new(sizeof(struct handle_key), limits->max_conns, &f->conns);
	if (r < 0)
		return r;
	*ret = ecap_take_ptr(f);
	return 0;
}

void ecap_flow_free(struct ecap_flow *f)
{
	if (!f)
		return;
	while (f->all)
		ecap_flow_end_process(f, f->all);
	ecap_hash_free(f->conns);
	ecap_hash_free(f->processes);
	free(f);
}

/* ---------------------------------------------------------------------------------- processes */

struct ecap_flow_process *ecap_flow_find_process(struct ecap_flow *f, uint64_t incarnation)
{
	return ecap_hash_find(f->processes, &incarnation);
}

struct ecap_flow_process *ecap_flow_first_process(struct ecap_flow *f)
{
	return f->all;
}

int ecap_flow_get_process(struct ecap_flow *f, uint64_t incarnation, struct ecap_flow_process **ret)
{
	ecap_autofree struct ecap_flow_process *p = NULL;
	struct ecap_flow_process *known = ecap_flow_find_process(f, incarnation);
	int r;

	if (known) {
		*ret = known;
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->incarnation = incarnation;
	r = ecap_hash_insert(f->processes, &incarnation, p);
	if (r < 0)
		return r;
	p->next = f->all;
	if (p->next)
		p->next->backlink = &p->next;
	p->backlink = &f->all;
	f->all = p;
	*ret = ecap_take_ptr(p);
	return 0;
}

void ecap_flow_end_process(struct ecap_flow *f, struct ecap_flow_process *process)
{
	while (process->conns)
		ecap_flow_end_conn(f, process->conns);
	(void)ecap_hash_remove(f->processes, &process->incarnation);
	*process->backlink = process->next;
	if (process->next)
		process->next->backlink = process->backlink;
	f->limits.free_facts(process->facts);
	free(process);
}

/* -------------------------------------------------------------------------------- connections */

static struct handle_key handle_of(const struct ecap_conn_key *key)
{
	return (struct handle_key){ .incarnation = key->incarnation, .handle = key->handle };
}

void ecap_flow_count_process(struct ecap_flow *f, struct ecap_flow_process *process)
{
	f->n_processes += !process->is_counted;
	process->is_counted = true;
}

int ecap_flow_get_conn(struct ecap_flow *f, struct ecap_flow_process *process,
		       const struct ecap_conn_key *key, struct ecap_conn **ret)
{
	ecap_autofree struct ecap_conn *c = NULL;
	struct handle_key handle = handle_of(key);
	struct ecap_conn *known = ecap_hash_find(f->conns, &handle);
	int r;

	if (known) {
		*ret = known;
		return known->key.born_ns == key->born_ns ? 0 : -EEXIST;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	r = ecap_hash_insert(f->conns, &handle, c);
	if (r < 0)
		return r;
	c->id = ++f->n_conns;
	c->key = *key;
	c->next_sibling = process->conns;
	if (c->next_sibling)
		c->next_sibling->backlink = &c->next_sibling;
	c->backlink = &process->conns;
	process->conns = c;
	ecap_flow_count_process(f, process);
	*ret = ecap_take_ptr(c);
	return 0;
}

void ecap_flow_end_conn(struct ecap_flow *f, struct ecap_conn *conn)
{
	struct handle_key handle = handle_of(&conn->key);

	(void)ecap_hash_remove(f->conns, &handle);
	*conn->backlink = conn->next_sibling;
	if (conn->next_sibling)
		conn->next_sibling->backlink = conn->backlink;
	free(conn);
}

int64_t ecap_conn_place(struct ecap_conn *conn, unsigned int dir, uint64_t off, uint64_t len)
{
	uint64_t gap;

	if (off < conn->next[dir] || off > INT64_MAX || len > INT64_MAX - off)
		return -EPROTO;
	gap = off - conn->next[dir];
	conn->next[dir] = off + len;
	return (int64_t)gap;
}

uint64_t ecap_flow_n_conns(const struct ecap_flow *f)
{
	return f->n_conns;
}

uint64_t ecap_flow_n_processes(const struct ecap_flow *f)
{
	return f->n_processes;
}
