# SPDX-License-Identifier: Apache-2.0
"""Commands: which there are, what each covers, what help and the manual page say of them."""

import re
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
