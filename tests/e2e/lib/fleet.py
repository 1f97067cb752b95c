# SPDX-License-Identifier: Apache-2.0
"""Servers and clients that people use, none of which is ours, all run as one user."""

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from lib import hash_server, load, process, wait, web

SIZES = (*load.SIZES, 4096, 404)
LOAD = Path(load.__file__)
NODE_LOAD = LOAD.with_name("node_load.js")
NOT_FOUND = "missing"


class Static:
    """A server of files: their names say what it has answered with."""

    methods = ("GET", "HEAD", "GET")

    def __init__(self, kind, root, certificate, user):
        root.mkdir(mode=0o755)
        give(user, root)
        self.server = kind(root, *certificate, SIZES, **as_user(user))
        self.name = kind.__name__.lower()
        self.port = self.server.port
        self.pids = self.server.pids

    def asked(self):
        """End it. What its log says, with the hashes of the bodies, as Exchange.asked."""
        self.server.finish()
        return Counter(map(self._asked, self.server.accesses()))

    @staticmethod
    def _asked(access):
        size = access.target.partition("?")[0][1:]
        assert access.status == (200 if size.isdigit() else 404), access
        body = web.body_of(int(size) if size.isdigit() else 404)
        sent = b"" if access.method == "HEAD" else body
        return access.method, access.target, access.status, web.sha256(b""), web.sha256(sent)

    def close(self):
        self.server.close()


class Hashing:
    """Python's server, whose log has the hashes."""

    name = "python"
    methods = ("GET", "POST", "HEAD")

    def __init__(self, certificate, user):
        (program,) = copy_for(user, Path(certificate[0]).parent, hash_server.__file__)
        command = [process.PYTHON, program, *certificate]
        self.server = process.Player(process.as_user(user, command))
        self.port = int(self.server.ready[2])
        self.pids = (self.server.pid,)

    def asked(self):
        self.server.go()  # on to its end
        return Counter(map(tuple, self.server.report()["log"]))

    def close(self):
        self.server.close()


def as_user(user):
    return {"user": user, "group": user, "extra_groups": []}


def give(user, *paths):
    for path in paths:
        os.chown(path, user, user)


def copy_for(user, folder, *paths):
    """Copies of files that the user may read, or run."""
    copies = [Path(shutil.copy(path, folder)) for path in paths]
    give(user, *copies)
    return copies


class Clients:
    """Each asks a server for so many things, over few connections."""

    def __init__(self, cert, user):
        self.cert = cert
        self._load, self._node_load = copy_for(user, Path(cert).parent, LOAD, NODE_LOAD)
        self._user = user

    def _run(self, command, stdin=b"", statuses=(0,)):
        client = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            **as_user(self._user),
        )  # fmt: skip
        out, err = client.communicate(stdin, wait.seconds(120))
        assert client.returncode in statuses, f"{command} ended with {client.returncode}: {err}"
        return out

    def curl(self, server, count, *options):
        """Several paths, one of them of nothing that is there."""
        names = (*load.SIZES, NOT_FOUND)
        paths = "{" + ",".join(map(str, names)) + f"}}?curl=[1-{count // len(names)}]"
        tag = "".join(options).replace("-", "")
        url = f"https://{web.ADDRESS}:{server.port}/{paths}{tag}"
        common = ["-q", "-sS", "--http1.1", "--noproxy", "*", "--cacert", self.cert]
        self._run(["/usr/bin/curl", *common, "-o", "/dev/null", *options, url])

    def wget(self, server, count):
        names = (*load.SIZES, NOT_FOUND)
        urls = [
            f"https://{web.ADDRESS}:{server.port}/{names[number % len(names)]}?wget={number}\n"
            for number in range(count)
        ]
        common = ["-q", "--no-config", "--no-hsts", "--no-proxy", f"--ca-certificate={self.cert}"]
        # 8: the server said that something is not there
        self._run(
            ["/usr/bin/wget", *common, "-O", "/dev/null", "-i", "-"], "".join(urls).encode(), (8,)
        )

    def ab(self, server, count):
        url = f"https://{web.ADDRESS}:{server.port}/4096?ab"
        out = self._run(["/usr/bin/ab", "-q", "-k", "-c", 50, "-n", count, url]).decode()
        told = dict(re.findall(r"^(Complete|Failed|Keep-Alive) requests: +(\d+)$", out, re.M))
        assert (told["Complete"], told["Failed"]) == (str(count), "0"), out
        assert int(told["Keep-Alive"]) > count // 2, out

    def python(self, server, count):
        """It waits for go()."""
        command = [process.PYTHON, self._load, self.cert, server.port, count, *server.methods]
        return process.Player(process.as_user(self._user, command))

    def node(self, server, count, program):
        """So does this one."""
        trust = ["/usr/bin/env", f"NODE_EXTRA_CA_CERTS={self.cert}"]
        command = [*trust, program, self._node_load, server.port, count, *server.methods]
        return process.Player(process.as_user(self._user, command))
