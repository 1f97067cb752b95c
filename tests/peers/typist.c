/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A program with functions of readline's names, which needs no terminal: it says "ready PID", waits
 * for a line, and calls readline() for each thing that there is to return. All lines lie at one
 * address, and nothing stands for what readline() calls inside.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONGEST 40000

char *readline(const char *prompt);
int rl_initialize(void);
int rl_insert_text(const char *text);

static char line[LONGEST + 1];
static size_t next;

/* In this order; "" is an empty line, a number stands for so many bytes, NULL for the end. */
static const struct {
	const char *text;
	size_t size;
} lines[] = {
	{ .text = "first" }, { .text = "same address" },
	{ .text = "" },	     { .size = 255 },
	{ .size = 256 },     { .size = 257 },
	{ .size = 1024 },    { .size = 1025 },
	{ .size = 4096 },    { .size = 4097 },
	{ .size = 16384 },   { .size = 16385 },
	{ .size = LONGEST }, { .text = "\xff not UTF-8" },
	{ .text = "never" }, { .text = NULL },
};

#define N_LINES (sizeof(lines) / sizeof(lines[0]))
/* Of this call, instead of a line: an address at which nothing is. */
#define BAD_CALL (N_LINES - 2)

int rl_initialize(void)
{
	return 0;
}

int rl_insert_text(const char *text)
{
	(void)text;
	return 0;
}

__attribute__((noinline)) char *readline(const char *prompt)
{
	size_t i = next++;

	(void)prompt;
	if (i == BAD_CALL)
		return (char *)(uintptr_t)16;
	if (lines[i].size) {
		memset(line, 'x', lines[i].size);
		line[lines[i].size] = '\0';
		return line;
	}
	if (!lines[i].text)
		return NULL;
	memcpy(line, lines[i].text, strlen(lines[i].text) + 1);
	return line;
}

int main(void)
{
	char cue[16];

	printf("ready %d\n", getpid());
	if (fflush(stdout) != 0 || !fgets(cue, sizeof(cue), stdin))
		return 1;
	while (readline("> ") && next < N_LINES)
		;
	return rl_initialize() | rl_insert_text("");
}
