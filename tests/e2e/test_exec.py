# SPDX-License-Identifier: Apache-2.0
"""A process that becomes another program in the middle of a connection: the pid stays the same."""

import shutil
from collections import Counter

import pytest

from lib.capture import assert_same, end_sums

FROM = pytest.mark.parametrize("thread", [False, True], ids=["main", "thread"])


@pytest.fixture
def two(player, peer_binary, tmp_path):
    """Start the peer that becomes a copy of itself with another name, at the same addresses."""
    after = tmp_path / "peer_after"
    shutil.copy(peer_binary, after)

    def start(thread):
        options = ["--exec", after] + (["--thread"] if thread else [])
        return after, player("setarch", "-R", peer_binary, "exec", *options)

    return start


def play(actor):
    """Both programs wait for their cue; returns the account of each."""
    actor.go().go()
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


@FROM
@pytest.mark.parametrize("chosen", [False, True], ids=["all", "pid"])
def test_exec(ecapture, two, peer_binary, rung, thread, chosen):
    path, actor = two(thread)
    run = ecapture(*(["-p", actor.pid] if chosen else []), rung=rung)
    before, after = play(actor)
    check(run.finish(), {**before, "exe": str(peer_binary)}, {**after, "exe": str(path)})
