# SPDX-License-Identifier: Apache-2.0
"""pytest plugin for machines: tells the host of each test when it begins and what came of it.

A line goes out at once: if the machine hangs or dies, the host knows where.
"""

import os

import pytest

RUNGS = os.environ["ECAPTURE_RUNGS"].split(",")
CONSOLE = os.dup(1)  # before pytest keeps what tests print
MAX_REASON = 200


def tell(*fields):
    os.write(CONSOLE, ("\n@@" + "\t".join(map(str, fields)) + "\n").encode())


def name_of(nodeid):
    return nodeid.rpartition("::")[2].removeprefix("test_")


def pytest_collection_modifyitems(items):
    """Leave out what is about a way to attach that this kernel is not said to have."""
    for item in list(items):
        rung = getattr(item, "callspec", None) and item.callspec.params.get("rung")
        if rung and rung not in RUNGS:
            items.remove(item)


def reason_of(report):
    if report.skipped:
        return report.longrepr[2].removeprefix("Skipped: ")
    lines = [line[1:].strip() for line in report.longreprtext.splitlines() if line[:1] == "E"]
    return lines[0] if lines else report.longreprtext.strip().splitlines()[-1]


class Cells:
    """The phases of a test make one cell."""

    def __init__(self):
        self.verdict, self.reason, self.seconds = "PASS", "", 0.0

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid):
        self.__init__()
        tell("start", name_of(nodeid))

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report):
        self.seconds += report.duration
        if self.verdict == "PASS" and not report.passed:
            self.verdict = "SKIP" if report.skipped else "FAIL"
            self.reason = reason_of(report).replace("\t", " ")[:MAX_REASON]
        if report.when == "teardown":
            tell("cell", name_of(report.nodeid), self.verdict, f"{self.seconds:.1f}", self.reason)


def pytest_configure(config):
    config.pluginmanager.register(Cells())
