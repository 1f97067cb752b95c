# SPDX-License-Identifier: Apache-2.0
"""scripts/check-layers.py reports each kind of violation, and nothing in a clean tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT / "scripts" / "check-layers.py"

CLEAN = {
    "meson.build": "",
    "base/buf.h": "#include <stddef.h>\n",
    "base/buf.c": '#include "base/buf.h"\n#include <string.h>\n',
    "abi/event.h": "#include <linux/types.h>\n",
    "abi/state.h": '#include "abi/event.h"\n',
    "bpf/maps.bpf.h": '#include "abi/event.h"\n#include <bpf/bpf_helpers.h>\n',
    "bpf/calls.bpf.c": '#include "maps.bpf.h"\n',
    "parsers/http_message.h": "",
    "parsers/http.h": '#include "parsers/http_message.h"\n#include "base/buf.h"\n',
    "wire/tcp.c": '#include "base/buf.h"\n',
    "target/image.h": '#include "base/buf.h"\n',
    "flow/stream.c": '#include "parsers/http.h"\n#include "abi/event.h"\n#include "base/buf.h"\n',
    "sinks/text.c": '#include "parsers/http_message.h"\n#include "abi/event.h"\n',
    "engine/probe.h": '#include "target/image.h"\n',
    "engine/engine.h": "",
    "engine/load.c": '#include "engine/probe.h"\n#include "calls.skel.h"\n#include "probe_list.h"\n'
    '#include "flow/stream.h"\n#include "sinks/sink.h"\n',
    "server/http.c": '#include "engine/engine.h"\n#include "parsers/http.h"\n',
    "cli/main.c": '#include "engine/load.h"\n#include "probes/alpha/alpha.h"\n',
    "probes/meson.build": "probes = ['alpha', 'beta'] # the list\n",
    "probes/alpha/alpha.c": '#include "engine/probe.h"\n#include "alpha.h"\n'
    '#include "alpha.skel.h"\n/* Alpha TLS and BoringSSL may be named here */\n'
    'X("Al_read"), X("Al_write"), X("once_only"), .what = "Alpha TLS or alef library",\n',
    "probes/alpha/alpha.h": "",
    "probes/alpha/alpha.bpf.c": '#include "bpf/maps.bpf.h"\n#include "probes/alpha/alpha.h"\n',
    "probes/beta/beta.c": '#include "target/image.h"\n',
}


def run(src, files):
    """Check a tree of the given files; (exit status, reported lines without the folder)."""
    for name, text in files.items():
        path = src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(CHECK), str(src)], stdout=subprocess.PIPE, text=True, check=False
    )
    return done.returncode, [line.removeprefix(f"{src}/") for line in done.stdout.splitlines()]


def test_clean_tree_passes(tmp_path):
    assert run(tmp_path, CLEAN) == (0, [])


@pytest.mark.parametrize(
    "path, include",
    [
        ("base/buf.c", "abi/event.h"),
        ("abi/event.h", "base/buf.h"),
        ("bpf/calls.bpf.c", "base/buf.h"),
        ("bpf/calls.bpf.c", "target/image.h"),
        ("parsers/http.h", "abi/event.h"),
        ("wire/tcp.c", "parsers/http.h"),
        ("target/image.h", "abi/event.h"),
        ("flow/stream.c", "target/image.h"),
        ("flow/stream.c", "sinks/sink.h"),
        ("sinks/text.c", "parsers/http.h"),
        ("sinks/text.c", "flow/stream.h"),
        ("sinks/text.c", "calls.skel.h"),
        ("engine/load.c", "probes/alpha/alpha.h"),
        ("engine/load.c", "parsers/http.h"),
        ("engine/load.c", "bpf/maps.bpf.h"),
        ("engine/load.c", "nowhere.h"),
        ("probes/alpha/alpha.c", "probes/beta/beta.h"),
        ("probes/alpha/alpha.c", "beta.skel.h"),
        ("probes/alpha/alpha.c", "engine/engine.h"),
        ("server/http.c", "engine/load.h"),
        ("server/http.c", "flow/stream.h"),
        ("engine/load.c", "../base/buf.h"),
        ("flow/stream.c", "/usr/include/stdio.h"),
    ],
)
def test_forbidden_include_is_reported(tmp_path, path, include):
    files = dict(CLEAN)
    files[path] = f'\n#  include "{include}" /* why */\n' + files[path]
    status, lines = run(tmp_path, files)
    assert status == 1
    found = [line for line in lines if "names what a probe" not in line]
    assert len(found) == 1
    assert found[0].startswith(f"{path}:2: ")
    assert f'"{include}"' in found[0]


def test_our_header_in_angle_brackets_is_reported(tmp_path):
    files = dict(CLEAN, **{"abi/event.h": "#include <base/buf.h>\n"})
    assert run(tmp_path, files) == (1, ['abi/event.h:1: abi may not include "base/buf.h"'])


def test_generated_header_is_not_a_path(tmp_path):
    """*.skel.h allows generated headers, not a way into another folder."""
    files = dict(CLEAN, **{"engine/load.c": '#include "probes/x.skel.h"\n'})
    status, lines = run(tmp_path, files)
    assert (status, len(lines)) == (1, 1)


NAMELESS = ["abi", "base", "bpf", "engine", "flow", "sinks", "target"]


NAMES = ["alpha", "libalpha.so", "ALPHA", "Alpha TLS", "alef", "beta", "Al_read()", "Al_x"]
NAMES += ["once_only", "BoringSSL", "libressl", "NSPR"]
REAL_NAMES = ["OpenSSL", "libgnutls", "NSS", "wolfSSL", "mbedtls_ssl", "Mbed TLS", "bash"]
REAL_NAMES += ["readline()", "SSL_pending()", "gnutls_session_t", "wolfSSL_x", "ssl_SecureRecv"]


def real_probes():
    """A tree with the probes that there are, and nothing in them that includes anything else."""
    real = ROOT / "src" / "probes"
    probes = {str(p.relative_to(real.parent)): p.read_text() for p in real.rglob("*.[ch]")}
    general = {name: "" for name in CLEAN if not name.startswith(("probes/", "cli/"))}
    return {**general, **probes, "probes/meson.build": (real / "meson.build").read_text()}


@pytest.mark.parametrize("folder", NAMELESS)
@pytest.mark.parametrize("real", [False, True])
def test_what_a_probe_is_about_is_reported_in_general_code(tmp_path, folder, real):
    """Its folder, what it says it recognises, its functions and the prefix that they share."""
    files, names = (real_probes(), REAL_NAMES) if real else (dict(CLEAN), NAMES)
    files[f"{folder}/x.c"] = "".join(f"/* as {name} does */\n" for name in names)
    status, lines = run(tmp_path, files)
    found = [line.partition(" names what a probe is about")[0] for line in lines]
    assert status == 1
    assert found == [f"{folder}/x.c:{i}: {folder}" for i in range(1, len(names) + 1)]


def test_library_named_in_a_file_name_is_reported(tmp_path):
    status, lines = run(tmp_path, dict(CLEAN, **{"flow/alpha_stream.c": ""}))
    assert (status, len(lines)) == (1, 1)


@pytest.mark.parametrize("text", ["the betatron", "once_only_more", "Xal_read", "an_Al_read"])
def test_word_that_contains_a_name_passes(tmp_path, text):
    """A short name only counts alone."""
    assert run(tmp_path, dict(CLEAN, **{"flow/x.c": f"/* {text} */\n"})) == (0, [])


def test_command_line_may_name_a_library(tmp_path):
    assert run(tmp_path, dict(CLEAN, **{"cli/x.c": "/* alpha, BoringSSL */\n"})) == (0, [])


@pytest.mark.parametrize(
    "text, what",
    [
        ("probes = ['alpha']\n", "probes/beta: not in the list of probes/meson.build"),
        ("probes = [\n  'alpha',\n  'beta',\n  'gamma',\n]\n", "'gamma' has no folder"),
        ("probes = ['alpha', 'beta', 'beta']\n", "'beta' is listed twice"),
        ("probes = ['alpha', # 'beta'\n]\n", "probes/beta: not in the list"),
        ("subdir('alpha')\n", "no list"),
    ],
)
def test_probe_list_and_folders_differ(tmp_path, text, what):
    status, lines = run(tmp_path, dict(CLEAN, **{"probes/meson.build": text}))
    assert status == 1
    assert len(lines) == 1
    assert what in lines[0]


def test_unknown_folder_is_reported(tmp_path):
    status, lines = run(tmp_path, dict(CLEAN, **{"util/x.h": ""}))
    assert (status, len(lines)) == (1, 1)
    assert "util has no rule" in lines[0]


def test_file_outside_the_folders_is_reported(tmp_path):
    assert run(tmp_path, dict(CLEAN, **{"x.c": ""})) == (1, ["x.c: belongs into a folder"])
