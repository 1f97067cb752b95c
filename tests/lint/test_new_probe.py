# SPDX-License-Identifier: Apache-2.0
"""A probe comes with one command, and goes with its folder and one word.

In a copy of the tree with what has been built, so that only what changes is built again.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
NAMES = ["quux", "library_of_a_long_name"]
CHECKS = ["format", "functions", "files", "banned", "layers", "text", "python"]
MADE = {
    "src/probes/{0}/{0}.c",
    "tests/peers/other_{0}.c",
    "tests/e2e/test_{0}.py",
    "doc/user/probes/{0}.md",
}
GUIDE = ROOT / "doc" / "dev" / "adding-a-probe.md"
TEMPLATE = ROOT / "tests" / "example"
PAGES = ROOT / "doc" / "user" / "probes"
UNTESTED = "Not tested with any version yet."


def run(tree, *command):
    """Run a command in the tree, which has to succeed; its output."""
    # As one of make's: what the outer make says to its children is not meant for these.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=tree,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}"
    return done.stdout


def snapshot(tree):
    """The text of each file of the tree but what is built."""
    paths = (path for path in tree.rglob("*") if path.is_file())
    names = ((str(path.relative_to(tree)), path) for path in paths)
    skip = re.compile(r"build|\.git/|.*__pycache__")
    return {name: path.read_bytes() for name, path in names if not skip.match(name)}


def probes_of(tree):
    text = (tree / "src" / "probes" / "meson.build").read_text()
    return re.findall(r"'(\w+)'", re.search(r"^probes = \[(.*?)\]", text, re.M | re.S)[1])


def commands_of(tree):
    return re.findall(r"^  (\w+) ", run(tree, "build/src/ecapture", "help"), re.M)


@pytest.fixture(name="tree", scope="module")
def copy_tree(tmp_path_factory):
    """A copy of the tree, configured and built as this one is."""
    if not (BUILD / "src" / "ecapture").exists():
        pytest.skip("build/src/ecapture is not there: make")
    tree = tmp_path_factory.mktemp("copy") / "tree"
    skip = shutil.ignore_patterns(".git", "__pycache__", "build-*", "meson-logs", "ecapture.8")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=skip)
    run(tree, "meson", "setup", "--reconfigure", "build", ".")
    return tree


def test_new_probes_build_and_pass_lint(tree):
    """All that it changes elsewhere is the word."""
    before, words = snapshot(tree), probes_of(tree)
    for name in NAMES:
        run(tree, "make", "--no-print-directory", "new-probe", f"NAME={name}")
    after = snapshot(tree)
    new = {path.format(name) for path in MADE for name in NAMES}
    assert after.keys() - before.keys() == new
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"src/probes/meson.build"}
    assert probes_of(tree) == sorted([*words, *NAMES])
    peers = [f"tests/peers/{name}_peer" for name in NAMES]
    run(tree, "ninja", "-C", "build", "src/ecapture", *peers)
    assert set(NAMES) < set(commands_of(tree))
    run(tree, sys.executable, "scripts/lint", *CHECKS)


@pytest.mark.parametrize("name", ["", "-x", "Upper", "2nd", "tls", "example", "mbedtls", "../x"])
def test_names_that_are_none(tree, name):
    before = snapshot(tree)
    done = subprocess.run(
        [sys.executable, "scripts/new-probe", name], cwd=tree, capture_output=True, check=False
    )
    assert done.returncode in (1, 2) and done.stderr
    assert snapshot(tree) == before


def test_probe_goes_with_its_folder_and_word(tree):
    """Nothing else knows it: all is built again, and the unit tests pass."""
    words = tree / "src" / "probes" / "meson.build"
    assert "mbedtls" in commands_of(tree)
    shutil.rmtree(tree / "src" / "probes" / "mbedtls")
    words.write_text(words.read_text().replace("'mbedtls', ", ""))
    run(tree, "ninja", "-C", "build")
    assert "mbedtls" not in commands_of(tree)
    assert not (tree / "build" / "tests" / "peers" / "mbedtls_peer").is_file() or (
        "mbedtls_peer" not in run(tree, "ninja", "-C", "build", "-t", "targets", "all")
    )
    run(tree, "meson", "test", "-C", "build", "--no-rebuild", "--suite", "unit", "--suite", "abi")
    run(tree, sys.executable, "scripts/lint", "layers")


# ----------------------------------------------------------------------------- what texts say


def test_guide_shows_the_template():
    """Each piece of code that the guide quotes stands in the template, letter for letter."""
    sources = [path.read_text() for path in sorted(TEMPLATE.glob("*example*"))]
    quoted = re.findall(r"^```(?:c|python)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    assert len(quoted) >= 3
    for code in quoted:
        assert any(code in source for source in sources), f"not in tests/example:\n{code}"


def rows_of_index():
    """probe -> (command, versions, page) as the index of the pages has them."""
    rows = re.findall(r"^\| (.*) \|$", (PAGES / "README.md").read_text(), re.M)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return {row[0]: row[1:] for row in cells if row[0] not in ("probe", "---")}


def test_index_has_each_probe_that_was_tested():
    """A probe that new-probe has just made joins the table with the first version tested."""
    rows, probes = rows_of_index(), probes_of(ROOT)
    assert rows.keys() <= set(probes)
    for name in probes:
        page = (PAGES / f"{name}.md").read_text()
        assert name in rows or UNTESTED in page, f"{name} is not in doc/user/probes/README.md"
    for name, (command, versions, page) in rows.items():
        assert command == f"`ecapture {name}`"
        assert page == f"[{name}.md]({name}.md)"
        text = (PAGES / f"{name}.md").read_text()
        for version in re.findall(r"\d+(?:\.\d+)+", versions):
            assert version in text, f"{name}.md does not say that {version} was tested"
    assert UNTESTED in (TEMPLATE / "example.md").read_text()
