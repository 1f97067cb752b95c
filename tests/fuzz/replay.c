/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over its corpus without libFuzzer: as a unit test, with any compiler. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_INPUT (1u << 20)

static int replay(const char *dir, const char *name)
{
	static uint8_t input[LARGEST_INPUT];
	char path[4096];
	uint8_t *exact;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f)
		return -1;
	n = fread(input, 1, sizeof(input), f);
	(void)fclose(f);
	exact = malloc(n ? n : 1); /* exactly as long, so that a sanitizer sees reads behind it */
	if (!exact)
		return -1;
	memcpy(exact, input, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	/* and cut at every byte, as far as that is quick */
	for (size_t cut = 0; cut < n && cut < 4096; cut++) {
		uint8_t *part = malloc(cut ? cut : 1);

		if (!part)
			return -1;
		memcpy(part, input, cut);
		(void)LLVMFuzzerTestOneInput(part, cut);
		free(part);
	}
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int n_inputs = 0;
	struct dirent *entry;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

	if (!dir) {
		(void)fprintf(stderr, "usage: replay CORPUS\n");
		return EXIT_FAILURE;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay(argv[1], entry->d_name) < 0)
			return EXIT_FAILURE;
		n_inputs++;
	}
	(void)closedir(dir);
	(void)printf("%u inputs\n", n_inputs);
	return n_inputs ? EXIT_SUCCESS : EXIT_FAILURE;
}
