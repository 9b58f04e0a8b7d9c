# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What the tests of the scenario share: the entries of the application, load, and patience."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

FLASKOPS = str(Path(__file__).resolve().parents[3] / "bin/flaskops")
PATH = "/shop"
SCENARIO = Path(os.environ.get("MOLECULE_SCENARIO_DIRECTORY", Path(__file__).parents[1]))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# A timer runs the frequent job every two minutes.
JOB_SECONDS = 150
MEASURED: list[str] = []


def deployed() -> dict[str, Any]:
    """The variables that the scenario deploys its applications with."""
    return dict(yaml.safe_load((SCENARIO / "vars/apps.yml").read_text()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if MEASURED:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(MEASURED))


@pytest.fixture
def measured(host: Any, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Shows figures of a case at the end of the log."""
    case = request.node.name.removeprefix("test_").partition("[")[0].replace("_", " ")

    def show(words: str) -> None:
        MEASURED.append(f"Debian {host.system_info.release.split('.')[0]}: {case}: {words}")

    return show


@pytest.fixture
def entries(http: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """The entries that the database has, of one writer or of all."""

    def ask(by: str = "") -> list[dict[str, Any]]:
        return [each for each in http(f"{PATH}/").json if by in ("", each["by"])]

    return ask


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    def wait(condition: Callable[[], Any], seconds: float = 120) -> Any:
        deadline, pause = time.monotonic() + seconds, 0.2
        while not (found := condition()) and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(1.5 * pause, 2)  # a question is work for the host
        return found

    return wait


def seconds_until(condition: Callable[[], Any], most: float, what: str) -> float:
    """Wait for a condition; return the seconds that it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < most, f"waited {most} s for {what}"
        time.sleep(0.2)
    return time.monotonic() - begin


@pytest.fixture
def order(http: Callable[..., Any]) -> Callable[[str], int]:
    """Write an order into the database; return its number."""

    def send(text: str) -> int:
        answer = http(f"{PATH}/", method="POST", headers=FORM, body=f"text={text}")
        assert answer.status == 200, answer.body
        return int(answer.json["number"])

    return send


class Load(dict[str, Any]):
    """What load.py counted."""

    @property
    def outage(self) -> float:
        """The seconds from the first failed request to the end of the last one."""
        failures = self["failures"]
        return max(end for _, end, _ in failures) - failures[0][0] if failures else 0.0

    def __str__(self) -> str:
        failures = self["failures"]
        kinds = {what: [each[2] for each in failures].count(what) for _, _, what in failures}
        words = ", ".join(f"{count} x {what}" for what, count in kinds.items())
        failed = (
            f"{len(failures)} failed within {self.outage:.1f} s ({words})" if words else "0 failed"
        )
        return f"{self['answered']} answered, {failed}, longest {self['longest']:.2f} s"


@pytest.fixture
def load(
    host: Any, entries: Callable[..., list[dict[str, Any]]], measured: Callable[[str], None]
) -> Callable[..., Any]:
    """Generate load on the application while the block runs; its counts are available afterwards.
    Each order that was answered must be in the database.
    """

    @contextmanager
    def under() -> Iterator[Load]:
        found, output = Load(), "/root/out.json"
        pid = host.check_output(
            "rm -f %s; setsid python3 -c %s http://localhost%s %s >/root/out.log 2>&1 </dev/null &"
            " echo $!",
            output,
            (SCENARIO / "load.py").read_text(),
            PATH,
            output,
        )
        time.sleep(1)
        try:
            yield found
            time.sleep(1)
        finally:
            host.run(f"kill {pid}")
            seconds_until(lambda: host.file(output).exists, 90, "the counts of the load")
        found.update(json.loads(host.check_output(f"cat {output}")))
        measured(str(found))
        assert found["numbers"]
        assert {*found["numbers"]} <= {entry["number"] for entry in entries("visitor")}

    return under


@pytest.fixture
def here(host: Any) -> list[str]:
    """The arguments of ansible-playbook for this host alone."""
    return ["--limit", host.backend.host]


@pytest.fixture
def redeploy(play: Callable[..., Any], here: list[str]) -> Callable[..., Any]:
    """Deploy the applications on this host, with other keys of one of them."""

    def run(app: str = "shop", flask_apps_break_lock: str = "", **keys: Any) -> Any:
        listed = deployed()
        entries = [
            {**each, **(keys if each["name"] == app else {})} for each in listed["flask_apps"]
        ]
        defaults = listed["flask_apps_defaults"]
        more = {"flask_apps_defaults": defaults, "flask_apps_break_lock": flask_apps_break_lock}
        return play("deploy", entries, arguments=here, **more)

    return run


def patience() -> float:
    """By how much a machine with other work is slower: a factor for a limit in seconds."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture
def containers(host: Any) -> Callable[..., list[dict[str, Any]]]:
    """What docker inspect says of running containers, without those of jobs and of
    `bin/flaskops run`, which come and go.
    """

    def look(prefix: str = "shop-") -> list[dict[str, Any]]:
        running = host.check_output("docker ps --format '{{.Names}}'").split()
        names = [
            name
            for name in running
            if name.startswith(prefix) and "-job_" not in name and "-run-" not in name
        ]
        found = host.run(f"docker inspect {' '.join(names)}").stdout if names else ""
        return list(json.loads(found or "[]"))

    return look


@pytest.fixture
def started(containers: Callable[..., list[dict[str, Any]]]) -> Callable[..., dict[str, str]]:
    """When each running container of the application was started, without those of jobs."""
    return lambda prefix="shop-": {
        each["Name"]: each["State"]["StartedAt"] for each in containers(prefix)
    }


@pytest.fixture
def kill_when(host: Any) -> Callable[[str, str], None]:
    """Kill what holds the lock of an application, as soon as a command on the host succeeds."""

    def kill(condition: str, app: str) -> None:
        pid = f"json.load(open('/var/lib/flaskops/apps/{app}/lock'))['pid']"
        host.check_output(
            "timeout 180 sh -c %s && kill -KILL $(python3 -c %s)",
            f"until {condition}; do sleep 0.05; done",
            f"import json; print({pid})",
        )

    return kill


@pytest.fixture
def one_offs(host: Any) -> Callable[[], list[str]]:
    """The containers of `bin/flaskops run`; those of jobs come and go."""

    def look() -> list[str]:
        names = host.check_output("docker ps --all --format '{{.Names}}'").split()
        ours = "shop-[0-9a-f]{12}-run-[0-9a-f]{6}"
        return sorted(name for name in names if re.fullmatch(ours, name))

    return look


def shows_size(child: pexpect.spawn[str], size: str) -> None:
    """Ask a shell for the size of its terminal until it has this one."""
    for _ in range(30):
        child.sendline("stty size")
        if child.expect([rf"{size}\s", r"\d+ \d+\s"]) == 0:
            return
        time.sleep(1)
    pytest.fail(f"the terminal did not get the size {size}")


@pytest.fixture
def terminal() -> Iterator[Callable[..., pexpect.spawn[str]]]:
    """Starts bin/flaskops with a terminal of 50 lines and 123 columns."""
    started = []

    def start(*words: str) -> pexpect.spawn[str]:
        child = pexpect.spawn(
            FLASKOPS, list(words), timeout=180, encoding="utf-8", dimensions=(50, 123)
        )
        child.logfile_read = sys.stdout
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)
