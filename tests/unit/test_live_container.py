# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One-offs of the live release: their options, what protects them, and the logs of containers that
are gone.
"""

import json
import re
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import kept_logs
from ansible_collections.flaskops.host.plugins.module_utils.host.container import Container
from ansible_collections.flaskops.host.plugins.module_utils.host.engine import LOG_BOUND
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.places import Place
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    attach,
    container_log,
    describe,
    drain,
    live_container,
    prune,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.attempts import Attempts
from ansible_collections.flaskops.host.plugins.module_utils.releases.processes import (
    process_containers,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.record import Record
from ansible_collections.flaskops.host.plugins.module_utils.releases.uids import run_as
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Outcome, Work
from entries import typed

ID, OTHER = "0123456789ab", "111111111111"


@pytest.fixture
def serve(tmp_path):
    """A release that serves; returns the directories of the releases and of Nginx."""

    def make(**entry):
        root, nginx = tmp_path / "flaskops", tmp_path / "nginx"
        entry = {"engine": "uwsgi", "processes": [{"name": "worker", "command": "w"}], **entry}
        image = f"flaskops/shop:{ID}"
        web = typed(describe.container)(entry, ID, image, str(root))
        others = typed(process_containers)(entry, web)
        directory = root / "apps/shop/releases" / ID
        directory.mkdir(parents=True)
        facts = {"app": "shop", "id": ID, "site": "default", "path": "/", "container": web}
        facts |= {"process_containers": others, "processes": [{"name": "worker", "command": "w"}]}
        (directory / "release.json").write_text(json.dumps(facts))
        (root / "uids.json").write_text(
            json.dumps({"own": {"shop": 70007}, "current": {"shop": 70007}, "moving": {}})
        )
        link = nginx / "flaskops/default/shop.conf"
        link.parent.mkdir(parents=True)
        link.symlink_to(directory / "nginx.conf")
        return str(root), str(nginx)

    return make


@pytest.mark.parametrize(
    "entry",
    [{"volumes": ["data:/data"], "internet": True, "secrets": {"KEY": "x"}}, {"engine": "command"}],
)
def test_a_one_off_is_like_a_process_of_the_live_release(serve, entry):
    release = live_container.live(*serve(**entry), "shop")
    ours = live_container.one_off(release, "run", ["flask", "shell"])
    directory = str(release.place.directory)
    worker = Container.from_dict(run_as(release.process_containers[0], 70007, directory))
    different = {key for key, value in ours.to_dict().items() if value != worker.to_dict().get(key)}
    assert different <= {"name", "hostname", "labels", "command", "entrypoint", "stop_timeout",
                         "etc_hosts"}  # fmt: skip
    assert re.fullmatch(f"shop-{ID}-run-[0-9a-f]{{6}}", ours.name)
    assert ours.labels["host.flaskops.one-off"] == "run"
    assert "host.flaskops.process" not in ours.labels
    assert ours.user == "70007:70007"
    relay = ["--run"] if entry.get("engine") == "command" else []
    assert ours.command == [*relay, "flask", "shell"]


def test_an_application_that_does_not_serve_has_no_one_off(serve, tmp_path):
    root, nginx = serve()
    with pytest.raises(HostError, match="no release of other is live on this host"):
        live_container.live(root, nginx, "other")


@pytest.mark.parametrize(
    ("name", "state", "labels", "active"),
    [
        (f"shop-{ID}-run-abc123", "running", {"one-off": "run"}, True),
        (f"shop-{ID}-run-abc123", "paused", {"one-off": "run"}, True),
        (f"shop-{ID}-run-abc123", "exited", {"one-off": "run"}, False),
        (f"shop-{ID}-run-abc123", "created", {"one-off": "run"}, False),
        # Labels of an image.
        (f"shop-{ID}", "running", {"one-off": "run"}, False),
        (f"shop-{ID}-worker", "running", {"one-off": "", "process": "worker"}, False),
        (f"shop-{ID}-worker", "running", {"process": "worker"}, False),
    ],
)
def test_which_one_off_is_at_work(name, state, labels, active):
    known = {"host.flaskops.app": "shop", "host.flaskops.release": ID}
    known |= {f"host.flaskops.{key}": value for key, value in labels.items()}
    entry = {"Names": name, "State": state, "Labels": known}
    assert live_container.needs_release(entry) is active


class Engine:
    """A fake Docker with the containers of one application."""

    command = "/usr/bin/docker"

    def __init__(self, *containers):
        self.there, self.calls = containers, []

    def containers(self, _label):
        return [
            {
                "Names": name,
                "State": state,
                "Labels": {
                    "host.flaskops.app": "shop",
                    "host.flaskops.release": name.split("-")[1],
                    "host.flaskops.process": "worker" if name.endswith("-worker") else "",
                    "host.flaskops.one-off": "run" if "-run-" in name else "",
                },
            }
            for name, state in self.there
        ]

    def run(self, *words, **_how):
        self.calls.append(words)
        entries = [{"Name": f"/{name}", **self.inspect(name)} for name in words[3:]]
        return json.dumps(entries) if words[0] == "inspect" else ""

    def inspect(self, name, kind="container"):
        return {
            "State": {"Running": True, "Status": "running"},
            "Config": {"Entrypoint": ["python3", "entrypoint.py"]},
            "HostConfig": {"LogConfig": {"Type": "json-file"}},
            "Created": name,
        }


@pytest.mark.parametrize(("state", "kept"), [("running", True), ("exited", False)])
def test_a_release_in_which_a_command_is_at_work_is_not_pruned(tmp_path, state, kept):
    record = Record(str(tmp_path), "shop")
    record.path.parent.mkdir(parents=True)
    for identity in (ID, OTHER, "2" * 12, "3" * 12):
        record.mark(identity, "live")
    record.save()
    engine = Engine((f"shop-{ID}-run-abc123", state))
    work = Work("shop", "3" * 12, "present", "2" * 12, (), "", keep_releases=2)
    gone = prune.prune(str(tmp_path), engine, Outcome(work, "live"), [], Attempts())
    assert gone == ([OTHER] if kept else [ID, OTHER])


# --- what bin/flaskops starts ---------------------------------------------------------------------


def test_exec_goes_through_the_entrypoint_which_gives_the_secrets(serve):
    task = attach.Attach(*serve(), "shop", terminal=True, docker=Engine()).exec()
    words = task["words"]
    assert words[-3:] == (f"shop-{ID}", "python3", "entrypoint.py")
    assert "--tty" in words and "--interactive" in words
    assert task["mark"] in words


def test_exec_goes_through_the_relay_of_another_image(serve):
    task = attach.Attach(*serve(engine="command"), "shop", docker=Engine()).exec()
    assert task["words"][-4:] == (f"shop-{ID}", "python3", "/etc/flaskops/relay.py", "--run")


def test_exec_in_a_process_and_without_a_terminal(serve):
    task = attach.Attach(*serve(), "shop", "worker", docker=Engine()).exec()
    assert task["words"][-3] == f"shop-{ID}-worker"
    assert "--tty" not in task["words"]


def test_a_process_that_does_not_exist_is_refused(serve):
    with pytest.raises(HostError, match="no process 'beat'; it must be one of web, worker"):
        attach.Attach(*serve(), "shop", "beat", docker=Engine()).exec()


def test_logs_of_an_unknown_process_come_with_a_note(serve):
    """They may be empty, and with -f wait for nothing."""
    places = serve()
    Place(places[0]).service("shop", "db").directory.mkdir(parents=True)

    def note(process):
        return attach.Attach(*places, "shop", process, docker=Engine()).logs(0, 9, True)["note"]

    assert note("wroker") == (
        "no release of shop on this host has a process 'wroker'; there is web, worker."
    )
    assert note("db") == "db is a service; on its host, docker logs shop-service-db shows its log."
    assert [note(process) for process in ("", "web", "worker")] == ["", "", ""]


def test_run_creates_a_container_without_a_log_and_starts_it(serve):
    task = attach.Attach(*serve(networks=["a", "b"]), "shop", docker=Engine()).run()
    create, connect = task["before"]
    assert create[:4] == ("/usr/bin/docker", "create", "--pull", "never")
    assert create[-1] == f"flaskops/shop:{ID}"  # the command of the user follows
    assert "--rm" in create and create[create.index("--log-driver") + 1] == "none"
    assert connect == ("/usr/bin/docker", "network", "connect", "b", task["container"])
    assert task["words"][-1] == task["container"]


def test_no_command_starts_while_the_data_is_replaced(serve):
    root, nginx = serve()
    Path(root, "apps/shop/lock").write_text(json.dumps({"token": "t", "who": "a restore"}))
    with pytest.raises(HostError, match="its data is being replaced: shop is locked by a restore"):
        attach.Attach(root, nginx, "shop", docker=Engine()).run()


def test_logs_of_a_process(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(attach, "KEPT_LOGS", tmp_path)
    (tmp_path / "shop").mkdir()
    for name in (f"shop-{OTHER}", f"shop-{OTHER}-worker"):
        (tmp_path / "shop" / f"{name}.log").touch()
    monkeypatch.setattr(container_log, "JOURNAL_SOCKET", tmp_path)
    engine = Engine((f"shop-{ID}", "running"), (f"shop-{ID}-worker", "running"))
    places = serve()

    def sources(process, follow=False):
        found = attach.Attach(*places, "shop", process, docker=engine).logs(0, 9, follow)
        return [(source["words"][-1], source["name"]) for source in found["sources"]]

    place = tmp_path / "shop"
    assert sources("worker") == [
        ("HOST_FLASKOPS_PROCESS=worker", ""),
        (f"{place}/shop-{OTHER}-worker.log", f"{OTHER} worker"),
        (f"shop-{ID}-worker", f"{ID} worker"),
    ]
    assert sources("web") == [
        (f"CONTAINER_NAME=shop-{ID}", ""),
        (f"{place}/shop-{OTHER}.log", OTHER),
        (f"shop-{ID}", ID),
    ]
    assert sources("worker", follow=True)[1:] == [(f"shop-{ID}-worker", f"{ID} worker")]
    del engine.calls[:]
    assert len(sources("")) == 5
    assert engine.calls == [
        ("inspect", "--type", "container", f"shop-{ID}", f"shop-{ID}-worker")
    ]  # one call for all


# --- where logs go --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("daemon", "chosen", "journal", "driver"),
    [
        (None, "", True, "journald"),
        ({"log-driver": "json-file", "log-opts": LOG_BOUND}, "", True, "journald"),
        ({"registry-mirrors": []}, "", True, "journald"),
        (None, "", False, "json-file"),
        (None, "json-file", True, "json-file"),
        ({"log-driver": "json-file"}, "", True, "json-file"),
        ({"log-driver": "json-file", "log-opts": LOG_BOUND}, "json-file", True, ""),
        ({"log-driver": "json-file", "log-opts": {"max-size": "1g"}}, "", True, ""),
        ({"log-opts": {"max-file": "9"}}, "", True, "json-file"),
    ],
)
def test_the_journal_is_the_default_and_a_choice_of_the_user_is_kept(
    tmp_path, daemon, chosen, journal, driver
):
    file = tmp_path / "daemon.json"
    if daemon is not None:
        file.write_text(json.dumps(daemon))
    info = {"LoggingDriver": "json-file", "Plugins": {"Log": ["journald", "json-file"]}}
    found = container_log.log_of(info, str(file), chosen, journal)
    assert found["log_driver"] == driver
    labels = found["log_options"].get("labels", "")
    assert ("host.flaskops.process" in labels) is (driver == "journald")


def test_an_engine_without_the_driver_writes_files(tmp_path):
    info = {"LoggingDriver": "json-file", "Plugins": {"Log": ["json-file"]}}
    assert container_log.log_of(info, str(tmp_path / "x"), "", True)["log_driver"] == "json-file"


class Logging:
    """A fake Docker whose containers have logs."""

    def __init__(self, driver="json-file", status="running", app="shop"):
        self.calls = []
        self.entry = {
            "Config": {"Labels": {"host.flaskops.app": app} if app else None},
            "HostConfig": {"LogConfig": {"Type": driver}},
            "State": {"Status": status},
        }

    def run(self, *words, **_how):
        self.calls.append(words)
        if words[0] == "inspect":
            return json.dumps([{"Name": f"/{name}", **self.entry} for name in words[3:]])
        return f"2026-01-01T00:00:00Z of {words[-1]}\n"


@pytest.mark.parametrize(
    ("engine", "kept"),
    [
        (Logging(), True),
        (Logging("local"), True),
        (Logging("journald"), False),
        (Logging("none"), False),
        (Logging(status="created"), False),
        (Logging(app=""), False),
    ],
)
def test_the_log_of_a_container_that_is_removed_is_kept(tmp_path, engine, kept):
    kept_logs.keep(engine, ["shop-1"], tmp_path)
    files = {file.name: file.read_text() for file in tmp_path.rglob("*.log")}
    assert files == ({"shop-1.log": "2026-01-01T00:00:00Z of shop-1\n"} if kept else {})


def test_the_engine_is_asked_once_for_all_containers_that_are_removed():
    engine = Logging("journald")
    drain.remove(["shop-1", "shop-1-worker", "shop-2-pin"], engine)
    assert [words[0] for words in engine.calls] == ["inspect", "rm"]
    assert engine.calls[0][3:] == ("shop-1", "shop-1-worker")  # a pin has no log
    del engine.calls[:]
    drain.remove(["shop-1-job_nightly"], engine, with_logs=False)
    assert [words[0] for words in engine.calls] == ["rm"]


def test_only_the_last_logs_of_an_application_are_kept(tmp_path):
    for number in range(kept_logs.KEPT + 3):
        kept_logs.keep(Logging(), [f"shop-{number}"], tmp_path)
    assert len(kept_logs.logs_of(tmp_path / "shop")) == kept_logs.KEPT


def test_a_log_is_bounded_and_begins_with_a_whole_line(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_logs, "KEPT_BYTES", 10)
    engine = Logging()
    ask = engine.run
    said = "rest of\nwhole\n"
    engine.run = lambda *words, **_how: said if words[0] == "logs" else ask(*words)
    kept_logs.keep(engine, ["shop-1"], tmp_path)
    assert (tmp_path / "shop/shop-1.log").read_text() == "whole\n"


def test_a_log_that_cannot_be_kept_prevents_nothing(tmp_path):
    (tmp_path / "shop").write_text("not a directory")
    kept_logs.keep(Logging(), ["shop-1"], tmp_path)
