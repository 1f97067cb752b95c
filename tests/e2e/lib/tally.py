# SPDX-License-Identifier: Apache-2.0
"""A capture for runs without end: what has been compared is forgotten."""

import json
import threading
from collections import Counter
from dataclasses import dataclass, field

from lib.capture import NOTHING, Capture, Connection, Stream, end_sums
from lib.schema import shown

PERIOD = 251  # tests/peers/churn.c


@dataclass
class Tape(Stream):
    """A stream that repeats itself: even a part of it shows whether its bytes are right."""

    def add(self, event, data):
        assert event["off"] == self.length, f"{self.length} was due: {shown(event)}"
        if len(self.head) == self.length:
            self.head += data[: PERIOD - self.length]
        if len(self.head) == PERIOD:  # else a part of the first period was lost
            begin = self.length % PERIOD
            want = bytes(self.head) * (2 + len(data) // PERIOD)
            assert data == want[begin : begin + len(data)], f"other bytes: {shown(event)}"
        self.length += len(data)
        self.sha.update(data)


@dataclass
class Ended:
    """A process and what it has started: all have ended."""

    reports: list  # what those said that came to it, once for each life of a pid
    killed: set  # pids that may have said nothing
    since: str  # events as late as this are read after all of theirs
    pids: set = field(init=False)

    def __post_init__(self):
        self.pids = {report["pid"] for report in self.reports} | self.killed


class Tally(Capture):
    """Reads the lines of a pipe in a thread of its own, for as long as there are any."""

    def __init__(self, validator, own_pid, pipe):
        super().__init__(validator, own_pid)
        self.last = ""
        self.failure = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._follow, args=(pipe,), daemon=True)
        self._thread.start()

    def _follow(self, pipe):
        with pipe:
            try:
                self._read(pipe)
            except (AssertionError, ValueError) as failure:
                self.failure = failure
            for _ in pipe:  # the program is not to wait
                pass

    def _read(self, pipe):
        for line in pipe:
            event = json.loads(line)
            with self._lock:
                self._add(event)
                self.last = event["ts"]

    def _connection(self, event):
        where = event["conn"]["id"]
        if where not in self.connections:
            who = (event["pid"], event["uid"], event["comm"], event["exe"])
            self.connections[where] = Connection(where, *who, Tape(), Tape())
        return self.connections[where]

    def join(self, limit):
        """After the writer's end: everything has been read."""
        self._thread.join(limit)
        assert not self._thread.is_alive(), "the pipe is still open"

    def compare(self, ended):
        """What these processes say of themselves is what was captured of them."""
        with self._lock:
            for pid in ended.pids:
                self._compare_one(pid, ended)

    def _compare_one(self, pid, ended):
        ours = self.of(pid)
        ends = [end for report in ended.reports if report["pid"] == pid for end in report["ends"]]
        if any(stream.lost for conn in ours for stream in (conn.send, conn.recv)):
            # What is there is in its place; what is not is as long as the account says.
            want = Counter((end["send"]["bytes"], end["recv"]["bytes"]) for end in ends)
            got = Counter((conn.send.length, conn.recv.length) for conn in ours)
            del want[0, 0]
        else:
            want = Counter(map(end_sums, ends))
            got = Counter(conn.sums for conn in ours)
            del want[NOTHING, NOTHING]
        missing, extra = want - got, got - want
        assert not missing and (pid in ended.killed or not extra), (
            f"process {pid}: missing {list(missing)[:3]}, not made {list(extra)[:3]}"
        )

    def forget(self, ended):
        """These processes were compared; returns how many connections they had."""
        with self._lock:
            ours = self.of(*ended.pids)
            for conn in ours:
                del self.connections[conn.id]
        return len(ours)
