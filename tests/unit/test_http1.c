/* SPDX-License-Identifier: Apache-2.0 */
/* usage: test_http1 CASES. Set HTTP1_LOG to see what comes out instead of comparing it. */
#include "parsers/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http1_log.h"

#define MAX_STEPS 32
#define MAX_CASES 200

struct http1_case {
	char *what; /* owned, as the bytes of the steps and what is wanted */
	bool is_from_middle;
	bool is_open;
	struct http1_step steps[MAX_STEPS];
	size_t n_steps;
	size_t n_bytes;
	struct ecap_buf want; /* a string */
};

static struct http1_case cases[MAX_CASES];
static size_t n_cases;

/* -------------------------------------------------------------------------------- reading them */

/* Replace \r, \n, \\ and \xNN in @s; returns how many bytes there are. */
static size_t unescape(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		char hex[3] = { 0 };

		if (*p != '\\') {
			*to++ = *p;
			continue;
		}
		p++;
		if (*p == 'x') {
			memcpy(hex, p + 1, 2);
			*to++ = (char)strtol(hex, NULL, 16);
			p += 2;
		} else {
			*to++ = (char)(*p == 'r' ? '\r' : *p == 'n' ? '\n' : *p);
		}
	}
	return (size_t)(to - s);
}

static void read_step(struct http1_case *it, const char *line)
{
	struct http1_step *step = &it->steps[it->n_steps++];
	char *bytes = strdup(line + 2);

	assert_true(it->n_steps <= MAX_STEPS);
	assert_non_null(bytes);
	*step = (struct http1_step){
		.side = line[0] == 'S' || line[0] == 's',
		.joined = line[0] == 'c' || line[0] == 's',
	};
	if (line[1] == '+') {
		step->gap = strtoull(bytes, NULL, 10);
		free(bytes);
		return;
	}
	assert_int_equal(line[1], ' ');
	step->len = unescape(bytes);
	step->bytes = bytes;
	it->n_bytes += step->len;
}

static void read_line(const char *line)
{
	struct http1_case *it = n_cases ? &cases[n_cases - 1] : NULL;

	if (strncmp(line, "== ", 3) == 0) {
		assert_true(n_cases < MAX_CASES);
		it = &cases[n_cases++];
		it->what = strdup(line + 3);
		ecap_buf_init(&it->want, 1 << 20);
	} else if (!it || !line[0] || line[0] == '#') {
		return;
	} else if (line[0] == '>') {
		ecap_buf_puts(&it->want, line + 2);
		ecap_buf_putc(&it->want, '\n');
	} else if (strcmp(line, "middle") == 0) {
		it->is_from_middle = true;
	} else if (strcmp(line, "open") == 0) {
		it->is_open = true;
	} else {
		read_step(it, line);
	}
}

static void read_cases(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t size = 0;
	char *line = NULL;

	if (!f) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	while (getline(&line, &size, f) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		read_line(line);
	}
	free(line);
	(void)fclose(f);
	for (size_t i = 0; i < n_cases; i++)
		ecap_buf_putc(&cases[i].want, '\0');
}

static void free_cases(void)
{
	for (size_t i = 0; i < n_cases; i++) {
		free(cases[i].what);
		ecap_buf_done(&cases[i].want);
		for (size_t k = 0; k < cases[i].n_steps; k++)
			free((char *)(uintptr_t)cases[i].steps[k].bytes);
	}
}

/* --------------------------------------------------------------------------------------- tests */

static void log_case(const struct http1_case *it, size_t cut, bool byte_wise, struct ecap_buf *log)
{
	const struct http1_run run = {
		.limits = ecap_http1_default_limits,
		.from_start = !it->is_from_middle,
		.is_closed = !it->is_open,
		.cut = cut,
		.byte_wise = byte_wise,
	};

	ecap_buf_reset(log);
	http1_log(&run, it->steps, it->n_steps, log, NULL);
	ecap_buf_putc(log, '\0');
	assert_int_equal(log->err, 0);
}

static bool is_as_wanted(const struct http1_case *it, const struct ecap_buf *log)
{
	if (strcmp((const char *)log->data, (const char *)it->want.data) == 0)
		return true;
	print_error("%s:\n--- got\n%s--- want\n%s", it->what, (char *)log->data,
		    (char *)it->want.data);
	return false;
}

static void tells_what_it_should(void **state)
{
	struct ecap_buf log;
	int n_bad = 0;

	(void)state;
	ecap_buf_init(&log, 1 << 20);
	for (size_t i = 0; i < n_cases; i++) {
		log_case(&cases[i], 0, false, &log);
		if (getenv("HTTP1_LOG"))
			printf("== %s\n%s", cases[i].what, (char *)log.data);
		else
			n_bad += !is_as_wanted(&cases[i], &log);
	}
	ecap_buf_done(&log);
	assert_int_equal(n_bad, 0);
}

static void any_split_tells_the_same(void **state)
{
	struct ecap_buf log;

	(void)state;
	ecap_buf_init(&log, 1 << 20);
	for (size_t i = 0; i < n_cases; i++) {
		for (size_t cut = 0; cut < cases[i].n_bytes; cut++) {
			/* cut 0 is none: then every byte is a piece */
			log_case(&cases[i], cut, cut == 0, &log);
			if (!is_as_wanted(&cases[i], &log))
				fail_msg("cut at %zu", cut);
		}
	}
	ecap_buf_done(&log);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_it_should),
		cmocka_unit_test(any_split_tells_the_same),
	};
	int r;

	if (argc != 2)
		return EXIT_FAILURE;
	read_cases(argv[1]);
	r = n_cases ? cmocka_run_group_tests(tests, NULL, NULL) : EXIT_FAILURE;
	free_cases();
	return r;
}
