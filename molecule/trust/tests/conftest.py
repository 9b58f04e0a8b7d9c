# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What an attacker has: a program in a container, a user on the host, a connection to Nginx."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(os.environ.get("MOLECULE_PROJECT_DIRECTORY", Path(__file__).parents[3]))
APPS = PROJECT / "molecule/trust/apps"
ENTRIES = {
    entry["name"]: entry
    for entry in yaml.safe_load((APPS.parent / "vars/apps.yml").read_text())["flask_apps"]
}


@pytest.fixture
def inside(http: Callable[..., Any]) -> Callable[[str], str]:
    """Run a program of the attacker in the container of the application intruder; return what it
    printed.
    """

    def run(program: str) -> str:
        answer = http("/intruder/run", method="POST", body=program)
        assert answer.status == 200, answer
        return str(answer.body)

    return run


@pytest.fixture
def mallory(host: Any) -> Callable[[str], Any]:
    """Run a shell command as another local user of the host."""

    def run(command: str) -> Any:
        return host.run("setpriv --reuid 2001 --regid 2001 --clear-groups -- sh -c %s", command)

    return run


@pytest.fixture
def redeploy(deploy: Callable[..., Any]) -> Callable[..., Any]:
    """Deploy entries of the scenario, each with a change that leads to a new release."""

    def run(*names: str, **variables: Any) -> Any:
        entries = [{**ENTRIES[name], "env": {"CHANGE": os.urandom(4).hex()}} for name in names]
        return deploy(*entries, flask_apps_source_root=str(APPS), **variables)

    return run
