# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""An application with endless answers delays neither a deploy nor the status, and sends no command
to a terminal.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import APPS

DEADLINE = 3


def entry(way: str, after: int = 0, **keys: Any) -> dict[str, Any]:
    return {
        "name": f"hostile-{way}",
        "source": "hostile",
        "path": f"/hostile-{way}",
        "engine": "command",
        "command": "python app.py",
        "static": [],
        "drain_seconds": 0,
        "env": {"WAY": way, "AFTER": str(after)},
        "health": {"deadline_seconds": DEADLINE, "interval_seconds": 0.2},
        **keys,
    }


@pytest.fixture(scope="module")
def hostile(deploy: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Deploy hostile applications; return the run and its seconds. They are removed at the end."""
    names: set[str] = set()

    def run(*entries: dict[str, Any]) -> tuple[Any, float]:
        names.update(each["name"] for each in entries)
        started = time.monotonic()
        return deploy(*entries, flask_apps_source_root=str(APPS)), time.monotonic() - started

    yield run
    deploy(*({"name": name, "state": "absent"} for name in names)).ok()


@pytest.mark.parametrize(
    "ways",
    [
        ("drip", "silent"),
        pytest.param(("continue", "flood", "headers"), marks=pytest.mark.long),
    ],
    ids="-".join,
)
def test_no_endless_answer_delays_a_deploy(hostile, http, ways):
    run, seconds = hostile(*map(entry, ways))
    run.failed()
    print(f"{len(ways)} endless answers: the deploy took {seconds:.0f} s")
    for way in ways:
        assert (
            f"hostile-{way} did not pass its health check: no answer was one of 2xx, 3xx, 401, 403"
            f" within {DEADLINE}" in run.output
        ), run.output
    # The sum of their deadlines, and the rest of the deploy.
    assert seconds < len(ways) * (DEADLINE + 2) + 90
    assert http("/neighbour/").status == 403


def test_no_endless_answer_delays_the_switch(hostile, http):
    run, seconds = hostile(entry("drip", after=1))
    print(f"an endless answer after the switch: the deploy took {seconds:.0f} s")
    assert "did not serve and was taken back" in run.failed().output
    assert seconds < 90
    assert http("/hostile-drip/").status == 404


def test_no_endless_answer_delays_the_status(hostile, play):
    started = time.monotonic()
    play("status").ok()
    usual = time.monotonic() - started
    hostile(entry("drip", after=2), entry("continue", after=2), entry("silent", after=2))[0].ok()
    started = time.monotonic()
    run = play("status").ok()
    seconds = time.monotonic() - started
    print(f"the status took {usual:.0f} s, and {seconds:.0f} s with three endless answers")
    assert run.output.count("bad (TimeoutError: timed out)") >= 3, run.output
    assert seconds < 2 * usual + 15  # other scenarios run beside this one


def test_no_output_of_an_application_reaches_the_terminal_as_a_command(hostile):
    run, _ = hostile(entry("escapes"))
    output = run.failed().output
    assert r"\x1b[2J\x1b[1;1Hall is well\u202e" in output  # its log
    assert r"500 \x1b[2J\u202e\x9b2Jescaped" in output  # its answer
    assert not [
        char
        for char in output
        if (char not in "\n\t" and unicodedata.category(char) == "Cc") or char in "\u202e\u2066"
    ]
