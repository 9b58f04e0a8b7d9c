# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What the tests of the scenario share: the entries that the application has, and patience."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PATH = "/shop"
SCENARIO = Path(os.environ.get("MOLECULE_SCENARIO_DIRECTORY", Path(__file__).parents[1]))


@pytest.fixture
def entries(http: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """The entries that the database has, of one writer or of all."""

    def ask(by: str = "") -> list[dict[str, Any]]:
        return [each for each in http(f"{PATH}/").json if by in ("", each["by"])]

    return ask


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    def wait(condition: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    return wait
