/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry point: aborts if what it was given breaks a promise of the code under test. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
