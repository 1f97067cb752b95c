# SPDX-License-Identifier: Apache-2.0
"""Processes that say "ready PID ...", wait for a line and report in JSON at their end."""

import json
import subprocess
from pathlib import Path

from lib import wait

PYTHON = "/usr/bin/python3"
NOBODY = 65534


def as_user(uid, command):
    """The command, run as this user, of whom no name has to be known."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", *command]


def as_nobody(command):
    """The command, run without any privilege."""
    return as_user(NOBODY, command)


def children_of(pid):
    """The processes that the first thread of a process has started and not yet awaited."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Player:
    """One such process. It does nothing of interest before go()."""

    def __init__(self, command, **popen):
        self.command = [str(part) for part in command]
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **popen
        )
        self.out = wait.Lines(self.process.stdout, self.command[0])
        self.ready = self.out.wait_for(lambda line: line.startswith("ready "), 30, "ready").split()
        self.pid = int(self.ready[1])

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def go(self):
        self.tell("go")
        return self

    def reports(self, limit=60):
        """Wait for an orderly end; what the process, last, and any children say they did."""
        status = self.process.wait(wait.seconds(limit))
        lines = self.out.join(10)
        assert status == 0, f"{self.command} ended with {status}"
        return [json.loads(line) for line in lines if line.startswith("{")]

    def report(self, limit=60):
        """Wait for an orderly end and return what the process says it did."""
        return self.reports(limit)[-1]

    def play(self, limit=60):
        """go() and report()."""
        return self.go().report(limit)

    def progress(self):
        """The last number that a streaming peer told, or -1."""
        found = [line for line in self.out.lines if line.startswith("progress ")]
        return int(found[-1].split()[1]) if found else -1

    def wait_progress(self, beyond, limit=20):
        """Wait for a progress line with a number above beyond."""
        self.out.wait_for(
            lambda line: line.startswith("progress ") and int(line.split()[1]) > beyond,
            limit,
            f"progress beyond {beyond}",
        )

    def close(self):
        """End the process if it still runs. It is ours."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(wait.seconds(10))
        self.process.stdin.close()
