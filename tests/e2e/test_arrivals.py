# SPDX-License-Identifier: Apache-2.0
"""Programs and libraries that appear while we capture."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lib import https_peer, process, wait, web
from lib.capture import assert_same
from lib.kernel import link_of
from lib.peer import check, library_of

pytestmark = pytest.mark.library("openssl")

# ECAPTURE_NAMESPACES: how many short-lived ones, each with a library of its own
COUNT = int(os.environ.get("ECAPTURE_NAMESPACES", "40"))
IN_MEMORY = Path(__file__).parent / "lib" / "tls_in_memory.py"


@pytest.fixture
def libssl(peer):
    return library_of(peer("nonblock").pid)


@pytest.fixture
def with_library(stranger, player, public_peer):
    """Start a peer, as the user that we capture, with the library in a folder."""

    def start(folder, *args, preload=""):
        names = [f"LD_LIBRARY_PATH={folder}", f"LD_PRELOAD={preload}"]
        command = ["/usr/bin/env", *names, public_peer, *(args or ["every"])]
        return player(*process.as_user(stranger.uid, command))

    return start


def new_copy(library, folder):
    """A file that nobody has ever mapped, readable for all."""
    folder.mkdir(mode=0o755, exist_ok=True)
    copy = folder / library.name
    fresh = folder / "fresh"
    shutil.copyfile(library, fresh)
    fresh.rename(copy)
    return copy


def wait_hooked(run, path, start=0):
    run.err.wait_for(lambda line: f"also capturing {path} " in line, 30, f"{path}", start)


def take_late(capture, pid):
    """The losses of a process that had begun before it was hooked; they are expected."""
    losses = [event for event in capture.losses if event["pid"] == pid]
    late = [event for event in losses if event["reason"] == "late_attach"]
    assert all(event["bytes"] is None and event["conn"] is None for event in late), late
    capture.losses = [event for event in capture.losses if event not in late]
    return late


def test_new_library(ecapture, stranger, with_library, libssl, public_dir, rung):
    """The first process with it has begun when it is hooked, which is told; a later one has not."""
    run = ecapture("-u", stranger.uid, rung=rung)
    path = new_copy(libssl, public_dir / f"new-{rung}")
    actors = [with_library(path.parent)]
    wait_hooked(run, path)
    actors.append(with_library(path.parent))
    reports = [actor.play() for actor in actors]
    capture = run.finish()
    assert [len(take_late(capture, actor.pid)) for actor in actors] == [1, 0]
    for report in reports:
        check(capture, report)
    (target,) = [target for target in capture.targets if target["path"] == str(path)][:1]
    assert target["attach"] == rung
    # foreign processes may have been late, too
    assert capture.stats[-1]["lost"]["late_attach"]["calls"] >= 1


def test_new_library_of_others(ecapture, stranger, with_library, libssl, public_dir):
    """A file that none of the chosen processes maps is none of our business."""
    chosen = with_library(new_copy(libssl, public_dir / "chosen").parent)
    run = ecapture("-p", chosen.pid)
    other = with_library(new_copy(libssl, public_dir / "other").parent)
    other.play()
    report = chosen.play()
    capture = run.finish()
    assert_same(capture, report)
    assert not capture.of(other.pid)
    assert not run.err.find(lambda line: "also capturing" in line)


def test_later_the_inside(ecapture, stranger, with_library, libssl, public_dir):
    """What was hooked in haste is looked into afterwards, and no byte falls between the two."""
    run = ecapture("-u", stranger.uid)
    path = new_copy(libssl, public_dir / "inside")
    actor = with_library(path.parent, "stream", "--count", 0, "--size", 300)
    wait_hooked(run, path)
    actor.go()
    place = f'"path":"{path}","lib":"openssl","attach":"multi","placement":'
    if "public" not in os.environ.get("ECAPTURE_ARGS", ""):
        wait.until(lambda: place + '"inside"' in run.json.read_text(), 30, "inner functions")
    actor.wait_progress(1000)
    actor.tell("stop")
    (report,) = actor.reports()
    capture = run.finish()
    assert len(take_late(capture, actor.pid)) == 1
    assert_same(capture, report)


def without_libraries(command):
    """The command, where the dynamic linker's cache is empty."""
    script = 'mount --bind /dev/null /etc/ld.so.cache && exec "$@"'
    return ["unshare", "-m", "sh", "-c", script, "sh", *command]


def test_loaded_later(ecapture, player, rung):
    """A chosen process that has no TLS library yet, on a host that has none."""
    actor = player(process.PYTHON, IN_MEMORY)
    run = ecapture("-p", actor.pid, rung=rung, wrap=without_libraries)
    assert run.err.find(lambda line: "nothing yet" in line and "waiting" in line)
    actor.go()  # import ssl
    run.err.wait_for(lambda line: "also capturing" in line, 30, "the library")
    report = actor.play()
    capture = run.finish()
    assert len(take_late(capture, actor.pid)) == 1
    assert_same(capture, report)


def test_replaced_library(ecapture, stranger, with_library, libssl, public_dir, rung):
    """An update: old processes go on with the old file, new ones take the new one."""
    path = new_copy(libssl, public_dir / f"replaced-{rung}")
    old = with_library(path.parent)
    run = ecapture("-u", stranger.uid, rung=rung)
    new_copy(libssl, path.parent)
    first = with_library(path.parent)
    wait_hooked(run, path)
    second = with_library(path.parent)
    reports = {actor: actor.play() for actor in (second, old, first)}
    capture = run.finish()
    assert [len(take_late(capture, actor.pid)) for actor in (old, first, second)] == [0, 1, 0]
    for report in reports.values():
        check(capture, report)


def test_comes_back_at_once(ecapture, stranger, with_library, libssl, public_dir):
    """What nobody finds by its name any more is let go with its last user, and comes back then."""
    run = ecapture("-u", stranger.uid, "--debug")
    path = new_copy(libssl, public_dir / "found")
    hidden = public_dir / "hidden"
    reports = []
    for _ in range(3):
        start = len(run.err.lines)
        actor = with_library(path.parent)
        wait_hooked(run, path, start)
        path.parent.rename(hidden)
        reports.append(actor.play())
        run.err.wait_for(lambda line: f"{path}: unhooked" in line, 30, "it goes", start)
        hidden.rename(path.parent)
    capture = run.finish()
    for report in reports:
        assert len(take_late(capture, report["pid"])) == 1
        assert_same(capture, report)


def test_touched(ecapture, stranger, with_library, libssl, public_dir):
    """Written to, but with its functions where they were: who uses it goes on without a gap."""
    path = new_copy(libssl, public_dir / "touched")
    talker = with_library(path.parent, "stream", "--count", 0, "--size", 300)
    run = ecapture("-u", stranger.uid, "--debug")
    talker.go()
    talker.wait_progress(200)
    os.utime(path)
    report = with_library(path.parent).play()
    talker.wait_progress(talker.progress() + 200)
    talker.tell("stop")
    (streamed,) = talker.reports()
    capture = run.finish()
    assert not run.err.find(lambda line: "was written to" in line)
    assert_same(capture, streamed)
    check(capture, report)


@pytest.fixture
def pretended(player, peer_binary, tmp_path):
    """Start users of a copy of libpretender.so, whose functions can be moved; returns it, too."""
    folder = peer_binary.parent
    path = tmp_path / "libpretender.so"
    shutil.copyfile(folder / path.name, path)

    def start():
        library_path = f"LD_LIBRARY_PATH={tmp_path}"
        return player("/usr/bin/env", library_path, folder / "pretended", 20, "w")

    return start, path


def move_functions(run, path, peer_binary):
    """Write to the file what has them elsewhere; returns when nothing of it is hooked any more."""
    start = len(run.err.lines)
    with open(path, "r+b") as file:
        file.write((peer_binary.parent / "libpretender-stepped.so").read_bytes())
    run.err.wait_for(lambda line: f"{path} was written to" in line, 30, "the change", start)
    wait.until(lambda: str(path) not in open_files(run.pid), 30, "its hooks are gone")
    return start


def check_pretended(capture, actor, returned):
    capture.assert_no_loss(actor.pid)
    (conn,) = capture.of(actor.pid)
    # the last one goes past the public functions
    assert [chunk.length for chunk in conn.send.chunks] == returned[:-1]


def test_written_in_place(ecapture, pretended, peer_binary):
    """A file that has its functions elsewhere by now is unhooked before anybody maps it."""
    use, path = pretended
    run = ecapture("--placement", "public")
    actors = [use()]
    wait_hooked(run, path)
    returned = [actors[0].play()["returned"]]
    start = move_functions(run, path, peer_binary)
    actors.append(use())
    wait_hooked(run, path, start)
    returned.append(actors[1].play()["returned"])
    capture = run.finish()
    for actor, numbers in zip(actors, returned):
        assert len(take_late(capture, actor.pid)) == 1
        check_pretended(capture, actor, numbers)


def test_named_file_written_in_place(ecapture, pretended, peer_binary):
    """It is not looked for again, and its users live."""
    use, path = pretended
    run = ecapture("--libssl", path, "--placement", "public")
    first = use()
    returned = first.play()["returned"]
    move_functions(run, path, peer_binary)
    second = use()
    second.play()
    capture = run.finish()
    check_pretended(capture, first, returned)
    assert not capture.of(second.pid)


def test_unmounted(ecapture, stranger, with_library, libssl, public_dir):
    """A filesystem that nobody uses can be unmounted, although a library of it was hooked."""
    folder = public_dir / "own"
    folder.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "own", folder], check=True)
    try:
        run = ecapture("-u", stranger.uid)
        path = new_copy(libssl, folder / "lib")
        actor = with_library(path.parent)
        wait_hooked(run, path)
        report = actor.play()
        wait.until(
            lambda: subprocess.run(["umount", folder], stderr=subprocess.DEVNULL).returncode == 0,
            20, "umount",
        )  # fmt: skip
    finally:
        if os.path.ismount(folder):
            subprocess.run(["umount", "--lazy", folder], check=True)
    capture = run.finish()
    assert len(take_late(capture, actor.pid)) == 1
    assert_same(capture, report)


def test_deleted(ecapture, stranger, with_library, libssl, public_dir):
    """What is deleted while nobody uses it is let go."""
    path = new_copy(libssl, public_dir / "deleted")
    run = ecapture("-u", stranger.uid, "--debug")
    actor = with_library(path.parent)
    wait_hooked(run, path)
    actor.play()
    assert not run.err.find(lambda line: f"{path}: unhooked" in line)
    path.unlink()
    run.err.wait_for(lambda line: f"{path}: unhooked" in line, 20, "it goes")


IN_NAMESPACE = """
mount -t tmpfs own {folder} && cp {library} {folder} &&
exec setpriv --reuid={uid} --regid={uid} --clear-groups -- \
    env LD_LIBRARY_PATH={folder} curl -q -sS --noproxy '*' --cacert {cert} {url}
"""


@pytest.fixture
def server(player, certificate):
    cert, key = certificate
    script = Path(https_peer.__file__)
    return player(process.PYTHON, script, "server", cert, key, "asked").go()


def open_files(pid):
    return [link_of(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]


def held(pid, library):
    """How many of these files, whose mounts are gone but for it, the process holds open."""
    return open_files(pid).count(f"/{library.name}")


def rss_mib(pid):
    (line,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(line) // 1024


def test_namespaces_come_and_go(
    ecapture, stranger, server, certificate, libssl, public_dir, capsys
):
    """Each has a library of its own, makes one request and is gone. Nothing of them stays."""
    folder = public_dir / "mount"
    folder.mkdir(mode=0o755)
    cert = shutil.copy(certificate[0], public_dir)
    run = ecapture("-u", stranger.uid)
    rss = [rss_mib(run.pid)]
    most = 0
    pids = []
    for number in range(COUNT):
        url = f"https://{web.ADDRESS}:{server.ready[2]}/{number}/1000"
        script = IN_NAMESPACE.format(
            folder=folder, library=libssl, uid=stranger.uid, cert=cert, url=url
        )
        client = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE)
        body, _ = client.communicate(timeout=wait.seconds(60))
        assert client.returncode == 0 and len(body) == 1000
        pids.append(client.pid)
        most = max(most, held(run.pid, libssl))
        if number == COUNT // 2:
            rss.append(rss_mib(run.pid))
    assert most
    wait.until(lambda: not held(run.pid, libssl), 60 + COUNT, "all are let go")
    rss.append(rss_mib(run.pid))
    server.tell("stop")
    server.report()
    capture = run.finish()
    late = {event["pid"] for event in capture.losses if event["reason"] == "late_attach"}
    seen = {conn.pid for conn in capture.of(*pids) if conn.send.length and conn.recv.length}
    missed = capture.stats[-1]["missed_files"]
    silent = set(pids) - late - seen
    assert len(silent) <= missed, f"{silent} were neither seen nor told; {missed} files missed"
    assert seen, "not one was hooked in time"
    with capsys.disabled():
        print(
            f"\n{len(seen)} of {COUNT} new libraries were hooked before the first request, "
            f"{len(silent)} are only counted; "
            f"at most {most} at a time; {rss} MiB at the start, in the middle, at the end"
        )
