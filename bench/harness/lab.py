# SPDX-License-Identifier: Apache-2.0
"""The bench's own folder, library and processes. What was started here ends here."""

import itertools
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from harness import proc
from harness.run import Caller, Run
from lib.process import Player


# What may be hooked: nothing; an empty pair on the public functions that are asked for, or on those
# inside the library; what ecapture hooks with --placement=public, and with =auto, its default.
VARIANTS = ("none", "empty", "inside", "public", "auto")
OURS = ("public", "auto")


class Skip(Exception):
    """This part can not run here; the text says why."""


class Lab:
    """Where the programs are, and a copy of the system's libssl that only the bench uses.

    Hooks belong to files. With a copy no other process of the machine is in the measurement, and
    the load generator, which uses the system's own file, is not hooked.
    """

    def __init__(self, build, static, quick):
        self.build, self.static, self.quick = build, static, quick
        self.binary = build / "src" / "ecapture"
        self.shm = Path(tempfile.mkdtemp(prefix="ecapture-bench-", dir="/dev/shm"))
        self.lib = Path(tempfile.mkdtemp(prefix="ecapture-bench-"))
        self.lib.chmod(0o755)
        self.env = {**os.environ, "LD_LIBRARY_PATH": str(self.lib)}
        self._numbers = itertools.count()
        with self.player(Player, "caller") as caller:
            self.libssl = Path(shutil.copy(proc.library(caller.pid), self.lib))

    def close(self):
        shutil.rmtree(self.shm)
        shutil.rmtree(self.lib)

    def rounds(self, n):
        return 1 if self.quick else n

    def seconds(self, n):
        return n / 10 if self.quick else n

    @contextmanager
    def folder(self):
        """A folder on tmpfs."""
        path = self.shm / str(next(self._numbers))
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path)

    @contextmanager
    def run(self, *args, **options):
        """ecapture, just started; it is stopped and has its counts when the block is left."""
        with self.folder() as folder:
            run = Run(self.binary, folder, *args, **options)
            try:
                yield run
                run.stop()
            finally:
                run.close()

    @contextmanager
    def ecapture(self, *args, **options):
        """The same, once it captures our libssl."""
        with self.run("--libssl", self.libssl, *args, **options) as run:
            yield run.wait_ready()

    @contextmanager
    def player(self, kind, name, *args):
        """One of the bench's own programs, with our libssl."""
        process = kind([self.build / "bench" / name, *args], env=self.env)
        try:
            yield process
        finally:
            process.close()

    def caller(self):
        return self.player(Caller, "caller")

    @contextmanager
    def bare(self):
        """A context without hooks. Who looks for libraries on this machine may have found ours."""
        if self.is_hooked("read", "write"):
            raise Skip("another program has hooked the bench's own libssl: end it")
        yield

    def hooks(self, variant, *functions):
        """A context in which our libssl has the hooks of a variant (VARIANTS)."""
        if variant == "none":
            return self.bare()
        if variant == "empty":
            return self.player(Player, "empty", self.libssl, *functions)
        if variant == "inside":
            return self.player(Player, "empty", self.libssl, "--inside")
        return self.ecapture("--placement", variant)

    def is_hooked(self, *functions):
        """Whether the public functions ("read", "write") have hooks, as a fresh process sees it."""
        with self.caller() as caller:
            return any(caller.round(fn, 1, 0, 1).hooked for fn in functions)
