/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From here on this thread may compute, use memory that can not be executed, ask how large the
 * machine is, read from the descriptors that it has, write to @out, and end: any other system call
 * kills the process (SIGSYS). Needs PR_SET_NO_NEW_PRIVS. There is no way back. -errno from prctl():
 * nothing has changed; -EINVAL: the kernel has no seccomp filters.
 */
int ecap_sandbox_enter(int out);
