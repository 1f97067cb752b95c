# SPDX-License-Identifier: Apache-2.0
"""Negative controls: a check that can not fail proves nothing."""

import pytest


def assert_would_fail(check, *args):
    """The same check, on a capture that must not have these bytes, finds that they are missing."""
    with pytest.raises(AssertionError):
        check(*args)
