# SPDX-License-Identifier: Apache-2.0
"""NSS: its databases, its tools and our peer on it, with a copy of the library of their own.

Nothing else on this host uses the copy, and no other capture has hooked it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lib import wait


def unavailable(why):
    """What is needed is not here: nothing to test, in CI a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            unavailable(f"{program} is not installed (libnss3-tools)")


def make_database(folder):
    """A database with a certificate and its key, both called "peer"."""
    need("certutil")
    noise = folder / "noise"
    noise.write_bytes(os.urandom(64))
    where = ["-d", f"sql:{folder}"]
    for command in (
        ["certutil", "-N", *where, "--empty-password"],
        ["certutil", "-S", "-x", *where, "-n", "peer", "-s", "CN=peer", "-t", ",,", "-k", "ec",
         "-q", "nistp256", "-z", noise, "-m", "1", "-v", "120"],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=wait.seconds(60))
    return folder


def library_of(program):
    """The libssl3.so that a program is linked with."""
    done = subprocess.run(["ldd", program], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        words = line.split()
        if words and words[0] == "libssl3.so":
            return Path(words[2])
    return unavailable(f"{program} does not use libssl3.so")


def tool(library, program, *args):
    """The command that runs a program with the copy of the library."""
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={library.parent}", program, *args]
