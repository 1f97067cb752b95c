# SPDX-License-Identifier: Apache-2.0
"""The cost of a call: without hooks, with an empty pair of hooks on the function, with ours."""

from statistics import median

from harness.report import Goal, Result
from harness.stats import by_turns, ratios, shown

VARIANTS = ("none", "empty", "ours")
SIZES = (64, 1024, 4096, 16384)
LOADS = {"overloaded": 0, "2000/s": 2000}  # calls per second; 0: as fast as possible
CASES = [
    *(("write", size, load) for load in LOADS for size in SIZES),
    *(("read", size, load) for load in LOADS for size in (64, 16384)),
]
ROUNDS = 9
WARM_MS = 50  # the first call after an attach makes the thread's and the stream's entries
OVERLOAD_MS = 300
PACED_MS = 500
GOALS = {64: 1.10, 16384: 1.25}  # CPU of ours / empty


def one(lab, caller, variant, case):
    """A round; with ours also the share of calls that was lost."""
    fn, size, load = case
    ms = PACED_MS if LOADS[load] else OVERLOAD_MS
    with lab.hooks(variant, f"SSL_{fn}") as hooks:
        warm = caller.round(fn, size, LOADS[load], WARM_MS)
        cost = caller.round(fn, size, LOADS[load], ms)
    if variant == "ours":
        # What is read was written before, with a hooked function too.
        made = (warm.calls + cost.calls) * (2 if fn == "read" else 1)
        counts = hooks.counts
        assert counts.seen + counts.lost == made, f"{made} calls are not {counts}"
        cost.lost = counts.lost / made
    return cost


def measure(lab):
    result = Result(
        ["call", "CPU none", "CPU empty", "CPU ours", "CPU empty ÷ none", "CPU ours ÷ empty"]
        + ["wall none", "wall empty", "wall ours", "wall ours ÷ empty", "lost"]
    )
    with lab.caller() as caller:
        for case in CASES:
            costs = by_turns(
                VARIANTS, lab.rounds(ROUNDS), lambda variant: one(lab, caller, variant, case)
            )
            add(result, case, costs)
    return result


def add(result, case, costs):
    """A row, and the goal if this case has one."""
    fn, size, load = case
    name = f"SSL_{fn} {size} B, {load}"
    lost = median(cost.lost for cost in costs["ours"])
    cells = [name]
    for kind in ("cpu", "wall"):
        none, empty, ours = ([getattr(c, kind) for c in costs[v]] for v in VARIANTS)
        cells += [f"{median(samples):,.0f}" for samples in (none, empty, ours)]
        over_none, over_empty = ratios(empty, none), ratios(ours, empty)
        cells += [shown(over_none), shown(over_empty)] if kind == "cpu" else [shown(over_empty)]
        if kind == "cpu" and size in GOALS:
            # A call that finds the ring full is cheaper: say so beside the figure.
            what = f"CPU of {name}, ours ÷ empty"
            what += f" ({lost:.0%} of the calls lost)" if lost else ""
            result.goals.append(Goal(what, over_empty, "<=", GOALS[size]))
    cells.append(f"{lost:.1%}")
    result.rows.append(cells)
