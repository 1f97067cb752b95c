# SPDX-License-Identifier: Apache-2.0
"""A04: Python's urllib and its HTTPS server, which use only the _ex functions."""

import hashlib
from pathlib import Path

import pytest

from lib import https_peer, process, web
from lib.capture import NOTHING, assert_same
from lib.control import assert_would_fail

pytestmark = pytest.mark.library("openssl")

SIZE = 100_000
SCRIPT = Path(https_peer.__file__)
EX = {"SSL_read_ex", "SSL_write_ex"}


@pytest.fixture
def pair(player, certificate):
    """A server that serves and a client that waits for its URLs."""
    cert, key = certificate
    server = player(process.PYTHON, SCRIPT, "server", cert, key, SIZE)
    client = player(process.PYTHON, SCRIPT, "client", cert)
    return server, client


def talk(pair):
    """A GET and a POST; returns the accounts of both ends."""
    server, client = pair
    server.go()
    port = server.ready[2]
    client.tell(f"https://{web.ADDRESS}:{port}/first https://{web.ADDRESS}:{port}/second")
    told = client.report()
    server.tell("stop")
    account = server.report()
    want = hashlib.sha256(web.body_of(SIZE)).hexdigest()
    assert told["bodies"] == [want, want], "urllib got something else"
    # Nothing but these bytes passed between the two: the client's account is the mirror image.
    mirror = [{"send": end["recv"], "recv": end["send"]} for end in account["ends"]]
    return account, {"pid": client.pid, "ends": mirror}


def check(capture, accounts):
    for account in accounts:
        assert_same(capture, account)
        conns = capture.of(account["pid"])
        assert len(conns) == 2
        for conn in conns:
            assert conn.send.fns | conn.recv.fns == EX
            assert NOTHING not in conn.sums
            assert b" /" in (conn.send.head + conn.recv.head)


def test_a04_urllib(ecapture, pair, rung):
    run = ecapture(rung=rung)
    accounts = talk(pair)
    check(run.finish(), accounts)


def test_a04_other_process_only(ecapture, pair, rung):
    """With -p of the server the client does not appear."""
    server, _ = pair
    run = ecapture("-p", server.pid, rung=rung)
    accounts = talk(pair)
    capture = run.finish()
    check(capture, accounts[:1])
    assert_would_fail(check, capture, accounts[1:])
    assert {conn.pid for conn in capture.connections.values()} == {server.pid}


def test_a04_dry_run(ecapture, pair):
    run = ecapture(dry=True)
    accounts = talk(pair)
    capture = run.finish()
    assert_would_fail(check, capture, accounts)
    assert capture.n_events == 0
