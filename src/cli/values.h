/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct ecap_opt_error;

/* What options' arguments mean; each is a parse function as struct ecap_opt has it. */

/* As many as the kernel's filter tables hold. */
#define ECAP_MAX_IDS 4096

struct ecap_id_list {
	uint32_t ids[ECAP_MAX_IDS];
	size_t n;
};

/* Add the comma-separated process or user ids to the struct ecap_id_list @dest, each once. */
int ecap_value_parse_pids(const char *arg, void *dest, struct ecap_opt_error *err);
int ecap_value_parse_uids(const char *arg, void *dest, struct ecap_opt_error *err);
/* The same with the numbers that a run gives to connections. */
int ecap_value_parse_conns(const char *arg, void *dest, struct ecap_opt_error *err);
/* "5s", "500ms", "2m", a bare number is seconds: into the uint64_t @dest, in nanoseconds. */
int ecap_value_parse_period(const char *arg, void *dest, struct ecap_opt_error *err);
/*
 * The size of a ring: "64" is KiB, as the tool that this one replaces had it, "32M" says its unit.
 * Into the uint32_t @dest, in bytes.
 */
int ecap_value_parse_ring(const char *arg, void *dest, struct ecap_opt_error *err);
/* A size with K, M, G or in bytes, 64K to 1G: into the uint64_t @dest, in bytes. */
int ecap_value_parse_size(const char *arg, void *dest, struct ecap_opt_error *err);

/* 0: as it comes, 1: the kernel must have BTF, 2: do without. Into the bool @dest: whether 1. */
int ecap_value_parse_btf(const char *arg, void *dest, struct ecap_opt_error *err);
/* The mode that the tool which this one replaces calls text, in any case; others are to come. */
int ecap_value_parse_model(const char *arg, void *dest, struct ecap_opt_error *err);
