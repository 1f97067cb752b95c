# SPDX-License-Identifier: Apache-2.0
"""A08: 16 connections at once, each between two threads; a million numbered messages.

As many on one rung; elsewhere a tenth, for what differs is how a call is met, not how many are."""

import os
import re
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

from conftest import BEST
from lib.capture import Capture, LargeCapture, assert_same
from lib.control import assert_would_fail
from lib.exchanges import exact

pytestmark = pytest.mark.library("openssl")

CONNECTIONS = 16
SIZE = 64
EACH = 31250  # messages of each end
FEW = EACH // 10
ROOM = 3 << 29  # for two lines per message


@pytest.fixture
def memory():
    """A folder in memory with room for all events; fewer messages would not be this test."""
    folder = Path("/dev/shm")
    if shutil.disk_usage(folder).free < ROOM:
        why = f"{folder} has no room for {ROOM >> 20} MiB"
        pytest.fail(why, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="ecapture-e2e-", dir=folder) as name:
        yield Path(name)


def test_a08_threads(ecapture, peer, memory, rung):
    """Nothing is lost, and each stream is in order: offsets have no hole, hashes are the peer's."""
    each = EACH if rung == BEST else FEW
    actor = peer("threads", "--count", each, "--size", SIZE)
    run = ecapture("-p", actor.pid, outputs=[f"json={memory / 'out.json'}"], rung=rung)
    run.json = memory / "out.json"
    report = actor.play(300)
    capture = run.finish(LargeCapture)
    assert_same(capture, report)
    assert capture.n_events == 4 * CONNECTIONS * each
    for conn in capture.of(actor.pid):
        assert (conn.send.length, conn.recv.length) == (each * SIZE, each * SIZE)


@pytest.mark.parametrize("dry", [False, True])
def test_a08_dry_run(ecapture, peer, dry):
    """The check can fail: with nothing attached it does, on a few messages."""
    actor = peer("threads", "--size", SIZE)
    run = ecapture("-p", actor.pid, dry=dry)
    report = actor.play()
    capture = run.finish(LargeCapture)
    if dry:
        assert_would_fail(assert_same, capture, report)
        assert capture.n_events == 0
    else:
        assert_same(capture, report)


MESSAGE = re.compile(rb"  connection (\d\d), (client|server), message (\d{7}) [a-z]+\n")


def assert_in_order(path, each):
    """Each message is there twice, said and heard, and either time in the order of the numbers."""
    seen = {}  # the numbers that are due, for the second time and for the first
    with open(path, "rb") as lines:
        for found in filter(None, map(MESSAGE.fullmatch, lines)):
            due = seen.setdefault(found.group(1, 2), [0, 0])
            number = int(found[3])
            assert number in due, f"{found[0]}, where {due} are due"
            due[due.index(number)] += 1
            due.sort()
    assert sorted(seen.values()) == [[each, each]] * 2 * CONNECTIONS


def test_a08_text(ecapture, peer, memory):
    """All of them once more, as what comes out for a person."""
    each = EACH
    actor = peer("threads", "--count", each, "--size", SIZE)
    run = ecapture("-p", actor.pid, outputs=[f"text={memory / 'out'}"])
    actor.play(300)
    run.stop()
    assert run.err.find(lambda line: "nothing was lost" in line), run.err.tail()
    assert_in_order(memory / "out", each)


class Numbered(Capture):
    """The numbers of requests and responses, of each end of each connection."""

    def __init__(self, *args):
        super().__init__(*args)
        self.numbers = defaultdict(list)

    def _add_exchange(self, event):
        assert not event["flags"] and event["request"] and event["response"], event
        target, reason = exact(event["request"]["target"]), exact(event["response"]["reason"])
        assert target == f"/{reason}", event
        connection, number = reason.split("/")
        self.numbers[event["role"], connection, event["conn"]["id"]].append(int(number))


def check_pairs(capture, pid, each):
    """Every request has its own response, at both ends, and they come in order."""
    capture.assert_no_loss(pid)
    assert len(capture.numbers) == 2 * CONNECTIONS
    assert len({(role, connection) for role, connection, _ in capture.numbers}) == 2 * CONNECTIONS
    for numbers in capture.numbers.values():
        assert numbers == list(range(each))


def test_a08_pairs(ecapture, peer):
    """Threads that ask and answer in HTTP."""
    each = FEW
    actor = peer("threads", "--how", "http", "--count", each, "--size", SIZE)
    run = ecapture("-p", actor.pid, "--events", "http")
    actor.play(300)
    check_pairs(run.finish(Numbered), actor.pid, each)


@pytest.mark.parametrize("dry", [False, True], ids=["other", "dry"])
def test_a08_not_captured(ecapture, peer, tmp_path, dry):
    actor = peer("threads", "--how", "http", "--size", SIZE)
    outputs = [f"json={tmp_path / 'json'}", f"text={tmp_path / 'text'}"]
    run = ecapture("-p", 1, dry=dry, outputs=outputs)
    run.json = tmp_path / "json"
    actor.play()
    assert_would_fail(check_pairs, run.finish(Numbered), actor.pid, 100)
    assert_would_fail(assert_in_order, tmp_path / "text", 100)
