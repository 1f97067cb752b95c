/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/diagnose.h"
#include "target/image.h"

/* Code at an address that is in the file, and a pointer there. */
static void check_code(struct ecap_image *img, uint64_t address, size_t size)
{
	struct ecap_import import;
	uint8_t bytes[64];
	uint64_t off = 0;
	ssize_t n = ecap_image_read_code(img, address, bytes, sizeof(bytes));

	if (n < 0 || n > (ssize_t)sizeof(bytes) || ecap_image_offset_of(img, address, &off) < 0 ||
	    off + (uint64_t)n > size)
		abort();
	if (ecap_image_find_import(img, address, &import) == 0 && !import.name)
		abort();
}

static void check_pointers(const struct ecap_image *img)
{
	struct ecap_pointer *all = NULL;
	size_t n = 0;

	if (ecap_image_pointers(img, &all, &n) < 0) {
		if (all || n)
			abort();
		return;
	}
	for (size_t i = 1; i < n; i++) {
		if (all[i].slot <= all[i - 1].slot)
			abort();
	}
	free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = memfd_create("image", MFD_CLOEXEC);
	struct ecap_function f = { 0 };
	char why[256];
	int r;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	r = ecap_image_open(fd, &img);
	if (ecap_diagnose(fd, r, why, sizeof(why)) && strlen(why) > sizeof(why) - 2)
		abort(); /* a message that was cut */
	if (r < 0) {
		if (img)
			abort();
		return 0;
	}
	check_pointers(img);
	if (ecap_image_find_function(img, "here", &f) == 0) {
		if (f.file_off >= size)
			abort(); /* a hook beyond the file */
		check_code(img, f.address, size);
	}
	return 0;
}
