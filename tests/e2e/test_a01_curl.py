# SPDX-License-Identifier: Apache-2.0
"""A01: curl gets bodies of many sizes from nginx over HTTP/1.1; both programs are captured."""

import os

import pytest

from conftest import BEST
from lib import web
from lib.capture import assert_same
from lib.control import assert_would_fail

# Emulated machines have other things to do than to compare 64 MiB.
LARGEST = int(os.environ.get("ECAPTURE_A01_LARGEST", 64 << 20))
SIZES = (0, 1, 4095, 4096, 4097, 16383, 16384, 16385, 1 << 20, LARGEST)
SMALL = SIZES[1:8:3]
ALL_BUT_LARGE = SIZES[:-1]


@pytest.fixture(scope="module")
def server(serve_files):
    return serve_files(SIZES)


def check(capture, server, downloads):
    """Request and response of each, at both ends."""
    for download in downloads:
        web.assert_client(capture, download)
        web.assert_server(capture, server, download)
    capture.assert_no_loss(*server.pids, *(download.pid for download in downloads))


def test_a01_bodies_of_all_sizes(ecapture, server, rung, tmp_path):
    sizes = SIZES if rung == BEST else ALL_BUT_LARGE
    run = ecapture(rung=rung)
    downloads = [web.curl(server, size, tmp_path) for size in sizes]
    capture = run.finish()
    check(capture, server, downloads)
    assert len(capture.of(*server.pids)) == len(sizes)


@pytest.mark.library("openssl")
def test_a01_other_process_only(ecapture, server, peer, rung, tmp_path):
    """With -p of a bystander the same traffic does not appear, the bystander does."""
    bystander = peer("nonblock")
    run = ecapture("-p", bystander.pid, rung=rung)
    downloads = [web.curl(server, size, tmp_path) for size in SMALL]
    report = bystander.play()
    capture = run.finish()
    assert_would_fail(check, capture, server, downloads)
    assert {conn.pid for conn in capture.connections.values()} == {bystander.pid}
    assert_same(capture, report)


def test_a01_dry_run(ecapture, server, tmp_path):
    """With nothing attached the same traffic is not found."""
    run = ecapture(dry=True)
    downloads = [web.curl(server, size, tmp_path) for size in SMALL]
    capture = run.finish()
    assert_would_fail(check, capture, server, downloads)
    assert capture.n_events == 0
