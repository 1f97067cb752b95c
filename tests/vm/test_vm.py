# SPDX-License-Identifier: Apache-2.0
"""Other kernels: that the machine is what it claims to be, and that ecapture works there."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from conftest import ROOT, built, vm

# How ecapture can attach in each kernel.
RUNGS = {"5.10": "perf"}
# An emulated processor is about ten times slower.
TIME_SCALE = 10
# Of the machine that runs the tests, on a host that has other things to do.
DEADLINE_S = 900

LOOK = """
uname -r >/out/release
ls /sys/kernel/btf /boot /lib/modules >/out/btf 2>/dev/null
grep -c tracefs /proc/mounts >/out/tracefs
for object in core plain; do
	/t/canary /t/canary-$object.bpf.o >/out/$object 2>&1
	echo "status $?" >>/out/$object
done
"""

# With a linker cache, as every Debian has it: what curl brings along is known before it starts.
E2E = """
mkdir -p /etc /var/cache/ldconfig
/sbin/ldconfig -X /lib/*-linux-gnu /usr/lib/*-linux-gnu
cd /src
ECAPTURE_BIN=/src/ecapture ECAPTURE_PEER=/src/tls_peer ECAPTURE_RUNGS={rungs} \\
ECAPTURE_TIME_SCALE={scale} python3 -m pytest -p no:cacheprovider -v --color=no --durations=10 \\
	--junitxml=/out/e2e.xml tests/e2e \\
	-k "a01 or a02 or only_gnutls or test_bash" 2>&1
"""


@pytest.fixture(scope="module")
def canary_files():
    folder = built("ECAPTURE_CANARY_DIR", "build/tests/vm")
    return {f"/t/{n}": folder / n for n in ("canary", "canary-core.bpf.o", "canary-plain.bpf.o")}


@pytest.fixture(scope="module")
def plain_guest(boot, canary_files):
    return boot(LOOK, canary_files)


@pytest.fixture(scope="module")
def guest_without_btf(boot, kernel, canary_files):
    files = {
        **canary_files,
        "/src/ecapture": built("ECAPTURE_STATIC", "build-static/ecapture"),
        "/src/tls_peer": built("ECAPTURE_PEER", "build/tests/peers/tls_peer"),
        "/src/gnutls_peer": built("ECAPTURE_GNUTLS_PEER", "build/tests/peers/gnutls_peer"),
        "/src/tests/e2e": ROOT / "tests" / "e2e",
        "/src/src/probes": ROOT / "src" / "probes",
        "/src/tests/example": ROOT / "tests" / "example",
        "/src/scripts/aptroot.py": ROOT / "scripts" / "aptroot.py",
        "/sbin/ldconfig": Path("/sbin/ldconfig"),
    }
    e2e = E2E.format(rungs=RUNGS[kernel], scale=TIME_SCALE)
    return boot(LOOK + e2e, files, ["--no-btf", f"--deadline={DEADLINE_S}"])


def test_kernel_is_the_expected_one(kernel, plain_guest, guest_without_btf):
    expected = vm("fetch", kernel).stdout.split()[1]
    assert expected.startswith(kernel.removesuffix(".x") + ".")
    for guest in (plain_guest, guest_without_btf):
        assert guest.text("release").strip() == expected, guest.console
        assert guest.text("tracefs").strip() == "0"


def test_btf_is_there_and_can_be_hidden(plain_guest, guest_without_btf):
    assert "vmlinux" in plain_guest.text("btf").split()
    assert "vmlinux" not in guest_without_btf.text("btf")


def test_core_relocation_needs_the_btf(plain_guest, guest_without_btf):
    for name in ("core", "plain"):
        assert plain_guest.text(name).endswith("status 0\n"), plain_guest.text(name)
    # The same BPF loads without a relocation: it is the BTF that is missing, not BPF.
    assert guest_without_btf.text("plain").endswith("status 0\n"), guest_without_btf.text("plain")
    refused = guest_without_btf.text("core")
    assert refused.endswith("status 1\n") and "BTF" in refused, refused


def test_end_to_end_without_btf(guest_without_btf):
    guest = guest_without_btf
    suites = ET.fromstring(guest.text("e2e.xml")).iter("testsuite")
    total = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for key in total:
            total[key] += int(suite.get(key))
    assert total.pop("tests") > 0, guest.console
    assert not any(total.values()), guest.console
    assert guest.status == 0, guest.console
