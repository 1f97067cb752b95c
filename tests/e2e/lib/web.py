# SPDX-License-Identifier: Apache-2.0
"""Programs that are not ours and speak HTTPS: nginx, Apache and curl."""

import hashlib
import os
import random
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lib import wait
from lib.process import children_of

ADDRESS = "127.0.0.1"
AGENT = "end-to-end test"

REQ_CONF = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = localhost
"""

NGINX_CONF = """
daemon off;
user root;
worker_processes {workers};
pid {root}/nginx.pid;
error_log {root}/error.log notice;
events {{ worker_connections 256; }}
http {{
    log_format account '$request $status $request_length $bytes_sent';
    access_log {root}/access.log account;
    client_body_temp_path {root}/tmp-body;
    proxy_temp_path {root}/tmp-proxy;
    fastcgi_temp_path {root}/tmp-fastcgi;
    uwsgi_temp_path {root}/tmp-uwsgi;
    scgi_temp_path {root}/tmp-scgi;
    server {{
        listen {address}:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        root {root}/files;
        error_page 404 /404;
    }}
}}
"""

APACHE_CONF = """
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile {root}/apache.pid
ServerName {address}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule ssl_module {modules}/mod_ssl.so
StartServers {workers}
ServerLimit {workers}
ThreadsPerChild 64
MaxRequestWorkers {threads}
MinSpareThreads 1
MaxSpareThreads {threads}
MaxKeepAliveRequests 700
KeepAliveTimeout 60
Listen {address}:{port}
ErrorLog {root}/error.log
LogFormat "%r %>s" account
CustomLog {root}/access.log account
DocumentRoot {root}/files
ErrorDocument 404 /404
SSLEngine on
SSLCertificateFile {cert}
SSLCertificateKeyFile {key}
"""
APACHE_MODULES = Path("/usr/lib/apache2/modules")


def make_certificate(folder):
    """A self-signed certificate for our address; returns the paths of certificate and key."""
    conf, cert, key = folder / "req.cnf", folder / "cert.pem", folder / "key.pem"
    conf.write_text(REQ_CONF)
    subprocess.run(
        ["openssl", "req", "-x509", "-config", conf, "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-addext", f"subjectAltName=IP:{ADDRESS},DNS:localhost",
         "-keyout", key, "-out", cert],
        check=True, stderr=subprocess.PIPE, timeout=wait.seconds(30),
    )  # fmt: skip
    cert.chmod(0o644)
    return cert, key


def free_port():
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


def body_of(size):
    """The same bytes each time, different for each size."""
    return random.Random(size).randbytes(size)


@dataclass(frozen=True)
class Access:
    """A line of a server's log."""

    method: str
    target: str
    status: int
    bytes: tuple = ()  # received and sent, if the server counts them


class WebServer:
    """A server with a folder of its own, serving files that are named after their size."""

    conf = None
    stop = signal.SIGQUIT  # ends it when all connections have

    def __init__(self, root, cert, key, sizes, workers=2, conf=None, **popen):
        self.root = root
        self.cert = cert
        self.port = free_port()
        self.files = root / "files"
        self.files.mkdir()
        for size in sizes:
            (self.files / str(size)).write_bytes(body_of(size))
        path = root / "server.conf"
        path.write_text(
            (conf or self.conf).format(
                root=root, cert=cert, key=key, address=ADDRESS, port=self.port,
                workers=workers, threads=64 * workers, modules=APACHE_MODULES,
            )
        )  # fmt: skip
        self.process = subprocess.Popen(self._command(path), **popen)
        wait.until(self._answers, 20, f"{path} is served")
        wait.until(lambda: len(self.pids) == 1 + workers, 20, "all workers are there")

    def _command(self, conf):
        raise NotImplementedError

    def _answers(self):
        assert self.process.poll() is None, (self.root / "error.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex((ADDRESS, self.port)) == 0

    def url(self, name):
        return f"https://{ADDRESS}:{self.port}/{name}"

    @property
    def pids(self):
        """Master and workers."""
        return (self.process.pid, *children_of(self.process.pid))

    def accesses(self):
        """All requests that the access log has."""
        lines = (self.root / "access.log").read_text().splitlines()
        words = [line.split() for line in lines]
        return [Access(w[0], w[1], int(w[3]), tuple(map(int, w[4:]))) for w in words]

    def finish(self):
        """Wait until all connections have ended and all requests are in the access log."""
        self.process.send_signal(self.stop)
        self.process.wait(wait.seconds(30))

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(wait.seconds(20))


class Nginx(WebServer):
    conf = NGINX_CONF

    def __init__(self, *args, env=os.environ, **options):
        super().__init__(*args, env={**env, "PATH": env["PATH"] + ":/usr/sbin"}, **options)

    def _command(self, conf):
        return ["nginx", "-p", self.root, "-c", conf, "-e", self.root / "error.log"]


class Apache(WebServer):
    conf = APACHE_CONF
    stop = signal.SIGWINCH

    def _command(self, conf):
        return ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", conf]


@dataclass(frozen=True)
class Download:
    """What one curl said and was told, from curl's own side."""

    pid: int
    name: str
    request: bytes
    response: Path

    @cached_property
    def sums(self):
        """As Connection.sums of the client."""
        response = self.response.read_bytes()
        return tuple((len(data), sha256(data)) for data in (self.request, response))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def curl(server, size, folder, wrap=lambda command: command):
    """GET one file; curl itself proves that it got the right bytes before we look at a capture."""
    host = f"{ADDRESS}:{server.port}"
    command = [
        "curl", "-q", "-sS", "-i", "--http1.1", "--noproxy", "*", "-A", AGENT,
        "--cacert", "/proc/self/fd/0", f"https://{host}/{size}",
    ]  # fmt: skip
    # Opened here: the client may run as somebody who can not reach our folders.
    out = tempfile.NamedTemporaryFile(dir=folder, prefix=f"{size}-", delete=False)
    with out, open(server.cert, "rb") as cert:
        client = subprocess.Popen(wrap(command), stdin=cert, stdout=out)
        assert client.wait(wait.seconds(60)) == 0, f"curl failed: {command}"
    response = Path(out.name)
    body = (server.files / str(size)).read_bytes()
    head, got = split_head(response.read_bytes())
    assert got == body and head.startswith(b"HTTP/1.1 200 "), f"curl got something else: {head!r}"
    request = f"GET /{size} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n\r\n"
    return Download(client.pid, str(size), request.encode(), response)


def split_head(response):
    """Head with its empty line, and body."""
    end = response.index(b"\r\n\r\n") + 4
    return response[:end], response[end:]


def assert_client(capture, download):
    """curl's connection is in the capture: one, and both directions byte for byte."""
    conns = capture.of(download.pid)
    assert len(conns) == 1, f"/{download.name}: {len(conns)} connections of curl"
    assert conns[0].comm == "curl", conns[0].comm
    capture.assert_no_loss(download.pid)
    assert_sums(conns[0].sums, download.sums, f"/{download.name}, curl")


def assert_server(capture, server, download):
    """The other end of it is in the capture too, with the directions swapped."""
    request, response = download.sums
    conns = [conn for conn in capture.of(*server.pids) if conn.recv.sum == request]
    assert len(conns) == 1, f"/{download.name}: {len(conns)} connections of nginx"
    assert_sums(conns[0].sums, (response, request), f"/{download.name}, nginx")


def assert_sums(got, want, where):
    for dir, is_sum, should in zip(("send", "recv"), got, want):
        assert is_sum == should, f"{where}, {dir}: {is_sum}, not {should}"
