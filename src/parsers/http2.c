/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/http2.h"

#include <errno.h>
#include <string.h>

#define FRAME_HEAD   9
#define SETTINGS     0x4
#define SETTING_SIZE 6
/* RFC 9113 and its extensions know about ten settings; this is generous. */
#define MAX_SETTINGS_SIZE (40 * SETTING_SIZE)

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* Is byte @i of a first frame possible? Length (3), type, flags, stream (4). */
static int settings_byte(const uint8_t *p, size_t i)
{
	switch (i) {
	case 2:
		return p[i] % SETTING_SIZE == 0 && p[i] <= MAX_SETTINGS_SIZE;
	case 3:
		return p[i] == SETTINGS;
	default:
		return p[i] == 0; /* an acknowledgement (flag 1) does not come first */
	}
}

int ecap_http2_detect(const uint8_t *p, size_t n)
{
	const size_t n_preface = sizeof(preface) - 1;

	if (!n)
		return 0;
	if (p[0] == (uint8_t)preface[0]) {
		if (memcmp(p, preface, n < n_preface ? n : n_preface) != 0)
			return -EPROTO;
		return n < n_preface ? 0 : (int)n_preface;
	}
	for (size_t i = 0; i < n && i < FRAME_HEAD; i++) {
		if (!settings_byte(p, i))
			return -EPROTO;
	}
	return n < FRAME_HEAD ? 0 : FRAME_HEAD;
}
