# SPDX-License-Identifier: Apache-2.0
"""What /proc says about processes and this machine."""

import json
import os
import platform
import re
import ssl
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB


def cpu_ns(*pids):
    """CPU time that the living threads of these processes have had."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def status_bytes(pid, field):
    """A size from /proc/PID/status, e.g. VmHWM."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found[1]) * KIB


def ring_bytes(pid):
    """What of a process's resident memory is the mapped ring, whose pages the kernel has anyway.

    libbpf maps the data area twice in a row, so that no record is cut: it counts twice, too.
    """
    total, is_ring = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_ring = "bpf" in line
        elif is_ring and line.startswith("Rss:"):
            total += int(line.split()[1]) * KIB
    return total


def library(pid, prefix="libssl"):
    """The file of a library that a process has mapped."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        path = line.split()[-1]
        if Path(path).name.startswith(prefix):
            return Path(path)
    raise LookupError(f"process {pid} has no {prefix}")


def machine(build):
    """The machine and the build, in words."""
    cpu = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    options = json.loads((build / "meson-info" / "intro-buildoptions.json").read_text())
    kind = next(option["value"] for option in options if option["name"] == "buildtype")
    return (
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}, {ssl.OPENSSL_VERSION}, {kind} build"
    )
