# SPDX-License-Identifier: Apache-2.0
"""How a run ends: soon, and with the truth about what its outputs did not get."""

import os
import signal

import pytest

from lib import kernel, wait
from lib.peer import library_of

pytestmark = pytest.mark.library("openssl")

FAILED = 1
IDLE_STOP_S = 1  # to take each hook away on its own takes two
STALLED_STOP_S = 20
MIB_ALL = 16  # both directions; less than ecapture holds back for an output
MIB_TOO_MUCH = 240  # more than that


def play_unread(ecapture, peer, path, mib):
    """A run whose output nobody reads, after a peer has said much to itself."""
    actor = peer("stream", "--size", 16384, "--count", mib * 32)
    run = ecapture("-p", actor.pid, "--mapsize", "256M", outputs=[f"json={path}"])
    actor.play(120)
    return run


@pytest.mark.parametrize("mib", [MIB_ALL, MIB_TOO_MUCH])
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=lambda sig: sig.name)
def test_stop_while_the_reader_stalls(ecapture, peer, fifo, kernel_ids, sig, mib):
    """The end does not wait for a reader for ever; it counts what that has not got."""
    path, pipe = fifo
    run = play_unread(ecapture, peer, path, mib)
    run.signal(sig)
    assert run.wait_end(STALLED_STOP_S) == FAILED, run.err.tail()
    written, lost = run.told_unwritten()
    assert pipe.read().count(b"\n") == written
    assert lost > 0
    kernel.assert_nothing_left(kernel_ids)


def test_stop_while_the_reader_reads_late(ecapture, peer, fifo):
    """A reader that only was slow gets all of it, and then nothing is said to be lost."""
    path, pipe = fifo
    run = play_unread(ecapture, peer, path, MIB_ALL)
    os.set_blocking(pipe.fileno(), True)
    run.signal(signal.SIGTERM)
    got = sum(1 for line in pipe if line.endswith(b"\n"))
    assert run.wait_end(STALLED_STOP_S) == 0, run.err.tail()
    assert got >= MIB_ALL * 64
    assert run.err.find(lambda line: "nothing was lost" in line), run.err.tail()


def test_idle_stop_is_quick(ecapture, peer, rung):
    """From Ctrl-C to the summary, with one library hooked."""
    run = ecapture("--libssl", library_of(peer("write").pid), rung=rung)
    run.signal(signal.SIGINT)
    run.err.wait_for(lambda line: "seen:" in line, IDLE_STOP_S, "the summary")
    assert run.wait_end() == 0, run.err.tail()


def test_a_second_signal_ends_at_once(ecapture, peer, fifo, kernel_ids):
    """Whoever does not want to wait for a reader that stalls says so again."""
    path, _ = fifo
    run = play_unread(ecapture, peer, path, MIB_ALL)

    def ended_by_signal():
        if run.process.poll() is None:
            run.signal(signal.SIGINT)
        return run.process.poll() is not None

    wait.until(ended_by_signal, STALLED_STOP_S, "the end")
    assert run.wait_end() == FAILED
    assert run.err.find(lambda line: "a second signal" in line), run.err.tail()
    kernel.assert_nothing_left(kernel_ids)
