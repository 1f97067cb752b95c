# SPDX-License-Identifier: Apache-2.0
"""A reader that stalls and goes on: memory is bounded, what it missed is accounted for."""

import json
import os
import re
import select
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest

from lib import wait
from lib.capture import DIRS, Capture, assert_same

MIB = 1 << 20
QUEUE = 256 * MIB  # what ecapture holds back for an output
SLACK = 128 * MIB  # for the rest of it, and what waits for the other output
LITTLE = 1 << 16
SIZE = 16384
MORE = 8000  # messages after the queue was almost full: 340 MiB of JSON


@pytest.fixture
def memory():
    """A folder in memory: what is written there is no slow output."""
    with tempfile.TemporaryDirectory(prefix="ecapture-e2e-", dir="/dev/shm") as name:
        yield Path(name)


class Reader:
    """Reads a FIFO to its end into a file."""

    def __init__(self, pipe, path, begun):
        self.path = path
        self.count = 0
        self._pipe = pipe
        self._thread = threading.Thread(target=self._run, args=(begun,), daemon=True)
        self._thread.start()

    def _run(self, begun):
        os.set_blocking(self._pipe.fileno(), True)
        with open(self.path, "wb") as out:
            data = begun
            while data:
                out.write(data)
                self.count += len(data)
                data = os.read(self._pipe.fileno(), MIB)

    def join(self):
        self._thread.join(wait.seconds(60))
        assert not self._thread.is_alive(), "the FIFO has no end"


def private_memory(pid):
    """Bytes of a process that are no file's and no map's of the kernel's."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


def stall(run, actor, pipe):
    """Read a little, then nothing while the peer says far too much; returns what was read."""
    select.select([pipe], [], [], wait.seconds(30))
    begun = os.read(pipe.fileno(), LITTLE)
    wait.until(lambda: private_memory(run.pid) > QUEUE - 32 * MIB, 60, "the queue is full")
    for part in range(4):
        actor.wait_progress(actor.progress() + MORE // 4, 60)
        assert QUEUE - 32 * MIB < private_memory(run.pid) < QUEUE + SLACK, part
    return begun


def check_missing(run, capture, report):
    """Read and missing are what was sent, and the summary counts as the losses do."""
    lengths = Counter((conn.send.length, conn.recv.length) for conn in capture.of(report["pid"]))
    sent = Counter(tuple(end[dir]["bytes"] for dir in DIRS) for end in report["ends"])
    assert lengths == sent
    assert {event["reason"] for event in capture.losses} == {"slow_output"}
    events = sum(event["calls"] for event in capture.losses)
    missing = sum(event["bytes"] for event in capture.losses)
    assert missing > MORE * SIZE, "next to nothing was missed: the test shows nothing"
    told = f"{events} events with {missing} bytes left out"
    assert run.err.find(lambda line: told in line), f"not {told}:\n{run.err.tail()}"


def data_lines(path):
    with open(path, "rb") as lines:
        return {hash(line) for line in lines if json.loads(line)["type"] == "data"}


def test_reader_stalls_and_goes_on(ecapture, peer, fifo, memory, validator):
    path, pipe = fifo
    actor = peer("stream", "--size", SIZE)
    file, copy = memory / "file.json", memory / "fifo.json"
    run = ecapture(
        "-p", actor.pid, "--mapsize", "256M", outputs=[f"json={path}", f"json={file}"]
    )  # fmt: skip
    actor.go()
    reader = Reader(pipe, copy, stall(run, actor, pipe))
    wait.until(lambda: reader.count > QUEUE, 60, "the reader has read on")
    actor.wait_progress(actor.progress() + 400, 60)
    actor.tell("stop")
    report = actor.report()
    run.stop()
    reader.join()
    check_missing(run, Capture(validator, run.pid).read(copy), report)
    assert_same(Capture(validator, run.pid).read(file), report)
    assert data_lines(copy) < data_lines(file)
