/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What BPF sends, one text for both compilers: fixed-width kernel types only, no pointers, no
 * bool, no enum members, no implicit padding.
 */
#include <linux/types.h>

#define ECAP_COMM_LEN 16

/*
 * The most plaintext that one record carries; a longer call is cut into chunks, a longer line is a
 * loss.
 */
#define ECAP_CHUNK_SIZE 16384

/* Values are recorded in capture files: append only, never renumber. */
enum ecap_event_kind {
	ECAP_EV_NONE = 0,
	ECAP_EV_DATA = 1,	/* struct ecap_data_event */
	ECAP_EV_LOSS = 2,	/* struct ecap_loss_event */
	ECAP_EV_CONN_END = 3,	/* struct ecap_conn_end_event */
	ECAP_EV_PROC_START = 4, /* struct ecap_proc_event: its first call, or handshake */
	ECAP_EV_PROC_END = 5,	/* struct ecap_proc_event: replaced by exec, or ended */
	ECAP_EV_PROC_MOVED = 6, /* struct ecap_proc_event, no incarnation: see lifecycle.bpf.c */
	ECAP_EV_LINE = 7,	/* struct ecap_line_event */
};

enum ecap_dir {
	ECAP_SEND = 0,
	ECAP_RECV = 1,
	ECAP_DIR_COUNT = 2,
};

/* Why plaintext is missing. Append only, as the kinds. */
enum ecap_loss_reason {
	ECAP_LOSS_NONE = 0,
	ECAP_LOSS_RING_FULL = 1,      /* the reader did not keep up */
	ECAP_LOSS_THREADS_FULL = 2,   /* no room to remember a call of one more thread */
	ECAP_LOSS_NESTING = 3,	      /* more calls under way in one thread than we remember */
	ECAP_LOSS_STREAMS_FULL = 4,   /* no room for one more connection */
	ECAP_LOSS_PAGE_FAULT = 5,     /* the buffer was not resident */
	ECAP_LOSS_CALL_TOO_LARGE = 6, /* more chunks in one call than BPF may loop; a long line */
	ECAP_LOSS_MID_CALL = 7,	      /* the call began before its entry was hooked */
	ECAP_LOSS_LATE_ATTACH = 8,    /* the process said things before it was hooked, if any */
	ECAP_LOSS_REASON_COUNT = 9,
};

struct ecap_event_hdr {
	__u64 ts_ns; /* CLOCK_MONOTONIC */
	__u32 size;  /* bytes that are valid, this header included */
	__u16 kind;  /* enum ecap_event_kind */
	__u16 flags; /* ECAP_EVF_* */
	__u32 tgid;  /* in the pid namespace of ecapture */
	__u32 tid;
	char comm[ECAP_COMM_LEN];
};

/* tgid and tid could not be translated into the pid namespace of ecapture. */
#define ECAP_EVF_FOREIGN_PID 1u

/*
 * One use of a TLS handle: from its first byte to its free, clear, exec or exit. A handle address
 * that comes back is another connection, because it is born later.
 */
struct ecap_conn_key {
	__u64 incarnation; /* of the process, ecap_proc in state.h */
	__u64 handle;	   /* address of the TLS handle in the target */
	__u64 born_ns;
};

/* One chunk of what a call transferred; the bytes follow. */
struct ecap_data_event {
	struct ecap_event_hdr hdr;
	struct ecap_conn_key conn;
	__u64 off;   /* stream offset of the first byte here */
	__u64 total; /* bytes that the whole call transferred */
	__u32 len;   /* bytes here */
	__u32 uid;
	__u16 row; /* which hook: index into the row table */
	__u8 dir;
	__u8 gap_reason; /* if the stream has a gap right before off: why, else 0 */
	__u32 gap_calls; /* calls that lie in that gap */
	__u8 data[];
};

/* Bytes that are missing, where a record could still be sent in their place. */
struct ecap_loss_event {
	struct ecap_event_hdr hdr;
	struct ecap_conn_key conn; /* all 0: not known */
	__u64 off;
	__u64 bytes; /* ECAP_BYTES_UNKNOWN: not known */
	__u32 calls;
	__u32 uid;
	__u16 row;
	__u8 dir;
	__u8 reason;
	__u32 pad;
};

#define ECAP_BYTES_UNKNOWN (~(__u64)0)

/* The handle was freed or cleared: where its streams ended. */
struct ecap_conn_end_event {
	struct ecap_event_hdr hdr;
	struct ecap_conn_key conn;
	__u64 off[ECAP_DIR_COUNT];
	__u32 uid;
	__u8 gap_reason[ECAP_DIR_COUNT]; /* as in ecap_data_event, for a gap at the end */
	__u8 pad[2];
	__u32 gap_calls[ECAP_DIR_COUNT];
};

/* A process begins to be of interest, while it is surely alive; or it is no more. */
struct ecap_proc_event {
	struct ecap_event_hdr hdr;
	__u64 incarnation;
};

/* A line that was typed; its bytes follow, without an end of line or NUL. */
struct ecap_line_event {
	struct ecap_event_hdr hdr;
	__u64 incarnation; /* of the process, ecap_proc in state.h */
	__u32 len;	   /* bytes here, all that the line has */
	__u32 uid;
	__u16 row; /* which hook: index into the row table */
	__u16 pad;
	__u32 pad2;
	__u8 data[];
};

#define ECAP_ABI_SIZE(type, n) _Static_assert(sizeof(type) == (n), #type " changed size")

ECAP_ABI_SIZE(struct ecap_event_hdr, 40);
ECAP_ABI_SIZE(struct ecap_conn_key, 24);
ECAP_ABI_SIZE(struct ecap_data_event, 96);
ECAP_ABI_SIZE(struct ecap_loss_event, 96);
ECAP_ABI_SIZE(struct ecap_conn_end_event, 96);
ECAP_ABI_SIZE(struct ecap_proc_event, 48);
ECAP_ABI_SIZE(struct ecap_line_event, 64);
