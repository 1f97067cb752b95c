/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sinks/event.h"

/*
 * The layout of capture files, as doc/user/formats.md describes it to others. All numbers are
 * little-endian. A file is a sequence of blocks: a head, then a payload.
 *
 * The head is the same in every version, so that any reader can tell which one it looks at. Its
 * check is its own: where only a payload is damaged, the length can still be trusted.
 */
#define ECAP_CAPTURE_MAGIC \
	"\xec"             \
	"ap"
#define ECAP_CAPTURE_VERSION	    1 /* another one can not be read; the byte after the magic */
#define ECAP_CAPTURE_MINOR	    0 /* a higher one adds what may be passed over */
#define ECAP_CAPTURE_HEAD_SIZE	    24
#define ECAP_CAPTURE_AT_VERSION	    3
#define ECAP_CAPTURE_AT_FILE_ID	    4
#define ECAP_CAPTURE_AT_LENGTH	    8
#define ECAP_CAPTURE_AT_TYPE	    12
#define ECAP_CAPTURE_AT_HEAD_CRC    16 /* of all before it */
#define ECAP_CAPTURE_AT_PAYLOAD_CRC 20

/* An event has at most one chunk of 16 KiB, and names. */
#define ECAP_CAPTURE_MAX_PAYLOAD (256u << 10)

/* Numbers are append-only. */
enum ecap_capture_block {
	ECAP_CAPTURE_HEADER = 1,
	ECAP_CAPTURE_DATA = 2,
	ECAP_CAPTURE_LOSS = 3,
	ECAP_CAPTURE_TARGET = 4,
	ECAP_CAPTURE_COMMAND = 5,
	ECAP_CAPTURE_CLOSE = 6,
	ECAP_CAPTURE_IDLE = 7,
	ECAP_CAPTURE_END = 8,
};

/* Every payload begins with these; the strings of struct common follow, then what its type has. */
#define ECAP_CAPTURE_AT_TIME   0
#define ECAP_CAPTURE_AT_CONN   8
#define ECAP_CAPTURE_AT_TID    16
#define ECAP_CAPTURE_AT_PID    20
#define ECAP_CAPTURE_AT_PPID   24
#define ECAP_CAPTURE_AT_UID    28
#define ECAP_CAPTURE_AT_FLAGS  32
#define ECAP_CAPTURE_AT_DIR    34
#define ECAP_CAPTURE_FIXED_LEN 36

/* Flags; append-only. */
#define ECAP_CAPTURE_HAS_PROCESS (1u << 0)
#define ECAP_CAPTURE_HAS_PPID	 (1u << 1)
#define ECAP_CAPTURE_HAS_UID	 (1u << 2)
#define ECAP_CAPTURE_IS_CLOSED	 (1u << 3)
#define ECAP_CAPTURE_HAS_OFF	 (1u << 4)
#define ECAP_CAPTURE_HAS_BYTES	 (1u << 5)
#define ECAP_CAPTURE_IS_INSIDE	 (1u << 6)
#define ECAP_CAPTURE_IS_STEPPED	 (1u << 7)

/* A string is its length in two bytes, its bytes and a NUL; of one that is not known only this. */
#define ECAP_CAPTURE_NO_STRING 0xffffu

/* The longest strings: what Linux allows for a path, and a name of any other kind. */
#define ECAP_CAPTURE_MAX_PATH 4096
#define ECAP_CAPTURE_MAX_NAME 1024

/* CRC-32 as zlib, gzip and PNG have it; tables from zlib, about 2 GB/s. */
uint32_t ecap_capture_crc(const uint8_t *bytes, size_t len);
