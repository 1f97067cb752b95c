# SPDX-License-Identifier: Apache-2.0
"""The ways to attach: the best one is found, one that is asked for is used or refused, aloud."""

import subprocess

import pytest

from conftest import RUNGS
from lib import kernel, wait
from lib.control import assert_would_fail
from lib.peer import check

ALL = ("multi", "perf-cookie", "perf")


@pytest.mark.parametrize("rung", [None, *RUNGS], ids=lambda rung: rung or "best")
def test_rung(ecapture, private, rung):
    """A write of 256 KiB arrives whole; what another process says does not."""
    actor, other = private("write"), private("write")
    run = ecapture("-p", actor.pid, rung=rung)
    if not rung:
        kernel.assert_rung(run.pid, RUNGS[0])
    reports = [one.play() for one in (actor, other)]
    capture = run.finish()
    check(capture, reports[0])
    assert_would_fail(check, capture, reports[1])


def test_rungs_that_this_kernel_lacks(binary):
    """Each is refused, and not replaced by another one."""
    lacking = [rung for rung in ALL if rung not in RUNGS]
    if not lacking:
        pytest.skip("this kernel lacks none")
    for rung in lacking:
        done = subprocess.run(
            [binary, "tls", f"--attach={rung}"],
            stderr=subprocess.PIPE,
            text=True,
            timeout=wait.seconds(30),
        )
        assert done.returncode == 1
        assert f"--attach={rung} does not work on this kernel" in done.stderr
        assert "capturing" not in done.stderr
