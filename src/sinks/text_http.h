/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct ecap_out_event;
struct ecap_text;

/*
 * A request or a response (ECAP_OUT_MESSAGE) that is complete: a line that sums it up, and, as the
 * options say, headers and body below it.
 */
void ecap_text_put_message(const struct ecap_text *t, const struct ecap_out_event *ev);
