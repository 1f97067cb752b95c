# SPDX-License-Identifier: Apache-2.0
"""Lines typed into real programs on a terminal: each once, byte for byte, nothing else."""

import ctypes
import os
import shutil
import subprocess
from collections import Counter

import pytest

from lib import kernel, schema, wait
from lib.process import PYTHON, as_user
from lib.terminal import Terminal

CHUNK = 16384
BASH = ["/bin/bash", "--norc", "--noprofile", "-i"]
FIRST = b"echo the very first"
LINES = [
    b"echo second",
    "echo h\u00e9llo \u20ac \U0001f600".encode(),
    b"false",
    b"no-such-command-here --at-all",
    b"echo 'single' \"double\" \\$HOME `true` | cat # comment",
    b"   ",
    b"echo " + b"4" * (4096 - 5),
    b"echo " + b"f" * (CHUNK - 5),  # a chunk, exactly
]
# Of a compound command each line is typed by itself.
COMPOUND = [b"for i in 1 2", b"do echo $i", b"done"]
TOO_LONG = b": " + b"z" * 20480


@pytest.fixture
def terminal():
    """Start a program on a terminal of its own."""
    started = []

    def start(command, prompt, env=None):
        started.append(Terminal(command, prompt, env))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def bash(terminal, tmp_path):
    """Start a bash, by default a private copy that no other capture on this host has hooked."""

    def start(path=None, wrap=lambda command: command):
        copy = path or shutil.copy("/bin/bash", tmp_path / "bash")
        env = {"PS1": "ready> ", "PS2": "ready> ", "HISTFILE": "", "INPUTRC": "/dev/null"}
        return terminal(wrap([copy, *BASH[1:]]), b"ready> ", env)

    return start


def typed(capture, pid):
    return [schema.payload(event) for event in capture.commands if event["pid"] == pid]


def check(capture, pid, lines, fn="readline_internal_teardown"):
    """Exactly these lines of that process, in this order, and no loss."""
    capture.assert_no_loss(pid)
    assert typed(capture, pid) == list(lines)
    of_it = [event for event in capture.commands if event["pid"] == pid]
    assert {(event["lib"], event["fn"]) for event in of_it} <= {("bash", fn)}
    assert all(event["tid"] == pid for event in of_it)


def type_all(shell, lines):
    for line in lines:
        shell.enter(line)


def test_bash(ecapture, bash, rung):
    """The prompt that is open when capturing begins, and all after it; -p other: nothing."""
    shell, other = bash(), bash("/bin/bash")
    run = ecapture("-p", shell.pid, rung=rung, command="bash")
    shell.enter(FIRST)
    other.enter(b"echo of another")
    shell.enter(b"")
    type_all(shell, LINES + COMPOUND)
    assert shell.finish() == 0
    capture = run.finish()
    check(capture, shell.pid, [FIRST, *LINES, *COMPOUND])
    assert not typed(capture, other.pid)
    event = capture.commands[0]
    assert (event["comm"], event["uid"], event["ppid"]) == ("bash", 0, os.getpid())
    assert event["exe"].endswith("/bash")
    assert capture.stats[-1]["seen"]["commands"] == len(capture.commands)
    assert capture.stats[-1]["seen"]["processes"] == 1
    assert run.err.find(lambda line: f"seen: {len(capture.commands)} commands of 1 process" in line)


def test_line_that_is_too_long(ecapture, bash, rung):
    """One loss with its size, where the line would be; the lines around it are there."""
    shell = bash()
    run = ecapture("-p", shell.pid, rung=rung, command="bash")
    type_all(shell, [FIRST, TOO_LONG, LINES[0]])
    shell.finish()
    capture = run.finish()
    assert typed(capture, shell.pid) == [FIRST, LINES[0]]
    assert [
        (loss["pid"], loss["reason"], loss["bytes"], loss["calls"], loss["dir"], loss["conn"])
        for loss in capture.losses
    ] == [(shell.pid, "call_too_large", len(TOO_LONG), 1, None, None)]
    lost = capture.stats[-1]["lost"]["call_too_large"]
    assert lost == {"calls": 1, "bytes": len(TOO_LONG)}


def test_shell_that_starts_later(ecapture, bash, rung):
    """Its first line, too; by user, without -p. Not what its scripts and -c commands run."""
    uid = 200000 + os.getpid()
    run = ecapture("-u", uid, rung=rung, command="bash")
    shell = bash("/bin/bash", wrap=lambda command: as_user(uid, command))
    not_typed = [b"bash -c 'echo not typed'", b"echo 'echo piped' | bash"]
    lines = [FIRST, *not_typed, b"read -e x", b"given"]
    for line in lines:
        shell.write(line + b"\n")
        if not line.startswith(b"read"):
            shell.wait_prompt()
    shell.finish()
    check(run.finish(), shell.pid, lines)


def test_only_the_named_file(ecapture, bash, rung, tmp_path):
    """--bash PATH: a copy is hooked, /bin/bash is not."""
    shell, other = bash(), bash("/bin/bash")
    run = ecapture("--bash", tmp_path / "bash", rung=rung, command="bash")
    shell.enter(FIRST)
    other.enter(b"echo of another")
    shell.finish()
    capture = run.finish()
    check(capture, shell.pid, [FIRST])
    assert Counter(event["pid"] for event in capture.commands) == {shell.pid: 1}
    assert [target["path"] for target in capture.targets] == [str(tmp_path / "bash")]


# The two ways in which programs use libreadline: Python's input() feeds it character by character,
# most others call readline().
INPUT = "import readline\nwhile True: input('ready> ')"
CALL = """
import ctypes
library = ctypes.CDLL("libreadline.so.8")
library.readline.restype = ctypes.c_void_p
while library.readline(b"ready> "): pass
"""


@pytest.mark.parametrize("program", [INPUT, CALL], ids=["callback", "readline"])
def test_library(ecapture, terminal, rung, program, tmp_path):
    """A program that loads libreadline: comm and exe tell which it is."""
    try:
        ctypes.CDLL("libreadline.so.8")
    except OSError as why:
        pytest.skip(str(why))
    inputrc = tmp_path / "inputrc"  # 8-bit characters, whatever the locale is
    inputrc.write_text("set input-meta on\nset convert-meta off\n")
    actor = terminal([PYTHON, "-c", program], b"ready> ", {"INPUTRC": str(inputrc)})
    lines = [FIRST, b"select 1;", "\u00e4".encode(), b"x" * 4096]
    run = ecapture("-p", actor.pid, rung=rung, command="bash")
    type_all(actor, [b"", *lines])
    actor.finish()
    capture = run.finish()
    check(capture, actor.pid, lines)
    assert {event["comm"] for event in capture.commands} == {"python3"}
    assert capture.commands[0]["exe"] == os.path.realpath(PYTHON)


@pytest.mark.parametrize("command", ["tls", "openssl"])
def test_a_shell_is_no_tls_library(binary, command):
    """What a command does not cover is not recognised; the message names what it covers."""
    done = subprocess.run(
        [binary, command, "--libssl", BASH[0]], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=wait.seconds(30), check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"--libssl {BASH[0]}: does not define what is looked for" in done.stderr, done.stderr
    assert "readline" not in done.stderr, done.stderr


def test_dry_run(ecapture, bash, kernel_ids):
    """It names what it would hook, and hooks nothing."""
    shell = bash("/bin/bash")
    run = ecapture("-p", shell.pid, dry=True, command="bash")
    shell.enter(FIRST)
    assert not run.finish().commands
    assert run.err.find(lambda line: "/bash (bash)" in line), run.err.tail()
    kernel.assert_nothing_left(kernel_ids)


def test_nothing_was_typed(ecapture, bash):
    """The summary says what counts; a script has no prompt."""
    shell = bash()
    run = ecapture("-p", shell.pid, command="bash")
    subprocess.run([BASH[0], "-c", "echo script"], check=True, stdout=subprocess.DEVNULL)
    run.finish()
    assert run.err.find(lambda line: "nothing was seen" in line and "typed" in line)


def test_text(ecapture, bash, tmp_path):
    """One line for each, harmless at a terminal."""
    shell = bash()
    run = ecapture("-p", shell.pid, command="bash", outputs=[f"text={tmp_path}/text"])
    shell.enter("echo '\u202e' \\x".encode())
    shell.finish()
    run.stop()
    lines = (tmp_path / "text").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(f" bash[{shell.pid}] uid 0: echo '\\u{{202e}}' \\\\x"), lines


@pytest.mark.parametrize("option", ["--placement=public", "--errnumber=0"])
def test_option_that_makes_no_sense(binary, option):
    done = subprocess.run(
        [binary, "bash", option], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=wait.seconds(30), check=False,
    )
    assert done.returncode == 2 and option.split("=")[0] in done.stderr, done.stderr
