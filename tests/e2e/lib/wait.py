# SPDX-License-Identifier: Apache-2.0
"""Waiting for events, always with a deadline."""

import os
import threading
import time

SCALE = float(os.environ.get("ECAPTURE_TIME_SCALE", "1"))
POLL_S = 0.02


def seconds(limit):
    """A deadline in seconds, stretched for slow machines."""
    return limit * SCALE


def until(condition, limit, what):
    """Poll, where no event exists, until condition() is true; returns its value."""
    deadline = time.monotonic() + seconds(limit)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds(limit):g} s: {what}")
        time.sleep(POLL_S)


class Lines:
    """The lines of a pipe, read by a thread so that the writer never blocks."""

    def __init__(self, pipe, name):
        self.name = name
        self.lines = []
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        with pipe:
            for raw in pipe:
                self._add(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, line):
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def find(self, wanted, start=0):
        """The first line from number start on for which wanted(line) holds, or None."""
        return next((line for line in self.lines[start:] if wanted(line)), None)

    def wait_for(self, wanted, limit, what, start=0):
        """Wait for such a line; an end of the pipe before it is a failure."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self.find(wanted, start) is not None, seconds(limit)
            )
            line = self.find(wanted, start)
        if line is None:
            state = "ended" if self._closed else f"silent for {seconds(limit):g} s"
            raise AssertionError(f"{self.name}: {state} before {what}\n{self.tail()}")
        return line

    @property
    def closed(self):
        """Whether all writers have closed their end."""
        return self._closed

    def join(self, limit):
        """All lines, after the writer has closed its end."""
        self._thread.join(seconds(limit))
        assert not self._thread.is_alive(), f"{self.name}: still open"
        return self.lines

    def tail(self, count=20):
        return "\n".join(line[:400] for line in self.lines[-count:])
