# SPDX-License-Identifier: Apache-2.0
"""The rules of scripts/lint that are ours: what they report and what they leave alone."""

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="lint", scope="module")
def load_lint():
    loader = importlib.machinery.SourceFileLoader("lint", str(ROOT / "scripts" / "lint"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(name="project")
def make_project(lint, tmp_path, monkeypatch):
    """A function that makes a project of the given files."""
    monkeypatch.setattr(lint, "ROOT", tmp_path)

    def project(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return lint.Project([Path(name) for name in sorted(files)], "build")

    return project


@pytest.mark.parametrize(
    "code, word",
    [
        ("sprintf(buf, fmt);", "sprintf"),
        ("if (!strcpy (a, b))", "strcpy"),
        ("n = atoi(s);", "atoi"),
        ("system(cmd);", "system"),
        ("x = (char *)alloca(n);", "alloca"),
        ("puts(strerror(r));", "strerror"),
        ("p = realloc(p, n);", "realloc"),
        ("b->data = (char *)realloc(b->data, n);", "realloc"),
        ("v[i] = reallocarray(v[i], n, 2);", "realloc"),
        ('sscanf(line, "%d %s", &n, word);', "scanf"),
        ('sscanf(line,\n\t"%[a-z]", word);', "scanf"),
        ("ecap_cleanup(ecap_buf_done) struct ecap_buf text;", "ecap_buf_done"),
        ("ecap_autofree char *line;", "ecap_autofree"),
    ],
)
def test_banned_call_is_reported(lint, project, code, word):
    found = list(lint.check_banned(project({"src/base/x.c": f"/* one\n two */\n{code}\n"})))
    assert len(found) == 1
    assert found[0].startswith("src/base/x.c:3: ")
    assert word in found[0]


@pytest.mark.parametrize(
    "code",
    [
        "snprintf(buf, sizeof(buf), fmt);",
        "vsnprintf(buf, n, fmt, ap);",
        "my_system(cmd);",
        "ops->system(cmd);",
        "/* never sprintf(x) */",
        "// strcpy(a, b)",
        'puts("system(1)");',
        "q = realloc(p, n);",
        'sscanf(line, "%15s %d", word, &n);',
        'sscanf(line, "%d", &n); puts("%s");',
        "int systems(void);",
        "ecap_cleanup(ecap_buf_done) struct ecap_buf text = { 0 };",
        "ecap_autoclose int fd = open(path, flags);",
        "ecap_strerror(r, buf, n);",
    ],
)
def test_other_code_passes(lint, project, code):
    assert not list(lint.check_banned(project({"src/base/x.c": code + "\n"})))


def test_only_the_wrapper_calls_strerror(lint, project):
    code = "puts(strerror(r));\n"
    assert not list(lint.check_banned(project({"src/base/log.c": code, "tests/peers/x.c": code})))


HASH = "#"
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


@pytest.mark.parametrize(
    "line, what",
    [
        (f"/* fixed in {HASH}12 */", "issue number"),
        (f"see ({HASH}345).", "issue number"),
        ("/* TO" + "DO: later */", "note to self"),
        ("/* FIX" + "ME */", "note to self"),
        ("/* XX" + "X */", "note to self"),
    ],
)
def test_unfinished_text_is_reported(lint, project, line, what):
    found = list(lint.check_text(project({"src/base/x.h": f"{SPDX}{line}\n"})))
    assert len(found) == 1
    assert found[0].startswith("src/base/x.h:2: ")
    assert what in found[0]


@pytest.mark.parametrize(
    "line",
    ["#define N 12", "&#39;", "[a](#1-first)", "mktemp x.XX" + "XXXX", '"%#12x"', "$#1", "a#1",
     f"{HASH}12 -> GET", f"{HASH}12 <- 200"],
)
def test_finished_text_passes(lint, project, line):
    assert not list(lint.check_text(project({"src/base/x.h": f"{SPDX}{line}\n"})))


def test_missing_licence_line_is_reported(lint, project):
    found = list(lint.check_text(project({"src/base/x.h": "#pragma once\n", "a.md": "text\n"})))
    assert found == ["src/base/x.h:1: no SPDX-License-Identifier"]


def test_long_files_and_lines_are_reported(lint, project):
    files = {
        "src/base/a.c": "\n" * (lint.MAX_FILE_LINES + 1),
        "src/base/b.c": "\t" + "x" * (lint.MAX_COLUMNS - 7) + "\n",
        "tests/e2e/c.py": "x" * lint.MAX_COLUMNS + "\n",
    }
    found = list(lint.check_files(project(files)))
    assert [line.split(":")[0] for line in found] == ["src/base/a.c", "src/base/b.c"]


def test_long_and_complex_functions_are_reported(lint, project):
    long_one = "int f(void)\n{\n" + "\tg();\n" * 80 + "\treturn 0;\n}\n"
    branches = "".join(f"\tif (x == {i})\n\t\tg({i});\n" for i in range(15))
    complex_one = "void h(int x)\n{\n" + branches + "}\n"
    found = list(lint.check_functions(project({"src/base/x.c": long_one + complex_one})))
    assert len(found) == 2
    assert "84 lines" in found[0]
    assert "complexity 16" in found[1]


def test_python_that_does_not_compile_is_reported(lint, project):
    assert len(list(lint.check_python(project({"tests/x.py": "def f(:\n"})))) == 1
    assert not list(lint.check_python(project({"tests/x.py": "def f(): pass\n"})))


def test_scripts_are_known_by_their_first_line(project):
    files = {"a": "#!/bin/bash\n", "b": "#!/usr/bin/env python3\n", "c": "text\n", "d.py": ""}
    made = project(files)
    assert made.shell == [Path("a")]
    assert made.python == [Path("b"), Path("d.py")]
