# SPDX-License-Identifier: Apache-2.0
"""The cost of a call: without hooks, with an empty pair of hooks, with ours."""

from statistics import median

from harness.lab import OURS, VARIANTS
from harness.report import Goal, Result
from harness.stats import by_turns, ratios, shown
from lib import wait

LOADS = {"overloaded": 0, "2000/s": 2000}  # calls per second; 0: as fast as possible
CASES = [
    *(("write", size, "overloaded") for size in (64, 1024, 4096, 16384)),
    *(("write", size, "2000/s") for size in (64, 16384)),
    *(("read", size, load) for load in LOADS for size in (64, 16384)),
]
ROUNDS = 5
WARM_MS = 50  # the first call after an attach makes the thread's and the stream's entries
OVERLOAD_MS = 300
PACED_MS = 500
GOALS = {64: 1.10, 16384: 1.25}  # CPU of public / empty
GOAL_AUTO = 0.3  # CPU of auto / empty, at 64 B


def one(lab, caller, variant, case):
    """A round; with ours also the share of calls that was lost."""
    fn, size, load = case
    ms = PACED_MS if LOADS[load] else OVERLOAD_MS
    with lab.hooks(variant, f"SSL_{fn}") as hooks:
        rounds = [caller.round(fn, size, LOADS[load], WARM_MS)]
        if variant == "auto":  # the first calls prove the inner functions; then the others go
            wait.until(lambda: not again(caller, case, rounds).hooked, 20, "the public hooks go")
        rounds.append(caller.round(fn, size, LOADS[load], ms))
    cost = rounds[-1]
    if variant in OURS:
        # What is read was written before, with a hooked function too.
        made = sum(part.calls for part in rounds) * (2 if fn == "read" else 1)
        counts = hooks.counts
        assert counts.seen + counts.lost == made, f"{made} calls are not {counts}"
        cost.lost = counts.lost / made
    return cost


def again(caller, case, rounds):
    """One more round, a short one."""
    fn, size, load = case
    rounds.append(caller.round(fn, size, LOADS[load], WARM_MS))
    return rounds[-1]


def measure(lab):
    result = Result(
        ["call", *(f"CPU {variant}" for variant in VARIANTS), "CPU public ÷ empty"]
        + ["CPU auto ÷ empty", "wall public ÷ empty", "wall auto ÷ empty", "lost"]
    )
    with lab.caller() as caller:
        for case in CASES:
            costs = by_turns(
                VARIANTS, lab.rounds(ROUNDS), lambda variant: one(lab, caller, variant, case)
            )
            add(result, case, costs)
    return result


def add(result, case, costs):
    """A row, and the goals of this case."""
    fn, size, load = case
    name = f"SSL_{fn} {size} B, {load}"
    over = {
        (kind, variant): ratios(*([getattr(c, kind) for c in costs[v]] for v in (variant, "empty")))
        for kind in ("cpu", "wall")
        for variant in OURS
    }
    lost = {variant: median(cost.lost for cost in costs[variant]) for variant in OURS}
    cells = [f"{median(cost.cpu for cost in costs[variant]):,.0f}" for variant in VARIANTS]
    cells += [shown(samples) for samples in over.values()]
    result.rows.append([name, *cells, " ".join(f"{lost[variant]:.1%}" for variant in OURS)])
    # A call that finds the ring full is cheaper: say so beside the figure.
    notes = {v: f" ({lost[v]:.0%} of the calls lost)" if lost[v] else "" for v in OURS}
    if size in GOALS:
        what = f"CPU of {name}, public ÷ empty{notes['public']}"
        result.goals.append(Goal(what, over["cpu", "public"], "<=", GOALS[size]))
    if size == 64:
        what = f"CPU of {name}, auto ÷ empty{notes['auto']}"
        result.goals.append(Goal(what, over["cpu", "auto"], "<=", GOAL_AUTO))
