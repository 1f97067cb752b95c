# SPDX-License-Identifier: Apache-2.0
"""Hundreds of peers that come and go by chance, and some of which are killed."""

import json
import random
import signal
import time

from lib.tally import Ended

LIVES = 3  # of a process, by exec
STEPS = (50, 350)  # of each; a step takes a tenth of a second
KILLED = 0.3  # how many of them
KILL_WITHIN_S = 15
SETTLED_S = 1


class Member:
    """One of them."""

    def __init__(self, start, chance):
        steps, seed = chance.randint(*STEPS), chance.randrange(1 << 32)
        self.kill_at = None
        delay = chance.uniform(0, KILL_WITHIN_S)
        if chance.random() < KILLED:
            self.kill_at = time.monotonic() + delay
        self.player = start("churn", "--count", steps, "--seed", seed, "--depth", LIVES)
        self.was_killed = False
        for _ in range(LIVES):
            self.player.tell("go")

    def kill_in_time(self):
        if self.kill_at and time.monotonic() > self.kill_at and not self.was_killed:
            self.was_killed = True
            self.player.process.send_signal(signal.SIGKILL)
            self.let_end()

    def let_end(self):
        """It ends soon, and so does a child of it."""
        if not self.player.process.stdin.closed:
            self.player.process.stdin.close()

    def ended(self):
        """What it and its children did, if all of them have ended."""
        if self.player.process.poll() is None or not self.player.out.closed:
            return None
        self.let_end()
        status = self.player.process.returncode
        allowed = (0, -signal.SIGKILL) if self.was_killed else (0,)
        assert status in allowed, f"a peer ended with {status}: {self.player.out.tail()[:400]}"
        done = Ended(self._reports(), self._killed(), in_utc(time.time() + SETTLED_S))
        self.player.out.lines.clear()  # thousands of accounts
        return done

    def _killed(self):
        lines = [line for line in self.player.out.lines if line.startswith("killed ")]
        return {int(line.split()[1]) for line in lines} | (
            {self.player.pid} if self.was_killed else set()
        )

    def _reports(self):
        """The whole lines among them: who is killed may leave a part of one."""
        reports = []
        for line in self.player.out.lines:
            if line.startswith("{"):
                try:
                    reports.append(json.loads(line))
                except ValueError:
                    assert self._killed(), f"half a line: {line[-200:]}"
        return reports


def in_utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class Crowd:
    """A number of members; who ends is replaced."""

    def __init__(self, start, size, seed):
        self.size = size
        self.members = []
        self.count = 0
        self._start = start
        self._chance = random.Random(seed)

    def step(self, more):
        """Let chance happen; returns those that have ended since. Without more no new ones come."""
        if more and len(self.members) < self.size:
            self.members.append(Member(self._start, self._chance))
            self.count += 1
        gone = []
        for member in list(self.members):
            member.kill_in_time()
            ended = member.ended()
            if ended:
                self.members.remove(member)
                gone.append(ended)
        return gone

    def let_end(self):
        for member in self.members:
            member.let_end()
