/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/state.h"
#include "base/cleanup.h"
#include "engine/selection.h"
#include "engine/trial.h"

struct bpf_object;
struct bpf_program;

/*
 * Our side of the kernel: the loaded programs and the maps they share. Nothing is pinned, so all
 * of it goes with our descriptors.
 */
struct ecap_kernel;

enum ecap_kernel_prog {
	ECAP_PROG_CALL_ENTRY,
	ECAP_PROG_CALL_RETURN,
	ECAP_PROG_HANDLE_REF,
	ECAP_PROG_HANDLE_FREE,
	ECAP_PROG_HANDLE_CLEAR,
	ECAP_PROG_LINE_RETURN,
	ECAP_PROG_COUNT,
};

/* Each bound process adds a few links per target; beyond so many BPF filters. */
#define ECAP_MAX_BOUND 16

/* Filters: an empty set does not filter. Borrowed. */
struct ecap_kernel_opts {
	struct ecap_selection selection; /* whose hooks programs are loaded for */
	enum ecap_rung rung;		 /* ECAP_RUNG_AUTO: the best that works */
	uint32_t ring_bytes;		 /* 0: the default; rounded up to a power of two */
	bool needs_btf;			 /* the kernel's type information must be there */
	const uint32_t *pids;
	size_t n_pids;
	bool children; /* with the processes what they have started; see children.h */
	const uint32_t *uids;
	size_t n_uids;
};

/*
 * Find out what the kernel can do, load maps and programs, set the filters. A forced rung that
 * the kernel does not give is an error. Logs what failed.
 */
int ecap_kernel_open(const struct ecap_kernel_opts *opts, struct ecap_kernel **ret);
void ecap_kernel_free(struct ecap_kernel *k);
ECAP_DEFINE_FREEP(struct ecap_kernel, ecap_kernel_free)

/*
 * Take away what finding the rung has left attached. Waits in the kernel for a grace period, so it
 * is for the attacher, after the hooks are in place.
 */
void ecap_kernel_drop_trial(struct ecap_kernel *k);

/* The rung that we stand on. */
enum ecap_rung ecap_kernel_get_rung(const struct ecap_kernel *k);
/* The same for people: "attach=perf (multi: Invalid argument)". Borrowed. */
const char *ecap_kernel_describe_rung(const struct ecap_kernel *k);
/*
 * The processes to which links are to be bound, so that no other process ever meets them. Returns
 * how many, 0: links are for all processes, and BPF filters. Borrowed.
 */
size_t ecap_kernel_get_bound(const struct ecap_kernel *k, const uint32_t **ret_pids);

/*
 * The loaded program @prog for hooks of row @row. On the perf rung a row gets its own instance,
 * loaded at its first use. Used by one thread at a time.
 */
int ecap_kernel_get_program(struct ecap_kernel *k, enum ecap_kernel_prog prog, uint32_t row,
			    const struct bpf_program **ret);

/* Whether links can say more than which program runs: inner functions need that. */
bool ecap_kernel_has_cookies(const struct ecap_kernel *k);
/* On which kinds of instructions a hook costs no single step, as measured. Borrowed. */
const bool *ecap_kernel_get_emulated(const struct ecap_kernel *k);
/*
 * Add the row of a function inside a library, of group row @own. *@ret is its number for cookies.
 * -ENOSPC: no room. Used by one thread at a time, as all of these.
 */
int ecap_kernel_add_inner(struct ecap_kernel *k, uint32_t own, const struct ecap_row *row,
			  uint32_t *ret);
/*
 * Add a check of an inner function against the public ones that call it; it is idle at first.
 * -ENOSPC: no room.
 */
int ecap_kernel_add_check(struct ecap_kernel *k, uint32_t *ret);
/* The inner function is hooked, too. */
void ecap_kernel_open_check(struct ecap_kernel *k, uint32_t check);
/* Give their numbers back. No link may have them any more. */
void ecap_kernel_drop_inner(struct ecap_kernel *k, uint32_t row);
void ecap_kernel_drop_check(struct ecap_kernel *k, uint32_t check);
/* What has come of it so far. */
enum ecap_check_state ecap_kernel_get_check(struct ecap_kernel *k, uint32_t check);

/* Descriptor of the ring. Borrowed. */
int ecap_kernel_ring_fd(const struct ecap_kernel *k);
/* Let the hooks capture, or make them idle. */
void ecap_kernel_set_active(struct ecap_kernel *k, bool active);
/* Tell BPF that the reader polls, so that records need not wake it. */
void ecap_kernel_set_reader_busy(struct ecap_kernel *k, bool busy);

/* Sum the counters over all CPUs. */
int ecap_kernel_read_counters(const struct ecap_kernel *k, uint64_t ret[ECAP_CTR_COUNT]);
/* Whether process @incarnation still runs what it ran at its first call. */
bool ecap_kernel_is_alive(const struct ecap_kernel *k, uint64_t incarnation);
enum ecap_table {
	ECAP_TABLE_PROCS,
	ECAP_TABLE_THREADS,
	ECAP_TABLE_STREAMS,
};

/* Descriptor of a table, see state.h. Borrowed. */
int ecap_kernel_table_fd(const struct ecap_kernel *k, enum ecap_table table);
/* Make @obj, which is not loaded yet, use our maps as far as it has maps of these names. */
int ecap_kernel_share_maps(const struct ecap_kernel *k, struct bpf_object *obj);
/* Change the set of processes that are captured. -E2BIG: it is full. */
int ecap_kernel_add_pid(struct ecap_kernel *k, uint32_t pid);
void ecap_kernel_remove_pid(struct ecap_kernel *k, uint32_t pid);
/*
 * Whether process @pid is one that has to do with those that are followed; true if that cannot be
 * told, or if none are.
 */
bool ecap_kernel_wants_pid(const struct ecap_kernel *k, uint32_t pid);
/* Whether pids that the kernel keys its tables by are those that we see. */
bool ecap_kernel_is_in_initial_pidns(const struct ecap_kernel *k);
/* Take the state of a stream out of the kernel. -ENOENT: it is not there. */
int ecap_kernel_take_stream(struct ecap_kernel *k, const struct ecap_stream_key *key,
			    struct ecap_stream *ret);
