# SPDX-License-Identifier: Apache-2.0
"""Where a function lies in a file, as readelf has it, and what a process has of that file."""

import re
import subprocess

from lib import wait

LOAD = re.compile(r"^ +LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) ", re.MULTILINE)

PLACE = re.compile(r"(\w+)-(\w+) \S+ (\w+) ")


def file_offset(path, symbol):
    """The offset in the file of an exported function."""
    text = subprocess.run(
        ["readelf", "-W", "--segments", "--dyn-syms", path],
        check=True, stdout=subprocess.PIPE, text=True, timeout=wait.seconds(30),
    ).stdout  # fmt: skip
    found = re.search(rf"^ *\d+: (\w+) .* FUNC .* {symbol}(@|$)", text, re.MULTILINE)
    address = int(found[1], 16)
    for offset, start, size in (map(lambda n: int(n, 16), load) for load in LOAD.findall(text)):
        if start <= address < start + size:
            return address - start + offset
    raise AssertionError(f"{symbol} is not in {path}")


def changed_bytes(pid, path):
    """How many bytes of a file's code are not in the process as they are in the file: uprobes."""
    changed = 0
    data = path.read_bytes()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            if " r-xp " not in line or not line.endswith(f" {path}\n"):
                continue
            start, end, offset = (int(n, 16) for n in PLACE.match(line).groups())
            memory.seek(start)
            code = memory.read(min(end - start, len(data) - offset))
            changed += sum(here != there for here, there in zip(code, data[offset:]))
    return changed


def assert_unchanged(pid, path):
    """None of a file's code is changed in the process within five seconds."""
    wait.until(lambda: not changed_bytes(pid, path), 5, f"{path} is without a uprobe")
