# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: the real program, real peers, this kernel.

ECAPTURE_BIN         the program (default build/ecapture)
ECAPTURE_PEER        our TLS peer (default build/tests/peers/tls_peer)
ECAPTURE_RUNGS       which ways to attach exist here (default multi,perf-cookie,perf)
ECAPTURE_TIME_SCALE  stretches every deadline (default 1)
ECAPTURE_A01_LARGEST the largest body of A01 (default 64 MiB)
ECAPTURE_WRK_SECONDS how long the load of A09 lasts (default 5)
ECAPTURE_ARGS        options for every run, e.g. a larger buffer for a slow build (default none)
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from lib import kernel, schema, web
from lib.ecapture import Ecapture
from lib.peer import library_of
from lib.process import Player, as_user

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts"))  # aptroot
RUNGS = os.environ.get("ECAPTURE_RUNGS", "multi,perf-cookie,perf").split(",")
BEST = RUNGS[0]  # where what is about numbers has its full number


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "library(name): the library whose users a test is about. Where each hook is a perf event, "
        "and takes its time to go, no other is hooked.",
    )


def pytest_collection_modifyitems(items):
    if os.geteuid() == 0:
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason="needs root: loads BPF programs"))


def unavailable(why):
    """What a test needs is not here: in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def program(variable, default):
    path = Path(os.environ.get(variable, ROOT / default)).resolve()
    assert path.is_file(), f"{path} is not there: build it or set {variable}"
    return path


@pytest.fixture(scope="session")
def binary():
    return program("ECAPTURE_BIN", "build/ecapture")


@pytest.fixture(scope="session")
def public_binary(binary, public_dir):
    """A copy of the program that everybody may run."""
    return Path(shutil.copy(binary, public_dir / "ecapture"))


@pytest.fixture(scope="session")
def peer_binary():
    return program("ECAPTURE_PEER", "build/tests/peers/tls_peer")


@pytest.fixture(params=RUNGS)
def rung(request):
    """Each way to attach that this kernel is expected to have."""
    return request.param


@pytest.fixture
def best_rung():
    """For what is the same however a hook is attached."""
    return BEST


@pytest.fixture(scope="session")
def validator(binary):
    return schema.Validator(schema.load(binary))


@pytest.fixture
def ecapture(binary, validator, tmp_path, request):
    """Start the program; returns when it captures. All that still run at the end are ended."""
    started = []
    marker = request.node.get_closest_marker("library")

    def start(*args, rung=None, dry=False, wait=True, library=marker and marker.args[0], **popen):
        folder = tmp_path / f"ecapture-{len(started)}"
        folder.mkdir()
        if library and rung in ("perf", "perf-cookie"):
            popen.setdefault("command", library)
        attach = [f"--attach={rung}"] if rung else []
        args = (*args, *attach, *(["--dry-run"] if dry else []))
        run = Ecapture(binary, folder, args, validator, **popen)
        started.append(run)
        if not wait:
            return run
        return run.wait_dry() if dry else run.wait_ready(rung)

    yield start
    for run in started:
        run.close()


@pytest.fixture
def player():
    """Start a process that waits for its cue (lib/process.py)."""
    started = []

    def start(*command):
        started.append(Player(command))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def peer(player, peer_binary):
    """Start our TLS peer with a scenario."""
    return lambda *args: player(peer_binary, *args)


@pytest.fixture
def other_peer(player, peer_binary, certificate):
    """Start the peer for another TLS library (tests/peers/other.h), by default this machine's."""

    def start(name, *args, wrap=lambda command: command):
        binary = peer_binary.parent / f"{name}_peer"
        if not binary.exists():
            unavailable(f"{binary} was not built: its library is not installed")
        cert, key = certificate
        return player(*wrap([binary, *args, "--cert", cert, "--key", key]))

    return start


@pytest.fixture(scope="session")
def public_peer(peer_binary, public_dir):
    """A copy of our peer that everybody may run."""
    return Path(shutil.copy(peer_binary, public_dir))


@pytest.fixture
def stranger(player, public_peer):
    """Start our TLS peer as a user that nobody else is: -u stranger.uid is it and its children."""

    def start(*args):
        return player(*as_user(start.uid, [public_peer, *args]))

    start.uid = 100000 + os.getpid()
    return start


@pytest.fixture
def private(player, peer, peer_binary, tmp_path):
    """Start peers with a library of their own, which no other capture on this host has hooked."""
    folder = tmp_path / "private"
    folder.mkdir()
    shutil.copy(library_of(peer("nonblock").pid), folder)
    return lambda *args: player("/usr/bin/env", f"LD_LIBRARY_PATH={folder}", peer_binary, *args)


@pytest.fixture(scope="session")
def public_dir():
    """A folder that everybody may enter, unlike those of pytest."""
    path = Path(tempfile.mkdtemp(prefix="ecapture-e2e-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def fifo(tmp_path):
    """A FIFO and the descriptor of a reader, who reads when the test does."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(reader, "rb") as pipe:
        yield path, pipe


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Paths of a certificate and its key."""
    return web.make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def serve_files(certificate, tmp_path_factory):
    """Start an nginx that has files of the given sizes."""
    started = []

    def start(sizes, **options):
        root = tmp_path_factory.mktemp("nginx")
        started.append(web.Nginx(root, *certificate, sizes, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def kernel_ids():
    """The BPF objects that were alive before the test."""
    return kernel.all_ids()
