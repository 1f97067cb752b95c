/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parsers/http_message.h"

/*
 * What sinks receive: one event with everything its output needs. All pointers are borrowed for
 * the duration of the call. A NULL string or a false has_ flag means "was not established" and
 * is written as null, never as a default.
 */

enum ecap_out_type {
	ECAP_OUT_DATA,
	ECAP_OUT_LOSS,
	ECAP_OUT_STATS,
	ECAP_OUT_TARGET,
	ECAP_OUT_COMMAND,
	ECAP_OUT_CLOSE,	  /* nothing more comes on the connection */
	ECAP_OUT_IDLE,	  /* for a while nothing has come at all */
	ECAP_OUT_MESSAGE, /* a request or a response is complete */
	ECAP_OUT_HTTP,	  /* a request with its response, or without one if none comes */
	ECAP_OUT_RAW,	  /* plaintext that belongs to no message */
	ECAP_OUT_TYPE_COUNT,
};

enum ecap_out_dir {
	ECAP_OUT_SEND,
	ECAP_OUT_RECV,
	ECAP_OUT_DIR_UNKNOWN,
};

/* A process as noted while it lived. comm and exe are bytes of any kind, not always UTF-8. */
struct ecap_out_process {
	uint32_t pid; /* 0: not known, it is in no pid namespace that we see */
	uint32_t ppid;
	uint32_t uid;
	bool has_ppid;
	bool has_uid;
	const char *comm;
	const char *exe;
	const char *container;
};

struct ecap_out_conn {
	uint64_t id; /* from 1, unique within the run; 0: not known */
	const char *local;
	const char *remote;
};

/* One chunk of plaintext. */
struct ecap_out_data {
	const char *lib; /* the TLS library's name, as its probe says */
	const char *fn;	 /* the function's name */
	uint64_t off;	 /* of the first byte in its stream */
	uint64_t total;	 /* bytes that the call transferred */
	const uint8_t *bytes;
	size_t len;
};

/* Plaintext that no message has, as far as it is together; ECAP_OUT_DATA had all of it before. */
struct ecap_out_raw {
	const char *lib;
	bool is_http2; /* several calls, of which only the size is known: bytes is NULL */
	uint64_t off;
	const uint8_t *bytes;
	uint64_t len;
};

/* A message, or an exchange. dir is the message's direction, or the request's. */
struct ecap_out_http {
	const char *lib;
	const struct ecap_http_exchange *exchange;
	const struct ecap_http_message *message; /* ECAP_OUT_MESSAGE: the one that is complete */
};

struct ecap_out_close {
	bool is_closed; /* else we stopped looking */
};

/* A line that was typed at a prompt. */
struct ecap_out_command {
	const char *lib; /* what reads such lines, as its probe says */
	const char *fn;	 /* the function's name */
	const uint8_t *bytes;
	size_t len;
};

/* What is missing from a stream, in its place. */
struct ecap_out_loss {
	const char *reason; /* "ring_full" */
	uint64_t off;
	uint64_t bytes;
	uint64_t calls;
	bool has_off;
	bool has_bytes;
};

/* What was lost for one reason. */
struct ecap_out_lost {
	const char *reason;
	uint64_t calls;
	uint64_t bytes;
};

/* How one output fares, in events. */
struct ecap_out_output {
	const char *format;
	const char *dest;
	uint64_t written;
	uint64_t refused; /* it was too slow */
	uint64_t refused_bytes;
	uint64_t failed; /* could not be written */
};

/* One of the HTTP parser's counters. */
struct ecap_out_counter {
	const char *name; /* "cut_bodies" */
	const char *what; /* for people, after "once" or "N times"; NULL: nothing to worry about */
	uint64_t n;
};

/* Every counter, from the beginning of the run. */
struct ecap_out_stats {
	bool is_final;	      /* the run ends */
	bool counts_commands; /* the run is about these, not about bytes of connections */
	bool is_of_launched;  /* the run is about a program that it started, and what that starts */
	uint64_t bytes;
	uint64_t calls;
	uint64_t commands;
	uint64_t conns;
	uint64_t processes;
	uint64_t invalid_records; /* from the kernel, left out */
	uint64_t missed_files;	  /* mapped by processes, gone before they could be looked at */
	uint64_t missed_records;  /* starts and ends of processes and connections */
	const struct ecap_out_lost *lost;
	size_t n_lost;
	const struct ecap_out_counter *http;
	size_t n_http; /* 0: no output wants HTTP, nothing was parsed */
	const struct ecap_out_output *outputs;
	size_t n_outputs;
};

/* A file that was hooked. */
struct ecap_out_target {
	const char *path; /* as found; it may lie in another mount namespace */
	const char *lib;
	const char *attach; /* the kernel's way: "multi" */
	bool is_inside;	 /* hooked inside the library where that can be, not at public functions */
	bool is_stepped; /* inside, where the kernel single-steps all the same */
	uint64_t n_hooks;
	uint64_t n_aliases; /* other files that are the same one below an overlay */
};

struct ecap_out_event {
	enum ecap_out_type type;
	uint64_t ts_ns; /* since 1970-01-01 UTC */
	const char *host;
	const struct ecap_out_process *process; /* NULL: not known */
	uint32_t tid;				/* 0: not known */
	enum ecap_out_dir dir;
	struct ecap_out_conn conn;
	union {
		struct ecap_out_data data;
		struct ecap_out_loss loss;
		struct ecap_out_command command;
		const struct ecap_out_stats *stats;
		struct ecap_out_target target;
		struct ecap_out_close close;
		struct ecap_out_http http;
		struct ecap_out_raw raw;
	};
};
