# SPDX-License-Identifier: Apache-2.0
"""The cost of a call in a process that is not to be captured."""

from statistics import median

from harness.report import Goal, Result
from harness.stats import by_turns, ratios, shown

SIZE = 64
MS = 200
ROUNDS = 21
OTHER_UID = 65534
GOAL = 1.02  # with -p, over no hooks


def measure(lab):
    result = Result(["who calls", "CPU ns per call", "÷ no hooks"])
    with lab.caller() as other, lab.caller() as caller:
        hooks = {
            "no hooks": lab.bare,
            "an empty pair": lambda: lab.hooks("empty", "SSL_write"),
            "another process than -p says": lambda: lab.ecapture("-p", other.pid),
            "another user than -u says": lambda: lab.ecapture("-u", OTHER_UID),
        }

        def one(variant):
            with hooks[variant]():
                return caller.round("write", SIZE, 0, MS).cpu

        costs = by_turns(tuple(hooks), lab.rounds(ROUNDS), one)
    for variant, samples in costs.items():
        over_none = ratios(samples, costs["no hooks"])
        result.rows.append([variant, f"{median(samples):,.0f}", shown(over_none)])
        if "-p" in variant:
            result.goals.append(Goal("CPU of a bystander, -p ÷ no hooks", over_none, "<=", GOAL))
    return result
