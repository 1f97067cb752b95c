/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"

struct ecap_kernel;
struct ecap_target;

/* The links that hook one target. They die with us, whatever ends us. */
struct ecap_attachment;

/*
 * Hook all places of @target, or none of them, in process @pid; 0: in all processes. The target is
 * only needed during the call. Logs what failed; -ESRCH, without a word: there is no such process.
 * May wait in the kernel for milliseconds: not for the loop.
 */
int ecap_attach(struct ecap_kernel *k, const struct ecap_target *target, uint32_t pid,
		struct ecap_attachment **ret);
/* Take one link away, the last that was made. Waits in the kernel for a grace period. */
void ecap_attachment_drop_one(struct ecap_attachment *a);
/* Unhook. Waits in the kernel, up to some hundred milliseconds for each link. */
void ecap_attachment_free(struct ecap_attachment *a);
ECAP_DEFINE_FREEP(struct ecap_attachment, ecap_attachment_free)
