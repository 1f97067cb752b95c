// SPDX-License-Identifier: Apache-2.0
#include "text_output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "sinks/event.h"
#include "sinks/sink.h"

#define MAX_TEXT 1000000

int use_utc(void **state)
{
	(void)state;
	if (setenv("TZ", "UTC0", 1) < 0)
		return -1;
	tzset();
	return 0;
}

void assert_text(const char *what, const struct ecap_out_event *ev,
		 const struct ecap_sink_opts *opts, const char *want)
{
	struct ecap_buf b;

	ecap_buf_init(&b, MAX_TEXT);
	assert_int_equal(ecap_sink_text.format(ev, opts, &b), 0);
	ecap_buf_putc(&b, '\0');
	if (strcmp((char *)b.data, want) != 0)
		fail_msg("%s:\n%swant\n%s", what, (char *)b.data, want);
	ecap_buf_done(&b);
}

void assert_harmless(const struct ecap_out_event *ev, const struct ecap_sink_opts *opts)
{
	uint32_t cp = 0;
	struct ecap_buf b;

	ecap_buf_init(&b, MAX_TEXT);
	assert_int_equal(ecap_sink_text.format(ev, opts, &b), 0);
	assert_true(b.len > 0);
	for (size_t i = 0, n; i < b.len; i += n) {
		n = ecap_utf8_decode(b.data + i, b.len - i, &cp);
		assert_true(n > 0);
		assert_true(cp == '\n' || cp == '\t' || !ecap_utf8_is_unsafe(cp));
	}
	ecap_buf_done(&b);
}
