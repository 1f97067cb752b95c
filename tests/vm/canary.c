/* SPDX-License-Identifier: Apache-2.0 */
/* Loads one BPF object and says what came of it; libbpf's reasons are on standard error. */
#include <errno.h>
#include <stdio.h>

#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: canary OBJECT\n");
		return 2;
	}
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj) {
		fprintf(stderr, "%s: cannot be opened: %d\n", argv[1], -errno);
		return 2;
	}
	r = bpf_object__load(obj);
	bpf_object__close(obj);
	printf("load: %d\n", r);
	return r ? 1 : 0;
}
