/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target/ldcache.h"

struct seen {
	char paths[4][32];
	size_t n;
	int stop_after;
};

static int note(const char *path, void *arg)
{
	struct seen *s = arg;

	assert_true(s->n < 4);
	strncpy(s->paths[s->n++], path, sizeof(s->paths[0]) - 1);
	return s->stop_after && (int)s->n >= s->stop_after ? 7 : 0;
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* A cache of two libraries, built by hand from the format's description. */
static size_t make_cache(uint8_t *buf, int with_old_part)
{
	static const char strings[] = "liba.so\0/lib/liba.so\0libb.so\0/lib/libb.so";
	uint8_t *p = buf;

	if (with_old_part) {
		memcpy(p, "ld.so-1.7.0", 11);
		p[11] = 0;
		put32(p + 12, 1); /* one entry of 12 bytes: 16 + 12, aligned to 32 */
		memset(p + 16, 0, 16);
		p += 32;
	}
	memset(p, 0, 48 + 2 * 24);
	memcpy(p, "glibc-ld.so.cache1.1", 20);
	put32(p + 20, 2);
	put32(p + 24, sizeof(strings));
	put32(p + 48 + 4, 96);
	put32(p + 48 + 8, 96 + 8);
	put32(p + 72 + 4, 96 + 21);
	put32(p + 72 + 8, 96 + 29);
	memcpy(p + 96, strings, sizeof(strings));
	return (size_t)(p - buf) + 96 + sizeof(strings);
}

static void paths_are_walked(void **state)
{
	uint8_t buf[512];

	(void)state;
	for (int old = 0; old < 2; old++) {
		struct seen s = { 0 };
		size_t size = make_cache(buf, old);

		assert_int_equal(ecap_ldcache_walk(buf, size, note, &s), 0);
		assert_int_equal(s.n, 2);
		assert_string_equal(s.paths[0], "/lib/liba.so");
		assert_string_equal(s.paths[1], "/lib/libb.so");
	}
}

static void a_callback_ends_the_walk(void **state)
{
	struct seen s = { .stop_after = 1 };
	uint8_t buf[512];
	size_t size = make_cache(buf, 0);

	(void)state;
	assert_int_equal(ecap_ldcache_walk(buf, size, note, &s), 7);
	assert_int_equal(s.n, 1);
}

/* A block of exactly @size bytes, so that a sanitizer sees any read behind it. */
static int walk_exact(const uint8_t *data, size_t size, struct seen *s)
{
	uint8_t *copy = malloc(size ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, data, size);
	r = ecap_ldcache_walk(copy, size, note, s);
	free(copy);
	return r;
}

static void damage_is_refused(void **state)
{
	uint8_t buf[512], bad[512];
	size_t size = make_cache(buf, 0);

	(void)state;
	for (size_t n = 0; n < size; n++) {
		struct seen s = { 0 };

		assert_int_equal(walk_exact(buf, n, &s), -EBADMSG);
	}
	for (size_t at = 0; at < size; at++) { /* any byte may be anything: no crash */
		struct seen s = { .stop_after = 3 };

		memcpy(bad, buf, size);
		bad[at] = 0xff;
		(void)walk_exact(bad, size, &s);
	}
	size = make_cache(buf, 1);
	put32(buf + 12, UINT32_MAX);
	assert_int_equal(walk_exact(buf, size, &(struct seen){ 0 }), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_walked),
		cmocka_unit_test(a_callback_ends_the_walk),
		cmocka_unit_test(damage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
