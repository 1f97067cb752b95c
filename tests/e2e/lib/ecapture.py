# SPDX-License-Identifier: Apache-2.0
"""The program under test as a process."""

import os
import re
import shlex
import signal
import subprocess

from lib import kernel, wait
from lib.capture import Capture

CAPTURING = "ecapture: capturing"
COUNTED = re.compile(r"\b(\d+) events? written, (\d+) not\b")
EXTRA_ARGS = shlex.split(os.environ.get("ECAPTURE_ARGS", ""))
START_S = 30
STOP_S = 60


class Ecapture:
    """One run. Its JSON goes to a file unless the test names the outputs."""

    def __init__(self, binary, folder, args, validator, outputs=None, wrap=list, **popen):
        command = popen.pop("command", "tls")
        self.json = folder / "out.json"
        self.stdout = folder / "stdout"
        self._validator = validator
        outputs = [f"json={self.json}"] if outputs is None else outputs
        flags = [part for output in outputs for part in ("-o", str(output))]
        self.command = wrap([str(binary), command, *EXTRA_ARGS, *flags, *map(str, args)])
        with open(self.stdout, "wb") as stdout:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                **{"stdout": stdout, **popen},
            )
        self.pid = self.process.pid
        self.err = wait.Lines(self.process.stderr, " ".join(self.command))

    def wait_ready(self, rung=None):
        """Wait until it captures; then the start line and the kernel name the same rung."""
        line = self.err.wait_for(lambda text: text.startswith(CAPTURING), START_S, CAPTURING)
        if rung:
            assert re.search(rf"attach={rung}( |$)", line), f"{rung} was asked for: {line}"
            kernel.assert_rung(self.pid, rung)
        return self

    def wait_dry(self):
        """Wait until a dry run has resolved everything; it has nothing in the kernel then."""
        self.err.wait_for(
            lambda text: text.startswith("ecapture: ") and ("dry" in text or CAPTURING in text),
            START_S,
            "the end of the dry run's checks",
        )
        kernel.assert_no_uprobes(self.pid)
        return self

    def wait_end(self, limit=STOP_S):
        """Wait until it ends by itself; returns the exit status."""
        status = self.process.wait(wait.seconds(limit))
        self.err.join(10)
        return status

    def stop(self, sig=signal.SIGINT):
        """End it as a user would; everything captured so far is in its output then."""
        self.signal(sig)
        status = self.wait_end()
        assert status == 0, f"exit status {status}\n{self.err.tail()}"
        return self

    def signal(self, sig):
        """Send a signal to the program itself, whatever it was wrapped in."""
        os.kill(self.pid, sig)

    def told_unwritten(self):
        """How many events its summary says that an output has and has not; then some are lost."""
        counted = [found for found in map(COUNTED.search, self.err.lines) if found]
        assert len(counted) == 1, f"what was not written is not counted:\n{self.err.tail()}"
        assert not self.err.find(lambda line: "nothing was lost" in line), self.err.tail()
        return tuple(map(int, counted[0].groups()))

    def capture(self, cut_off=False, kind=Capture):
        """Read and check its JSON."""
        return kind(self._validator, self.pid).read(self.json, cut_off)

    def finish(self, kind=Capture):
        """stop() and capture()."""
        return self.stop().capture(kind=kind)

    def close(self):
        """End the process if it still runs. It is ours."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(wait.seconds(STOP_S))
