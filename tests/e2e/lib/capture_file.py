# SPDX-License-Identifier: Apache-2.0
"""Capture files as doc/user/formats.md describes them, read and written without ecapture."""

import struct
import zlib
from dataclasses import dataclass

MAGIC, VERSION = b"\xecap", 1
HEAD = struct.Struct("<3sBIIHH")
CHECKS = struct.Struct("<II")
COMMON = struct.Struct("<QQIIIIHBB")
HEAD_SIZE = HEAD.size + CHECKS.size
HEADER, DATA, LOSS, TARGET, COMMAND, CLOSE, IDLE, END = range(1, 9)
HAS_PROCESS, HAS_PPID, HAS_UID, IS_CLOSED = 1, 2, 4, 8
SEND, RECV, NO_DIR = range(3)


@dataclass
class Block:
    offset: int
    type: int
    payload: bytes
    file_id: int

    @property
    def end(self):
        return self.offset + HEAD_SIZE + len(self.payload)


def blocks(data):
    """All blocks of a whole file; each has to be right."""
    found, at = [], 0
    while at < len(data):
        magic, version, file_id, length, kind, _ = HEAD.unpack_from(data, at)
        assert (magic, version) == (MAGIC, VERSION), f"no block at {at}"
        checks = CHECKS.unpack_from(data, at + HEAD.size)
        payload = data[at + HEAD_SIZE : at + HEAD_SIZE + length]
        assert checks == (zlib.crc32(data[at : at + HEAD.size]), zlib.crc32(payload)), at
        found.append(Block(at, kind, payload, file_id))
        at = found[-1].end
    assert len({block.file_id for block in found}) == 1
    return found


def string(value):
    return b"\xff\xff" if value is None else struct.pack("<H", len(value)) + value + b"\0"


def common(ts=1, conn=0, pid=None, uid=0, dir=NO_DIR, flags=0, comm=None):
    """What every payload begins with."""
    flags |= HAS_PROCESS | HAS_UID if pid else 0
    fixed = COMMON.pack(ts, conn, pid or 0, pid or 0, 0, uid, flags, dir, 0)
    return fixed + b"".join(map(string, (b"host", comm, None, None, None, None)))


def block(kind, payload, version=VERSION, file_id=7):
    head = HEAD.pack(MAGIC, version, file_id, len(payload), kind, 0)
    return head + CHECKS.pack(zlib.crc32(head), zlib.crc32(payload)) + payload


def header():
    return block(HEADER, common() + struct.pack("<H", 0) + string(b"a test"))


def data(conn, dir, off, total, part, ts=1, pid=4711, uid=1000):
    payload = common(ts, conn, pid, uid, dir, comm=b"curl")
    payload += struct.pack("<QQ", off, total) + string(b"lib") + string(b"f_write")
    return block(DATA, payload + struct.pack("<I", len(part)) + part)


def close(conn, ts=1):
    return block(CLOSE, common(ts, conn, flags=IS_CLOSED))


def end():
    return block(END, common())


CHUNK = 16384


def exchanges(count, body, first=0, pid=4711):
    """That many requests with their responses, each of a connection of its own."""
    ask = b"GET /x HTTP/1.1\r\nHost: example\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    answer = answer % len(body) + body
    for i in range(first, first + count):
        yield data(i + 1, SEND, 0, len(ask), ask, ts=2 * i, pid=pid)
        for off in range(0, len(answer), CHUNK):
            part = answer[off : off + CHUNK]
            yield data(i + 1, RECV, off, len(answer), part, ts=2 * i + 1, pid=pid)
        yield close(i + 1, ts=2 * i + 1)
