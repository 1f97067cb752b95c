# SPDX-License-Identifier: Apache-2.0
"""A24: programs that use GnuTLS and are not ours: wget and gnutls-cli."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from lib import wait, web
from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.counting_server import BODY, CountingServer
from lib.programs import needs_gnutls

pytestmark = pytest.mark.library("gnutls")


def wget(server, cert, folder):
    body = folder / "body"
    command = [
        needs_gnutls("wget"), "-q", "--no-config", "--no-proxy", f"--ca-certificate={cert}",
        "-O", body, server.url("wget"),
    ]  # fmt: skip
    client = subprocess.Popen(command)
    assert client.wait(wait.seconds(60)) == 0, "wget failed"
    return client.pid, body.read_bytes()


def gnutls_cli(server, cert, folder):
    """Its standard input stays open until the server has closed the connection."""
    command = [
        needs_gnutls("gnutls-cli"), f"--x509cafile={cert}", "-p", str(server.port),
        "--logfile", folder / "log", web.ADDRESS,
    ]  # fmt: skip
    client = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    client.stdin.write(b"GET /cli HTTP/1.0\r\n\r\n")
    client.stdin.flush()
    out = client.stdout.read()
    client.stdin.close()
    client.stdout.close()
    client.wait(wait.seconds(60))
    return client.pid, web.split_head(out[out.index(b"HTTP/1.0 200") :])[1]


CLIENTS = pytest.mark.parametrize("client", [wget, gnutls_cli])


def talk(client, player, certificate, folder):
    server = CountingServer(player, certificate)
    pid, body = client(server, certificate[0], Path(folder))
    assert hashlib.sha256(body).hexdigest() == BODY, f"{client.__name__} got something else"
    return {"pid": pid, "ends": server.client_ends()}


def check(capture, report):
    assert_same(capture, report)
    (conn,) = capture.of(report["pid"])
    assert conn.send.fns | conn.recv.fns == {"gnutls_record_send", "gnutls_record_recv"}


@CLIENTS
def test_a24_client(ecapture, player, certificate, tmp_path, rung, client):
    run = ecapture(rung=rung)
    report = talk(client, player, certificate, tmp_path)
    check(run.finish(), report)


@CLIENTS
def test_a24_other_process_only(ecapture, player, peer, certificate, tmp_path, client):
    run = ecapture("-p", peer("nonblock").pid)
    report = talk(client, player, certificate, tmp_path)
    assert_would_fail(check, run.finish(), report)


@CLIENTS
def test_a24_dry_run(ecapture, player, certificate, tmp_path, client):
    run = ecapture(dry=True)
    report = talk(client, player, certificate, tmp_path)
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0
