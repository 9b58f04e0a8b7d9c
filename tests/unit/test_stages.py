# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""bin/test: which stage runs when, what its last lines say, and that pre-commit knows the same
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
    """The runner, with stages that do what a test says in the place of nox's."""
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
    module.tools = tools
    module.order = lambda: (tools / "order").read_text().splitlines()
    return module


def go(stages, *names, at_once=True):
    made = [stages.Stage(name) for name in names or stages.NEEDS]
    return stages.run(made, False, at_once), made


def test_each_stage_runs_after_those_that_it_needs(stages):
    passed, _ = go(stages)
    order = stages.order()
    assert passed
    for name, needed in stages.NEEDS.items():
        for other in needed:
            assert order.index(f"end {other}") < order.index(f"begin {name}"), (other, name)


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


def test_nothing_begins_after_a_failure_and_what_runs_beside_it_is_ended(stages):
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


def test_a_scenario_that_fails_leaves_its_neighbours_their_time(stages):
    (stages.tools / "apps.py").write_text("sys.exit(1)")
    (stages.tools / "default.py").write_text("time.sleep(1)")
    passed, _ = go(stages)
    assert not passed
    assert "end default" in stages.order()
    assert "begin trust" not in stages.order()


def test_the_end_counts_and_says_what_failed(stages, capsys):
    (stages.tools / "unit.py").write_text(
        "print('FAILED tests/unit/test_a.py::test_b - assert 0'); sys.exit(1)"
    )
    suite = '<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>'
    (stages.REPORTS / "unit-collection.xml").write_text(suite)
    _, made = go(stages, "lint", "unit", at_once=False)
    stages.report(made, False, 31, 40, 1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith(("unit ", "total "))] == [
        ["unit", "5", "2", "2", "0"],
        ["total", "5", "2", "2", "40"],
    ]
    assert "FAILED tests/unit/test_a.py::test_b - assert 0" in lines
    assert lines[-1] == "5 passed, 2 failed, 2 skipped; seconds: setup 31, lint 0, unit 0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_what_runs_takes_the_docker_away_and_counts(stages, tmp_path, number):
    """As it is called: with its own clone around it."""
    clone = tmp_path / "clone"
    for name in (".cache/test-logs", ".cache/test-reports", "tests/hosts"):
        (clone / name).mkdir(parents=True)
    (clone / "tests/stages.py").write_text((ROOT / "tests/stages.py").read_text())
    (clone / "tests/hosts/docker").write_text(
        f'#!/bin/sh\necho "docker $1" >>{stages.tools}/order\n'
    )
    (clone / "tests/hosts/docker").chmod(0o755)
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
    assert stages.order() == ["begin lint", "docker stop"]
    assert output.splitlines()[-1].startswith(
        "0 passed, 1 failed, 0 skipped; seconds: setup 0, lint "
    )


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
