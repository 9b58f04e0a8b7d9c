# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the gate reports about a container, with a fake engine."""

from dataclasses import replace

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases import gate as release_gate
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Health
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath

CHECK = release_gate.HealthCheck(
    "shop-1",
    "/x/app.sock",
    "localhost",
    AppPath("/shop"),
    Health(status=("2xx",), deadline_seconds=5, interval_seconds=0.1),
)
WRITES = "OSError: [Errno 30] Read-only file system: '/app/uploads'"
TRACEBACK = 'Traceback (most recent call last):\n  File "/app/shop.py", line 7, in index\n'
NOISE = "[2026-01-02 03:04:05 +0000] [1] [INFO] Starting gunicorn 23.0.0"


@pytest.fixture
def run(monkeypatch):
    """The gate in front of a container with a state, a log and an answer."""

    def ask(running, log, status=200):
        class Engine:
            def inspect(self, _name):
                labels = {"host.flaskops.app": "shop"}
                return {
                    "State": {"Running": running, "ExitCode": 1},
                    "Config": {"User": "10001:10001", "Labels": labels},
                    "Mounts": [],
                }

            def run(self, *_words, **_how):
                return log

        monkeypatch.setattr(release_gate, "Docker", Engine)
        monkeypatch.setattr(release_gate, "ask", lambda *_words: (status, "well"))
        return release_gate.Gate(CHECK).run()

    return ask


def test_a_healthy_container_passes(run):
    result = run(True, NOISE)
    assert (result.status, result.advice) == (200, ())


def test_a_healthy_container_that_could_not_write_passes_with_advice(run):
    (words,) = run(True, f"{NOISE}\n{WRITES}\n").advice
    assert "write writable: [/app/uploads]" in words


def test_a_container_that_exits_is_reported_with_its_log_and_advice(run):
    with pytest.raises(HostError) as refused:
        run(False, f"{NOISE}\n{WRITES}\n")
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("its container exited with code 1 after ")
    assert lines[3:5] == ["The last lines of its log:", f"  {WRITES}"]
    assert lines[5].startswith("The root file system is read-only: write writable: [/app/uploads]")


def test_an_application_that_only_answers_404_gets_advice(run, monkeypatch):
    monkeypatch.setattr(release_gate, "NOT_FOUND_SECONDS", 0.2)
    with pytest.raises(HostError) as refused:
        run(True, NOISE, 404)
    words = str(refused.value)
    assert (
        "health.path" in words
        and "(write module and callable)" in words
        and "(write engine: command, command and port)" in words
    )


@pytest.mark.parametrize(
    ("status", "log", "soon"),
    [
        (500, f"{TRACEBACK}sqlite3.OperationalError: unable to open database file", True),
        (500, f"{TRACEBACK}sqlite3.OperationalError: no such table: post", True),
        (500, f"{TRACEBACK}{WRITES}", True),
        (500, WRITES, False),  # for example a harmless warning of a library
        (
            500,
            f"{TRACEBACK}{WRITES}\n{TRACEBACK}OperationalError: Connection refused",
            False,
        ),  # and this is the cause of the failure
        (
            500,
            "socket.gaierror: [Errno -3] Temporary failure in name resolution",
            False,
        ),  # the server may still start
        (503, f"{TRACEBACK}{WRITES}", False),  # the application reports that it is not ready yet
    ],
)
def test_the_gate_does_not_wait_for_a_permanent_failure(run, monkeypatch, status, log, soon):
    monkeypatch.setattr(release_gate, "FAILING_SECONDS", 0.2)
    health = replace(CHECK.health, deadline_seconds=1)
    monkeypatch.setitem(globals(), "CHECK", replace(CHECK, health=health))
    with pytest.raises(HostError) as refused:
        run(True, log, status)
    seconds = int(str(refused.value).splitlines()[0].split("within ")[1].split()[0])
    assert (seconds < 1) == soon
