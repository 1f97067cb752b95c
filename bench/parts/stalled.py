# SPDX-License-Identifier: Apache-2.0
"""A reader of -o json=FIFO that stops reading: what the target and our memory notice of it."""

import os
import subprocess
from contextlib import contextmanager

from harness import proc
from harness.report import Result
from harness.stats import by_turns, ratios, shown

SIZE = 1024
PIECES = 10
PIECE_MS = 400
ROUNDS = 3
FILL_SIZE = 16384
FILL_MAX = 100  # pieces


@contextmanager
def fifo(folder, is_read):
    """A FIFO that is open on its other side, and read or not."""
    path = folder / "fifo"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)  # also a writer: the reader sees no end before ours
    reader = subprocess.Popen(["cat"], stdin=fd, stdout=subprocess.DEVNULL) if is_read else None
    try:
        yield path
    finally:
        os.close(fd)
        if reader:
            reader.kill()
            reader.wait()


def resident(run):
    """MiB beside the ring."""
    return (proc.status_bytes(run.pid, "VmRSS") - proc.ring_bytes(run.pid)) / proc.MIB


def fill(caller, run):
    """Write until ecapture takes no more memory: its queue is full, or not needed."""
    sizes = [0.0]
    while len(sizes) < FILL_MAX and (len(sizes) < 4 or sizes[-1] - sizes[-4] >= 1):
        caller.round("write", FILL_SIZE, 0, PIECE_MS)
        sizes.append(resident(run))


def one(lab, caller, variant):
    """Calls per second, and MiB beside the ring before and after them."""
    with lab.folder() as folder, fifo(folder, variant == "read") as path:
        with lab.ecapture(output=path) as run:
            fill(caller, run)
            early = resident(run)
            rates = [caller.round("write", SIZE, 0, PIECE_MS).rate for _ in range(PIECES)]
            late = resident(run)
    return sum(rates) / len(rates), early, late, run.counts


def measure(lab):
    result = Result(
        ["the reader", "calls/s", "MiB when full", "MiB at the end", "events not written"]
    )
    with lab.caller() as caller:
        found = by_turns(
            ("read", "stalled"), lab.rounds(ROUNDS), lambda variant: one(lab, caller, variant)
        )
    rates = {}
    for variant, rounds in found.items():
        rates[variant], early, late, counts = zip(*rounds)
        missing = [c.lost + c.left_out for c in counts]
        cells = [shown(rates[variant], "{:,.0f}"), shown(early, "{:.1f}"), shown(late, "{:.1f}")]
        result.rows.append([variant, *cells, shown(missing, "{:,.0f}")])
    over_read = shown(ratios(rates["stalled"], rates["read"]))
    result.rows.append(["stalled ÷ read", over_read, "", "", ""])
    return result
