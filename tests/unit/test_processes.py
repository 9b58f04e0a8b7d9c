# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers of a release that serve no requests: their options, and how they start, fail and are
restored.
"""

import json

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.places import PROCESS_LABEL
from ansible_collections.flaskops.host.plugins.module_utils.releases import process_steps as steps
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Process
from ansible_collections.flaskops.host.plugins.module_utils.releases.processes import (
    process_containers,
    process_problems,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Work
from entries import normalize_apps, typed

NEW, OLD = "222222222222", "111111111111"


# --- their options --------------------------------------------------------------------------------


def entry(**more):
    return {
        "name": "worker",
        "command": "celery worker",
        "overlap": True,
        "ready_seconds": 2,
        "stop_seconds": 30,
        **more,
    }


OPTIONS = {
    "name": f"shop-{NEW}",
    "image": "x",
    "hostname": f"shop-{NEW}",
    "env_file": "e",
    "volumes": [
        f"/var/lib/flaskops/r/run:/run/flaskops/{NEW}",
        "/r/uwsgi.ini:/etc/flaskops/uwsgi.ini:ro",
        "data:/data",
    ],
    "stop_signal": "SIGTERM",
    "stop_timeout": 35,
    "labels": {"host.flaskops.app": "shop", "host.flaskops.release": NEW},
}


def test_processes_equal_the_web_container_except_for_socket_and_command():
    (found,) = typed(process_containers)(
        {"engine": "uwsgi", "processes": [entry(stop_seconds=9)]}, OPTIONS
    )
    assert found == {
        **OPTIONS,
        "name": f"shop-{NEW}-worker",
        "hostname": f"worker-{NEW}",
        "command": ["sh", "-c", "exec celery worker"],
        "volumes": OPTIONS["volumes"][1:],
        "stop_timeout": 9,
        "labels": {**OPTIONS["labels"], PROCESS_LABEL: "worker"},
    }


def test_processes_without_a_network_can_resolve_their_name():
    (found,) = typed(process_containers)(
        {"engine": "uwsgi", "processes": [entry(name="w" * 20)]},
        {**OPTIONS, "etc_hosts": {"x": "127.0.0.1"}},
    )
    assert found["etc_hosts"] == {found["hostname"]: "127.0.0.1"}
    assert len(found["hostname"]) <= 63


@pytest.mark.parametrize(
    ("engine", "options"), [("command", {}), ("uwsgi", {"entrypoint": ["/x"]})]
)
def test_an_entrypoint_of_the_image_does_not_interfere(engine, options):
    (found,) = typed(process_containers)(
        {"engine": engine, "processes": [entry()]}, {**OPTIONS, **options}
    )
    assert (found["entrypoint"], found["command"]) == (["sh", "-c"], ["exec celery worker"])


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        ([], []),
        (["a", "b"], []),
        (["a", "b", "a"], ["processes has 'a' 2 times; names must differ."]),
        (
            ["pin"],
            [
                "processes: name must not be 'pin', which is reserved for this collection's"
                " containers."
            ],
        ),
        (
            ["command"],
            [
                "processes: name must not be 'command', which is reserved for this collection's"
                " containers."
            ],
        ),
    ],
)
def test_names_of_processes_must_be_unique_and_not_reserved(names, problems):
    assert process_problems([Process(name) for name in names]) == problems


@pytest.mark.parametrize("malformed", ["x", ["x"], [{}], {"a": 1}])
def test_malformed_lists_are_reported_elsewhere(malformed):
    _apps, problems = normalize_apps([{"name": "shop", "path": "/", "processes": malformed}])
    assert problems and not any("differ" in problem for problem in problems)


# --- their start ----------------------------------------------------------------------------------


class Engine:
    """A fake Docker for processes: containers that exit at a time of the fake clock."""

    command = "/usr/bin/docker"

    def __init__(self):
        self.now = 0.0
        self.all = {}
        self.calls = []

    def add(self, release, name, state="created", ends=None, app="shop"):
        self.all[f"{app}-{release}-{name}"] = {
            "app": app,
            "release": release,
            "name": name,
            "state": state,
            "ends": ends,
            "since": "",
        }

    def _state(self, one):
        return (
            "exited"
            if one["state"] == "running" and one["ends"] is not None and self.now >= one["ends"]
            else one["state"]
        )

    def containers(self, label):
        app = label.partition("=")[2]
        return [
            {
                "Names": container,
                "State": self._state(one),
                "Labels": {
                    "host.flaskops.app": app,
                    "host.flaskops.release": one["release"],
                    PROCESS_LABEL: one["name"],
                },
            }
            for container, one in self.all.items()
            if one["app"] == app
        ] + [
            {
                "Names": f"{app}-{OLD}",
                "State": "running",
                "Labels": {"host.flaskops.app": app, "host.flaskops.release": OLD},
            }
        ]

    def inspect(self, name, kind="container"):
        return {}

    def run(self, *words, **_how):
        verb, names = words[0], [word for word in words if word in self.all]
        if verb == "inspect":
            states = [
                (name, self._state(self.all[name]), self.all[name]["since"]) for name in names
            ]
            return json.dumps(
                [
                    {
                        "Name": f"/{name}",
                        "State": {"Running": state == "running", "StartedAt": since, "ExitCode": 3},
                    }
                    for name, state, since in states
                ]
            )
        if verb == "logs":
            return "ImportError: no module tasks\n"
        self.calls.append(" ".join(word for word in words if not word.startswith("-")))
        for name in names:
            if verb == "start" and self.all[name].get("broken"):
                raise HostError("no such file: sh")
            if verb in ("start", "restart"):
                self.all[name].update(state="running", since=str(self.now))
            elif verb == "stop":
                self.all[name]["state"] = "exited"
            elif verb == "rm":
                del self.all[name]
        return ""

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def start(engine, tmp_path):
    def run(*processes, live=OLD, identity=NEW, state="present", old=()):
        for one, known in {identity: list(processes), OLD: list(old)}.items():
            place = tmp_path / f"apps/shop/releases/{one}"
            place.mkdir(parents=True)
            (place / "release.json").write_text(json.dumps({"container": {}, "processes": known}))
        planned = [{**process, "command": ""} for process in processes]
        work = Work.from_dict(
            {"name": "shop", "id": identity, "live": live, "state": state, "processes": planned}
        )
        return steps.StartProcesses(str(tmp_path), engine, lambda: engine.now, engine.sleep).run(
            [work]
        )

    return run


def test_a_new_process_runs_beside_the_old_one(engine, start):
    engine.add(OLD, "worker", "running")
    engine.add(NEW, "worker")
    assert start(entry()) == {}
    assert engine.calls == [f"start shop-{NEW}-worker"]
    assert engine.now == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(
    ("new", "old", "first"),
    [
        ([entry(overlap=False)], [entry()], True),
        ([entry(overlap=True)], [entry(overlap=False)], False),
        ([], [entry(overlap=False)], True),
        ([], [entry()], False),
        ([], [], False),
    ],
    ids=[
        "new says no",
        "new says yes",
        "renamed",
        "renamed and harmless",
        "of an older collection",
    ],
)
def test_a_process_that_may_not_overlap_is_stopped_before(engine, start, new, old, first):
    engine.add(OLD, "worker", "running")
    engine.add(NEW, "worker")
    assert start(*new, old=old) == {}
    stopped = [f"stop shop-{OLD}-worker"] if first else []
    assert engine.calls == stopped + [f"start shop-{NEW}-worker" for _ in new]


def test_a_process_that_ends_at_once_fails_its_release_and_the_old_ones_run_again(engine, start):
    engine.add(OLD, "beat", "running")
    engine.add(OLD, "worker", "running")
    engine.add(NEW, "beat")
    engine.add(NEW, "worker", ends=0.5)
    failures = start(entry(), entry(name="beat", overlap=False))
    assert failures["shop"].splitlines() == [
        (
            f"shop: its process worker of release {NEW} exited with code 3 within its ready_seconds"
            f" (2); release {OLD} goes on serving."
        ),
        "Its command: celery worker",
        "The last lines of its log:",
        "  ImportError: no module tasks",
    ]
    assert engine.now < 1  # the run does not wait for the rest
    assert {container: one["state"] for container, one in engine.all.items()} == {
        f"shop-{OLD}-beat": "running",
        f"shop-{OLD}-worker": "running",
    }


def test_a_process_that_cannot_start_fails_its_release(engine, start):
    engine.add(NEW, "worker")
    engine.all[f"shop-{NEW}-worker"]["broken"] = True
    assert (
        "its process worker of release 222222222222 could not be started (no such file: sh)"
        in start(entry())["shop"]
    )
    assert engine.all == {}


def test_only_stopped_processes_of_the_live_release_are_started(engine, start):
    engine.add(NEW, "beat", "running")
    engine.add(NEW, "worker", "exited")
    assert start(entry(), entry(name="beat", overlap=False), live=NEW) == {}
    assert engine.calls == [f"start shop-{NEW}-worker"]


def test_a_failing_process_of_the_live_release_is_not_removed(engine, start):
    engine.add(NEW, "worker", "restarting", ends=0.5)
    assert "within its ready_seconds" in start(entry(), live=NEW)["shop"]
    assert engine.calls[0] == f"restart shop-{NEW}-worker"
    assert f"shop-{NEW}-worker" in engine.all


def test_a_stopped_application_starts_no_process(engine, start):
    engine.add(NEW, "worker")
    assert start(entry(), state="stopped") == {}
    assert engine.calls == []


def test_a_process_that_restarted_meanwhile_is_not_ready(engine, start, monkeypatch):
    engine.add(NEW, "worker")
    sleep = engine.sleep

    def restarted(seconds):
        sleep(seconds)
        engine.all[f"shop-{NEW}-worker"]["since"] = "later"

    engine.sleep = restarted
    assert "within its ready_seconds" in start(entry(), live=None)["shop"]


def test_without_ready_seconds_a_process_only_must_start(engine, start):
    engine.add(NEW, "worker")
    assert start(entry(ready_seconds=0)) == {}
    assert engine.now == 0


def test_stopped_processes_are_started_again(engine):
    engine.add(OLD, "beat", "exited")
    engine.add(OLD, "worker", "running")
    engine.add(NEW, "beat", "exited")
    assert steps.restore(engine, "shop", OLD) == [f"shop-{OLD}-beat"]
    assert engine.calls == [f"update unless-stopped shop-{OLD}-beat", f"start shop-{OLD}-beat"]
