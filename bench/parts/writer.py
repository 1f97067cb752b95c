# SPDX-License-Identifier: Apache-2.0
"""One thread that writes as fast as it can for seconds: what arrives."""

from harness import proc
from harness.report import Result
from harness.stats import shown

SIZES = (64, 16384)
SECONDS = 3
ROUNDS = 3


def one(lab, caller, size):
    """Share of calls lost, calls per second, CPU seconds of ecapture per million calls seen."""
    with lab.ecapture() as run:
        before = proc.cpu_ns(run.pid)
        cost = caller.round("write", size, 0, int(lab.seconds(SECONDS) * 1000))
        run.settle()
        cpu = proc.cpu_ns(run.pid) - before
    counts = run.counts
    assert counts.seen + counts.lost == cost.calls, f"{cost.calls} calls are not {counts}"
    # An event that the file was too slow for was seen by the kernel and is lost all the same.
    lost = (counts.lost + counts.left_out) / cost.calls
    return cost.calls, lost, cost.rate, cpu / 1000 / max(1, counts.seen)


def measure(lab):
    result = Result(["call", "calls made", "lost", "calls/s", "CPU µs of ecapture per call seen"])
    with lab.caller() as caller:
        for size in SIZES:
            rounds = [one(lab, caller, size) for _ in range(lab.rounds(ROUNDS))]
            made, lost, rate, cpu = zip(*rounds)
            cells = [shown(made, "{:,.0f}"), shown(lost, "{:.1%}")]
            cells += [shown(rate, "{:,.0f}"), shown(cpu, "{:.1f}")]
            result.rows.append([f"SSL_write {size} B", *cells])
    return result
