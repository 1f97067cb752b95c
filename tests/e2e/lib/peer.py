# SPDX-License-Identifier: Apache-2.0
"""Our own peer, which keeps an account of each call and each byte."""

from pathlib import Path

from lib.capture import assert_same, assert_same_calls

FNS = {
    "send": {"SSL_write", "SSL_write_ex", "SSL_write_early_data"},
    "recv": {"SSL_read", "SSL_read_ex", "SSL_peek", "SSL_peek_ex", "SSL_read_early_data"},
}


def captured(ecapture, actor, *options, **how):
    """Capture what a peer that waits plays; returns the capture and the peer's account."""
    run = ecapture(*options, **how)
    report = actor.play(120)
    return run.finish(), report


def check(capture, report):
    """Every byte and every call of the peer's account is there, and nothing else of this peer."""
    assert_same(capture, report)
    assert_same_calls(capture, report)


def check_functions(capture, report):
    """After the scenario "every": all functions that its library has were seen."""
    ex2 = {"SSL_write_ex2"} if report["write_ex2"] else set()
    conns = capture.of(report["pid"])
    send = set().union(*(conn.send.fns for conn in conns))
    # Inside the library a function that only jumps to another one leaves no trace.
    assert send in (FNS["send"] | ex2, FNS["send"] - {"SSL_write_ex"} | ex2)
    assert ex2 or send == FNS["send"]
    assert set().union(*(conn.recv.fns for conn in conns)) == FNS["recv"]


def library_of(pid):
    """The libssl that a process has mapped."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        paths = {line.split()[-1] for line in maps if "/libssl" in line}
    assert len(paths) == 1, paths
    return Path(paths.pop())
