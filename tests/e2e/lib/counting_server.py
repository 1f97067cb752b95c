# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server that accounts for its bytes, for clients that can not do so themselves."""

import hashlib

from lib import https_peer, process, web

SIZE = 100_000
BODY = hashlib.sha256(web.body_of(SIZE)).hexdigest()


class CountingServer:
    """https_peer.py as a server; it answers each request with the same bytes."""

    def __init__(self, player, certificate):
        cert, key = certificate
        self._peer = player(process.PYTHON, https_peer.__file__, "server", cert, key, SIZE)
        self._peer.go()
        self.pid = self._peer.pid
        self.port = int(self._peer.ready[2])

    def url(self, name):
        return f"https://{web.ADDRESS}:{self.port}/{name}"

    def client_ends(self):
        """End the server. What its clients said and heard: its own account, mirrored."""
        self._peer.tell("stop")
        return [{"send": e["recv"], "recv": e["send"]} for e in self._peer.report()["ends"]]
