# SPDX-License-Identifier: Apache-2.0
"""In a pid namespace with the /proc of another one: a number there is not the process we mean."""

import json

import pytest

from lib import wait
from lib.capture import assert_same
from lib.process import children_of

FACTS = ("exe", "ppid", "container")


def in_pid_namespace(command):
    """The command as process 1 of a pid namespace, with the /proc that was there before."""
    return ["unshare", "--pid", "--fork", "--kill-child", "--", *command]


@pytest.fixture
def inside(ecapture):
    """A run in a namespace of its own; its pid is the one out here."""
    run = ecapture(wrap=in_pid_namespace, wait=False)
    (run.pid,) = wait.until(lambda: children_of(run.process.pid), 10, "unshare has a child")
    return run.wait_ready()


def facts_of(run):
    """Every fact that any event states."""
    with open(run.json, "rb") as lines:
        return {tuple(map(json.loads(line).get, FACTS)) for line in lines}


def test_facts_of_the_same_namespace(inside, player, peer_binary):
    """A process that ecapture has a number for, which means another process in this /proc."""
    actor = player("nsenter", f"--pid=/proc/{inside.pid}/ns/pid", "--", peer_binary, "nonblock")
    assert actor.pid < inside.pid, "the peer names the number that it has inside"
    report = actor.play()
    assert_same(inside.finish(), report)
    assert facts_of(inside) == {(None, None, None)}


def test_facts_of_another_namespace(inside, peer):
    """A process that has no number where ecapture is."""
    actor = peer("nonblock")
    report = actor.play()
    capture = inside.finish()
    assert_same(capture, {**report, "pid": None})
    assert facts_of(inside) == {(None, None, None)}
