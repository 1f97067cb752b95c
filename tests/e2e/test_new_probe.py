# SPDX-License-Identifier: Apache-2.0
"""What `make new-probe` makes, in a program that has the template as a probe: its own tests."""

import sys

import pytest

from conftest import ROOT, program

sys.path.append(str(ROOT / "tests" / "example"))
pytest.register_assert_rewrite("test_example")

from test_example import *  # noqa: E402, F403


@pytest.fixture(scope="session")
def binary():
    return program("ECAPTURE_EXAMPLE", "build/tests/example/ecapture")
