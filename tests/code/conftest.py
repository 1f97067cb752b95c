# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that compare the code analysis with other accounts of real builds.

ECAPTURE_ANALYSE   the program that prints the analysis (default build/tests/code/analyse)

The builds come from Debian, unpacked into the cache (scripts/aptroot.py). One that can not be had
is a skipped test, in CI a failure.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts"))  # aptroot

import aptroot  # noqa: E402
from builds import TIME_SCALE, unavailable  # noqa: E402


class Analyse:
    """What our analysis makes of files."""

    def __init__(self, program):
        self.program = program

    def __call__(self, path, what, *words):
        command = [self.program, path, what, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * TIME_SCALE)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def analyse():
    default = ROOT / "build" / "tests" / "code" / "analyse"
    path = Path(os.environ.get("ECAPTURE_ANALYSE", default)).resolve()
    assert path.exists(), f"{path} is not there: build it or set ECAPTURE_ANALYSE"
    return Analyse(path)


MEASURED = pytest.StashKey()


def pytest_configure(config):
    config.stash[MEASURED] = []


def pytest_terminal_summary(terminalreporter, config):
    """What was measured and is not judged."""
    for line in config.stash[MEASURED]:
        terminalreporter.write_line(line)


@pytest.fixture
def report(pytestconfig):
    """Add a line to what is printed at the end."""
    return pytestconfig.stash[MEASURED].append


@pytest.fixture(scope="session")
def cache():
    """Where what was fetched stays, outside of the tree."""
    return aptroot.cache_dir()


@pytest.fixture(scope="session")
def unpacked():
    """The folder with the files of Debian packages."""

    def unpack(suite, arch, *packages):
        try:
            return aptroot.unpack(suite, packages, arch)
        except aptroot.Unavailable as why:
            unavailable(why)

    return unpack
