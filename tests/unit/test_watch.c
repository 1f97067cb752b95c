/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "target/watch.h"

/* As perf_event_open(2) lays it out; the time is what sample_id_all adds. */
struct record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t address, length, page_offset;
	uint32_t dev_major, dev_minor;
	uint64_t ino, generation;
	uint32_t protection, flags;
	char path[24];
	uint64_t time;
};

static struct record make(void)
{
	return (struct record){
		.header = { .type = PERF_RECORD_MMAP2, .size = sizeof(struct record) },
		.pid = 12,
		.tid = 13,
		.address = 0x7f0000001000,
		.length = 0x2000,
		.dev_major = 254,
		.dev_minor = 3,
		.ino = 4711,
		.generation = 99,
		.protection = PROT_READ | PROT_EXEC,
		.path = "/usr/lib/libssl.so.3",
		.time = 123456789,
	};
}

static void records_are_parsed(void **state)
{
	struct record rec = make();
	struct ecap_arrival got;

	(void)state;
	assert_true(ecap_arrival_parse(&rec, sizeof(rec), &got));
	assert_int_equal(got.pid, 12);
	assert_int_equal(got.ts_ns, 123456789);
	assert_int_equal(got.generation, 99);
	assert_int_equal(got.map.start, 0x7f0000001000);
	assert_int_equal(got.map.end, 0x7f0000003000);
	assert_int_equal(got.map.dev_major, 254);
	assert_int_equal(got.map.dev_minor, 3);
	assert_int_equal(got.map.ino, 4711);
	assert_string_equal(got.map.path, "/usr/lib/libssl.so.3");
}

static void others_are_left_out(void **state)
{
	struct ecap_arrival got;
	struct record rec;

	(void)state;
#define REFUSED(change)                                                    \
	do {                                                               \
		rec = make();                                              \
		change;                                                    \
		assert_false(ecap_arrival_parse(&rec, sizeof(rec), &got)); \
	} while (0)
	REFUSED(rec.header.type = PERF_RECORD_COMM);
	REFUSED(rec.header.size--);
	REFUSED(rec.protection = PROT_READ);
	REFUSED(rec.pid = 0); /* of another pid namespace */
	REFUSED(rec.ino = 0);
	REFUSED(memcpy(rec.path, "//anon", sizeof("//anon")));
	REFUSED(memcpy(rec.path, "[vdso]", sizeof("[vdso]")));
	REFUSED(memset(rec.path, 'x', sizeof(rec.path))); /* without an end */
#undef REFUSED
}

static void cut_off_records_are_left_out(void **state)
{
	struct record rec = make();
	struct ecap_arrival got;

	(void)state;
	for (uint16_t size = sizeof(rec.header); size < sizeof(rec); size++) {
		rec.header.size = size;
		/* what follows the path, or a part of it, may pass for the time */
		if (ecap_arrival_parse(&rec, size, &got))
			assert_true(memchr(rec.path, 0, size - offsetof(struct record, path) - 8));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_parsed),
		cmocka_unit_test(others_are_left_out),
		cmocka_unit_test(cut_off_records_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
