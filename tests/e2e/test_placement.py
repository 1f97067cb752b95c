# SPDX-License-Identifier: Apache-2.0
"""Hooks inside the library, where its code proves and the first calls confirm what is there."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from lib import wait, web
from lib.capture import assert_same
from lib.code import is_hooked
from lib.peer import check, library_of

pytestmark = pytest.mark.library("openssl")

# On perf, which has no cookies, both are the same.
PLACEMENTS = pytest.mark.parametrize(
    "rung, placement",
    [("multi", "auto"), ("multi", "public"), ("perf-cookie", "auto"), ("perf", "auto")],
)
# arm64 emulates none of the instructions that a hook may sit on.
STEPPED = "" if platform.machine() == "x86_64" else ", single-stepped"
INSIDE = f"(openssl, hooked inside{STEPPED})"
PUBLIC = ("SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex")


def start(ecapture, actor, placement, rung, *options):
    run = ecapture(
        "-p", actor.pid, "--libssl", library_of(actor.pid), "--placement", placement, *options,
        rung=rung,
    )  # fmt: skip
    inside = placement == "auto" and rung != "perf"  # which has no cookies
    assert bool(run.err.find(lambda line: INSIDE in line)) == inside
    return run, inside


@PLACEMENTS
@pytest.mark.parametrize("scenario", ["every", "partial", "nested", "longjmp", "reuse"])
def test_both_show_the_same(ecapture, private, rung, placement, scenario):
    actor = private(scenario, *(["--count", 500] if scenario == "reuse" else []))
    library = library_of(actor.pid)
    run, inside = start(ecapture, actor, placement, rung)
    report = actor.play(120)
    capture = run.finish()
    (target,) = capture.targets
    assert (target["path"], target["attach"]) == (str(library), rung)
    assert target["placement"] == ("inside" if inside else "public")
    assert_same(capture, report)
    if scenario != "reuse":
        check(capture, report)


@PLACEMENTS
def test_public_hooks_go(ecapture, private, rung, placement):
    """After a few calls that agree only the inner functions are hooked, and nothing is missing."""
    actor = private("stream", "--count", 0, "--size", 512)
    assert not any(is_hooked(actor.pid, name) for name in PUBLIC)
    run, inside = start(ecapture, actor, placement, rung)
    assert all(is_hooked(actor.pid, name) for name in PUBLIC)
    actor.go()
    if inside:
        wait.until(
            lambda: not any(is_hooked(actor.pid, name) for name in PUBLIC), 20, "public hooks go"
        )
    else:
        actor.out.wait_for(lambda line: line.startswith("progress 2000"), 60, "some messages")
        assert all(is_hooked(actor.pid, name) for name in PUBLIC)
    actor.tell("stop")
    (report,) = actor.reports(60)
    capture = run.finish()
    assert_same(capture, report)
    fns = {fn for conn in capture.of(actor.pid) for s in (conn.send, conn.recv) for fn in s.fns}
    assert fns == {"SSL_read", "SSL_write"}


@PLACEMENTS
def test_bio(ecapture, private, rung, placement):
    """A program that goes through BIO_f_ssl() passes the public functions by."""
    actor = private("bio")
    run, inside = start(ecapture, actor, placement, rung)
    report = actor.play()
    capture = run.finish()
    if inside:
        assert_same(capture, report)
        fns = {fn for conn in capture.of(actor.pid) for fn in conn.send.fns | conn.recv.fns}
        assert fns == {None}, "it was no function that a program calls"
    else:
        assert not capture.of(actor.pid)


def test_s_server(ecapture, certificate, tmp_path):
    """openssl s_server -www answers through BIOs."""
    cert, key = certificate
    port = web.free_port()
    command = ["openssl", "s_server", "-www", "-accept", str(port), "-cert", cert, "-key", key]
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait.until(lambda: (tmp_path / "log").read_bytes().count(b"ACCEPT"), 20, "s_server")
        run = ecapture("-p", server.pid, "--placement", "auto")
        page = subprocess.run(
            ["curl", "-q", "-sS", "--noproxy", "*", "-k", f"https://{web.ADDRESS}:{port}/"],
            check=True, capture_output=True, timeout=wait.seconds(30),
        ).stdout  # fmt: skip
        capture = run.finish()
    finally:
        server.kill()
        server.wait()
    (conn,) = capture.of(server.pid)
    assert bytes(conn.recv.head).startswith(b"GET / HTTP/1.1\r\n")
    assert bytes(conn.send.head).startswith(b"HTTP/1.0 200 ok\r\n")
    assert bytes(conn.send.head).endswith(page) and page


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other instructions, other kernels")
def test_what_is_emulated_is_measured(ecapture, private):
    """As arch/x86/kernel/uprobes.c has it; what it makes of endbr64 has changed over time."""
    actor = private("nonblock")
    told = "the kernel emulates, where a hook sits: "
    for rung in ("multi", "perf-cookie"):
        run = ecapture("-d", "-p", actor.pid, rung=rung)
        line = run.err.find(lambda line: told in line)
        kinds = set(line.partition(told)[2].split(", "))
        assert kinds - {"mark"} == {"push", "nop"}, line
        run.stop()


@pytest.fixture
def pretended(player, peer_binary, tmp_path):
    """Start the user of a copy of a tests/peers/pretender.c; returns it and the copy."""
    folder = peer_binary.parent

    def start(count, calls, kind="", change=lambda library: None):
        library = Path(shutil.copy(folder / f"libpretender{kind}.so", tmp_path / "libpretender.so"))
        change(library)
        library_path = f"LD_LIBRARY_PATH={tmp_path}"
        return player("/usr/bin/env", library_path, folder / "pretended", count, calls), library

    return start


def capture_pretended(ecapture, actor, library, rung):
    """Returns the run, its capture, and what the calls returned."""
    run = ecapture("-p", actor.pid, "--libssl", library, "--placement", "auto", rung=rung)
    returned = actor.play()["returned"]
    return run, run.finish(), returned


def test_code_that_proves_too_much(ecapture, pretended, rung):
    """Calls that disagree with the inner function refute it: the public one shows what it says."""
    actor, library = pretended(40, "wr")
    run, capture, returned = capture_pretended(ecapture, actor, library, rung)
    assert returned == [50, 60] * 40 + [4]
    inside = rung != "perf"
    (conn,) = capture.of(actor.pid)
    lengths = [chunk.length for chunk in conn.send.chunks]
    # The first call is what refutes it: before that, the inner function was as good as any. What
    # goes past the public functions has no other hook.
    assert lengths == ([100] + 39 * [50] + [4] if inside else 40 * [50])
    assert [chunk.length for chunk in conn.recv.chunks] == [60] * 40
    assert len(refusals(run)) == inside
    capture.assert_no_loss(actor.pid)


def refusals(run):
    return [line for line in run.err.lines if "did not show what the public ones did" in line]


def test_call_that_fails_after_the_inner_one(ecapture, pretended, rung):
    """What the program was told did not go out is not shown, but for the call that refutes it."""
    actor, library = pretended(40, "w", "-failing")
    run, capture, returned = capture_pretended(ecapture, actor, library, rung)
    said = messages(40, 1)
    letters = [said[i : i + 1] for i in range(0, 4000, 100)]
    assert returned == [100 if letter >= b"m" else -1 for letter in letters] + [4]
    inside = rung != "perf"
    (conn,) = capture.of(actor.pid)
    shown = sum(chunk.length for chunk in conn.send.chunks)
    # The program would say again what failed, so the next call that does not is taken for that.
    assert shown == 100 * returned.count(100) + (4 if inside else 0)
    assert len(refusals(run)) == inside


def messages(count, each):
    """What the writes of pretended.c say: each round writes its own letter."""
    rounds = (bytes([ord("a") + i % 26]) + bytes(99) for i in range(count, 0, -1))
    return b"".join(message * each for message in rounds)


def test_inner_function_that_is_single_stepped(ecapture, pretended, rung):
    """It shows the same, and the start line and the event say what it costs."""
    actor, library = pretended(40, "wr", "-stepped")
    run, capture, returned = capture_pretended(ecapture, actor, library, rung)
    assert returned == [100, 60] * 40 + [4]
    inside = rung != "perf"
    kind = "openssl, hooked inside, single-stepped" if inside else "openssl"
    assert run.err.find(lambda line: f"capturing {library} ({kind})," in line), run.err.tail()
    (target,) = capture.targets
    assert target["placement"] == ("inside" if inside else "public")
    assert target["single_stepped"] == (True if inside else None)
    (conn,) = capture.of(actor.pid)
    assert conn.send.head == messages(40, 1) + (b"past" if inside else b"")
    assert conn.recv.head == b"".join(
        message[:60] for message in (messages(40, 1)[i : i + 100] for i in range(0, 4000, 100))
    )
    assert not refusals(run)
    capture.assert_no_loss(actor.pid)


@pytest.mark.parametrize("kind", ["-jumping", "-jumping-silent"])
def test_public_function_that_jumps_to_another(ecapture, pretended, rung, kind):
    """SSL_write_ex jumps to SSL_write_ex2: that is one call, which agrees with the inner one.

    Inside it has the latter's name. The plain function, which is silent about half, refutes it."""
    silent = kind == "-jumping-silent"
    actor, library = pretended(20, "xxxw", kind)
    run, capture, returned = capture_pretended(ecapture, actor, library, rung)
    plain = 50 if silent else 100
    assert returned == [100, 100, 100, plain] * 20 + [4]
    inside = rung != "perf"
    (conn,) = capture.of(actor.pid)
    told = [(chunk.fn, chunk.length) for chunk in conn.send.chunks]
    assert len(refusals(run)) == (silent and inside)
    jump = [("SSL_write_ex2", 100)] * 3
    public = [("SSL_write_ex", 100)] * 3 + [("SSL_write", plain)]
    first = jump + [("SSL_write", 100)]
    past = [(None, 4)]
    if not inside:
        assert told == public * 20
    elif silent:
        assert told == first + public * 19 + past
    else:
        assert told == first * 20 + past
        assert conn.send.head == messages(20, 4) + b"past"
    capture.assert_no_loss(actor.pid)


def test_place_that_the_kernel_refuses(ecapture, pretended, rung):
    """Then the public functions are hooked, as if nobody had looked."""

    def change(library):
        """A prefix before the nop at the entry: the kernel does not hook that (ENOTSUPP)."""
        symbols = subprocess.run(["nm", library], check=True, capture_output=True, text=True).stdout
        entry = next(int(line.split()[0], 16) for line in symbols.splitlines() if "inner_w" in line)
        with open(library, "r+b") as file:
            file.seek(entry)
            assert file.read(2) == b"\x90\x90"
            file.seek(entry)
            file.write(b"\x2e")

    actor, library = pretended(3, "wr", change=change)
    _, capture, _ = capture_pretended(ecapture, actor, library, rung)
    (conn,) = capture.of(actor.pid)
    assert [chunk.length for chunk in conn.send.chunks] == [50] * 3
    assert [target["placement"] for target in capture.targets] == ["public"]


@PLACEMENTS
def test_start_in_the_middle(ecapture, private, rung, placement):
    """Of a call that was under way when capturing began, nothing is told twice."""
    actor = private("stream", "--count", 0, "--size", 64).go()
    actor.out.wait_for(lambda line: line.startswith("progress 200"), 60, "some messages")
    for _ in range(4):
        run, inside = start(ecapture, actor, placement, rung)
        wait.until(lambda run=run: run.json.stat().st_size > 100000, 30, "some events")
        capture = run.finish()
        losses = [event for event in capture.losses if event["pid"] == actor.pid]
        assert {event["reason"] for event in losses} <= {"mid_call"}
        assert len(losses) <= 2, "one for each end of the connection"
        # What a public function would say has a size; inside, none is known, and it says nothing.
        assert not inside or all(event["bytes"] is None for event in losses), losses
    actor.tell("stop")
    actor.reports()
