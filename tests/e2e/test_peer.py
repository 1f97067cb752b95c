# SPDX-License-Identifier: Apache-2.0
"""A02, A03 and more: our own peer, which keeps an account of each call and each byte."""

import signal

import pytest

from conftest import BEST
from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.peer import captured, check, check_functions

pytestmark = pytest.mark.library("openssl")

BIG = 256 * 1024
SCENARIOS = pytest.mark.parametrize(
    "scenario", [pytest.param("write", id="a02"), pytest.param("nonblock", id="a03")]
)


def played(ecapture, peer, *args, rung=None):
    """Capture one peer with -p; returns the capture and the peer's account."""
    actor = peer(*args)
    capture, report = captured(ecapture, actor, "-p", actor.pid, rung=rung)
    assert {conn.pid for conn in capture.connections.values()} <= {actor.pid}
    return capture, report


def test_a02_write_sizes(ecapture, peer, rung):
    """256 KiB in one write, one byte, nothing: exact bytes and no event for nothing."""
    capture, report = played(ecapture, peer, "write", rung=rung)
    check(capture, report)
    for conn in capture.of(report["pid"]):
        assert set(conn.send.head) == set(range(256))
        assert {chunk.total for chunk in conn.send.chunks} == {BIG, 1}
        assert sum(chunk.length for chunk in conn.send.chunks) == BIG + 1


def test_a03_read_that_finds_nothing(ecapture, peer, rung):
    """A read that wants to be called again, then 100 bytes: one event of 100 bytes."""
    capture, report = played(ecapture, peer, "nonblock", rung=rung)
    check(capture, report)
    received = [conn.recv for conn in capture.of(report["pid"]) if conn.recv.length]
    assert [[chunk.length for chunk in stream.chunks] for stream in received] == [[100]]
    assert capture.n_events == 2


@SCENARIOS
def test_other_process_only(ecapture, peer, rung, scenario):
    """Two peers do the same; only the one that was asked for is captured, and it whole."""
    wanted, other = peer(scenario), peer(scenario)
    run = ecapture("-p", wanted.pid, rung=rung)
    reports = [actor.play() for actor in (wanted, other)]
    capture = run.finish()
    check(capture, reports[0])
    assert_would_fail(check, capture, reports[1])
    assert not capture.of(other.pid)


@SCENARIOS
def test_dry_run(ecapture, peer, scenario):
    """With nothing attached the check finds nothing."""
    actor = peer(scenario)
    run = ecapture("-p", actor.pid, dry=True)
    report = actor.play()
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0


def test_two_pids(ecapture, peer):
    actors = [peer("nonblock"), peer("partial")]
    run = ecapture("-p", ",".join(str(actor.pid) for actor in actors))
    reports = [actor.play() for actor in actors]
    capture = run.finish()
    for report in reports:
        check(capture, report)


def test_every_function(ecapture, peer, rung):
    """Each function that moves plaintext; what a peek showed first is not counted again."""
    capture, report = played(ecapture, peer, "every", rung=rung)
    check(capture, report)
    check_functions(capture, report)


def test_partial_writes(ecapture, peer, rung):
    """Writes that take less than asked, and writes that fail and are tried again."""
    check(*played(ecapture, peer, "partial", rung=rung))


@pytest.mark.parametrize("depth", [2, 4])
def test_tls_inside_tls(ecapture, peer, rung, depth):
    """All layers on one thread: each is exact, and each is a connection of its own."""
    capture, report = played(ecapture, peer, "nested", "--depth", depth, rung=rung)
    check(capture, report)
    assert len(capture.of(report["pid"])) == 2 * depth


@pytest.mark.parametrize("how, count", [("free", 10000), ("clear", 2000)])
def test_handle_reuse(ecapture, peer, rung, how, count):
    """One connection after the other on the same handle addresses: each is told apart."""
    count = count if rung == BEST else count // 5
    options = ["--count", count] + (["--clear"] if how == "clear" else [])
    capture, report = played(ecapture, peer, "reuse", *options, rung=rung)
    handles = {end["handle"] for end in report["ends"]}
    assert len(handles) < 20, f"the peer did not reuse its handles: {len(handles)} addresses"
    assert_same(capture, report)
    assert len(capture.of(report["pid"])) == 2 * count


def test_calls_left_by_longjmp(ecapture, peer, rung):
    """Calls that never return, at all depths of the stack: what is said after them is whole."""
    capture, report = played(ecapture, peer, "longjmp", rung=rung)
    clients = [end for end in report["ends"] if end["role"] == "client"]
    handles = {end["handle"] for end in clients}
    assert len(handles) < len(clients), f"the peer did not reuse its handles: {handles}"
    check(capture, report)
    assert len(capture.of(report["pid"])) == 2 * len(clients)


def test_fork(ecapture, peer, rung):
    """Parent and child go on with their copies of one connection: each has streams of its own."""
    actor = peer("fork")
    run = ecapture(rung=rung)
    reports = actor.go().reports(120)
    capture = run.finish()
    assert len({report["pid"] for report in reports}) == 2
    for report in reports:
        check(capture, report)
        assert len(capture.of(report["pid"])) == len(report["ends"])


def test_fork_of_a_chosen_process(ecapture, peer, rung):
    """-p is this process, and not what it starts."""
    actor = peer("fork")
    run = ecapture("-p", actor.pid, rung=rung)
    child, parent = actor.go().reports(120)
    capture = run.finish()
    check(capture, parent)
    assert_would_fail(check, capture, child)
    assert not capture.of(child["pid"])


def test_two_at_the_same_time(ecapture, peer, rung):
    """Two ecapture on one library; the first leaves while the second goes on."""
    first, second = ecapture(rung=rung), ecapture(rung=rung)
    reports = [peer("write").play()]
    early = first.finish()
    reports.append(peer("every").play())
    late = second.finish()
    check(early, reports[0])
    assert not early.of(reports[1]["pid"])
    for report in reports:
        check(late, report)


def test_sigterm_ends_in_order(ecapture, peer):
    """SIGTERM drains what was captured, as SIGINT does, and a summary follows."""
    actor = peer("write")
    run = ecapture("-p", actor.pid)
    report = actor.play()
    lines = len(run.err.lines)
    capture = run.stop(signal.SIGTERM).capture()
    check(capture, report)
    assert len(run.err.lines) > lines, "no summary"


def test_nothing_seen_names_the_next_step(ecapture, peer):
    """Without one event the exit is as usual, and the summary says what to do."""
    run = ecapture("-p", peer("write").pid)
    lines = len(run.err.lines)
    assert run.finish().n_events == 0
    assert len(run.err.lines) > lines, "no summary"
