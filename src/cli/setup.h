/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Make our process what all that follows relies on: the standard descriptors are there, and there
 * is room for others. After a command was forked, which gets what the caller had. Logs what failed,
 * and returns a negative errno.
 */
int ecap_setup_process(void);
