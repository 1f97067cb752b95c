# SPDX-License-Identifier: Apache-2.0
"""An OpenSSL that is not this machine's: our peer with Debian 13's libraries, in its own folder.

OpenSSL 3.5 has SSL_write_ex2, and its SSL_write_ex does its work by a jump there.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import pytest

import aptroot
from lib.control import assert_would_fail
from lib.peer import captured, check, check_functions, library_of

SUITE = "trixie"
PACKAGES = ["libc6", "libssl3t64", "libzstd1", "zlib1g"]
# Debian's name of the architecture, the folder of its libraries, the loader there.
ARCHITECTURES = {
    "x86_64": ("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": ("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
SCENARIOS = pytest.mark.parametrize("scenario", ["every", "nested"])


@dataclass(frozen=True)
class Libraries:
    """Another release's libraries, and the loader that belongs to them."""

    folder: Path
    loader: Path

    @property
    def libssl(self):
        return self.folder / "libssl.so.3"

    def command(self, program, *args):
        return [self.loader, "--library-path", self.folder, program, *args]


def fetch(arch):
    """The folder with the packages, or None and why they can not be had."""
    try:
        return aptroot.unpack(SUITE, PACKAGES, arch), None
    except aptroot.Unavailable as why:
        return None, str(why)


@pytest.fixture(scope="module")
def trixie():
    """Debian 13's libraries. Where they can not be had is nothing to test, in CI a failure."""
    arch, folder, loader = ARCHITECTURES[platform.machine()]
    root, why_not = fetch(arch)
    if why_not and os.environ.get("CI") == "true":
        pytest.fail(why_not, pytrace=False)
    if why_not:
        pytest.skip(why_not)
    folder = root / "usr" / "lib" / folder
    return Libraries(folder, folder / loader)


@pytest.fixture
def other_peer(player, peer_binary, trixie):
    """Start our TLS peer with the other libraries and a scenario."""

    def start(*args):
        actor = player(*trixie.command(peer_binary, *args))
        assert library_of(actor.pid) == trixie.libssl
        return actor

    return start


def check_scenario(capture, report, scenario):
    check(capture, report)
    assert report["write_ex2"], "this OpenSSL has no SSL_write_ex2"
    if scenario == "every":
        check_functions(capture, report)


@SCENARIOS
def test_library_by_its_path(ecapture, other_peer, trixie, rung, scenario):
    """--libssl names the other library: exact bytes, each call once and by its own name."""
    actor = other_peer(scenario)
    capture, report = captured(ecapture, actor, "--libssl", trixie.libssl, rung=rung)
    check_scenario(capture, report, scenario)
    assert {conn.pid for conn in capture.connections.values()} == {actor.pid}


@SCENARIOS
def test_library_of_a_running_process(ecapture, other_peer, rung, scenario):
    """Without options the library is found by its mapping; the linker's cache has no such path."""
    capture, report = captured(ecapture, other_peer(scenario), rung=rung)
    check_scenario(capture, report, scenario)


@SCENARIOS
def test_this_machines_library_only(ecapture, peer, other_peer, rung, scenario):
    """With --libssl of this machine's own library its user is there and the other is not."""
    ours, other = peer(scenario), other_peer(scenario)
    run = ecapture("--libssl", library_of(ours.pid), rung=rung)
    reports = [actor.play() for actor in (ours, other)]
    capture = run.finish()
    check(capture, reports[0])
    assert_would_fail(check, capture, reports[1])
    assert not capture.of(other.pid)


def test_dry_run(ecapture, other_peer, trixie):
    """With nothing attached the check finds nothing."""
    actor = other_peer("every")
    run = ecapture("--libssl", trixie.libssl, dry=True)
    report = actor.play()
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0
