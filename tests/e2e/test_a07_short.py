# SPDX-License-Identifier: Apache-2.0
"""A07: a thousand short connections of curl, one after the other, by what nginx's log counts."""

import subprocess
from collections import Counter

import pytest

from lib import fleet, wait, web
from lib.control import assert_would_fail
from lib.exchanges import HttpCapture, assert_equal, assert_whole

COUNT = 1000
FEW = 10
SIZES = (0, 1, 100, 4096, 20_000, 404)
TOLD = "%{http_code} %{size_request} %{size_header} %{size_download}"


@pytest.fixture
def server(public_dir, certificate, stranger):
    """An nginx of this user."""
    user = stranger.uid
    folder = public_dir / "a07"
    folder.mkdir(mode=0o755, exist_ok=True)
    files = fleet.copy_for(user, folder, *certificate)
    root = folder / f"nginx-{len(list(folder.iterdir()))}"
    root.mkdir(mode=0o755)
    fleet.give(user, root)
    server = web.Nginx(root, *files, SIZES, **fleet.as_user(user))
    yield server
    server.close()


def request(server, user, number):
    """What a curl did: its pid, and what it counts, as the server's log."""
    target = f"/{SIZES[number % len(SIZES)]}?number={number}"
    method = "HEAD" if number % 10 == 9 else "GET"
    client = subprocess.Popen(
        ["/usr/bin/curl", "-q", "-sS", "--noproxy", "*", "--cacert", server.cert, "-o", "/dev/null",
         "-w", TOLD, *(["--head"] if method == "HEAD" else []), server.url(target[1:])],
        stdout=subprocess.PIPE, **fleet.as_user(user),
    )  # fmt: skip
    out, _ = client.communicate(timeout=wait.seconds(60))
    assert client.returncode == 0, target
    status, asked, head, body = map(int, out.split())
    return client.pid, web.Access(method, target, status, (asked, head + body))


def talk(server, user, count):
    """All of them; returns what the clients say, by pid, and what the log says."""
    told = dict(request(server, user, number) for number in range(count))
    assert len(told) == count, "a pid came twice"
    server.finish()
    log = server.accesses()
    assert Counter(log) == Counter(told.values()), "curl and nginx do not count alike"
    return told, log


def access_of(exchange):
    counted = exchange.request.wire_bytes, exchange.response.wire_bytes
    return web.Access(exchange.method, exchange.target, exchange.status, counted)


def check(capture, server_pids, told, log):
    """Each connection is one exchange, at both ends, and its streams are not a byte longer."""
    capture.assert_no_loss(*server_pids, *told)
    heard, said = capture.made_by(*server_pids), capture.made_by(*told)
    assert_whole(heard, "server")
    assert_whole(said, "client")
    assert_equal(Counter(map(access_of, heard)), Counter(log), "nginx")
    assert {exchange.pid: access_of(exchange) for exchange in said} == told
    assert len(said) == len(told)
    for exchanges in (heard, said):
        assert len({exchange.conn for exchange in exchanges}) == len(told)
    for exchange in heard + said:
        conn = capture.connections[exchange.conn]
        lengths = {"client": (conn.send.length, conn.recv.length),
                   "server": (conn.recv.length, conn.send.length)}  # fmt: skip
        assert lengths[exchange.role] == access_of(exchange).bytes, exchange


def test_a07_short_connections(ecapture, server, stranger):
    run = ecapture("-u", stranger.uid)
    pids = server.pids
    told, log = talk(server, stranger.uid, COUNT)
    capture = run.finish(HttpCapture)
    check(capture, pids, told, log)
    assert len(log) == COUNT
    assert len(capture.connections) == 2 * COUNT, "more than these"
    assert not [conn for conn in capture.connections.values() if conn.uid != stranger.uid]


@pytest.mark.parametrize("options", [["--dry-run"], ["-u", 1]], ids=["dry", "other"])
def test_a07_not_captured(ecapture, server, stranger, options):
    dry = "--dry-run" in options
    run = ecapture(*([] if dry else options), dry=dry)
    pids = server.pids
    told, log = talk(server, stranger.uid, FEW)
    assert_would_fail(check, run.finish(HttpCapture), pids, told, log)
