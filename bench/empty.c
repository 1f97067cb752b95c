/* SPDX-License-Identifier: Apache-2.0 */

/*
 * empty LIBRARY FUNCTION...
 * empty LIBRARY --inside: attaches an empty entry and return hook to each function, or to the
 * functions inside the library that ecapture would hook, the way it attaches its own (one uprobe
 * multi link for each side), prints "ready PID" and holds them until its standard input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "empty.skel.h"
#include "engine/target.h"
#include "target/image.h"

#define MAX_FUNCTIONS 16

static int resolve(const char *path, char **names, size_t n, unsigned long *ret_offsets)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : ecap_image_open(fd, &img);

	for (size_t i = 0; !r && i < n; i++) {
		struct ecap_function fn;

		r = ecap_image_find_function(img, names[i], &fn);
		if (!r)
			ret_offsets[i] = fn.file_off;
	}
	return r;
}

/* The last place is the one after a mark for branches, if there is one. */
static int resolve_inside(const char *path, unsigned long *ret_offsets, size_t *ret_n)
{
	struct ecap_budget budget = { .left_ms = ECAP_BUDGET_MS, .stop_fd = -1 };
	ecap_cleanup(ecap_target_freep) struct ecap_target *t = NULL;
	ecap_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct ecap_selection all = { .kind = ECAP_PROBE_TLS };
	int r = fd < 0 ? -errno : ecap_target_resolve(fd, path, &all, &budget, &t);

	if (r < 0 || !t)
		return r;
	(void)ecap_take_fd(fd);
	ecap_target_analyse(t, &budget);
	(void)ecap_take_fd(fd);
	for (size_t i = 0; i < t->n_inners; i++)
		ret_offsets[i] = t->inners[i].places[t->inners[i].n_places - 1].file_off;
	*ret_n = t->n_inners;
	return t->n_inners ? 0 : -ENOENT;
}

static int attach(struct empty_bpf *skel, const char *path, const unsigned long *offsets, size_t n)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = offsets, .cnt = n, .retprobe = true);

	skel->links.empty_return =
		bpf_program__attach_uprobe_multi(skel->progs.empty_return, -1, path, NULL, &opts);
	opts.retprobe = false;
	skel->links.empty_entry =
		bpf_program__attach_uprobe_multi(skel->progs.empty_entry, -1, path, NULL, &opts);
	return skel->links.empty_return && skel->links.empty_entry ? 0 : -errno;
}

int main(int argc, char **argv)
{
	unsigned long offsets[MAX_FUNCTIONS];
	struct empty_bpf *skel;
	size_t n = argc > 2 ? (size_t)argc - 2 : 0;
	char c;
	int r;

	if (!n || n > MAX_FUNCTIONS) {
		(void)fprintf(stderr, "usage: empty LIBRARY FUNCTION... | --inside\n");
		return 2;
	}
	if (strcmp(argv[2], "--inside") == 0)
		r = resolve_inside(argv[1], offsets, &n);
	else
		r = resolve(argv[1], argv + 2, n, offsets);
	skel = r ? NULL : empty_bpf__open_and_load();
	if (!r)
		r = skel ? attach(skel, argv[1], offsets, n) : -errno;
	if (r) {
		(void)fprintf(stderr, "empty: cannot hook %s: error %d\n", argv[1], -r);
	} else {
		printf("ready %d\n", (int)getpid());
		(void)fflush(stdout);
		while (read(STDIN_FILENO, &c, 1) > 0)
			;
	}
	empty_bpf__destroy(skel);
	return r ? 1 : 0;
}
