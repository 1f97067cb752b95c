# SPDX-License-Identifier: Apache-2.0
"""A08: 16 connections at once, each between two threads; a million numbered messages."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from lib.capture import LargeCapture, assert_same
from lib.control import assert_would_fail

CONNECTIONS = 16
SIZE = 64
EACH = 31250  # messages of each end
MESSAGES = 2 * CONNECTIONS * EACH
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
    actor = peer("threads", "--count", EACH, "--size", SIZE)
    run = ecapture("-p", actor.pid, outputs=[f"json={memory / 'out.json'}"], rung=rung)
    run.json = memory / "out.json"
    report = actor.play(300)
    capture = run.finish(LargeCapture)
    assert_same(capture, report)
    assert capture.n_events == 2 * MESSAGES
    for conn in capture.of(actor.pid):
        assert (conn.send.length, conn.recv.length) == (EACH * SIZE, EACH * SIZE)


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
