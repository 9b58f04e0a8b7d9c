# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The work for each application, computed from links, records, files and containers."""

import json
import socket
from hashlib import sha256
from typing import ClassVar

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.plan import Plan
from ansible_collections.flaskops.host.plugins.module_utils.releases.record import Record
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Wanted

NEW, OLD = "222222222222", "111111111111"
TEXT = "[uwsgi]\n"


class Engine:
    """A fake Docker with the calls that the plan uses."""

    command = "/usr/bin/docker"
    info: ClassVar = {"LoggingDriver": "journald"}
    data = ()

    def __init__(self):
        self.plugins = {"buildx": True, "compose": True}
        self.states = {}
        self.images = {}

    def containers(self, label):
        return [
            {"Names": name, "State": state, "Labels": {label: "shop", **_more(name)}}
            for name, state in self.states.items()
        ]

    def inspect(self, name, kind="container"):
        return {"Id": self.images[name]} if name in self.images else {}


def _more(container):
    """The labels of a container that serves no requests."""
    _app, identity, name, *_rest = [*container.split("-"), "", ""]
    return (
        {"host.flaskops.release": identity, "host.flaskops.process": name}
        if name not in ("", "pin", "command")
        else {}
    )


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def serve(tmp_path, engine, monkeypatch):
    """A release as a successful run leaves it."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short

    def lay(identity=OLD, file="nginx.conf", state="running", live=True, processes=()):
        directory = tmp_path / "flaskops/apps/shop/releases" / identity
        for place in (directory / "static", directory / "run", tmp_path / "nginx/flaskops/default"):
            place.mkdir(parents=True, exist_ok=True)
        (directory / "uwsgi.ini").write_text(TEXT)
        engine.states.update({f"shop-{identity}-{process}": state for process in processes})
        facts = {"container": {}, "processes": [{"name": process} for process in processes]}
        facts["files"] = {"uwsgi.ini": sha256(TEXT.encode()).hexdigest()}
        (directory / "release.json").write_text(json.dumps(facts))
        (directory / "run/app.sock").unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"flaskops/apps/shop/releases/{identity}/run/app.sock")
        listener.close()
        link = tmp_path / "nginx/flaskops/default/shop.conf"
        link.unlink(missing_ok=True)
        link.symlink_to(directory / file)
        engine.states.update({f"shop-{identity}": state, f"shop-{identity}-pin": "created"})
        engine.images[f"flaskops/shop:{identity}"] = f"sha256:{identity}"
        record = Record(str(tmp_path / "flaskops"), "shop")
        record.mark(identity, "live" if live else "prepared")
        record.note(identity, image=f"sha256:{identity}")
        record.save()
        return directory

    return lay


@pytest.fixture
def plan(tmp_path, engine):
    def make(identity=OLD, site="default", state="present", absent=(), releases=None):
        wanted = [Wanted("shop", identity, site, state)] if releases is None else releases
        places = str(tmp_path / "flaskops"), str(tmp_path / "nginx")
        return Plan(*places, wanted, list(absent), ["runtime"], engine).run().to_dict()

    return make


def test_an_application_that_serves_as_requested_has_no_work(serve, plan):
    serve()
    assert plan() == {
        "work": [],
        "remove": [],
        "repairs": {},
        "failures": {},
        "live": {"shop": OLD},
        "unlisted": [],
        "missing_images": [],
        "docker": {
            "command": "/usr/bin/docker",
            "buildx": True,
            "compose": True,
            "log_driver": "",
            "log_options": {},
        },
        "known": {},
        "jobs": {},
    }


def test_a_bare_host_needs_everything(plan):
    found = plan()
    (work,) = found["work"]
    assert (work["reason"], work["live"], work["build"]) == (
        "it is not on this host yet",
        None,
        True,
    )
    assert found["missing_images"] == ["runtime"]


def test_a_new_release_is_built(serve, plan):
    serve()
    (work,) = plan(NEW)["work"]
    assert (work["reason"], work["live"], work["build"]) == (f"release {OLD} serves", OLD, True)


def test_an_existing_release_is_not_rebuilt(serve, plan):
    serve(OLD)
    serve(NEW)
    (work,) = plan(OLD)["work"]
    assert (work["live"], work["build"]) == (NEW, False)


@pytest.mark.parametrize(
    ("break_it", "reason", "build", "recreate"),
    [
        (
            lambda place, engine: (place / "uwsgi.ini").write_text("x"),
            "changed on the host",
            True,
            True,
        ),
        (
            lambda place, engine: (place / "release.json").write_text("{"),
            "its release.json is missing or broken",
            True,
            True,
        ),
        (
            lambda place, engine: (place / "run/app.sock").unlink(),
            "app.sock is missing",
            False,
            True,
        ),
        (
            lambda place, engine: engine.states.update({f"shop-{OLD}": "exited"}),
            "its container is exited",
            False,
            False,
        ),
        (
            lambda place, engine: engine.states.pop(f"shop-{OLD}"),
            "its container is missing",
            False,
            False,
        ),
    ],
    ids=["file", "release.json", "socket", "exited", "container"],
)
def test_broken_parts_are_repaired(serve, plan, engine, break_it, reason, build, recreate):
    break_it(serve(), engine)
    (work,) = plan()["work"]
    assert reason in work["reason"]
    assert (work["build"], work["recreate"]) == (build, recreate)


def test_a_changed_state_is_work_without_a_build(serve, plan):
    serve()
    for state in ("maintenance", "stopped"):
        (work,) = plan(state=state)["work"]
        assert (work["reason"], work["build"], work["state"]) == (
            "it is present on site default",
            False,
            state,
        )


def test_an_application_runs_under_maintenance_and_not_when_stopped(serve, plan):
    serve(file="maintenance.conf")
    assert plan(state="maintenance")["work"] == []
    serve(file="stopped.conf", state="exited")
    assert plan(state="stopped")["work"] == []
    serve(file="stopped.conf", state="running")
    assert plan(state="stopped")["work"][0]["reason"] == "its container is running"


def test_processes_run_with_their_release(serve, plan, engine):
    serve(processes=["worker", "beat"])
    assert (plan()["work"], plan()["repairs"]) == ([], {})
    engine.states[f"shop-{OLD}-worker"] = "exited"
    del engine.states[f"shop-{OLD}-beat"]
    (work,) = plan()["work"]
    assert work["reason"] == "its process worker is exited, its process beat is missing"
    assert (work["build"], work["recreate"]) == (False, False)


def test_processes_stop_with_their_release(serve, plan, engine):
    serve(file="stopped.conf", state="exited", processes=["worker"])
    assert plan(state="stopped")["work"] == []
    engine.states[f"shop-{OLD}-worker"] = "running"
    assert plan(state="stopped")["work"][0]["reason"] == "its process worker is running"
    assert plan(state="stopped")["repairs"] == {}


def test_processes_of_other_releases_are_leftovers(serve, plan, engine):
    serve(processes=["worker"])
    engine.states.update({f"shop-{NEW}-worker": "running", f"shop-{OLD}-command": "exited"})
    assert plan()["repairs"] == {
        "shop": [f"container shop-{OLD}-command", f"container shop-{NEW}-worker"]
    }


def test_a_route_that_moved_without_a_record_is_work(serve, plan):
    serve(OLD)
    serve(NEW, live=False)
    assert plan(NEW)["work"][0]["reason"] == "the last run did not finish"


def test_leftovers_of_an_interrupted_run_are_repaired(serve, plan, engine, tmp_path):
    serve()
    engine.states["shop-333333333333"] = "running"
    del engine.states[f"shop-{OLD}-pin"]
    (tmp_path / "flaskops/build/shop-333333333333").mkdir(parents=True)
    (tmp_path / "flaskops/build/shop-two-333333333333").mkdir()  # of another application
    found = plan()
    assert found["work"] == []
    assert found["repairs"] == {
        "shop": [
            "container shop-333333333333",
            f"directory {tmp_path}/flaskops/build/shop-333333333333",
            f"the pin of release {OLD}",
        ]
    }


def test_a_begun_release_that_is_no_longer_requested_is_a_leftover(serve, plan, tmp_path):
    serve()
    record = Record(str(tmp_path / "flaskops"), "shop")
    record.mark("333333333333", "prepared")
    record.mark(
        "444444444444", "failed", reason="it answered 500"
    )  # the status shows it, and a later run prunes it
    record.save()
    assert plan()["repairs"] == {"shop": ["release 333333333333, which never served"]}
    # The requested release continues where it was interrupted.
    found = plan("333333333333")
    assert (len(found["work"]), found["repairs"]) == (1, {})


def test_absent_applications_are_removed_and_unlisted_ones_are_reported(serve, plan):
    serve()
    assert plan(releases=[], absent=["shop", "never"])["remove"] == ["shop"]
    assert plan(releases=[])["unlisted"] == ["shop"]


def test_a_rollback_goes_to_the_previous_release_and_does_not_alternate(tmp_path):
    record = Record(str(tmp_path), "shop")
    for identity in "abc":
        record.mark(identity, "live")
    record.mark("b", "live", rollback=True)
    assert (record.before("b"), record.before("c"), record.before("a")) == ("a", "b", None)
    assert record.releases["c"].state == "retired"
    record.mark("d", "live")
    assert (
        record.before("d") == "b"
    )  # the release that served before, not the one that was rolled back
    record.mark("a", "live")
    assert (record.before("a"), record.releases["a"].number) == (
        "d",
        5,
    )  # an older source, deployed again
    record.mark("a", "live")
    assert record.before("a") == "d"  # repaired, not deployed
