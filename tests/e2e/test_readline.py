# SPDX-License-Identifier: Apache-2.0
"""A readline of which only the outermost function is there, and lines that are hard to read."""

import pytest

from conftest import program
from lib import schema

SIZES = [255, 256, 257, 1024, 1025, 4096, 4097, 16384]
LINES = [b"first", b"same address", *(b"x" * size for size in SIZES), b"\xff not UTF-8"]
# One byte too much; so much that its end is not looked for; and what cannot be read at all.
LOSSES = [("call_too_large", 16385), ("call_too_large", None), ("page_fault", None)]


@pytest.fixture
def typist(player):
    return player(program("ECAPTURE_TYPIST", "build/tests/peers/typist"))


def test_each_line_is_shown_or_lost(ecapture, typist, rung):
    run = ecapture("-p", typist.pid, rung=rung, command="bash")
    typist.go()
    assert typist.process.wait(20) == 0
    capture = run.finish()
    assert [schema.payload(event) for event in capture.commands] == LINES
    assert {event["fn"] for event in capture.commands} == {"readline"}
    assert [(loss["reason"], loss["bytes"]) for loss in capture.losses] == LOSSES
    lost = capture.stats[-1]["lost"]
    assert lost["call_too_large"] == {"calls": 2, "bytes": 16385}
    assert lost["page_fault"] == {"calls": 1, "bytes": 0}
