/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares what clang -target bpf laid out, as the BPF object's BTF says, with what the host
 * compiler laid out. Opens objects only: no privilege, no kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "abi/event.h"
#include "abi/state.h"
#include "calls.skel.h"

struct field {
	const char *type;
	size_t type_size;
	const char *name; /* top-level member */
	size_t off;
};

#define F(t, f) { #t, sizeof(struct t), #f, offsetof(struct t, f) }

static const struct field fields[] = {
	F(ecap_event_hdr, ts_ns),
	F(ecap_event_hdr, size),
	F(ecap_event_hdr, kind),
	F(ecap_event_hdr, flags),
	F(ecap_event_hdr, tgid),
	F(ecap_event_hdr, tid),
	F(ecap_event_hdr, comm),
	F(ecap_conn_key, incarnation),
	F(ecap_conn_key, handle),
	F(ecap_conn_key, born_ns),
	F(ecap_data_event, hdr),
	F(ecap_data_event, conn),
	F(ecap_data_event, off),
	F(ecap_data_event, total),
	F(ecap_data_event, len),
	F(ecap_data_event, uid),
	F(ecap_data_event, row),
	F(ecap_data_event, dir),
	F(ecap_data_event, gap_reason),
	F(ecap_data_event, gap_calls),
	F(ecap_data_event, data),
	F(ecap_loss_event, conn),
	F(ecap_loss_event, off),
	F(ecap_loss_event, bytes),
	F(ecap_loss_event, calls),
	F(ecap_loss_event, uid),
	F(ecap_loss_event, row),
	F(ecap_loss_event, dir),
	F(ecap_loss_event, reason),
	F(ecap_conn_end_event, conn),
	F(ecap_conn_end_event, off),
	F(ecap_conn_end_event, uid),
	F(ecap_conn_end_event, gap_reason),
	F(ecap_conn_end_event, gap_calls),
	F(ecap_proc_event, incarnation),
	F(ecap_line_event, hdr),
	F(ecap_line_event, incarnation),
	F(ecap_line_event, len),
	F(ecap_line_event, uid),
	F(ecap_line_event, row),
	F(ecap_line_event, data),
	F(ecap_settings, pidns_dev),
	F(ecap_settings, pidns_ino),
	F(ecap_settings, own_tgid),
	F(ecap_settings, filters),
	F(ecap_settings, reader_busy),
	F(ecap_settings, threads_full),
	F(ecap_settings, active),
	F(ecap_row, dir),
	F(ecap_row, handle),
	F(ecap_row, buf),
	F(ecap_row, len_from),
	F(ecap_row, len_arg),
	F(ecap_row, flags),
	F(ecap_row, peek_bits),
	F(ecap_child, n_threads),
	F(ecap_proc, incarnation),
	F(ecap_proc, n_threads),
	F(ecap_proc, leader_gone),
	F(ecap_thread, incarnation),
	F(ecap_thread, next_evicted),
	F(ecap_thread, line),
	F(ecap_thread, calls),
	F(ecap_call, sp),
	F(ecap_call, handle),
	F(ecap_call, buf),
	F(ecap_call, aux),
	F(ecap_call, covered),
	F(ecap_call, row),
	F(ecap_call, dir),
	F(ecap_call, ip),
	F(ecap_call, shown_row),
	F(ecap_emission, conn),
	F(ecap_emission, buf),
	F(ecap_emission, off),
	F(ecap_emission, end),
	F(ecap_emission, total),
	F(ecap_emission, row),
	F(ecap_thread, emission),
	F(ecap_stream_key, incarnation),
	F(ecap_stream_key, handle),
	F(ecap_stream, born_ns),
	F(ecap_stream, off),
	F(ecap_stream, seen),
	F(ecap_stream, gap_calls),
	F(ecap_stream, gap_reason),
	F(ecap_stream, refs),
};

static void check_field(const struct btf *btf, const struct field *f)
{
	int id = btf__find_by_name_kind(btf, f->type, BTF_KIND_STRUCT);
	const struct btf_member *m;
	const struct btf_type *t;

	if (id <= 0)
		fail_msg("struct %s is not in the object's BTF", f->type);
	t = btf__type_by_id(btf, (__u32)id);
	if (t->size != f->type_size)
		fail_msg("struct %s: %u bytes in BPF, %zu here", f->type, t->size, f->type_size);
	m = btf_members(t);
	for (unsigned int i = 0; i < btf_vlen(t); i++) {
		if (strcmp(btf__name_by_offset(btf, m[i].name_off), f->name) != 0)
			continue;
		if (btf_member_bit_offset(t, i) != f->off * 8)
			fail_msg("%s.%s: offset %u in BPF, %zu here", f->type, f->name,
				 btf_member_bit_offset(t, i) / 8, f->off);
		return;
	}
	fail_msg("%s.%s is not in the object's BTF", f->type, f->name);
}

static void layouts_agree(void **state)
{
	struct bpf_object *obj;
	const void *elf;
	size_t size;

	(void)state;
	elf = calls_bpf__elf_bytes(&size);
	obj = bpf_object__open_mem(elf, size, NULL);
	assert_non_null(obj);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		check_field(bpf_object__btf(obj), &fields[i]);
	bpf_object__close(obj);
}

static void assert_no_core_relocations(const char *object)
{
	const struct btf_ext_header {
		__u16 magic;
		__u8 version;
		__u8 flags;
		__u32 hdr_len;
		__u32 func_info_off, func_info_len;
		__u32 line_info_off, line_info_len;
		__u32 core_relo_off, core_relo_len;
	} *hdr;
	struct btf_ext *ext = NULL;
	struct btf *btf;
	__u32 size;

	btf = btf__parse_elf(object, &ext);
	assert_non_null(btf);
	assert_non_null(ext);
	hdr = btf_ext__raw_data(ext, &size);
	assert_true(size >= sizeof(*hdr) && hdr->hdr_len >= sizeof(*hdr));
	assert_int_equal(hdr->core_relo_len, 0);
	btf_ext__free(ext);
	btf__free(btf);
}

/* Text mode must load without kernel BTF: one CO-RE relocation in these objects ends that. */
static void no_object_has_core_relocations(void **state)
{
	(void)state;
	assert_no_core_relocations(CALLS_OBJECT);
	assert_no_core_relocations(CHILDREN_OBJECT);
}

static bool has_tail_call(const struct bpf_program *prog)
{
	const struct bpf_insn *insns = bpf_program__insns(prog);

	for (size_t i = 0; i < bpf_program__insn_cnt(prog); i++) {
		if (insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src_reg == 0 &&
		    insns[i].imm == BPF_FUNC_tail_call)
			return true;
	}
	return false;
}

/* Without a tail call newer kernels let threads overwrite each other's variables (calls.bpf.c). */
static void uprobe_programs_keep_their_stack(void **state)
{
	struct calls_bpf *skel = calls_bpf__open();
	struct bpf_program *prog;
	size_t n = 0;

	(void)state;
	assert_non_null(skel);
	bpf_object__for_each_program(prog, skel->obj) {
		if (!has_tail_call(prog))
			fail_msg("%s has no tail call", bpf_program__name(prog));
		n++;
	}
	assert_true(n > 0);
	calls_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts_agree),
		cmocka_unit_test(no_object_has_core_relocations),
		cmocka_unit_test(uprobe_programs_keep_their_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
