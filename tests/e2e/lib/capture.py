# SPDX-License-Identifier: Apache-2.0
"""What a run of ecapture wrote as JSON, put together per connection and direction."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lib import schema

ROOT = Path(__file__).resolve().parents[3]
PROBES = ROOT / "src" / "probes"
TEMPLATE = ROOT / "tests" / "example"
KEEP = 1 << 20  # bytes of each stream that stay in memory, for tests that look at them
DIRS = ("send", "recv")
# Since 3.3 the one only jumps to the other; a hook inside the library meets the latter only.
JUMPS_TO = {"SSL_write_ex": "SSL_write_ex2"}
NOTHING = (0, hashlib.sha256().hexdigest())


@cache
def functions_of_probe(name):
    """What a probe's source names as functions; of a probe that is not there, nothing."""
    folder = TEMPLATE if name == TEMPLATE.name else PROBES / name
    sources = [path.read_text() for path in folder.glob("*.c")]
    return {word for source in sources for word in re.findall(r'"(\w+)"', source)}


def assert_of_library(event):
    """The function is one that the probe of the event's library knows."""
    if event["fn"] is None:
        # What had no public function was called inside of an OpenSSL.
        assert event["lib"] == "openssl", schema.shown(event)
    else:
        assert event["fn"] in functions_of_probe(event["lib"]), schema.shown(event)


@dataclass(frozen=True)
class Chunk:
    fn: str
    length: int
    total: int


@dataclass
class Stream:
    """One direction of one connection."""

    length: int = 0
    lost: int = 0
    head: bytearray = field(default_factory=bytearray)
    chunks: list = field(default_factory=list)
    sha: object = field(default_factory=hashlib.sha256)

    def add(self, event, data):
        """Append a chunk, which has to begin where the one before ended."""
        assert event["off"] == self.length, (
            f"offset {event['off']} where {self.length} was due: {schema.shown(event)}"
        )
        assert event["len"] <= event["total"], schema.shown(event)
        self.length += len(data)
        self.sha.update(data)
        self.head += data[: max(0, KEEP - len(self.head))]
        self.chunks.append(Chunk(event["fn"], len(data), event["total"]))

    def skip(self, event):
        """A loss stands in the place of what is missing."""
        if event["off"] is None or event["bytes"] is None:
            return
        assert event["off"] == self.length, f"a loss out of place: {schema.shown(event)}"
        self.length += event["bytes"]
        self.lost += event["bytes"]

    @property
    def fns(self):
        return {chunk.fn for chunk in self.chunks}

    @property
    def sum(self):
        """What identifies the bytes: how many, and their SHA-256."""
        return self.length, self.sha.hexdigest()


@dataclass
class Connection:
    id: int
    pid: int
    uid: int
    comm: str
    exe: str
    send: Stream = field(default_factory=Stream)
    recv: Stream = field(default_factory=Stream)

    @property
    def sums(self):
        return self.send.sum, self.recv.sum


class Capture:
    """All events of a run. Each line is checked against the schema on the way in."""

    def __init__(self, validator, own_pid):
        self.connections = {}
        self.losses = []
        self.commands = []
        self.exchanges = []
        self.stats = []
        self.targets = []
        self.n_events = 0  # of programs
        self.n_lines = 0  # with those of ecapture itself
        self._validator = validator
        self._own_pid = own_pid

    def read(self, path, cut_off=False):
        """Read a file of JSON lines; with cut_off its last line may be incomplete."""
        with open(path, "rb") as lines:
            for line in lines:
                if cut_off and not line.endswith(b"\n"):
                    break
                assert line.endswith(b"\n"), f"the last line is cut off: {line[:200]!r}"
                self._take(line)
        return self

    def _take(self, line):
        self._add(json.loads(line))

    def _add(self, event):
        self._validator.check(event)
        self.n_lines += 1
        if event["type"] == "stats":
            self.stats.append(event)
            return
        if event["type"] == "target":
            self.targets.append(event)
            return
        self.n_events += 1
        assert event["pid"] != self._own_pid, f"captured itself: {schema.shown(event)}"
        if event["type"] == "loss":
            self._add_loss(event)
        elif event["type"] == "data":
            self._add_data(event)
        elif event["type"] == "command":
            self.commands.append(event)
        elif event["type"] == "http":
            self._add_exchange(event)

    def _add_exchange(self, event):
        self.exchanges.append(event)

    def _add_data(self, event):
        conn = self._connection(event)
        assert conn.pid == event["pid"], f"a connection of two processes: {schema.shown(event)}"
        assert_of_library(event)
        getattr(conn, event["dir"]).add(event, schema.payload(event))

    def _add_loss(self, event):
        self.losses.append(event)
        if event["conn"] is not None and event["dir"] in DIRS:
            getattr(self._connection(event), event["dir"]).skip(event)

    def _connection(self, event):
        where = event["conn"]
        assert isinstance(where["id"], int) and where["id"] >= 1, schema.shown(event)
        assert where["local"] is None and where["remote"] is None, schema.shown(event)
        return self.connections.setdefault(
            where["id"],
            Connection(where["id"], event["pid"], event["uid"], event["comm"], event["exe"]),
        )

    def of(self, *pids):
        """The connections of these processes, in the order of their first event."""
        return [conn for conn in self.connections.values() if conn.pid in pids]

    def assert_no_loss(self, *pids):
        """No byte of these processes is missing, as far as a loss can be told to be theirs."""
        ours = [event for event in self.losses if event["pid"] in (None, *pids)]
        assert not ours, f"{len(ours)} losses: {[schema.shown(event) for event in ours[:3]]}"


class LargeCapture(Capture):
    """
    Millions of short chunks of text, one of SAMPLE as any Capture reads them. A line of exactly the
    usual form adds its bytes without being parsed as a whole; every other line is.
    """

    SAMPLE = 500
    USUAL = re.compile(
        rb'{"v":1,"type":"data","ts":"[0-9T:.-]{29}Z","host":"[^"]*","pid":(\d+),"tid":\d+,'
        rb'"ppid":\d+,"uid":\d+,"comm":"[^"]*","exe":"[^"]*","container":null,"lib":"openssl",'
        rb'"fn":"SSL_\w+","dir":"(send|recv)","conn":{"id":(\d+),"local":[^,]*,"remote":[^}]*},'
        rb'"off":(\d+),"len":(\d+),"total":\5,"text":"([^"\\]*)(\\n)?"}\n'
    )

    def __init__(self, *args):
        super().__init__(*args)
        self._known = {}  # as the line names them -> stream

    def _take(self, line):
        usual = self.n_events % self.SAMPLE and self.USUAL.fullmatch(line)
        stream = usual and self._known.get(usual.group(1, 2, 3))
        if not stream:
            super()._take(line)
            return
        off, length, text, newline = usual.group(4, 5, 6, 7)
        data = text + b"\n" if newline else text
        assert (int(off), int(length)) == (stream.length, len(data)), f"out of order: {line!r}"
        self.n_events += 1
        stream.length += len(data)
        stream.sha.update(data)

    def _add_data(self, event):
        super()._add_data(event)
        conn = self._connection(event)
        names = str(conn.pid), event["dir"], str(conn.id)
        self._known[tuple(map(str.encode, names))] = getattr(conn, event["dir"])

    def _add_exchange(self, event):
        pass  # too many to keep


def assert_same(capture, report):
    """The connections of a peer are exactly those that its own account lists, byte for byte."""
    capture.assert_no_loss(report["pid"])
    want = Counter(sums for sums in map(end_sums, report["ends"]) if sums != (NOTHING, NOTHING))
    got = Counter(conn.sums for conn in capture.of(report["pid"]))
    missing, extra = want - got, got - want
    assert not missing and not extra, (
        f"of {sum(want.values())} connections {sum(missing.values())} are missing, "
        f"{sum(extra.values())} of {sum(got.values())} were not made: "
        f"missing {list(missing)[:3]}, extra {list(extra)[:3]}"
    )


def end_sums(end):
    """What the account says about one end, in the form of Connection.sums."""
    return tuple((end[dir]["bytes"], end[dir]["sha256"]) for dir in DIRS)


def assert_same_calls(capture, report):
    """Each chunk carries the function and the size of the call that first showed its bytes."""
    by_sums = {conn.sums: conn for conn in capture.of(report["pid"])}
    for end in report["ends"]:
        if end_sums(end) == (NOTHING, NOTHING):
            continue
        conn = by_sums[end_sums(end)]
        for dir in DIRS:
            calls = [call for call in end["calls"] if call["dir"] == dir and call["new"]]
            assert_calls(getattr(conn, dir).chunks, calls, f"{end['name']} {end['role']} {dir}")


def assert_calls(chunks, calls, where):
    """The chunks, in order, are these calls and nothing else."""
    left = iter(chunks)
    for call in calls:
        seen = 0
        while seen < call["new"]:
            chunk = next(left, None)
            assert chunk, f"{where}: nothing of {call}"
            fns = {call["fn"], JUMPS_TO.get(call["fn"])}
            assert chunk.fn in fns and chunk.total == call["ret"], f"{where}: {chunk}, {call}"
            seen += chunk.length
        assert seen == call["new"], f"{where}: {seen} bytes of {call}"
    assert next(left, None) is None, f"{where}: more chunks than calls"
