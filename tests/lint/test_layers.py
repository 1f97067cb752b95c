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
    '#include "alpha.skel.h"\n/* OpenSSL may be named here */\n',
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
    assert len(lines) == 1
    assert lines[0].startswith(f"{path}:2: ")
    assert f'"{include}"' in lines[0]


def test_our_header_in_angle_brackets_is_reported(tmp_path):
    files = dict(CLEAN, **{"abi/event.h": "#include <base/buf.h>\n"})
    assert run(tmp_path, files) == (1, ['abi/event.h:1: abi may not include "base/buf.h"'])


def test_generated_header_is_not_a_path(tmp_path):
    """*.skel.h allows generated headers, not a way into another folder."""
    files = dict(CLEAN, **{"engine/load.c": '#include "probes/x.skel.h"\n'})
    status, lines = run(tmp_path, files)
    assert (status, len(lines)) == (1, 1)


@pytest.mark.parametrize("folder", ["engine", "flow", "sinks", "bpf"])
@pytest.mark.parametrize("name", ["OpenSSL", "gnutls", "NSS", "wolfssl", "mbedtls_ssl"])
def test_library_named_in_general_code_is_reported(tmp_path, folder, name):
    files = dict(CLEAN, **{f"{folder}/x.c": f"\n/* as {name} does */\n"})
    status, lines = run(tmp_path, files)
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"{folder}/x.c:2: {folder} names a TLS library")


def test_library_named_in_a_file_name_is_reported(tmp_path):
    status, lines = run(tmp_path, dict(CLEAN, **{"flow/gnutls_stream.c": ""}))
    assert (status, len(lines)) == (1, 1)


def test_word_that_contains_a_library_name_passes(tmp_path):
    assert run(tmp_path, dict(CLEAN, **{"flow/x.c": "/* the innsstart */\n"})) == (0, [])


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
