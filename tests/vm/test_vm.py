# SPDX-License-Identifier: Apache-2.0
"""Other kernels: that the machine is what it claims to be. What ecapture does there: vmtest."""

import pytest

from conftest import built, vm

LOOK = """
uname -r >/out/release
ls /sys/kernel/btf /boot /lib/modules >/out/btf 2>/dev/null
grep -c tracefs /proc/mounts >/out/tracefs
for object in core plain; do
	/t/canary /t/canary-$object.bpf.o >/out/$object 2>&1
	echo "status $?" >>/out/$object
done
"""

@pytest.fixture(scope="module")
def canary_files():
    folder = built("ECAPTURE_CANARY_DIR", "build/tests/vm")
    return {f"/t/{n}": folder / n for n in ("canary", "canary-core.bpf.o", "canary-plain.bpf.o")}


@pytest.fixture(scope="module")
def plain_guest(boot, canary_files):
    return boot(LOOK, canary_files)


@pytest.fixture(scope="module")
def guest_without_btf(boot, canary_files):
    return boot(LOOK, canary_files, ["--no-btf"])


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
