# SPDX-License-Identifier: Apache-2.0
"""A29: every form that a message of HTTP/1.1 takes, over TLS: bodies decoded, pairs right."""

import gzip
import random
import subprocess
import zlib
from collections import Counter
from dataclasses import dataclass, field

import pytest

from lib import process, raw_server, wait, web
from lib.control import assert_would_fail
from lib.exchanges import HttpCapture, assert_equal, assert_whole

TEXT = b"".join(b"line %d of a page that can be compressed\n" % n for n in range(500))
BYTES = random.Random(29).randbytes(20_000)
TRAILERS = (("X-Sum", "1f"), ("X-Note", "behind the body"))


def filtered(command, data):
    return subprocess.run(
        command, input=data, stdout=subprocess.PIPE, check=True, timeout=wait.seconds(30)
    ).stdout


def raw_deflate(data):
    """Without zlib's frame, as some servers send it."""
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


CODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: filtered(["brotli", "-c"], data),
    "zstd": lambda data: filtered(["zstd", "-c", "-q"], data),
}


def head(status, *fields):
    return "\r\n".join((f"HTTP/1.1 {status}", *fields, "", "")).encode()


def chunked(data, trailers=(), extension=b"", size=9000):
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)
    lines = "".join(f"{name}: {value}\r\n" for name, value in trailers)
    return chunks + b"0\r\n" + lines.encode() + b"\r\n"


@dataclass
class Case:
    """A request, what answers it, and what is to be seen of both."""

    name: str
    answer: bytes
    body: bytes = b""
    status: int = 200
    coding: str = None
    trailers: tuple = ()
    flags: set = field(default_factory=set)
    method: str = "GET"
    fields: tuple = ()
    sent: bytes = b""  # the request's body, as it is sent
    asked: bytes = b""  # and as it is
    asked_flags: set = field(default_factory=set)
    asked_trailers: tuple = ()
    interim: int = 0

    @property
    def request(self):
        start = (f"{self.method} /{self.name} HTTP/1.1", f"Host: {web.ADDRESS}", *self.fields)
        return "\r\n".join((*start, "", "")).encode() + self.sent

    @property
    def heard(self):
        """What the client gets, in answer to it."""
        interim = raw_server.CONTINUE if self.interim else b""
        final = web.split_head(self.answer)[0] if self.method == "HEAD" else self.answer
        return interim + final

    @property
    def expected(self):
        return (
            self.method, f"/{self.name}", self.status, self.interim,
            web.sha256(self.asked), self.asked_trailers, frozenset(self.asked_flags), None,
            web.sha256(self.body), self.trailers, frozenset(self.flags), self.coding,
        )  # fmt: skip


def expected_of(exchange):
    """The same of what was captured."""
    asked, answer = exchange.request, exchange.response
    return (
        exchange.method, exchange.target, exchange.status, exchange.interim,
        asked.sha256, asked.trailers, asked.flags, asked.coding,
        answer.sha256, answer.trailers, answer.flags, answer.coding,
    )  # fmt: skip


def length(data):
    return f"Content-Length: {len(data)}"


def coded_cases():
    coded = [(name, TEXT, coder(TEXT)) for name, coder in CODERS.items()]
    for name, body, data in [*coded, ("deflate", BYTES, raw_deflate(BYTES))]:
        field = f"Content-Encoding: {name}"
        tag = f"{name}-{len(body)}"
        yield Case(tag, head("200 OK", field, length(data)) + data, body, coding=name)
        yield Case(
            f"{tag}-chunked",
            head("200 OK", field, "Transfer-Encoding: chunked") + chunked(data, size=1000),
            body, coding=name, flags={"chunked"},
        )  # fmt: skip
    twice = gzip.compress(CODERS["br"](TEXT))
    yield Case(
        "twice", head("200 OK", "Content-Encoding: br, gzip", length(twice)) + twice, TEXT,
        coding="br, gzip",
    )  # fmt: skip
    data = gzip.compress(TEXT)
    yield Case(
        "transfer", head("200 OK", "Transfer-Encoding: gzip, chunked") + chunked(data), TEXT,
        flags={"chunked"},
    )  # fmt: skip


def plain_cases():
    chunks = "Transfer-Encoding: chunked"
    yield Case("length", head("200 OK", length(BYTES)) + BYTES, BYTES)
    yield Case("empty", head("200 OK", "Content-Length: 0"))
    yield Case("chunked", head("200 OK", chunks) + chunked(BYTES), BYTES, flags={"chunked"})
    yield Case(
        "trailers",
        head("200 OK", chunks, "Trailer: X-Sum, X-Note")
        + chunked(TEXT, TRAILERS, b";name=value;other"),
        TEXT, trailers=TRAILERS, flags={"chunked"},
    )  # fmt: skip
    yield Case("head", head("200 OK", length(TEXT)) + TEXT, method="HEAD")
    yield Case("head-chunked", head("200 OK", chunks) + chunked(TEXT), method="HEAD")
    yield Case("none", head("204 No Content", "X-Note: nothing"), status=204)
    yield Case(
        "same", head("304 Not Modified", 'ETag: "1"', length(TEXT)), status=304,
        fields=('If-None-Match: "1"',),
    )  # fmt: skip
    yield Case("sent", head("201 Created", length(b"done")) + b"done", b"done", status=201,
               method="POST", fields=(length(BYTES),), sent=BYTES, asked=BYTES)  # fmt: skip
    yield Case(
        "sent-chunked", head("200 OK", length(b"done")) + b"done", b"done", method="PUT",
        fields=(chunks,), sent=chunked(TEXT, TRAILERS), asked=TEXT, asked_flags={"chunked"},
        asked_trailers=TRAILERS,
    )  # fmt: skip
    yield Case(
        "continue", head("200 OK", length(b"done")) + b"done", b"done", method="POST",
        fields=("Expect: 100-continue", length(BYTES)), sent=BYTES, asked=BYTES, interim=1,
    )  # fmt: skip


def closing_cases():
    """The end of the connection is the end of the body."""
    close = "Connection: close"
    data = gzip.compress(TEXT)
    yield Case("close", head("200 OK", close) + BYTES, BYTES, flags={"to_end"})
    yield Case("close-gzip", head("200 OK", close, "Content-Encoding: gzip") + data, TEXT,
               coding="gzip", flags={"to_end"})  # fmt: skip
    yield Case("close-nothing", head("200 OK", close), flags={"to_end"})


CASES = [*plain_cases(), *coded_cases()]
CLOSING = [*closing_cases()]
MANY = [case for _ in range(3) for case in CASES]


def connections():
    """Each alone; all, one after the other at once; and all, many times, with one that ends it."""
    alone = [[case] for case in (*CASES, *CLOSING)]
    return [*alone, CASES, [*CASES, CLOSING[0]], [*MANY, CLOSING[1]]]


@pytest.fixture
def answers(tmp_path):
    folder = tmp_path / "answers"
    folder.mkdir()
    for case in (*CASES, *CLOSING):
        (folder / case.name).write_bytes(case.answer)
    return folder


@pytest.fixture
def talk(player, certificate, answers):
    """Start both; returns their pids, and what lets them talk."""
    cert, key = certificate
    script = raw_server.__file__

    def start(piece):
        server = player(process.PYTHON, script, "server", cert, key, answers, piece)
        client = player(process.PYTHON, script, "client", cert, server.ready[2], piece)

        def finish():
            for cases in connections():
                asked = b"".join(case.request for case in cases)
                client.tell(asked.hex() + " " + b"".join(case.heard for case in cases).hex())
            client.tell("")
            assert all(client.report(120)["right"]), "the client heard something else"
            server.go()
            heard = [bytes.fromhex(body) for _, body in server.report()["bodies"]]
            assert heard == [case.asked for cases in connections() for case in cases]

        return server.pid, client.pid, finish

    return start


def check(capture, server, client):
    """Each exchange, at both ends, with its body; on a connection in their order."""
    want = Counter(case.expected for cases in connections() for case in cases)
    for pid, role in ((server, "server"), (client, "client")):
        capture.assert_no_loss(pid)
        exchanges = capture.made_by(pid)
        assert_whole(exchanges, role)
        assert_equal(Counter(map(expected_of, exchanges)), want, role)
        targets = {}
        for exchange in sorted(exchanges, key=lambda exchange: exchange.number):
            targets.setdefault(exchange.conn, []).append(exchange.target[1:])
        assert list(targets.values()) == [[case.name for case in cases] for cases in connections()]


@pytest.mark.parametrize("piece", [1 << 20, 1000, 97])
def test_a29_messages(ecapture, talk, piece):
    server, client, finish = talk(piece)
    run = ecapture("-p", f"{server},{client}", "--events", "http")
    finish()
    check(run.finish(HttpCapture), server, client)


@pytest.mark.parametrize("dry", [False, True], ids=["other", "dry"])
def test_a29_not_captured(ecapture, talk, dry):
    server, client, finish = talk(1 << 20)
    run = ecapture("-p", 1, dry=dry)
    finish()
    assert_would_fail(check, run.finish(HttpCapture), server, client)
