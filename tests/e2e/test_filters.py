# SPDX-License-Identifier: Apache-2.0
"""Who is captured: users and libraries (processes are filtered in every other test)."""

import shutil

import pytest

from lib import web
from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.peer import library_of
from lib.process import NOBODY, as_nobody

pytestmark = pytest.mark.library("openssl")

SIZE = 5000


@pytest.fixture(scope="module")
def server(serve_files):
    return serve_files([SIZE])


@pytest.mark.parametrize(
    "uids", [(0,), (NOBODY,), (0, NOBODY), (NOBODY - 1,)], ids=lambda uids: "-".join(map(str, uids))
)
def test_uid(ecapture, server, tmp_path, uids, rung):
    """curl of root and curl of nobody: each is there if and only if its user was asked for."""
    run = ecapture("-u", ",".join(map(str, uids)), rung=rung)
    root = web.curl(server, SIZE, tmp_path)
    nobody = web.curl(server, SIZE, tmp_path, as_nobody)
    capture = run.finish()
    for uid, download in ((0, root), (NOBODY, nobody)):
        if uid in uids:
            web.assert_client(capture, download)
            assert {conn.uid for conn in capture.of(download.pid)} == {uid}
        else:
            assert_would_fail(web.assert_client, capture, download)
    assert {conn.uid for conn in capture.connections.values()} <= set(uids)


def test_library_of_our_choice(ecapture, peer, player, peer_binary, tmp_path):
    """--libssl names a copy: who uses the copy is captured, who uses the original is not."""
    original = library_of(peer("nonblock").pid)
    copy = tmp_path / original.name
    shutil.copy(original, copy)
    other = peer("nonblock")
    ours = player("env", f"LD_LIBRARY_PATH={tmp_path}", peer_binary, "every")
    assert library_of(ours.pid) == copy
    run = ecapture("--libssl", copy)
    reports = [actor.play() for actor in (ours, other)]
    capture = run.finish()
    assert_same(capture, reports[0])
    assert_would_fail(assert_same, capture, reports[1])
    assert {conn.pid for conn in capture.connections.values()} == {ours.pid}


def test_user_of_a_process(ecapture, peer):
    """-p and -u together: both have to hold."""
    actor = peer("nonblock")
    run = ecapture("-p", actor.pid, "-u", NOBODY)
    report = actor.play()
    capture = run.finish()
    assert_would_fail(assert_same, capture, report)
    assert capture.n_events == 0
