/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

/*
 * A command that is run to be captured. Its process is made at once, with all that the caller gave
 * to us, and waits until the hooks are in place.
 */
struct ecap_launch;

/* Exit statuses, as shells and env(1) have them. */
#define ECAP_LAUNCH_FAILED	   125 /* of ours: the command was not run */
#define ECAP_LAUNCH_NOT_EXECUTABLE 126
#define ECAP_LAUNCH_NOT_FOUND	   127

/*
 * Make the process. To be called before anything is changed that it would inherit: descriptors,
 * limits, signals, rights. @argv is borrowed and ends with NULL. Returns 0 or a negative errno.
 */
int ecap_launch_new(char *const *argv, struct ecap_launch **ret);
/* A command that was not let go never runs; one that was is not ended. */
void ecap_launch_free(struct ecap_launch *l);
ECAP_DEFINE_FREEP(struct ecap_launch, ecap_launch_free)

pid_t ecap_launch_get_pid(const struct ecap_launch *l);
/* Let it run. */
void ecap_launch_go(struct ecap_launch *l);
/* Readable when the process has ended. Borrowed. */
int ecap_launch_fd(const struct ecap_launch *l);
/* Whether it was let go and has not ended, as far as ecap_launch_wait() knows. */
bool ecap_launch_is_running(const struct ecap_launch *l);
/* Hand on a signal that was sent to us. */
void ecap_launch_signal(const struct ecap_launch *l, int sig);
/*
 * Wait for its end, if it was let go. Returns the exit status that is ours then: the command's, 128
 * and the number of the signal that ended it, or one of those above, the reason being logged.
 */
int ecap_launch_wait(struct ecap_launch *l);
