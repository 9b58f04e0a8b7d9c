# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The entrypoint of the containers: how many processes, and what is started."""

import importlib.util
import os
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime/entrypoint.py"


@pytest.fixture
def entrypoint(monkeypatch):
    """The module on a machine of eight processors."""
    spec = importlib.util.spec_from_file_location("entrypoint", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    return module


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "3200000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({}, 8),
        ({"cpu.max": ""}, 8),
    ],
    ids=["v2 none", "v2 1.5", "v2 more than there are", "v1 none", "v1 0.5", "no cgroup", "empty"],
)
def test_the_limit_is_the_quota_of_the_container_or_the_processors(entrypoint, tmp_path, files, limit):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert entrypoint.cpu_limit(tmp_path) == limit


@pytest.fixture
def started(entrypoint, monkeypatch):
    """What is executed, for a limit, an environment and arguments."""

    def run(limit=1.0, processes=None, arguments=()):
        commands = []
        monkeypatch.setattr(entrypoint, "cpu_limit", lambda: limit)
        monkeypatch.setattr(entrypoint.sys, "argv", ["flaskops-entrypoint", *arguments])
        monkeypatch.setattr(os, "execvp", lambda file, command: commands.append((file, command)))
        monkeypatch.delenv("FLASKOPS_PROCESSES", raising=False)
        if processes:
            monkeypatch.setenv("FLASKOPS_PROCESSES", processes)
        entrypoint.main()
        (file, command), = commands
        assert file == command[0]
        return command

    return run


SERVER = ["/opt/runtime/bin/uwsgi", "--ini", "/etc/flaskops/uwsgi.ini"]


@pytest.mark.parametrize(("limit", "processes"), [(0.5, "2"), (1, "2"), (2, "2"), (2.5, "3"), (4, "4")])
def test_processes_follow_the_limit_and_are_two_at_the_least(started, capsys, limit, processes):
    assert started(limit, "auto") == [*SERVER, "--processes", processes]
    assert capsys.readouterr().out == f"flaskops: {processes} processes, from a limit of {limit:g} processors\n"


def test_a_number_of_processes_stands_in_the_settings(started):
    assert started(processes="3") == SERVER


def test_a_command_of_ones_own_is_run_in_place_of_the_server(started):
    assert started(processes="auto", arguments=["python3", "-c", "1"]) == ["python3", "-c", "1"]
