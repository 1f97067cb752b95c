/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "flow/http.h"

#define GET	"GET / HTTP/1.1\r\n\r\n"
#define N_GET	18
#define OK	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* Who has been told what, a line each, and how many facts were given back. */
struct fixture {
	struct ecap_http_flow *flow;
	struct ecap_buf log;
};

static unsigned int n_freed;

static void count_free(void *facts)
{
	n_freed += facts != NULL;
	free(facts);
}

static void write_down(void *arg, struct ecap_http_conn *conn, const struct ecap_http1_event *ev)
{
	struct ecap_buf *log = arg;
	const unsigned long long id = conn->id, at = ev->ts_ns;

	switch (ev->type) {
	case ECAP_HTTP1_HEAD:
		break;
	case ECAP_HTTP1_MESSAGE:
		ecap_buf_printf(log, "%llu message %u @%llu+%llu t%llu%s\n", id, ev->side,
				(unsigned long long)ev->message->off,
				(unsigned long long)ev->message->wire_bytes, at,
				ev->message->flags & ECAP_HTTP_INCOMPLETE ? " incomplete" : "");
		break;
	case ECAP_HTTP1_EXCHANGE:
		ecap_buf_printf(log, "%llu exchange %c%c t%llu\n", id,
				ev->exchange->request ? '+' : '-',
				ev->exchange->response ? '+' : '-', at);
		break;
	case ECAP_HTTP1_RAW:
		ecap_buf_printf(log, "%llu %s %u @%llu+%zu t%llu%s\n", id,
				ev->raw == ECAP_HTTP1_HTTP2 ? "http2" : "raw", ev->side,
				(unsigned long long)ev->off, ev->bytes.n, at,
				ev->bytes.p ? "" : " unseen");
		break;
	}
}

static int setup(void **state)
{
	static struct fixture f;
	const struct ecap_http_flow_opts opts = {
		.max_conns = 2,
		.limits = ecap_http1_default_limits,
		.event = write_down,
		.arg = &f.log,
		.free_facts = count_free,
	};

	n_freed = 0;
	f.flow = NULL;
	ecap_buf_init(&f.log, 10000);
	*state = &f;
	return ecap_http_flow_new(&opts, &f.flow);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ecap_http_flow_free(f->flow);
	ecap_buf_done(&f->log);
	return 0;
}

static void assert_told(struct fixture *f, const char *want)
{
	ecap_buf_putc(&f->log, '\0');
	assert_int_equal(f->log.err, 0);
	assert_string_equal((const char *)f->log.data, want);
	ecap_buf_reset(&f->log);
}

static struct ecap_http_conn *conn_of(struct fixture *f, uint64_t id)
{
	struct ecap_http_conn *conn = NULL;

	assert_int_equal(ecap_http_flow_get(f->flow, id, &conn), 0);
	return conn;
}

/* A part of a call of @total bytes; 0: all of it. The offset is its time, too. */
static int feed_part(struct fixture *f, uint64_t id, unsigned int side, uint64_t off,
		     const char *text, uint64_t total)
{
	const struct ecap_http_chunk chunk = {
		.side = side,
		.off = off,
		.total = total ? total : strlen(text),
		.ts_ns = off,
		.bytes = (const uint8_t *)text,
		.len = strlen(text),
	};

	return ecap_http_flow_feed(f->flow, conn_of(f, id), &chunk);
}

#define feed(f, id, side, off, text) assert_int_equal(feed_part(f, id, side, off, text, 0), 0)
#define feed_of(f, id, side, off, text, total) \
	assert_int_equal(feed_part(f, id, side, off, text, total), 0)

static void exchanges_of_each_connection(void **state)
{
	struct fixture *f = *state;

	feed(f, 7, 0, 0, GET);
	feed(f, 9, 1, 0, GET);
	feed(f, 7, 1, 0, OK);
	feed(f, 9, 0, 0, OK);
	assert_told(f, "7 message 0 @0+18 t0\n9 message 1 @0+18 t0\n"
		       "7 message 1 @0+40 t0\n7 exchange ++ t0\n"
		       "9 message 0 @0+40 t0\n9 exchange ++ t0\n");
	assert_int_equal(ecap_http_flow_counters(f->flow)->exchanges, 2);
}

/* In the middle of a connection a message begins where a call does, and nowhere else. */
static void messages_begin_with_calls(void **state)
{
	struct fixture *f = *state;

	feed_of(f, 1, 0, 100, "abcd", 4 + N_GET);
	feed_of(f, 1, 0, 104, GET, 4 + N_GET);
	assert_told(f, "1 raw 0 @100+4 t100\n1 raw 0 @104+18 t104\n");
	feed(f, 1, 0, 104 + N_GET, GET);
	assert_told(f, "1 message 0 @122+18 t122\n");
}

/* What follows a gap is the beginning of a call only if it is all of one. */
static void starts_after_gaps(void **state)
{
	struct fixture *f = *state;

	feed(f, 1, 0, 0, GET);
	feed(f, 1, 0, 50, GET);
	assert_told(f, "1 message 0 @0+18 t0\n1 message 0 @50+18 t50\n");
	feed_of(f, 1, 0, 100, GET, 40); /* it may be the second part */
	feed_of(f, 1, 0, 118, GET, 40); /* and this the third */
	assert_told(f, "1 raw 0 @100+18 t100\n1 raw 0 @118+18 t118\n");
	feed(f, 1, 0, 140, GET);
	assert_told(f, "1 message 0 @140+18 t140\n");
}

static void what_was_there_before_is_refused(void **state)
{
	struct fixture *f = *state;

	feed(f, 1, 0, 10, GET);
	assert_int_equal(feed_part(f, 1, 0, 10, GET, 0), -EPROTO);
	assert_int_equal(feed_part(f, 1, 0, 27, GET, 0), -EPROTO);
	assert_int_equal(feed_part(f, 1, 0, UINT64_MAX, GET, 0), -EPROTO);
	assert_int_equal(feed_part(f, 1, 0, INT64_MAX, GET, 0), -EPROTO);
	feed(f, 1, 0, 28, GET);
	assert_told(f, "1 message 0 @10+18 t10\n1 message 0 @28+18 t28\n");
}

/* A loss is told of once, by itself or by the offset of what follows. */
static void skips(void **state)
{
	struct fixture *f = *state;

	feed(f, 1, 0, 0, GET);
	feed(f, 1, 1, 0, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi");
	ecap_http_flow_skip_to(conn_of(f, 1), 1, 45, 77);
	ecap_http_flow_skip_to(conn_of(f, 1), 1, 42, 78); /* known already */
	feed(f, 1, 1, 45, "x");
	assert_told(f, "1 message 0 @0+18 t0\n");
	feed(f, 1, 1, 46, "y");
	assert_told(f, "1 message 1 @0+47 t46\n1 exchange ++ t46\n");
}

/* One line for all that one side says, until the other one does or nobody says anything. */
static void bursts_of_http2(void **state)
{
	struct fixture *f = *state;

	feed(f, 1, 0, 0, PREFACE);
	feed(f, 1, 0, 24, "0123456789");
	feed(f, 1, 0, 34, "0123456789");
	assert_told(f, "");
	feed(f, 1, 1, 0, "abc");
	assert_told(f, "1 http2 0 @0+44 t34 unseen\n");
	feed(f, 1, 1, 3, "abc");
	ecap_http_flow_rest(f->flow);
	ecap_http_flow_rest(f->flow);
	assert_told(f, "1 http2 1 @0+6 t3 unseen\n");
	feed(f, 1, 1, 6, "abc");
	feed(f, 2, 0, 0, GET); /* somebody else */
	assert_told(f, "2 message 0 @0+18 t0\n");
	ecap_http_flow_end(f->flow, conn_of(f, 1), true, 99);
	assert_told(f, "1 http2 1 @6+3 t6 unseen\n");
}

static void ends_hand_out_what_is_under_way(void **state)
{
	static const char to_end[] = "HTTP/1.0 200 OK\r\n\r\nhi";
	struct fixture *f = *state;

	for (unsigned int is_closed = 0; is_closed < 2; is_closed++) {
		feed(f, 1, 0, 0, GET);
		feed(f, 1, 1, 0, to_end);
		conn_of(f, 1)->facts = malloc(1);
		ecap_http_flow_end(f->flow, conn_of(f, 1), is_closed, 9);
		assert_null(ecap_http_flow_find(f->flow, 1));
		assert_int_equal(n_freed, is_closed + 1);
		assert_told(f, is_closed ? "1 message 0 @0+18 t0\n1 message 1 @0+21 t9\n"
					   "1 exchange ++ t9\n" :
					   "1 message 0 @0+18 t0\n1 message 1 @0+21 t9 incomplete\n"
					   "1 exchange ++ t9\n");
	}
	feed(f, 3, 0, 0, GET);
	feed(f, 4, 0, 0, "GET /");
	ecap_buf_reset(&f->log);
	ecap_http_flow_end_all(f->flow, 5);
	assert_told(f, "4 raw 0 @0+5 t5\n3 exchange +- t5\n");
}

/* The flow is freed with connections in it, without a word. */
static void limits_and_leftovers(void **state)
{
	struct fixture *f = *state;
	struct ecap_http_conn *conn = NULL;

	for (uint64_t id = 1; id <= 2; id++)
		conn_of(f, id)->facts = malloc(1);
	assert_int_equal(ecap_http_flow_get(f->flow, 3, &conn), -ENOSPC);
	assert_null(conn);
	assert_ptr_equal(conn_of(f, 2), ecap_http_flow_find(f->flow, 2));
	ecap_http_flow_end(f->flow, conn_of(f, 1), false, 0);
	assert_non_null(conn_of(f, 3));
	feed(f, 3, 0, 0, "GET / ");
	ecap_http_flow_free(f->flow);
	f->flow = NULL;
	assert_int_equal(n_freed, 2);
	assert_told(f, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exchanges_of_each_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_begin_with_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(starts_after_gaps, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_there_before_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(skips, setup, teardown),
		cmocka_unit_test_setup_teardown(bursts_of_http2, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_hand_out_what_is_under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_and_leftovers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
