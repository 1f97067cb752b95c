/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/values.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/opt.h"

/* The kernel's PID_MAX_LIMIT on 64 bits: no process has a higher number. */
#define MAX_PID 4194304ul
/* The highest 32-bit number means "no user". */
#define MAX_UID (UINT32_MAX - 1ul)

/* A chunk must fit twice; beyond a gigabyte a program that outruns us does so for good. */
#define MIN_SIZE (64ul << 10)
#define MAX_SIZE (1ul << 30)

/* Reading every counter costs some microseconds; more often than this nobody looks. */
#define MIN_PERIOD_MS 100ul
#define MAX_PERIOD_MS (24ul * 3600 * 1000)

struct id_range {
	unsigned long least;
	unsigned long most;
	const char *what; /* is identified: "process" */
};

static bool has_id(const struct ecap_id_list *list, uint32_t id)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->ids[i] == id)
			return true;
	}
	return false;
}

/* Add the comma-separated numbers of @arg, each once. */
static int parse_ids(const char *arg, struct ecap_id_list *list, const struct id_range *range,
		     struct ecap_opt_error *err)
{
	const char *p = arg;

	for (;;) {
		unsigned long v;
		char *end;

		errno = 0;
		v = strtoul(p, &end, 10);
		if (*p < '0' || *p > '9' || errno || (*end && *end != ','))
			return ecap_opt_fail(err, "'%s' is not a list of numbers like 12,34", arg);
		if (v < range->least || v > range->most)
			return ecap_opt_fail(err, "%lu is no %s id", v, range->what);
		if (has_id(list, (uint32_t)v))
			; /* named twice */
		else if (list->n == ECAP_MAX_IDS)
			return ecap_opt_fail(err, "more than %d numbers", ECAP_MAX_IDS);
		else
			list->ids[list->n++] = (uint32_t)v;
		if (!*end)
			return 0;
		p = end + 1;
	}
}

int ecap_value_parse_pids(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct id_range range = { .least = 1, .most = MAX_PID, .what = "process" };

	return parse_ids(arg, dest, &range, err);
}

int ecap_value_parse_uids(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct id_range range = { .most = MAX_UID, .what = "user" };

	return parse_ids(arg, dest, &range, err);
}

int ecap_value_parse_conns(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const struct id_range range = {
		.least = 1,
		.most = UINT32_MAX,
		.what = "connection",
	};

	return parse_ids(arg, dest, &range, err);
}

/* As ecap_value_parse_period(), for at least @least ms. */
static int parse_time(const char *arg, unsigned long least, uint64_t *ret,
		      struct ecap_opt_error *err)
{
	static const struct {
		const char *name;
		unsigned long ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	unsigned long v, ms = 0;
	char *end;

	errno = 0;
	v = strtoul(arg, &end, 10);
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].name) == 0)
			ms = units[i].ms;
	}
	if (*arg < '0' || *arg > '9' || !ms || errno)
		return ecap_opt_fail(err, "'%s' is not a time like 5s, 500ms or 2m", arg);
	if (v > MAX_PERIOD_MS / ms || v * ms < least)
		return ecap_opt_fail(err, "%s is not between %lums and 24h", arg, least);
	*ret = (uint64_t)v * ms * 1000000;
	return 0;
}

int ecap_value_parse_period(const char *arg, void *dest, struct ecap_opt_error *err)
{
	return parse_time(arg, MIN_PERIOD_MS, dest, err);
}

int ecap_value_parse_duration(const char *arg, void *dest, struct ecap_opt_error *err)
{
	return parse_time(arg, 1, dest, err);
}

int ecap_value_parse_count(const char *arg, void *dest, struct ecap_opt_error *err)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || !v)
		return ecap_opt_fail(err, "'%s' is not a number from 1 on", arg);
	*(uint64_t *)dest = v;
	return 0;
}

/* A number and K, M or G, or none of them, which is @unit (a shift). */
static int parse_size(const char *arg, unsigned int unit, uint64_t *ret, struct ecap_opt_error *err)
{
	unsigned int shift = unit;
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(arg, &end, 10);
	if (*end == 'K')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	else if (*end == 'G')
		shift = 30;
	if (*end == 'K' || *end == 'M' || *end == 'G')
		end++;
	if (*arg < '0' || *arg > '9' || *end || errno)
		return ecap_opt_fail(err, "'%s' is not a size like %s or 64M", arg,
				     unit ? "65536 (KiB)" : "65536");
	if (v > MAX_SIZE >> shift || v << shift < MIN_SIZE)
		return ecap_opt_fail(err, "%s is not between 64K and 1G", arg);
	*ret = (uint64_t)v << shift;
	return 0;
}

int ecap_value_parse_ring(const char *arg, void *dest, struct ecap_opt_error *err)
{
	uint64_t size = 0;
	int r = parse_size(arg, 10, &size, err);

	if (!r)
		*(uint32_t *)dest = (uint32_t)size;
	return r;
}

int ecap_value_parse_size(const char *arg, void *dest, struct ecap_opt_error *err)
{
	return parse_size(arg, 0, dest, err);
}

int ecap_value_parse_btf(const char *arg, void *dest, struct ecap_opt_error *err)
{
	if (!*arg || arg[1] || !strchr("012", *arg))
		return ecap_opt_fail(err, "'%s' is none of 0, 1 and 2", arg);
	*(bool *)dest = *arg == '1';
	return 0;
}

int ecap_value_parse_model(const char *arg, void *dest, struct ecap_opt_error *err)
{
	static const char *const to_come[] = { "pcap", "pcapng", "key", "keylog" };

	(void)dest;
	if (strcasecmp(arg, "text") == 0)
		return 0;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(to_come); i++) {
		if (strcasecmp(arg, to_come[i]) == 0)
			return ecap_opt_fail(err, "%s has not come yet; text is there", arg);
	}
	return ecap_opt_fail(err, "'%s' is none of text, pcapng and keylog", arg);
}
