// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_common.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "sinks/event.h"
#include "sinks/sink.h"

void ecap_text_paint(const struct ecap_text *t, enum ecap_paint paint)
{
	static const char *const codes[] = {
		/* clang-format off */
		[ECAP_PAINT_MINOR] = "\x1b[2m",
		[ECAP_PAINT_MAIN] = "\x1b[1m",
		[ECAP_PAINT_NUMBER] = "\x1b[36m",
		[ECAP_PAINT_NAME] = "\x1b[36m",
		[ECAP_PAINT_GOOD] = "\x1b[1;32m",
		[ECAP_PAINT_ELSEWHERE] = "\x1b[1;36m",
		[ECAP_PAINT_BAD] = "\x1b[1;31m",
		[ECAP_PAINT_MARK] = "\x1b[1;35m",
		/* clang-format on */
	};
	_Static_assert(ECAP_ARRAY_SIZE(codes) == ECAP_PAINT_COUNT, "a paint without its code");

	if (t->opts->look.color)
		ecap_buf_puts(t->out, codes[paint]);
}

void ecap_text_plain(const struct ecap_text *t)
{
	if (t->opts->look.color)
		ecap_buf_puts(t->out, "\x1b[0m");
}

unsigned int ecap_text_width(const struct ecap_text *t)
{
	/* a terminal too narrow to tell a row from a word */
	static const unsigned int least = 20;
	unsigned int width = t->opts->look.width ? t->opts->look.width : ECAP_TEXT_WIDTH;

	return width < least ? least : width;
}

/* Chunks have all of it, so messages beside them are told of by a line. */
static enum ecap_show shown(const struct ecap_sink_opts *opts, enum ecap_show asked,
			    enum ecap_show usual)
{
	if (asked != ECAP_SHOW_DEFAULT)
		return asked;
	return opts->raw ? ECAP_SHOW_NONE : usual;
}

unsigned int ecap_text_shown_headers(const struct ecap_sink_opts *opts)
{
	return shown(opts, opts->headers, ECAP_SHOW_ALL);
}

unsigned int ecap_text_shown_body(const struct ecap_sink_opts *opts)
{
	return shown(opts, opts->body, ECAP_SHOW_PREVIEW);
}

bool ecap_text_is_compact(const struct ecap_sink_opts *opts)
{
	return ecap_text_shown_headers(opts) == ECAP_SHOW_NONE &&
	       ecap_text_shown_body(opts) == ECAP_SHOW_NONE && !opts->raw;
}

void ecap_text_put_line(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	while (n) {
		size_t used = ecap_utf8_plain_run(p, n), n_shown;
		char shown_as[ECAP_UTF8_SHOWN_MAX];

		if (used) {
			ecap_buf_put(out, p, used);
		} else {
			used = ecap_utf8_show(p, n, shown_as, &n_shown);
			ecap_buf_put(out, shown_as, n_shown);
		}
		p += used;
		n -= used;
	}
}

void ecap_text_put_name(struct ecap_buf *out, const char *s)
{
	ecap_text_put_line(out, (const uint8_t *)s, strlen(s));
}

void ecap_text_put_count(struct ecap_buf *out, uint64_t n, const char *what)
{
	ecap_buf_printf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

void ecap_text_put_size(struct ecap_buf *out, uint64_t n)
{
	static const char *const units[] = { "KiB", "MiB", "GiB" };
	double size = (double)n / 1024;
	size_t i = 0;

	if (n < 10000) {
		ecap_buf_printf(out, "%" PRIu64 " B", n);
		return;
	}
	while (size >= 999.5 && i + 1 < ECAP_ARRAY_SIZE(units)) {
		size /= 1024;
		i++;
	}
	if (size < 9.995)
		ecap_buf_printf(out, "%.2f %s", size, units[i]);
	else if (size < 99.95)
		ecap_buf_printf(out, "%.1f %s", size, units[i]);
	else
		ecap_buf_printf(out, "%.0f %s", size, units[i]);
}

void ecap_text_put_origin(const struct ecap_text *t, const struct ecap_out_event *ev)
{
	char when[ECAP_CLOCK_LOCAL_SIZE];

	ecap_clock_format_local(ev->ts_ns, when);
	ecap_text_paint(t, ECAP_PAINT_MINOR);
	ecap_buf_puts(t->out, when);
	ecap_text_plain(t);
	if (!ev->process)
		return;
	ecap_buf_putc(t->out, ' ');
	if (ev->process->comm)
		ecap_text_put_name(t->out, ev->process->comm);
	if (ev->process->pid)
		ecap_buf_printf(t->out, "[%" PRIu32 "]", ev->process->pid);
}
