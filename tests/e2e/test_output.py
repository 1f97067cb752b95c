# SPDX-License-Identifier: Apache-2.0
"""What is written, where, and for whose eyes."""

import json
import os
import socket
import stat
import subprocess

import pytest

from lib import schema, wait, web
from lib.capture import assert_same
from lib.process import as_nobody

SIZE = 3000
NEWLINE_AND_TAB = {0x0A, 0x09}
CONTROL = (set(range(0x20)) | set(range(0x7F, 0xA0))) - NEWLINE_AND_TAB


@pytest.fixture(scope="module")
def server(serve_files):
    return serve_files([SIZE])


def play_into(ecapture, peer, folder, scenario, *args):
    """One run with a text file and a JSON file; returns the text and the checked capture."""
    actor = peer(scenario)
    text, lines = folder / "out.txt", folder / "out.json"
    run = ecapture("-p", actor.pid, *args, outputs=[f"text={text}", f"json={lines}"])
    run.json = lines
    report = actor.play()
    capture = run.finish()
    assert_same(capture, report)
    assert not run.stdout.read_bytes(), "two files were asked for, nothing on stdout"
    return text.read_bytes(), capture


def test_files_are_private(ecapture, peer, tmp_path):
    """Captured secrets are readable by their owner only, whatever the umask is."""
    files = {format: tmp_path / format for format in ("text", "json", "capture")}
    run = ecapture(outputs=[f"{format}={file}" for format, file in files.items()], umask=0)
    run.stop()
    assert {stat.S_IMODE(file.stat().st_mode) for file in files.values()} == {0o600}


def test_text_on_stdout_is_the_default(ecapture, server, tmp_path):
    """A request and its answer can be read on stdout, and stderr has none of it."""
    run = ecapture(outputs=[])
    download = web.curl(server, SIZE, tmp_path)
    run.stop()
    text = run.stdout.read_text()
    assert f"curl[{download.pid}] " in text and web.AGENT in text
    assert f"-> GET https://{web.ADDRESS}:{server.port}/{SIZE}\n" in text
    assert "<- 200 OK  " in text
    assert not [line for line in run.err.lines if web.AGENT in line]


def test_json_on_stdout(ecapture, peer):
    """-o json writes to stdout what -o json=FILE writes to a file."""
    actor = peer("every")
    run = ecapture("-p", actor.pid, outputs=["json"])
    report = actor.play()
    run.json = run.stdout
    assert_same(run.finish(), report)


def test_text_shows_no_control_characters(ecapture, peer, tmp_path):
    """Terminal escapes and NUL in the captured bytes stay visible text; JSON has them exactly."""
    text, capture = play_into(ecapture, peer, tmp_path, "write")
    assert all({0x1B, 0} <= set(conn.send.head) for conn in capture.connections.values())
    found = {ord(char) for char in text.decode("utf-8")} & CONTROL
    assert text and not found, f"control characters reach the terminal: {sorted(found)}"


def test_hex(ecapture, peer, tmp_path):
    """--hex shows the bytes in hexadecimal."""
    text, capture = play_into(ecapture, peer, tmp_path, "nonblock", "--hex")
    digits = text.decode("ascii").replace(" ", "").replace(":", "").lower()
    for conn in capture.connections.values():
        first = bytes(conn.send.head[:8] or conn.recv.head[:8])
        assert len(first) == 8 and first.hex() in digits


def test_schema_refuses(validator):
    """The schema is one that can fail."""
    assert not validator.is_valid({})
    assert not validator.is_valid({"v": 1, "type": "no such type"})
    assert not validator.is_valid({"v": 1, "type": "data"})


def test_schema_needs_no_privilege(binary, public_binary):
    """Anybody can print the schema."""
    command = as_nobody([public_binary, "schema"])
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=wait.seconds(30))
    assert json.loads(out.stdout) == schema.load(binary)


def test_service_manager_is_told(ecapture, tmp_path):
    """READY=1 goes to $NOTIFY_SOCKET when capturing begins, as sd_notify(3) has it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(wait.seconds(30))
        run = ecapture(env={**os.environ, "NOTIFY_SOCKET": path})
        assert manager.recv(64) == b"READY=1"
    run.stop()
