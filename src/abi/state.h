/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Map contents that BPF and user space share. The rules of event.h apply. */
#include "abi/event.h"

/* ------------------------------------------------------------------ settings, one row, mmapped */

#define ECAP_FILTER_PIDS 1u /* only processes in ecap_pids */
#define ECAP_FILTER_UIDS 2u /* only users in ecap_uids */
#define ECAP_FILTER_CHILDREN \
	4u /* those in ecap_pids with what they have started, which is in ecap_children */

struct ecap_settings {
	__u64 pidns_dev; /* pid namespace of ecapture; ino 0: the initial one, no translation */
	__u64 pidns_ino;
	__u32 own_tgid;	    /* never captured */
	__u32 filters;	    /* ECAP_FILTER_* */
	__u32 reader_busy;  /* the reader polls: records need not wake it */
	__u32 threads_full; /* set by BPF: a thread found no room in ecap_threads */
	__u32 active;	    /* 0: all hooks are idle, so that a capture begins and ends at once */
	__u32 bound;	    /* links are bound to the processes in ecap_pids */
};

/* A process that one of ecap_pids, or one like it, has started. */
struct ecap_child {
	__u32 n_threads; /* the process ends with the last of them */
	__u32 pad;
};

/* What a thread of ours saw of itself when it started another one: see children.bpf.c. */
#define ECAP_TASK_SAMPLES 3
#define ECAP_TASK_STEP	  1024
#define ECAP_TASK_BYTES	  (16 * ECAP_TASK_STEP)

struct ecap_task_sample {
	__u32 asked; /* by the thread of ecapture that has this id in its pid namespace */
	__u32 pad;
	__u64 id;    /* tgid << 32 | tid, as the kernel counts; 0: nothing was seen yet */
	__u64 task;  /* where the kernel keeps the thread */
	__u64 child; /* and the one that it has started */
	__u8 bytes[ECAP_TASK_BYTES];
};

/* ------------------------------------------------------- rows: where a call keeps its arguments */

/* Rows of the probes' tables; after them, one for each function inside a library. */
#define ECAP_MAX_ROWS	 256
#define ECAP_MAX_INNER	 1024
#define ECAP_MAX_CALLERS 4

enum ecap_len_from {
	ECAP_LEN_RET_INT = 0,  /* the return value, an int; <= 0: nothing was transferred */
	ECAP_LEN_RET_LONG = 1, /* the same, 64 bits wide */
	ECAP_LEN_OUT_SIZE = 2, /* *(size_t *)argument len_arg, if the return value is 1 */
};

#define ECAP_ROW_PEEK	 1u /* shows received bytes without consuming them */
#define ECAP_ROW_OUTER	 2u /* of a line: returns what another hooked function gave to it */
#define ECAP_ROW_REPEATS 4u /* what its code says on the handle the program has said before */

/* One place from which an inner function is called: in the code of a public one. */
struct ecap_caller {
	__s64 back;  /* the address to which that call returns, minus the address of the hook */
	__u16 frame; /* the stack pointer was so far up when that function began; 0: unknown */
	__u16 link;  /* and so far up lies where it returns to */
	__u32 row;   /* of that function, a public one */
};

/* Argument numbers count from 1, as the call's documentation does. */
struct ecap_row {
	__u8 dir;	/* enum ecap_dir */
	__u8 handle;	/* argument that is the TLS handle */
	__u8 buf;	/* argument that is the plaintext buffer */
	__u8 len_from;	/* enum ecap_len_from */
	__u8 len_arg;	/* argument that is kept for the return: len_from or peek_bits want it */
	__u8 flags;	/* ECAP_ROW_* */
	__u8 n_callers; /* of an inner function */
	__u8 pad;
	__u32 own; /* its number; for an inner function, that of its group in the probe's table */
	__u32 peek_bits; /* the call is a peek if argument len_arg has one of them: its flags */
	struct ecap_caller callers[ECAP_MAX_CALLERS];
};

/*
 * What a link's cookie says: the row, and for the functions of a group that an inner function
 * serves, as for that one itself, where the two are checked against each other.
 */
#define ECAP_COOKIE(row, check)	  ((__u64)(check) << 16 | (row))
#define ECAP_COOKIE_ROW(cookie)	  ((__u32)((cookie) & 0xffff))
#define ECAP_COOKIE_CHECK(cookie) ((__u32)((cookie) >> 16))

/* Of one group of functions in one target; number 0 stands for none. */
#define ECAP_MAX_CHECKS	 4096
#define ECAP_CHECK_CALLS 8 /* that agree are proof enough */

enum ecap_check_state {
	ECAP_CHECK_OPEN = 0,   /* both are hooked; calls are compared */
	ECAP_CHECK_PROVEN = 1, /* the inner function shows all: the public ones are idle */
	ECAP_CHECK_FAILED = 2, /* it does not: the inner one is idle */
	ECAP_CHECK_IDLE = 3,   /* no inner function is hooked yet */
};

struct ecap_check {
	__u32 state; /* enum ecap_check_state */
	__u32 agreed;
	__u32 disagreed;
	__u32 pad;
};

/* ----------------------------------------------------------------- processes, threads, streams */

/*
 * A process incarnation: made at the first call of a tgid, removed by exec and exit. The number
 * joins microseconds since boot (42 bits) and the tgid (22 bits, the kernel's PID_MAX_LIMIT), so
 * that neither exec nor PID reuse repeats it.
 */
struct ecap_proc {
	__u64 incarnation;
	__u32 n_threads;   /* threads in ecap_threads */
	__u32 leader_gone; /* the process ends with the last of them */
};

/*
 * The calls that a thread is in, or has left without returning (longjmp, exceptions): BPF can not
 * tell the two apart, so nothing is withheld because of a call that looks open.
 */
#define ECAP_MAX_NESTED 8

#define ECAP_CALL_PLAIN	  0
#define ECAP_CALL_CHECKED 1 /* of a public function that an inner one serves */
#define ECAP_CALL_INNER	  2
#define ECAP_CALL_REPEAT  3 /* of a row that repeats, or made by such a call: says nothing new */

struct ecap_call {
	__u64 sp; /* user stack pointer at entry: with row it names the call; 0: slot is free */
	__u64 handle;
	__u64 buf;
	__u64 aux;	 /* the argument that len_from needs */
	__u64 covered;	 /* bytes of it that calls nested in it have shown already */
	__u64 ip;	 /* of the hook, at or right after the function's first instruction */
	__u64 inner_len; /* what the inner function of this call reported last */
	__u16 row;
	__u16 shown_row; /* of the call that the program made, where this one is part of it */
	__u8 dir;
	__u8 kind;	   /* ECAP_CALL_* */
	__u8 is_jumped_to; /* shown_row is that of a function that only jumped here */
	__u8 is_public;	   /* of an inner function: called by a public one */
};

/*
 * A returned call on its way into the ring. Kept in the thread's map entry, not on the BPF stack:
 * the verifier follows each value on the stack through the loop over chunks, but not this.
 */
struct ecap_emission {
	struct ecap_conn_key conn;
	__u64 buf;			    /* user address of stream offset off */
	__u64 off;			    /* next byte to send */
	__u64 end;			    /* stream offset behind the call's last byte */
	__u64 total;			    /* bytes that the call transferred */
	__u64 lost[ECAP_LOSS_REASON_COUNT]; /* bytes of it that could not be sent */
	__u16 row;
	__u8 dir;
	__u8 is_peek;
	__u8 was_lost; /* at least a part of it */
	__u8 was_sent; /* likewise */
	__u8 pad[2];
};

/* Who called a function that begins, as far as the stack tells. In the map, as the emission. */
struct ecap_origin {
	__u64 sp;
	__u64 back;	  /* where it returns to; 0: not known */
	__u64 outer_sp;	  /* stack pointer at the entry of the public function that called it, */
	__u64 outer_back; /* and where that one returns to; 0: not known */
	__u32 row;	  /* of that public function; else its own */
	__u32 is_inner;
};

struct ecap_thread {
	__u64 incarnation;
	__u32 next_evicted; /* which slot goes when all are taken */
	__u32 n_evicted;    /* calls whose slot went before they returned */
	__u32 n_slots;	    /* slots from here on were never used; most threads use one */
	__u32 chosen;	    /* the slot of the call that began last */
	__u64 line;	    /* address of the line that an inner function returned last */
	struct ecap_origin origin;
	struct ecap_emission emission;
	struct ecap_call calls[ECAP_MAX_NESTED];
};

struct ecap_stream_key {
	__u64 incarnation;
	__u64 handle;
};

/* Both directions of one connection; arrays are indexed by enum ecap_dir. */
struct ecap_stream {
	__u64 born_ns;
	__u64 off[ECAP_DIR_COUNT];  /* bytes that the program has sent or consumed */
	__u64 seen[ECAP_DIR_COUNT]; /* bytes that records showed: ahead of off after a peek */
	/*
	 * A call of row prepaid_row failed after a call nested in it had shown so many bytes; when
	 * it is called again and succeeds, they are part of what it reports.
	 */
	__u64 prepaid[ECAP_DIR_COUNT];
	__u32 gap_calls[ECAP_DIR_COUNT];
	__u16 prepaid_row[ECAP_DIR_COUNT];
	__u8 gap_reason[ECAP_DIR_COUNT];
	__u8 pad[6];
	__u32 refs; /* references taken beyond the first: that many frees do not end it */
};

/* --------------------------------------------------------------------------- counters, per CPU */

enum ecap_counter {
	ECAP_CTR_CALLS = 0, /* calls of which at least a part was sent */
	ECAP_CTR_LOST_CALLS =
		1, /* + enum ecap_loss_reason: calls of which a part was not, for that reason */
	ECAP_CTR_LOST_BYTES = ECAP_CTR_LOST_CALLS + ECAP_LOSS_REASON_COUNT,
	/* records of starts and ends that found the ring full; they carry no plaintext */
	ECAP_CTR_LOST_ENDS = ECAP_CTR_LOST_BYTES + ECAP_LOSS_REASON_COUNT,
	ECAP_CTR_COUNT,
};

ECAP_ABI_SIZE(struct ecap_settings, 40);
ECAP_ABI_SIZE(struct ecap_child, 8);
ECAP_ABI_SIZE(struct ecap_task_sample, 16416);
ECAP_ABI_SIZE(struct ecap_caller, 16);
ECAP_ABI_SIZE(struct ecap_row, 80);
ECAP_ABI_SIZE(struct ecap_check, 16);
ECAP_ABI_SIZE(struct ecap_proc, 16);
ECAP_ABI_SIZE(struct ecap_call, 64);
ECAP_ABI_SIZE(struct ecap_emission, 136);
ECAP_ABI_SIZE(struct ecap_origin, 40);
ECAP_ABI_SIZE(struct ecap_thread, 720);
ECAP_ABI_SIZE(struct ecap_stream_key, 16);
ECAP_ABI_SIZE(struct ecap_stream, 80);
