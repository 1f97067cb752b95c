/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what src/target/code.h, placement.h and twins.h make of a file, as JSON.
 *
 * usage: analyse FILE function SYMBOL
 *        analyse FILE first ADDRESS
 *        analyse FILE twins PROBE
 *        analyse FILE place|apart SYMBOL:HANDLE,BUF,LEN,OUT... [-SYMBOL_WITHOUT_ARGUMENTS...]
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/registry.h"
#include "target/placement.h"
#include "target/twins.h"

static const char *ext_text(uint8_t ext)
{
	static const char *const texts[] = { "whole", "zero", "sign" };

	return ext < ECAP_ARRAY_SIZE(texts) ? texts[ext] : "?";
}

static void print_first(const struct ecap_code_insn *first, uint8_t n)
{
	(void)printf("\"first\": [");
	for (uint8_t i = 0; i < n; i++)
		(void)printf("%s{\"address\": %" PRIu64 ", \"len\": %u, \"kind\": \"%s\", "
			     "\"intact\": %s}",
			     i ? ", " : "", first[i].address, first[i].len,
			     ecap_code_kind_text(first[i].kind),
			     first[i].intact ? "true" : "false");
	(void)printf("]");
}

static void print_call(const struct ecap_code_call *call, bool resolves, uint64_t slot)
{
	(void)printf("{\"address\": %" PRIu64 ", \"returns_to\": %" PRIu64 ", \"target\": %" PRIu64
		     ", \"slot\": %" PRIu64 ", \"may_get\": %u, \"args\": [",
		     call->address, call->returns_to, call->target, resolves ? slot : call->slot,
		     call->may_get);
	for (size_t i = 0; i < ECAP_CODE_N_ARGS; i++) {
		const struct ecap_code_arg *arg = &call->args[i];

		(void)printf("%s", i ? ", " : "");
		if (arg->local)
			(void)printf("\"local\"");
		else if (arg->from)
			(void)printf("[%u, \"%s\"]", arg->from, ext_text(arg->ext));
		else
			(void)printf("null");
	}
	(void)printf("]}");
}

static int print_function(struct ecap_image *img, struct ecap_code *code, const char *name)
{
	struct ecap_code_function f;
	struct ecap_function where;
	int r;

	r = ecap_image_find_function(img, name, &where);
	if (r == 0)
		r = ecap_code_analyse(code, where.address, where.size, &f);
	if (r < 0)
		return r;
	(void)printf("{\"address\": %" PRIu64 ", \"gap\": \"%s\", \"may_store\": %u, "
		     "\"n_insns\": %u, ",
		     f.address, ecap_code_gap_text(f.gap), f.may_store, f.n_insns);
	print_first(f.first, f.n_first);
	(void)printf(", \"calls\": [");
	for (uint16_t i = 0; i < f.n_calls; i++) {
		uint64_t slot = 0;
		bool stub =
			f.calls[i].target && ecap_code_stub(code, f.calls[i].target, &slot) == 1;

		(void)printf("%s", i ? ", " : "");
		print_call(&f.calls[i], stub, slot);
	}
	(void)printf("]}\n");
	return 0;
}

static int print_code(int fd, const char *what, const char *name)
{
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	ecap_cleanup(ecap_code_freep) struct ecap_code *code = NULL;
	struct ecap_code_insn first[ECAP_CODE_N_FIRST];
	struct ecap_code_source source;
	int r;

	r = ecap_image_open_any(fd, &img);
	if (r < 0)
		return r;
	source = (struct ecap_code_source){
		.arch = ecap_image_arch(img),
		.read = ecap_image_read_code,
		.arg = img,
	};
	r = ecap_code_open(&source, &code);
	if (r < 0)
		return r;
	if (strcmp(what, "function") == 0)
		return print_function(img, code, name);
	r = ecap_code_first(code, strtoull(name, NULL, 0), first);
	if (r < 0)
		return r;
	(void)printf("{");
	print_first(first, (uint8_t)r);
	(void)printf("}\n");
	return 0;
}

static void print_callers(const struct ecap_placement *p, const struct ecap_placement_group *group)
{
	const char *sep = "";

	(void)printf("\"callers\": {");
	for (uint8_t i = 0; i < group->n_functions; i++) {
		const struct ecap_placement_caller *c = &p->callers[i];

		if (!c->present)
			continue;
		(void)printf("%s\"%s\": {\"begins\": \"%s\", \"via\": ", sep,
			     group->functions[i].symbol, ecap_code_kind_text(c->kind));
		if (c->via >= 0)
			(void)printf("\"%s\"", group->functions[c->via].symbol);
		else
			(void)printf("null");
		(void)printf(", \"returns\": [");
		for (uint8_t n = 0; n < c->n_returns; n++)
			(void)printf("%s%" PRIu64, n ? ", " : "", c->returns[n].place.address);
		(void)printf("], \"frames\": [");
		for (uint8_t n = 0; n < c->n_returns; n++)
			(void)printf("%s[%u, %u]", n ? ", " : "", c->returns[n].frame,
				     c->returns[n].link);
		(void)printf("]}");
		sep = ", ";
	}
	(void)printf("}");
}

/* The largest memory of this program so far. (What getrusage() says includes our parent's.) */
static unsigned long peak_kilobytes(void)
{
	unsigned long peak = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmHWM: %lu kB", &peak) == 1)
			break;
	}
	if (f)
		(void)fclose(f);
	return peak;
}

static void print_placement(const struct ecap_placement *p,
			    const struct ecap_placement_group *group, uint64_t us)
{
	static const char *const kinds[] = { "unproven", "callee" };

	(void)printf("{\"kind\": \"%s\", \"reason\": \"%s\", \"us\": %" PRIu64
		     ", \"peak_kb\": %lu, "
		     "\"args\": [%u, %u, %u, %u], \"places\": [",
		     kinds[p->kind], p->reason, us, peak_kilobytes(), p->args.handle, p->args.buf,
		     p->args.len, p->args.out);
	for (uint8_t i = 0; i < p->n_places; i++)
		(void)printf("%s{\"address\": %" PRIu64 ", \"file_off\": %" PRIu64
			     ", \"kind\": \"%s\"}",
			     i ? ", " : "", p->places[i].address, p->places[i].file_off,
			     ecap_code_kind_text(p->places[i].kind));
	(void)printf("], ");
	print_callers(p, group);
	(void)printf("}\n");
}

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int print_place(int fd, bool apart, char **words, int n_words)
{
	struct ecap_placement_function functions[ECAP_PLACEMENT_MAX_FUNCTIONS] = { 0 };
	const char *no_args[16] = { NULL };
	struct ecap_placement_group group = { .functions = functions, .no_args = no_args };
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	const struct ecap_patience patience = { .ms = 60000, .stop_fd = -1 };
	struct ecap_placement p;
	uint64_t before = now_us();
	size_t n_no_args = 0;
	int r;

	for (int i = 0; i < n_words; i++) {
		struct ecap_placement_function *f = &functions[group.n_functions];
		char *colon = strchr(words[i], ':');

		if (words[i][0] == '-' && n_no_args < ECAP_ARRAY_SIZE(no_args) - 1) {
			no_args[n_no_args++] = words[i] + 1;
			continue;
		}
		if (!colon || group.n_functions == ECAP_PLACEMENT_MAX_FUNCTIONS ||
		    sscanf(colon, ":%hhu,%hhu,%hhu,%hhu", &f->args.handle, &f->args.buf,
			   &f->args.len, &f->args.out) != 4)
			return -EINVAL;
		*colon = 0;
		f->symbol = words[i];
		group.n_functions++;
	}
	r = ecap_image_open_any(fd, &img);
	if (r == 0)
		r = apart ? ecap_placement_find_isolated(fd, img, &group, 1, &patience, &p) :
			    ecap_placement_find(img, &group, &p);
	if (r == 0)
		print_placement(&p, &group, now_us() - before);
	return r;
}

static const struct ecap_probe_desc *find_probe(const char *name)
{
	uint32_t row;

	for (size_t i = 0; i < ecap_registry_n_probes(); i++) {
		const struct ecap_probe_desc *probe = ecap_registry_get_probe(i, &row);

		if (strcmp(probe->name, name) == 0)
			return probe;
	}
	return NULL;
}

static void print_table(const char *name, const uint64_t *functions, uint8_t n)
{
	(void)printf("\"%s\": [", name);
	for (uint8_t i = 0; i < n; i++)
		(void)printf("%s%" PRIu64, i ? ", " : "", functions[i]);
	(void)printf("]");
}

/* The tables, or how looking for them failed; and which function each hook is placed at. */
static int print_twins(int fd, const char *name)
{
	const struct ecap_probe_desc *probe = find_probe(name);
	ecap_cleanup(ecap_image_freep) struct ecap_image *img = NULL;
	struct ecap_twins_found found = { 0 };
	const char *sep = "";
	int r;

	if (!probe || !probe->twins)
		return -EINVAL;
	r = ecap_image_open_any(fd, &img);
	if (r < 0)
		return r;
	r = ecap_twins_find(img, probe->twins, &found);
	(void)printf("{\"error\": %d, \"recognised\": %s, ", -r,
		     probe->recognise(img) ? "true" : "false");
	print_table("first", found.first, probe->twins->n_slots);
	(void)printf(", ");
	print_table("second", found.second, probe->twins->n_slots);
	(void)printf(", \"hooks\": {");
	for (size_t i = 0; i < probe->n_hooks; i++) {
		const struct ecap_hook *h = &probe->hooks[i];

		(void)printf("%s\"%s\": %" PRIu64, sep, h->symbol,
			     h->by == ECAP_BY_FIRST_TWIN ? found.first[h->slot] :
							   found.second[h->slot]);
		sep = ", ";
	}
	(void)printf("}}\n");
	return 0;
}

int main(int argc, char **argv)
{
	ecap_autoclose int fd = argc < 4 ? -1 : open(argv[1], O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		(void)fprintf(stderr, "usage: analyse FILE function|first|twins|place|apart ...\n");
		return EXIT_FAILURE;
	}
	if (strcmp(argv[2], "place") == 0 || strcmp(argv[2], "apart") == 0)
		r = print_place(fd, argv[2][0] == 'a', argv + 3, argc - 3);
	else if (strcmp(argv[2], "twins") == 0)
		r = print_twins(fd, argv[3]);
	else
		r = print_code(fd, argv[2], argv[3]);
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", argv[1], strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
