# SPDX-License-Identifier: Apache-2.0
"""What does not fit is accounted for: seen and lost are what the peers say, in each direction."""

import re


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
