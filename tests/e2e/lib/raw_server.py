# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server that sends exactly the bytes that it was given, and a client of the same kind.

    raw_server.py server CERT KEY FOLDER PIECE   to GET /NAME it says what the file NAME has
    raw_server.py client CERT PORT PIECE         says what it reads, as hexadecimal lines of
                                                 "REQUESTS ANSWERS", each on a connection

Either cuts what it says into calls of PIECE bytes. Both print "ready PID ..." and wait for a line.
Of HTTP they know no more than they must, and they share nothing with other programs.
"""

import json
import os
import socket
import socketserver
import ssl
import sys
import threading
from pathlib import Path

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def say(sock, data, piece):
    for begin in range(0, len(data), piece):
        sock.sendall(data[begin : begin + piece])


class Handler(socketserver.StreamRequestHandler):
    folder = None
    piece = None
    bodies = []

    def handle(self):
        while self._answer():
            pass

    def _answer(self):
        """Answer one request; false at the end of the connection."""
        lines = []
        while not lines or lines[-1] != b"\r\n":
            lines.append(self.rfile.readline())
            if not lines[-1]:
                return False
        method, target, _ = lines[0].decode().split(" ")
        fields = dict(line.decode().strip().lower().split(": ") for line in lines[1:-1])
        if fields.get("expect") == "100-continue":
            say(self.request, CONTINUE, self.piece)
        self.bodies.append([target, self._body(fields).hex()])
        answer = (self.folder / target[1:]).read_bytes()
        if method == "HEAD":
            answer = answer[: answer.index(b"\r\n\r\n") + 4]
        say(self.request, answer, self.piece)
        return b"Connection: close" not in answer

    def _body(self, fields):
        if fields.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(fields.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() != b"\r\n":
            pass
        return body


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def shutdown_request(self, request):
        try:
            request.unwrap()  # says that this is the end
        except OSError:
            pass
        super().shutdown_request(request)


def serve(cert, key, folder, piece):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    Handler.folder, Handler.piece = Path(folder), int(piece)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        print("ready", os.getpid(), server.server_address[1], flush=True)
        sys.stdin.readline()
        server.shutdown()
    return {"pid": os.getpid(), "bodies": Handler.bodies}


def hear(sock, length):
    """So many bytes; 0: up to the end."""
    heard = b""
    while not length or len(heard) < length:
        data = sock.recv(length - len(heard) if length else 1 << 16)
        if not data:
            break
        heard += data
    return heard


def ask(cert, port, piece):
    context = ssl.create_default_context(cafile=cert)
    print("ready", os.getpid(), flush=True)
    right = []
    for line in sys.stdin:
        if line == "\n":
            break
        asked, answers = map(bytes.fromhex, line.split())
        to_end = b"Connection: close" in answers
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", int(port))),
            server_hostname="127.0.0.1",
        ) as sock:
            say(sock, asked, int(piece))
            right.append(hear(sock, 0 if to_end else len(answers)) == answers)
    return {"pid": os.getpid(), "right": right}


if __name__ == "__main__":
    role = {"server": serve, "client": ask}[sys.argv[1]]
    print(json.dumps(role(*sys.argv[2:])), flush=True)
