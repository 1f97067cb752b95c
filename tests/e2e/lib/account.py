# SPDX-License-Identifier: Apache-2.0
"""A program that writes what it was given, as JSON: to the file named by its argument."""

import json
import os
import resource
import sys
from pathlib import Path

# Who differs between two runs, not what was given.
OWN = {"Pid", "Tgid", "PPid", "NSpid", "NStgid", "NSpgid", "NSsid", "SigQ", "Threads"}
OWN |= {"Vm", "Rss", "Hugetlb", "voluntary", "nonvoluntary", "Cpus", "Mems"}
OWN |= {"Ngid", "State", "FDSize"}


def status():
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {key: value.strip() for key, value in pairs if not key.startswith(tuple(OWN))}


def descriptors():
    found = {}
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # that of the listing itself
    return {fd: to for fd, to in found.items() if not to.startswith("/proc/")}


RESULT = {
    "status": status(),
    "environment": dict(os.environ),
    "arguments": sys.argv[2:],
    "directory": os.getcwd(),
    "nice": os.nice(0),
    "umask": os.umask(0),
    "group": os.getpgrp() == os.getpid(),
    "limits": {
        name: resource.getrlimit(getattr(resource, name))
        for name in dir(resource)
        if name.startswith("RLIMIT_")
    },
    "descriptors": descriptors(),
}
Path(sys.argv[1]).write_text(json.dumps(RESULT))
