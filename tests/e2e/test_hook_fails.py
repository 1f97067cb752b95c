# SPDX-License-Identifier: Apache-2.0
"""A39: one hook of a library can not be attached, after others were: none of them stays.

The kernel refuses a uprobe where the file has a breakpoint already. It looks when a process has
mapped the file; as long as none has, it takes the uprobe and says nothing. What is hooked shows in
the memory of that process, too.
"""

import platform
import re
import shutil

import pytest

from lib import elf, kernel
from lib.capture import assert_same
from lib.peer import library_of

FAILED = 1
BREAKPOINT = {"x86_64": b"\xcc"}
# The third of the functions, whose return is hooked third on the rungs that hook one by one; and
# the one that is hooked when all returns and other functions have been, on every rung.
FUNCTIONS = pytest.mark.parametrize("function", ["SSL_peek", "SSL_clear"])


@pytest.fixture
def copied(peer, player, peer_binary, tmp_path):
    """A copy of libssl, with a breakpoint in a function if one is named, and its user."""

    def start(function=None):
        original = library_of(peer("nonblock").pid)
        copy = tmp_path / original.name
        shutil.copy(original, copy)
        if function:
            with open(copy, "r+b") as file:
                file.seek(elf.file_offset(copy, function))
                file.write(BREAKPOINT[platform.machine()])
        actor = player("env", f"LD_LIBRARY_PATH={tmp_path}", peer_binary, "nonblock")
        assert library_of(actor.pid) == copy
        return copy, actor

    if platform.machine() not in BREAKPOINT:
        pytest.skip(f"no breakpoint instruction of {platform.machine()} is known here")
    return start


def told(run, path):
    """The error lines that name the file."""
    return [line for line in run.err.lines if re.search(rf"cannot hook {path} ", line)]


@FUNCTIONS
def test_a39_hook_fails(ecapture, copied, kernel_ids, rung, function):
    """The only library can not be hooked: 1, a line that names it, and nothing is left."""
    library, user = copied(function)
    run = ecapture("--libssl", library, rung=rung, wait=False)
    assert run.wait_end() == FAILED, run.err.tail()
    elf.assert_unchanged(user.pid, library)
    assert told(run, library), run.err.tail()
    assert not run.json.exists()
    kernel.assert_nothing_left(kernel_ids)


def test_a39_nothing_fails(ecapture, copied, rung):
    """The same copy without the breakpoint is hooked: what fails above is that one hook."""
    library, actor = copied()
    run = ecapture("--libssl", library, rung=rung)
    assert elf.changed_bytes(actor.pid, library)
    report = actor.play()
    assert_same(run.finish(), report)
    assert not told(run, library)


@FUNCTIONS
def test_a39_the_other_library_is_captured(ecapture, copied, peer, kernel_ids, rung, function):
    """Found by themselves: one library can not be hooked, which is told; the other one is."""
    library, user = copied(function)
    actor = peer("nonblock")
    run = ecapture(rung=rung)
    elf.assert_unchanged(user.pid, library)
    assert elf.changed_bytes(actor.pid, library_of(actor.pid))
    report = actor.play()
    assert_same(run.finish(), report)
    assert told(run, library), run.err.tail()
    assert run.err.find(lambda line: "capturing" in line and str(library) not in line)
    kernel.assert_nothing_left(kernel_ids)


def test_a39_a_later_library_fails(ecapture, copied, private, rung):
    """One that appears while we capture can not be hooked: it is named, the others stay."""
    actor = private("nonblock")
    run = ecapture(rung=rung)
    library, _ = copied("SSL_clear")
    run.err.wait_for(lambda line: f"cannot hook {library} " in line, 30, "the refusal")
    report = actor.play()
    capture = run.finish()
    assert len(told(run, library)) == 1
    assert_same(capture, report)
