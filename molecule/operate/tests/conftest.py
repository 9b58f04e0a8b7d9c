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
import yaml

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


@pytest.fixture
def here(host: Any) -> list[str]:
    """The arguments of ansible-playbook for this host alone."""
    return ["--limit", host.backend.host]


@pytest.fixture
def redeploy(play: Callable[..., Any], here: list[str]) -> Callable[..., Any]:
    """Deploy the applications on this host, with other keys of one of them."""

    def run(app: str = "shop", **keys: Any) -> Any:
        listed = yaml.safe_load((SCENARIO / "vars/apps.yml").read_text())
        entries = [
            {**each, **(keys if each["name"] == app else {})} for each in listed["flask_apps"]
        ]
        defaults = listed["flask_apps_defaults"]
        return play("deploy", entries, arguments=here, flask_apps_defaults=defaults)

    return run
