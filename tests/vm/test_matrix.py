# SPDX-License-Identifier: Apache-2.0
"""scripts/vmtest: its verdicts are right, also where things must go wrong."""

import json
import os
import subprocess

import pytest

import vmreport
from conftest import KERNELS, ROOT, SCRIPTS, UNAVAILABLE, built
from kernels import KERNELS as TABLE
from kernels import RUNGS
from vmreport import Cell

BROKEN = "broken/broken"


def loaded(kernel, instructions, case="calls/call_return perf"):
    return Cell(kernel, "load", case, "PASS", instructions=instructions)


@pytest.mark.parametrize("now, grew", [(1100, False), (1101, True), (900, False), (5000, True)])
def test_growth_over_a_tenth_is_reported(now, grew, tmp_path):
    kept = tmp_path / "kept"
    vmreport.write_kept([loaded("6.1", 1000)], kept)
    lines = vmreport.growth([loaded("6.1", now)], vmreport.read_kept(kept))
    assert bool(lines) == grew
    if grew:
        assert "calls/call_return perf" in lines[0] and f"{now} verified" in lines[0]


def test_what_was_not_kept_can_not_grow(tmp_path):
    assert not vmreport.growth([loaded("6.1", 1000)], vmreport.read_kept(tmp_path / "kept"))


def test_numbers_of_other_kernels_are_kept(tmp_path):
    kept = tmp_path / "kept"
    vmreport.write_kept([loaded("6.1", 1), loaded("6.12", 2)], kept)
    vmreport.write_kept([loaded("6.12", 3)], kept)
    case = "calls/call_return perf"
    assert vmreport.read_kept(kept) == {("6.1", case): 1, ("6.12", case): 3}


def test_each_program_of_each_kernel_is_kept():
    """A row in the table of kernels, or a new program, needs a run with KEEP=1."""
    kept = vmreport.read_kept()
    assert {kernel for kernel, _ in kept} == set(TABLE)
    for kernel, row in TABLE.items():
        assert (kernel, f"calls/call_entry {row.rungs[0]}") in kept


FEATURES = [
    ("5.10", "call_entry", "perf", "0", "PASS"),
    ("5.10", "call_entry", "perf", "22", "FAIL"),
    ("5.10", "call_entry", "perf-cookie", "22", "SKIP"),
    ("5.10", "call_entry", "perf-cookie", "0", "FAIL"),
    ("5.10", "call_return_looped", "perf", "22", "SKIP"),
    ("6.1", "call_return_looped", "perf", "22", "FAIL"),
    ("6.1", "call_entry", "multi", "0", None),
    ("5.10", "trial_plain", "perf-cookie", "0", "PASS"),
]


@pytest.mark.parametrize("kernel, program, way, result, verdict", FEATURES)
def test_what_a_kernel_is_said_to_lack_is_a_claim(kernel, program, way, result, verdict):
    fields = ("/t/bpf/x.bpf.o", program, way, result, "7", "why")
    cell = vmreport.cell_of_load(kernel, TABLE[kernel], "load", fields)
    assert (cell and cell.verdict) == verdict


def test_table_has_a_reason_for_all_that_did_not_pass():
    cells = [
        Cell("a", "load", "one", "PASS"), Cell("b", "load", "one", "FAIL", reason="broke"),
        Cell("a", "e2e", "two", "HUNG", reason="stood"),
    ]  # fmt: skip
    lines = vmreport.table(cells, ["a", "b"])
    assert lines[1].split() == ["load", "one", "PASS", "FAIL"]
    assert lines[2].split() == ["e2e", "two", "HUNG", "-"]
    assert [line.split(": ")[-1] for line in lines[4:]] == ["broke", "stood"]


def test_page_says_what_does_not_work():
    cells = [Cell("5.10", "e2e", "a01", "PASS"), Cell("7", "e2e", "a01", "HUNG", reason="stood")]
    result = {"date": "2026-01-02", "releases": {"5.10": "5.10.0-1"},
              "cells": vmreport.as_data(cells)}  # fmt: skip
    text = vmreport.page(result, TABLE)
    assert "2026-01-02" in text and "5.10.0-1" in text
    assert "`a01` did not end: stood" in text
    assert "1 MiB" in text  # a limit of 5.10
    assert "not tried" in text


def test_rungs_are_those_of_the_program():
    """In the same order: the first one is what is used."""
    source = (ROOT / "src/engine/trial.c").read_text()
    assert [f'"{rung}"' in source for rung in RUNGS] == [True] * 3
    assert all(kernel.rungs == RUNGS[-len(kernel.rungs):] for kernel in TABLE.values())


# ------------------------------------------------------------------------------ with a machine


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What became of suites on the first kernel: {(suite, case): verdict} and the exit status."""

    def run(*args):
        out = tmp_path_factory.mktemp("vmtest")
        done = subprocess.run(
            [SCRIPTS / "vmtest", "--no-build", "--out", out, "--kernel", KERNELS[0],
             *map(str, args)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "CI": ""},
        )  # fmt: skip
        if done.returncode == UNAVAILABLE:
            pytest.skip(done.stdout.strip().splitlines()[-1])
        cells = json.loads((out / "results.json").read_text())["cells"]
        return {(c["suite"], c["case"]): c["verdict"] for c in cells}, done

    return run


def test_object_that_must_not_load_fails_one_cell(results):
    broken = built("ECAPTURE_CANARY_DIR", "build/tests/vm") / "broken.bpf.o"
    cells, done = results("--suite", "programs", "--object", broken)
    bad = [case for (_, case), verdict in cells.items() if verdict not in ("PASS", "SKIP")]
    assert bad == [BROKEN], done.stdout
    assert cells["programs", "calls/call_entry perf"] == "PASS"
    assert done.returncode == 1
    assert "invalid mem access" in done.stdout


def test_machine_that_stands_still_is_ended(results):
    """It is reported where it stood still; the suites after it get another machine."""
    cells, done = results("--suite", "stuck,hang", "--deadline", 20)
    assert cells == {
        ("stuck", "passes"): "PASS", ("stuck", "stuck"): "HUNG",
        ("hang", "passes"): "PASS", ("hang", "hangs"): "HUNG",
    }, done.stdout  # fmt: skip
    assert done.returncode == 1
