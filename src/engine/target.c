/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/registry.h"
#include "target/image.h"

void ecap_target_free(struct ecap_target *t)
{
	if (!t)
		return;
	if (t->fd >= 0)
		(void)close(t->fd);
	free(t->path);
	free(t->places);
	free(t);
}

/* Two names of one function get one hook: the first row's. */
static bool has_place(const struct ecap_target *t, uint64_t file_off)
{
	for (size_t i = 0; i < t->n_places; i++) {
		if (t->places[i].file_off == file_off)
			return true;
	}
	return false;
}

static int resolve_places(struct ecap_target *t, struct ecap_image *img, uint32_t first_row)
{
	const struct ecap_probe_desc *probe = t->probe;
	struct ecap_function f;
	int r;

	t->places = calloc(probe->n_hooks, sizeof(*t->places));
	if (!t->places)
		return -ENOMEM;
	for (size_t i = 0; i < probe->n_hooks; i++) {
		r = ecap_image_find_function(img, probe->hooks[i].symbol, &f);
		if (r == -ENOENT && !probe->hooks[i].required)
			continue;
		if (r < 0)
			return r;
		if (has_place(t, f.file_off))
			continue;
		t->places[t->n_places++] = (struct ecap_place){
			.row = first_row + (uint32_t)i,
			.file_off = f.file_off,
		};
	}
	return 0;
}

int ecap_target_resolve(int fd, const char *path, struct ecap_target **ret)
{
	ecap_cleanup(ecap_target_freep) struct ecap_target *t = NULL;
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	uint32_t first_row = 0;
	int r;

	r = ecap_image_open(fd, &img);
	if (r < 0)
		return r;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->fd = -1;
	for (size_t i = 0; i < ecap_registry_n_probes() && !t->probe; i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &first_row);

		if (probe->recognise(img))
			t->probe = probe;
	}
	if (!t->probe)
		return -ENOENT;
	r = resolve_places(t, img, first_row);
	if (r < 0)
		return r;
	t->path = strdup(path);
	if (!t->path)
		return -ENOMEM;

	t->fd = fd;
	*ret = ecap_take_ptr(t);
	return 0;
}
