# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, at which a test types."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
import threading

from lib import wait


class Terminal:
    """One program that shows its prompt whenever it waits for a line."""

    def __init__(self, command, prompt, env=None):
        self.prompt = prompt
        self._shown = b""
        self._changed = threading.Condition()
        master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: set_controlling(slave),
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "LANG": "C.UTF-8", **(env or {})},
        )
        os.close(slave)
        self.master = master
        self.pid = self.process.pid
        self._n_prompts = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_prompt()

    @property
    def shown(self):
        """All that it has printed so far."""
        with self._changed:
            return self._shown

    def _read(self):
        while True:
            try:
                part = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                return
            with self._changed:
                self._shown += part
                self._changed.notify_all()

    def wait_prompt(self):
        """Wait until it asks for the next line."""
        self._n_prompts += 1
        with self._changed:
            seen = self._changed.wait_for(
                lambda: self._shown.count(self.prompt) >= self._n_prompts, wait.seconds(20)
            )
        assert seen, f"no prompt {self._n_prompts}: {self._shown[-300:]!r}"

    def enter(self, line):
        """Type a line; returns when the program asks for the next one."""
        self.write(line + b"\n")
        self.wait_prompt()

    def write(self, data):
        """Type, as fast as the program reads."""
        while data:
            data = data[os.write(self.master, data[:1024]) :]

    def finish(self):
        """Ctrl-D: the end of input. Returns the exit status."""
        self.write(b"\x04")
        return self.process.wait(wait.seconds(20))

    def close(self):
        """End the process if it still runs. It is ours."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(wait.seconds(10))
        os.close(self.master)


def set_controlling(slave):
    """Runs in the child: its session has this terminal."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
