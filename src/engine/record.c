/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/record.h"

#include <stdbool.h>
#include <stdint.h>

/* Stream offsets stay where signed arithmetic on them is safe. */
#define MAX_OFFSET ((uint64_t)INT64_MAX)

static bool data_is_valid(const struct ecap_data_event *ev, uint32_t n_rows)
{
	return ev->len && ev->len <= ECAP_CHUNK_SIZE && ev->hdr.size == sizeof(*ev) + ev->len &&
	       ev->len <= ev->total && ev->row < n_rows && ev->dir < ECAP_DIR_COUNT &&
	       ev->gap_reason < ECAP_LOSS_REASON_COUNT && ev->off <= MAX_OFFSET - ev->len;
}

static bool loss_is_valid(const struct ecap_loss_event *ev, uint32_t n_rows)
{
	return ev->hdr.size == sizeof(*ev) && ev->row < n_rows && ev->dir < ECAP_DIR_COUNT &&
	       ev->reason < ECAP_LOSS_REASON_COUNT;
}

static bool conn_end_is_valid(const struct ecap_conn_end_event *ev)
{
	return ev->hdr.size == sizeof(*ev) && ev->off[ECAP_SEND] <= MAX_OFFSET &&
	       ev->off[ECAP_RECV] <= MAX_OFFSET &&
	       ev->gap_reason[ECAP_SEND] < ECAP_LOSS_REASON_COUNT &&
	       ev->gap_reason[ECAP_RECV] < ECAP_LOSS_REASON_COUNT;
}

static bool line_is_valid(const struct ecap_line_event *ev, uint32_t n_rows)
{
	return ev->len && ev->len <= ECAP_CHUNK_SIZE && ev->hdr.size == sizeof(*ev) + ev->len &&
	       ev->row < n_rows;
}

const struct ecap_event_hdr *ecap_record_check(const void *data, size_t size, uint32_t n_rows)
{
	static const size_t least[] = {
		[ECAP_EV_NONE] = SIZE_MAX,
		[ECAP_EV_DATA] = sizeof(struct ecap_data_event),
		[ECAP_EV_LOSS] = sizeof(struct ecap_loss_event),
		[ECAP_EV_CONN_END] = sizeof(struct ecap_conn_end_event),
		[ECAP_EV_PROC_START] = sizeof(struct ecap_proc_event),
		[ECAP_EV_PROC_END] = sizeof(struct ecap_proc_event),
		[ECAP_EV_PROC_MOVED] = sizeof(struct ecap_proc_event),
		[ECAP_EV_LINE] = sizeof(struct ecap_line_event),
	};
	const struct ecap_event_hdr *hdr = data;
	bool valid = false;

	if (size < sizeof(*hdr) || hdr->kind >= sizeof(least) / sizeof(least[0]) ||
	    size < least[hdr->kind] || hdr->size > size)
		return NULL;

	switch ((enum ecap_event_kind)hdr->kind) {
	case ECAP_EV_DATA:
		valid = data_is_valid(data, n_rows);
		break;
	case ECAP_EV_LOSS:
		valid = loss_is_valid(data, n_rows);
		break;
	case ECAP_EV_CONN_END:
		valid = conn_end_is_valid(data);
		break;
	case ECAP_EV_PROC_START:
	case ECAP_EV_PROC_END:
	case ECAP_EV_PROC_MOVED:
		valid = hdr->size == sizeof(struct ecap_proc_event);
		break;
	case ECAP_EV_LINE:
		valid = line_is_valid(data, n_rows);
		break;
	case ECAP_EV_NONE:
		break;
	}
	return valid ? hdr : NULL;
}
