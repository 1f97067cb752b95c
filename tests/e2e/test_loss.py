# SPDX-License-Identifier: Apache-2.0
"""What does not fit is accounted for: seen and lost are what the peers say, in each direction."""

import re
import string
from collections import Counter, defaultdict

import pytest

from lib import schema
from lib.capture import Capture

pytestmark = pytest.mark.library("openssl")

SIZE = 16384
COUNT = 200


def test_small_buffer(ecapture, peer, rung):
    """A program far too fast for a buffer of 64 KiB: each missing byte is a loss in its place."""
    actor = peer("stream", "--count", 3000, "--size", 16384)
    run = ecapture("-p", actor.pid, "--mapsize", 64, rung=rung)
    report = actor.play(120)
    capture = run.finish()
    conns = capture.of(actor.pid)
    lost = sum(stream.lost for conn in conns for stream in (conn.send, conn.recv))
    assert lost > 0, "nothing was lost: the test shows nothing"
    assert {event["reason"] for event in capture.losses} == {"ring_full"}
    ends = [(end["send"]["bytes"], end["recv"]["bytes"]) for end in report["ends"]]
    assert sorted((conn.send.length, conn.recv.length) for conn in conns) == sorted(ends)
    summary = run.err.tail()
    told = re.search(r"lost (\d+) bytes in \d+ calls: ring_full", summary)
    assert told and int(told[1]) == lost, f"{lost} bytes are missing: {summary}"


class Numbered(Capture):
    """What says where it belongs: each message has its connection, speaker and number in it."""

    HEAD = re.compile(rb"connection (\d+), (client|server), message (\d+) ")
    LETTERS = string.ascii_lowercase.encode() * (SIZE // 26 + 2)

    def __init__(self, *args):
        super().__init__(*args)
        self.heard = defaultdict(set)  # direction, speaker -> on which connections
        self.n_checked = 0

    def _add_data(self, event):
        super()._add_data(event)
        if event["off"] % SIZE or event["len"] < SIZE:
            return
        data = schema.payload(event)
        head = self.HEAD.match(data)
        number = int(head[3])
        assert event["off"] == number * SIZE, f"out of its place: {schema.shown(event)}"
        rest = self.LETTERS[number % 26 :][head.end() : SIZE - 1] + b"\n"
        assert data[head.end() :] == rest, f"changed: {schema.shown(event)}"
        self.heard[event["dir"], head[1], head[2]].add(event["conn"]["id"])
        self.n_checked += 1


def told_losses(run):
    """Bytes per reason, as the summary has them."""
    found = re.findall(r"lost (\d+) bytes? in \d+ calls?: (\w+)", "\n".join(run.err.lines))
    return {reason: int(count) for count, reason in found}


def test_small_buffer_many_connections(ecapture, peer, rung):
    """32 threads at once into 64 KiB: what is missing is missing from the right connection."""
    actor = peer("threads", "--count", COUNT, "--size", SIZE)
    run = ecapture("-p", actor.pid, "--mapsize", 64, rung=rung)
    report = actor.play(120)
    capture = run.finish(Numbered)
    conns = capture.of(actor.pid)
    assert len(conns) == len(report["ends"])
    for end in report["ends"]:
        assert end["send"]["bytes"] == end["recv"]["bytes"] == COUNT * SIZE
    for conn in conns:
        assert (conn.send.length, conn.recv.length) == (COUNT * SIZE, COUNT * SIZE)
    assert capture.n_checked > 0
    assert all(len(ids) == 1 for ids in capture.heard.values()), "connections were mixed up"

    lost = Counter()
    for event in capture.losses:
        assert event["conn"] and event["off"] is not None, schema.shown(event)
        lost[event["reason"]] += event["bytes"]
    assert lost["ring_full"] > 0, "nothing was lost: the test shows nothing"
    assert told_losses(run) == lost
    assert lost.total() == sum(conn.send.lost + conn.recv.lost for conn in conns)
