# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server or client out of Python's own library, run as a process of its own.

    https_peer.py server CERT KEY SIZE      answers every request with SIZE bytes
    https_peer.py server CERT KEY asked     answers with as many as the path ends with, of the
                                            request's own
    https_peer.py client CERT               gets the URLs that it reads, one per line

Both print "ready PID PORT" and wait for a line. The server keeps an account of the bytes that
passed its sockets' read and write calls; the client one of the bodies that urllib gave it.
"""

import hashlib
import http.server
import json
import os
import random
import ssl
import sys
import threading
import urllib.request


class CountedSocket(ssl.SSLSocket):
    """Notes what Python passes to the TLS library and gets from it."""

    accounts = []

    def note(self, dir, data):
        if not hasattr(self, "account"):
            self.account = {dir: [0, hashlib.sha256()] for dir in ("send", "recv")}
            self.accounts.append(self.account)
        self.account[dir][0] += len(data)
        self.account[dir][1].update(data)

    def recv_into(self, buffer, nbytes=None, flags=0):
        count = super().recv_into(buffer, nbytes, flags)
        if count:
            self.note("recv", memoryview(buffer)[:count])
        return count

    def send(self, data, flags=0):
        count = super().send(data, flags)
        if count:
            self.note("send", memoryview(data)[:count])
        return count


def answer_to(path, data):
    """The body that a server "asked" answers with; no two requests have the same."""
    seed = hashlib.sha256(path.encode() + b"\0" + data).digest()
    return random.Random(seed).randbytes(int(path.rsplit("/", 1)[-1]))


class Handler(http.server.BaseHTTPRequestHandler):
    body = None

    def answer(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = answer_to(self.path, data) if self.body is None else self.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, format, *args):
        pass


def ends():
    return [
        {dir: {"bytes": count, "sha256": sha.hexdigest()} for dir, (count, sha) in account.items()}
        for account in CountedSocket.accounts
    ]


def serve(cert, key, size):
    """Serve until the line after the first, or until nobody can write one."""
    if size != "asked":
        Handler.body = random.Random(int(size)).randbytes(int(size))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.sslsocket_class = CountedSocket
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        print("ready", os.getpid(), server.server_address[1], flush=True)
        sys.stdin.readline()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        sys.stdin.readline()
        server.shutdown()
        thread.join()
    return {"pid": os.getpid(), "ends": ends()}


def fetch(cert):
    """GET the first URL, POST to the second, and so on in turn."""
    context = ssl.create_default_context(cafile=cert)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    print("ready", os.getpid(), 0, flush=True)
    bodies = []
    for number, url in enumerate(sys.stdin.readline().split()):
        data = os.urandom(1000) if number % 2 else None
        with opener.open(url, data, timeout=60) as response:
            bodies.append(hashlib.sha256(response.read()).hexdigest())
    return {"pid": os.getpid(), "bodies": bodies}


if __name__ == "__main__":
    role = {"server": serve, "client": fetch}[sys.argv[1]]
    print(json.dumps(role(*sys.argv[2:])), flush=True)
