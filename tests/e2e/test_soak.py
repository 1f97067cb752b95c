# SPDX-License-Identifier: Apache-2.0
"""A38: hours of work in little time. 2000 connections in 200 processes that come, go and die.

ECAPTURE_SOAK_SECONDS  for how long (default 60)
ECAPTURE_SOAK_SEED     of what the processes do and when they are killed (default 1)
ECAPTURE_SOAK_RSS_MIB  how much memory the program may ever have had (default 128)
"""

import copy
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from lib import kernel, wait
from lib.control import assert_would_fail
from lib.crowd import Crowd
from lib.peer import library_of
from lib.tally import Tally

PROCESSES = 200
SECONDS = float(os.environ.get("ECAPTURE_SOAK_SECONDS", "60"))
SEED = int(os.environ.get("ECAPTURE_SOAK_SEED", "1"))
# The ring of 32 MiB counts twice, because it is mapped twice in a row. The rest is ours: while the
# reader of the output keeps up, queue and tables hold what some thousand connections need.
RSS_MIB = int(os.environ.get("ECAPTURE_SOAK_RSS_MIB", "128"))
SAMPLE_S = 1
ENDED_WITHIN_S = 60


@pytest.fixture
def pipe(tmp_path):
    """A FIFO and its reading end, which belongs to who reads it."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path, open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")


def memory_mib(pid, field):
    """A line of /proc/PID/status, e.g. VmRSS (now) or VmHWM (the most there ever was)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) >> 10
    raise AssertionError(f"no {field} of {pid}: it has ended")


class Soak:
    """One run: the program, the crowd, and what was compared so far."""

    def __init__(self, run, crowd, tally):
        self.run, self.crowd, self.tally = run, crowd, tally
        self.waiting = []
        self.samples = []
        self.seen = Counter()
        self._next_sample = 0

    def step(self, more):
        """One round: let things happen, compare what has settled, look at the program."""
        self.waiting += self.crowd.step(more)
        self.settle()
        self.look()
        time.sleep(wait.POLL_S)

    def look(self):
        assert self.run.process.poll() is None, f"it ended:\n{self.run.err.tail()}"
        assert not self.tally.failure, self.tally.failure
        if time.monotonic() < self._next_sample:
            return
        self._next_sample = time.monotonic() + SAMPLE_S
        self.samples.append(memory_mib(self.run.pid, "VmRSS"))
        assert self.samples[-1] <= RSS_MIB, f"{self.samples[-20:]} MiB, at most {RSS_MIB}"

    def settle(self):
        """Compare those of whom all has been read. Who does not match is looked at again."""
        ready = [ended for ended in self.waiting if self.tally.last > ended.since]
        for ended in ready:
            try:
                self.tally.compare(ended)
            except AssertionError:
                continue  # its losses may yet come
            self.done_with(ended)

    def done_with(self, ended):
        self.waiting.remove(ended)
        if ended.reports and not self.seen["controls"]:
            assert_would_fail(self.tally.compare, other_than(ended))
            self.seen["controls"] += 1
        images = Counter(report["pid"] for report in ended.reports)
        self.seen["processes"] += len(ended.pids)
        self.seen["forks"] += len(ended.pids) - 1
        self.seen["execs"] += sum(images.values()) - len(images)
        self.seen["kills"] += len(ended.killed)
        self.seen["connections"] += self.tally.forget(ended)

    def finish(self):
        """After the end of the program: nobody is left who does not match."""
        self.tally.join(wait.seconds(ENDED_WITHIN_S))
        assert not self.tally.failure, self.tally.failure
        for ended in list(self.waiting):
            self.tally.compare(ended)
            self.done_with(ended)
        assert not self.tally.connections, f"of nobody: {list(self.tally.connections.values())[:3]}"

    def __str__(self):
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.seen.items()))
        most = memory_mib(self.run.pid, "VmHWM")
        return f"seed {SEED}: {counts}; {self.tally.n_events} events; RSS at most {most} MiB"


def other_than(ended):
    """The same processes, but one byte more of which they say that they wrote it."""
    other = copy.deepcopy(ended)
    end = max(other.reports[0]["ends"], key=lambda end: end["send"]["bytes"])
    end["send"] = {"bytes": end["send"]["bytes"] + 1, "sha256": "0" * 64}
    return other


def churn(soak):
    """For as long as was asked for; then until everybody has ended and has been compared."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        soak.step(more=True)
    soak.crowd.let_end()
    until = time.monotonic() + wait.seconds(ENDED_WITHIN_S)
    while soak.crowd.members:
        soak.step(more=False)
        assert time.monotonic() < until, f"{len(soak.crowd.members)} peers do not end"


def test_a38_soak(ecapture, stranger, pipe, kernel_ids, validator):
    """It stays, it stays small, it forgets what has ended, and every byte is there."""
    path, stream = pipe
    library = library_of(stranger("nonblock").pid)
    outputs = [f"json={path}"]
    run = ecapture("-u", stranger.uid, "--libssl", library, rung="multi", outputs=outputs)
    os.set_blocking(stream.fileno(), True)
    created = kernel.created_since(kernel_ids, run.pid)
    before = kernel.entries(run.pid)
    soak = Soak(run, Crowd(stranger, PROCESSES, SEED), Tally(validator, run.pid, stream))
    print(f"\nseed {SEED}, {SECONDS:g} s")
    churn(soak)
    tables = kernel.entries_at_last(run.pid, before)
    most, figures = memory_mib(run.pid, "VmHWM"), str(soak)
    run.stop()
    soak.finish()
    print(f"{figures}; RSS in turn {soak.samples[:: max(1, len(soak.samples) // 20)]} MiB")
    kernel.assert_gone(created)
    assert not run.err.find(lambda line: "Sanitizer" in line or "runtime error" in line)
    assert run.err.find(lambda line: "nothing was lost" in line) or soak.tally.losses
    assert most <= RSS_MIB
    assert tables == before, "not all that ended was forgotten"
    for what in ("processes", "forks", "execs", "kills", "connections", "controls"):
        assert soak.seen[what], f"no {what}: the test shows less than it says"
