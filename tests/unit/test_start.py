# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps from an image to a release that answers: their order, their arguments, and the messages
of failures.
"""

import json

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases import gate, one_off, start

OPTIONS = {
    "name": "shop-1", "image": "flaskops/shop:1", "env_file": "/e", "user": "1:1",
    "network_mode": "none", "memory": "512m", "memory_swap": "512m", "pids_limit": 9,
    "stop_timeout": 9, "volumes": [], "labels": {}, "tmpfs": [],
}  # fmt: skip
FACTS = {"app": "shop", "id": "1", "site": "default", "path": "/shop"}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """All steps; each one is only recorded, and one may fail."""

    def steps(fails="", container=OPTIONS, processes=("worker",), **request):
        noted = []

        def note(what, *more):
            noted.append((what, *more))
            if what == fails:
                raise HostError("of this cause")

        class Gate:
            def __init__(self, check, _docker):
                self.check = check

            def run(self):
                note("asked", self.check.container)
                return gate.Answer(200, 0.1, ("Write x.",))

        def settle(_docker, wanted, restart="no", recreate=False, log=(), start=False):
            note(wanted.name, restart, recreate, [*log], start)
            return True

        def command(_docker, container, seconds):
            note("ran", container, seconds)
            return ["done"], ["Write y."]

        monkeypatch.setattr(start, "settle", settle)
        monkeypatch.setattr(
            start, "renew", lambda _root, _names, _token, step: note(f"lock for {step}")
        )
        monkeypatch.setattr(gate, "Gate", Gate)
        monkeypatch.setattr(one_off, "run", command)
        record = tmp_path / "apps/shop/releases/1/release.json"
        record.parent.mkdir(parents=True)
        more = [{**container, "name": f"shop-1-{name}"} for name in processes]
        record.write_text(json.dumps({**FACTS, "container": container, "process_containers": more}))
        given = {"root": str(tmp_path), "name": "shop", "id": "1", "token": "t", "uid": 70000}
        begun = start.Start(
            start.Request(**given, host="localhost", scheme="http", **request), docker=object()
        )
        return noted, begun

    return steps


def test_a_start_runs_the_command_the_container_the_gate_and_the_processes(run):
    log = {"log_driver": "local", "log_options": {"max-size": "1m"}}
    noted, begin = run(
        release_command=["sh", "-c", "x"],
        release_command_seconds=7,
        restart="unless-stopped",
        recreate=True,
        **log,
    )
    result = begin.run()
    words = ["--log-driver", "local", "--log-opt", "max-size=1m"]
    assert noted == [
        ("lock for release command",),
        ("shop-1-command", "no", True, words, False),
        ("ran", "shop-1-command", 7),
        ("lock for start",),
        ("shop-1", "unless-stopped", True, words, True),
        ("lock for health check",),
        ("asked", "shop-1"),
        ("lock for start",),
        ("shop-1-worker", "unless-stopped", True, words, False),
    ]
    assert (result.status, begin.said) == (200, ["done"])
    assert begin.actions == [
        "ran its release_command",
        "started the container shop-1",
        "created the container shop-1-worker",
    ]
    assert begin.warnings == [
        "release_command of shop ended well, but its output shows a fault. Write y.",
        "shop is healthy, but docker logs shop-1 shows a fault. Write x.",
    ]


def test_a_stopped_application_only_runs_its_command(run):
    noted, begin = run(release_command=["x"], start=False)
    assert begin.run() is None
    assert [each[0] for each in noted] == ["lock for release command", "shop-1-command", "ran"]


def test_without_a_command_and_processes_only_one_container_is_started(run):
    noted, begin = run(processes=())
    begin.run()
    assert noted == [
        ("lock for start",),
        ("shop-1", "no", False, [], True),
        ("lock for health check",),
        ("asked", "shop-1"),
    ]


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("shop-1-command", "release_command of shop failed: of this cause"),
        ("ran", "release_command of shop failed: of this cause"),
        ("shop-1", "The container shop-1 could not be started: of this cause"),
        ("asked", "shop did not pass its health check: of this cause"),
        ("shop-1-worker", "The container shop-1-worker could not be created: of this cause"),
    ],
)
def test_a_failure_has_a_message_and_ends_the_run(run, fails, words):
    noted, begin = run(fails, release_command=["x"])
    with pytest.raises(HostError) as refused:
        begin.run()
    assert str(refused.value) == words
    assert noted[-1][0] == fails
    assert bool(begin.warnings) is (
        fails not in ("shop-1-command", "ran")
    )  # the output of the release command is kept all the same


@pytest.mark.parametrize("step", ["release command", "start", "health check"])
def test_a_run_that_lost_its_lock_changes_nothing_more(run, step):
    noted, begin = run(f"lock for {step}", release_command=["x"])
    with pytest.raises(HostError):
        begin.run()
    assert noted[-1] == (f"lock for {step}",)


def test_the_output_of_the_release_command_is_kept_if_a_later_step_fails(run):
    _, begin = run("asked", release_command=["sh", "-c", "x"])
    with pytest.raises(HostError):
        begin.run()
    assert begin.said == ["done"]


def test_a_record_without_an_option_has_a_message(run):
    with pytest.raises(
        HostError,
        match=(
            r"release\.json must have all options of a container; .*pids_limit.*; deploy the"
            r" application again"
        ),
    ):
        run(container={key: value for key, value in OPTIONS.items() if key != "pids_limit"})


def test_a_missing_release_is_refused(tmp_path):
    given = {"root": str(tmp_path), "name": "shop", "id": "1", "token": "t", "uid": 70000}
    with pytest.raises(HostError, match=r"release\.json is missing or broken; deploy shop again"):
        start.Start(start.Request(**given, host="localhost", scheme="http"), docker=object())


def test_the_gate_uses_the_health_check_of_the_release_which_runs_as_its_user(run, tmp_path):
    """Fields that an earlier version of the collection did not record have their defaults."""
    _, begin = run()
    begin.run()
    assert begin.container.user == "70000:70000"
    assert f"{tmp_path}/apps/shop/releases/1/passwd:/etc/passwd:ro" in begin.container.volumes
    assert (begin.release.health.path, begin.release.health.deadline_seconds) == ("/", 60)
