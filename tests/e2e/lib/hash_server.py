# SPDX-License-Identifier: Apache-2.0
"""Python's own HTTP server with keep-alive, run as a process, which logs hashes of bodies.

    hash_server.py CERT KEY

A path /SIZE?... is answered with so many bytes, no two requests with the same; any other with 404.
Prints "ready PID PORT", serves until a line comes, and reports what it was asked and has answered.
"""

import hashlib
import http.server
import json
import os
import random
import ssl
import sys
import threading


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write for head and body
    log = []

    def answer(self):
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        size = self.path.partition("?")[0][1:]
        status = 200 if size.isdigit() else 404
        seed = sha256(self.path.encode() + b"\0" + asked)
        body = random.Random(seed).randbytes(int(size) if size.isdigit() else 404)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if not self.close_connection:
            self.send_header("Connection", "keep-alive")  # which HTTP/1.0 has to be told
        self.end_headers()
        if self.command == "HEAD":
            body = b""
        self.wfile.write(body)
        self.wfile.flush()
        self.log.append((self.command, self.path, status, sha256(asked), sha256(body)))

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, format, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients may go without a word."""


def serve(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Server(("127.0.0.1", 0), Handler) as server:
        # The thread of a connection shakes hands, in its first read.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        print("ready", os.getpid(), server.server_address[1], flush=True)
        sys.stdin.readline()
        server.shutdown()


if __name__ == "__main__":
    serve(*sys.argv[1:])
    print(json.dumps({"pid": os.getpid(), "log": Handler.log}), flush=True)
