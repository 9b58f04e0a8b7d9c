# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""An application with endless answers delays neither a deploy nor the status, and sends no command
to a terminal.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable
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
def hostile(deploy: Callable[..., Any]) -> Callable[..., tuple[Any, float]]:
    """Deploy hostile applications; return the run and its seconds."""

    def run(*entries: dict[str, Any]) -> tuple[Any, float]:
        started = time.monotonic()
        return deploy(*entries, flask_apps_source_root=str(APPS)), time.monotonic() - started

    return run


@pytest.fixture(scope="module")
def refused(hostile: Callable[..., tuple[Any, float]]) -> tuple[str, float]:
    """The output and the seconds of one run: two with endless answers to the health check, one with
    an endless answer after the switch, and one that prints and answers commands for a terminal.
    """
    after = entry("drip", after=1, name="hostile-later", path="/hostile-later")
    run, seconds = hostile(entry("drip"), entry("silent"), after, entry("escapes"))
    print(f"four hostile applications: the deploy took {seconds:.0f} s")
    return run.failed().output, seconds


def is_refused(way: str, output: str) -> bool:
    """Whether an endless answer to its health check was the reason."""
    return (
        f"hostile-{way} did not pass its health check: no answer was one of 2xx, 3xx, 401, 403"
        f" within {DEADLINE}" in output
    )


def test_no_endless_answer_delays_a_deploy(refused, http):
    output, seconds = refused
    assert is_refused("drip", output) and is_refused("silent", output), output
    # The sum of the deadlines, and the rest of the deploy.
    assert seconds < 4 * (DEADLINE + 2) + 90
    assert http("/neighbour/").status == 403


@pytest.mark.long
def test_no_other_endless_answer_delays_a_deploy(hostile, http):
    ways = ("continue", "flood", "headers")
    run, seconds = hostile(*map(entry, ways))
    output = run.failed().output
    print(f"{len(ways)} endless answers: the deploy took {seconds:.0f} s")
    assert all(is_refused(way, output) for way in ways), output
    assert seconds < len(ways) * (DEADLINE + 2) + 90
    assert http("/neighbour/").status == 403


def test_no_endless_answer_delays_the_switch(refused, http):
    """Its seconds are within those of the run."""
    output = " ".join(refused[0].split())
    assert re.search(r"hostile-later: release \w+ did not serve and was taken back", output), output
    assert http("/hostile-later/").status == 404


def test_no_output_of_an_application_reaches_the_terminal_as_a_command(refused):
    output, _ = refused
    assert r"\x1b[2J\x1b[1;1Hall is well\u202e" in output  # its log
    assert r"500 \x1b[2J\u202e\x9b2Jescaped" in output  # its answer
    assert not [
        char
        for char in output
        if (char not in "\n\t" and unicodedata.category(char) == "Cc") or char in "\u202e\u2066"
    ]


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
