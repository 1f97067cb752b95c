# SPDX-License-Identifier: Apache-2.0
"""JSON of exchanges that come from memory: no probe, no kernel, no disk."""

import json
import subprocess

from harness.proc import KIB
from harness.report import Goal, Result
from harness.stats import by_turns, ratios, shown

ROUNDS = 5
SECONDS = 0.5
TYPES = ("data", "http", "all")
GOAL = 400  # MB/s of plaintext, bodies of 16 KiB of text
# Of bench/http.c, and what they are.
MIXES = {
    "small": "942 B, a body of 384 B of JSON",
    "text": "16 KiB of HTML",
    "json": "16 KiB of JSON",
    "foreign": "16 KiB of Cyrillic and Chinese",
    "binary": "64 KiB, binary",
    "gzip": "64 KiB of JSON in gzip",
    "large": "1 MiB of HTML",
    "large-binary": "1 MiB, binary",
}


def one(lab, mix, kind):
    """MB/s of plaintext and of bodies, µs per exchange, peak memory."""
    milliseconds = str(int(lab.seconds(SECONDS) * 1000))
    command = [lab.build / "bench" / "http", mix, kind, milliseconds]
    got = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert got["refused"] == 0, f"{got['refused']} events were not written"
    us = got["cpu_ns"] / 1000
    return {
        "rate": got["bytes"] / us,
        "bodies": got["exchanges"] * got["body"] / us,
        "us": us / got["exchanges"],
        "mib": got["peak_kib"] / KIB,
    }


def measure(lab):
    head = ["exchanges", *(f"MB/s {kind}" for kind in TYPES), "http ÷ data"]
    result = Result([*head, "MB/s of bodies, http", "µs per exchange, http", "MiB at most"])
    for mix, what in MIXES.items():
        costs = by_turns(TYPES, lab.rounds(ROUNDS), lambda kind, mix=mix: one(lab, mix, kind))
        add(result, mix, what, costs)
    return result


def add(result, mix, what, costs):
    def of(kind, name):
        return [cost[name] for cost in costs[kind]]

    rates = [shown(of(kind, "rate"), "{:,.0f}") for kind in TYPES]
    cells = [shown(ratios(of("http", "rate"), of("data", "rate")))]
    cells += [shown(of("http", "bodies"), "{:,.0f}"), shown(of("http", "us"))]
    most = max(max(of(kind, "mib")) for kind in TYPES)
    result.rows.append([what, *rates, *cells, f"{most:.1f}"])
    if mix == "text":
        samples = of("http", "rate")
        result.goals.append(Goal(f"MB/s, {what}", samples, ">=", GOAL, "{:,.0f}"))
