# SPDX-License-Identifier: Apache-2.0
"""--children: what the named processes start, and have started, is captured; nobody else is."""

import os
from pathlib import Path

import pytest

from lib import wait
from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.process import PYTHON

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
# Each shell says that it is there and has what comes behind it as a descendant.
CHILD = 'echo ready $$; "$@"; :'
LATER = 'echo ready $$; read line; "$@"; :'
GRANDCHILD = """echo ready $$; read line; sh -c '"$@"; :' sh "$@"; :"""
# The one in between is gone by then: nobody finds this one by its parent any more.
ORPHAN = 'echo ready $$; read line; exec 3<&0; (("$@" <&3 >&1; :) &); read line; :'


@pytest.fixture
def family(player, peer_binary):
    """Start a shell of which our peer is, or will be, a descendant."""
    return lambda script, scenario="nonblock": player(
        "sh", "-c", script, "sh", peer_binary, scenario
    )


def wait_peer(shell):
    """Wait until the peer below the shell has nothing left to do but to talk."""
    shell.out.wait_for(lambda line: line.startswith("ready "), 20, "the peer", start=1)


def test_child_that_is_there(ecapture, family, peer, best_rung):
    shell, stranger = family(CHILD), peer("nonblock")
    wait_peer(shell)
    run = ecapture("-p", shell.pid, "--children", rung=best_rung)
    other = stranger.play()
    report = shell.play()
    capture = run.finish()
    assert report["pid"] != shell.pid
    assert_same(capture, report)
    assert_would_fail(assert_same, capture, other)
    assert {conn.pid for conn in capture.connections.values()} == {report["pid"]}


@pytest.mark.parametrize("script", [LATER, GRANDCHILD], ids=["child", "grandchild"])
@pytest.mark.parametrize("scenario", ["nonblock", "threads"])
def test_child_that_comes(ecapture, family, peer, rung, script, scenario):
    shell, stranger = family(script, scenario), peer("nonblock")
    run = ecapture("-p", shell.pid, "--children", rung=rung)
    shell.tell("start it")
    wait_peer(shell)
    other = stranger.play()
    report = shell.play()
    capture = run.finish()
    assert_same(capture, report)
    assert_would_fail(assert_same, capture, other)
    assert {conn.pid for conn in capture.connections.values()} == {report["pid"]}


def test_orphan(ecapture, family, best_rung):
    """A process whose parent is gone stays a descendant."""
    shell = family(ORPHAN)
    run = ecapture("-p", shell.pid, "--children", rung=best_rung)
    shell.tell("start it")
    wait_peer(shell)
    orphan = int(shell.out.lines[1].split()[1])
    parent = Path(f"/proc/{orphan}/stat").read_text().rsplit(")", 1)[1].split()[1]
    assert int(parent) != shell.pid
    # both read the same pipe: one line for each
    shell.tell("go")
    shell.tell("go")
    report = shell.report()
    shell.out.wait_for(lambda line: line.startswith("{"), 20, "the orphan's report")
    assert_same(run.finish(), report)


def test_without_it_no_child(ecapture, family, best_rung):
    shell = family(CHILD)
    wait_peer(shell)
    run = ecapture("-p", shell.pid, rung=best_rung)
    report = shell.play()
    capture = run.finish()
    assert_would_fail(assert_same, capture, report)
    assert not capture.connections


# Tries until a child of it gets the number, which becomes the command.
WITH_NUMBER = """
import os, sys
want = int(sys.argv[1])
for _ in range(20000):
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(want - 1))
    child = os.fork()
    if not child:
        if os.getpid() == want:
            os.execv(sys.argv[2], sys.argv[2:])
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if child == want:
        sys.exit(os.waitstatus_to_exitcode(status))
sys.exit("others started processes all the time")
"""


@pytest.mark.skipif(not LAST_PID.exists(), reason="the kernel offers no choice of process ids")
def test_number_that_is_used_again(ecapture, family, player, peer_binary, best_rung):
    """One who gets the number of a descendant, or of the named process, is none of them."""
    shell = family(LATER)
    run = ecapture("-p", shell.pid, "--children", rung=best_rung)
    shell.tell("start it")
    wait_peer(shell)
    report = shell.play()
    strangers = []
    for pid in (report["pid"], shell.pid):
        wait.until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), 20, "the end")
        other = player(PYTHON, "-c", WITH_NUMBER, pid, peer_binary, "nonblock")
        strangers.append(other.play())
    assert [other["pid"] for other in strangers] == [report["pid"], shell.pid]
    capture = run.finish()
    assert len(capture.of(report["pid"])) == sum(
        any(end[dir]["bytes"] for dir in ("send", "recv")) for end in report["ends"]
    )
    assert not capture.of(shell.pid)
