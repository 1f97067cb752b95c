/* SPDX-License-Identifier: Apache-2.0 */

/* Uses the library of pretender.c: COUNT writes of 100 bytes each, as many reads, and one message
 * past the public functions. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct ssl_st;

int SSL_read(struct ssl_st *s, void *buf, int num);
int SSL_write(struct ssl_st *s, const void *buf, int num);
int pretender_write(struct ssl_st *s, const void *buf, size_t num);
void SSL_free(struct ssl_st *s);

int main(int argc, char **argv)
{
	struct ssl_st *s = calloc(1, 4096);
	char line[16], buf[100] = "";

	if (argc != 2 || !s)
		return 2;
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	for (long i = strtol(argv[1], NULL, 10); i > 0; i--) {
		buf[0] = (char)('a' + i % 26);
		if (SSL_write(s, buf, sizeof(buf)) != 50 || SSL_read(s, buf, 60) != 60)
			return 1;
	}
	if (pretender_write(s, "past", 4) != 4)
		return 1;
	SSL_free(s);
	free(s);
	printf("{\"pid\": %d}\n", (int)getpid());
	return 0;
}
