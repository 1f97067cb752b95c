/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sinks/capture_reader.h"

static void put_text(struct ecap_buf *out, const char *name, const char *s)
{
	if (s)
		ecap_buf_printf(out, " %s='%s'", name, s);
	else
		ecap_buf_printf(out, " %s=NULL", name);
}

static void put_bytes(struct ecap_buf *out, const uint8_t *p, size_t n)
{
	ecap_buf_printf(out, " %zu bytes ", n);
	for (size_t i = 0; i < n; i++)
		ecap_buf_printf(out, "%02x", p[i]);
}

static void put_process(struct ecap_buf *out, const struct ecap_out_process *p)
{
	if (!p) {
		ecap_buf_puts(out, " nobody");
		return;
	}
	ecap_buf_printf(out, " pid=%" PRIu32 " ppid=%" PRIu32 "%s uid=%" PRIu32 "%s", p->pid,
			p->ppid, p->has_ppid ? "" : "?", p->uid, p->has_uid ? "" : "?");
	put_text(out, "comm", p->comm);
	put_text(out, "exe", p->exe);
	put_text(out, "container", p->container);
}

static void put_special(struct ecap_buf *out, const struct ecap_out_event *ev)
{
	if (ev->type == ECAP_OUT_DATA) {
		ecap_buf_printf(out, " off=%" PRIu64 " total=%" PRIu64, ev->data.off,
				ev->data.total);
		put_text(out, "lib", ev->data.lib);
		put_text(out, "fn", ev->data.fn);
		put_bytes(out, ev->data.bytes, ev->data.len);
	} else if (ev->type == ECAP_OUT_LOSS) {
		ecap_buf_printf(out, " off=%" PRIu64 "%s bytes=%" PRIu64 "%s calls=%" PRIu64,
				ev->loss.off, ev->loss.has_off ? "" : "?", ev->loss.bytes,
				ev->loss.has_bytes ? "" : "?", ev->loss.calls);
		put_text(out, "reason", ev->loss.reason);
	} else if (ev->type == ECAP_OUT_TARGET) {
		ecap_buf_printf(out, " hooks=%" PRIu64 " aliases=%" PRIu64 "%s%s",
				ev->target.n_hooks, ev->target.n_aliases,
				ev->target.is_inside ? " inside" : "",
				ev->target.is_stepped ? " stepped" : "");
		put_text(out, "path", ev->target.path);
		put_text(out, "lib", ev->target.lib);
		put_text(out, "attach", ev->target.attach);
	} else if (ev->type == ECAP_OUT_COMMAND) {
		put_text(out, "lib", ev->command.lib);
		put_text(out, "fn", ev->command.fn);
		put_bytes(out, ev->command.bytes, ev->command.len);
	} else if (ev->type == ECAP_OUT_CLOSE) {
		ecap_buf_puts(out, ev->close.is_closed ? " closed" : " left");
	}
}

static void put_item(struct ecap_buf *out, const struct ecap_capture_item *item)
{
	static const char *const names[] = { "begin", "event", "damage", "end" };
	const struct ecap_out_event *ev = &item->event;

	ecap_buf_printf(out, "%" PRIu64 " %s", item->off, names[item->type]);
	if (item->type == ECAP_CAPTURE_ITEM_DAMAGE) {
		ecap_buf_printf(out, " %s\n", item->what);
		return;
	}
	if (item->type == ECAP_CAPTURE_ITEM_EVENT)
		ecap_buf_printf(out, " type %d", (int)ev->type);
	ecap_buf_printf(out, " ts=%" PRIu64 " tid=%" PRIu32 " dir=%d conn=%" PRIu64, ev->ts_ns,
			ev->tid, (int)ev->dir, ev->conn.id);
	put_text(out, "host", ev->host);
	put_text(out, "local", ev->conn.local);
	put_text(out, "remote", ev->conn.remote);
	put_process(out, ev->process);
	if (item->type == ECAP_CAPTURE_ITEM_EVENT)
		put_special(out, ev);
	ecap_buf_putc(out, '\n');
}

/* Put as much as there is room for, up to @n; returns how much. */
static size_t feed(struct ecap_capture_reader *r, const uint8_t *bytes, size_t n)
{
	size_t room;
	uint8_t *to = ecap_capture_reader_space(r, &room);

	if (n > room)
		n = room;
	if (n)
		memcpy(to, bytes, n);
	ecap_capture_reader_fill(r, n);
	return n;
}

int capture_log(const uint8_t *bytes, size_t len, size_t cut, size_t step, struct ecap_buf *out,
		struct ecap_capture_totals *ret)
{
	ecap_cleanup(ecap_capture_reader_freep) struct ecap_capture_reader *r = NULL;
	struct ecap_capture_item item;
	size_t done = 0, n = 1;
	int more = ecap_capture_reader_new(&r);

	while (!more && n) {
		n = len - done;
		if (done < cut && n > cut - done)
			n = cut - done;
		if (step && n > step)
			n = step;
		n = feed(r, bytes + done, n);
		done += n;
		while ((more = ecap_capture_reader_next(r, &item)) > 0)
			put_item(out, &item);
	}
	if (r)
		*ret = ecap_capture_reader_totals(r);
	ret->writer = NULL; /* goes with the reader */
	return more;
}
