# SPDX-License-Identifier: Apache-2.0
"""ecapture dies under load: the target does not notice and the kernel keeps nothing."""

import signal

import pytest

from lib import kernel

pytestmark = pytest.mark.library("openssl")


def test_sigkill_under_load(ecapture, peer, kernel_ids, rung):
    target = peer("stream", "--size", "256")
    run = ecapture("-p", target.pid, rung=rung)
    created = kernel.created_since(kernel_ids, run.pid)
    assert {kind for kind, _ in created} == set(kernel.KINDS)
    target.go()
    target.wait_progress(2000)

    run.process.send_signal(signal.SIGKILL)
    assert run.wait_end() == -signal.SIGKILL
    kernel.assert_gone(created)

    target.wait_progress(target.progress() + 2000)
    target.tell("stop")
    client, server = target.report()["ends"]
    assert client["send"] == server["recv"], "the target's own bytes were changed"
    # What was written before is there and in order, but for the line that the kill cut.
    capture = run.capture(cut_off=True)
    assert capture.n_events > 0
