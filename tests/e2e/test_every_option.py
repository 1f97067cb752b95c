# SPDX-License-Identifier: Apache-2.0
"""Every option that --help lists is used by a test or by an example of a page, with its value.

Which options there are comes from the program, which are used from the syntax trees of the tests
and from the commands of the pages, so neither list is kept by hand. That an option is used does not
say that it is tested well; that it is not says that it is not tested.
"""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from lib import examples, wait

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]

# An option that no test can give a value, and why.
EXCEPTIONS = {}


def text_of(binary, *args):
    done = subprocess.run(
        [binary, *args], capture_output=True, text=True, timeout=wait.seconds(30), check=False
    )
    assert done.returncode == 0, f"{args}: {done.stderr}"
    return done.stdout


def commands(binary):
    """What `ecapture help` lists: indented lines below headings that are not of options."""
    listed = text_of(binary, "help").partition("What to capture:")[0]
    return re.findall(r"^  (\w+) ", listed, re.MULTILINE)


def options_of(text):
    """{long option: (short one or None, whether it has a value)} of a --help."""
    rows = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S.*?))?(?:  |$)", text, re.MULTILINE)
    return {name: (short or None, bool(value)) for short, name, value in rows}


def aliases(binary):
    """Every option of every command."""
    found = {}
    for command in commands(binary):
        for name, option in options_of(text_of(binary, "help", command)).items():
            found.setdefault(name, option)
    return found


def words_of(node):
    """Constant text of a syntax node; of an f-string, what it begins with."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def uses_in(tree):
    """(option, whether something follows that may be its value) for each word that is one."""
    for node in ast.walk(tree):
        row = getattr(node, "args", None) if isinstance(node, ast.Call) else None
        row = getattr(node, "elts", row)
        for i, word in enumerate(row) if isinstance(row, list) else ():
            text = words_of(word) or ""
            if text.startswith("-"):
                name, equals, _ = text.partition("=")
                yield name, bool(equals) or i + 1 < len(row)
            elif " -" in text:  # a command line in one piece
                yield from uses_of(text)


def uses_of(command):
    """The same for a command line."""
    words = shlex.split(command, comments=True) if command.count("'") % 2 == 0 else command.split()
    for i, word in enumerate(words):
        if word.startswith("-"):
            name, equals, _ = word.partition("=")
            yield name, bool(equals) or i + 1 < len(words)


def uses():
    """All of them, of the tests and of the pages."""
    found = {}
    for path in sorted(HERE.parent.rglob("*.py")):
        if path != HERE:
            for name, has_value in uses_in(ast.parse(path.read_text())):
                found[name] = found.get(name, False) or has_value
    for page in [ROOT / "README.md", *(ROOT / "doc/user").rglob("*.md")]:
        for block in examples.blocks_of(page.read_text()):
            for step in block.steps:
                if re.search(r"\becapture\b", step.command):
                    for name, has_value in uses_of(step.command):
                        found[name] = found.get(name, False) or has_value
    return found


def test_every_option_is_used(binary):
    options = aliases(binary)
    assert {"pid", "output", "hex"} <= options.keys(), options
    used, unused = uses(), []
    for name, (short, needs_value) in options.items():
        spellings = [f"--{name}", *([f"-{short}"] if short else [])]
        if not any(s in used and (used[s] or not needs_value) for s in spellings):
            unused.append(name)
    assert set(unused) == EXCEPTIONS.keys(), f"not used in any test: {sorted(unused)}"


def test_every_option_is_in_the_manual(binary):
    manual = text_of(binary, "man")
    for name in aliases(binary):
        assert re.search(rf"^\.It (Fl \w , )?Fl \\-{name}\b", manual, re.MULTILINE), name


@pytest.mark.parametrize("command", ["schema", "man", "version", "help"])
def test_help_of_commands_that_only_print(binary, command):
    assert text_of(binary, command, "--help") == text_of(binary, "help", command)


def test_the_manual_page_has_no_fault(binary, tmp_path):
    """mandoc has nothing to say of it but which other pages this machine has not."""
    page = tmp_path / "ecapture.8"
    page.write_text(text_of(binary, "man"))
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "style", page], capture_output=True, text=True, check=False
    )
    told = done.stdout.splitlines()
    faults = [line for line in told if "referenced manual not found" not in line]
    assert not faults, "\n".join(faults)
    shown = subprocess.run(["mandoc", page], capture_output=True, text=True, check=True).stdout
    assert "SYNOPSIS" in re.sub(".\b", "", shown)
