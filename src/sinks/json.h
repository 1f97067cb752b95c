/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What JSON calls the events of @type (enum ecap_out_type), as in "type" of its lines: "data".
 * NULL: it writes none of them.
 */
const char *ecap_json_type_name(unsigned int type);
