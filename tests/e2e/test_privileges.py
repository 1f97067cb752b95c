# SPDX-License-Identifier: Apache-2.0
"""A35: with fewer privileges than root has: what is lost is said, and the rest works."""

import os
import platform
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from lib import restrict
from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.peer import library_of
from lib.process import NOBODY, PYTHON, as_user

TWO = {"bpf", "perfmon"}
KEPT = TWO | {"sys_ptrace", "dac_read_search", "checkpoint_restore"}
USED = KEPT | {"sys_nice"}
SYSCTL = Path("/proc/sys/kernel/unprivileged_bpf_disabled")
# 1 can not be taken back: for kernels that nobody else uses.
SYSCTL_VALUES = ["0", "2", "1"] if os.environ.get("ECAPTURE_OWN_KERNEL") else ["0", "2"]
MISSING = re.compile(r"^ecapture: (CAP_\w+) is missing: (.+)")
SMALL = 64 << 10
MAPS_ARE_LIMITED = tuple(map(int, platform.release().split(".")[:2])) < (5, 11)


@pytest.fixture
def limited(ecapture, public_binary):
    """Start the program with these capabilities only."""

    def start(*args, caps=(), uid=NOBODY, memlock="max", binary=public_binary, **options):
        names = ",".join(sorted(caps)) or "-"
        prefix = [PYTHON, restrict.__file__, str(uid), names, str(memlock), str(binary)]
        run = ecapture(
            *args, outputs=["json"], wrap=lambda command: prefix + command[1:], **options
        )
        run.json = run.stdout
        return run

    return start


@pytest.fixture
def admin(limited):
    """What hooking takes beside CAP_BPF and CAP_PERFMON here: nothing, or CAP_SYS_ADMIN."""

    def of(rung):
        attach = [f"--attach={rung}"] if rung else []
        run = limited("--dry-run", "-p", os.getpid(), *attach, caps=TWO, wait=False)
        line = run.err.wait_for(lambda line: not MISSING.match(line), 30, "what hooking takes")
        if "without CAP_SYS_ADMIN" not in line:
            return set()
        assert rung != "multi", line
        return {"sys_admin"}

    return of


@pytest.fixture
def owned_peer(player, peer, public_peer, public_dir):
    """Start our peer as a user without capabilities, its library in a folder of this mode."""
    folders = []

    def start(uid, mode=0o755):
        folder = public_dir / f"library-{len(folders)}"
        folder.mkdir()
        folders.append(folder)
        shutil.copy(library_of(peer("nonblock").pid), folder)
        for path in (folder, *folder.iterdir()):
            os.chown(path, uid, uid)
        folder.chmod(mode)
        command = ["/usr/bin/env", f"LD_LIBRARY_PATH={folder}", public_peer, "every"]
        return player(PYTHON, restrict.__file__, uid, "-", "max", *command)

    yield start
    for folder in folders:
        shutil.rmtree(folder)


def told_missing(run):
    """The capabilities that it says are always used and missing; each once, with what is lost."""
    found = [match.group(1) for match in map(MISSING.match, run.err.lines) if match]
    assert len(found) == len(set(found)), found
    # of files on two devices that look alike; see test_a35_overlays()
    return {name.removeprefix("CAP_").lower() for name in found} - {"sys_admin"}


def assert_refused(run, *words):
    """It ends with status 1 and one line, which has these words, and leaves nothing."""
    assert run.wait_end() == 1, run.err.tail()
    assert len(run.err.lines) == 1, run.err.tail()
    for word in words:
        assert word in run.err.lines[0]
    assert run.stdout.read_bytes() == b""


def assert_captured(run, *actors):
    """What these peers say is there, byte for byte."""
    reports = [actor.play() for actor in actors]
    capture = run.finish()
    for report in reports:
        assert_same(capture, report)


@pytest.mark.parametrize("uid", [NOBODY, 0])
def test_a35_two_capabilities(limited, owned_peer, admin, rung, uid):
    """Our own programs are captured, others' libraries are not found, and that is said."""
    ours, others = owned_peer(uid), owned_peer(NOBODY - 1)
    caps = TWO | admin(rung)
    run = limited("-p", f"{ours.pid},{others.pid}", caps=caps, uid=uid, rung=rung)
    # CAP_SYS_ADMIN stands in for CAP_CHECKPOINT_RESTORE
    expected = USED - caps - ({"checkpoint_restore"} if "sys_admin" in caps else set())
    assert told_missing(run) == expected
    reports = [actor.play() for actor in (ours, others)]
    capture = run.finish()
    assert_same(capture, reports[0])
    assert_would_fail(assert_same, capture, reports[1])


def test_a35_two_capabilities_do_not_make_perf(limited, admin, rung):
    """Where perf events take CAP_SYS_ADMIN, the error says so and names what does not."""
    if admin(rung):
        run = limited(f"--attach={rung}", caps=TWO, wait=False)
        assert_refused(run, "without CAP_SYS_ADMIN", "sudo")
    else:
        limited("-p", os.getpid(), caps=TWO, rung=rung)


@pytest.fixture(params=SYSCTL_VALUES)
def sysctl(request):
    """kernel.unprivileged_bpf_disabled, which allows a user very little of BPF, or nothing."""
    before = SYSCTL.read_text().strip()
    if before == "1" and request.param != "1":
        pytest.skip("kernel.unprivileged_bpf_disabled is 1 here, which can not be taken back")
    SYSCTL.write_text(request.param)
    yield request.param
    if request.param != "1":
        SYSCTL.write_text(before)


def test_a35_unprivileged_bpf(limited, owned_peer, admin, sysctl):
    """It makes no difference: without privilege nothing works, with the two it does."""
    assert_refused(
        limited(wait=False), "CAP_BPF and CAP_PERFMON", "sudo", "`sudo setcap cap_bpf,cap_perfmon,"
    )
    actor = owned_peer(NOBODY)
    assert_captured(limited("-p", actor.pid, caps=TWO | admin(None)), actor)
    assert SYSCTL.read_text().strip() == sysctl


@pytest.mark.parametrize("caps", [{"bpf"}, {"perfmon"}], ids=lambda caps: "-".join(caps))
def test_a35_one_capability(limited, caps):
    """The error names the one that is missing, and not the other one."""
    (other,) = TWO - caps
    assert_refused(limited(caps=caps, wait=False), f"without CAP_{other.upper()}: ", "sudo")


def test_a35_root_without_capabilities(limited):
    """Being root helps nothing there, and is not the advice."""
    run = limited(uid=0, wait=False)
    assert_refused(run, "although uid is 0", "CAP_BPF and CAP_PERFMON", "--cap-add")
    assert "sudo" not in run.err.tail()


def test_a35_admin_stands_in(limited, owned_peer, rung):
    """CAP_SYS_ADMIN is what containers of older days are given."""
    actor = owned_peer(NOBODY)
    run = limited("-p", actor.pid, caps={"sys_admin"}, rung=rung)
    assert told_missing(run) == {"sys_nice", "sys_ptrace", "dac_read_search"}
    assert_captured(run, actor)


@pytest.mark.parametrize("uid, caps", [(NOBODY - 2, TWO), (NOBODY - 3, KEPT)])
def test_a35_small_memlock(limited, owned_peer, admin, uid, caps):
    """Maps count against RLIMIT_MEMLOCK before Linux 5.11: then it is said, else nothing is."""
    caps = caps | admin(None)
    actor = owned_peer(uid)  # a user who has nothing locked: it counts per user
    run = limited("-p", actor.pid, caps=caps, uid=uid, memlock=SMALL, wait=False)
    if MAPS_ARE_LIMITED:
        assert_refused(run, "RLIMIT_MEMLOCK, which is 64 KiB", "CAP_SYS_RESOURCE", "ulimit -l")
    else:
        run.wait_ready()
        assert "sys_resource" not in told_missing(run)
        assert_captured(run, actor)


def delete_library(actor):
    library_of(actor.pid).unlink()


# Who is lost without it: (folder's mode, what happens to the library then).
LOST = {
    "sys_ptrace": (0o755, None),
    "dac_read_search": (0o700, None),
    "checkpoint_restore": (0o755, delete_library),
}


@pytest.mark.parametrize("cap", LOST)
def test_a35_what_each_is_for(limited, owned_peer, admin, cap):
    """With all of them a program of another user is captured, without the one it is not."""
    mode, change = LOST[cap]
    needed = admin(None)
    for caps in (USED, USED - {cap}):
        actor = owned_peer(NOBODY - 1, mode)
        if change:
            change(actor)
        run = limited("-p", actor.pid, caps=caps | needed)
        stands_in = cap == "checkpoint_restore" and needed
        is_found = cap in caps or stands_in
        assert told_missing(run) == (set() if is_found else {cap})
        if is_found:
            assert_captured(run, actor)
        else:
            assert_would_fail(assert_captured, run, actor)


def status_of(path):
    """Fields of a status file of /proc."""
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def threads_of(run):
    return [status_of(path) for path in Path(f"/proc/{run.pid}/task").glob("*/status")]


def test_what_is_kept(ecapture, admin, peer, rung):
    """Of root each thread keeps what later hooks need; those that read foreign files are nobody."""
    run = ecapture("-p", peer("nonblock").pid, rung=rung)
    wanted = restrict.mask_of(KEPT | admin(rung))
    threads = threads_of(run)
    for status in threads:
        assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == wanted, status
        assert (int(status["CapInh"], 16), int(status["CapAmb"], 16)) == (0, 0)
        assert status["NoNewPrivs"] == "1"
    uids = {status["Uid"].split()[0] for status in threads}
    assert uids == {"0", str(NOBODY)}


def test_others_of_its_user_can_not_look_in(limited, peer, admin):
    """It is not dumpable: its files in /proc are root's, although it is somebody else's."""
    run = limited("-p", peer("nonblock").pid, caps=KEPT | admin(None))
    assert threads_of(run)[0]["Uid"].split()[0] == str(NOBODY)
    assert Path(f"/proc/{run.pid}/environ").stat().st_uid == 0


def test_a35_overlays(limited, player, peer, peer_binary, admin, tmp_path):
    """Without CAP_SYS_ADMIN copies on other devices may be one file: it says so, and hooks both."""
    needed = admin(None)
    folder = tmp_path / "device"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "copy", folder], check=True)
    try:
        shutil.copy(library_of(peer("nonblock").pid), folder)
        for caps in (USED | needed, USED | {"sys_admin"}):
            actor = player("/usr/bin/env", f"LD_LIBRARY_PATH={folder}", peer_binary, "every")
            run = limited("-p", actor.pid, caps=caps)
            line = run.err.find(lambda line: "CAP_SYS_ADMIN is missing: " in line)
            assert bool(line) == ("sys_admin" not in caps), run.err.tail()
            assert_captured(run, actor)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_file_with_capabilities(ecapture, owned_peer, binary, public_dir, admin):
    """What `setcap` does: then whoever may run the file needs no sudo."""
    resource = {"sys_resource"} if MAPS_ARE_LIMITED else set()
    mask = restrict.mask_of(USED | admin(None) | resource)
    file = Path(shutil.copy(binary, public_dir / "with-capabilities"))
    words = (0x02000001, mask & 0xFFFFFFFF, 0, mask >> 32, 0)  # struct vfs_cap_data, effective
    os.setxattr(file, "security.capability", struct.pack("<5I", *words))
    actor = owned_peer(NOBODY - 1)

    def wrap(command):
        return as_user(NOBODY, [str(file), *command[1:]])

    run = ecapture("-p", actor.pid, outputs=["json"], wrap=wrap)
    run.json = run.stdout
    assert threads_of(run)[0]["Uid"].split()[0] == str(NOBODY)
    assert told_missing(run) == set()
    assert_captured(run, actor)
