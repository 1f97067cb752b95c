#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs suites of tests/vm/suites.py in a machine: suites.sh SUITE=DEADLINE... What comes of them
# goes to the console in lines that begin with @@, which scripts/vmtest reads.

cd /src || exit 1
# shellcheck source=/dev/null
. /vmtest/settings # ECAPTURE_RUNGS, ECAPTURE_TIME_SCALE, quick
export ECAPTURE_RUNGS ECAPTURE_TIME_SCALE
export ECAPTURE_BIN=/src/ecapture ECAPTURE_PEER=/src/tls_peer PYTHONPATH=/vmtest
export PYTHONDONTWRITEBYTECODE=1

# tell FIELD...
tell() {
	printf '\n@@%s' "$1"
	shift
	[ $# = 0 ] || printf '\t%s' "$@"
	printf '\n'
}

# case_of NAME COMMAND...: one case that passes if the command does; its last line is the reason.
case_of() {
	name=$1
	shift
	tell start "$name"
	if "$@" >/tmp/case 2>&1; then
		tell cell "$name" PASS 0 ''
	else
		tell cell "$name" FAIL 0 "$(tail -n 1 /tmp/case | tr '\t' ' ')"
		cat /tmp/case
	fi
}

# e2e ARGUMENT...: end-to-end tests, with a linker cache, as every Debian has it.
e2e() {
	[ -e /etc/ld.so.cache ] || {
		mkdir -p /var/cache/ldconfig
		/sbin/ldconfig -X /lib/*-linux-gnu /usr/lib/*-linux-gnu
	}
	python3 -m pytest -p no:cacheprovider -p cells -q --tb=short --color=no "$@"
}

refused() { ! "$@"; }

lockdown_is() { grep "\[$1\]" /sys/kernel/security/lockdown; }

tracefs_is_gone() { ! grep tracefs /proc/mounts; }

# OpenSSL, GnuTLS and bash, once for each way to attach.
light() {
	e2e tests/e2e/test_rungs.py tests/e2e/test_bash.py::test_bash \
		'tests/e2e/test_other_library.py::test_only_gnutls'
}

# Also nginx and curl, and hooks inside libraries. For each change only the best way to attach, and
# nothing large: the others have run by themselves in the suite "load".
everything() {
	if [ -n "$quick" ]; then
		export ECAPTURE_RUNGS="${ECAPTURE_RUNGS%%,*}" ECAPTURE_A01_LARGEST=2097152
		# shellcheck disable=SC2086
		e2e $places -k "a01 or only_gnutls or test_bash or $inside"
	else
		# shellcheck disable=SC2086
		e2e $places
	fi
}
inside='(both_show_the_same and (every or nested)) or public_hooks_go'
places='tests/e2e/test_a01_curl.py
	tests/e2e/test_peer.py::test_a02_write_sizes
	tests/e2e/test_peer.py::test_a03_read_that_finds_nothing
	tests/e2e/test_bash.py::test_bash
	tests/e2e/test_bash.py::test_line_that_is_too_long
	tests/e2e/test_bash.py::test_shell_that_starts_later
	tests/e2e/test_other_library.py::test_only_gnutls
	tests/e2e/test_placement.py::test_both_show_the_same
	tests/e2e/test_placement.py::test_public_hooks_go'

programs() {
	for object in /t/bpf/*.bpf.o; do
		tell start "$object"
		/t/load "$object" | while IFS= read -r line; do tell load "$line"; done
	done
}

suite_load() {
	programs
	case_of canary /t/canary /t/canary-core.bpf.o
	e2e tests/e2e/test_rungs.py
}

suite_e2e() { everything; }

suite_nobtf() {
	mount -t tmpfs tmpfs /sys/kernel/btf
	case_of canary refused /t/canary /t/canary-core.bpf.o
	case_of canary-plain /t/canary /t/canary-plain.bpf.o
	everything
	umount /sys/kernel/btf
}

suite_bare() {
	umount /sys/kernel/tracing
	case_of no-tracefs tracefs_is_gone
	(
		ulimit -l 64
		light
	)
	mount -t tracefs tracefs /sys/kernel/tracing
}

suite_privileges() {
	if [ -e tests/e2e/test_privileges.py ]; then
		e2e tests/e2e/test_privileges.py
	else
		tell cell privileges SKIP 0 'there is no such test yet'
	fi
}

suite_unit() {
	while IFS='	' read -r name command; do
		# shellcheck disable=SC2086
		case_of "$name" $command
	done </vmtest/unit
}

suite_integrity() {
	case_of locked lockdown_is integrity
	light
}

suite_confidentiality() {
	case_of locked lockdown_is confidentiality
	light
}

suite_programs() { programs; }

suite_hang() {
	case_of passes true
	case_of hangs sleep 1000
}

suite_stuck() {
	case_of passes true
	tell start stuck
	trap '' TERM
	kill -STOP $PPID $$
}

if [ "$1" = one ]; then
	"suite_$2"
	exit
fi

mount -t tracefs tracefs /sys/kernel/tracing
for pair; do
	suite=${pair%=*}
	tell begin "$suite"
	timeout -k 10 "${pair#*=}" bash /vmtest/suites.sh one "$suite"
	tell end "$suite" $?
done
