# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What a health check detects: workers that are killed for want of memory behind one that answers,
the host name that an application requires, and a page that does not exist. They are refused
together, and then corrected together; the host is destroyed with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import APPS

APPS_PATH = "/var/lib/flaskops/apps"
STARVED = {"engine": "gunicorn", "gunicorn": {"workers": 8}, "resources": {"memory": "256m"}}


def entry(name: str, **keys: Any) -> dict[str, Any]:
    return {
        "name": name,
        "source": name,
        "path": f"/{name}",
        "path_mode": "script_name",
        "drain_seconds": 0,
        "static": [],
        **keys,
    }


@pytest.fixture(scope="module")
def release(deploy: Callable[..., Any]) -> Callable[..., Any]:
    """Deploy applications of this scenario."""

    def run(*entries: dict[str, Any]) -> Any:
        return deploy(*entries, flask_apps_source_root=str(APPS))

    return run


@pytest.fixture(scope="module")
def refused(release: Callable[..., Any]) -> str:
    """The output of their first run, on one line, because the log breaks lines anywhere."""
    health = {"path": "/no-such-page", "deadline_seconds": 3, "interval_seconds": 0.2}
    run = release(
        entry("starved", **STARVED),
        entry("named", health={"deadline_seconds": 12}),
        entry("late", source="neighbour", health=health, secrets={"TOKEN": "x"}),
    )
    return " ".join(run.failed().output.split())


@pytest.fixture(scope="module")
def removed(refused: str, play: Callable[..., Any]) -> str:
    """The status before one of them is removed."""
    status = play("status").ok().output
    play("remove", flask_apps_remove="late").ok()
    return str(status)


@pytest.fixture(scope="module")
def corrected(removed: str, release: Callable[..., Any]) -> None:
    """The others serve with what the messages of the first run advise."""
    release(
        entry("starved", **{**STARVED, "gunicorn": {"workers": 2}}),
        entry("named", health={"host": "shop.example.org"}),
    ).ok()


@pytest.fixture(scope="module")
def status(corrected: None, play: Callable[..., Any]) -> str:
    return str(play("status").ok().output)


def line_of(status: str, name: str) -> str:
    return next(line for line in status.splitlines() if f" {name} " in line)


def test_a_release_whose_workers_need_too_much_memory_does_not_serve(refused, http):
    assert "because they need more than resources.memory (256m)" in refused
    assert "write a larger resources.memory, or fewer processes in gunicorn.workers" in refused
    assert http("/starved/").status == 404


def test_an_application_that_only_answers_to_its_own_host_name_does_not_serve(refused, http):
    assert "Host: localhost was sent." in refused
    assert "write one of them as health.host" in refused
    assert http("/named/", headers={"Host": "shop.example.org"}).status == 404


def test_one_whose_first_release_was_refused_is_shown_as_refused_and_can_be_removed(removed, host):
    line = line_of(removed, "late")
    assert " refused " in line
    assert "late: release" in line
    assert not host.file(f"{APPS_PATH}/late").exists


def test_what_the_messages_advise_makes_them_serve(corrected, http):
    assert http("/starved/").body == "1\n"
    assert http("/named/", headers={"Host": "shop.example.org"}).body == "well\n"


def test_the_status_asks_for_the_host_name_and_does_not_show_what_was_removed(status, host):
    assert "ok (200)" in line_of(status, "named")
    assert " late " not in status


@pytest.mark.long
def test_the_status_shows_one_whose_workers_are_killed_later(corrected, release, play, host):
    release(entry("starved", **STARVED, env={"LATE": "12"})).ok()
    for _ in range(15):
        time.sleep(1)
        run = play("status").ok()
        if "processes killed for lack of memory" in run.output:
            break
    else:
        pytest.fail(run.output)
    release({"name": "starved", "state": "absent"}).ok()
