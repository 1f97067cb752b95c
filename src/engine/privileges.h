/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ecap_buf;

/*
 * What we may do. The kernel keeps privileges per thread, so each thread gives up its own, as soon
 * as it needs them no more; what it starts after that has no more than it. A command that is to run
 * with the caller's privileges is forked before the first thread gives up any.
 */
enum ecap_privileges_flag {
	ECAP_PRIVILEGES_ADMIN = 1 << 0,	 /* attaching needs CAP_SYS_ADMIN here, or may need it */
	ECAP_PRIVILEGES_NOBODY = 1 << 1, /* if we are root, do not stay that user */
};

/*
 * Keep what attaching and looking into processes needs, and drop all else in this thread, for good:
 * every other capability, new ones by exec (no_new_privs), and for the whole process that others of
 * our user may look into it (PR_SET_DUMPABLE). @flags: of enum ecap_privileges_flag. Logs what
 * failed.
 */
int ecap_privileges_drop(unsigned int flags);
/*
 * Use in this thread only what ecap_privileges_drop(@flags) would keep, so that what is tried shows
 * whether that is enough. Can be undone with other flags. -EPERM: CAP_SYS_ADMIN is asked for but
 * not there.
 */
int ecap_privileges_rehearse(unsigned int flags);

/* When a capability is used. */
enum ecap_privilege_use {
	ECAP_PRIVILEGE_ALWAYS,	 /* for each file that is hooked: it is kept */
	ECAP_PRIVILEGE_AT_START, /* not after that */
	ECAP_PRIVILEGE_AT_NEED,	 /* on some kernels, or for some files; who meets one says so */
};

/* A capability that we use. Texts are for people. */
struct ecap_privilege {
	uint64_t cap;	  /* a bit */
	uint64_t instead; /* the kernel takes any of these as well */
	const char *name; /* "CAP_BPF" */
	const char *what_for;
	const char *lost; /* without it; NULL: nothing works */
	enum ecap_privilege_use use;
};
/* All of them, the most needed first. Returns how many. */
size_t ecap_privileges_get_all(const struct ecap_privilege **ret);

/* What of @permitted is kept. */
uint64_t ecap_privileges_choose(uint64_t permitted, unsigned int flags);
/* What is always used, but neither it nor what stands in for it is in @permitted. */
uint64_t ecap_privileges_missing(uint64_t permitted);
/* The names of @caps, "CAP_BPF and CAP_PERFMON". */
void ecap_privileges_put_names(uint64_t caps, struct ecap_buf *out);
/* The command that gives the file @path what is used: "setcap cap_bpf,...+ep PATH". */
void ecap_privileges_put_setcap(const char *path, struct ecap_buf *out);

/* Log for each of @caps, which are missing, what is lost. */
void ecap_privileges_warn(uint64_t caps);
/* The same for what this thread lacks of what is always used. */
void ecap_privileges_warn_missing(void);
/*
 * Log why the kernel refuses (@r: -EPERM or -EACCES) what ecap_privileges_drop(@flags) would keep,
 * and what to do.
 */
void ecap_privileges_explain(unsigned int flags, int r);
