/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Does a stream begin as HTTP/2? The client's preface (RFC 9113 3.4), or a SETTINGS frame on
 * stream 0, which must come first from a server (RFC 9113 3.4, 6.5). Recognition only. The answer
 * for some bytes never changes when more come, save from 0: > 0 yes (so many bytes prove it), 0
 * more bytes decide, -EPROTO no.
 */
int ecap_http2_detect(const uint8_t *p, size_t n);
