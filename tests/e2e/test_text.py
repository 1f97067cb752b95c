# SPDX-License-Identifier: Apache-2.0
"""HTTP as a person reads it: on terminals, in pagers, in files; and nothing a terminal acts on."""

import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from lib import answers, wait, web
from lib.control import assert_would_fail
from lib.answers import ADDRESS, HOSTILE, ITEMS, LINES, NOT_FOUND, PAGES, SECRET
from lib.process import PYTHON
from lib.terminal import Screen, set_controlling

COLOUR = re.compile(rb"\x1b\[(?:0|1|2|(?:1;)?3[1-6])m")
HARMLESS = {0x0A, 0x09}
CONTROL = (set(range(0x20)) | set(range(0x7F, 0xA0)) | {0x202E}) - HARMLESS
TIME = r"\d\d:\d\d:\d\d\.\d{3}"
TERMINAL = {**os.environ, "TERM": "xterm"}
TERMINAL.pop("NO_COLOR", None)
ONE_LINE = ("--headers=none", "--body=none")


@pytest.fixture
def server(player, certificate):
    return player(PYTHON, answers.__file__, *certificate)


@pytest.fixture
def screen():
    """Make a terminal of so many columns."""
    made = []

    def make(columns):
        made.append(Screen(columns))
        return made[-1]

    yield make
    for one in made:
        one.close()


def connect(server, certificate):
    context = ssl.create_default_context(cafile=certificate[0])
    plain = socket.create_connection((ADDRESS, int(server.ready[2])), wait.seconds(20))
    return context.wrap_socket(plain, server_hostname=ADDRESS)


def ask(server, certificate, *requests):
    """Say these bytes to the server, one request after the other; returns what it answers."""
    got_all = []
    with connect(server, certificate) as conn:
        for request in requests:
            conn.sendall(request)
            path = request.split(b" ")[1].decode("latin-1").partition("?")[0]
            want = PAGES.get(path, NOT_FOUND)
            got = b""
            while len(got) < len(want):
                got += conn.recv(65536)
            assert got == want
            got_all.append(got)
    # It has one connection at a time: when it takes this one, its last write has returned.
    connect(server, certificate).close()
    return got_all


def get(path, *fields):
    head = [b"GET " + path + b" HTTP/1.1", b"Host: localhost:1", *fields]
    return b"\r\n".join([*head, b"", b""])


def body_of(page):
    return PAGES[page].partition(b"\r\n\r\n")[2]


def read_text(ecapture, server, certificate, requests, *args, **options):
    """What a file has after these requests."""
    run = ecapture("-p", server.pid, *args, outputs=["text"], **options)
    ask(server, certificate, *requests)
    run.stop()
    return run.stdout.read_text()


def message(text, number, arrow):
    """The lines of one message, less the blank one behind it."""
    found = re.search(rf"^{TIME} \S+ #{number} {arrow} (.*\n(?:  .*\n|\n(?=  ))*)", text, re.M)
    assert found, f"no message {number} {arrow}: {text}"
    return found[1].splitlines()


def test_lines_say_what_was_asked(ecapture, server, certificate):
    """One line per message, like an access log; both ends of an exchange have its number."""
    requests = [get(b"/lines?a=b"), get(b"/packed"), get(b"/none")]
    text = read_text(ecapture, server, certificate, requests, *ONE_LINE)
    assert_asked_of(server, text.replace("?a=b", ""))
    origin = rf"{TIME} python3\[{server.pid}\]"
    packed = len(body_of("/packed"))
    want = [
        r"#1 <- GET https://localhost:1/lines\?a=b",
        rf"#1 -> 200 OK  text/plain, {len(LINES)} B, [\d.]+ ms",
        r"#2 <- GET https://localhost:1/packed",
        rf"#2 -> 200 OK  text/plain, {len(LINES) * 100 / 1024:.1f} KiB \({packed} B gzip\), .* ms",
        r"#3 <- GET https://localhost:1/none",
        r"#3 -> 404 Not Found  text/plain, 13 B, [\d.]+ ms",
    ]
    for line, pattern in zip(text.splitlines(), want, strict=True):
        assert re.fullmatch(f"{origin} {pattern}", line), (line, pattern)


def assert_asked_of(server, text):
    """The server was asked, as itself sees it."""
    assert re.search(rf" python3\[{server.pid}\] #1 <- GET https://localhost:1/lines\n", text), text


def test_other_process(ecapture, server, certificate):
    """The client alone is captured: its messages are there, and not the server's."""
    run = ecapture("-p", os.getpid(), outputs=["text"])
    ask(server, certificate, get(b"/lines"))
    run.stop()
    text = run.stdout.read_text()
    assert re.search(rf"\[{os.getpid()}\] #1 -> GET https://localhost:1/lines\n", text), text
    assert_would_fail(assert_asked_of, server, text)


@pytest.mark.parametrize("columns", [80, 200])
def test_terminal(ecapture, server, certificate, screen, columns):
    """Headers and a preview of the body, as far as the width of the terminal gives room."""
    terminal = screen(columns)
    run = ecapture(
        "-p", server.pid, outputs=["text"], stdout=terminal.slave, env=TERMINAL
    )
    ask(server, certificate, get(b"/json", b"X-Name: value"), get(b"/image"), get(b"/end"))
    shown = terminal.wait_for(b"no such page")
    run.stop()
    assert COLOUR.search(shown)
    for line in shown.splitlines():
        codes = COLOUR.findall(line)
        assert not codes or codes[-1] == b"\x1b[0m", f"a colour goes on: {line!r}"
    text = COLOUR.sub(b"", shown).decode()
    assert not {ord(char) for char in text} & CONTROL
    assert message(text, 1, "<-") == [
        "GET https://localhost:1/json", "  Host: localhost:1", "  X-Name: value",
    ]  # fmt: skip
    answer = message(text, 1, "->")
    rows = answer[answer.index("") + 1 :]
    assert rows[:2] == ["  {", '    "items": [']
    assert rows[2] == '      {"id": 0, "name": "item 0", "n": 1.5e+300},'
    assert len(rows) == 11 and "more bytes; --body=all shows them" in rows[-1]
    assert all(len(row) <= columns for row in rows)
    image = message(text, 2, "->")
    assert image[0].startswith("200 OK  image/png, 264 B, ")
    assert image[-5].startswith("  00000000  89 50 4e 47 0d 0a 1a 0a  00 01")
    assert image[-1] == "  ... 200 more bytes; --body=all shows them"


def test_width_counts(ecapture, server, certificate, screen):
    """A preview has as many rows on a wide terminal, so more of a long line."""
    shown = {}
    long = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n" + b"a" * 4000
    for columns in (80, 200):
        terminal = screen(columns)
        run = ecapture(
            "-p", server.pid, outputs=["text"], stdout=terminal.slave,
            env=TERMINAL,
        )  # fmt: skip
        ask(server, certificate, long)
        text = terminal.wait_for(b"no such page")
        run.stop()
        shown[columns] = max(len(run) for run in re.findall(rb"a+", text))
    assert shown == {80: 10 * 80 - 2, 200: 10 * 200 - 2}


@pytest.mark.parametrize(
    "args, env, coloured",
    [
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
        (["--color=never"], {}, False),
        (["--color=always"], {"NO_COLOR": "1"}, True),
    ],
)
def test_colour(ecapture, server, certificate, screen, args, env, coloured):
    """Colours are for terminals whose user did not say otherwise."""
    terminal = screen(80)
    env = {**TERMINAL, **env}
    run = ecapture("-p", server.pid, *args, outputs=["text"], stdout=terminal.slave, env=env)
    ask(server, certificate, get(b"/none"))
    shown = terminal.wait_for(b"no such page")
    run.stop()
    assert (b"\x1b" in shown) == coloured


def test_file_has_no_colours(ecapture, server, certificate, screen, tmp_path):
    """A file is the same wherever ecapture runs, also beside a terminal."""
    terminal = screen(200)
    run = ecapture(
        "-p", server.pid, outputs=["text", f"text={tmp_path}/out"], stdout=terminal.slave,
        env=TERMINAL,
    )  # fmt: skip
    ask(server, certificate, get(b"/lines"), get(b"/none"))
    shown = terminal.wait_for(b"no such page")
    run.stop()
    file = (tmp_path / "out").read_bytes()
    assert b"\x1b" in shown and b"\x1b" not in file
    assert COLOUR.sub(b"", shown) == file


def test_pager(ecapture, server, certificate, screen, tmp_path):
    """less -R shows colours as such, nothing of them is left over."""
    if not shutil.which("less"):
        pytest.skip("there is no less")
    run = ecapture("-p", server.pid, "--color=always", outputs=["text"])
    ask(server, certificate, get(b"/none"))
    run.stop()
    assert b"\x1b[" in run.stdout.read_bytes()
    terminal = screen(80)
    command = ["less", "-R", "-X", run.stdout]
    less = subprocess.Popen(
        command, stdin=terminal.slave, stdout=terminal.slave, env=TERMINAL,
        start_new_session=True, preexec_fn=lambda: set_controlling(terminal.slave),
    )  # fmt: skip
    shown = terminal.wait_for(b"no such page")
    terminal.write(b"q")
    assert less.wait(wait.seconds(20)) == 0
    assert b"ESC[" not in shown and COLOUR.search(shown)


def test_bodies(ecapture, server, certificate):
    """--body=all has all of a body, whatever its form was on the way."""
    requests = [get(b"/packed"), get(b"/image"), get(b"/json")]
    text = read_text(ecapture, server, certificate, requests, "--body=all", "--headers=none")
    lines = message(text, 1, "->")[1:]
    assert "".join(line.removeprefix("  ") + "\n" for line in lines).encode() == LINES * 100
    dump = message(text, 2, "->")[1:]
    assert bytes.fromhex("".join(line[12:61] for line in dump)) == body_of("/image")
    json_lines = message(text, 3, "->")[1:]
    assert len(json_lines) == len(ITEMS["items"]) + 5
    joined = re.sub(r"\s", "", "".join(json_lines))
    assert joined == re.sub(r"\s", "", body_of("/json").decode())


def test_tsize(ecapture, server, certificate):
    """-t N cuts what is shown of each body, and of each chunk, and says so."""
    args = "-t", "20", "--raw", "--body=all"
    text = read_text(ecapture, server, certificate, [get(b"/lines")], *args)
    told = re.findall(r"(\d+) more bytes, left out because of --tsize", text)
    request, answer = len(get(b"/lines")), len(PAGES["/lines"])
    assert sorted(map(int, told)) == sorted([request - 20, answer - 20, len(LINES) - 20])
    assert "  line 0 of some text\n" in text and "line 1" not in text


def test_raw(ecapture, server, certificate):
    """--raw shows each chunk as it came, and what became of it in one line."""
    text = read_text(ecapture, server, certificate, [get(b"/lines")], "--raw")
    assert f"recv SSL_read_ex conn 1, {len(get(b'/lines'))} bytes\n  GET /lines HTTP/1.1\n" in text
    assert text.count("line 39 of some text") == 1
    assert re.search(r" #1 -> 200 OK  text/plain, \d+ B, [\d.]+ ms\n\n", text)


def test_hex_of_body(ecapture, server, certificate):
    text = read_text(ecapture, server, certificate, [get(b"/json")], "--hex", "--headers=none")
    assert message(text, 1, "->")[1].startswith("  00000000  7b 22 69 74 65 6d 73 22  3a 20 5b")


@pytest.mark.parametrize("args", [[], ["--raw"], ["--body=all"], ["--hex"], ONE_LINE], ids=" ".join)
def test_nothing_reaches_the_terminal(ecapture, server, certificate, tmp_path, args):
    """Escapes, NUL, broken UTF-8 in each part of a message, and in what is none, are text."""
    fields = b"Host: a" + HOSTILE, b"X-" + HOSTILE + b": " + HOSTILE
    requests = [
        get(b"/hostile", *fields),
        get(b"/hostile?" + HOSTILE, *fields),
        b"\x00no /no-message " + HOSTILE + b"\r\n\r\n",
    ]
    lines = tmp_path / "out.json"
    run = ecapture("-p", server.pid, *args, outputs=["text", f"json={lines}"])
    run.json = lines
    answered = ask(server, certificate, *requests)
    capture = run.finish()
    [conn] = capture.of(server.pid)
    assert bytes(conn.recv.head) == b"".join(requests), "JSON has the exact bytes"
    assert bytes(conn.send.head) == b"".join(answered)
    text = run.stdout.read_bytes().decode("utf-8")
    found = {ord(char) for char in text} & CONTROL
    assert not found, f"control characters reach the terminal: {sorted(found)}"
    assert "#1 <- GET /hostile  ! bad_field" in text
    assert r"#1 -> 200 OK  text/plain\x1b[2J\x1b]0, " in text
    if args == []:
        assert r"  X-\x1b[2J\x1b]0;owned\x07" in text, "a header"
        assert r"  text before \x1b[2J\x1b]0;owned\x07" in text, "a body"
        assert r"  \x00no /no-message \x1b[2J" in text, "what is no message"
        assert r"  HTTP/1.1 200 OK\x1b[2J" in text, "what is no message"


def test_redact(ecapture, server, certificate, tmp_path):
    """Values of secret fields are in no output; without --redact they are in both."""
    request = get(
        b"/json", b"authorization: Bearer " + SECRET.encode(), b"Cookie : a=" + SECRET.encode()
    )
    got = {}
    for args in (["--redact"], []):
        lines = tmp_path / "out.json"
        run = ecapture(
            "-p", server.pid, "--events=http", *args, outputs=["text", f"json={lines}"]
        )
        run.json = lines
        ask(server, certificate, request, b"not HTTP, Cookie: " + SECRET.encode() + b"\r\n\r\n")
        [first, *_] = run.finish().exchanges
        assert first["request"]["headers"][0] == ["Host", "localhost:1"]
        got[bool(args)] = run.stdout.read_text(), lines.read_text()
    assert all(SECRET in text for text in got[False]), "the check can fail"
    text, json = got[True]
    assert SECRET not in text and SECRET not in json
    assert "  authorization: [redacted, 13 bytes]\n" in text
    assert '"authorization","[redacted, 13 bytes]"' in json
    assert "bytes at offset" in text and "not HTTP, hidden because of --redact" in text


@pytest.mark.parametrize(
    "args, words",
    [
        (["--redact", "--raw"], "--raw shows what --redact hides"),
        (["--redact", "-o", "json"], "data events show what --redact hides"),
        (["--redact", "-o", "json", "--events", "http,data"], "data events"),
        (["--body", "some"], "'some' is none of preview, all and none"),
        (["--headers", "preview"], "'preview' is none of all and none"),
        (["--color", "red"], "'red' is none of auto, always and never"),
        (["-t", "1x"], "'1x' is not a number of bytes"),
    ],
)
def test_refused(binary, args, words):
    done = subprocess.run(
        [binary, "tls", "--dry-run", *args], capture_output=True, timeout=wait.seconds(30)
    )
    assert done.returncode == 2 and words in done.stderr.decode(), done.stderr


def test_http2_is_a_line_per_burst(ecapture, certificate, tmp_path):
    """Until it is decoded, nobody gets a flood of frames."""
    conf = web.NGINX_CONF.replace(" ssl;", " ssl http2;")
    server = web.Nginx(tmp_path, *certificate, [100000], conf=conf)
    try:
        run = ecapture("-p", ",".join(map(str, server.pids)), outputs=["text"])
        url = f"https://{ADDRESS}:{server.port}/100000"
        subprocess.run(
            ["curl", "-q", "-sS", "--http2", "-k", "--noproxy", "*", "-o", tmp_path / "got", url],
            check=True, timeout=wait.seconds(30),
        )  # fmt: skip
        run.stop()
    finally:
        server.close()
    text = run.stdout.read_text()
    who = rf"{TIME} nginx\[\d+\] (send|recv) conn \d+"
    burst = rf"{who}, HTTP/2, (\d+) bytes?, not decoded yet; --raw shows them"
    lines = [re.fullmatch(burst, line) for line in text.splitlines()]
    assert lines and all(lines), text
    assert sum(int(line[2]) for line in lines if line[1] == "send") > 100000
