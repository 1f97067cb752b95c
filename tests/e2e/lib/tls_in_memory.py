# SPDX-License-Identifier: Apache-2.0
"""
Both ends of a TLS connection in one process, without any socket. At the first line it loads its TLS
library, at the second one it talks; then it reports (see lib/process.py).
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SIZES = (1, 1000, 16384, 40000)


def make_certificate(folder):
    cert = Path(folder) / "pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", cert, "-out", f"{cert}.crt"],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return f"{cert}.crt", cert


def connect(ssl, cert, key):
    """The server's and the client's end, after the handshake."""
    contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    contexts[0].load_cert_chain(cert, key)
    contexts[1].check_hostname = False
    contexts[1].verify_mode = ssl.CERT_NONE
    wires = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        contexts[0].wrap_bio(wires[0], wires[1], server_side=True),
        contexts[1].wrap_bio(wires[1], wires[0]),
    )
    left = list(ends)
    while left:
        end = left.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            left.append(end)
    return ends


def read_exactly(end, size):
    data = b""
    while len(data) < size:
        data += end.read(size - len(data))
    return data


def main():
    folder = tempfile.TemporaryDirectory()
    cert, key = make_certificate(folder.name)
    print("ready", os.getpid(), flush=True)
    sys.stdin.readline()
    import ssl  # pylint: disable=import-outside-toplevel

    sys.stdin.readline()
    server, client = connect(ssl, cert, key)
    sums = {name: [0, hashlib.sha256()] for name in ("asked", "answered")}
    for sender, receiver, name in ((client, server, "asked"), (server, client, "answered")):
        for size in SIZES:
            data = os.urandom(size)
            sender.write(data)
            assert read_exactly(receiver, size) == data
            sums[name][0] += size
            sums[name][1].update(data)
    asked, answered = (
        {"bytes": n, "sha256": sha.hexdigest()} for n, sha in (sums["asked"], sums["answered"])
    )
    ends = [{"send": asked, "recv": answered}, {"send": answered, "recv": asked}]
    print(json.dumps({"pid": os.getpid(), "ends": ends}), flush=True)


if __name__ == "__main__":
    main()
