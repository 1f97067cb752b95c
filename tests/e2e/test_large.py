# SPDX-License-Identifier: Apache-2.0
"""Calls with very many bytes: exact, or what is missing is accounted for to the byte."""

import pytest

from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.peer import captured, check

pytestmark = pytest.mark.library("openssl")

MIB = 1 << 20
# What BPF can take of one call on kernels that have no bpf_loop (Linux before 5.17).
WITHOUT_LOOP = MIB


def played(ecapture, peer, size, how, rung):
    """Capture one write of this size; returns the capture and the peer's account."""
    actor = peer("large", "--size", size, "--how", how)
    return captured(ecapture, actor, "-p", actor.pid, rung=rung)


def assert_accounted(capture, report, reason, lost):
    """Both streams have the length that the peer names; the writer's lacks what was lost."""
    client, server = (end["send"]["bytes"] + end["recv"]["bytes"] for end in report["ends"])
    conns = {"send": None, "recv": None}
    for conn in capture.of(report["pid"]):
        conns["send" if conn.send.length else "recv"] = conn
    assert conns["send"].send.length == client
    assert conns["recv"].recv.length == server
    assert {event["reason"] for event in capture.losses} == {reason}
    assert sum(event["bytes"] for event in capture.losses) == lost


def test_a02_1mib_in_one_call(ecapture, peer, rung):
    """The size that every kernel can take."""
    capture, report = played(ecapture, peer, MIB, "plain", rung)
    check(capture, report)
    writers = [conn for conn in capture.of(report["pid"]) if conn.send.length]
    assert [{chunk.total for chunk in conn.send.chunks} for conn in writers] == [{MIB}]


@pytest.mark.parametrize("size", [MIB + 1, 2 * MIB], ids=["and_a_byte", "twice"])
def test_a02_1mib_and_more_in_one_call(ecapture, peer, rung, size):
    """Exact where the kernel has loops; elsewhere a loss stands for exactly the rest."""
    capture, report = played(ecapture, peer, size, "plain", rung)
    if not capture.losses:
        check(capture, report)
        return
    assert_would_fail(assert_same, capture, report)
    assert_accounted(capture, report, "call_too_large", size - WITHOUT_LOOP)


def test_8mib_in_one_call(ecapture, peer, rung):
    check(*played(ecapture, peer, 8 * MIB, "ex", rung))


def test_64mib_in_one_call(ecapture, peer, rung):
    """Twice what the ring holds, copied in one go: exact if the reader is quick enough."""
    capture, report = played(ecapture, peer, 64 * MIB, "ex", rung)
    if not capture.losses:
        check(capture, report)
        return
    lost = sum(s.lost for conn in capture.of(report["pid"]) for s in (conn.send, conn.recv))
    assert_accounted(capture, report, "ring_full", lost)
