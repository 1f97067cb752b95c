/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct bpf_link;
struct ecap_kernel;
struct ecap_place;
struct ecap_target;

/* The links that hook one target. They die with us, whatever ends us. */
struct ecap_attachment;

/* What to hook; borrowed. */
struct ecap_attach_spec {
	const struct ecap_target *target; /* for its file and its name */
	const struct ecap_place *places;
	size_t n_places;
	uint32_t pid; /* 0: in all processes */
};

/*
 * Hook all of the places, or none. Logs what failed; -ESRCH, without a word: there is no such
 * process.
 * May wait in the kernel for milliseconds: not for the loop.
 */
int ecap_attach(struct ecap_kernel *k, const struct ecap_attach_spec *spec,
		struct ecap_attachment **ret);
/* Take one link away, the last that was made. Waits in the kernel for a grace period. */
void ecap_attachment_drop_one(struct ecap_attachment *a);
/* Take the link that was made last out of @a; NULL: there is none. It is the caller's. */
struct bpf_link *ecap_attachment_take_one(struct ecap_attachment *a);
/* Whether that one is at returns of functions; their entries were hooked before. */
bool ecap_attachment_ends_with_return(const struct ecap_attachment *a);
/* Take a link away. Waits as ecap_attachment_drop_one(); its breakpoints go at once. */
void ecap_link_free(struct bpf_link *link);
/* Unhook. Waits in the kernel, up to some hundred milliseconds for each link. */
void ecap_attachment_free(struct ecap_attachment *a);
ECAP_DEFINE_FREEP(struct ecap_attachment, ecap_attachment_free)
