/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/twins.h"

/* The form that the files of tests/unit/test_twins.c have, from which the corpus is. */
static const struct ecap_twins look = {
	.n_slots = 5,
	.empty = ECAP_TWINS_SLOT(1),
	.same = ECAP_TWINS_SLOT(2),
	.forwards = { { .from = 4, .to = 3, .n_args = 2 } },
	.n_forwards = 1,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
	struct ecap_twins_found found;
	uint64_t off = 0;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (ecap_image_open_any(fd, &img) < 0 || ecap_twins_find(img, &look, &found) < 0)
		return 0;
	for (size_t i = 0; i < look.n_slots; i++) {
		if (look.empty & ECAP_TWINS_SLOT(i))
			continue;
		if (ecap_image_offset_of(img, found.first[i], &off) < 0 || off >= size ||
		    ecap_image_offset_of(img, found.second[i], &off) < 0 || off >= size)
			abort(); /* a hook beyond the file */
	}
	return 0;
}
