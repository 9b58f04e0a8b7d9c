# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""A hook of pytest for the unit tests and the scenarios: cases that run with `bin/test --all`."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the long cases without FLASKOPS_TEST_ALL; they count neither as passed nor as
    skipped.
    """
    if not os.environ.get("FLASKOPS_TEST_ALL"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
