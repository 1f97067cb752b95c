/* SPDX-License-Identifier: Apache-2.0 */
#include "parsers/http_message.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static const char *const flag_names[] = {
	[0] = "incomplete",
	[1] = "hole",
	[2] = "body_cut",
	[3] = "fields_cut",
	[4] = "unknown_coding",
	[5] = "bad_coding",
	[6] = "coding_limit",
	[7] = "chunked",
	[8] = "to_end",
	[9] = "unknown_framing",
	[10] = "switch",
	[16] = "both_lengths",
	[17] = "many_lengths",
	[18] = "bad_length",
	[19] = "bad_transfer_encoding",
	[20] = "old_transfer_encoding",
	[21] = "bad_chunk",
	[22] = "bare_cr",
	[23] = "bare_lf",
	[24] = "folded",
	[25] = "space_in_name",
	[26] = "bad_field",
	[27] = "control",
	[28] = "bad_target",
	[29] = "many_hosts",
	[30] = "empty_lines",
};
_Static_assert(1u << (ECAP_ARRAY_SIZE(flag_names) - 1) == ECAP_HTTP_EMPTY_LINES,
	       "a flag without a name");

static const char *const exchange_flag_names[] = {
	[0] = "pair_unsure",
	[1] = "forgotten",
	[2] = "lost",
};
_Static_assert(1u << (ECAP_ARRAY_SIZE(exchange_flag_names) - 1) == ECAP_HTTP_LOST,
	       "a flag without a name");

static const char *find_name(const char *const *names, size_t n, uint32_t flag)
{
	for (size_t i = 0; i < n; i++) {
		if (flag == 1u << i)
			return names[i];
	}
	return NULL;
}

const char *ecap_http_exchange_flag_name(uint32_t flag)
{
	return find_name(exchange_flag_names, ECAP_ARRAY_SIZE(exchange_flag_names), flag);
}

const char *ecap_http_flag_name(uint32_t flag)
{
	return find_name(flag_names, ECAP_ARRAY_SIZE(flag_names), flag);
}

const struct ecap_http_field *ecap_http_find_field(const struct ecap_http_message *m,
						   const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < m->n_fields; i++) {
		const struct ecap_span *it = &m->fields[i].name;

		if (it->n == n && strncasecmp((const char *)it->p, name, n) == 0)
			return &m->fields[i];
	}
	return NULL;
}
