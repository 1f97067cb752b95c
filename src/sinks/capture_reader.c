// SPDX-License-Identifier: Apache-2.0
#include "sinks/capture_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/capture_format.h"

/* How much is read at once. */
#define READ_SIZE (1u << 20)
#define MAX_BLOCK (ECAP_CAPTURE_HEAD_SIZE + ECAP_CAPTURE_MAX_PAYLOAD)

/*
 * Heads that promise long payloads and overlap would make us check the same bytes over and over.
 * Beyond so many bytes in vain, and as many as were read so far, such a payload is passed over.
 */
#define MAX_IN_VAIN (16u << 20)

struct ecap_capture_reader {
	uint8_t *buf; /* READ_SIZE + MAX_BLOCK */
	size_t start, end;
	uint64_t base; /* offset of buf in the file */
	uint64_t in_vain;
	uint32_t file_id;
	bool has_file_id;
	bool has_header;
	bool is_lost; /* looking for the next whole block */
	bool is_eof;
	bool is_over; /* nothing that comes is looked at */
	char writer[ECAP_CAPTURE_MAX_NAME + 1];
	struct ecap_capture_totals totals;
};

/* A block in the buffer. */
struct block {
	const uint8_t *payload;
	size_t len;
	unsigned int type;
	uint32_t file_id;
};

enum verdict {
	WHOLE,
	PARTIAL, /* right so far */
	BROKEN,
	OTHER_VERSION,
};

static uint64_t load(const uint8_t *p, unsigned int n)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < n; i++)
		value |= (uint64_t)p[i] << 8 * i;
	return value;
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)load(p, 4);
}

/* ------------------------------------------------------------------------------------- payload */

/* What is left of a payload; err sticks. */
struct cursor {
	const uint8_t *p;
	size_t n;
	bool err;
};

/* NULL: there is not so much. */
static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->err || n > c->n) {
		c->err = true;
		return NULL;
	}
	c->p += n;
	c->n -= n;
	return p;
}

static uint64_t take_number(struct cursor *c, unsigned int n)
{
	const uint8_t *p = take(c, n);

	return p ? load(p, n) : 0;
}

/* It is used where it lies, so it has to end there. */
static const char *take_string(struct cursor *c, size_t max)
{
	size_t n = (size_t)take_number(c, 2);
	const uint8_t *p;

	if (n == ECAP_CAPTURE_NO_STRING)
		return NULL;
	p = n <= max ? take(c, n + 1) : NULL;
	if (!p || memchr(p, 0, n + 1) != p + n) {
		c->err = true;
		return NULL;
	}
	return (const char *)p;
}

static const char *take_name(struct cursor *c)
{
	return take_string(c, ECAP_CAPTURE_MAX_NAME);
}

static const uint8_t *take_bytes(struct cursor *c, size_t *ret_n)
{
	size_t n = (size_t)take_number(c, 4);
	const uint8_t *p = take(c, n);

	*ret_n = p ? n : 0;
	return p;
}

static unsigned int take_common(struct cursor *c, struct ecap_capture_item *item)
{
	const uint8_t *fixed = take(c, ECAP_CAPTURE_FIXED_LEN);
	struct ecap_out_event *ev = &item->event;
	unsigned int flags;

	if (!fixed)
		return 0;
	flags = (unsigned int)load(fixed + ECAP_CAPTURE_AT_FLAGS, 2);
	ev->dir = ECAP_OUT_DIR_UNKNOWN;
	if (fixed[ECAP_CAPTURE_AT_DIR] <= ECAP_OUT_DIR_UNKNOWN)
		ev->dir = (enum ecap_out_dir)fixed[ECAP_CAPTURE_AT_DIR];
	else
		c->err = true;
	ev->ts_ns = load(fixed + ECAP_CAPTURE_AT_TIME, 8);
	ev->conn.id = load(fixed + ECAP_CAPTURE_AT_CONN, 8);
	ev->tid = load32(fixed + ECAP_CAPTURE_AT_TID);
	ev->process = flags & ECAP_CAPTURE_HAS_PROCESS ? &item->process : NULL;
	item->process.pid = load32(fixed + ECAP_CAPTURE_AT_PID);
	item->process.ppid = load32(fixed + ECAP_CAPTURE_AT_PPID);
	item->process.uid = load32(fixed + ECAP_CAPTURE_AT_UID);
	item->process.has_ppid = flags & ECAP_CAPTURE_HAS_PPID;
	item->process.has_uid = flags & ECAP_CAPTURE_HAS_UID;
	ev->host = take_name(c);
	item->process.comm = take_name(c);
	item->process.exe = take_string(c, ECAP_CAPTURE_MAX_PATH);
	item->process.container = take_name(c);
	ev->conn.local = take_name(c);
	ev->conn.remote = take_name(c);
	return flags;
}

static void take_data(struct cursor *c, struct ecap_out_event *ev)
{
	ev->type = ECAP_OUT_DATA;
	ev->data.off = take_number(c, 8);
	ev->data.total = take_number(c, 8);
	ev->data.lib = take_name(c);
	ev->data.fn = take_name(c);
	ev->data.bytes = take_bytes(c, &ev->data.len);
	c->err |= ev->dir == ECAP_OUT_DIR_UNKNOWN;
}

static void take_loss(struct cursor *c, unsigned int flags, struct ecap_out_event *ev)
{
	ev->type = ECAP_OUT_LOSS;
	ev->loss.has_off = flags & ECAP_CAPTURE_HAS_OFF;
	ev->loss.has_bytes = flags & ECAP_CAPTURE_HAS_BYTES;
	ev->loss.off = take_number(c, 8);
	ev->loss.bytes = take_number(c, 8);
	ev->loss.calls = take_number(c, 8);
	ev->loss.reason = take_name(c);
}

static void take_target(struct cursor *c, unsigned int flags, struct ecap_out_event *ev)
{
	ev->type = ECAP_OUT_TARGET;
	ev->target.is_inside = flags & ECAP_CAPTURE_IS_INSIDE;
	ev->target.is_stepped = flags & ECAP_CAPTURE_IS_STEPPED;
	ev->target.n_hooks = take_number(c, 8);
	ev->target.n_aliases = take_number(c, 8);
	ev->target.path = take_string(c, ECAP_CAPTURE_MAX_PATH);
	ev->target.lib = take_name(c);
	ev->target.attach = take_name(c);
}

static void take_command(struct cursor *c, struct ecap_out_event *ev)
{
	ev->type = ECAP_OUT_COMMAND;
	ev->command.lib = take_name(c);
	ev->command.fn = take_name(c);
	ev->command.bytes = take_bytes(c, &ev->command.len);
}

static void take_header(struct ecap_capture_reader *r, struct cursor *c)
{
	unsigned int minor = (unsigned int)take_number(c, 2);
	const char *writer = take_name(c);

	if (c->err)
		return;
	r->has_header = true;
	r->totals.is_newer = minor > ECAP_CAPTURE_MINOR;
	if (!writer)
		return;
	memcpy(r->writer, writer, strlen(writer) + 1);
	r->totals.writer = r->writer;
}

/* -EBADMSG: it makes no sense. -ENOTSUP: the type is not known. What follows the fields is newer.
 */
static int parse(struct ecap_capture_reader *r, const struct block *b,
		 struct ecap_capture_item *item)
{
	struct cursor c = { .p = b->payload, .n = b->len };
	unsigned int flags;

	if (b->type < ECAP_CAPTURE_HEADER || b->type > ECAP_CAPTURE_END)
		return -ENOTSUP;
	item->type = ECAP_CAPTURE_ITEM_EVENT;
	flags = take_common(&c, item);
	switch ((enum ecap_capture_block)b->type) {
	case ECAP_CAPTURE_HEADER:
		item->type = ECAP_CAPTURE_ITEM_BEGIN;
		take_header(r, &c);
		break;
	case ECAP_CAPTURE_DATA:
		take_data(&c, &item->event);
		break;
	case ECAP_CAPTURE_LOSS:
		take_loss(&c, flags, &item->event);
		break;
	case ECAP_CAPTURE_TARGET:
		take_target(&c, flags, &item->event);
		break;
	case ECAP_CAPTURE_COMMAND:
		take_command(&c, &item->event);
		break;
	case ECAP_CAPTURE_CLOSE:
		item->event.type = ECAP_OUT_CLOSE;
		item->event.close.is_closed = flags & ECAP_CAPTURE_IS_CLOSED;
		break;
	case ECAP_CAPTURE_IDLE:
		item->event.type = ECAP_OUT_IDLE;
		break;
	case ECAP_CAPTURE_END:
		item->type = ECAP_CAPTURE_ITEM_END;
		break;
	}
	return c.err ? -EBADMSG : 0;
}

/* -------------------------------------------------------------------------------------- blocks */

/* Whether a whole block, also of another file, begins at @p, where there are @n bytes. */
static enum verdict check_block(const uint8_t *p, size_t n, struct block *ret)
{
	const size_t n_magic = n < ECAP_CAPTURE_AT_VERSION ? n : ECAP_CAPTURE_AT_VERSION;

	*ret = (struct block){ 0 };
	if (memcmp(p, ECAP_CAPTURE_MAGIC, n_magic) != 0)
		return BROKEN;
	if (n < ECAP_CAPTURE_HEAD_SIZE)
		return PARTIAL;
	if (ecap_capture_crc(p, ECAP_CAPTURE_AT_HEAD_CRC) != load32(p + ECAP_CAPTURE_AT_HEAD_CRC))
		return BROKEN;
	if (p[ECAP_CAPTURE_AT_VERSION] != ECAP_CAPTURE_VERSION)
		return OTHER_VERSION;
	ret->payload = p + ECAP_CAPTURE_HEAD_SIZE;
	ret->len = load32(p + ECAP_CAPTURE_AT_LENGTH);
	ret->type = (unsigned int)load(p + ECAP_CAPTURE_AT_TYPE, 2);
	ret->file_id = load32(p + ECAP_CAPTURE_AT_FILE_ID);
	if (ret->len > ECAP_CAPTURE_MAX_PAYLOAD) {
		ret->len = 0;
		return BROKEN;
	}
	if (n - ECAP_CAPTURE_HEAD_SIZE < ret->len)
		return PARTIAL;
	if (ecap_capture_crc(ret->payload, ret->len) != load32(p + ECAP_CAPTURE_AT_PAYLOAD_CRC))
		return BROKEN;
	return WHOLE;
}

static bool is_ours(const struct ecap_capture_reader *r, const struct block *b)
{
	return !r->has_file_id || b->file_id == r->file_id;
}

/* Nothing up to @n bytes from here is of use. */
static void skip(struct ecap_capture_reader *r, size_t n)
{
	r->start += n;
	r->totals.skipped += n;
}

/* Where the next block may begin, if no whole one does here. */
static void skip_broken(struct ecap_capture_reader *r, const struct block *b)
{
	const uint8_t *from = r->buf + r->start + 1;
	const uint8_t *to = r->buf + r->end;
	const uint8_t *next;
	size_t whole = ECAP_CAPTURE_HEAD_SIZE + b->len;

	r->in_vain += b->len;
	if (r->in_vain > MAX_IN_VAIN + r->base + r->start && to - from >= (ptrdiff_t)whole)
		from += whole - 1;
	next = from < to ? memchr(from, ECAP_CAPTURE_MAGIC[0], (size_t)(to - from)) : NULL;
	skip(r, (size_t)((next ? next : to) - (r->buf + r->start)));
}

static int begin_damage(struct ecap_capture_reader *r, const char *what,
			struct ecap_capture_item *ret)
{
	r->is_lost = true;
	r->totals.damages++;
	ret->type = ECAP_CAPTURE_ITEM_DAMAGE;
	ret->off = r->base + r->start;
	ret->what = what;
	return 1;
}

/* The rest of the file is not for us. */
static int give_up(struct ecap_capture_reader *r, const char *what, struct ecap_capture_item *ret)
{
	(void)begin_damage(r, what, ret);
	r->is_over = true;
	return 1;
}

/* A whole block of this file. 1: it is an item, 0: it was passed over. */
static int on_block(struct ecap_capture_reader *r, const struct block *b,
		    struct ecap_capture_item *ret)
{
	int err;

	if (b->type == ECAP_CAPTURE_HEADER && r->has_header)
		return give_up(r, "another capture begins", ret);
	err = parse(r, b, ret);
	if (err == -EBADMSG && !r->is_lost)
		return begin_damage(r, "a block makes no sense", ret);
	if (err == -EBADMSG) {
		skip_broken(r, b);
		return 0;
	}
	r->is_lost = false;
	r->has_file_id = true;
	r->file_id = b->file_id;
	r->start += ECAP_CAPTURE_HEAD_SIZE + b->len;
	r->totals.version = ECAP_CAPTURE_VERSION;
	r->totals.unknown += err == -ENOTSUP;
	r->totals.events += !err && ret->type == ECAP_CAPTURE_ITEM_EVENT;
	r->totals.has_end |= !err && ret->type == ECAP_CAPTURE_ITEM_END;
	return err ? 0 : 1;
}

/* What is no whole block of this file, where one should begin. */
static int on_broken(struct ecap_capture_reader *r, enum verdict verdict, const struct block *b,
		     struct ecap_capture_item *ret)
{
	const uint8_t *p = r->buf + r->start;

	if (r->is_lost) {
		skip_broken(r, b);
		return 0;
	}
	if (verdict == OTHER_VERSION && !r->has_file_id) {
		r->totals.version = p[ECAP_CAPTURE_AT_VERSION];
		r->is_over = true;
		return -EPROTONOSUPPORT;
	}
	if (verdict == WHOLE && b->type == ECAP_CAPTURE_HEADER)
		return give_up(r, "another capture begins", ret);
	if (verdict == BROKEN && b->payload)
		return begin_damage(r, "a block's content is not what was written", ret);
	return begin_damage(r, "no block begins where one should", ret);
}

/* 1: an item, 0: go on, -EAGAIN: more is needed. */
static int step(struct ecap_capture_reader *r, struct ecap_capture_item *ret)
{
	size_t n = r->end - r->start;
	enum verdict verdict;
	struct block b;

	if (!n)
		return -EAGAIN;
	if (r->totals.has_end)
		return give_up(r, "something follows the end of the capture", ret);
	verdict = check_block(r->buf + r->start, n, &b);
	if (verdict == WHOLE && is_ours(r, &b)) {
		ret->off = r->base + r->start;
		return on_block(r, &b, ret);
	}
	if (verdict == PARTIAL && !r->is_eof)
		return -EAGAIN;
	if (verdict == PARTIAL && !r->is_lost) {
		r->totals.is_torn = true;
		r->is_over = true;
		return -EAGAIN;
	}
	if (verdict == PARTIAL)
		b.len = 0; /* nothing was checked */
	return on_broken(r, verdict, &b, ret);
}

int ecap_capture_reader_next(struct ecap_capture_reader *r, struct ecap_capture_item *ret)
{
	int n = 0;

	while (!n && !r->is_over) {
		*ret = (struct ecap_capture_item){ 0 };
		n = step(r, ret);
	}
	if (r->is_over)
		skip(r, r->end - r->start);
	return n == -EAGAIN ? 0 : n;
}

/* ---------------------------------------------------------------------------------- life cycle */

uint8_t *ecap_capture_reader_space(struct ecap_capture_reader *r, size_t *ret_n)
{
	if (READ_SIZE + MAX_BLOCK - r->end < READ_SIZE) {
		memmove(r->buf, r->buf + r->start, r->end - r->start);
		r->base += r->start;
		r->end -= r->start;
		r->start = 0;
	}
	*ret_n = READ_SIZE + MAX_BLOCK - r->end;
	return r->buf + r->end;
}

void ecap_capture_reader_fill(struct ecap_capture_reader *r, size_t n)
{
	r->is_eof |= !n;
	r->end += n;
	r->totals.bytes += n;
}

struct ecap_capture_totals ecap_capture_reader_totals(const struct ecap_capture_reader *r)
{
	return r->totals;
}

int ecap_capture_reader_new(struct ecap_capture_reader **ret)
{
	ecap_cleanup(ecap_capture_reader_freep) struct ecap_capture_reader *r =
		calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->buf = malloc(READ_SIZE + MAX_BLOCK);
	if (!r->buf)
		return -ENOMEM;
	*ret = ecap_take_ptr(r);
	return 0;
}

void ecap_capture_reader_free(struct ecap_capture_reader *r)
{
	if (!r)
		return;
	free(r->buf);
	free(r);
}
