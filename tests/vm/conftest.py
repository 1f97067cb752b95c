# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests in virtual machines (scripts/vm), and of what fetches their kernels.

ECAPTURE_CANARY_DIR  the folder of the canary (default build/tests/vm)
ECAPTURE_VM_KERNELS  names of kernels, separated by commas (default 5.10)

A machine that can not be had is a skipped test, in CI a failure.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
VM = SCRIPTS / "vm"
sys.path.append(str(SCRIPTS))  # aptroot
KERNELS = os.environ.get("ECAPTURE_VM_KERNELS", "5.10").split(",")
UNAVAILABLE = 77


def built(variable, default):
    path = Path(os.environ.get(variable, ROOT / default)).resolve()
    assert path.exists(), f"{path} is not there: build it or set {variable}"
    return path


def vm(*arguments):
    done = subprocess.run(
        [VM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if done.returncode == UNAVAILABLE:
        reason = done.stderr.strip().splitlines()[-1]
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return done


@dataclass(frozen=True)
class Guest:
    """A machine that has ended, and what it left."""

    status: int
    console: str = field(repr=False)
    out: Path

    def text(self, name):
        path = self.out / name
        assert path.is_file(), f"no {name}, exit status {self.status}\n{self.console}"
        return path.read_text(errors="replace")


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request):
    """The name of a kernel that is in the cache."""
    done = vm("fetch", request.param)
    assert done.returncode == 0, done.stderr
    return request.param


@pytest.fixture(scope="module")
def boot(kernel, tmp_path_factory):
    """Run a shell command in a machine, with {guest path: host path} added."""

    def run(script, files=None, options=()):
        out = tmp_path_factory.mktemp("guest")
        add = [f"--add={host}:{guest}" for guest, host in (files or {}).items()]
        done = vm("run", "--kernel", kernel, "--out", out, *options, *add, "--", "sh", "-c", script)
        return Guest(done.returncode, done.stdout + done.stderr, out)

    return run
