# SPDX-License-Identifier: Apache-2.0
"""Capture files: what a replay shows is what the run showed; damage is named and bounded."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lib import capture_file as cf
from lib import kernel, wait, web
from lib.capture import Capture, assert_same
from lib.process import PYTHON, as_nobody
from lib.terminal import Terminal

FAILED, USAGE = 1, 2
MIB = 1 << 20
LITTLE = 1 << 16
UNIT = 64  # exchanges that are made once and sent again and again, each of ten chunks
SIZE = 100000
PROMPT = b"ready> "


class Files:
    """What one live run writes, and what is made of its capture file."""

    def __init__(self, folder, *text_args):
        self.text, self.json = folder / "live.txt", folder / "live.json"
        self.capture = folder / "live.ecap"
        self.again = folder / "again.txt", folder / "again.json", folder / "again.ecap"
        self.args = text_args

    @property
    def outputs(self):
        return [f"text={self.text}", f"json={self.json}", f"capture={self.capture}"]


def replay(binary, *args, status=0, wrap=lambda command: command, **options):
    """Run it to its end; returns its standard output and the lines of standard error."""
    done = subprocess.run(
        wrap([str(binary), "replay", *map(str, args)]),
        stdin=options.pop("stdin", subprocess.DEVNULL),
        capture_output=True,
        timeout=wait.seconds(60),
        check=False,
        **options,
    )
    lines = done.stderr.decode().splitlines()
    assert done.returncode == status, f"exit status {done.returncode}: {lines}"
    return done.stdout, lines


def without_stats(lines):
    return b"".join(line for line in lines.splitlines(True) if b'"type":"stats"' not in line)


def assert_replays_as_live(binary, files):
    """Text and JSON are those of the run, byte by byte; so are those of the capture of a replay."""
    text, lines, capture = files.again
    outputs = ["-o", f"text={text}", "-o", f"json={lines}", "-o", f"capture={capture}"]
    out, err = replay(binary, files.capture, *outputs, *files.args)
    assert not out and not err
    assert text.read_bytes() == files.text.read_bytes()
    live = without_stats(files.json.read_bytes())
    assert lines.read_bytes() == live and live
    assert replay(binary, capture, "-o", "json")[0] == live
    kinds = [block.type for block in cf.blocks(capture.read_bytes())]
    assert kinds == [block.type for block in cf.blocks(files.capture.read_bytes())]
    assert (kinds[0], kinds[-1]) == (cf.HEADER, cf.END)


@pytest.mark.parametrize("text_args", [[], ["--hex"]], ids=["plain", "hex"])
def test_same_as_live(ecapture, peer, binary, tmp_path, rung, text_args):
    actor = peer("every")
    files = Files(tmp_path, *text_args)
    run = ecapture("-p", actor.pid, *text_args, outputs=files.outputs, rung=rung)
    run.json = files.json
    report = actor.play()
    assert_same(run.finish(), report)
    assert_replays_as_live(binary, files)


def test_same_as_live_of_a_web_server(ecapture, binary, serve_files, tmp_path):
    """Exchanges, with numbers and times, of many connections at once."""
    server = serve_files([SIZE])
    files = Files(tmp_path)
    run = ecapture("-p", ",".join(map(str, server.pids)), outputs=files.outputs)
    for name in range(3):
        folder = tmp_path / str(name)
        folder.mkdir()
        web.curl(server, SIZE, folder)
    run.stop()
    assert b'"type":"http"' in files.json.read_bytes()
    assert_replays_as_live(binary, files)


# Both ends of a connection in one process, as tls_in_memory.py has them, that say these.
SPEAKER = """
import ssl, sys, os, tempfile
sys.path.insert(0, sys.argv[1])
from lib import tls_in_memory as tls
with tempfile.TemporaryDirectory() as folder:
    made = tls.make_certificate(folder)
    print("ready", os.getpid(), flush=True)
    sys.stdin.readline()
    server, client = tls.connect(ssl, *made)
    said = [
        b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes(9), bytes(range(256)) * 40,
        b"\\0\\0\\4\\1\\0\\0\\0\\0\\1abcd" * 9, b"\\xff" * 3,
    ]
    for i, data in enumerate(said):
        ends = (client, server) if i % 2 == 0 else (server, client)
        ends[0].write(data)
        tls.read_exactly(ends[1], len(data))
    server, client = tls.connect(ssl, *made)
    client.write(b"no protocol \\x1b[2J at all\\n")
    tls.read_exactly(server, 24)
print("{}")
"""


def test_same_as_live_of_other_protocols(ecapture, player, binary, tmp_path):
    """HTTP/2, which is shown in bursts, and what no parser knows."""
    actor = player(PYTHON, "-c", SPEAKER, Path(__file__).parent)
    files = Files(tmp_path)
    run = ecapture("-p", actor.pid, outputs=files.outputs)
    actor.play()
    run.stop()
    assert b"no protocol" in files.json.read_bytes()
    assert_replays_as_live(binary, files)


def test_same_as_live_with_losses(ecapture, peer, binary, tmp_path, rung):
    """A buffer far too small: the holes are where they were."""
    actor = peer("stream", "--count", 1000, "--size", 16384)
    files = Files(tmp_path)
    run = ecapture("-p", actor.pid, "--mapsize", 64, outputs=files.outputs, rung=rung)
    actor.play(120)
    run.stop()
    assert b'"reason":"ring_full"' in files.json.read_bytes()
    assert_replays_as_live(binary, files)


def test_same_as_live_of_a_shell(ecapture, binary, tmp_path):
    copy = shutil.copy("/bin/bash", tmp_path / "bash")
    env = {"PS1": PROMPT.decode(), "HISTFILE": "", "INPUTRC": "/dev/null"}
    shell = Terminal([copy, "--norc", "--noprofile", "-i"], PROMPT, env)
    files = Files(tmp_path)
    try:
        run = ecapture("-p", shell.pid, command="bash", outputs=files.outputs)
        for line in (b"echo one", "echo h\u00e9llo".encode(), b"   "):
            shell.enter(line)
        run.stop()
    finally:
        shell.close()
    assert files.json.read_bytes().count(b'"type":"command"') == 3
    assert_replays_as_live(binary, files)


def test_killed(ecapture, peer, binary, tmp_path, validator):
    """A capture that got no end is shown as far as it came, and is said to have none."""
    actor = peer("stream", "--size", 4096)
    files = Files(tmp_path)
    run = ecapture("-p", actor.pid, outputs=files.outputs)
    actor.go()
    actor.wait_progress(1000)
    wait.until(lambda: files.capture.stat().st_size > 2 * MIB, 30, "something is in the file")
    run.process.kill()
    run.process.wait(wait.seconds(30))
    actor.tell("stop")
    actor.report()
    out, err = replay(binary, files.capture, "-o", "json")
    assert len(err) == 1 and "unfinished" in err[0], err
    live = files.json.read_bytes()
    both = min(len(out), live.rindex(b"\n") + 1)
    assert both > MIB and out[:both] == live[:both]
    (tmp_path / "again.json").write_bytes(out)
    assert Capture(validator, run.pid).read(tmp_path / "again.json").of(actor.pid)


def test_running(ecapture, peer, binary, tmp_path):
    """One can look into a capture that still runs; what comes meanwhile is not waited for."""
    actor = peer("stream", "--size", 4096)
    path = tmp_path / "x.ecap"
    run = ecapture("-p", actor.pid, outputs=[f"capture={path}"])
    actor.go()
    wait.until(lambda: path.stat().st_size > MIB, 30, "something is in the file")
    out, err = replay(binary, path)
    assert out and len(err) == 1 and "runs yet" in err[0], err
    actor.tell("stop")
    actor.report()
    run.stop()
    assert not replay(binary, path)[1]


def test_nothing_seen(ecapture, peer, binary, tmp_path):
    """A capture without an event is a file with both its ends; a dry run's, too."""
    actor = peer("write")
    for name, dry in (("x.ecap", False), ("dry.ecap", True)):
        path = tmp_path / name
        ecapture("-p", actor.pid, outputs=[f"capture={path}"], dry=dry).stop()
        kinds = [block.type for block in cf.blocks(path.read_bytes())]
        assert (kinds[0], kinds[-1]) == (cf.HEADER, cf.END)
        assert set(kinds[1:-1]) <= ({cf.TARGET, cf.IDLE} if not dry else set())
        assert replay(binary, path) == (b"", [])


def test_disk_full(ecapture, peer, binary, tmp_path):
    """What fitted is whole blocks; a replay says that there is no end."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", folder], check=True)
    try:
        actor = peer("write")
        path = folder / "x.ecap"
        run = ecapture("-p", actor.pid, outputs=[f"capture={path}"])
        actor.play()
        assert run.wait_end() == FAILED
        kinds = [block.type for block in cf.blocks(path.read_bytes())]
        assert kinds[0] == cf.HEADER and cf.END not in kinds and cf.DATA in kinds
        out, err = replay(binary, path)
        assert out and "unfinished" in err[0]
    finally:
        subprocess.run(["umount", folder], check=True)


# ----------------------------------------------------------------------------- without a live run


@pytest.fixture
def made(tmp_path):
    """A file of three exchanges of two processes."""
    path = tmp_path / "made.ecap"
    parts = [cf.header(), *cf.exchanges(2, b"hello\n"), *cf.exchanges(1, b"x", first=2, pid=12)]
    path.write_bytes(b"".join([*parts, cf.end()]))
    return path


def events(out):
    return [json.loads(line) for line in out.splitlines()]


def test_needs_no_privilege(public_binary, public_dir, made, kernel_ids):
    path = Path(shutil.copy(made, public_dir))
    path.chmod(0o644)
    out, err = replay(public_binary, path, wrap=as_nobody)
    assert b"GET https://example/x" in out and not err
    out, _ = replay(public_binary, path, "-o", "json", wrap=as_nobody)
    assert len([event for event in events(out) if event["type"] == "http"]) == 3
    kernel.assert_nothing_left(kernel_ids)


def test_from_a_pipe(binary, made):
    want = replay(binary, made)[0]
    with subprocess.Popen(["cat", made], stdout=subprocess.PIPE) as cat:
        assert replay(binary, "-", stdin=cat.stdout)[0] == want


@pytest.mark.parametrize(
    "args, kept",
    [
        (["-p", "4711"], lambda event: event["pid"] == 4711),
        (["--pid", "12"], lambda event: event["pid"] == 12),
        (["-p", "12,4711"], lambda event: True),
        (["-p", "13"], lambda event: False),
        (["-u", "1000"], lambda event: True),
        (["--uid", "0"], lambda event: False),
        (["--conn", "2,3"], lambda event: event["conn"]["id"] in (2, 3)),
        (["--conn", "1", "-p", "12"], lambda event: False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_filters(binary, made, args, kept):
    """Some of the lines, and those as they are without a filter, numbers included."""
    whole = replay(binary, made, "-o", "json")[0].splitlines()
    assert len({json.loads(line)["pid"] for line in whole}) == 2
    got = replay(binary, *args, made, "-o", "json")[0].splitlines()
    assert got == [line for line in whole if kept(json.loads(line))]


@pytest.mark.parametrize("limit, kept", [("64K", 64 << 10), ("4M", 3 * MIB)])
def test_stream_limit(binary, tmp_path, limit, kept):
    """How much of a body is kept is chosen anew; the file has all of it."""
    path = tmp_path / "x.ecap"
    path.write_bytes(b"".join([cf.header(), *cf.exchanges(1, b"x" * (3 * MIB)), cf.end()]))
    out, _ = replay(binary, path, "-o", "json", "--events", "http", "--stream-limit", limit)
    body = events(out)[0]["response"]["body"]
    assert (len(body["text"]), body["wire_len"]) == (kept, 3 * MIB)


def test_losses_of_nobody_pass_filters(binary, made):
    """They may be about anybody."""
    data = bytearray(made.read_bytes())
    data[cf.blocks(data)[3].offset + 40] ^= 1
    made.write_bytes(data)
    out, _ = replay(binary, made, "-p", "99", "--conn", "7", "-o", "json", status=FAILED)
    assert [event["reason"] for event in events(out)] == ["damaged_capture"]


def test_damage(binary, made, validator):
    """The offset is named, a loss stands in the place, all the rest is shown."""
    data = bytearray(made.read_bytes())
    whole = events(replay(binary, made, "-o", "json")[0])
    hit = [block for block in cf.blocks(data) if block.type == cf.DATA][2]
    data[hit.end - 1] ^= 0x10
    made.write_bytes(data)
    out, err = replay(binary, made, "-o", "json", status=FAILED)
    assert f"{made} is damaged at offset {hit.offset}: " in err[0], err
    size = hit.end - hit.offset
    assert f"damaged in 1 place: {size} of {len(data)} bytes" in err[1] and len(err) == 2
    got = events(out)
    for event in got:
        validator.check(event)
    data_of = [event for event in got if event["type"] in ("data", "loss")]
    assert [event["type"] for event in data_of] == ["data"] * 2 + ["loss"] + ["data"] * 3
    loss = data_of[2]
    assert (loss["reason"], loss["bytes"], loss["host"]) == ("damaged_capture", None, "host")
    want = [event for event in whole if event["type"] == "data"]
    assert [event for event in data_of if event["type"] == "data"] == want[:2] + want[3:]


BAD = {
    "missing": (None, "No such file"),
    "folder": (Path, "Is a directory"),
    "empty": (b"", "is empty"),
    "text": (b'{"v":1}\n' * 1000, "not a capture file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(70000), "not a capture file"),
    "magic-only": (cf.MAGIC, "not a capture file"),
    "newer": (cf.block(cf.HEADER, b"?", version=2), "version 2; this ecapture reads version 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(binary, tmp_path, case):
    """One says why; an output that is there keeps its content, no new one is left behind."""
    content, words = BAD[case]
    path, old, new = tmp_path / "x.ecap", tmp_path / "old.txt", tmp_path / "new.json"
    old.write_text("kept")
    if content is Path:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    outputs = ["-o", f"text={old}", "-o", f"json={new}"]
    out, err = replay(binary, path, *outputs, status=FAILED)
    assert not out and str(path) in err[-1] and words in err[-1], err
    assert len(err) <= 2
    assert old.read_text() == "kept" and not new.exists()


@pytest.mark.parametrize(
    "args, words",
    [
        ([], "which file"),
        (["a", "b"], "'b' is not expected here"),
        (["a", "-p", "x"], "--pid: 'x'"),
        (["a", "--conn", "0"], "0 is no connection id"),
        (["a", "-o", "yaml"], "none of text, json"),
        (["a", "--mapsize", "64"], "--mapsize"),
        (["a", "--cnn", "1"], "did you mean --conn"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_wrong_usage(binary, args, words):
    out, err = replay(binary, *args, status=USAGE)
    assert not out and len(err) == 1 and words in err[0], err


def test_not_into_itself(binary, made):
    before = made.read_bytes()
    _, err = replay(binary, made, "-o", f"capture={made}", status=FAILED)
    assert "is replayed" in err[0] and made.read_bytes() == before


def test_unknown_blocks(binary, made):
    """A newer ecapture may add kinds of blocks: they are left out, and it is said."""
    data = made.read_bytes()
    want, _ = replay(binary, made)
    at = cf.blocks(data)[2].end
    made.write_bytes(data[:at] + cf.block(77, b"who knows") + data[at:])
    out, err = replay(binary, made)
    assert out == want and len(err) == 1 and "1 block of kinds" in err[0]


def test_new_files_are_private(binary, made, tmp_path):
    path = tmp_path / "out.json"
    replay(binary, made, "-o", f"json={path}", umask=0)
    assert path.stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------------------------------ large files


class Feeder:
    """Writes exchanges into a replay's standard input: files that no disk has to hold."""

    def __init__(self, binary, megabytes, *args, **popen):
        self.process = subprocess.Popen(
            [str(binary), "replay", "-", *args],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **popen,
        )
        self.sent = 0
        self._limit = megabytes * MIB
        self.unit = b"".join(cf.exchanges(UNIT, b"0123456789abcde\n" * 8192))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            with self.process.stdin as buffered:
                pipe = buffered.raw
                pipe.write(cf.header())
                while self.sent < self._limit:
                    for at in range(0, len(self.unit), LITTLE):
                        self.sent += pipe.write(self.unit[at : at + LITTLE])
                pipe.write(cf.end())
                self.peak = self.peak_memory()  # all but the last pipeful has been read
        except BrokenPipeError:
            pass

    def peak_memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def wait(self, limit=120):
        status = self.process.wait(wait.seconds(limit))
        self._thread.join(wait.seconds(10))
        with self.process.stderr as err:
            return status, err.read().decode().splitlines()


def test_memory_is_flat(binary):
    """Of 2 GiB no more than of a sixteenth of that."""
    peaks = []
    for megabytes in (128, 2048):
        feeder = Feeder(binary, megabytes, "-o", "json=/dev/null")
        assert feeder.wait() == (0, [])
        peaks.append(feeder.peak)
    print(f"peaks: {[peak // 1024 for peak in peaks]} KiB", file=sys.stderr)
    assert peaks[1] < 64 * MIB and peaks[1] < peaks[0] + 8 * MIB, peaks


def test_slow_reader_loses_nothing(binary):
    """It is waited for, in little memory."""
    feeder = Feeder(binary, 256, "-o", "json", "--events", "data", stdout=subprocess.PIPE)
    with feeder.process.stdout as out:
        seen = []
        wait.until(lambda: stands_still(feeder, seen), 60, "it waits")
        assert 0 < feeder.sent < 256 * MIB and feeder.peak_memory() < 64 * MIB
        lines = sum(1 for _ in out)
    assert feeder.wait() == (0, [])
    assert lines == feeder.sent // len(feeder.unit) * UNIT * 10 and feeder.sent >= 256 * MIB


def stands_still(feeder, seen):
    """Whether it has taken something, and then nothing for the last 25 looks."""
    seen.append(feeder.sent)
    return feeder.sent and len(seen) > 25 and set(seen[-25:]) == {feeder.sent}


def test_reader_leaves(binary):
    feeder = Feeder(binary, 1024, stdout=subprocess.PIPE)
    with feeder.process.stdout as out:
        assert b"\n" in out.readline()
    assert feeder.wait() == (0, [])
    assert feeder.sent < 1024 * MIB


@pytest.mark.parametrize("is_stalled", [False, True], ids=["writing", "stalled"])
def test_signal_ends_it(binary, is_stalled):
    """Also while it waits for a reader: that is given up after some seconds."""
    stdout = subprocess.PIPE if is_stalled else subprocess.DEVNULL
    feeder = Feeder(binary, 1 << 20, "-o", "json", stdout=stdout)
    wait.until(lambda: feeder.sent > MIB, 30, "it has more to write than a pipe takes")
    os.kill(feeder.process.pid, signal.SIGINT)
    status, err = feeder.wait(30)
    assert status == FAILED and "stopped by a signal" in err[0], err
    if is_stalled:
        feeder.process.stdout.close()
        assert "giving it up" in err[-1]


def test_device_full(binary, made):
    _, err = replay(binary, made, "-o", "json=/dev/full", status=FAILED)
    assert "/dev/full" in err[-1] and "No space left" in err[-1], err
