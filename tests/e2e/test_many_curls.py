# SPDX-License-Identifier: Apache-2.0
"""Hundreds of short connections: a curl for each, four at a time, no two requests alike."""

import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lib import https_peer, process, wait, web
from lib.capture import assert_same, end_sums
from lib.control import assert_would_fail

pytestmark = pytest.mark.library("openssl")

COUNT = 300
AT_ONCE = 4
SCRIPT = Path(https_peer.__file__)
CURL = "/usr/bin/curl"


@pytest.fixture
def server(player, certificate):
    cert, key = certificate
    return player(process.PYTHON, SCRIPT, "server", cert, key, "asked").go()


def request(server, cert, number):
    """Every third is a POST. curl got the answer to what it asked; returns its pid."""
    path = f"/{number}/{number * 37 % 20000}"
    data = web.body_of(1 + number * 53 % 30000) if number % 3 == 0 else b""
    post = ["--data-binary", "@-"] if data else []
    url = f"https://{web.ADDRESS}:{server.ready[2]}{path}"
    client = subprocess.Popen(
        [CURL, "-q", "-sS", "--noproxy", "*", "--cacert", cert, *post, url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    body, _ = client.communicate(data, timeout=wait.seconds(60))
    assert client.returncode == 0 and body == https_peer.answer_to(path, data), path
    return client.pid


def talk(server, cert, count):
    """All requests; returns the pids of the clients and the server's account."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pids = list(pool.map(lambda number: request(server, cert, number), range(count)))
    server.tell("stop")
    return pids, server.report()


def check(capture, pids, account):
    """What the server received is what the clients sent, and the reverse."""
    assert_same(capture, account)
    capture.assert_no_loss(*pids)
    conns = capture.of(*pids)
    want = Counter(tuple(reversed(end_sums(end))) for end in account["ends"])
    assert Counter(conn.sums for conn in conns) == want
    assert Counter(conn.pid for conn in conns) == Counter(pids), "one connection each"
    programs = Counter((conn.comm, conn.exe) for conn in conns)
    # Who has ended before ecapture could look has no exe: rare, and never a wrong one.
    unknown = programs.pop(("curl", None), 0)
    assert set(programs) == {("curl", CURL)} and unknown <= COUNT / 100, (programs, unknown)


def test_many_curls(ecapture, server, certificate, rung):
    run = ecapture(rung=rung)
    pids, account = talk(server, certificate[0], COUNT)
    capture = run.finish()
    assert len(account["ends"]) == len(set(pids)) == COUNT
    check(capture, pids, account)


def test_many_curls_dry_run(ecapture, server, certificate):
    """With nothing attached the check finds nothing."""
    run = ecapture(dry=True)
    pids, account = talk(server, certificate[0], AT_ONCE)
    capture = run.finish()
    assert_would_fail(check, capture, pids, account)
    assert capture.n_events == 0
