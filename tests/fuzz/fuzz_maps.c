/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "target/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char id[ECAP_CONTAINER_ID_LEN + 1];
	struct ecap_mapping map;
	char *line = malloc(size + 1);

	if (!line)
		abort();
	memcpy(line, data, size);
	line[size] = '\0';
	if (ecap_container_id_parse(line, id) && strlen(id) != ECAP_CONTAINER_ID_LEN)
		abort();
	if (ecap_mapping_parse(line, &map) && (map.path < line || map.path > line + size))
		abort();
	free(line);
	return 0;
}
