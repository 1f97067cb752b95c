# SPDX-License-Identifier: Apache-2.0
"""The host that the examples of the user pages run on.

A network namespace of its own, where example.com and api.example.com are an nginx on port 443, a
mount namespace that says so in /etc/hosts, and a PID namespace: what the machine's other programs
do is not seen there. It has copies of the usual TLS libraries, which nobody else uses; those that
only our tests need are hidden. `sudo` does nothing, since the tests are root, unless
it is told to become somebody else. Programs trust nginx's certificate by their environment.
"Another terminal" is one at which user 1000 sits.
"""

import os
import re
import shutil
import signal
import subprocess

from lib import wait, web
from lib.process import as_user, children_of
from lib.terminal import Terminal

OTHER_USER = 1000
PROMPT = "[other terminal] "
HOSTS = ("example.com", "api.example.com")
HTTP2_HOST, HTTP2_ADDRESS = "h2.example.com", "127.0.0.2"
TOUCHED = 1_700_000_000  # when the files were written: a part of their ETag

SUDO = """#!/bin/sh
[ "$1" != -u ] || { user=$2; shift 2; set -- setpriv --reuid="$user" --init-groups -- "$@"; }
exec "$@"
"""

START = """
ip link set lo up && mount --bind "$1" /etc/hosts || exit
folder=$2 conf=$3 log=$4
shift 4
while [ $# -gt 0 ]; do mount --bind "$1" "$2" || exit; shift 2; done
exec nginx -p "$folder" -c "$conf" -e "$log"
"""
COPIED = r"\b(libssl\.so|libgnutls\.so).* => (.*)"
HIDDEN = r"\b(libwolfssl|libmbedtls|libssl3\.so).* => (.*)"

CONF = """
daemon off;
user www-data;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log notice;
events {{ worker_connections 256; }}
http {{
    access_log {root}/access.log;
    client_body_temp_path {root}/tmp-body;
    proxy_temp_path {root}/tmp-proxy;
    fastcgi_temp_path {root}/tmp-fastcgi;
    uwsgi_temp_path {root}/tmp-uwsgi;
    scgi_temp_path {root}/tmp-scgi;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    types {{ text/html html; image/png png; application/json json; text/csv csv; }}
    gzip on;
    gzip_min_length 200;
    gzip_types application/json;
    server {{
        listen {address}:443 ssl default_server;
        root {root}/files;
        default_type application/json;
        location /login {{
            add_header Set-Cookie "session=8c1f0e; Secure; HttpOnly";
            return 200 '{{"ok":true}}';
        }}
    }}
    server {{
        listen {http2}:443 ssl http2;
        root {root}/files;
    }}
}}
"""

PAGE = """<!doctype html>
<html>
<head><title>Example Domain</title></head>
<body>
<h1>Example Domain</h1>
<p>This domain is for use in documentation examples.</p>
</body>
</html>
"""
USER = '{"id":42,"name":"Ada","roles":["admin","editor"]}'
USERS = "[" + ",".join(f'{{"id":{n},"name":"user {n}"}}' for n in range(1, 31)) + "]"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f00050001ff89993d1d0000000049454e44ae426082"
)
FILES = {
    "index.html": PAGE.encode(),
    "users/42.json": USER.encode(),
    "users/42": USER.encode(),
    "users.json": USERS.encode(),
    "logo.png": PIXEL,
    "report.csv": "".join(f"{n},{n * n}\n" for n in range(1, 12001)).encode(),
}


def libraries(pattern):
    """The files of libraries that the dynamic linker's cache has."""
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    return sorted({os.path.realpath(found[1]) for found in re.findall(pattern, cache.stdout)})


class ReadersHost:
    """Runs commands as a reader would type them."""

    def __init__(self, folder, binary, openssl_conf):
        self.folder = folder
        self._make_programs(binary)
        self.cert, key = make_certificate(folder, openssl_conf)
        self._make_files()
        conf = folder / "nginx.conf"
        names = {"root": folder, "cert": self.cert, "key": key, "address": web.ADDRESS}
        names["http2"] = HTTP2_ADDRESS
        conf.write_text(CONF.format(**names))
        hosts = folder / "hosts"
        hosts.write_text(
            f"{web.ADDRESS} localhost {' '.join(HOSTS)}\n{HTTP2_ADDRESS} {HTTP2_HOST}\n"
        )
        self.env = self._environment()
        arguments = [hosts, folder, conf, folder / "error.log", *self._libraries()]
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc",
             "sh", "-c", START, "sh", *arguments],
            env={**os.environ, "PATH": self.env["PATH"]},
        )  # fmt: skip
        wait.until(self._listens, 20, "the web server of the examples listens")

    def _make_programs(self, binary):
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "ecapture").symlink_to(binary)
        (programs / "sudo").write_text(SUDO)
        (programs / "sudo").chmod(0o755)

    def _libraries(self):
        """What to mount where: copies over the usual libraries, nothing over those of our tests."""
        for library in libraries(HIDDEN):
            yield from ("/dev/null", library)
        for library in libraries(COPIED):
            copy = self.folder / "lib" / library.replace("/", "_")
            copy.parent.mkdir(exist_ok=True)
            yield from (shutil.copy(library, copy), library)

    def _make_files(self):
        for name, content in FILES.items():
            path = self.folder / "files" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (TOUCHED, TOUCHED))

    def _environment(self):
        wgetrc = self.folder / "wgetrc"
        wgetrc.write_text(f"ca_certificate = {self.cert}\n")
        return {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "CURL_CA_BUNDLE": str(self.cert),
            "SSL_CERT_FILE": str(self.cert),
            "NODE_EXTRA_CA_CERTS": str(self.cert),
            "WGETRC": str(wgetrc),
        }

    def _listens(self):
        assert self.process.poll() is None, f"the web server ended: {self.process.returncode}"
        return (self.folder / "nginx.pid").exists()

    @property
    def server(self):
        """nginx's master, which is process 1 of this host."""
        return children_of(self.process.pid)[0]

    def inside(self, folder, command):
        """A command, run on this host in a folder."""
        target = f"--target={self.server}"
        return ["nsenter", target, "--net", "--mount", "--pid", f"--wd={folder}", "--", *command]

    def start(self, command, folder):
        """Start a command in a folder; both outputs are one."""
        return subprocess.Popen(
            self.inside(folder, ["bash", "-c", command]),
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def close(self):
        os.kill(self.server, signal.SIGTERM)
        self.process.wait(wait.seconds(20))


class Running:
    """A command that runs, and the lines that it has printed so far."""

    def __init__(self, host, command, folder):
        self.process = host.start(command, folder)
        self.out = wait.Lines(self.process.stdout, command)

    def press_ctrl_c(self):
        """As a terminal does: all processes of the command get the signal. nsenter is not one."""
        for pid in descendants_of(self.process.pid):
            os.kill(pid, signal.SIGINT)

    def finish(self, limit=60):
        """Wait for its end; its lines and its exit status."""
        status = self.process.wait(wait.seconds(limit))
        return self.out.join(10), status

    def close(self):
        """End it if it still runs. It is ours."""
        if self.process.poll() is None:
            for pid in (*descendants_of(self.process.pid), self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.process.wait(wait.seconds(10))


def descendants_of(pid):
    """Children, and theirs."""
    children = children_of(pid)
    return children + [one for child in children for one in descendants_of(child)]


class OtherTerminal:
    """A shell of another user, at a terminal."""

    def __init__(self, host, folder):
        shell = as_user(OTHER_USER, ["bash", "--norc", "--noprofile", "-i"])
        self.terminal = Terminal(
            host.inside(folder, shell), PROMPT.encode(), {**host.env, "PS1": PROMPT, "HISTFILE": ""}
        )

    def enter(self, command):
        """Type a command; the lines that it printed."""
        before = len(self.terminal.shown)
        self.terminal.enter(command.encode())
        printed = self.terminal.shown[before:].decode("utf-8", "backslashreplace")
        lines = printed.removesuffix(PROMPT).replace("\r", "").splitlines()
        return lines[1:]  # the first one is what was typed

    def close(self):
        self.terminal.close()


def make_certificate(folder, conf):
    """A certificate for the names of the examples; returns the paths of it and its key."""
    cert, key, path = folder / "cert.pem", folder / "key.pem", folder / "req.cnf"
    path.write_text(conf)
    names = ",".join(f"DNS:{name}" for name in (*HOSTS, HTTP2_HOST))
    subprocess.run(
        ["openssl", "req", "-x509", "-config", path, "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-addext", f"subjectAltName={names}", "-keyout", key, "-out", cert],
        check=True, stderr=subprocess.PIPE, timeout=wait.seconds(30),
    )  # fmt: skip
    cert.chmod(0o644)
    return cert, key
