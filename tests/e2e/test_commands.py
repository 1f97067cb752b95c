# SPDX-License-Identifier: Apache-2.0
"""Commands: which there are, what each covers, what help and the manual page say of them."""

import re
import signal
import subprocess

import pytest

from lib import wait

USAGE = 2
HEADINGS = ["TLS connections", "Shells", "Other commands"]


def ecapture(binary, *args):
    return subprocess.run(
        [binary, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=wait.seconds(30),
        check=False,
    )


def commands(binary):
    """What `ecapture help` lists, by heading."""
    found, heading = {}, None
    for line in ecapture(binary, "help").stdout.splitlines():
        if line.rstrip(":") in HEADINGS:
            heading = found.setdefault(line.rstrip(":"), [])
        elif heading is not None and line.startswith("  "):
            heading.append(line.split()[0])
        else:
            heading = None
    return found


def test_help_and_manual_know_every_command(binary):
    found = commands(binary)
    assert found["TLS connections"][0] == "tls"
    assert "openssl" in found["TLS connections"]
    manual = ecapture(binary, "man").stdout
    for heading, names in found.items():
        for name in names:
            assert re.search(rf"^\.It Cm {name}\b", manual, re.MULTILINE), name
            told = ecapture(binary, "help", name)
            assert told.returncode == 0, told.stderr
            assert told.stdout.startswith(f"Usage: ecapture {name}"), told.stdout
            if heading != "Other commands":
                assert ecapture(binary, name, "--help").stdout == told.stdout


@pytest.mark.parametrize("args", [["--"], ["tls", "--"], ["bash", "-d", "--"]], ids=" ".join)
def test_no_command_after_dashes(binary, args):
    """`-- $COMMAND` with an empty variable must not capture everybody."""
    done = ecapture(binary, *args)
    assert done.returncode == USAGE and not done.stdout
    assert "which command?" in done.stderr, done.stderr


@pytest.mark.parametrize("args", [["opensl"], ["help", "opensl"]], ids=" ".join)
def test_nearest_command(binary, args):
    done = ecapture(binary, *args)
    assert done.returncode == USAGE and not done.stdout
    assert "did you mean openssl?" in done.stderr, done.stderr


@pytest.mark.parametrize("option", ["libssl", "gnutls", "nspr", "bash", "readlineso"])
def test_every_name_of_the_file_option(binary, option):
    """The same, whatever it is called; help lists one name."""
    done = ecapture(binary, "openssl", f"--{option}", "/bin/true")
    assert done.returncode == 1 and "/bin/true: does not define" in done.stderr, done.stderr
    listed = re.findall(r"^ +--(\w+) PATH", ecapture(binary, "openssl", "--help").stdout, re.M)
    assert listed == ["libssl"]


def test_version_tells_what_is_built_in(binary):
    done = ecapture(binary, "--version")
    assert done.returncode == 0 and done.stdout == ecapture(binary, "version").stdout
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines()[1:])
    assert re.match(r"ecapture \d", done.stdout)
    named = [n for h in HEADINGS[:2] for n in commands(binary)[h] if n != "tls"]
    assert sorted(told["probes"].split()) == sorted(named)
    assert "text" in told["outputs"].split()
    assert "gzip" in told["protocols"] and "libbpf" in told["build"]


@pytest.mark.parametrize(
    "args, error",
    [
        (["-b", "3"], "none of 0, 1 and 2"),
        (["-b", ""], "none of 0, 1 and 2"),
        (["-m", "keylog"], "keylog has not come yet"),
        (["-m", "all"], "none of text"),
    ],
    ids=lambda a: " ".join(a) if isinstance(a, list) else None,
)
def test_unknown_modes(binary, args, error):
    done = ecapture(binary, "tls", *args)
    assert done.returncode == USAGE and error in done.stderr, done.stderr


def without_btf(binary, mode):
    """ecapture where the kernel's type information is out of sight."""
    script = "mount -t tmpfs none /sys/kernel/btf && mount -t tmpfs none /boot && exec \"$@\""
    command = [binary, "tls", "--dry-run", "-m", "Text", "-b", mode]
    return subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, "sh", *command],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_btf_is_needed_only_if_asked_for(binary):
    with without_btf(binary, "1") as run:
        error = run.communicate(timeout=wait.seconds(30))[1]
        assert run.returncode == 1 and "BTF" in error, error
    for mode in ("0", "2"):
        with without_btf(binary, mode) as run:
            wait.until(lambda run=run: "capturing" in run.stderr.readline(), 30, "the start line")
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=wait.seconds(30)) == 0
