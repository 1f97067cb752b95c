# SPDX-License-Identifier: Apache-2.0
"""Files that are made to hold the start up: their analysis has a limit, all of them together."""

import re
import shutil
import signal
import struct
import sys
from pathlib import Path

import pytest

from conftest import unavailable
from lib import kernel, process, wait

N_FILES = 5
TABLE_BYTES = 24 * (10 << 20)  # of relocations, each of 24; larger ones are not looked at
NSS = [Path(f"/usr/lib/{machine}-linux-gnu/libssl3.so") for machine in ("x86_64", "aarch64")]
STOP_S = 1.5  # one such file takes two seconds

# Maps files to be executed, as the dynamic linker does.
MAPS_FILES = """
import mmap, os, sys
maps = []
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        mode = mmap.PROT_READ | mmap.PROT_EXEC
        maps.append(mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mode))
print("ready", os.getpid(), flush=True)
sys.stdin.readline()
print("{}")
"""


def give_relocations(path):
    """Make the first table of relocations in a library a hole of millions of them."""
    with open(path, "r+b") as file:
        head = file.read(64)
        (sections,) = struct.unpack_from("<Q", head, 0x28)
        size, count = struct.unpack_from("<HH", head, 0x3A)
        file.seek(0, 2)
        end = file.tell()
        for at in range(sections, sections + size * count, size):
            file.seek(at)
            section = bytearray(file.read(size))
            if struct.unpack_from("<I", section, 4) == (4,):  # SHT_RELA
                struct.pack_into("<QQ", section, 0x18, end, TABLE_BYTES)
                file.seek(at)
                file.write(section)
                file.truncate(end + TABLE_BYTES)
                return
    raise AssertionError(f"{path} has no relocations")


@pytest.fixture
def mapped(player, peer_binary, tmp_path):
    """A process that has mapped some such files."""
    paths = [tmp_path / f"libhostile{i}.so" for i in range(N_FILES)]
    for path in paths:
        shutil.copy(peer_binary.parent / "libhostile.so", path)
        give_relocations(path)
    return player(sys.executable, "-c", MAPS_FILES, *paths), paths


def test_all_together_have_a_limit(ecapture, mapped):
    """What comes when the time is used up is hooked at its public functions, and that is told."""
    actor, paths = mapped
    run = ecapture("-d", "-p", actor.pid, "--placement", "auto")
    warned = [line for line in run.err.lines if "took all the time for it" in line]
    assert len(warned) == 1, run.err.tail()
    n_refused = int(re.search(r"(\d+) files are hooked", warned[0])[1])
    slow = [line for line in run.err.lines if "its code was not analysed" in line]
    assert 0 < n_refused < len(slow) == N_FILES, run.err.tail()
    capture = run.finish()
    placements = {target["path"]: target["placement"] for target in capture.targets}
    assert {placements[str(path)] for path in paths} == {"public"}


@pytest.fixture
def maps(player, stranger, public_dir):
    """Start a process of that user which maps files to be executed."""

    def start(*paths):
        for path in paths:
            path.chmod(0o755)
        command = [process.PYTHON, "-c", MAPS_FILES, *paths]
        return player(*process.as_user(stranger.uid, command))

    return start


def test_later_files_do_not_use_up_time(ecapture, stranger, maps, peer_binary, public_dir):
    """Others wait for each of them, but not long, and a library without symbols has its own."""
    nss = next((path for path in NSS if path.exists()), None)
    if not nss:
        unavailable("NSS is not installed")
    run = ecapture("-d", "-u", stranger.uid, "--placement", "auto")
    paths = [public_dir / f"libhostile{i}.so" for i in range(N_FILES)]
    for path in paths:
        shutil.copy(peer_binary.parent / "libhostile.so", path)
        give_relocations(path)
    maps(*paths)
    slow = [
        run.err.wait_for(
            lambda line, path=path: f"{path}: its code was not analysed" in line, 30, f"{path}"
        )
        for path in paths
    ]
    assert all("timed out" in line for line in slow), "none had two seconds of the processor"
    copy = shutil.copy(nss, public_dir / nss.name)
    maps(copy)
    run.err.wait_for(lambda line: f"also capturing {copy} (nss)" in line, 30, "NSS")
    run.finish()


def test_stop_during_the_search(ecapture, mapped, kernel_ids):
    """Ctrl-C ends the analysis that is under way, and the search."""
    actor, _ = mapped
    run = ecapture("-d", "-p", actor.pid, "--placement", "auto", wait=False)
    run.err.wait_for(lambda line: "its code was not analysed" in line, 30, "the first such file")
    run.signal(signal.SIGINT)
    assert run.wait_end(STOP_S) == 0, run.err.tail()
    assert not run.err.find(lambda line: "ecapture: capturing" in line)
    kernel.assert_nothing_left(kernel_ids)
