# SPDX-License-Identifier: Apache-2.0
"""A process that becomes another program in the middle of a connection: the pid stays the same."""

import shutil
from collections import Counter

import pytest

from lib import wait
from lib.capture import assert_same, end_sums
from lib.peer import library_of

pytestmark = pytest.mark.library("openssl")

FROM = pytest.mark.parametrize("thread", [False, True], ids=["main", "thread"])


@pytest.fixture
def two(player, peer, peer_binary, tmp_path):
    """
    Start the peer that becomes a copy of itself with another name, at the same addresses. Both
    have a library of their own, which no other capture on this host has hooked for them.
    """
    after = tmp_path / "peer_after"
    shutil.copy(peer_binary, after)
    shutil.copy(library_of(peer("nonblock").pid), tmp_path)
    library = f"LD_LIBRARY_PATH={tmp_path}"

    def start(thread):
        options = ["--exec", after] + (["--thread"] if thread else [])
        return after, player("env", library, "setarch", "-R", peer_binary, "exec", *options)

    return start


def play(actor, seen, hooked):
    """Each program waits for its cue, and to become the other; returns the account of both."""
    actor.go()
    seen()
    actor.go()
    actor.out.wait_for(lambda line: line.startswith("ready "), 30, "the second program", start=1)
    hooked()
    actor.go()
    before, after = actor.reports()
    assert before["pid"] == after["pid"] == actor.pid
    handles = [{end["handle"] for end in report["ends"]} for report in (before, after)]
    assert handles[0] == handles[1], "the handles moved: nothing to mix up"
    return before, after


def check(capture, before, after):
    """Four ends of two connections, and the program of each by its name."""
    assert_same(capture, {"pid": after["pid"], "ends": before["ends"] + after["ends"]})
    for report in (before, after):
        assert_program(capture, report)


def assert_program(capture, report):
    conns = [conn for conn in capture.of(report["pid"]) if conn.exe == report["exe"]]
    assert Counter(conn.sums for conn in conns) == Counter(map(end_sums, report["ends"]))
    assert {conn.comm for conn in conns} == {report["exe"].rsplit("/", 1)[-1]}


def check_gap(capture, pid, is_due):
    """What a process may have said before its links were bound anew is a loss of unknown size."""
    late = [event for event in capture.losses if event["reason"] == "late_attach"]
    gaps = [event for event in late if event["pid"] == pid]
    assert [gap["bytes"] for gap in gaps] == ([None] if is_due else [])
    assert capture.stats[-1]["lost"]["late_attach"]["calls"] == len(late)
    capture.losses = [event for event in capture.losses if event not in gaps]


@FROM
@pytest.mark.parametrize("chosen", [False, True], ids=["all", "pid"])
def test_exec(ecapture, two, peer_binary, rung, thread, chosen):
    path, actor = two(thread)
    run = ecapture(*(["-p", actor.pid] if chosen else []), rung=rung)

    def seen():
        """What is noted of a process is noted while it lives."""
        mark = f'"pid":{actor.pid},'
        wait.until(lambda: mark in run.json.read_text(), 30, "the first program's bytes")

    def hooked():
        """A link is bound to the task that ends here: the user is told of the new one."""
        if thread and chosen and rung == "multi":
            run.err.wait_for(lambda line: f"process {actor.pid} became" in line, 30, "the hooks")

    before, after = play(actor, seen, hooked)
    capture = run.finish()
    check_gap(capture, actor.pid, thread and chosen and rung == "multi")
    check(capture, {**before, "exe": str(peer_binary)}, {**after, "exe": str(path)})
