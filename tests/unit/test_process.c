/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/process.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void mappings_are_parsed(void **state)
{
	static const struct {
		const char *line;
		const char *path; /* NULL: not an executable mapping of a file */
		uint64_t start;
		uint64_t ino;
	} cases[] = {
		{ "7f00-7f10 r-xp 00001000 fe:02 4711    /usr/lib/libssl.so.3\n",
		  "/usr/lib/libssl.so.3", 0x7f00, 4711 },
		{ "7f00-7f10 r-xp 00001000 fe:02 4711    /tmp/with space (deleted)\n",
		  "/tmp/with space (deleted)", 0x7f00, 4711 },
		{ "55aa00001000-55aa00002000 rwxs 00000000 00:2f 18446744073709551615 /x", "/x",
		  0x55aa00001000, UINT64_MAX },
		{ "7f00-7f10 r--p 00001000 fe:02 4711    /usr/lib/libssl.so.3\n", NULL, 0, 0 },
		{ "7ffe-7fff r-xp 00000000 00:00 0       [vdso]\n", NULL, 0, 0 },
		{ "7ffe-7fff r-xp 00000000 00:00 0 \n", NULL, 0, 0 },
		{ "7f00-7f10 r-xp 00001000 fe:02 4711\n", NULL, 0, 0 },
		{ "garbage", NULL, 0, 0 },
		{ "", NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ecap_mapping map = { 0 };
		char line[256];

		memcpy(line, cases[i].line, strlen(cases[i].line) + 1);
		if (ecap_mapping_parse(line, &map) != (cases[i].path != NULL))
			fail_msg("%s: wrongly taken or refused", cases[i].line);
		if (!cases[i].path)
			continue;
		assert_string_equal(map.path, cases[i].path);
		assert_int_equal(map.start, cases[i].start);
		assert_int_equal(map.ino, cases[i].ino);
	}
}

static void container_ids_are_64_hex_digits(void **state)
{
	static const struct {
		const char *cgroup;
		int found;
	} cases[] = {
		{ "0::/system.slice/docker-" ID ".scope\n", 1 },
		{ "12:pids:/docker/" ID "\n11:cpu:/\n", 1 },
		{ "0::/kubepods/besteffort/pod1234/" ID, 1 },
		{ "0::/user.slice/user-1000.slice\n", 0 },
		{ "0::/x/" ID "a\n", 0 }, /* 65 */
		{ "0::/x/0123456789ABCDEF\n", 0 },
		{ "", 0 },
	};
	char id[ECAP_CONTAINER_ID_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (ecap_container_id_parse(cases[i].cgroup, id) != cases[i].found)
			fail_msg("%s: wrong", cases[i].cgroup);
		if (cases[i].found)
			assert_string_equal(id, ID);
	}
}

static void our_own_facts_are_right(void **state)
{
	struct ecap_process_facts facts;
	char exe[PATH_MAX] = "";

	(void)state;
	assert_int_equal(ecap_process_facts_read(getpid(), &facts), 0);
	assert_int_equal(facts.ppid, getppid());
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_string_equal(facts.exe, exe);
}

static void a_missing_process_is_esrch(void **state)
{
	struct ecap_process_facts facts;
	pid_t tgid;

	(void)state;
	assert_int_equal(ecap_process_facts_read(0x7ffffff0, &facts), -ESRCH);
	assert_int_equal(ecap_process_tgid(0x7ffffff0, &tgid), -ESRCH);
	assert_int_equal(ecap_process_tgid(getpid(), &tgid), 0);
	assert_int_equal(tgid, getpid());
}

static void proc_is_ours(void **state)
{
	(void)state;
	assert_true(ecap_process_proc_is_ours());
}

static int find_own_exe(pid_t pid, const struct ecap_mapping *map, void *arg)
{
	(void)pid;
	return strcmp(map->path, arg) == 0;
}

static int find_self(pid_t pid, void *arg)
{
	(void)arg;
	return pid == getpid();
}

static void walks_find_this_program(void **state)
{
	char exe[PATH_MAX] = "";

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(ecap_process_each(find_self, NULL), 1);
	assert_int_equal(ecap_mapping_each(getpid(), find_own_exe, exe), 1);
	assert_int_equal(ecap_mapping_each(0x7ffffff0, find_own_exe, exe), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_are_parsed),
		cmocka_unit_test(container_ids_are_64_hex_digits),
		cmocka_unit_test(our_own_facts_are_right),
		cmocka_unit_test(a_missing_process_is_esrch),
		cmocka_unit_test(proc_is_ours),
		cmocka_unit_test(walks_find_this_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
