# SPDX-License-Identifier: Apache-2.0
"""An OpenSSL that is not this machine's: our peer with another Debian's libraries in their folder.

OpenSSL 3.5 has SSL_write_ex2, and its SSL_write_ex does its work by a jump there. In 3.6 inner
functions begin with endbr64, then sub rsp, both of which are single-stepped.
"""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import aptroot
from lib.code import hooked_inside
from lib.control import assert_would_fail
from lib.peer import captured, check, check_functions, library_of

pytestmark = pytest.mark.library("openssl")

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


def fetch(suite, arch):
    """The folder with the packages, or None and why they can not be had."""
    try:
        return aptroot.unpack(suite, PACKAGES, arch), None
    except aptroot.Unavailable as why:
        return None, str(why)


def libraries_of(suite):
    """A release's libraries. Where they can not be had is nothing to test, in CI a failure."""
    arch, folder, loader = ARCHITECTURES[platform.machine()]
    root, why_not = fetch(suite, arch)
    if why_not and os.environ.get("CI") == "true":
        pytest.fail(why_not, pytrace=False)
    if why_not:
        pytest.skip(why_not)
    folder = root / "usr" / "lib" / folder
    return Libraries(folder, folder / loader)


@pytest.fixture(scope="module")
def trixie():
    """Debian 13's libraries."""
    return libraries_of("trixie")


@pytest.fixture
def peer_with(player, peer_binary):
    """Start our TLS peer with other libraries and a scenario."""

    def start(libraries, *args):
        actor = player(*libraries.command(peer_binary, *args))
        assert library_of(actor.pid) == libraries.libssl
        return actor

    return start


@pytest.fixture
def other_peer(peer_with, trixie):
    """The same with Debian 13's."""
    return lambda *args: peer_with(trixie, *args)


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


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other instructions, other kernels")
@pytest.mark.parametrize("suite", ["trixie", "sid"])
@pytest.mark.parametrize("attach", ["multi", "perf-cookie"])
def test_hooked_inside(ecapture, peer_with, suite, attach):
    """SSL_write_ex is shown as what it jumps to; single-stepped or not, all is there."""
    libraries = libraries_of(suite)
    actor = peer_with(libraries, "every")
    run = ecapture(
        "-d", "--libssl", libraries.libssl, "-p", actor.pid, "--placement", "auto", rung=attach
    )
    places = hooked_inside(actor.pid, libraries.libssl)
    assert len(places) == 3, "reads, writes and peeks"
    # push is emulated and sub is not; what is made of endbr64 has changed over time
    pushes = [bool(re.match(rb"[\x40-\x4f]?[\x50-\x57]", place)) for place in places]
    emulates_marks = run.err.find(lambda text: re.search("the kernel emulates.*mark", text))
    stepped = suite == "sid" and not emulates_marks
    assert emulates_marks or pushes == [not stepped] * 3
    kind = "hooked inside" + (", single-stepped" if stepped else "")
    line = f"capturing {libraries.libssl} (openssl, {kind}),"
    assert run.err.find(lambda text: line in text), run.err.tail()
    report = actor.play(120)
    capture = run.finish()
    check_scenario(capture, report, "every")
    (target,) = capture.targets
    assert (target["placement"], target["single_stepped"]) == ("inside", stepped)
    names = set().union(*(conn.send.fns for conn in capture.of(actor.pid)))
    assert names == {"SSL_write", "SSL_write_ex2", "SSL_write_early_data"}


def test_dry_run(ecapture, other_peer, trixie):
    """With nothing attached the check finds nothing."""
    actor = other_peer("every")
    run = ecapture("--libssl", trixie.libssl, dry=True)
    report = actor.play()
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0
