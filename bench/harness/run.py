# SPDX-License-Identifier: Apache-2.0
"""A run of ecapture and its own account of it; a process that calls."""

import json
import re
import signal
import subprocess
import time
from dataclasses import dataclass

from lib import wait
from lib.process import Player

SEEN = re.compile(r"seen: (\d+) bytes? in (\d+) calls?")
LOST = re.compile(r"lost (\d+) bytes? in (\d+) calls?:")
LEFT_OUT = re.compile(r"was too slow: (\d+) events?|events? written, (\d+) not$")
SETTLED_S = 0.3  # what has written nothing for so long has written all that came


@dataclass
class Counts:
    """What the summary says."""

    seen: int = 0  # calls of which at least a part was seen
    lost: int = 0  # calls of which at least a part was lost
    left_out: int = 0  # events that the output was too slow for, or ended without


class Run:
    """ecapture with one output, by default JSON in a file in `folder`."""

    def __init__(self, binary, folder, *args, output=None, **popen):
        self.json = output or folder / "out.json"
        self.counts = Counts()
        command = [binary, "tls", "-o", f"json={self.json}", *args]
        self.started_ns = time.monotonic_ns()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **popen,
        )
        self.pid = self.process.pid
        self.err = wait.Lines(self.process.stderr, "ecapture")

    def wait_ready(self):
        self.err.wait_for(lambda line: line.startswith("ecapture: capturing"), 30, "its start")
        return self

    def settle(self):
        """Wait until all that was captured is written."""
        size, since = -1, time.monotonic()
        while time.monotonic() - since < SETTLED_S:
            before, size = size, self.json.stat().st_size
            if size != before:
                since = time.monotonic()
            time.sleep(wait.POLL_S)

    def stop(self):
        """End it as a user would, and read its summary."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(wait.seconds(60))
        for line in self.err.join(10):
            if found := SEEN.search(line):
                self.counts.seen += int(found[2])
            elif found := LOST.search(line):
                self.counts.lost += int(found[2])
            elif found := LEFT_OUT.search(line):
                self.counts.left_out += int(found[1] or found[2])
        assert self.err.find(SEEN.search), f"no summary\n{self.err.tail()}"

    def close(self):
        """End the process if it still runs. It is ours."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(wait.seconds(60))


@dataclass
class Cost:
    """What the calls of a round took, without what was between them."""

    calls: int
    wall_ns: int
    cpu_ns: int
    elapsed_ns: int
    hooked: bool  # whether the function had a hook at the end of the round
    lost: float = 0.0  # share of the calls that ecapture has not seen

    @property
    def cpu(self):
        """CPU time of the calling thread per call, ns."""
        return self.cpu_ns / self.calls

    @property
    def wall(self):
        """Time per call, ns."""
        return self.wall_ns / self.calls

    @property
    def rate(self):
        """Calls per second."""
        return self.calls * 1e9 / self.elapsed_ns


class Caller(Player):
    """bench/caller.c: rounds of calls, and what they cost."""

    def round(self, fn, size, rate, ms):
        start = len(self.out.lines)
        self.tell(f"{fn} {size} {rate} {ms}")
        line = self.out.wait_for(lambda text: text.startswith("{"), 60 + ms / 500, "a round", start)
        return Cost(**json.loads(line))
