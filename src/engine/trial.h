/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "target/code.h"

/* How uprobes are attached, best first. Text mode needs one of them. */
enum ecap_rung {
	ECAP_RUNG_MULTI,       /* uprobe multi links: one for many places, with cookies (6.6) */
	ECAP_RUNG_PERF_COOKIE, /* a perf event for each place, with a cookie (5.15) */
	ECAP_RUNG_PERF,	       /* without cookies: a program instance per row */
	ECAP_RUNG_COUNT,
	ECAP_RUNG_AUTO = ECAP_RUNG_COUNT,
};

/* BPF_TRACE_UPROBE_MULTI, which linux/bpf.h has from Linux 6.6 on: Debian 12's is that of 6.1. */
#define ECAP_TRACE_UPROBE_MULTI ((enum bpf_attach_type)48)

/* "multi", "perf-cookie", "perf"; "auto". */
const char *ecap_rung_name(enum ecap_rung rung);
/* The rung called @name, or -EINVAL. */
int ecap_rung_parse(const char *name, enum ecap_rung *ret);

/* What a trial that went well has attached. To take it away waits in the kernel: not in haste. */
struct ecap_trial;
void ecap_trial_free(struct ecap_trial *t);
ECAP_DEFINE_FREEP(struct ecap_trial, ecap_trial_free)

/*
 * Try @rung: load a throw-away program, attach it to a function of ours, call that, and look
 * whether the program ran and saw its cookie, if the rung has them. 0, or the negative errno of
 * the step that failed; -ENODATA: all went well but the program did not run.
 */
int ecap_trial_rung(enum ecap_rung rung, struct ecap_trial **ret);
/*
 * Try to bind a multi link to one process, ours: calls of each of its threads must be seen (some
 * kernels up to 6.10 saw those of one thread only). Results as ecap_trial_rung().
 */
int ecap_trial_bound(struct ecap_trial **ret);

/*
 * Which kinds of instructions the kernel emulates where a hook sits, instead of single-stepping
 * them: found by the time that calls of functions of ours take, which @t has hooked; it differs
 * several times. Not for the rung perf.
 */
void ecap_trial_emulated(const struct ecap_trial *t, bool ret[ECAP_CODE_N_KINDS]);

/* Whether programs with bpf_loop load. */
bool ecap_trial_loop(void);
