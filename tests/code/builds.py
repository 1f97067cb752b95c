# SPDX-License-Identifier: Apache-2.0
"""The builds that the tests look at, and what is public in them."""

import os
from dataclasses import dataclass

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
