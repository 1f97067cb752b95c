# SPDX-License-Identifier: Apache-2.0
"""Resident memory after some traffic."""

from harness import proc
from harness.proc import MIB
from harness.report import Goal, Result

LOADS = ((64, 2000, 2000), (1024, 0, 1000), (16384, 0, 1000))  # bytes, calls per second, ms
GOAL_MIB = 20  # beside the ring


def measure(lab):
    with lab.caller() as caller, lab.ecapture() as run:
        for size, rate, ms in LOADS:
            caller.round("write", size, rate, ms)
            run.settle()
        ring = proc.ring_bytes(run.pid) / MIB
        resident = proc.status_bytes(run.pid, "VmRSS") / MIB
        peak = proc.status_bytes(run.pid, "VmHWM") / MIB
    beside = resident - ring
    return Result(
        ["memory", "MiB"],
        [
            ["resident", f"{resident:.1f}"],
            ["of that the ring's pages, mapped twice", f"{ring:.1f}"],
            ["beside the ring", f"{beside:.1f}"],
            ["the same at the peak", f"{peak - ring:.1f}"],
        ],
        goals=[Goal("MiB beside the ring", [beside], "<=", GOAL_MIB, "{:.1f}")],
    )
