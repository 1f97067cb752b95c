// SPDX-License-Identifier: Apache-2.0
#include "sinks/sink.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

static const struct ecap_sink *const sinks[] = {
	&ecap_sink_text,
	&ecap_sink_json,
	&ecap_sink_capture,
};

const struct ecap_sink *ecap_sink_get(size_t i)
{
	return i < ECAP_ARRAY_SIZE(sinks) ? sinks[i] : NULL;
}

const struct ecap_sink *ecap_sink_find(const char *name)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(sinks); i++) {
		if (strcmp(sinks[i]->name, name) == 0)
			return sinks[i];
	}
	return NULL;
}
