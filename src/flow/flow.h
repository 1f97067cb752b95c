/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/event.h"
#include "base/cleanup.h"

/*
 * Processes, their connections, and how far each direction has come. Sources hand in (connection,
 * direction, offset, bytes); nothing after this knows that they came from probes.
 */
struct ecap_flow;

struct ecap_conn {
	uint64_t id; /* from 1, unique within the run */
	struct ecap_conn_key key;
	uint64_t next[ECAP_DIR_COUNT];		    /* offset of the byte that comes next */
	struct ecap_conn *next_sibling, **backlink; /* in the process's list */
};

struct ecap_flow_process {
	uint64_t incarnation;
	void *facts; /* the owner's, see ecap_flow_limits */
	struct ecap_conn *conns;
	bool is_counted;			    /* by ecap_flow_n_processes() */
	struct ecap_flow_process *next, **backlink; /* in the list of all */
};

struct ecap_flow_limits {
	size_t max_processes;
	size_t max_conns;
	void (*free_facts)(void *facts);
};

int ecap_flow_new(const struct ecap_flow_limits *limits, struct ecap_flow **ret);
void ecap_flow_free(struct ecap_flow *f);
ECAP_DEFINE_FREEP(struct ecap_flow, ecap_flow_free)

/*
 * The process of that incarnation, made if it is new (facts is NULL then). -ENOSPC: the limit is
 * reached.
 */
int ecap_flow_get_process(struct ecap_flow *f, uint64_t incarnation,
			  struct ecap_flow_process **ret);
/* NULL: not known. */
struct ecap_flow_process *ecap_flow_find_process(struct ecap_flow *f, uint64_t incarnation);
/* Any process, NULL if there is none: for ending all of them. */
struct ecap_flow_process *ecap_flow_first_process(struct ecap_flow *f);

/*
 * The connection of @key in @process, made if it is new. -EEXIST: the handle was born anew, and
 * *ret is the connection that it had before, which is to be ended first. -ENOSPC: the limit is
 * reached.
 */
int ecap_flow_get_conn(struct ecap_flow *f, struct ecap_flow_process *process,
		       const struct ecap_conn_key *key, struct ecap_conn **ret);

/*
 * Note @len bytes of @conn at @off. Returns how many bytes are missing right before them, 0 as a
 * rule. Offsets only grow: -EPROTO, and nothing is noted, if these bytes were there before.
 */
int64_t ecap_conn_place(struct ecap_conn *conn, unsigned int dir, uint64_t off, uint64_t len);

/* Count the process, once, among those that ecap_flow_n_processes() says. */
void ecap_flow_count_process(struct ecap_flow *f, struct ecap_flow_process *process);

/* The connection is over; @conn is freed. */
void ecap_flow_end_conn(struct ecap_flow *f, struct ecap_conn *conn);
/* The process is over; it, its facts and its connections are freed. */
void ecap_flow_end_process(struct ecap_flow *f, struct ecap_flow_process *process);

/* How many connections, and processes with one or counted otherwise, there have been. */
uint64_t ecap_flow_n_conns(const struct ecap_flow *f);
uint64_t ecap_flow_n_processes(const struct ecap_flow *f);
