/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "engine/record.h"

#define N_ROWS 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = aligned_alloc(8, (size + 8) & ~(size_t)7);
	const struct ecap_event_hdr *hdr;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	hdr = ecap_record_check(copy, size, N_ROWS);
	if (hdr && hdr->kind == ECAP_EV_DATA) {
		const struct ecap_data_event *ev = (const struct ecap_data_event *)copy;

		if (sizeof(*ev) + ev->len > size || ev->row >= N_ROWS)
			abort(); /* what comes after it trusts these */
	}
	if (hdr && hdr->kind == ECAP_EV_LINE) {
		const struct ecap_line_event *ev = (const struct ecap_line_event *)copy;

		if (sizeof(*ev) + ev->len > size || ev->row >= N_ROWS)
			abort();
	}
	free(copy);
	return 0;
}
