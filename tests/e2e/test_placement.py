# SPDX-License-Identifier: Apache-2.0
"""Hooks inside the library, where its code proves and the first calls confirm what is there."""

import shutil
import subprocess

import pytest

from lib import wait, web
from lib.capture import assert_same
from lib.code import is_hooked
from lib.peer import check, library_of

# On perf, which has no cookies, both are the same.
PLACEMENTS = pytest.mark.parametrize(
    "rung, placement",
    [("multi", "auto"), ("multi", "public"), ("perf-cookie", "auto"), ("perf", "auto")],
)
INSIDE = "(openssl, hooked inside)"
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
        run = ecapture("-p", server.pid)
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


def test_code_that_proves_too_much(ecapture, player, peer_binary, tmp_path, rung):
    """Calls that disagree with the inner function refute it: the public one shows what it says."""
    folder = peer_binary.parent
    library = shutil.copy(folder / "libpretender.so", tmp_path)
    actor = player("/usr/bin/env", f"LD_LIBRARY_PATH={tmp_path}", folder / "pretended", 40)
    run = ecapture("-p", actor.pid, "--libssl", library, rung=rung)
    actor.play()
    run.stop()
    capture = run.capture()
    (conn,) = capture.of(actor.pid)
    lengths = [chunk.length for chunk in conn.send.chunks]
    assert len(lengths) == 40
    # The first call is what refutes it: before that, the inner function was as good as any.
    assert lengths[1:] == [50] * 39
    assert [chunk.length for chunk in conn.recv.chunks] == [60] * 40
    if rung != "perf":
        assert run.err.find(lambda line: "did not show what the public ones did" in line)
