// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "sinks/sink.h"
#include "sinks/text_common.h"
#include "sinks/text_json.h"
#include "sinks/text_view.h"

static const uint8_t *bytes_of(const char *s)
{
	return (const uint8_t *)s;
}

static void knows_json(void **state)
{
	static const struct {
		const char *text;
		bool whole; /* what is said of it as a whole, and as a beginning */
		bool cut;
	} cases[] = {
		{ "{}", true, true },
		{ " [ ] \r\n", true, true },
		{ "{\"a\": [1, -2.5e+7, true, false, null, \"x\\\"y\\\\\"]}", true, true },
		{ "{\"a\":1,\"a\":1}", true, true },
		{ "[1", false, true },
		{ "[\"x", false, true },
		{ "[\"x\\", false, true },
		{ "[tru", false, true },
		{ "[tru]", false, false },
		{ "[truer", false, false },
		{ "[1,]", false, false },
		{ "[,1]", false, false },
		{ "{\"a\"}", false, false },
		{ "{\"a\":}", false, false },
		{ "{a:1}", false, false },
		{ "{1:1}", false, false },
		{ "[1}", false, false },
		{ "{\"a\":1]", false, false },
		{ "[1 2]", false, false },
		{ "[\"a\nb\"]", false, false },
		{ "[1.a]", false, false },
		{ "[INFO] 12 things", false, false },
		{ "{\"a\":1}\n{\"a\":2}", false, false },
		{ "[]]", false, false },
		{ "12", false, false },
		{ "\"x\"", false, false },
		{ "", false, false },
		{ "<html>", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		const uint8_t *p = bytes_of(cases[i].text);
		size_t n = strlen(cases[i].text);

		if (ecap_text_json_check(p, n, false) != cases[i].whole)
			fail_msg("%s: not %d", cases[i].text, cases[i].whole);
		if (ecap_text_json_check(p, n, true) != cases[i].cut)
			fail_msg("%s, cut: not %d", cases[i].text, cases[i].cut);
	}
}

/* Each beginning of JSON is one, and what it is shown as ends within it. */
static void is_cut_anywhere(void **state)
{
	static const char json[] = "{\"a\":[1.5e3,{\"b\":null},[],true],\"\\u00e9\":\"\\\"\"}";
	const struct ecap_sink_opts opts = { .look = { .width = 20 } };

	(void)state;
	for (size_t n = 1; n < sizeof(json); n++) {
		uint8_t *copy = malloc(n); /* so that a sanitizer sees its end */
		struct ecap_text_view v;
		struct ecap_buf b;

		assert_non_null(copy);
		memcpy(copy, json, n);
		ecap_buf_init(&b, 1000);
		ecap_view_init(&v, &(struct ecap_text){ .out = &b, .opts = &opts },
			       ECAP_VIEW_ANY_ROWS);
		assert_true(ecap_text_json_check(copy, n, true));
		assert_int_equal(ecap_text_json_put(&v, copy, n), n);
		ecap_buf_done(&b);
		free(copy);
	}
}

static void assert_shown(const char *json, unsigned int width, size_t rows, const char *want,
			 size_t want_used)
{
	const struct ecap_sink_opts opts = { .look = { .width = width } };
	struct ecap_text_view v;
	struct ecap_buf b;
	size_t used;

	ecap_buf_init(&b, 100000);
	ecap_view_init(&v, &(struct ecap_text){ .out = &b, .opts = &opts }, rows);
	used = ecap_text_json_put(&v, bytes_of(json), strlen(json));
	ecap_view_end(&v);
	ecap_buf_putc(&b, '\0');
	if (strcmp((char *)b.data, want) != 0)
		fail_msg("%s:\n%swant\n%s", json, (char *)b.data, want);
	assert_int_equal(used, want_used);
	ecap_buf_done(&b);
}

static void indents(void **state)
{
	static const struct {
		const char *json;
		const char *want; /* on 24 columns */
	} cases[] = {
		{ "{ }", "  {}\n" },
		{ "[1,2,{\"a\":null}]", "  [1, 2, {\"a\": null}]\n" },
		/* one character more than a row has */
		{ "[1,2,{\"a\":null},777]",
		  "  [\n    1,\n    2,\n    {\"a\": null},\n    777\n  ]\n" },
		/* order, numbers, members that come twice */
		{ "{\"z\":1.0,\"a\":1e400,\"z\":100000000000000000000}",
		  "  {\n    \"z\": 1.0,\n    \"a\": 1e400,\n"
		  "    \"z\": 100000000000000000000\n  }\n" },
		/* strings are as they were, escapes of theirs are not ours */
		{ "[\"a , : [ ] \\n \\u001b \\\\ \"]",
		  "  [\n    \"a , : [ ] \\n \\u001b \\\\ \"\n  ]\n" },
		{ "[\"\xe2\x80\xae\xff\x7f\"]", "  [\"\\u{202e}\\xff\\x7f\"]\n" },
		/* white space of the sender's does not count */
		{ "[\r\n\t1 ,\n   2   ]", "  [1, 2]\n" },
		{ "{\"a\":{\"b\":{\"c\":[1,2,3,4,5]}}}",
		  "  {\n    \"a\": {\n      \"b\": {\n        \"c\": [\n          1,\n"
		  "          2,\n          3,\n          4,\n          5\n        ]\n      }\n"
		  "    }\n  }\n" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++)
		assert_shown(cases[i].json, 24, ECAP_VIEW_ANY_ROWS, cases[i].want,
			     strlen(cases[i].json));
}

/* A preview ends where its rows do, and says how far it came. */
static void ends_with_its_rows(void **state)
{
	static const char json[] = "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",2,3]";

	(void)state;
	assert_shown(json, 24, 1, "  [\n", 1);
	assert_shown(json, 24, 2, "  [\n    \"aaaaaaaaaaaaaaaaaaa\n", 21);
	assert_shown(json, 24, 3, "  [\n    \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\n", 44);
	assert_shown(json, 24, 4,
		     "  [\n    \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\n    2,\n", 46);
}

/* What is nested deeply, or not at all, takes time and room in proportion to its size. */
static void stays_in_proportion(void **state)
{
	const size_t n = 1 << 20;
	const struct ecap_sink_opts opts = { 0 };
	uint8_t *json = malloc(n);
	struct ecap_text_view v;
	struct ecap_buf b;

	(void)state;
	assert_non_null(json);
	memset(json, '[', n);
	assert_false(ecap_text_json_check(json, n, true)); /* too deep */
	for (size_t i = 60; i < n - 60; i++)
		json[i] = "[],"[i % 3];
	json[n - 61] = '1';
	for (size_t i = n - 60; i < n; i++)
		json[i] = ']';
	assert_true(ecap_text_json_check(json, n, true));
	ecap_buf_init(&b, 20 * n);
	ecap_view_init(&v, &(struct ecap_text){ .out = &b, .opts = &opts }, ECAP_VIEW_ANY_ROWS);
	assert_int_equal(ecap_text_json_put(&v, json, n), n);
	assert_int_equal(b.err, 0);
	ecap_buf_done(&b);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* clang-format off */
		cmocka_unit_test(knows_json),
		cmocka_unit_test(is_cut_anywhere),
		cmocka_unit_test(indents),
		cmocka_unit_test(ends_with_its_rows),
		cmocka_unit_test(stays_in_proportion),
		/* clang-format on */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
