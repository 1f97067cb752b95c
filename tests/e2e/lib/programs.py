# SPDX-License-Identifier: Apache-2.0
"""Programs of this machine that tests run."""

import subprocess

import pytest

from conftest import unavailable


def needs_gnutls(name):
    """The path of a program that is linked with GnuTLS."""
    try:
        path = subprocess.run(
            ["/bin/sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except subprocess.CalledProcessError:
        unavailable(f"{name} is not installed")
    libraries = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    if "libgnutls" not in libraries:
        pytest.skip(f"{name} does not use GnuTLS here")
    return path
