# SPDX-License-Identifier: Apache-2.0
"""A reader of -o json=FIFO that stops reading: what the target and our memory notice of it."""

import os
import subprocess
from contextlib import contextmanager

from harness import proc
from harness.report import Result
from harness.stats import by_turns, ratios, shown

SIZE = 1024
PIECES = 20
PIECE_MS = 400
ROUNDS = 3


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


def one(lab, caller, variant):
    """Calls per second, and MiB resident after the first quarter and at the end."""
    rates, sizes = [], []
    with lab.folder() as folder, fifo(folder, variant == "read") as path:
        with lab.ecapture(output=path) as run:
            for _ in range(PIECES):
                rates.append(caller.round("write", SIZE, 0, int(lab.seconds(PIECE_MS))).rate)
                sizes.append(proc.status_bytes(run.pid, "VmRSS") / proc.MIB)
    return sum(rates) / len(rates), sizes[PIECES // 4], sizes[-1], run.counts


def measure(lab):
    result = Result(
        ["the reader", "calls/s", "MiB after a quarter", "MiB at the end", "not written"]
    )
    with lab.caller() as caller:
        found = by_turns(
            ("read", "stalled"), lab.rounds(ROUNDS), lambda variant: one(lab, caller, variant)
        )
    rates = {}
    for variant, rounds in found.items():
        rates[variant], early, late, counts = zip(*rounds)
        missing = [(c.lost + c.left_out) / (c.seen + c.lost) for c in counts]
        cells = [shown(rates[variant], "{:,.0f}"), shown(early, "{:.1f}"), shown(late, "{:.1f}")]
        result.rows.append([variant, *cells, shown(missing, "{:.1%}")])
    over_read = shown(ratios(rates["stalled"], rates["read"]))
    result.rows.append(["stalled ÷ read", over_read, "", "", ""])
    return result
