# SPDX-License-Identifier: Apache-2.0
"""NSS of several releases: are its two tables of functions where we say?

The account to compare with is readelf's of the relocations and llvm-objdump's of the code. That
the functions do what their place in the table says is shown by tests/e2e/test_nss.py.
"""

import random
import re
import shutil
import subprocess

import pytest

import disassembly
from builds import BORINGSSL, FIREFOX, NSS, OPENSSL, unavailable

(CONNECT, ACCEPT, BIND, LISTEN, SHUTDOWN, CLOSE, RECV, SEND, READ, WRITE, PEER, SOCK) = range(12)
SAME = {ACCEPT, BIND, LISTEN, PEER, SOCK}
ENOENT = 2

each_nss = pytest.mark.parametrize("build", NSS, ids=str)
each_copy = pytest.mark.parametrize(
    "build", [*NSS, FIREFOX], ids=[*map(str, NSS), "firefox-amd64"]
)


@pytest.fixture
def library(build, unpacked, tmp_path):
    """A copy: what is mapped privately shows the breakpoints of whoever hooks the file."""
    return shutil.copy(build.path(unpacked), tmp_path)


def relocated(path):
    """slot -> value of all relative relocations, as readelf has them."""
    text = subprocess.run(
        ["readelf", "-rW", path], capture_output=True, text=True, check=True
    ).stdout
    rows = re.findall(r"^([0-9a-f]{16})  \w+ R_\w+_RELATIV\w*\s+([0-9a-f]+)$", text, re.MULTILINE)
    return {int(slot, 16): int(value, 16) for slot, value in rows}


@each_nss
def test_tables_are_in_the_file(analyse, library):
    """Both tables stand in the file, with these functions one after the other, once."""
    found = analyse(library, "twins", "nss")
    assert found["error"] == 0 and found["recognised"]
    values = relocated(library)
    for table in (found["first"], found["second"]):
        places = [
            slot
            for slot, value in values.items()
            if value == table[0]
            and [values.get(slot + 8 * i, 0) for i in range(len(table))] == table
        ]
        assert len(places) == 1
    same = {i for i in range(12) if found["first"][i] == found["second"][i]}
    assert same == SAME


@each_copy
def test_functions_call_each_other(analyse, library):
    """ssl_SecureRead jumps to ssl_SecureRecv, ssl_SecureClose ends with ssl_DefClose."""
    if not disassembly.is_there():
        unavailable(f"{disassembly.OBJDUMP} is not installed")
    found = analyse(library, "twins", "nss")
    first, second = found["first"], found["second"]
    assert found["hooks"] == {
        "ssl_SecureRecv": first[RECV],
        "ssl_SecureSend": first[SEND],
        "ssl_SecureClose": first[CLOSE],
        "ssl_DefClose": second[CLOSE],
    }
    assert disassembly.targets_in(library, first[READ], 12) == [first[RECV]]
    assert disassembly.targets_in(library, first[WRITE], 12) == [first[SEND]]
    assert second[CLOSE] in disassembly.targets_in(library, first[CLOSE], 256)
    assert first[RECV] not in disassembly.targets_in(library, second[READ], 256)


@each_copy
def test_no_relocations(analyse, library):
    """The library is recognised, but nothing says where its tables are."""
    with open(library, "r+b") as file:
        data = file.read()
        for name in (".rela.dyn", ".relr.dyn"):
            start, size = section(library, name)
            data = data[:start] + bytes(size) + data[start + size :]
        file.seek(0)
        file.write(data)
    found = analyse(library, "twins", "nss")
    assert found["recognised"] and found["error"] != 0


def section(path, name):
    """Offset and size in the file; a section that is not there is empty."""
    text = subprocess.run(
        ["readelf", "-SW", path], capture_output=True, text=True, check=True
    ).stdout
    row = re.search(rf" {re.escape(name)} +\w+ +\w+ (\w+) (\w+) ", text)
    return (int(row[1], 16), int(row[2], 16)) if row else (0, 0)


@each_nss
def test_altered_code_is_refused(analyse, library, build):
    """ssl_SecureRead passes on something else than it got: then it may be anything."""
    read = analyse(library, "twins", "nss")["first"][READ]
    old, new = {
        "amd64": ("31c9", "89d6"),  # xor %ecx, %ecx: mov %edx, %esi
        "arm64": ("03008052", "e10302aa"),  # movz w3: mov x1, x2
    }[build.arch]
    with open(library, "r+b") as file:
        file.seek(read)  # offsets here are the same as addresses
        code = file.read(12)
        assert code.count(bytes.fromhex(old)) == 1
        file.seek(read)
        file.write(code.replace(bytes.fromhex(old), bytes.fromhex(new)))
    found = analyse(library, "twins", "nss")
    assert found["error"] == ENOENT and not any(found["hooks"].values())


@each_copy
def test_damaged_copies(analyse, library):
    """Bytes are wrong here and there, or the end is missing: an answer, whichever, and in time."""
    chance = random.Random(7)
    whole = open(library, "rb").read()
    for _ in range(15):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 20, 2000])):
            data[chance.randrange(64, len(data))] = chance.randrange(256)
        with open(library, "wb") as file:
            file.write(data[: chance.choice([len(data), chance.randrange(len(data))])])
        done = subprocess.run(
            [analyse.program, library, "twins", "nss"], capture_output=True, text=True, timeout=20
        )
        assert done.returncode in (0, 1), done.stderr


@pytest.mark.parametrize("build", [OPENSSL[1], BORINGSSL], ids=["openssl", "boringssl"])
def test_others_have_none(analyse, library):
    """Nothing in another library looks like it."""
    found = analyse(library, "twins", "nss")
    assert not found["recognised"] and found["error"] == ENOENT
