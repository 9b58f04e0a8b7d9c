# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""bin/test: when each stage runs, what its last lines are, and that pre-commit uses the same
linters.
"""

import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NOX = """\
#!/usr/bin/env python3
import pathlib, sys, time
name, place = sys.argv[2], pathlib.Path(sys.argv[0]).parent
with open(place / "order", "a") as order:
    print("begin", name, file=order, flush=True)
    exec((place / f"{name}.py").read_text() if (place / f"{name}.py").exists() else "")
    print("end", name, file=order)
"""


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """The runner, with stages of the test instead of those of nox."""
    spec = importlib.util.spec_from_file_location("stages", ROOT / "tests/stages.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "stages", module)
    spec.loader.exec_module(module)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nox").write_text(NOX)
    (tools / "nox").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin")
    for name in ("LOGS", "REPORTS"):
        monkeypatch.setattr(module, name, tmp_path / name)
        (tmp_path / name).mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "RUNTIME", tmp_path / "runtime.tar")
    module.tools = tools
    module.order = lambda: (tools / "order").read_text().splitlines()
    return module


def go(stages, *names, at_once=100):
    made = [stages.Stage(name) for name in names or stages.NEEDS]
    return stages.run(made, False, at_once), made


@pytest.fixture
def saves(stages):
    """The scenario default saves the runtime image and continues for a second."""
    (stages.tools / "default.py").write_text(
        f"print('end runtime', file=order, flush=True); open({str(stages.RUNTIME)!r}, 'w');"
        " time.sleep(1)"
    )


@pytest.mark.parametrize("at_once", [2, 5, 100])
def test_each_stage_runs_after_its_requirements_and_at_most_so_many_at_once(stages, saves, at_once):
    passed, _ = go(stages, at_once=at_once)
    order = stages.order()
    assert passed
    for name, needed in stages.NEEDS.items():
        for other in needed:
            assert order.index(f"end {other}") < order.index(f"begin {name}"), (other, name)
    running = most = 0
    for line in order:
        running += {"begin": 1, "end": -1}[line.split()[0]] * (line != "end runtime")
        most = max(most, running)
    assert 1 < most <= at_once
    if at_once > 2:
        assert order.index("begin apps") < order.index("end default")


def test_every_stage_is_a_session_and_every_scenario_a_stage(stages):
    listed = subprocess.run(
        ["nox", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PATH": f"{Path(sys.executable).parent}"},
    )
    sessions = {
        line.split()[1] for line in listed.stdout.splitlines() if line.startswith(("* ", "- "))
    }
    assert set(stages.NEEDS) == sessions, listed
    assert set(stages.SCENARIOS) == {
        file.parent.name for file in (ROOT / "molecule").glob("*/molecule.yml")
    }


def test_no_stage_starts_after_a_failure_and_running_ones_are_stopped(stages):
    (stages.tools / "docker.py").write_text("time.sleep(1); sys.exit(3)")
    (stages.tools / "unit.py").write_text("time.sleep(60)")
    started = time.monotonic()
    passed, made = go(stages)
    for stage in made:
        stage.end()
    assert not passed
    assert [stage.name for stage in made if stage.failed] == ["docker"]
    assert time.monotonic() - started < 30
    assert "begin hosts" not in stages.order()
    assert "end unit" not in stages.order()


def test_a_failing_scenario_lets_its_neighbours_finish(stages):
    (stages.tools / "apps.py").write_text("sys.exit(1)")
    (stages.tools / "default.py").write_text("time.sleep(1)")
    (stages.RUNTIME).touch()
    passed, _ = go(stages, "default", "apps", "trust", at_once=2)
    assert not passed
    assert "end default" in stages.order()
    assert "begin trust" not in stages.order()


def test_the_summary_counts_stages_and_names_failures(stages, capsys):
    (stages.tools / "unit.py").write_text(
        "print('FAILED tests/unit/test_a.py::test_b - assert 0'); sys.exit(1)"
    )
    suite = '<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>'
    (stages.REPORTS / "unit-collection.xml").write_text(suite)
    _, made = go(stages, "lint", "unit", at_once=1)
    stages.report(made, False, 31, 40, 1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith(("unit ", "total "))] == [
        ["unit", "5", "2", "2", "0"],
        ["total", "5", "2", "2", "40"],
    ]
    assert "FAILED tests/unit/test_a.py::test_b - assert 0" in lines
    assert lines[-1] == "5 passed, 2 failed, 2 skipped; seconds: setup 31, lint 0, unit 0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_stops_the_stages_removes_the_docker_engine_and_counts(stages, tmp_path, number):
    """The runner as users call it: with a separate clone."""
    clone = tmp_path / "clone"
    for name in (".cache/test-logs", ".cache/test-reports", "tests/hosts"):
        (clone / name).mkdir(parents=True)
    (clone / "tests/stages.py").write_text((ROOT / "tests/stages.py").read_text())
    (clone / "tests/hosts/docker").write_text(
        f'#!/bin/sh\necho "docker $1" >>{stages.tools}/order\n'
    )
    (clone / "tests/hosts/docker").chmod(0o755)
    (stages.tools / "docker.py").write_text("time.sleep(60)")
    (stages.tools / "lint.py").write_text("print('-- it runs'); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "tests/stages.py"],
        cwd=clone,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while "it runs" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert sorted(stages.order()[:-1]) == ["begin docker", "begin lint"]
    assert stages.order()[-1] == "docker stop"
    assert output.splitlines()[-1].startswith(
        "0 passed, 1 failed, 0 skipped; seconds: setup 0, lint "
    )


def test_a_signal_during_a_start_stops_that_stage_too(stages, tmp_path):
    (stages.tools / "lint.py").write_text(
        "import os; (place / 'pid').write_text(str(os.getpid())); time.sleep(60)"
    )
    (tmp_path / "tests/hosts").mkdir(parents=True)
    (tmp_path / "tests/hosts/docker").write_text("#!/bin/sh\n")
    (tmp_path / "tests/hosts/docker").chmod(0o755)
    for name in (".cache/test-logs", ".cache/test-reports"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tests/stages.py").write_text((ROOT / "tests/stages.py").read_text())
    program = """
import os, signal, subprocess, sys, time
sys.path.insert(0, "tests")
import stages

class Slow(subprocess.Popen):
    def __init__(self, command, **more):
        if command[0] == "nox":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)
        super().__init__(command, **more)

subprocess.Popen = Slow
sys.exit(stages.main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, "lint"], cwd=tmp_path, capture_output=True, timeout=30
    )
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    time.sleep(0.5)
    if (stages.tools / "pid").exists():
        assert not Path("/proc", (stages.tools / "pid").read_text()).exists()


def test_pre_commit_runs_the_same_linters():

    found = {}
    for hook in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]:
        *command, name = hook["entry"].split()
        assert command == [".venv/bin/nox", "--session", "lint", "--"], hook
        found[hook["id"]] = name
    listed = subprocess.run(
        [sys.executable, "-c", "import noxfile; print(*noxfile.LINTERS)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found == {name: name for name in listed.stdout.split()}
