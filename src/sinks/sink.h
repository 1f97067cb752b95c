/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecap_buf;
struct ecap_out_event;

struct ecap_sink_opts {
	bool hex; /* text: payload as a hex dump */
	/* JSON: types of events that are written, a bit each as below, losses besides; 0: all. */
	uint32_t json_types;
	uint32_t file_id; /* capture: what all blocks of a file have in common, at random */
};

/*
 * A format: turns one event into bytes. Pure: no descriptor, no clock. The bytes go to a
 * destination as one unit, so that two events never interleave.
 */
struct ecap_sink {
	const char *name; /* as in -o NAME[=DEST] */
	/* What format() is for: a bit (1 << enum ecap_out_type) for each type of events. */
	uint32_t (*types)(const struct ecap_sink_opts *opts);
	/* Append @ev to @out. 0, or the buffer's negative errno (nothing of @ev is then used). */
	int (*format)(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		      struct ecap_buf *out);
	/*
	 * What comes before the first event and after the last one; @ev has the time and the host.
	 * NULL: nothing does. An output that ends without @end was cut off.
	 */
	int (*begin)(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		     struct ecap_buf *out);
	int (*end)(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts,
		   struct ecap_buf *out);
};

extern const struct ecap_sink ecap_sink_capture;
extern const struct ecap_sink ecap_sink_json;
extern const struct ecap_sink ecap_sink_text;

/* Sink number @i of all, NULL behind the last. */
const struct ecap_sink *ecap_sink_get(size_t i);
/* The sink called @name, NULL if there is none. */
const struct ecap_sink *ecap_sink_find(const char *name);
