# SPDX-License-Identifier: Apache-2.0
"""The program as a file."""

import subprocess

from harness.lab import Skip
from harness.proc import MIB
from harness.report import Goal, Result

GOAL_DYNAMIC, GOAL_STATIC = 2, 12  # MiB


def stripped(lab, path):
    with lab.folder() as folder:
        subprocess.run(["strip", "-o", folder / "stripped", path], check=True)
        return (folder / "stripped").stat().st_size / MIB


def measure(lab):
    if not lab.static.is_file():
        raise Skip(f"{lab.static} is missing: make static")
    dynamic, static = stripped(lab, lab.binary), stripped(lab, lab.static)
    debug = lab.binary.stat().st_size / MIB
    return Result(
        ["program", "MiB"],
        [
            ["dynamic, stripped", f"{dynamic:.2f}"],
            ["dynamic, as built", f"{debug:.2f}"],
            ["static, stripped", f"{static:.2f}"],
        ],
        goals=[
            Goal("MiB, dynamic", [dynamic], "<=", GOAL_DYNAMIC),
            Goal("MiB, static", [static], "<=", GOAL_STATIC),
        ],
    )
