# SPDX-License-Identifier: Apache-2.0
"""A32: a GiB of random bytes on thousands of connections, in which nobody may see a message."""

import json

import pytest

from lib import wait
from lib.control import assert_would_fail
from lib.exchanges import HttpCapture

CONNECTIONS = 4096
SIZE = 256 << 10  # of each, both directions together
SEED = 32
EVERY = 64 << 20  # tests/peers/noise.c
SENSE = (35, 43)  # bytes of the one exchange that makes sense


def seen_bytes(run):
    """What the run has counted so far."""
    seen = 0
    with open(run.json, "rb") as lines:
        for line in lines:
            event = json.loads(line) if line.endswith(b"\n") else {"type": None}
            seen = event["seen"]["bytes"] if event["type"] == "stats" else seen
    return seen


def play(run, actor, count):
    """Let the peer talk, no faster than it is heard."""
    actor.go()
    for number in range(1, count * SIZE // EVERY + 1):
        actor.wait_progress(number * EVERY // SIZE - 1, 60)
        wait.until(lambda: seen_bytes(run) >= 2 * number * EVERY, 60, "what was said is heard")
        actor.go()
    return actor.report()


def check(capture, pid, count):
    """Both ends of all were seen to the last byte, and are one exchange."""
    capture.assert_no_loss(pid)
    told = capture.stats[-1]["seen"]
    assert told["bytes"] == 2 * (count * SIZE + sum(SENSE))
    assert told["connections"] == 2 * (count + 1)
    found = sorted((exchange.role, exchange.target, exchange.status)
                   for exchange in capture.exchanges)  # fmt: skip
    assert found == [("client", "/sense", 200), ("server", "/sense", 200)]


def test_a32_noise(ecapture, peer):
    actor = peer("noise", "--count", CONNECTIONS, "--size", SIZE, "--seed", SEED)
    options = ("--events", "http,stats", "--stats", "100ms", "--mapsize", "256M")
    run = ecapture("-p", actor.pid, *options)
    play(run, actor, CONNECTIONS)
    check(run.finish(HttpCapture), actor.pid, CONNECTIONS)


@pytest.mark.parametrize("dry", [False, True], ids=["other", "dry"])
def test_a32_not_captured(ecapture, peer, dry):
    """The check fails where nothing, or too little, was seen."""
    actor = peer("noise", "--count", 16, "--size", SIZE)
    run = ecapture("-p", 1, dry=dry)
    actor.play()
    assert_would_fail(check, run.finish(HttpCapture), actor.pid, 16)
