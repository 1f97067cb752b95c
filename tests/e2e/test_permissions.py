# SPDX-License-Identifier: Apache-2.0
"""What doc/user/permissions.md says is so, and its commands work as they stand there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lib.capture import assert_same
from lib.control import assert_would_fail
from lib.process import NOBODY, as_nobody

PAGE = Path(__file__).resolve().parents[2] / "doc" / "user" / "permissions.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GROUP = 4  # adm, on Debian and its like


def examples():
    """The page's blocks of commands: all capabilities, none, two."""
    return [re.sub(r"^\$ ", "", b, flags=re.MULTILINE) for b in BLOCK.findall(PAGE.read_text())]


@pytest.fixture
def build(binary, public_dir):
    """A folder in which the page's commands find the program."""
    (public_dir / "build").mkdir()
    shutil.copy(binary, public_dir / "build")
    yield public_dir
    shutil.rmtree(public_dir / "build")


def run_example(number, folder):
    """Run the commands of a block as root, in this folder; their user would be in group adm."""
    commands = examples()[number]
    assert all(line.startswith("sudo ") for line in commands.splitlines())
    subprocess.run(["sh", "-ec", commands.replace("sudo ", "")], cwd=folder, check=True)


# Not by setpriv, which may still have root's capabilities when it starts the program.
STRANGER = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
MEMBER = {"user": NOBODY, "group": NOBODY, "extra_groups": [GROUP]}


@pytest.fixture
def start(ecapture, build):
    """Run the file that has capabilities as somebody who has none."""

    def run_as(*args, whom=MEMBER, **options):
        file = str(build / "build" / "ecapture")
        wrap = {"wrap": lambda command: [file, *command[1:]]}
        run = ecapture(*args, outputs=["json"], **wrap, **whom, **options)
        run.json = run.stdout
        return run

    return run_as


def test_setcap(start, build, peer):
    """With the page's line a member of the group captures root's program, and others nothing."""
    actor = peer("every")
    run_example(0, build)
    with pytest.raises(PermissionError):
        subprocess.run([build / "build" / "ecapture", "version"], check=False, **STRANGER)
    run = start("-p", actor.pid)
    assert not run.err.find(lambda line: "missing" in line)
    report = actor.play()
    assert_same(run.finish(), report)
    run_example(1, build)
    run = start("-p", os.getpid(), wait=False)
    assert run.wait_end() == 1
    assert "without CAP_BPF and CAP_PERFMON" in run.err.tail()


def test_setcap_two(start, build, peer, private):
    """Two show what another user's program says through the system's library, not its own one."""
    system, own = peer("every"), private("every")
    run_example(2, build)
    run = start("-p", f"{system.pid},{own.pid}", whom=MEMBER)
    assert run.err.find(lambda line: "CAP_SYS_PTRACE is missing" in line)
    reports = [actor.play() for actor in (system, own)]
    capture = run.finish()
    assert_same(capture, reports[0])
    assert_would_fail(assert_same, capture, reports[1])


def test_error_names_the_same_command(binary, public_binary):
    """What the error advises is the page's line."""
    done = subprocess.run(
        as_nobody([public_binary]), capture_output=True, text=True, check=False, timeout=60
    )
    (advice,) = re.findall(r"`(sudo setcap \S+) ", done.stderr)
    assert advice in examples()[0]


def test_manual_page_has_the_same_words(binary):
    """Each row of the table is the manual page's, which the program makes from what it uses."""
    page = subprocess.run([binary, "man"], check=True, capture_output=True, text=True).stdout
    section = page.split(".Sh PRIVILEGES\n")[1].split(".El\n")[0].replace("\\-", "-")
    items = [" ".join(item.split()) for item in section.split(".It Dv ")[1:]]  # lines are folded
    entries = [re.fullmatch(r"(CAP_\w+) (.*)\. Without it (.*)\.", i).groups() for i in items]
    rows = re.findall(r"^\| `(CAP_\w+)` \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == 8
    assert rows == [(name, what[0].lower() + what[1:], lost) for name, what, lost in entries]
