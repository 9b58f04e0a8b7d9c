# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a run on a host in a directory: real records, locks and links, a fake Nginx that
reads them, and an engine that keeps its state.
"""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.places import BACKUP, Place
from ansible_collections.flaskops.host.plugins.module_utils.nginx import renew as _renew
from ansible_collections.flaskops.host.plugins.module_utils.nginx import tree
from ansible_collections.flaskops.host.plugins.module_utils.releases import begin as _begin
from ansible_collections.flaskops.host.plugins.module_utils.releases import finish as _finish
from ansible_collections.flaskops.host.plugins.module_utils.releases import lock as _lock
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    prepare,
    prune,
    routes,
    settle,
    targets,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases import remove as _remove
from ansible_collections.flaskops.host.plugins.module_utils.releases import report as _report
from ansible_collections.flaskops.host.plugins.module_utils.releases import status as _status
from ansible_collections.flaskops.host.plugins.module_utils.releases import switch as _switch
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Health
from ansible_collections.flaskops.host.plugins.module_utils.releases.attempts import Attempts
from ansible_collections.flaskops.host.plugins.module_utils.releases.drain import Old
from ansible_collections.flaskops.host.plugins.module_utils.releases.lock import Lock, Owner
from ansible_collections.flaskops.host.plugins.module_utils.releases.record import Link, Record
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import FORMAT, Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import (
    Outcome,
    Wanted,
    Work,
)
from test_nginx_tree import FakeHost
from test_trees import dig

MODULES = (_begin, settle, _finish, _remove, _status, _switch)
OLDEST, OLD, NEW, LATER = "0" * 12, "a" * 12, "b" * 12, "c" * 12
TEXTS = (
    "path_mode",
    "engine",
    "module",
    "callable",
    "static",
    "build",
    "image",
    "dockerfile",
    "source",
)


class Engine:
    """A fake Docker with the calls that the steps use."""

    command = "/usr/bin/docker"
    info: ClassVar = {"LoggingDriver": "journald"}
    data = ()
    plugins: ClassVar = {"buildx": True}

    def __init__(self):
        self.states, self.labels, self.images, self.restarts = {}, {}, {}, set()

    def put(self, app, identity, state, pin=False):
        name = f"{app}-{identity}-pin" if pin else f"{app}-{identity}"
        self.states[name], self.labels[name] = (
            state,
            {"host.flaskops.app": app, "host.flaskops.release": identity},
        )

    def run(self, *words, **_more):
        if words[0] == "rm":
            for name in words[1:]:
                self.states.pop(name, None)
        elif words[0] == "stop":
            self.states.update({name: "exited" for name in words[1:] if name in self.states})
        elif words[:2] == ("update", "--restart"):
            self.restarts.update(words[3:])
        elif words[:2] == ("image", "ls"):
            return "\n".join(
                image.partition(":")[2]
                for image in self.images
                if image.startswith(f"{words[-1]}:")
            )
        elif words[:2] == ("image", "rm"):
            for name in words[2:]:
                self.images.pop(name, None)
        return ""

    def containers(self, label):
        key, _equals, value = label.partition("=")
        fitting = (name for name in self.states if not value or self.labels[name][key] == value)
        return [
            {"Names": name, "State": self.states[name], "Labels": self.labels[name]}
            for name in fitting
        ]

    def inspect(self, name, kind="container"):
        if kind == "image":
            return {"Id": self.images[name]} if name in self.images else {}
        return (
            {"State": {"Running": self.states[name] == "running"}, "Image": "sha"}
            if name in self.states
            else {}
        )


class World:
    """One host: /shop is served by Nginx when exactly one link leads to a location of that name."""

    def __init__(self, place, monkeypatch):
        self.root, self.nginx, self.engine = str(place / "f"), str(place / "n"), Engine()
        (place / "n/flaskops/default").mkdir(parents=True)
        (place / "n/nginx.conf").write_text("main;\n")
        self.broken = set()  # releases that do not serve
        host, settings = (
            FakeHost(),
            tree.Settings(place / "n", place / "lock", place / "runtime", place / "backups", 0.2),
        )

        def move(root, links, absent):
            wanted = {"directories": [], "files": [], "links": links, "absent": absent}
            return tree.NginxTree(tree.parse_wanted(Path(root), wanted), settings, host).run()[
                "warnings"
            ]

        self.host = host
        for module in MODULES:
            monkeypatch.setattr(module, "Docker", lambda: self.engine)
            monkeypatch.setattr(module, "move_links", move, raising=False)
            monkeypatch.setattr(
                module,
                "check",
                lambda asked, _deadline: "502" if asked.id in self.broken else "",
                raising=False,
            )
        for module in (settle, _finish, _remove):
            monkeypatch.setattr(module.drain, "drain", lambda _containers: {})
        monkeypatch.setattr(_begin.planted, "protect", lambda _check_mode: [])
        monkeypatch.setattr(_begin.mount, "protect", lambda _root, _check_mode: [])
        monkeypatch.setattr(os, "chown", lambda *_: None)
        monkeypatch.setattr(os, "fchown", lambda *_: None)

    def write(self, app, identity, path="/shop", state="running", route=None):
        directory = Path(self.root, "apps", app, "releases", identity)
        for place in ("static", "run"):
            (directory / place).mkdir(parents=True, exist_ok=True)
        for file in ("nginx.conf", "maintenance.conf"):
            (directory / file).write_text(f"location {path};\n")
        facts = {
            "format": FORMAT,
            "app": app,
            "id": identity,
            "site": "default",
            "path": path,
            "drain_seconds": 1,
            "keep_releases": 5,
        }
        facts.update(route=f"route-{path.strip('/')}" if route is None else route)
        facts.update(
            container={},
            processes=[],
            process_containers=[],
            files={},
            health={"path": "/", "status": ["2xx"]},
        )
        (directory / "release.json").write_text(
            json.dumps({**facts, **{key: "" for key in TEXTS if key not in facts}})
        )
        order = 1_700_000_000 + [OLDEST, OLD, NEW, LATER].index(identity)
        os.utime(directory / "release.json", (order, order))
        self.engine.images[f"flaskops/{app}:{identity}"] = "sha"
        self.engine.put(app, identity, "created", pin=True)
        if state:
            self.engine.put(app, identity, state)

    def link(self, app, identity, file="nginx.conf"):
        link = Path(self.nginx, "flaskops/default", f"{app}.conf")
        link.unlink(missing_ok=True)
        link.symlink_to(Path(self.root, "apps", app, "releases", identity, file))

    def mark(self, app, identity, state, **more):
        record = Record(self.root, app)
        record.mark(identity, state, **more)
        record.save()

    def live(self, app, identity, run="before", **more):
        self.write(app, identity, **more)
        routes.lead(self.root, app, identity)
        self.mark(app, identity, "live", run=run)
        self.link(app, identity)

    def led_to(self, app, path="/shop"):
        return routes.leads_to(self.root, app, f"route-{path.strip('/')}")

    @property
    def links(self):
        places = Path(self.nginx, "flaskops/default").glob("*.conf")
        return {
            place.stem: f"{Path(os.readlink(place)).parent.name}/{Path(os.readlink(place)).name}"
            for place in places
        }

    def lock(self, *names, token="t", break_tokens=()):
        _lock.acquire(self.root, names, Owner(token, "me"), break_tokens, seconds=0)

    def switch(self, *releases, remove=(), token="t"):
        work = [
            Work(
                app,
                identity,
                live=before,
                links=(Link("default", before, "nginx.conf"),) if before else (),
                site="default",
                path=path,
                drain_seconds=1,
                health=Health(status=("2xx",)),
            )
            for app, identity, before, path in releases
        ]
        return _switch.Switch(
            self.root, self.nginx, token, [], work, remove, deadline_seconds=1
        ).run()

    def begin(self, *wanted, token="t"):
        releases = [Wanted(app, identity, "default") for app, identity in wanted]
        return _begin.Begin(
            self.root, self.nginx, releases, Owner(token, "me"), break_tokens=["dead"]
        ).run()

    def finish(self, app, identity, before, token="t", result="live", reason="", **more):
        work = Work(app, identity, live=before, drain_seconds=1)
        lock = Lock(token, (app,))
        finish = _finish.Finish(self.root, self.nginx, lock, [Outcome(work, result, reason)])
        return finish.run(**more)

    def remove(self, *names, token="t"):
        attempts = Attempts()
        removed = _remove.Remove(self.root, self.nginx, self.engine, attempts).run(names, token)
        return removed, attempts

    def targets(self):
        found = targets.Targets(self.root, self.nginx).releases()
        return {release.name: release.id for release in found}


@pytest.fixture
def world(tmp_path, monkeypatch):
    yield World(tmp_path, monkeypatch)
    for handle in _lock.HELD.values():
        os.close(handle)
    _lock.HELD.clear()
    subprocess.run(["rm", "-rf", tmp_path / "f"], check=True)  # the cleanup of pytest is recursive


# --- the link for Nginx ---------------------------------------------------------------------------


def test_a_release_with_the_same_fragment_serves_without_a_reload(world):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.lock("shop")
    assert world.switch(("shop", NEW, OLD, "/shop")).live == ("shop",)
    assert (world.links["shop"], world.led_to("shop")) == (f"{NEW}/nginx.conf", NEW)
    assert (world.host.loaded, world.host.tests) == ([], 0)


def test_a_release_with_another_fragment_is_tested_and_loaded(world):
    world.live("shop", OLD)
    world.write("shop", NEW)
    Path(world.root, "apps/shop/releases", NEW, "nginx.conf").write_text("location /shop;\nmore;\n")
    world.lock("shop")
    world.switch(("shop", NEW, OLD, "/shop"))
    assert world.led_to("shop") == NEW
    assert len(world.host.loaded) == 1
    assert world.host.tests > 0


def test_a_release_that_does_not_serve_gives_the_route_back(world):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.lock("shop")
    world.broken.add(NEW)
    assert list(world.switch(("shop", NEW, OLD, "/shop")).failures) == ["shop"]
    assert (world.links["shop"], world.led_to("shop")) == (f"{OLD}/nginx.conf", OLD)


def test_a_new_path_has_a_separate_link_until_the_drain_ends(world):
    world.live("shop", OLD)
    world.write("shop", NEW, path="/store")
    world.lock("shop")
    world.switch(("shop", NEW, OLD, "/store"))
    assert (world.led_to("shop"), world.led_to("shop", "/store")) == (OLD, NEW)
    assert routes.still_led_to(world.root, "shop", OLD)  # old workers still use it
    world.finish("shop", NEW, OLD)
    assert (world.led_to("shop"), world.led_to("shop", "/store")) == ("", NEW)


def test_a_release_that_predates_the_links_is_replaced_and_restored(world):
    world.live("shop", OLD, route="")
    world.write("shop", NEW)
    world.lock("shop")
    world.switch(("shop", NEW, OLD, "/shop"))
    assert (world.links["shop"], world.led_to("shop")) == (f"{NEW}/nginx.conf", NEW)
    assert routes.still_led_to(world.root, "shop", OLD)
    world.finish("shop", NEW, OLD)
    world.lock("shop")
    world.switch(("shop", OLD, NEW, "/shop"))
    world.finish("shop", OLD, NEW)
    assert (world.links["shop"], world.led_to("shop")) == (f"{OLD}/nginx.conf", "")


@pytest.mark.parametrize("answers", [True, False])
def test_a_run_interrupted_between_the_two_links_is_completed(world, answers):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.link("shop", NEW)
    if not answers:
        world.broken.add(NEW)
    actions = world.begin(("shop", NEW)).actions
    assert (
        f"shop: moved the route from {OLD} to release {NEW}, which the last run did not do"
        in actions
    )
    serves = NEW if answers else OLD
    assert (world.links["shop"], world.led_to("shop")) == (f"{serves}/nginx.conf", serves)


# --- a renamed application ------------------------------------------------------------------------


def test_a_renamed_application_hands_over_its_path_in_one_transaction(world):
    world.live("old", OLD)
    world.write("new", NEW)
    world.lock("old", "new")
    assert world.switch(("new", NEW, None, "/shop"), remove=["old"]).live == ("new",)
    assert world.links == {"new": f"{NEW}/nginx.conf"}
    asked = []
    _remove.drain.drain = lambda releases: asked.extend(old.container for old in releases)
    world.remove("old")
    assert asked == [f"old-{OLD}"]  # it has no route any more, and finishes its requests


def test_a_renamed_application_that_does_not_serve_gives_the_path_back(world):
    world.live("old", OLD)
    world.write("new", NEW)
    world.lock("old", "new")
    world.broken.add(NEW)
    assert list(world.switch(("new", NEW, None, "/shop"), remove=["old"]).failures) == ["new"]
    assert world.links == {"old": f"{OLD}/nginx.conf"}


# --- two applications that swap paths -------------------------------------------------------------


def test_two_applications_swap_paths_and_one_does_not_serve(world):
    for app, before, after in (("a", "/x", "/y"), ("b", "/y", "/x")):
        world.live(app, OLD, path=before)
        world.write(app, NEW if app == "a" else LATER, path=after)
    world.lock("a", "b")
    world.broken.add(NEW)
    failures = world.switch(("a", NEW, OLD, "/y"), ("b", LATER, OLD, "/x")).failures
    assert "did not serve and was taken back" in failures["a"]
    assert (
        "for a did not serve and must have its place again; release aaaaaaaaaaaa goes on serving"
        in failures["b"]
    )
    assert world.links == {"a": f"{OLD}/nginx.conf", "b": f"{OLD}/nginx.conf"}
    assert {Record(world.root, app).live for app in "ab"} == {OLD}


def test_a_path_in_use_does_not_block_the_next_run(world):
    world.live("a", OLD, path="/x")
    world.write("a", NEW, path="/y")
    world.mark("a", NEW, "prepared")
    world.link("a", NEW)  # moved and not recorded
    world.live("b", OLD, path="/x")
    world.broken.add(NEW)
    actions = world.begin(("a", LATER), ("b", OLD)).actions
    assert any(
        action.startswith(
            f"a: release {NEW} does not serve (502), and Nginx does not take {OLD} back"
        )
        for action in actions
    )


# --- interrupted runs -----------------------------------------------------------------------------


def test_the_restart_policy_is_enabled_before_the_route_moves(world, monkeypatch):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.lock("shop")
    monkeypatch.setattr(_switch, "move_links", lambda *_: pytest.fail(str(world.engine.restarts)))
    with pytest.raises(pytest.fail.Exception, match=f"shop-{NEW}"):
        world.switch(("shop", NEW, OLD, "/shop"))


def test_a_rollback_after_an_interrupted_switch_goes_to_the_previous_release(world):
    world.live("shop", OLDEST)
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.mark("shop", NEW, "prepared")
    world.link("shop", NEW)
    assert world.targets() == {"shop": OLD}


def test_a_rollback_after_an_interrupted_switch_works_for_the_second_release(world):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.link("shop", NEW)
    assert world.targets() == {"shop": OLD}


def test_the_release_that_served_until_the_interruption_drains_before_removal(world, monkeypatch):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.mark("shop", NEW, "prepared")
    world.link("shop", NEW)
    asked = []
    monkeypatch.setattr(settle.drain, "drain", asked.extend)
    world.begin(("shop", NEW))
    assert asked == [Old(f"shop-{OLD}", OLD, drain_seconds=1, led_to=False)]
    assert f"shop-{OLD}" not in world.engine.states


def test_an_interrupted_maintenance_is_continued(world):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.mark("shop", NEW, "prepared")
    world.link("shop", NEW, "maintenance.conf")
    world.broken.add(NEW)
    world.begin(("shop", LATER))
    assert world.links == {"shop": f"{OLD}/maintenance.conf"}


def dead_run(world, who="ann@desk"):
    """The lock of a run whose controller is gone."""
    _lock.acquire(world.root, ["shop"], Owner("dead", who), seconds=0)
    for handle in _lock.HELD.values():
        os.close(handle)
    _lock.HELD.clear()


def audit(world):
    file = Path(world.root, "apps/shop/audit.jsonl")
    keys = ("who", "action", "from", "to", "result")
    return (
        [tuple(json.loads(line)[key] for key in keys) for line in file.read_text().splitlines()]
        if file.exists()
        else []
    )


def test_a_run_interrupted_after_its_switch_is_in_the_audit(world):
    world.live("shop", OLDEST)
    world.live("shop", OLD)
    dead_run(world)
    world.live("shop", NEW, run="dead")
    world.begin(("shop", NEW))
    assert audit(world) == [("ann@desk", "deploy", OLD, NEW, "live")]


def test_a_run_interrupted_between_its_switch_and_the_record_is_in_the_audit(world):
    world.live("shop", OLD)
    dead_run(world)
    world.write("shop", NEW)
    world.mark("shop", NEW, "prepared")
    world.link("shop", NEW)
    world.begin(("shop", NEW))
    assert audit(world) == [("ann@desk", "deploy", OLD, NEW, "live")]
    assert Record(world.root, "shop").releases[NEW].run == "dead"


@pytest.mark.parametrize(
    ("broken", "linked"),
    [(False, False), (True, True)],
    ids=["before its switch", "and did not serve"],
)
def test_an_interrupted_run_that_changed_nothing_is_in_the_audit(world, broken, linked):
    world.live("shop", OLD)
    dead_run(world)
    world.write("shop", NEW)
    world.mark("shop", NEW, "prepared")
    if linked:
        world.link("shop", NEW)
        world.broken.add(NEW)
    world.begin(("shop", LATER))
    assert audit(world) == [("ann@desk", "deploy", OLD, NEW, "cut off")]


def test_a_run_interrupted_before_it_wrote_anything_is_in_the_audit(world):
    world.live("shop", OLD)
    dead_run(world)
    world.begin(("shop", NEW))
    assert audit(world) == [("ann@desk", "deploy", OLD, None, "cut off")]


def test_a_run_after_a_complete_one_adds_nothing_to_the_audit(world):
    world.live("shop", OLD)
    world.begin(("shop", NEW))
    assert audit(world) == []


# --- steps that outlive their controller ----------------------------------------------------------

STEP = """
import sys, time
from ansible_collections.flaskops.host.plugins.module_utils.releases import lock as _lock
_lock.make_directory = lambda path, *_: path.mkdir(exist_ok=True)
_lock.write_file = lambda path, content, mode: path.write_bytes(content)
_lock.renew(sys.argv[1], ["shop"], "dead", "drain")
print("at work", flush=True)
time.sleep(float(sys.argv[2]))
if sys.argv[3:]:
    _lock.release(sys.argv[1], ["shop"], "dead")
"""


@pytest.fixture
def step(world):
    """A step of a run whose controller is gone; it runs on the host for so many seconds."""

    begun = []

    def run(seconds, *last):
        world.live("shop", OLD)
        world.lock("shop", token="dead")
        for handle in _lock.HELD.values():
            os.close(handle)
        _lock.HELD.clear()
        collections = str(Path(__file__).parents[2] / "collections")
        process = subprocess.Popen(
            [sys.executable, "-c", STEP, world.root, str(seconds), *last],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": collections},
        )
        begun.append(process)
        assert process.stdout.readline() == b"at work\n"
        return process

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def test_a_run_that_takes_over_a_lock_waits_for_the_running_step(world, step):
    process = step(0.5)
    _lock.acquire(world.root, ["shop"], Owner("mine", "me"), ["dead"], seconds=20)
    assert process.wait(0.1) == 0
    assert _lock.holder(world.root, "shop").token == "mine"


def test_a_run_whose_last_step_completed_does_not_count_as_interrupted(world, step):
    step(0.5, "last")  # the step has written the audit itself
    world.begin(("shop", NEW), token="mine")
    assert audit(world) == []


def test_a_run_that_takes_over_a_lock_does_not_wait_forever(world, step):
    step(60)
    with pytest.raises(
        HostError, match=r"an earlier step still works on shop: .* This run changed nothing"
    ):
        world.lock("shop", token="mine", break_tokens=["dead"])
    assert _lock.holder(world.root, "shop").token == "dead"


def test_a_step_of_the_same_run_waits_too(world, step):
    process = step(0.5)
    _lock.renew(world.root, ["shop"], "dead", "undo", seconds=20)
    assert process.wait(0.1) == 0


def test_a_step_whose_lock_was_broken_does_not_wait_for_the_breaker(world, step):
    step(60)
    with pytest.raises(
        HostError,
        match=(
            r"does not hold the lock of shop any more \(me has broken it\), so it changes nothing"
            r" more"
        ),
    ):
        _lock.renew(world.root, ["shop"], "mine", "undo", seconds=60)


# --- events ---------------------------------------------------------------------------------------


@pytest.fixture
def events(world, monkeypatch):
    """What the program got; nothing is locked then."""
    got = []

    def send(program, events):
        apps = Path(world.root, "apps").iterdir()
        assert not [app.name for app in apps if _lock.holder(world.root, app.name)]
        got.extend(events if program else ())
        return ["it ended with 1"] if program else []

    monkeypatch.setattr(_renew.notify, "send", send)
    return got


def ending(world, program, outcomes, reverted=()):
    lock = Lock("t", tuple(outcome.work.name for outcome in outcomes))
    world.lock(*lock.names)
    finish = _finish.Finish(
        world.root, world.nginx, lock, outcomes, "deploy", program, reverted=reverted
    )
    return finish.run()


def test_each_failed_release_is_one_event_without_its_log(world, events):
    for app in ("shop", "blog", "wiki"):
        world.live(app, OLD, path=f"/{app}")
        world.write(app, NEW, path=f"/{app}")
    outcomes = [
        Outcome(
            Work("shop", NEW, live=OLD),
            "failed",
            "shop: it did not start\nIts log says: password=secret",
        ),
        Outcome(Work("blog", NEW, live=OLD), "failed", "blog: it did not serve"),
        Outcome(Work("wiki", NEW, live=OLD), "live"),
    ]
    done = ending(world, "/usr/local/bin/notify", outcomes, reverted=["blog"])
    assert [(event["event"], event["app"], event["reason"]) for event in events] == [
        ("release_failed", "shop", "shop: it did not start"),
        ("release_reverted", "blog", "blog: it did not serve"),
    ]
    assert {(event["from"], event["to"], event["action"]) for event in events} == {
        (OLD, NEW, "deploy")
    }
    assert "it ended with 1" in done.warnings and done.failures == ()


def test_without_a_program_there_is_no_event(world, events):
    world.live("shop", OLD)
    world.write("shop", NEW)
    outcome = Outcome(Work("shop", NEW, live=OLD), "failed", "shop: it did not start")
    assert ending(world, "", [outcome]).warnings == ()
    assert events == []


def test_what_did_not_serve_is_known_as_reverted(world):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.lock("shop")
    world.broken.add(NEW)
    assert world.switch(("shop", NEW, OLD, "/shop")).reverted == ("shop",)
    world.broken.clear()
    assert world.switch(("shop", NEW, OLD, "/shop")).reverted == ()


def test_what_an_interrupted_run_left_broken_is_an_event_of_the_next(world, events):
    world.live("shop", OLD)
    world.write("shop", NEW)
    world.mark("shop", NEW, "prepared")
    world.link("shop", NEW)
    world.broken.add(NEW)
    wanted = [Wanted("shop", LATER, "default")]
    begin = _begin.Begin(world.root, world.nginx, wanted, Owner("t", "me"), program="/notify")
    begun = begin.run()
    assert events == [], "the release is locked"
    finish = _finish.Finish(
        world.root, world.nginx, begun.lock, [], program="/notify", events=begun.events
    )
    assert "it ended with 1" in finish.run().warnings
    [event] = events
    assert (event["event"], event["app"], event["action"], event["from"], event["to"]) == (
        "release_reverted", "shop", "repair", OLD, NEW,
    )  # fmt: skip


# --- records --------------------------------------------------------------------------------------


def test_a_repair_does_not_count_as_the_latest_release(world, monkeypatch):
    clock = iter(f"2026-11-25T00:00:{second:02}Z" for second in range(60))
    monkeypatch.setattr(
        "ansible_collections.flaskops.host.plugins.module_utils.releases.record.now",
        lambda: next(clock),
    )
    for app in ("alpha", "beta"):
        world.live(app, OLDEST, run="r0", path=f"/{app}")
    world.live("alpha", OLD, run="r1", path="/alpha")
    world.live("beta", OLD, run="r2", path="/beta")
    since = Record(world.root, "alpha").releases[OLD].live
    world.mark("alpha", OLD, "live", run="r3")
    assert Record(world.root, "alpha").releases[OLD].live == since
    assert world.targets() == {"beta": OLDEST}


@pytest.fixture
def write_files(world, monkeypatch):
    """Write the files of a release, as a run does before the build."""
    monkeypatch.setattr(prepare.grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=0))
    monkeypatch.setattr(prepare, "write_accounts", lambda *_: None)

    def run(identity):
        release = Release(
            name="shop",
            id=identity,
            site="default",
            path="/",
            files={"nginx.conf": "x"},
            container={"tmpfs": [], "volumes": [], "network_mode": "none"},
            root=world.root,
        )
        request = prepare.Request(
            nginx_root=world.nginx,
            token="t",
            group="x",
            uids="70000-99999",
            networks_pool="",
            build=False,
        )
        prepare.Prepare(request, release, docker=object()).run()

    return run


def test_a_first_release_is_recorded_as_prepared_and_not_as_live(world, write_files):
    world.lock("shop")
    write_files(NEW)
    known = Record(world.root, "shop").releases[NEW].to_dict()
    assert known.pop("prepared")
    assert known == {"state": "prepared"}
    world.finish("shop", NEW, None, result="failed", reason="it crashed")
    assert Record(world.root, "shop").releases[NEW].reason == "it crashed"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
@pytest.mark.parametrize("kind", ["directory", "link", "fifo", "file", "another's"])
def test_a_file_that_replaces_the_socket_does_not_block_a_start(world, write_files, kind):
    world.lock("shop")
    write_files(NEW)
    there = place(world, "shop", "releases", NEW, "run", "app.sock")
    if kind == "directory":
        (there / "a/b").mkdir(parents=True)
    elif kind == "link":
        there.symlink_to("/nowhere")
    elif kind == "fifo":
        os.mkfifo(there)
    elif kind == "file":
        there.touch()
    else:
        there.mkdir()
    # Files of the container have its uid; files of another uid can remain after a move.
    own = json.loads(Path(world.root, "uids.json").read_text())["current"]["shop"]
    owner = 12345 if kind == "another's" else own
    os.lchown(there, owner, owner)  # this fixture replaces os.chown
    write_files(NEW)
    assert not os.path.lexists(there)


def test_a_rollback_is_possible_after_the_record_is_lost(world):
    for identity, state in ((OLDEST, None), (OLD, None), (NEW, "running")):
        world.live("shop", identity, state=state)
    Path(world.root, "apps/shop/state.json").unlink()
    plan = world.begin(("shop", NEW))
    assert not any("removed" in action for action in plan.actions)
    assert world.finish("shop", NEW, NEW).pruned == ()
    world.engine.put("shop", NEW, "running")
    assert world.targets() == {"shop": OLD}


# --- trouble of one application -------------------------------------------------------------------


def neighbours(world, identity=LATER, result="live", reason=""):
    """Two applications whose new releases go live in one run; the first one causes trouble."""
    for app in ("intruder", "neighbour"):
        for each in (OLDEST, OLD, NEW):
            world.live(app, each, path=f"/{app}", state="running" if each == NEW else "")
        world.write(app, LATER, path=f"/{app}")
        world.mark(app, LATER, "live")
        world.link(app, LATER)
    world.lock("intruder", "neighbour")
    names = ("intruder", "neighbour")
    outcomes = [
        Outcome(Work(name, identity, live=NEW, drain_seconds=1, keep_releases=2), result, reason)
        for name in names
    ]
    return _finish.Finish(world.root, world.nginx, Lock("t", names), outcomes)


def place(world, app, *parts):
    return Path(world.root, "apps", app, *parts)


def ended_well(world, app):
    """The application has its audit line, is pruned and unlocked."""
    lines = place(world, app, "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["to"] for line in lines] == [LATER]
    assert sorted(path.name for path in place(world, app, "releases").iterdir()) == [NEW, LATER]
    assert not place(world, app, "lock").exists()
    assert f"{app}-{NEW}" not in world.engine.states


def a_deep_directory(world, monkeypatch):
    spool = place(world, "intruder", "releases", OLDEST, "spool")
    spool.mkdir()
    dig(spool, 2200)


def no_record(world, monkeypatch):
    place(world, "intruder", "state.json").write_text("{")


def a_record_of_another_kind(world, monkeypatch):
    place(world, "intruder", "state.json").write_text('{"live": "x", "releases": {"x": 1}}')


def no_audit(world, monkeypatch):
    place(world, "intruder", "audit.jsonl").mkdir()


def no_release_file(world, monkeypatch):
    place(world, "intruder", "releases", LATER, "release.json").write_text(
        '{"container": 1, "processes": 7}'
    )


def a_broken_lock(world, monkeypatch):
    place(world, "intruder", "lock").write_text('{"token": "other", "who": "bob"}')


def a_lock_that_stays(world, monkeypatch):
    place(world, "intruder", "lock").unlink()
    place(world, "intruder", "lock").mkdir()


def an_engine_that_hangs(world, monkeypatch):
    real = world.engine.run

    def run(*words, **more):
        if any(word.startswith("intruder-") or word == "flaskops/intruder" for word in words):
            raise HostError("docker rm: no answer within 600 s; is the engine at work?")
        return real(*words, **more)

    monkeypatch.setattr(world.engine, "run", run)


def an_error_that_nobody_thought_of(world, monkeypatch):
    real = prune.forget

    def forget(docker, record, name, identity):
        if name == "intruder":
            raise RecursionError("maximum recursion depth exceeded")
        real(docker, record, name, identity)

    for module in (prune, _finish):
        monkeypatch.setattr(module, "forget", forget)


@pytest.mark.parametrize(
    "trouble",
    [
        a_deep_directory,
        no_record,
        a_record_of_another_kind,
        no_audit,
        no_release_file,
        a_broken_lock,
        a_lock_that_stays,
        an_engine_that_hangs,
        an_error_that_nobody_thought_of,
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_trouble_of_one_application_leaves_its_neighbour_alone(world, monkeypatch, trouble, first):
    finish = neighbours(world)
    trouble(world, monkeypatch)
    if not first:
        finish.outcomes.reverse()
        finish.names.reverse()
    result = finish.run()
    ended_well(world, "neighbour")
    harmless = (a_deep_directory, no_release_file)
    assert bool(result.failures) is (trouble not in harmless), result
    if trouble in harmless:
        ended_well(world, "intruder")
    if trouble in (
        no_record,
        a_record_of_another_kind,
        no_audit,
        an_engine_that_hangs,
        an_error_that_nobody_thought_of,
    ):
        assert not place(world, "intruder", "lock").exists()
    assert all("intruder" in failure for failure in result.failures), result


@pytest.mark.parametrize(
    "trouble",
    [a_deep_directory, no_record, no_audit, an_engine_that_hangs, an_error_that_nobody_thought_of],
)
def test_trouble_in_a_failed_run_leaves_its_neighbour_alone(world, monkeypatch, trouble):
    finish = neighbours(world, OLDEST, "failed", "it was not healthy")
    for app in ("intruder", "neighbour"):
        world.mark(app, OLDEST, "prepared")
    trouble(world, monkeypatch)
    finish.run()
    assert json.loads(place(world, "neighbour", "audit.jsonl").read_text())["result"] == "failed"
    assert Record(world.root, "neighbour").releases[OLDEST].state == "failed"
    assert not place(world, "neighbour", "lock").exists()
    assert not place(world, "intruder", "lock").exists()


@pytest.mark.parametrize(
    "trouble", [a_deep_directory, no_record, a_record_of_another_kind, no_audit, no_release_file]
)
def test_an_application_is_removed_whatever_it_left_behind(world, monkeypatch, trouble):
    neighbours(world)
    trouble(world, monkeypatch)
    removed, attempts = world.remove("intruder")
    assert attempts.failures == {}
    assert f"directory {place(world, 'intruder')}" in removed
    assert not place(world, "intruder").exists()
    assert place(world, "neighbour", "state.json").exists()


def test_a_removal_that_a_full_disk_prevents_is_a_failure(world, monkeypatch):
    """What is asked for did not happen; it is more than a warning."""

    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_remove, "move_links", full)
    world.live("shop", OLD)
    world.lock("shop")
    finish = _finish.Finish(world.root, world.nginx, Lock("t", ("shop",)), [])
    result = finish.run(remove=["shop"])
    assert result.removed == ()
    assert "shop could not be removed: [Errno 28] No space left on device" in result.failures[0]


def test_the_removal_reports_the_volumes_that_stay():
    class Volumes:
        def run(self, *words, **_more):
            return {"label=host.flaskops.app=shop": "shop-data\nshop-data-files\n"}.get(
                words[-1], ""
            )

    words = (
        "Volumes stay, with their data: shop-data shop-data-files. To remove them: docker volume rm"
        " shop-data shop-data-files"
    )
    remove = _remove.Remove("/x", "/x", Volumes())
    assert remove.kept_volumes(["shop", "blog"]) == words
    assert remove.kept_volumes(["blog"]) == ""


def test_the_status_says_what_puts_back_an_interrupted_restore(world):
    world.live("shop", OLD)
    world.live("blog", OLD)
    journal = Place(world.root).app("shop").job(BACKUP).journal
    journal.parent.mkdir(parents=True)
    journal.write_text("{}")
    found = status(world)
    assert [found[app]["interrupted"] for app in ("shop", "blog")] == [
        ["playbooks/restore.yml -e app=shop"],
        [],
    ]
    (line,) = [line for line in _report.status_table({"host": found.values()}) if "restore" in line]
    assert line.startswith("shop: ") and line.endswith(
        ": ansible-playbook " + found["shop"]["interrupted"][0]
    )


@pytest.mark.parametrize("trouble", [no_record, a_record_of_another_kind])
def test_an_application_that_cannot_be_planned_does_not_block_others(world, monkeypatch, trouble):
    for app in ("intruder", "neighbour"):
        world.live(app, OLD, path=f"/{app}")
    trouble(world, monkeypatch)
    begun = world.begin(("intruder", NEW), ("neighbour", NEW))
    assert [work.name for work in begun.planned.work] == ["neighbour"]
    assert begun.lock == Lock("t", ("neighbour",))
    assert list(begun.planned.failures) == ["intruder"]
    assert not place(world, "intruder", "lock").exists()


def test_leftovers_that_cannot_be_removed_do_not_block_a_release(world, monkeypatch):
    world.live("shop", OLD)
    world.write("shop", LATER)
    world.mark("shop", LATER, "prepared")

    def forget(*_):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(settle, "forget", forget)
    begun = world.begin(("shop", NEW))
    assert [work.id for work in begun.planned.work] == [NEW]
    assert any("shop" in warning and "busy" in warning for warning in begun.warnings)


# --- files of containers --------------------------------------------------------------------------


def test_files_that_a_container_wrote_are_removed_with_it(world):
    finish = neighbours(world)
    for app in ("intruder", "neighbour"):
        for identity in (NEW, LATER):
            spool = place(world, app, "releases", identity, "spool")
            spool.mkdir(mode=0o700)
            (spool / "upload").touch()
            place(world, app, "releases", identity, "run/app.sock").touch()
    finish.run()
    for app in ("intruder", "neighbour"):
        releases = place(world, app, "releases")
        left = sorted(str(path.relative_to(releases)) for path in releases.glob("*/*/*"))
        assert left == [f"{LATER}/run/app.sock", f"{LATER}/spool/upload"]
        assert (releases / NEW / "spool").stat().st_mode & 0o7777 == 0o700
    assert list(Path(world.root, "apps/.trash").iterdir()) == []


def test_a_run_without_work_continues_unfinished_deletions(world):
    world.live("shop", OLD)
    trash = Path(world.root, "apps/.trash")
    (trash / "1/2/3").mkdir(parents=True)

    def begin(check_mode=False):
        return _begin.Begin(world.root, world.nginx, [], Owner("t")).run(check_mode)

    assert begin(check_mode=True).changed
    assert (trash / "1").exists()
    assert begin().actions == (f"deleted more of what is in {trash}",)
    assert list(trash.iterdir()) == []
    assert not begin().changed


def test_a_deploy_without_free_space_is_refused_before_any_change(world, monkeypatch):
    world.live("shop", OLD)
    free = [10]
    monkeypatch.setattr(
        _begin,
        "too_little",
        lambda places, wanted: "10 MiB are free" if free[0] < wanted / 1024**2 else "",
    )

    def begin():
        releases = [Wanted("shop", NEW, "default")]
        return _begin.Begin(world.root, world.nginx, releases, Owner("t", "me"), free_space="1g")

    for check_mode in (True, False):
        with pytest.raises(HostError, match="10 MiB are free"):
            begin().run(check_mode)
    assert not place(world, "shop", "lock").exists()
    # Leftovers of earlier runs are deleted first.
    (Path(world.root, "apps/.trash") / "1").mkdir(parents=True)
    monkeypatch.setattr(_begin.trees, "sweep", lambda _root: free.append(free.pop() + 2000) or [])
    assert [work.name for work in begin().run().planned.work] == ["shop"]


@pytest.mark.parametrize("change", [{"action": "rollback"}, {"free_space": "0"}, {"releases": []}])
def test_other_actions_are_possible_without_free_space(world, monkeypatch, change):
    world.live("shop", OLD)
    monkeypatch.setattr(
        _begin, "too_little", lambda _places, wanted: "too little" if wanted else ""
    )
    given = {"releases": [Wanted("shop", NEW, "default")], "free_space": "1g", **change}
    _begin.Begin(world.root, world.nginx, owner=Owner("t", "me"), **given).run()


# --- the status -----------------------------------------------------------------------------------


def status(world):
    apps = _status.Status(world.root, world.nginx).apps()
    return {app.name: app.to_dict() for app in apps}


@pytest.mark.parametrize(("result", "state"), [("failed", "refused"), ("cut off", "cut off")])
def test_the_status_shows_an_application_whose_first_release_was_refused(world, result, state):
    world.live("blog", OLD)
    world.write("shop", NEW, state="")
    world.mark("shop", NEW, "failed", reason="it was not healthy")
    lines = [
        {"time": f"2026-11-26T00:00:0{second}Z", "result": result, "reason": f"reason {second}"}
        for second in (1, 2)
    ]
    place(world, "shop", "audit.jsonl").write_text(
        "".join(f"{json.dumps(line)}\n" for line in lines)
    )
    found = status(world)
    assert [found["shop"][key] for key in ("state", "since", "reason")] == [
        state,
        "2026-11-26T00:00:02Z",
        "reason 2",
    ]
    assert [found["blog"][key] for key in ("state", "reason")] == ["present", None]


@pytest.mark.parametrize(
    "audit", ["", "{", "[]", '{"result": "live", "time": "x", "reason": ""}', "7"]
)
def test_an_application_without_a_reason_is_shown_as_absent(world, audit):
    world.write("shop", NEW, state="")
    place(world, "shop", "audit.jsonl").write_text(audit)
    assert [status(world)["shop"][key] for key in ("state", "reason")] == ["absent", None]


@pytest.mark.parametrize("trouble", [no_record, a_record_of_another_kind, no_release_file])
def test_an_unreadable_application_is_shown_beside_the_others(world, monkeypatch, trouble):
    neighbours(world)
    trouble(world, monkeypatch)
    found = status(world)
    assert found["neighbour"]["state"] == "present"
    assert set(found["intruder"]) == set(found["neighbour"])
    if trouble is not no_release_file:
        assert found["intruder"]["state"] == "unreadable"
        assert "state.json cannot be read" in found["intruder"]["reason"]


def test_the_status_shows_how_much_containers_have_written(world):
    neighbours(world)
    spool = place(world, "intruder", "releases", LATER, "spool")
    spool.mkdir()
    dig(spool, 2200)
    (spool / "upload").write_bytes(bytes(2_000_000))
    found = status(world)
    assert found["intruder"]["disk_bytes"] >= 2_000_000
    assert found["intruder"]["disk"].endswith("MB")
    assert found["neighbour"]["disk"] == "0 B"
