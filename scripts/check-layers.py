#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom under src/, and that no general part names what probes are about.

usage: check-layers.py [SRC]

Prints one line "file:line: what" per violation and exits 1 if there is any.
"""

import fnmatch
import re
import sys
from pathlib import Path

# What each folder may include besides itself: a folder, or a pattern of one folder's files.
# "*.skel.h" and "probe_list.h" are generated.
ALLOWED = {
    "base": [],
    "abi": [],
    "bpf": ["abi"],
    "parsers": ["base"],
    "wire": ["base"],
    "target": ["base"],
    "flow": ["base", "abi", "parsers"],
    "sinks": ["base", "abi", "parsers/*_message.h"],
    "engine": ["base", "abi", "target", "flow", "sinks", "*.skel.h", "probe_list.h"],
    "probes": ["base", "abi", "bpf", "target", "engine/probe.h"],  # and each its own folder
    "server": ["base", "parsers", "sinks", "engine/engine.h"],
    "cli": ["*"],
}

# Knowledge about libraries belongs to probes: these folders never name one. Which names there are
# is read from the probes themselves; the command line is free to have an option for one.
NAMELESS = ("base", "abi", "bpf", "target", "flow", "sinks", "engine")
# What probes cover although their tables do not name it.
OTHER_NAMES = ("BoringSSL", "LibreSSL", "AWS-LC", "NSPR")
SHORT = 4  # a name so short is only looked for where no letter stands beside it

STRING = re.compile(r'"([^"\\\n]*)"')
FUNCTION = re.compile(r"[A-Za-z]\w*_\w+")
WHAT = re.compile(r'\.what\s*=\s*"([^"]*)"')

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
PROBE_LIST = re.compile(r"^probes\s*=\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)


def owner(path):
    """The part of the tree that a path relative to src/ belongs to: a folder, or probes/NAME."""
    if path.parts[0] == "probes" and len(path.parts) > 2:
        return "/".join(path.parts[:2])
    return path.parts[0]


def is_allowed(here, name):
    """May a file of the part `here` include "name", relative to src/?"""
    target = owner(Path(name))
    if target == here:
        return True
    if here.startswith("probes/") and name == here.split("/")[1] + ".skel.h":
        return True
    for rule in ALLOWED[here.split("/")[0]]:
        if rule == target or rule == "*":
            return True
        # A pattern, not a whole folder: "*" must not cross a slash.
        if fnmatch.fnmatchcase(name, rule) and name.count("/") == rule.count("/"):
            return True
    return False


def check_include(path, quote, name, src):
    """Why the file `path` (relative to src/) may not include `name`, or None."""
    here = owner(path)
    if quote == "<":
        # <bpf/...> is libbpf's: only what lies in our tree is ours.
        if not (src / name).is_file():
            return None
    elif ".." in Path(name).parts or name.startswith("/"):
        return f'"{name}": write it relative to src/'
    elif "/" not in name and (src / path.parent / name).is_file():
        return None
    if is_allowed(here, name):
        return None
    return f'{here} may not include "{name}"'


def names_of_probe(folder):
    """(names of what a probe is about, names of its functions) as its folder has them."""
    names, functions = {folder.name}, set()
    for path in sorted(folder.rglob("*.c")):
        text = path.read_text(encoding="utf-8", errors="replace")
        functions.update(name for name in STRING.findall(text) if FUNCTION.fullmatch(name))
        for what in WHAT.findall(text):
            names.update(what.removesuffix(" library").split(" or "))
    # The prefix of a library, as SSL_, is one that several functions share.
    prefixes = [name.partition("_")[0] + "_" for name in sorted(functions)]
    functions.update(prefix for prefix in prefixes if prefixes.count(prefix) > 1)
    return names, functions


def pattern_of_names(src):
    """What finds, in a line, anything that a probe is about."""
    names, functions = set(OTHER_NAMES), set()
    probes = src / "probes"
    for folder in sorted(p for p in probes.iterdir() if p.is_dir()) if probes.is_dir() else ():
        more_names, more_functions = names_of_probe(folder)
        names |= more_names
        functions |= more_functions
    parts = [
        rf"(?i:(?<![a-z]){re.escape(name)}(?![a-z]))" if len(name) <= SHORT
        else f"(?i:{re.escape(name)})"
        for name in sorted(names)
    ]  # fmt: skip
    for name in sorted(functions):
        parts.append(rf"\b{re.escape(name)}" + ("" if name.endswith("_") else r"\b"))
    return re.compile("|".join(parts))


def check_file(path, src, libraries):
    """All violations in one file, as (line number, what)."""
    text = (src / path).read_text(encoding="utf-8", errors="replace")
    nameless = path.parts[0] in NAMELESS
    named = libraries.search(path.name) if nameless else None
    if named:
        yield 0, f'{path.parts[0]} names what a probe is about in a file name: "{named[0]}"'
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include and path.suffix in (".c", ".h"):
            what = check_include(path, include[1], include[2], src)
            if what:
                yield number, what
        named = libraries.search(line) if nameless else None
        if named:
            yield number, f'{path.parts[0]} names what a probe is about: "{named[0]}"'


def check_probe_list(src):
    """The list of probes in the build and the folders must be the same."""
    build = src / "probes" / "meson.build"
    if not build.is_file():
        yield "probes/meson.build: missing"
        return
    listed = PROBE_LIST.search(build.read_text(encoding="utf-8"))
    if not listed:
        yield "probes/meson.build: no list 'probes = [...]'"
        return
    words = re.findall(r"'([^']*)'", re.sub(r"#.*", "", listed[1]))
    folders = {p.name for p in (src / "probes").iterdir() if p.is_dir() and any(p.iterdir())}
    for name in sorted(set(words) - folders):
        yield f"probes/meson.build: '{name}' has no folder"
    for name in sorted(folders - set(words)):
        yield f"probes/{name}: not in the list of probes/meson.build"
    for name in sorted({w for w in words if words.count(w) > 1}):
        yield f"probes/meson.build: '{name}' is listed twice"


def check_tree(src):
    """All violations of the tree, as printable lines."""
    libraries = pattern_of_names(src)
    for full in sorted(p for p in src.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        path = full.relative_to(src)
        if len(path.parts) < 2:
            if path.suffix in (".c", ".h"):
                yield f"{path}: belongs into a folder"
            continue
        if path.parts[0] not in ALLOWED:
            yield f"{path}: the folder {path.parts[0]} has no rule in {Path(__file__).name}"
            continue
        for number, what in check_file(path, src, libraries):
            yield f"{path}:{number}: {what}"
    yield from check_probe_list(src)


def main(argv):
    src = Path(argv[1]) if len(argv) > 1 else Path(__file__).resolve().parent.parent / "src"
    if not src.is_dir():
        print(f"{src}: no such folder", file=sys.stderr)
        return 2
    bad = list(check_tree(src))
    for line in bad:
        print(f"{src}/{line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
