# SPDX-License-Identifier: Apache-2.0
"""A09: wrk asks an nginx of four workers as fast as it can; each request is in the capture."""

import os
import re
import subprocess
from collections import Counter, defaultdict

import pytest

from conftest import BEST
from lib import schema, wait, web
from lib.capture import Capture
from lib.control import assert_would_fail

pytestmark = pytest.mark.library("openssl")

SIZE = 1024
SECONDS = int(os.environ.get("ECAPTURE_WRK_SECONDS", "5"))  # on one rung
FEW_SECONDS = 2  # elsewhere
HEADS = {"recv": f"GET /{SIZE} HTTP/1.1\r\n".encode(), "send": b"HTTP/1.1 200 OK\r\n"}


class Heads(Capture):
    """Counts the beginnings of requests and responses, wherever the chunks are cut."""

    def __init__(self, *args):
        super().__init__(*args)
        self.count = Counter()
        self._ends = defaultdict(bytes)

    def _add_data(self, event):
        super()._add_data(event)
        where, head = (event["conn"]["id"], event["dir"]), HEADS[event["dir"]]
        data = self._ends[where] + schema.payload(event)
        self.count[event["dir"]] += data.count(head)
        self._ends[where] = data[1 - len(head) :]


@pytest.fixture
def server(serve_files):
    return serve_files([SIZE], workers=4)


def load(server, seconds):
    """Returns how many answers wrk says that it got; all of them were good."""
    url = f"https://{web.ADDRESS}:{server.port}/{SIZE}"
    told = subprocess.run(
        ["wrk", "-t2", "-c64", f"-d{seconds}s", url],
        check=True, stdout=subprocess.PIPE, text=True, timeout=wait.seconds(seconds + 60),
    ).stdout  # fmt: skip
    assert "Non-2xx" not in told and "Socket errors" not in told, told
    server.finish()
    return int(re.search(r"(\d+) requests in", told)[1])


def check(capture, server, pids, answers):
    """As many requests and responses as the access log has, and nothing lost."""
    capture.assert_no_loss(*pids)
    logged = len(server.accesses())
    assert logged >= answers
    assert capture.count == {"recv": logged, "send": logged}
    assert {conn.comm for conn in capture.connections.values()} == {"nginx"}


def test_a09_wrk(ecapture, server, rung):
    pids = server.pids
    run = ecapture("-p", ",".join(map(str, pids)), rung=rung)
    answers = load(server, SECONDS if rung == BEST else FEW_SECONDS)
    check(run.finish(Heads), server, pids, answers)


def test_a09_dry_run(ecapture, server):
    """With nothing attached the check finds nothing."""
    pids = server.pids
    run = ecapture("-p", ",".join(map(str, pids)), dry=True)
    answers = load(server, 1)
    capture = run.finish(Heads)
    assert_would_fail(check, capture, server, pids, answers)
    assert answers > 0 and capture.n_events == 0
