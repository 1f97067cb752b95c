# SPDX-License-Identifier: Apache-2.0
"""From the start of the program to READY=1: all hooks are attached, capturing has begun."""

import os
import socket
import subprocess
import time
from contextlib import contextmanager

from harness.report import Goal, Result
from harness.stats import shown

RUNS = 15
PROCESSES = 500
GOAL_MS = 50  # with --libssl


def once(lab, *args):
    """Milliseconds until it says that it is ready."""
    with lab.folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(folder / "notify"))
        notify.settimeout(30)
        with lab.run(*args, env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")}) as run:
            assert notify.recv(64) == b"READY=1"
            return (time.monotonic_ns() - run.started_ns) / 1e6


@contextmanager
def crowd(n):
    """So many processes more for the search to look at."""
    sleepers = [subprocess.Popen(["sleep", "infinity"]) for _ in range(n)]
    try:
        yield
    finally:
        for sleeper in sleepers:
            sleeper.kill()
        for sleeper in sleepers:
            sleeper.wait()


def measure(lab):
    runs = range(lab.rounds(RUNS))
    named = [once(lab, "--libssl", lab.libssl) for _ in runs]
    found = [once(lab) for _ in runs]
    with crowd(PROCESSES):
        found_in_crowd = [once(lab) for _ in runs]
    return Result(
        ["start", "ms"],
        [
            ["--libssl", shown(named, "{:.0f}")],
            ["every OpenSSL of the host", shown(found, "{:.0f}")],
            [f"the same with {PROCESSES} processes more", shown(found_in_crowd, "{:.0f}")],
        ],
        goals=[Goal("ms to the first hook with --libssl", named, "<=", GOAL_MS, "{:.0f}")],
    )
