# SPDX-License-Identifier: Apache-2.0
"""A Python wheel that brings an OpenSSL of its own, under a name that no list has."""

import re
from pathlib import Path

import pytest

import aptroot
from conftest import unavailable
from lib import process, registry
from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.counting_server import BODY, CountingServer
from lib.peer import library_of

pytestmark = pytest.mark.library("openssl")

SCRIPT = Path(__file__).parent / "lib" / "pycurl_client.py"
BUNDLED = re.compile(r"/libssl-[0-9a-f]{8}\.so\S*$", re.MULTILINE)


@pytest.fixture(scope="module")
def wheel():
    try:
        return registry.wheel("pycurl")
    except aptroot.Unavailable as why:
        unavailable(str(why))


@pytest.fixture
def talk(player, certificate, wheel):
    """Start a client that waits; returns what lets it talk and returns its account."""
    server = CountingServer(player, certificate)
    client = player(
        "/usr/bin/env", f"PYTHONPATH={wheel}", process.PYTHON, SCRIPT, certificate[0]
    )
    assert BUNDLED.search(Path(f"/proc/{client.pid}/maps").read_text()), "no bundled libssl"

    def finish():
        client.tell(f"{server.url('first')} {server.url('second')}")
        report = client.report()
        assert report["bodies"] == [BODY, BODY], "pycurl got something else"
        return {"pid": client.pid, "ends": server.client_ends()}

    return finish


def test_bundled_library(ecapture, talk, rung):
    """No flag: the library is found because a process has mapped it."""
    run = ecapture(rung=rung)
    report = talk()
    assert_same(run.finish(), report)


def test_other_library_only(ecapture, talk, peer):
    """With --libssl of this machine's library the wheel's is not hooked."""
    run = ecapture("--libssl", library_of(peer("nonblock").pid))
    report = talk()
    assert_would_fail(assert_same, run.finish(), report)


def test_dry_run(ecapture, talk):
    run = ecapture(dry=True)
    report = talk()
    capture = run.finish()
    assert_would_fail(assert_same, capture, report)
    assert capture.n_events == 0
