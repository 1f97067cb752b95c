/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/privileges.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/cleanup.h"
#include "base/log.h"

#define NOBODY	 65534
#define MAX_TEXT 8192

static const struct ecap_privilege privileges[] = {
	{
		.cap = ECAP_CAP(CAP_BPF),
		.instead = ECAP_CAP(CAP_SYS_ADMIN),
		.name = "CAP_BPF",
		.what_for = "loads the programs and makes their maps",
	},
	{
		.cap = ECAP_CAP(CAP_PERFMON),
		.instead = ECAP_CAP(CAP_SYS_ADMIN),
		.name = "CAP_PERFMON",
		.what_for = "lets the programs read memory, hooks functions and notices files "
			    "that programs map",
	},
	{
		.cap = ECAP_CAP(CAP_SYS_PTRACE),
		.name = "CAP_SYS_PTRACE",
		.lost = "programs of other users, and those that may do more than this one, are "
			"not found, only libraries of the system that they use, and events do not "
			"say which file they run (exe)",
		.what_for = "sees which files programs of other users run",
	},
	{
		.cap = ECAP_CAP(CAP_DAC_READ_SEARCH),
		.instead = ECAP_CAP(CAP_DAC_OVERRIDE),
		.name = "CAP_DAC_READ_SEARCH",
		.lost = "libraries and programs in folders that this user may not enter, or that "
			"it may not read, are not found",
		.what_for = "reads files that only their owners may",
	},
	{
		.cap = ECAP_CAP(CAP_CHECKPOINT_RESTORE),
		.instead = ECAP_CAP(CAP_SYS_ADMIN),
		.name = "CAP_CHECKPOINT_RESTORE",
		.lost = "libraries and programs that were replaced or deleted while they run are "
			"not found",
		.what_for = "opens files as programs have them mapped",
	},
	{
		.cap = ECAP_CAP(CAP_SYS_NICE),
		.use = ECAP_PRIVILEGE_AT_START,
		.name = "CAP_SYS_NICE",
		.lost = "on a busy host more may be lost",
		.what_for = "runs the reader before other programs",
	},
	{
		.cap = ECAP_CAP(CAP_SYS_ADMIN),
		.use = ECAP_PRIVILEGE_AT_NEED,
		.name = "CAP_SYS_ADMIN",
		.lost = "libraries that look alike can not be told apart from one under two names "
			"(overlayfs); one that is hooked twice shows false losses (mid_call)",
		.what_for = "hooks through perf events where the kernel wants it for that "
			    "(--attach perf, perf-cookie), and tells whether two names under "
			    "overlayfs are one file",
	},
	{
		.cap = ECAP_CAP(CAP_SYS_RESOURCE),
		.use = ECAP_PRIVILEGE_AT_NEED,
		.name = "CAP_SYS_RESOURCE",
		.lost = "the memory that maps take counts against RLIMIT_MEMLOCK",
		.what_for = "lifts RLIMIT_MEMLOCK, which limits BPF maps before Linux 5.11",
	},
};

size_t ecap_privileges_get_all(const struct ecap_privilege **ret)
{
	*ret = privileges;
	return ECAP_ARRAY_SIZE(privileges);
}

/* ------------------------------------------------------------------------------------ choosing */

uint64_t ecap_privileges_choose(uint64_t permitted, unsigned int flags)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(privileges); i++) {
		const struct ecap_privilege *p = &privileges[i];

		if (p->use == ECAP_PRIVILEGE_ALWAYS)
			kept |= permitted & p->cap ? p->cap : permitted & p->instead;
	}
	if (flags & ECAP_PRIVILEGES_ADMIN)
		kept |= permitted & ECAP_CAP(CAP_SYS_ADMIN);
	return kept;
}

uint64_t ecap_privileges_missing(uint64_t permitted)
{
	uint64_t missing = 0;

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(privileges); i++) {
		const struct ecap_privilege *p = &privileges[i];

		if (p->use == ECAP_PRIVILEGE_ALWAYS && !(permitted & (p->cap | p->instead)))
			missing |= p->cap;
	}
	return missing;
}

/* ------------------------------------------------------------------------------------ dropping */

/*
 * The thread only, so not by glibc's functions, which make all threads change along. The kept
 * capabilities stay permitted. In a user namespace that has no such user we stay who we are.
 */
static void become_nobody(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return;
	(void)syscall(SYS_setgroups, 0, NULL);
	(void)syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY);
	(void)syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY);
	(void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

int ecap_privileges_drop(unsigned int flags)
{
	struct ecap_caps caps;
	int r = ecap_caps_get(&caps);

	if (!r) {
		caps.permitted = ecap_privileges_choose(caps.permitted, flags);
		caps.effective = caps.permitted;
		if (flags & ECAP_PRIVILEGES_NOBODY && geteuid() == 0)
			become_nobody();
		r = ecap_caps_set(&caps);
	}
	if (!r && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	/* the kernel sets it anew when the user changes, so it comes last */
	if (!r && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? ecap_err_r(r, "cannot give up privileges") : 0;
}

int ecap_privileges_rehearse(unsigned int flags)
{
	struct ecap_caps caps;
	int r = ecap_caps_get(&caps);

	if (r < 0)
		return r;
	if (flags & ECAP_PRIVILEGES_ADMIN && !(caps.permitted & ECAP_CAP(CAP_SYS_ADMIN)))
		return -EPERM;
	caps.effective = ecap_privileges_choose(caps.permitted, flags);
	return ecap_caps_set(&caps);
}

/* ------------------------------------------------------------------------------------- telling */

void ecap_privileges_put_names(uint64_t caps, struct ecap_buf *out)
{
	bool is_first = true;

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(privileges); i++) {
		if (!(caps & privileges[i].cap))
			continue;
		caps &= ~privileges[i].cap;
		if (!is_first)
			ecap_buf_puts(out, caps ? ", " : " and ");
		ecap_buf_puts(out, privileges[i].name);
		is_first = false;
	}
}

static void put_lower(const char *text, struct ecap_buf *out)
{
	for (; *text; text++)
		ecap_buf_putc(out, (char)tolower((unsigned char)*text));
}

void ecap_privileges_put_setcap(const char *path, struct ecap_buf *out)
{
	const char *separator = "setcap ";

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(privileges); i++) {
		if (privileges[i].use == ECAP_PRIVILEGE_AT_NEED)
			continue;
		ecap_buf_puts(out, separator);
		separator = ",";
		put_lower(privileges[i].name, out);
	}
	ecap_buf_printf(out, "+ep %s", path);
}

void ecap_privileges_warn(uint64_t caps)
{
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(privileges); i++) {
		if (caps & privileges[i].cap && privileges[i].lost)
			ecap_warn("%s is missing: %s", privileges[i].name, privileges[i].lost);
	}
}

void ecap_privileges_warn_missing(void)
{
	struct ecap_caps caps;

	if (ecap_caps_get(&caps) == 0)
		ecap_privileges_warn(ecap_privileges_missing(caps.permitted));
}

/* What nothing works without. */
static uint64_t essential(void)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < ECAP_ARRAY_SIZE(privileges); i++)
		caps |= privileges[i].lost ? 0 : privileges[i].cap;
	return caps;
}

static void put_own_setcap(struct ecap_buf *out)
{
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ecap_privileges_put_setcap(n > 0 ? self : "ecapture", out);
	ecap_buf_putc(out, '\0');
}

/* The kernel refuses although all that nothing works without is there. */
static void explain_refusal(bool lacks_admin, const char *names, int r)
{
	if (lacks_admin)
		ecap_err("cannot hook a function without CAP_SYS_ADMIN: this kernel wants it for "
			 "perf events on functions (multi links, from Linux 6.6 on, do not need "
			 "it); run it with sudo");
	else
		(void)ecap_err_r(r,
				 "cannot load BPF programs although %s are there: a user namespace "
				 "(rootless container), kernel lockdown, another security module, "
				 "or (before Linux 5.11) an RLIMIT_MEMLOCK that is used up refuses "
				 "it; run it as root on the host itself",
				 names);
}

void ecap_privileges_explain(unsigned int flags, int r)
{
	ecap_cleanup(ecap_buf_done) struct ecap_buf names = { 0 }, setcap = { 0 };
	struct ecap_caps caps = { 0 };
	uint64_t missing;

	(void)ecap_caps_get(&caps);
	missing = ecap_privileges_missing(caps.permitted) & essential();
	ecap_buf_init(&names, MAX_TEXT);
	ecap_privileges_put_names(missing ? missing : essential(), &names);
	ecap_buf_putc(&names, '\0');
	ecap_buf_init(&setcap, MAX_TEXT);
	put_own_setcap(&setcap);
	if (!missing)
		explain_refusal(flags & ECAP_PRIVILEGES_ADMIN &&
					!(caps.permitted & ECAP_CAP(CAP_SYS_ADMIN)),
				(const char *)names.data, r);
	else if (geteuid() == 0)
		ecap_err("cannot load BPF programs although uid is 0: the container or the "
			 "service withholds %s; give it there, e.g. by --cap-add of docker or "
			 "CapabilityBoundingSet= of systemd",
			 (const char *)names.data);
	else
		ecap_err("cannot load BPF programs as uid %u without %s: run it with sudo, or "
			 "give them to this file: `sudo %s`",
			 geteuid(), (const char *)names.data, (const char *)setcap.data);
}
