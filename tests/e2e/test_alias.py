# SPDX-License-Identifier: Apache-2.0
"""A12: one library under several names: all of them are captured, and no call twice."""

import shutil
import subprocess

import pytest

from lib.capture import assert_same
from lib.peer import check

pytestmark = pytest.mark.library("openssl")


def libssl_of(program):
    """The libssl that the dynamic linker gives the program."""
    out = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return next(line.split()[2] for line in out.splitlines() if "libssl" in line)


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True)


@pytest.fixture
def names(tmp_path, peer_binary):
    """Folders in which the library lies: {what it is there: folder}."""
    library = libssl_of(peer_binary)
    folders = {name: tmp_path / name for name in ("lower", "copy", "bind", "overlay1", "overlay2")}
    upper = tmp_path / "upper"  # an overlay's upper layer may not lie on another overlay
    for folder in (*folders.values(), upper):
        folder.mkdir()
    for name in ("lower", "copy"):
        shutil.copy(library, folders[name])
    mounts = []
    try:
        mount("--bind", folders["lower"], folders["bind"])
        mounts.append(folders["bind"])
        mount("-t", "tmpfs", "upper", upper)
        mounts.append(upper)
        for name in ("overlay1", "overlay2"):
            layers = [upper / name, upper / f"{name}.work"]
            for layer in layers:
                layer.mkdir()
            options = f"lowerdir={folders['lower']},upperdir={layers[0]},workdir={layers[1]}"
            mount("-t", "overlay", "overlay", "-o", options, folders[name])
            mounts.append(folders[name])
        yield folders
    finally:
        for folder in reversed(mounts):
            subprocess.run(["umount", "--lazy", folder], check=True)


def same_files(folders):
    """The files as stat() counts them."""
    stats = [next(folder.glob("libssl*")).stat() for folder in folders.values()]
    return {(stat.st_dev, stat.st_ino) for stat in stats}




def start_peers(player, peer_binary, names):
    """One for each name of the library."""
    return [
        player("/usr/bin/env", f"LD_LIBRARY_PATH={folder}", peer_binary, "every")
        for folder in names.values()
    ]


@pytest.mark.parametrize("chosen", [False, True], ids=["all", "pids"])
def test_a12_one_library_many_names(ecapture, player, peer_binary, names, rung, chosen):
    assert len(same_files(names)) == 4  # lower and bind are one, the overlays look like two more
    actors = start_peers(player, peer_binary, names)
    pids = ",".join(str(actor.pid) for actor in actors)
    run = ecapture(*(["-p", pids] if chosen else []), rung=rung)
    reports = [actor.play() for actor in actors]
    capture = run.finish()
    for report in reports:
        check(capture, report)
        assert_same(capture, report)
    start = run.err.find(lambda line: "capturing" in line)
    assert "the same file under 2 more names" in start, start


def test_a12_beside_another_capture(ecapture, player, peer_binary, names):
    """The hooks of another one change the page that tells which files are one."""
    actors = start_peers(player, peer_binary, names)
    ecapture()
    run = ecapture()
    reports = [actor.play() for actor in actors]
    capture = run.finish()
    for report in reports:
        check(capture, report)
    assert run.err.find(lambda line: "the same file under 2 more names" in line)
