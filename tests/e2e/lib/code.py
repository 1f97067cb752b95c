# SPDX-License-Identifier: Apache-2.0
"""What hooks leave in a process: breakpoints in the code that it executes."""

import subprocess

from lib.peer import library_of


def offset_of(library, name):
    """Where in the file a function begins: the address is the offset in the code of Debian's."""
    out = subprocess.run(
        ["nm", "--dynamic", "--defined-only", library], check=True, capture_output=True, text=True
    ).stdout
    return next(int(line.split()[0], 16) for line in out.splitlines() if f" {name}@" in line)


def code_at(pid, library, offset, count=1):
    """The bytes of a mapped file as the process executes them."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        rows = [line.split() for line in maps if line.rstrip().endswith(str(library))]
    for addresses, mode, start, *_ in rows:
        first, last = (int(part, 16) for part in addresses.split("-"))
        where = first + offset - int(start, 16)
        if "x" in mode and first <= where < last:
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                memory.seek(where)
                return memory.read(count)
    raise AssertionError(f"{library} is not mapped by {pid}")


def code_mapping(pid, library):
    """Where the executable mapping of a file begins and ends, and its offset in the file."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        rows = [line.split() for line in maps if line.rstrip().endswith(str(library))]
    [(addresses, start)] = [(row[0], row[2]) for row in rows if "x" in row[1]]
    return (*(int(part, 16) for part in addresses.split("-")), int(start, 16))


def hooked_inside(pid, library):
    """What the file has where the process has breakpoints, but no exported function begins."""
    out = subprocess.run(
        ["nm", "--dynamic", "--defined-only", library], check=True, capture_output=True, text=True
    ).stdout
    exported = {int(line.split()[0], 16) for line in out.splitlines()}
    first, last, start = code_mapping(pid, library)
    with open(library, "rb") as file:
        file.seek(start)
        there = file.read(last - first)
    here = code_at(pid, library, start, len(there))
    changed = [i for i, (a, b) in enumerate(zip(there, here)) if a != b]
    return [there[i : i + 8] for i in changed if start + i not in exported]


def is_hooked(pid, function="SSL_write"):
    """Whether the process has a breakpoint where the file has the beginning of the function."""
    library = library_of(pid)
    offset = offset_of(library, function)
    with open(library, "rb") as file:
        file.seek(offset)
        return file.read(1) != code_at(pid, library, offset)
