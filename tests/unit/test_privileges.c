/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/cleanup.h"
#include "engine/privileges.h"

#define NOBODY 65534

#define BPF	ECAP_CAP(CAP_BPF)
#define PERFMON ECAP_CAP(CAP_PERFMON)
#define PTRACE	ECAP_CAP(CAP_SYS_PTRACE)
#define READ	ECAP_CAP(CAP_DAC_READ_SEARCH)
#define WRITE	ECAP_CAP(CAP_DAC_OVERRIDE)
#define RESTORE ECAP_CAP(CAP_CHECKPOINT_RESTORE)
#define ADMIN	ECAP_CAP(CAP_SYS_ADMIN)
#define ALL	((UINT64_C(1) << (CAP_LAST_CAP + 1)) - 1)
#define ALWAYS	(BPF | PERFMON | PTRACE | READ | RESTORE)

static void what_is_kept_and_what_is_missing(void **state)
{
	static const struct {
		const char *what;
		uint64_t permitted;
		unsigned int flags;
		uint64_t kept;
		uint64_t missing;
	} cases[] = {
		{ "root", ALL, 0, ALWAYS, 0 },
		{ "root on perf", ALL, ECAP_PRIVILEGES_ADMIN, ALWAYS | ADMIN, 0 },
		{ "nothing", 0, ECAP_PRIVILEGES_ADMIN, 0, ALWAYS },
		{ "the two", BPF | PERFMON, 0, BPF | PERFMON, PTRACE | READ | RESTORE },
		{ "one stands in for three", ADMIN, 0, ADMIN, PTRACE | READ },
		{ "it is not kept beside them", ALWAYS | ADMIN, 0, ALWAYS, 0 },
		{ "reads by writing", ALWAYS - READ + WRITE, 0, ALWAYS - READ + WRITE, 0 },
		{ "what is not used", ALL & ~(ALWAYS | ADMIN | WRITE), 0, 0, ALWAYS },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		uint64_t kept = ecap_privileges_choose(cases[i].permitted, cases[i].flags);
		uint64_t missing = ecap_privileges_missing(cases[i].permitted);

		if (kept != cases[i].kept || missing != cases[i].missing)
			fail_msg("%s: kept %llx, missing %llx", cases[i].what,
				 (unsigned long long)kept, (unsigned long long)missing);
	}
}

static void names_are_listed(void **state)
{
	static const struct {
		uint64_t caps;
		const char *text;
	} cases[] = {
		{ 0, "" },
		{ PERFMON, "CAP_PERFMON" },
		{ PERFMON | BPF, "CAP_BPF and CAP_PERFMON" },
		{ PTRACE | PERFMON | BPF, "CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE" },
	};

	(void)state;
	for (size_t i = 0; i < ECAP_ARRAY_SIZE(cases); i++) {
		ecap_cleanup(ecap_buf_done) struct ecap_buf out = { 0 };

		ecap_buf_init(&out, 1000);
		ecap_privileges_put_names(cases[i].caps, &out);
		ecap_buf_putc(&out, '\0');
		assert_string_equal((const char *)out.data, cases[i].text);
	}
}

static void the_command_gives_what_is_used(void **state)
{
	ecap_cleanup(ecap_buf_done) struct ecap_buf out = { 0 };

	(void)state;
	ecap_buf_init(&out, 1000);
	ecap_privileges_put_setcap("/a/b", &out);
	ecap_buf_putc(&out, '\0');
	assert_string_equal((const char *)out.data,
			    "setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,"
			    "cap_checkpoint_restore,cap_sys_nice+ep /a/b");
}

static void every_capability_has_its_words(void **state)
{
	const struct ecap_privilege *all;
	size_t n = ecap_privileges_get_all(&all);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_memory_equal(all[i].name, "CAP_", 4);
		assert_non_null(all[i].what_for);
		/* only without the first two nothing works */
		assert_int_equal(all[i].lost != NULL, i > 1);
	}
}

/* Run @fn in a process of its own, which it may change; it returns 0 or where it failed. */
static void in_a_child(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(condition)                       \
	do {                                   \
		if (!(condition))              \
			return __LINE__ % 256; \
	} while (0)

static int drop_and_look(void)
{
	struct ecap_caps before, after;

	CHECK(ecap_caps_get(&before) == 0);
	CHECK(ecap_privileges_drop(0) == 0);
	CHECK(ecap_caps_get(&after) == 0);
	CHECK(after.permitted == ecap_privileges_choose(before.permitted, 0));
	CHECK(after.effective == after.permitted);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	/* it does not come back */
	CHECK(ecap_caps_set(&before) == (before.permitted == after.permitted ? 0 : -EPERM));
	return 0;
}

static int become_nobody_and_look(void)
{
	uid_t uid = getuid();
	struct ecap_caps before, after;

	CHECK(ecap_caps_get(&before) == 0);
	CHECK(ecap_privileges_drop(ECAP_PRIVILEGES_NOBODY | ECAP_PRIVILEGES_ADMIN) == 0);
	/* as the kernel has it: glibc was not asked */
	CHECK((uid_t)syscall(SYS_getuid) == (uid ? uid : NOBODY));
	CHECK(uid || syscall(SYS_getgroups, 0, NULL) == 0);
	CHECK(ecap_caps_get(&after) == 0);
	CHECK(after.effective == ecap_privileges_choose(before.permitted, ECAP_PRIVILEGES_ADMIN));
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	/* the second time less may be left */
	CHECK(ecap_privileges_drop(0) == 0);
	CHECK(ecap_caps_get(&after) == 0);
	CHECK(after.permitted == ecap_privileges_choose(before.permitted, 0));
	return 0;
}

static int rehearse_and_look(void)
{
	struct ecap_caps before, now;

	CHECK(ecap_caps_get(&before) == 0);
	CHECK(ecap_privileges_rehearse(0) == 0);
	CHECK(ecap_caps_get(&now) == 0);
	CHECK(now.effective == ecap_privileges_choose(before.permitted, 0));
	CHECK(now.permitted == before.permitted);
	if (before.permitted & ADMIN) {
		CHECK(ecap_privileges_rehearse(ECAP_PRIVILEGES_ADMIN) == 0);
		CHECK(ecap_caps_get(&now) == 0);
		CHECK(now.effective & ADMIN);
	} else {
		CHECK(ecap_privileges_rehearse(ECAP_PRIVILEGES_ADMIN) == -EPERM);
	}
	return 0;
}

static void what_is_dropped_is_gone(void **state)
{
	(void)state;
	in_a_child(drop_and_look);
}

static void root_becomes_nobody(void **state)
{
	(void)state;
	in_a_child(become_nobody_and_look);
}

static void a_rehearsal_can_be_undone(void **state)
{
	(void)state;
	in_a_child(rehearse_and_look);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_and_what_is_missing),
		cmocka_unit_test(names_are_listed),
		cmocka_unit_test(the_command_gives_what_is_used),
		cmocka_unit_test(every_capability_has_its_words),
		cmocka_unit_test(what_is_dropped_is_gone),
		cmocka_unit_test(root_becomes_nobody),
		cmocka_unit_test(a_rehearsal_can_be_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
