# SPDX-License-Identifier: Apache-2.0
"""stats events: every counter, on a timer and at the end, and equal to what the run shows."""

import pytest

from lib import wait

pytestmark = pytest.mark.library("openssl")


def total(capture, what):
    """Bytes over all connections and directions."""
    streams = [s for conn in capture.connections.values() for s in (conn.send, conn.recv)]
    return sum(getattr(stream, what) for stream in streams)


def test_stats_at_the_end(ecapture, peer, rung):
    """With losses: what was seen and lost by the events is what the last line says."""
    actor = peer("stream", "--count", 3000, "--size", 16384)
    run = ecapture("-p", actor.pid, "--mapsize", 64, rung=rung)
    actor.play(120)
    capture = run.finish()
    (stats,) = capture.stats
    assert stats["final"]
    lost = total(capture, "lost")
    assert stats["seen"]["bytes"] == total(capture, "length") - lost
    assert stats["seen"]["connections"] == len(capture.connections) == 2
    assert stats["seen"]["processes"] == 1
    assert stats["lost"].pop("ring_full")["bytes"] == lost > 0
    assert all(entry == {"calls": 0, "bytes": 0} for entry in stats["lost"].values())
    assert stats["records"]["invalid"] == 0
    (output,) = stats["outputs"]
    assert output["format"] == "json" and output["dest"] == str(run.json)
    assert output["refused"] == output["failed"] == 0


def test_stats_on_a_timer(ecapture, peer):
    """--stats: numbers that only grow, while nothing else happens, too."""
    actor = peer("every")
    run = ecapture("-p", actor.pid, "--stats", "100ms")

    def lines():
        return run.json.read_bytes().count(b'"type":"stats"')

    wait.until(lambda: lines() >= 2, 10, "two lines of counters")
    actor.play()
    before = lines()
    wait.until(lambda: lines() >= before + 2, 10, "two more lines of counters")
    capture = run.finish()
    finals = [stats["final"] for stats in capture.stats]
    assert finals == [False] * (len(finals) - 1) + [True]
    seen = [stats["seen"]["bytes"] for stats in capture.stats]
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == total(capture, "length")


def test_stats_of_a_quiet_run(ecapture):
    """Nothing but the last line."""
    capture = ecapture("-p", 1).finish()
    assert capture.n_events == 0
    assert [stats["final"] for stats in capture.stats] == [True]
