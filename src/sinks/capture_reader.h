/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sinks/event.h"

/*
 * Reads capture files: bytes in, events out; no descriptor, no clock. What it is given may be
 * anything. Memory does not depend on the file's size, and neither a byte is looked at without
 * bound: what damage costs is a small multiple of the bytes before it.
 */
struct ecap_capture_reader;

enum ecap_capture_item_type {
	ECAP_CAPTURE_ITEM_BEGIN,  /* event has the time and the host of the capture */
	ECAP_CAPTURE_ITEM_EVENT,  /* one of a source */
	ECAP_CAPTURE_ITEM_DAMAGE, /* from off on, up to the next whole block, nothing makes sense */
	ECAP_CAPTURE_ITEM_END,	  /* the capture ended in order; event has the time and the host */
};

struct ecap_capture_item {
	enum ecap_capture_item_type type;
	uint64_t off;		     /* in the file */
	const char *what;	     /* DAMAGE: what is wrong there */
	struct ecap_out_event event; /* borrowed until the reader is called again */
	struct ecap_out_process process;
};

/* What has been read so far. */
struct ecap_capture_totals {
	uint64_t bytes;	  /* of the file */
	uint64_t events;  /* that came out */
	uint64_t unknown; /* whole blocks of types that this reader does not know: passed over */
	uint64_t damages; /* DAMAGE items */
	uint64_t skipped; /* bytes that are part of no whole block */
	bool has_end;	  /* the capture ended in order */
	bool is_torn;	  /* the file ends within a block, which is right as far as it goes */
	bool is_newer;	  /* it may hold what this reader passes over within blocks */
	unsigned int version;
	const char *writer; /* who made it, for as long as the reader; NULL: not known */
};

/* -ENOMEM. */
int ecap_capture_reader_new(struct ecap_capture_reader **ret);
void ecap_capture_reader_free(struct ecap_capture_reader *r);
ECAP_DEFINE_FREEP(struct ecap_capture_reader, ecap_capture_reader_free)

/* Where to put more of the file, and how much fits: at least 1 MiB once next() has said 0. */
uint8_t *ecap_capture_reader_space(struct ecap_capture_reader *r, size_t *ret_n);
/* So many bytes were put there; 0: the file ends here. */
void ecap_capture_reader_fill(struct ecap_capture_reader *r, size_t n);
/*
 * The next item into @ret. 1: there is one; 0: more of the file is needed, or it has ended;
 * -EPROTONOSUPPORT: it is of a version that can not be read, which the totals name.
 */
int ecap_capture_reader_next(struct ecap_capture_reader *r, struct ecap_capture_item *ret);

struct ecap_capture_totals ecap_capture_reader_totals(const struct ecap_capture_reader *r);
