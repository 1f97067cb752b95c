/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
	struct ecap_function f = { 0 };

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (ecap_image_open(fd, &img) < 0) {
		if (img)
			abort();
		return 0;
	}
	if (ecap_image_find_function(img, "here", &f) == 0 && f.file_off >= size)
		abort(); /* a hook beyond the file */
	return 0;
}
