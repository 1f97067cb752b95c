/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads each program of BPF objects by itself, in each way in which it may be attached, and says
 * what the kernel's verifier made of it: a line for each, its fields separated by tabs:
 * object, program, way, result (0 or an errno), verified instructions, the last line of the log.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LOG_SIZE		  (1 << 20)
#define LOG_ERRORS_AND_STATISTICS 4 /* BPF_LOG_STATS, Linux 5.2 */

/* Not 0: programs that are attached without cookies know their row from read-only data. */
#define SOME_ROW 1

enum way { WAY_PERF, WAY_PERF_COOKIE, WAY_MULTI, WAY_ONLY, WAY_COUNT };

static const char *const way_names[] = {
	[WAY_PERF] = "perf",
	[WAY_PERF_COOKIE] = "perf-cookie",
	[WAY_MULTI] = "multi",
	[WAY_ONLY] = "-",
};

static char log_text[LOG_SIZE];

/* Tables need not be large to be verified, and large ones take an emulated machine long. */
static void shrink_maps(struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_HASH)
			(void)bpf_map__set_max_entries(map, 16);
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			(void)bpf_map__set_max_entries(map, 1 << 16);
	}
}

/* Say in the object's read-only data, if it has any, which row it is for. */
static void set_row(struct bpf_object *obj, __u32 row)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		const char *name = bpf_map__name(map);
		size_t size = 0;
		__u32 *value = bpf_map__initial_value(map, &size);

		if (value && size == sizeof(row) && strstr(name, ".rodata"))
			*value = row;
	}
}

/* The last line of the log that gives a reason, and the number of instructions. */
static const char *read_log(unsigned long *ret_insns)
{
	const char *processed = strstr(log_text, "processed ");
	const char *reason = "";
	char *line, *at = log_text;

	*ret_insns = processed ? strtoul(processed + strlen("processed "), NULL, 10) : 0;
	while ((line = strsep(&at, "\n"))) {
		if (*line && strncmp(line, "processed ", 10) != 0 &&
		    strncmp(line, "verification time", 17) != 0 && strncmp(line, "stack depth", 11))
			reason = line;
	}
	return reason;
}

static int load_one(const char *path, const char *name, enum way way)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	unsigned long insns;
	const char *reason;
	int r;

	if (!obj)
		return -errno;
	shrink_maps(obj);
	if (way == WAY_PERF)
		set_row(obj, SOME_ROW);
	bpf_object__for_each_program(prog, obj) {
		bool wanted = strcmp(bpf_program__name(prog), name) == 0;

		(void)bpf_program__set_autoload(prog, wanted);
		if (!wanted)
			continue;
		log_text[0] = '\0';
		(void)bpf_program__set_log_level(prog, LOG_ERRORS_AND_STATISTICS);
		(void)bpf_program__set_log_buf(prog, log_text, sizeof(log_text));
		if (way == WAY_MULTI)
			(void)bpf_program__set_expected_attach_type(prog, BPF_TRACE_UPROBE_MULTI);
	}
	r = bpf_object__load(obj);
	reason = read_log(&insns);
	printf("%s\t%s\t%s\t%d\t%lu\t%s\n", path, name, way_names[way], -r, insns, r ? reason : "");
	(void)fflush(stdout);
	bpf_object__close(obj);
	return 0;
}

static int load_all(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	int r = obj ? 0 : -errno;

	if (r < 0) {
		printf("%s\t-\t-\t%d\t0\tcannot be opened\n", path, -r);
		return r;
	}
	bpf_object__for_each_program(prog, obj) {
		bool is_uprobe = bpf_program__type(prog) == BPF_PROG_TYPE_KPROBE;

		for (int way = 0; way < WAY_COUNT; way++) {
			if (is_uprobe == (way != WAY_ONLY))
				r |= load_one(path, bpf_program__name(prog), (enum way)way);
		}
	}
	bpf_object__close(obj);
	return r;
}

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int main(int argc, char **argv)
{
	int r = 0;

	(void)libbpf_set_print(be_silent);
	for (int i = 1; i < argc; i++)
		r |= load_all(argv[i]);
	return r ? 1 : 0;
}
