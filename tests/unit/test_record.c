/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/event.h"
#include "engine/record.h"

#define N_ROWS 3

/* A valid data record with @len bytes behind it. */
static size_t make_data(uint8_t *buf, uint32_t len)
{
	struct ecap_data_event ev = {
		.hdr = { .kind = ECAP_EV_DATA, .size = (uint32_t)sizeof(ev) + len },
		.total = len,
		.len = len,
		.row = N_ROWS - 1,
		.dir = ECAP_RECV,
	};

	memcpy(buf, &ev, sizeof(ev));
	return sizeof(ev) + len;
}

/* A valid line with @len bytes. */
static size_t make_line(uint8_t *buf, uint32_t len)
{
	struct ecap_line_event ev = {
		.hdr = { .kind = ECAP_EV_LINE, .size = (uint32_t)sizeof(ev) + len },
		.len = len,
		.row = N_ROWS - 1,
	};

	memcpy(buf, &ev, sizeof(ev));
	return sizeof(ev) + len;
}

static const struct ecap_event_hdr *check(const void *data, size_t size)
{
	return ecap_record_check(data, size, N_ROWS);
}

static void valid_records_pass(void **state)
{
	_Alignas(8) uint8_t buf[sizeof(struct ecap_data_event) + ECAP_CHUNK_SIZE];
	struct ecap_loss_event loss = { .hdr = { .kind = ECAP_EV_LOSS, .size = sizeof(loss) } };
	struct ecap_conn_end_event end = { .hdr = { .kind = ECAP_EV_CONN_END,
						    .size = sizeof(end) } };
	struct ecap_proc_event proc = { .hdr = { .kind = ECAP_EV_PROC_END, .size = sizeof(proc) } };
	size_t size;

	(void)state;
	memset(buf, 0, sizeof(buf));
	size = make_data(buf, 1);
	assert_ptr_equal(check(buf, size), buf);
	assert_ptr_equal(check(buf, size + 200), buf); /* size classes leave room behind it */
	size = make_data(buf, ECAP_CHUNK_SIZE);
	assert_ptr_equal(check(buf, size), buf);
	size = make_line(buf, 1);
	assert_ptr_equal(check(buf, size), buf);
	assert_ptr_equal(check(buf, size + 200), buf);
	size = make_line(buf, ECAP_CHUNK_SIZE);
	assert_ptr_equal(check(buf, size), buf);
	assert_ptr_equal(check(&loss, sizeof(loss)), &loss);
	assert_ptr_equal(check(&end, sizeof(end)), &end);
	assert_ptr_equal(check(&proc, sizeof(proc)), &proc);
}

static void no_record_passes_cut(void **state)
{
	_Alignas(8) uint8_t buf[sizeof(struct ecap_data_event) + 8];
	size_t size = make_data(buf, 8);

	(void)state;
	for (size_t n = 0; n < size; n++)
		assert_null(check(buf, n));
	size = make_line(buf, 8);
	for (size_t n = 0; n < size; n++)
		assert_null(check(buf, n));
}

static void wrong_lines_are_refused(void **state)
{
#define FIELD(f) offsetof(struct ecap_line_event, f), sizeof(((struct ecap_line_event *)0)->f)
	static const struct {
		const char *what;
		size_t off, size;
		uint64_t value;
	} cases[] = {
		{ "size beyond the record", FIELD(hdr.size), 1u << 20 },
		{ "size below the line", FIELD(hdr.size), sizeof(struct ecap_line_event) },
		{ "no line", FIELD(len), 0 },
		{ "longer than a chunk", FIELD(len), ECAP_CHUNK_SIZE + 1 },
		{ "row that is not there", FIELD(row), N_ROWS },
	};
#undef FIELD
	_Alignas(8) uint8_t buf[sizeof(struct ecap_line_event) + ECAP_CHUNK_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(buf, 0, sizeof(buf));
		(void)make_line(buf, 8);
		assert_non_null(check(buf, sizeof(buf)));
		memcpy(buf + cases[i].off, &cases[i].value, cases[i].size);
		if (check(buf, sizeof(buf)))
			fail_msg("%s: passed", cases[i].what);
	}
}

/* One field of a valid data record is set to a value that it must not have. */
static void wrong_fields_are_refused(void **state)
{
#define FIELD(f) offsetof(struct ecap_data_event, f), sizeof(((struct ecap_data_event *)0)->f)
	static const struct {
		const char *what;
		size_t off, size;
		uint64_t value;
	} cases[] = {
		{ "kind none", FIELD(hdr.kind), ECAP_EV_NONE },
		{ "unknown kind", FIELD(hdr.kind), 99 },
		{ "size beyond the record", FIELD(hdr.size), 1u << 20 },
		{ "size below the data", FIELD(hdr.size), sizeof(struct ecap_data_event) },
		{ "no data", FIELD(len), 0 },
		{ "more data than a chunk", FIELD(len), ECAP_CHUNK_SIZE + 1 },
		{ "call shorter than its chunk", FIELD(total), 7 },
		{ "row that is not there", FIELD(row), N_ROWS },
		{ "direction", FIELD(dir), 2 },
		{ "reason", FIELD(gap_reason), ECAP_LOSS_REASON_COUNT },
		{ "offset that overflows", FIELD(off), INT64_MAX - 7 },
	};
#undef FIELD
	_Alignas(8) uint8_t buf[sizeof(struct ecap_data_event) + ECAP_CHUNK_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(buf, 0, sizeof(buf));
		(void)make_data(buf, 8);
		assert_non_null(check(buf, sizeof(buf)));
		memcpy(buf + cases[i].off, &cases[i].value, cases[i].size);
		if (check(buf, sizeof(buf)))
			fail_msg("%s: passed", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_records_pass),
		cmocka_unit_test(no_record_passes_cut),
		cmocka_unit_test(wrong_fields_are_refused),
		cmocka_unit_test(wrong_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
