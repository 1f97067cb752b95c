# SPDX-License-Identifier: Apache-2.0
"""The http events of a run, each reduced to what tests compare."""

import base64
import hashlib
from dataclasses import dataclass

from lib import schema
from lib.capture import Capture

NOTHING = hashlib.sha256().hexdigest()


def exact(value):
    """A string of any bytes, as the schema writes it."""
    return value if isinstance(value, str) else base64.b64decode(value["b64"], validate=True)


def body_of(message):
    """The decoded body's bytes, as far as they are shown."""
    body = message["body"]
    return schema.payload(body) if body and body["len"] else b""


@dataclass(frozen=True)
class Message:
    wire_bytes: int
    coding: str
    length: int  # of the decoded body
    sha256: str
    trailers: tuple
    flags: frozenset

    @classmethod
    def of(cls, event):
        if event is None:
            return None
        body = body_of(event)
        shown = event["body"] or {"coding": None, "total": 0}
        return cls(
            event["wire_bytes"], shown["coding"], shown["total"],
            hashlib.sha256(body).hexdigest() if body else NOTHING,
            tuple((exact(name), exact(value)) for name, value in event["trailers"]),
            frozenset(event["flags"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    """A request and its response; either may be None."""

    pid: int
    role: str
    conn: int
    number: int
    flags: frozenset
    interim: int
    method: str
    target: str
    status: int
    request: Message
    response: Message

    @classmethod
    def of(cls, event):
        request, response = event["request"], event["response"]
        return cls(
            event["pid"], event["role"], event["conn"]["id"], event["number"],
            frozenset(event["flags"]), event["interim"],
            request and exact(request["method"]), request and exact(request["target"]),
            response and response["status"], Message.of(request), Message.of(response),
        )  # fmt: skip

    @property
    def asked(self):
        """What a server's log says of it, with the hashes of both bodies."""
        return (
            self.method, self.target, self.status,
            self.request and self.request.sha256, self.response and self.response.sha256,
        )  # fmt: skip


class HttpCapture(Capture):
    """A capture with its exchanges, in the order of their events."""

    def _add_exchange(self, event):
        self.exchanges.append(Exchange.of(event))

    def made_by(self, *pids):
        return [exchange for exchange in self.exchanges if exchange.pid in pids]


def assert_whole(exchanges, role):
    """Each has both messages, all of them; no number comes twice."""
    for exchange in exchanges:
        assert exchange.role == role and not exchange.flags, exchange
        assert exchange.request and exchange.response, exchange
        flags = exchange.request.flags | exchange.response.flags
        assert not flags & {"incomplete", "hole", "body_cut", "bad_coding"}, exchange
    assert len({exchange.number for exchange in exchanges}) == len(exchanges)


def assert_equal(got, want, where):
    """Two Counters are the same."""
    missing, extra = want - got, got - want
    assert not missing and not extra, (
        f"{where}: of {want.total()} {missing.total()} are missing, {extra.total()} of "
        f"{got.total()} were not made: missing {list(missing)[:3]}, extra {list(extra)[:3]}"
    )
