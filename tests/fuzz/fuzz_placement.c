/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/placement.h"

static const struct ecap_placement_group group = {
	.functions =
		(const struct ecap_placement_function[]){
			{ .symbol = "plain", .args = { .handle = 1, .buf = 2, .len = 3 } },
			{ .symbol = "full", .args = { .handle = 1, .buf = 2, .len = 3, .out = 4 } },
			{ .symbol = "full2",
			  .args = { .handle = 1, .buf = 2, .len = 3, .out = 5 } },
		},
	.n_functions = 3,
	.no_args = (const char *const[]){ "nothing", NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
	struct ecap_placement p;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (ecap_image_open_any(fd, &img) < 0)
		return 0;
	if (ecap_placement_find(img, &group, &p) == 0 && !ecap_placement_is_sane(&p, img, &group))
		abort(); /* an answer that its reader would refuse */
	return 0;
}
