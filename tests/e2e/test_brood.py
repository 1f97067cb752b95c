# SPDX-License-Identifier: Apache-2.0
"""Very many short processes: all that they say is there, and the kernel's tables forget them."""

import json
import signal
from collections import Counter

import pytest

from lib import kernel
from lib.peer import library_of

MANY = 40000
SOME = 2000
FEW = 200  # a fork costs more where each uprobe is a perf event

# What is odd about them (tests/peers/brood.c), and how often each says its message.
MESSAGE = "child %08d\n"
KINDS = {"plain": 1, "ref": 0, "open": 2, "clear": 1, "thread": 1, "leader": 1}


def assert_heard(path, count, times):
    """Each child said its number so often, each time on another connection, and heard it."""
    said = {"send": Counter(), "recv": Counter()}
    conns = set()
    with open(path, "rb") as lines:
        for event in map(json.loads, lines):
            if event["type"] in ("stats", "target"):
                continue
            assert event["type"] == "data" and event["off"] == 0, event
            said[event["dir"]][event["text"]] += 1
            conns.add(event["conn"]["id"])
    want = Counter({MESSAGE % number: times for number in range(count) if times})
    assert said == {"send": want, "recv": want}
    assert len(conns) == 2 * count * times


def start(ecapture, stranger, actor, *options, rung=None):
    """Capture the actor and its children, and hook no library but theirs."""
    return ecapture("-u", stranger.uid, "--libssl", library_of(actor.pid), *options, rung=rung)


def finish(run, count, times):
    run.stop()
    assert_heard(run.json, count, times)
    run.json.unlink()  # large


@pytest.mark.parametrize("how", KINDS)
def test_short_processes(ecapture, stranger, rung, how):
    count = SOME if rung == "multi" else FEW
    actor = stranger("brood", "--how", how, "--count", count)
    run = start(ecapture, stranger, actor, rung=rung)
    before = kernel.entries(run.pid)
    actor.play()
    tables = kernel.entries_at_last(run.pid, before)
    finish(run, count, KINDS[how])
    assert tables == before


def test_short_processes_40000(ecapture, stranger):
    """More than the tables hold, and, as a rule, more than there are process ids."""
    actor = stranger("brood", "--count", MANY)
    run = start(ecapture, stranger, actor)
    before = kernel.entries(run.pid)
    actor.go()
    actor.wait_progress(MANY // 10, 120)
    assert kernel.entries(run.pid)["ecap_procs"] > before["ecap_procs"], "who runs is not there"
    actor.report(600)
    tables = kernel.entries_at_last(run.pid, before)
    finish(run, MANY, KINDS["plain"])
    assert tables == before


@pytest.mark.parametrize("how", KINDS)
def test_short_processes_whose_ends_are_lost(ecapture, stranger, how):
    """Nobody reads a small ring meanwhile: most records of starts, bytes and ends do not fit."""
    actor = stranger("brood", "--how", how, "--count", SOME)
    run = start(ecapture, stranger, actor, "--mapsize", 64)
    before = kernel.entries(run.pid)
    run.signal(signal.SIGSTOP)
    actor.play()
    run.signal(signal.SIGCONT)
    tables = kernel.entries_at_last(run.pid, before)
    run.stop()
    assert run.err.find(lambda line: "starts and ends" in line), run.err.tail()
    seen, lost = weighed(run.json)
    assert lost or not KINDS[how]
    assert seen + lost == 2 * len(MESSAGE % 0) * KINDS[how] * SOME
    assert tables == before


def weighed(path):
    """How many bytes all events show, and how many they call lost."""
    with open(path, "rb") as lines:
        events = [json.loads(line) for line in lines]
    return (
        sum(event["len"] for event in events if event["type"] == "data"),
        sum(event["bytes"] for event in events if event["type"] == "loss"),
    )
