// SPDX-License-Identifier: Apache-2.0
#include "engine/pipeline.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "engine/outputs.h"
#include "flow/http.h"
#include "sinks/event.h"

/* As many as a source knows. */
#define MAX_CONNS 131072

#define LIB_SIZE 16

/* Types of events that are made here. */
#define MESSAGE_TYPES (1u << ECAP_OUT_MESSAGE | 1u << ECAP_OUT_HTTP | 1u << ECAP_OUT_RAW)

struct ecap_pipeline {
	struct ecap_outputs *outputs; /* borrowed */
	struct ecap_http_flow *http;
	bool makes_messages;
	const char *host; /* of the event that is handed on */
};

/* Who said what a direction of a connection says, by what its last event told. */
struct speaker {
	uint32_t tid;
	uint32_t uid;
	bool has_uid;
	bool has_comm;
	char comm[ECAP_COMM_LEN + 1];
};

/* What its events say of a connection, for what is only told when they are gone. */
struct conn_facts {
	char lib[LIB_SIZE];
	uint32_t pid;
	uint32_t ppid;
	bool has_ppid;
	char *exe; /* NULL: not established */
	char *container;
	struct speaker speakers[ECAP_HTTP1_SIDES];
};

static unsigned int side_of(enum ecap_out_dir dir)
{
	return dir == ECAP_OUT_SEND ? 0 : 1;
}

/* --------------------------------------------------------------------------------------- facts */

static void facts_free(void *p)
{
	struct conn_facts *facts = p;

	if (!facts)
		return;
	free(facts->exe);
	free(facts->container);
	free(facts);
}

static struct conn_facts *facts_new(const struct ecap_out_process *process)
{
	struct conn_facts *facts = calloc(1, sizeof(*facts));

	if (!facts || !process)
		return facts;
	facts->pid = process->pid;
	facts->ppid = process->ppid;
	facts->has_ppid = process->has_ppid;
	facts->exe = process->exe ? strdup(process->exe) : NULL;
	facts->container = process->container ? strdup(process->container) : NULL;
	return facts;
}

static void copy(char *to, size_t size, const char *from)
{
	size_t n = from ? strnlen(from, size - 1) : 0;

	if (n)
		memcpy(to, from, n);
	to[n] = '\0';
}

static void note_speaker(struct conn_facts *facts, const struct ecap_out_event *ev)
{
	struct speaker *s = &facts->speakers[side_of(ev->dir)];

	copy(facts->lib, sizeof(facts->lib), ev->data.lib);
	s->tid = ev->tid;
	s->has_uid = ev->process && ev->process->has_uid;
	s->uid = s->has_uid ? ev->process->uid : 0;
	s->has_comm = ev->process && ev->process->comm;
	copy(s->comm, sizeof(s->comm), s->has_comm ? ev->process->comm : NULL);
}

/* ------------------------------------------------------------------------------------ messages */

/* Whose event it is: the message's sender; of an exchange the one that asked, if it was heard. */
static const struct speaker *speaker_of(const struct conn_facts *facts,
					const struct ecap_http1_event *ev)
{
	bool is_of_response = ev->type == ECAP_HTTP1_EXCHANGE && !ev->exchange->request;

	return &facts->speakers[ev->side ^ is_of_response];
}

/* Fill in what is told of @ev; false: nothing is. */
static bool fill(const struct ecap_http1_event *ev, const char *lib, struct ecap_out_event *ret)
{
	switch (ev->type) {
	case ECAP_HTTP1_HEAD:
		return false;
	case ECAP_HTTP1_MESSAGE:
	case ECAP_HTTP1_EXCHANGE:
		ret->type = ev->type == ECAP_HTTP1_MESSAGE ? ECAP_OUT_MESSAGE : ECAP_OUT_HTTP;
		ret->http = (struct ecap_out_http){
			.lib = lib,
			.exchange = ev->exchange,
			.message = ev->message,
		};
		return ev->type == ECAP_HTTP1_MESSAGE || ev->exchange->request ||
		       ev->exchange->response;
	case ECAP_HTTP1_RAW:
		ret->type = ECAP_OUT_RAW;
		ret->raw = (struct ecap_out_raw){
			.lib = lib,
			.is_http2 = ev->raw == ECAP_HTTP1_HTTP2,
			.off = ev->off,
			.bytes = ev->bytes.p,
			.len = ev->bytes.n,
		};
		return true;
	}
	return false;
}

static void on_http(void *arg, struct ecap_http_conn *conn, const struct ecap_http1_event *ev)
{
	struct ecap_pipeline *p = arg;
	const struct conn_facts *facts = conn->facts;
	const struct speaker *s = speaker_of(facts, ev);
	const struct ecap_out_process process = {
		.pid = facts->pid,
		.ppid = facts->ppid,
		.uid = s->uid,
		.has_ppid = facts->has_ppid,
		.has_uid = s->has_uid,
		.comm = s->has_comm ? s->comm : NULL,
		.exe = facts->exe,
		.container = facts->container,
	};
	struct ecap_out_event out = {
		.ts_ns = ev->ts_ns,
		.host = p->host,
		.process = &process,
		.tid = s->tid,
		.dir = ev->side == side_of(ECAP_OUT_SEND) ? ECAP_OUT_SEND : ECAP_OUT_RECV,
		.conn = { .id = conn->id },
	};

	if (fill(ev, facts->lib, &out))
		ecap_outputs_put(p->outputs, &out);
}

/* -------------------------------------------------------------------------------------- events */

/* The connection of @ev, made if it is new; NULL beyond a limit. */
static struct ecap_http_conn *conn_of(struct ecap_pipeline *p, const struct ecap_out_event *ev)
{
	struct ecap_http_conn *conn = NULL;

	if (!ev->conn.id || ecap_http_flow_get(p->http, ev->conn.id, &conn) < 0)
		return NULL;
	if (!conn->facts)
		conn->facts = facts_new(ev->process);
	return conn->facts ? conn : NULL;
}

/* What no parser takes is shown as it is. */
static void put_unparsed(struct ecap_pipeline *p, struct ecap_out_event ev)
{
	const struct ecap_out_data data = ev.data;

	ev.type = ECAP_OUT_RAW;
	ev.raw = (struct ecap_out_raw){
		.lib = data.lib,
		.off = data.off,
		.bytes = data.bytes,
		.len = data.len,
	};
	ecap_outputs_put(p->outputs, &ev);
}

static void on_data(struct ecap_pipeline *p, const struct ecap_out_event *ev)
{
	const struct ecap_http_chunk chunk = {
		.side = side_of(ev->dir),
		.off = ev->data.off,
		.total = ev->data.total,
		.ts_ns = ev->ts_ns,
		.bytes = ev->data.bytes,
		.len = ev->data.len,
	};
	struct ecap_http_conn *conn = conn_of(p, ev);

	if (conn)
		note_speaker(conn->facts, ev);
	if (!conn || ecap_http_flow_feed(p->http, conn, &chunk) < 0)
		put_unparsed(p, *ev);
}

static void on_loss(struct ecap_pipeline *p, const struct ecap_out_event *ev)
{
	struct ecap_http_conn *conn = ecap_http_flow_find(p->http, ev->conn.id);
	const struct ecap_out_loss *loss = &ev->loss;

	if (conn && loss->has_off && loss->has_bytes && ev->dir != ECAP_OUT_DIR_UNKNOWN)
		ecap_http_flow_skip_to(conn, side_of(ev->dir), loss->off + loss->bytes, ev->ts_ns);
}

static void on_close(struct ecap_pipeline *p, const struct ecap_out_event *ev)
{
	struct ecap_http_conn *conn = ecap_http_flow_find(p->http, ev->conn.id);

	if (conn)
		ecap_http_flow_end(p->http, conn, ev->close.is_closed, ev->ts_ns);
}

void ecap_pipeline_begin(struct ecap_pipeline *p, const struct ecap_out_event *begin)
{
	ecap_outputs_begin(p->outputs, begin);
}

void ecap_pipeline_put(struct ecap_pipeline *p, const struct ecap_out_event *ev)
{
	ecap_outputs_put(p->outputs, ev);
	if (!p->makes_messages)
		return;
	p->host = ev->host;
	if (ev->type == ECAP_OUT_DATA)
		on_data(p, ev);
	else if (ev->type == ECAP_OUT_LOSS)
		on_loss(p, ev);
	else if (ev->type == ECAP_OUT_CLOSE)
		on_close(p, ev);
	else if (ev->type == ECAP_OUT_IDLE)
		ecap_http_flow_rest(p->http);
	p->host = NULL;
}

void ecap_pipeline_end(struct ecap_pipeline *p, const struct ecap_out_event *end)
{
	p->host = end->host;
	ecap_http_flow_end_all(p->http, end->ts_ns);
	p->host = NULL;
	ecap_outputs_end(p->outputs, end);
}

const struct ecap_http1_counters *ecap_pipeline_counters(const struct ecap_pipeline *p)
{
	return p->makes_messages ? ecap_http_flow_counters(p->http) : NULL;
}

/* ---------------------------------------------------------------------------------- life cycle */

/* A few of the largest messages must fit at the same time. */
static struct ecap_http1_limits limits_for(uint64_t stream_limit)
{
	struct ecap_http1_limits limits = ecap_http1_default_limits;

	if (stream_limit)
		limits.max_body = stream_limit;
	if (limits.max_memory < 4 * limits.max_body)
		limits.max_memory = 4 * limits.max_body;
	if (limits.max_decoded < limits.max_body)
		limits.max_decoded = limits.max_body;
	return limits;
}

int ecap_pipeline_new(const struct ecap_pipeline_opts *opts, struct ecap_pipeline **ret)
{
	ecap_cleanup(ecap_pipeline_freep) struct ecap_pipeline *p = calloc(1, sizeof(*p));
	struct ecap_http_flow_opts http_opts = {
		.max_conns = MAX_CONNS,
		.limits = limits_for(opts->stream_limit),
		.event = on_http,
		.free_facts = facts_free,
	};
	int r;

	if (!p)
		return -ENOMEM;
	p->outputs = opts->outputs;
	p->makes_messages = ecap_outputs_types(opts->outputs) & MESSAGE_TYPES;
	http_opts.arg = p;
	r = ecap_http_flow_new(&http_opts, &p->http);
	if (r < 0)
		return r;
	*ret = ecap_take_ptr(p);
	return 0;
}

void ecap_pipeline_free(struct ecap_pipeline *p)
{
	if (!p)
		return;
	ecap_http_flow_free(p->http);
	free(p);
}
