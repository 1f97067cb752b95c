/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "capture_log.h"
#include "sinks/capture_format.h"
#include "sinks/capture_reader.h"

#define MAX_LOG (64u << 20)

static void repair(uint8_t *bytes, uint32_t crc)
{
	for (unsigned int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(crc >> 8 * i);
}

/* Make the checks of all blocks right, as far as their lengths go, so that what follows counts. */
static void repair_all(uint8_t *bytes, size_t size)
{
	size_t at = 0;

	while (size - at >= ECAP_CAPTURE_HEAD_SIZE) {
		uint8_t *head = bytes + at;
		size_t len = head[ECAP_CAPTURE_AT_LENGTH] | head[ECAP_CAPTURE_AT_LENGTH + 1] << 8;

		at += ECAP_CAPTURE_HEAD_SIZE;
		if (len > size - at)
			break;
		repair(head + ECAP_CAPTURE_AT_HEAD_CRC,
		       ecap_capture_crc(head, ECAP_CAPTURE_AT_HEAD_CRC));
		repair(head + ECAP_CAPTURE_AT_PAYLOAD_CRC, ecap_capture_crc(bytes + at, len));
		at += len;
	}
}

/* The same comes out however the file is cut, and no byte is forgotten. */
static void check(const uint8_t *data, size_t size)
{
	struct ecap_capture_totals whole, pieces;
	struct ecap_buf whole_log, pieces_log;
	int r;

	ecap_buf_init(&whole_log, MAX_LOG);
	ecap_buf_init(&pieces_log, MAX_LOG);
	r = capture_log(data, size, 0, 0, &whole_log, &whole);
	if (capture_log(data, size, size / 2, 1 + size / 7, &pieces_log, &pieces) != r ||
	    whole_log.len != pieces_log.len ||
	    (whole_log.len && memcmp(whole_log.data, pieces_log.data, whole_log.len) != 0))
		abort();
	if (r == 0 && (whole.bytes != size || pieces.bytes != size || whole.skipped > size ||
		       whole.skipped != pieces.skipped))
		abort();
	ecap_buf_done(&whole_log);
	ecap_buf_done(&pieces_log);
}

/* A first byte that is odd: with checks made right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ecap_autofree uint8_t *copy = NULL;

	if (!size)
		return 0;
	copy = malloc(size);
	if (!copy)
		abort();
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		repair_all(copy, size - 1);
	check(copy, size - 1);
	return 0;
}
