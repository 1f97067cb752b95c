# SPDX-License-Identifier: Apache-2.0
"""CPU time of ecapture while nothing is said."""

import time

from harness import proc
from harness.report import Goal, Result

SECONDS = 60
GOAL = 0.0  # percent, with one digit


def measure(lab):
    with lab.ecapture() as run:
        time.sleep(1)  # what follows the start is no idling
        before, start = proc.cpu_ns(run.pid), time.monotonic_ns()
        time.sleep(lab.seconds(SECONDS))
        used = proc.cpu_ns(run.pid) - before
        share = 100 * used / (time.monotonic_ns() - start)
    assert not run.counts.seen, f"{run.counts.seen} calls were made meanwhile"
    return Result(
        ["idle", "CPU ms", "CPU %"],
        [[f"{lab.seconds(SECONDS):.0f} s, all threads", f"{used / 1e6:.2f}", f"{share:.4f}"]],
        goals=[Goal("CPU % idle", [round(share, 1)], "<=", GOAL, "{:.1f}")],
    )
