/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct ecap_out_event;
struct ecap_sink_opts;

/* 03:04:05.123456789 of some day. */
#define TS_NS 1767323045123456789u

/* Group setup: times are shown in UTC. */
int use_utc(void **state);

/* Text makes @want of @ev. */
void assert_text(const char *what, const struct ecap_out_event *ev,
		 const struct ecap_sink_opts *opts, const char *want);

/* Nothing in what text makes of @ev is anything that a terminal acts on, but line ends and tabs. */
void assert_harmless(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts);
