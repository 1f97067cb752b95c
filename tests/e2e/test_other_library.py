# SPDX-License-Identifier: Apache-2.0
"""GnuTLS, wolfSSL, Mbed TLS and BoringSSL: our peers, one per library, with an account each.

What GnuTLS keeps while it is corked is shown when the program says it, not when it is sent.
"""

import platform
from pathlib import Path

import pytest

import aptroot
from conftest import unavailable
from lib.capture import assert_same, assert_same_calls
from lib.control import assert_would_fail
from lib.peer import captured, check

LIBRARIES = pytest.mark.parametrize("library", ["gnutls", "wolfssl", "mbedtls", "boringssl"])
IN_CACHE = pytest.mark.parametrize("library", ["gnutls", "wolfssl", "mbedtls"])
SPECIAL = pytest.mark.parametrize("scenario", ["cork", "dtls"])
FUNCTIONS = {
    "gnutls": {
        "gnutls_record_send",
        "gnutls_record_send2",
        "gnutls_record_send_range",
        "gnutls_record_recv",
        "gnutls_record_recv_seq",
    },
    "wolfssl": {
        "wolfSSL_write",
        "wolfSSL_send",
        "wolfSSL_read",
        "wolfSSL_recv",
        "wolfSSL_peek",
    },
    "mbedtls": {"mbedtls_ssl_write", "mbedtls_ssl_read"},
    "boringssl": {"SSL_write", "SSL_read", "SSL_peek"},
}
# GnuTLS 3.8 and what it needs, of another release.
OTHER_GNUTLS = [
    "libc6", "libgnutls30t64", "libssl3t64", "libp11-kit0", "libidn2-0", "libunistring5",
    "libtasn1-6", "libnettle8t64", "libhogweed6t64", "libgmp10", "libffi8", "libzstd1", "zlib1g",
    "libbrotli1",
]  # fmt: skip


# The probe that knows them; what has OpenSSL's functions is OpenSSL's.
PROBES = {"boringssl": "openssl"}


def played(ecapture, actor, library, rung=None):
    """Capture this peer only."""
    name = PROBES.get(library, library)
    return captured(ecapture, actor, "-p", actor.pid, rung=rung, library=name)


@LIBRARIES
def test_every_function(ecapture, other_peer, rung, library):
    """Short, long and failing calls of each function, both ways; each by its own name."""
    capture, report = played(ecapture, other_peer(library, "every"), library, rung)
    check(capture, report)
    conns = capture.of(report["pid"])
    assert set().union(*(conn.send.fns | conn.recv.fns for conn in conns)) == FUNCTIONS[library]


@LIBRARIES
def test_handle_reuse(ecapture, other_peer, rung, library):
    """Handles are freed, cleared and used again: each connection is told apart."""
    capture, report = played(ecapture, other_peer(library, "reuse"), library, rung)
    handles = [end["handle"] for end in report["ends"]]
    assert len(set(handles)) < len(handles), "the peer did not reuse its handles"
    check(capture, report)
    assert len(capture.of(report["pid"])) == len(handles)


@SPECIAL
def test_only_gnutls(ecapture, other_peer, rung, scenario):
    """Corked bytes are shown once, when they are said; DTLS as TLS."""
    capture, report = played(ecapture, other_peer("gnutls", scenario), "gnutls", rung)
    check(capture, report)


def test_early_data_of_gnutls(ecapture, other_peer, rung):
    """What is said before the handshake is shown once, when the handshake sends it."""
    capture, report = played(ecapture, other_peer("gnutls", "early"), "gnutls", rung)
    assert_same(capture, report)


def test_bytes_that_stay_in_the_library(ecapture, other_peer, rung):
    """gnutls_record_recv_packet: a loss of that size, and what is read later in its place."""
    capture, report = played(ecapture, other_peer("gnutls", "packet"), "gnutls", rung)
    losses, capture.losses = capture.losses, []
    assert [(loss["bytes"], loss["off"], loss["dir"]) for loss in losses] == [(500, 0, "recv")]
    assert_same(capture, report)
    assert_same_calls(capture, report)


@IN_CACHE
def test_library_is_found_by_itself(ecapture, other_peer, library):
    """Nobody uses the library when the capture begins: the linker's cache has it."""
    run = ecapture()
    report = other_peer(library, "every").play()
    check(run.finish(), report)


@LIBRARIES
def test_other_process_only(ecapture, other_peer, library):
    """Two peers do the same; only the one that was asked for is captured."""
    wanted, other = other_peer(library, "every"), other_peer(library, "every")
    run = ecapture("-p", wanted.pid)
    reports = [actor.play() for actor in (wanted, other)]
    capture = run.finish()
    check(capture, reports[0])
    assert_would_fail(check, capture, reports[1])
    assert not capture.of(other.pid)


@LIBRARIES
def test_dry_run(ecapture, other_peer, library):
    actor = other_peer(library, "every")
    run = ecapture("-p", actor.pid, dry=True)
    report = actor.play()
    capture = run.finish()
    assert_would_fail(check, capture, report)
    assert capture.n_events == 0


def test_layer_over_gnutls_is_no_openssl(ecapture):
    """libgnutls-openssl calls GnuTLS, where its bytes are seen: hooked, they would come twice."""
    layers = list(Path("/usr/lib").glob("*/libgnutls-openssl.so.*"))
    if not layers:
        pytest.skip("libgnutls-openssl is not installed")
    run = ecapture("--libssl", layers[0], wait=False)
    assert run.wait_end() == 1
    assert run.err.find(lambda line: "does not define what is looked for" in line), run.err.tail()


@pytest.fixture(scope="module")
def other_gnutls():
    """The folder with Debian 13's GnuTLS, and its loader."""
    if platform.machine() != "x86_64":
        unavailable("Debian 13's GnuTLS is fetched for x86-64 only")
    try:
        root = aptroot.unpack("trixie", OTHER_GNUTLS)
    except aptroot.Unavailable as why:
        unavailable(str(why))
    folder = root / "usr" / "lib" / "x86_64-linux-gnu"
    return folder, folder / "ld-linux-x86-64.so.2"


@pytest.mark.parametrize("scenario", ["every", "cork", "early", "dtls", "reuse"])
def test_other_gnutls(ecapture, other_peer, other_gnutls, rung, scenario):
    """GnuTLS 3.8, found by its mapping."""
    folder, loader = other_gnutls
    actor = other_peer(
        "gnutls", scenario, wrap=lambda command: [loader, "--library-path", folder, *command]
    )
    with open(f"/proc/{actor.pid}/maps", encoding="ascii") as maps:
        assert str(folder / "libgnutls.so.30") in maps.read()
    capture, report = played(ecapture, actor, "gnutls", rung)
    assert report["library"].startswith("3.8."), report["library"]
    assert_same(capture, report)
    if scenario != "early":
        assert_same_calls(capture, report)
