# SPDX-License-Identifier: Apache-2.0
"""A TLS server that answers each path with fixed bytes, good ones and hostile ones.

    answers.py CERT KEY

Prints "ready PID PORT" and serves one connection after the other until a line comes.
"""

import gzip
import json
import os
import socket
import ssl
import sys
import threading

ADDRESS = "127.0.0.1"
SECRET = "s3cret"
# Clears the screen, sets the title, asks the terminal to answer, moves, rings; and no UTF-8.
HOSTILE = b"\x1b[2J\x1b]0;owned\x07\x1b[6n\x9b31m\xc2\x9b\x08\x00\x7f\xff\xe2\x80\xae"
ITEMS = {"items": [{"id": i, "name": f"item {i}", "n": 1.5e300} for i in range(30)], "next": None}
LINES = b"".join(b"line %d of some text\n" % i for i in range(40))


def response(body, *fields, status=b"200 OK"):
    head = [b"HTTP/1.1 " + status, *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, b"", body])


PAGES = {
    "/json": response(
        json.dumps(ITEMS).encode(),
        b"Content-Type: application/json",
        b"Set-Cookie: id=" + SECRET.encode(),
    ),
    "/lines": response(LINES, b"Content-Type: text/plain; charset=utf-8"),
    "/packed": response(
        gzip.compress(LINES * 100, mtime=0),
        b"Content-Type: text/plain",
        b"Content-Encoding: gzip",
    ),
    "/image": response(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"Content-Type: image/png"),
    "/hostile": response(
        b"text before " + HOSTILE + b" and behind it\n" * 10,
        b"Content-Type: text/plain" + HOSTILE,
        b"X" + HOSTILE + b": value" + HOSTILE,
    ),
    "/no-message": response(b"no more\n", status=b"200 OK" + HOSTILE),
}
NOT_FOUND = response(b"no such page\n", b"Content-Type: text/plain", status=b"404 Not Found")


def read_request(conn):
    """Head and body of one request, or None at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
    while length and len(body) < int(length[0].split()[1]):
        body += conn.recv(65536)
    return head.decode("latin-1")


def serve(listener, context):
    while True:
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True) as conn:
            head = read_request(conn)
            while head:
                conn.sendall(PAGES.get(head.split(" ")[1].partition("?")[0], NOT_FOUND))
                head = read_request(conn)


def main(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server((ADDRESS, 0))
    threading.Thread(target=serve, args=(listener, context), daemon=True).start()
    print(f"ready {os.getpid()} {listener.getsockname()[1]}", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
