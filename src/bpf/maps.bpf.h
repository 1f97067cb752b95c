/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The maps that every object shares. An object that names one gets it; the engine makes all
 * instances use the first object's. Hash maps are preallocated (5.10 warns about anything else in
 * a tracing program) and refuse when full: an LRU would drop live entries without a word.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi/state.h"

/* Plaintext and ends of connections: one ring, so that an end can not overtake data. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} ecap_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ecap_settings);
} ecap_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ECAP_MAX_ROWS + ECAP_MAX_INNER);
	__type(key, __u32);
	__type(value, struct ecap_row);
} ecap_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ECAP_MAX_CHECKS);
	__type(key, __u32);
	__type(value, struct ecap_check);
} ecap_checks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ECAP_CTR_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} ecap_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} ecap_pids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} ecap_uids SEC(".maps");

/* tgid -> what was started by the processes above, for the kernel's ids; see children.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct ecap_child);
} ecap_children SEC(".maps");

/*
 * Those of them that have ended last, so that what they did right before can be told to be theirs.
 * Nothing depends on an entry, so that this one may drop live ones.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} ecap_ended SEC(".maps");

/* tgid -> incarnation, for processes that made a call. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct ecap_proc);
} ecap_procs SEC(".maps");

/* (tgid << 32 | tid) -> calls under way, for threads that made a call. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct ecap_thread);
} ecap_threads SEC(".maps");

/* Never written: the initial value of a thread, too large for the BPF stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ecap_thread);
} ecap_new_thread SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct ecap_stream_key);
	__type(value, struct ecap_stream);
} ecap_streams SEC(".maps");
