/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Uses the library of pretender.c: COUNT rounds of CALLS, of which each letter is one: w is
 * SSL_write(), x SSL_write_ex(), both of 100 bytes, r SSL_read() of 60; and one message past the
 * public functions. Says what the calls returned.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct ssl_st;

int SSL_read(struct ssl_st *s, void *buf, int num);
int SSL_write(struct ssl_st *s, const void *buf, int num);
int SSL_write_ex(struct ssl_st *s, const void *buf, size_t num, size_t *done);
int pretender_write(struct ssl_st *s, const void *buf, size_t num);
void SSL_free(struct ssl_st *s);

static int call(struct ssl_st *s, char what, char *buf)
{
	size_t done = 0;

	if (what == 'w')
		return SSL_write(s, buf, 100);
	if (what == 'x')
		return SSL_write_ex(s, buf, 100, &done) > 0 ? (int)done : -1;
	return SSL_read(s, buf, 60);
}

int main(int argc, char **argv)
{
	struct ssl_st *s = calloc(1, 4096);
	char line[16], buf[100] = "";

	if (argc != 3 || !s)
		return 2;
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	printf("{\"pid\": %d, \"returned\": [", (int)getpid());
	for (long i = strtol(argv[1], NULL, 10); i > 0; i--) {
		buf[0] = (char)('a' + i % 26);
		for (const char *what = argv[2]; *what; what++)
			printf("%d, ", call(s, *what, buf));
	}
	printf("%d]}\n", pretender_write(s, "past", 4));
	SSL_free(s);
	free(s);
	return 0;
}
