# SPDX-License-Identifier: Apache-2.0
"""HTTP exchanges in JSON, as both of their ends saw them."""

import json

import pytest

from lib import schema, web
from lib.control import assert_would_fail

pytestmark = pytest.mark.library("openssl")

KEPT = 1 << 20
SIZES = (0, 1, 4096, 16385, KEPT, KEPT + 1)


@pytest.fixture(scope="module")
def server(serve_files):
    return serve_files(SIZES)


def fields_of(head):
    """Name and value of each line of a head behind its first."""
    return [line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2]]


def assert_exchange(event, role, server, download):
    """One end's account of a download is curl's own."""
    request, response = event["request"], event["response"]
    response_head, body = web.split_head(download.response.read_bytes())
    address = f"{web.ADDRESS}:{server.port}"
    assert event["role"] == role and event["flags"] == [], schema.shown(event)
    assert request["method"] == "GET" and request["target"] == f"/{download.name}"
    assert request["url"] == f"https://{address}/{download.name}"
    assert request["headers"] == fields_of(download.request)
    assert (request["off"], request["wire_bytes"]) == (0, len(download.request))
    assert request["body"] is None and request["flags"] == []
    assert response["status"] == 200 and response["reason"] == "OK"
    assert response["headers"] == fields_of(response_head)
    assert (response["off"], response["wire_bytes"]) == (0, len(response_head) + len(body))
    assert_body(response, body)
    assert event["duration_ns"] > 0 and request["begin"] < response["end"] <= event["ts"]


def assert_body(message, body):
    got = message["body"]
    assert message["flags"] == (["body_cut"] if len(body) > KEPT else [])
    if not body:
        assert got is None
        return
    assert got["wire_len"] == got["total"] == len(body) and got["missing"] == 0
    assert schema.payload(got) == body[:KEPT]


def check(capture, server, downloads):
    """Each download is one exchange of curl and one of nginx."""
    for download in downloads:
        ours = [event for event in capture.exchanges if event["pid"] == download.pid]
        theirs = [
            event
            for event in capture.exchanges
            if event["pid"] in server.pids and event["request"]["target"] == f"/{download.name}"
        ]
        assert (len(ours), len(theirs)) == (1, 1), f"/{download.name}"
        assert_exchange(ours[0], "client", server, download)
        assert_exchange(theirs[0], "server", server, download)


def types_in(path):
    with open(path, "rb") as lines:
        return {json.loads(line)["type"] for line in lines}


def test_exchanges_at_both_ends(ecapture, server, rung, tmp_path):
    run = ecapture(rung=rung)
    downloads = [web.curl(server, size, tmp_path) for size in SIZES]
    capture = run.finish()
    check(capture, server, downloads)
    numbers = [event["number"] for event in capture.exchanges]
    assert len(set(numbers)) == len(numbers)
    assert {"data", "http", "stats", "target"} <= types_in(run.json)


def test_other_process_only(ecapture, server, peer, tmp_path):
    """With -p of a bystander there are no exchanges."""
    run = ecapture("-p", peer("nonblock").pid)
    downloads = [web.curl(server, size, tmp_path) for size in SIZES[:2]]
    capture = run.finish()
    assert_would_fail(check, capture, server, downloads)
    assert not capture.exchanges


@pytest.mark.parametrize("types", [{"http"}, {"data"}, {"http", "stats"}], ids=",".join)
def test_events(ecapture, server, tmp_path, types):
    """--events leaves out the rest, and the exchanges are the same without data."""
    run = ecapture("--events", ",".join(types))
    downloads = [web.curl(server, size, tmp_path) for size in SIZES]
    capture = run.finish()
    assert types_in(run.json) - {"loss"} == types  # others on this host may have lost something
    if "http" in types:
        check(capture, server, downloads)
    else:
        assert_would_fail(check, capture, server, downloads)
        for download in downloads:
            web.assert_client(capture, download)


@pytest.mark.parametrize(
    "types, words",
    [("htpp", "'htpp' events; did you mean http"), ("data,", "there are data, "), ("x", "'x'")],
)
def test_unknown_types(ecapture, types, words):
    run = ecapture("--events", types, wait=False)
    assert run.process.wait(30) == 2
    run.err.wait_for(lambda line: words in line, 10, "the reason")
