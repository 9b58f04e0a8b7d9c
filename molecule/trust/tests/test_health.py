# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What a health check detects: workers that are killed for want of memory behind one that answers,
and the host name that an application requires.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import APPS


@pytest.fixture(scope="module")
def release(deploy: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Deploy an application of this scenario; it is removed at the end."""
    names = set()

    def run(name: str, **keys: Any) -> Any:
        names.add(name)
        entry = {
            "name": name,
            "source": name,
            "path": f"/{name}",
            "path_mode": "script_name",
            "drain_seconds": 0,
            "static": [],
            **keys,
        }
        return deploy(entry, flask_apps_source_root=str(APPS))

    yield run
    deploy(*({"name": name, "state": "absent"} for name in names)).ok()


STARVED = {"engine": "gunicorn", "gunicorn": {"workers": 8}, "resources": {"memory": "256m"}}


def test_a_release_whose_workers_need_too_much_memory_does_not_serve(release, http):
    run = release("starved", **STARVED).failed()
    output = " ".join(run.output.split())
    assert "because they need more than resources.memory (256m)" in output
    assert "write a larger resources.memory, or fewer processes in gunicorn.workers" in output
    assert http("/starved/").status == 404
    release("starved", **{**STARVED, "gunicorn": {"workers": 2}}).ok()
    assert http("/starved/").body == "1\n"


@pytest.mark.long
def test_the_status_shows_one_whose_workers_are_killed_later(release, play):
    release("starved", **STARVED, env={"LATE": "12"}).ok()
    for _ in range(15):
        time.sleep(1)
        run = play("status").ok()
        if "processes killed for lack of memory" in run.output:
            return
    pytest.fail(run.output)


def test_an_application_that_only_answers_to_its_own_host_name(release, http, play):
    run = release("named", health={"deadline_seconds": 12}).failed()
    assert (
        "Host: localhost was sent." in run.output
        and "write one of them as health.host" in run.output
    )
    release("named", health={"host": "shop.example.org"}).ok()
    assert http("/named/", headers={"Host": "shop.example.org"}).body == "well\n"
    assert "ok (200)" in next(
        line for line in play("status").ok().output.splitlines() if " named " in line
    )
