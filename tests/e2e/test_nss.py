# SPDX-License-Identifier: Apache-2.0
"""NSS: our peer on NSPR's functions, the tools that come with NSS, and curl's library on it.

That the hooked functions, which have no symbols, are what the probe takes them for is shown here:
exactly the bytes that PR_Write() and its like were given come out, in order, per connection and
direction, and nothing of what the same functions did where no TLS is.
"""

import hashlib
import platform
import shutil
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import aptroot
from lib import https_peer, nss, process, wait, web
from lib.capture import assert_same
from lib.control import assert_would_fail

pytestmark = pytest.mark.library("nss")

FNS = {"send": {"ssl_SecureSend"}, "recv": {"ssl_SecureRecv"}}
PLAIN = b"plain bytes"  # tests/peers/nss_peer.c
SIZE = 300_000
CURL_LIBRARY = "libcurl-nss.so.4"
CURL = Path(__file__).parent / "lib" / "curl_nss.py"


@pytest.fixture(scope="session")
def nss_peer_binary(peer_binary):
    path = peer_binary.parent / "nss_peer"
    if not path.is_file():
        nss.unavailable(f"{path} is not there: libnss3-dev and libnspr4-dev were not")
    return path


@pytest.fixture
def library(nss_peer_binary, tmp_path):
    """A copy of libssl3.so: the library of this test alone, under its usual name."""
    folder = tmp_path / "library"
    folder.mkdir()
    return Path(shutil.copy(nss.library_of(nss_peer_binary), folder))


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    return nss.make_database(tmp_path_factory.mktemp("nss"))


@pytest.fixture
def nss_peer(player, nss_peer_binary, database, library):
    """Start our peer on NSS with a scenario."""
    return lambda *args: player(*nss.tool(library, nss_peer_binary, database, *args))


def check(capture, report):
    """Every byte of the account is there, of each connection; and no other byte."""
    assert_same(capture, report)
    for conn in capture.of(report["pid"]):
        assert conn.send.fns <= FNS["send"] and conn.recv.fns <= FNS["recv"]
        assert PLAIN not in conn.send.head + conn.recv.head


def test_every_function(ecapture, nss_peer, library, rung):
    """All that NSPR has to write and read; what a peek showed is not counted again.

    Meanwhile another thread uses PR_Read and PR_Write on a file, a pipe, plain sockets, and
    sockets where NSS has its layer and security is off: none of that appears (A25).
    """
    run = ecapture("--libssl", library, rung=rung)
    report = nss_peer("every").play()
    capture = run.finish()
    assert report["plain"] > 0
    check(capture, report)
    assert len(capture.of(report["pid"])) == 2
    assert {conn.pid for conn in capture.connections.values()} == {report["pid"]}


def test_handles_end(ecapture, nss_peer, library, rung):
    """One connection after the other, on the same addresses: PR_Close ends each."""
    run = ecapture("--libssl", library, rung=rung)
    report = nss_peer("many", 100).play()
    capture = run.finish()
    check(capture, report)
    assert len(capture.of(report["pid"])) == 2 * 100


def test_found_by_its_mapping(ecapture, nss_peer, library):
    """Without --libssl; the dynamic linker's cache does not know this copy."""
    actor = nss_peer("every")
    run = ecapture("-p", actor.pid)
    report = actor.play()
    check(run.finish(), report)


def test_any_name(ecapture, player, nss_peer_binary, database, library):
    """A library is recognised by what is in it."""
    renamed = library.rename(library.parent / "other.bin")
    library.symlink_to(renamed)
    actor = player(*nss.tool(library, nss_peer_binary, database, "every"))
    run = ecapture("-p", actor.pid)
    report = actor.play()
    check(run.finish(), report)


def test_other_process_only(ecapture, nss_peer, library, rung):
    """Two peers do the same; only the one that was asked for is captured, and it whole."""
    wanted, other = nss_peer("every"), nss_peer("every")
    run = ecapture("-p", wanted.pid, "--libssl", library, rung=rung)
    reports = [actor.play() for actor in (wanted, other)]
    capture = run.finish()
    check(capture, reports[0])
    assert_would_fail(check, capture, reports[1])
    assert not capture.of(other.pid)


def test_dry_run(ecapture, nss_peer, library):
    """With nothing attached the check finds nothing."""
    run = ecapture("--libssl", library, dry=True)
    report = nss_peer("every").play()
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0


def test_no_tables_no_hook(ecapture, library):
    """The names are there, the tables are not: nothing is hooked, and it says so."""
    tables = subprocess.run(
        ["objcopy", "-O", "binary", "--only-section=.rela.dyn", library, "/dev/stdout"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    data = library.read_bytes()
    assert tables and data.count(tables) == 1
    library.write_bytes(data.replace(tables, bytes(len(tables))))
    run = ecapture("--libssl", library, wait=False)
    assert run.wait_end() != 0
    run.err.wait_for(lambda line: "have no symbols, were not found" in line, 10, "the reason")


# ------------------------------------------------------------------------- other builds


@dataclass(frozen=True)
class Build:
    """The NSS of another release, or Firefox's own copy, and the peer's name for its version."""

    suite: str
    version: str
    packages: tuple = ("libnss3", "libnspr4", "libsqlite3-0")
    folder: str = "x86_64-linux-gnu"
    loader: bool = False  # it needs a newer C library

    def command(self, library, *args):
        """Run something with a copy of its libssl3.so, which is @library."""
        packages = [*self.packages, *(["libc6", "zlib1g"] if self.loader else [])]
        folder = self._unpacked(packages) / "usr" / "lib" / self.folder
        shutil.copy(folder / "libssl3.so", library)
        paths = f"{library.parent}:{folder}"
        if self.loader:
            return [folder / "ld-linux-x86-64.so.2", "--library-path", paths, *args]
        return ["/usr/bin/env", f"LD_LIBRARY_PATH={paths}", *args]

    def _unpacked(self, packages):
        try:
            return aptroot.unpack(self.suite, packages, "amd64")
        except aptroot.Unavailable as why:
            return nss.unavailable(str(why))


BUILDS = [
    Build("bullseye", "3.61"),
    Build("trixie", "3.110", loader=True),
    Build("sid", "3.", loader=True),
    Build("bookworm", "3.", packages=("firefox-esr",), folder="firefox-esr"),
]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the builds are x86_64 ones")
@pytest.mark.parametrize("build", BUILDS, ids=["bullseye", "trixie", "sid", "firefox"])
def test_other_builds(ecapture, player, nss_peer_binary, database, library, build):
    """Our peer with other builds of the libraries, one of them with packed relocations."""
    actor = player(*build.command(library, nss_peer_binary, database, "every"))
    run = ecapture("--libssl", library)
    report = actor.play()
    assert report["library"].startswith(f"NSS {build.version}")
    check(run.finish(), report)


# ------------------------------------------------------------------------- programs of others


@pytest.fixture
def server(player, certificate):
    """An HTTPS server on OpenSSL that keeps an account."""
    return player(process.PYTHON, https_peer.__file__, "server", *certificate, SIZE)


def mirror(server, pid):
    """What passed between the server and the only client: the client's account."""
    server.tell("stop")
    [end] = server.report()["ends"]
    return {"pid": pid, "ends": [{"send": end["recv"], "recv": end["send"]}]}


def test_tstclnt(ecapture, server, library, tmp_path):
    """NSS's own client gets a page."""
    nss.need("tstclnt")
    request = tmp_path / "request"
    request.write_bytes(b"GET /file HTTP/1.0\r\nHost: localhost\r\n\r\n")
    port = server.go().ready[2]
    run = ecapture("--libssl", library)
    client = subprocess.Popen(
        nss.tool(library, "tstclnt", "-h", web.ADDRESS, "-p", port, "-D", "-o", "-A", request),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, _ = client.communicate(timeout=wait.seconds(30))
    assert web.body_of(SIZE) in out
    report = mirror(server, client.pid)
    check(run.finish(), report)


def exchange(port, size):
    """Ask a server for something over TLS; returns the account of the server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = b"GET /file HTTP/1.0\r\nX-Long: " + b"x" * size + b"\r\n\r\n"
    answer = b""
    with socket.create_connection((web.ADDRESS, port), wait.seconds(20)) as plain:
        with context.wrap_socket(plain) as tls:
            tls.sendall(request)
            while data := tls.recv(65536):
                answer += data
    assert answer.startswith(b"HTTP/1.0 200")
    return {
        dir: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for dir, data in (("send", answer), ("recv", request))
    }


def test_selfserv(ecapture, database, library):
    """NSS's own server, asked twice by Python."""
    nss.need("selfserv")
    port = web.free_port()
    run = ecapture("--libssl", library)
    server = subprocess.Popen(
        nss.tool(library, "selfserv", "-n", "peer", "-p", str(port), "-d", f"sql:{database}"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait.until(lambda: not socket.socket().connect_ex((web.ADDRESS, port)), 20, "it listens")
        ends = [exchange(port, size) for size in (10, 3000)]
    finally:
        server.terminate()
        server.wait(wait.seconds(20))
    check(run.finish(), {"pid": server.pid, "ends": ends})


def test_curl_library(ecapture, player, server, library):
    """libcurl on NSS, which does not block: writes that take a part, reads that find nothing."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    if CURL_LIBRARY not in known:
        pytest.skip("no libcurl on NSS here (Debian 12 has libcurl3-nss)")
    port = server.go().ready[2]
    url = f"https://{web.ADDRESS}:{port}/file"
    client = player(*nss.tool(library, sys.executable, CURL, CURL_LIBRARY, url))
    run = ecapture("--libssl", library)
    told = client.play()
    assert told["body"] == hashlib.sha256(web.body_of(SIZE)).hexdigest()
    check(run.finish(), mirror(server, client.pid))
