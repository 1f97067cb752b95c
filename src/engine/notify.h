/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tell a service manager that capturing has begun: READY=1 to $NOTIFY_SOCKET (sd_notify(3)).
 * Nothing happens if there is none.
 */
void ecap_notify_ready(void);
