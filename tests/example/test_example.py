# SPDX-License-Identifier: Apache-2.0
"""The probe example, by the account that a peer of ours keeps."""

from lib.control import assert_would_fail
from lib.peer import captured, check

LIBRARY = "example"
FUNCTIONS = {"example_read", "example_write"}


def test_every_function(ecapture, other_peer, rung):
    """Short, long and failing calls of each function, both ways; each by its own name."""
    actor = other_peer(LIBRARY, "every")
    capture, report = captured(ecapture, actor, "-p", actor.pid, rung=rung)
    check(capture, report)
    conns = capture.of(report["pid"])
    assert set().union(*(conn.send.fns | conn.recv.fns for conn in conns)) == FUNCTIONS


def test_handle_reuse(ecapture, other_peer, rung):
    """Handles are freed, cleared and used again: each connection is told apart."""
    actor = other_peer(LIBRARY, "reuse")
    capture, report = captured(ecapture, actor, "-p", actor.pid, rung=rung)
    handles = [end["handle"] for end in report["ends"]]
    assert len(set(handles)) < len(handles), "the peer did not reuse its handles"
    check(capture, report)
    assert len(capture.of(report["pid"])) == len(handles)


def test_other_process_only(ecapture, other_peer):
    """Two peers do the same; only the one that was asked for is captured."""
    wanted, other = other_peer(LIBRARY, "every"), other_peer(LIBRARY, "every")
    run = ecapture("-p", wanted.pid)
    reports = [actor.play() for actor in (wanted, other)]
    capture = run.finish()
    check(capture, reports[0])
    assert_would_fail(check, capture, reports[1])
    assert not capture.of(other.pid)


def test_dry_run(ecapture, other_peer):
    actor = other_peer(LIBRARY, "every")
    run = ecapture("-p", actor.pid, dry=True)
    report = actor.play()
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0
