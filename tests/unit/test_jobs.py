# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs of applications: what an entry may say, the files that a host has of them, the plan that
compares these, and the program that runs a job.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.flaskops.host.plugins.action import release_plan
from ansible_collections.flaskops.host.plugins.module_utils.host import engine, host_program, places
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.places import JobUnit, Place
from ansible_collections.flaskops.host.plugins.module_utils.host.typed import plain
from ansible_collections.flaskops.host.plugins.module_utils.nginx import gather
from ansible_collections.flaskops.host.plugins.module_utils.program import archive, main
from ansible_collections.flaskops.host.plugins.module_utils.program import job as program
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    finish,
    job_units,
    prune,
    report,
    uids,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import App, Job
from ansible_collections.flaskops.host.plugins.module_utils.releases.attempts import Attempts
from ansible_collections.flaskops.host.plugins.module_utils.releases.job_units import (
    JobFiles,
    JobPlan,
    JobState,
    WantedJob,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.jobs import Order, Result
from ansible_collections.flaskops.host.plugins.module_utils.releases.live_container import job_of
from ansible_collections.flaskops.host.plugins.module_utils.releases.lock import Lock
from ansible_collections.flaskops.host.plugins.module_utils.releases.plan import Plan, Planned
from ansible_collections.flaskops.host.plugins.module_utils.releases.processes import job_container
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Outcome, Work
from ansible_collections.flaskops.host.plugins.plugin_utils.jobs import Given
from entries import normalize_apps

TOP = Path(__file__).resolve().parents[2]
OLD = "111111111111"
SHOP = {"name": "shop", "image": "registry.example.org/shop:1", "path": "/shop"}
NIGHTLY = {"name": "nightly", "schedule": "*-*-* 03:00", "command": "flask cleanup"}


# --- the entry ------------------------------------------------------------------------------------


def normalized(*given, **more):
    return normalize_apps([{**SHOP, "jobs": list(given), **more}])


def test_a_job_needs_a_name_a_schedule_and_a_command():
    (app,), problems = normalized(NIGHTLY)
    assert problems == []
    (job,) = App.from_dict(app).jobs
    assert job == Job("nightly", "*-*-* 03:00", "flask cleanup", 3600, False, "")
    _apps, problems = normalized({})
    assert len(problems) == 3


def test_a_schedule_of_cron_is_converted_with_a_note():
    (app,), problems = normalized({**NIGHTLY, "schedule": "0 3 * * *", "timezone": "UTC"})
    assert problems == []
    assert app["jobs"][0]["schedule"] == "*-*-* 03:00"
    assert "the schedule of its job nightly, '0 3 * * *', is '*-*-* 03:00'." in app["notes"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"schedule": "2020-01-01"}, "must be a time that comes"),
        ({"schedule": "0 0 1 * 1"}, "Write two jobs"),
        ({"timezone": "Mars/Olympus"}, "must be a time zone"),
        ({"timezone": "a b"}, "must be a time zone"),
        ({"seconds": 0}, "must be a number of seconds"),
        ({"name": "a_b"}, "must be 1 to 20 of a-z"),
        # Its order would be the file in which a restore notes how far it came.
        ({"name": "restore"}, "must not be restore, which belongs to the key backup"),
        ({"command": "a\nb"}, "must be one line"),
        ({"command": " "}, "must have a command"),
        ({"when": "now"}, "when"),
    ],
)
def test_bad_jobs_are_refused_on_the_controller(given, words):
    _apps, problems = normalized({**NIGHTLY, **given})
    assert len(problems) == 1 and words in problems[0], problems


def test_names_of_jobs_must_differ():
    _apps, problems = normalized(NIGHTLY, NIGHTLY)
    assert problems == ["flask_apps: shop: jobs has 'nightly' more than once; names must differ."]


# --- the container --------------------------------------------------------------------------------


def release(**more):
    container = {
        "name": f"shop-{OLD}",
        "image": f"flaskops/shop:{OLD}",
        "env_file": "/e",
        "user": "@flaskops-uid@:@flaskops-uid@",
        "network_mode": "none",
        "hostname": f"shop-{OLD}",
        "etc_hosts": {f"shop-{OLD}": "127.0.0.1"},
        "memory": "512m",
        "memory_swap": "512m",
        "pids_limit": 9,
        "stop_timeout": 35,
        "stop_signal": "SIGQUIT",
        "tmpfs": ["/tmp:rw,uid=@flaskops-uid@"],
        "volumes": [f"/r/run:/run/flaskops/{OLD}", "/r/secrets:/run/secrets:ro", "data:/data"],
        "labels": {"host.flaskops.app": "shop", "host.flaskops.release": OLD},
    }
    return Release.from_dict(
        {"name": "shop", "id": OLD, "site": "default", "path": "/shop", "container": container}
        | {"engine": "uwsgi"}
        | more
    )


def test_a_job_runs_as_a_process_of_the_release_does():
    options = job_container(release(), "nightly", "flask cleanup")
    assert options["name"] == f"shop-{OLD}-job_nightly"
    assert options["labels"] == {
        "host.flaskops.app": "shop",
        "host.flaskops.release": OLD,
        "host.flaskops.one-off": "job_nightly",
    }
    assert options["command"] == ["sh", "-c", "exec flask cleanup"]
    assert options["volumes"] == ["/r/secrets:/run/secrets:ro", "data:/data"]
    assert options["etc_hosts"] == {f"nightly-{OLD}": "127.0.0.1"}
    assert (options["stop_signal"], options["stop_timeout"]) == ("SIGTERM", 10)
    assert "entrypoint" not in options


def test_in_the_image_of_a_user_the_relay_makes_variables_of_secrets():
    theirs = release(engine="command", variables=["TOKEN"])
    assert job_container(theirs, "a", "b")["command"] == ["--run", "sh", "-c", "exec b"]
    without = job_container(release(engine="command"), "a", "b")
    assert (without["entrypoint"], without["command"]) == (["sh", "-c"], ["exec b"])


def test_the_container_of_a_job_is_named_after_its_labels():
    labels = job_container(release(), "nightly", "x")["labels"]
    entry = {"Names": f"shop-{OLD}-job_nightly", "State": "running", "Labels": labels}
    assert job_of(entry) == "nightly"
    assert job_of({**entry, "Names": f"shop-{OLD}-nightly"}) == ""
    assert job_of({**entry, "Labels": {**labels, "host.flaskops.one-off": ""}}) == ""


def test_the_user_is_the_one_that_the_application_has_now(tmp_path):
    book = {"own": {}, "current": {"shop": 70001}, "moving": {}}
    (tmp_path / "uids.json").write_text(json.dumps(book))
    assert uids.uid_of(str(tmp_path), "shop", OLD) == 70001
    spool = tmp_path / "apps/blog/releases" / OLD / "spool"
    spool.mkdir(parents=True)
    assert uids.uid_of(str(tmp_path), "blog", OLD) == os.geteuid()
    (tmp_path / "uids.json").write_text(json.dumps({**book, "moving": {"shop": 3}}))
    with pytest.raises(HostError, match="moves to another uid"):
        uids.uid_of(str(tmp_path), "shop", OLD)


def test_the_release_of_a_running_job_is_not_pruned(tmp_path):
    labels = job_container(release(), "nightly", "x")["labels"]

    class Engine:
        def containers(self, _label):
            return [{"Names": f"shop-{OLD}-job_nightly", "State": "running", "Labels": labels}]

        def run(self, *words, **_how):
            assert words[:2] == ("image", "ls")
            return f"{OLD}\n"

    work, attempts = Work("shop", "222222222222"), Attempts()
    gone = prune.prune(str(tmp_path), Engine(), Outcome(work, "live"), (), attempts)
    assert gone == [] and not attempts.failures


# --- the files ------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path, monkeypatch):
    """A host with systemd, whose systemctl says that all timers run."""
    directory = tmp_path / "units"
    directory.mkdir()
    for module in (places, host_program):
        monkeypatch.setattr(module, "UNITS", directory)
    monkeypatch.setattr(host_program, "STARTERS", ((directory, "flaskops-*.service"),))
    for module in (job_units, host_program):
        monkeypatch.setattr(module, "HOST_PROGRAMS", tmp_path / "programs")
    monkeypatch.setattr(job_units, "SYSTEMD", directory)
    monkeypatch.setattr(job_units, "next_times", lambda given: {each: ("t",) for each in given})
    (tmp_path / "root/apps/shop").mkdir(parents=True)
    return directory


@pytest.fixture
def systemctl(units, monkeypatch):
    """What systemctl was asked to do; it shows these properties of timers."""
    called = []
    shown = {"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}

    def call(*words, check=True):
        if words[0] != "show":
            called.append(words)
            return ""
        properties = "".join(f"{key}={value}\n" for key, value in shown.items())
        return "\n".join(f"Id={name}\n{properties}" for name in words[2:])

    monkeypatch.setattr(job_units, "_systemctl", call)
    call.called, call.shown = called, shown
    return call


def given(tmp_path, **more):
    return Given.of({"root": str(tmp_path / "root"), "notify": "/usr/local/bin/notify", **more})


def with_jobs(*jobs, **more):
    return release(jobs=[{**NIGHTLY, **job} for job in jobs], **more)


def apply(tmp_path, wanted, sent=True):
    """Write the jobs of a release as release_finish does."""
    files = JobFiles({wanted.name: given(tmp_path).files(wanted)}, archive.name())
    made, attempts = tmp_path / "sent", Attempts()
    made.write_bytes(b"program")
    done = job_units.apply(str(tmp_path / "root"), files, made if sent else None, attempts)
    assert attempts.failures == {} and attempts.warnings == []
    return done


def changes(tmp_path, wanted):
    jobs = {wanted.name: given(tmp_path).wanted(wanted)}
    plan = JobPlan(str(tmp_path / "root"), jobs, archive.name())
    return {name: state.change for name, state in plan.of(wanted.name).items()}


def test_a_job_has_a_service_a_timer_and_an_order(tmp_path, units):
    job = {"seconds": 60, "catch_up": True, "timezone": "Europe/Berlin"}
    (files,) = given(tmp_path).files(with_jobs(job)).values()
    place = Place(str(tmp_path / "root")).app("shop").job("nightly")
    unit = JobUnit("shop", "nightly")
    assert set(files) == {str(place.order), str(unit.service), str(unit.timer)}
    service, timer = files[str(unit.service)], files[str(unit.timer)]
    line = f"/usr/bin/python3 -I {host_program.HOST_PROGRAMS}/{archive.name()}"
    assert f"\nExecStart={line} job {place.order}\n" in service
    assert f"\nExecStopPost={line} end-job {place.order}\n" in service
    assert "\nTimeoutStartSec=180\n" in service and "\nKillMode=mixed\n" in service
    assert "\nOnCalendar=*-*-* 03:00 Europe/Berlin\n" in timer and "\nPersistent=true\n" in timer
    # Everybody may read the units, and a command may contain a password.
    assert "flask cleanup" not in service + timer
    assert json.loads(files[str(place.order)])["job"]["command"] == "flask cleanup"


def test_the_host_gets_no_command_before_it_is_written(tmp_path, units):
    (wanted,) = given(tmp_path).wanted(with_jobs({}))
    assert "cleanup" not in repr(wanted)
    assert all(len(digest) == len(sha256().hexdigest()) for digest in wanted.files.values())


def test_a_stopped_application_has_no_jobs(tmp_path, units):
    for state, count in (("present", 1), ("maintenance", 1), ("stopped", 0)):
        assert len(given(tmp_path).wanted(with_jobs({}, state=state))) == count


def test_a_job_is_written_once(tmp_path, units, systemctl):
    wanted = with_jobs({})
    assert changes(tmp_path, wanted) == {"nightly": "is new"}
    assert apply(tmp_path, wanted) == ["shop: wrote its job nightly"]
    assert systemctl.called == [
        ("daemon-reload",),
        ("stop", "flaskops-job-shop_nightly.timer"),
        ("clean", "--what=state", "flaskops-job-shop_nightly.timer"),
        ("enable", "--now", "flaskops-job-shop_nightly.timer"),
    ]
    order = Place(str(tmp_path / "root")).app("shop").job("nightly").order
    assert (order.stat().st_mode & 0o777, order.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert (tmp_path / "programs" / archive.name()).stat().st_mode & 0o777 == 0o755
    assert changes(tmp_path, wanted) == {"nightly": ""}


def test_another_limit_does_not_restart_the_timer(tmp_path, units, systemctl):
    apply(tmp_path, with_jobs({}))
    systemctl.called.clear()
    wanted = with_jobs({"seconds": 9})
    assert changes(tmp_path, wanted) == {"nightly": "is changed"}
    apply(tmp_path, wanted)
    assert [words[0] for words in systemctl.called] == ["daemon-reload", "enable"]


@pytest.mark.parametrize(
    ("key", "value", "change"),
    [
        ("ActiveState", "inactive", "has a timer that does not run"),
        ("UnitFileState", "disabled", "has a timer that does not run"),
        ("NeedDaemonReload", "yes", "has units that systemd has not read"),
    ],
)
def test_what_an_interrupted_run_has_left_is_found(tmp_path, units, systemctl, key, value, change):
    apply(tmp_path, with_jobs({}))
    systemctl.shown[key] = value
    assert changes(tmp_path, with_jobs({})) == {"nightly": change}


def test_a_missing_program_and_an_edited_unit_are_found(tmp_path, units, systemctl):
    apply(tmp_path, with_jobs({}))
    (tmp_path / "programs" / archive.name()).unlink()
    assert changes(tmp_path, with_jobs({})) == {"nightly": "lacks its program"}
    JobUnit("shop", "nightly").timer.write_text("edited")
    assert changes(tmp_path, with_jobs({})) == {"nightly": "is changed"}


def test_a_job_that_is_not_listed_any_more_is_removed(tmp_path, units, systemctl):
    apply(tmp_path, with_jobs({}, {"name": "hourly"}))
    JobUnit("shop-b", "hourly").timer.write_text("of another application")
    systemctl.called.clear()
    wanted = with_jobs({})
    assert changes(tmp_path, wanted) == {"nightly": "", "hourly": "is removed"}
    apply(tmp_path, wanted)
    assert ("disable", "--now", "flaskops-job-shop_hourly.timer") in systemctl.called
    # What runs of it goes on.
    assert ("stop", "flaskops-job-shop_hourly.service") not in systemctl.called
    assert [unit.name for unit in places.job_units()] == [
        "flaskops-job-shop-b_hourly",
        "flaskops-job-shop_nightly",
    ]
    assert changes(tmp_path, wanted) == {"nightly": ""}


def test_the_last_job_takes_its_program_with_it(tmp_path, units, systemctl):
    apply(tmp_path, with_jobs({}))
    (tmp_path / "programs/flaskops-0a.pyz").touch()
    (units / "flaskops-renew.service").write_text("ExecStart=/x/flaskops-0a.pyz renew")
    assert apply(tmp_path, with_jobs(), sent=False) == ["shop: removed its job nightly"]
    assert [path.name for path in (tmp_path / "programs").iterdir()] == ["flaskops-0a.pyz"]
    systemctl.called.clear()
    assert apply(tmp_path, with_jobs(), sent=False) == [] and systemctl.called == []


def test_a_removed_application_has_its_jobs_stopped(tmp_path, units, systemctl):
    apply(tmp_path, with_jobs({}))
    done = job_units.remove(str(tmp_path / "root"), ["shop", "blog"])
    assert done == ["shop: removed its job nightly"]
    assert ("stop", "flaskops-job-shop_nightly.service") in systemctl.called
    systemctl.called.clear()
    assert job_units.remove(str(tmp_path / "root"), ["shop"]) == [] and systemctl.called == []


def test_a_failure_of_systemd_is_one_of_the_application(tmp_path, units, systemctl, monkeypatch):
    def fail(*words, check=True):
        if words[0] == "enable":
            raise HostError("systemctl enable: no")
        return ""

    monkeypatch.setattr(job_units, "_systemctl", fail)
    files = JobFiles({"shop": given(tmp_path).files(with_jobs({}))}, archive.name())
    attempts = Attempts()
    job_units.apply(str(tmp_path / "root"), files, None, attempts)
    assert attempts.failures == {
        "shop": "shop: the timers of its jobs could not be started: systemctl enable: no"
    }


# --- the plan -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pid1", "more", "refused"),
    [
        ("systemd", {}, False),
        ("sleep", {}, True),
        ("sleep", {"jobs": []}, False),
        ("sleep", {"jobs": [], "backup": {"to": "/srv", "schedule": "03:00"}}, True),
        ("sleep", {"state": "stopped"}, False),
        ("sleep", {"state": "stopped", "backup": {"to": "/srv", "schedule": "03:00"}}, True),
    ],
)
def test_without_systemd_they_are_refused_before_anything_is_touched(pid1, more, refused):
    loader = DataLoader()
    file = TOP / "roles/flask_apps/tasks/preflight.yml"
    tasks = loader.load_from_file(str(file), trusted_as_template=True)
    task = next(each for each in tasks if "Fail where nothing starts jobs" in each["name"])
    wanted = release(**{"jobs": [NIGHTLY], **more})
    found = {"__flask_apps_created": [plain(wanted), plain(release(name="blog"))]}
    found["__flask_apps_host"] = {"docker": {"pid1": pid1}}
    templar = Templar(loader, variables={**found, **task["vars"]})
    assert templar.template(trust_as_template(f"{{{{ {task['when']} }}}}")) is refused
    message = templar.template(task["ansible.builtin.fail"]["msg"])
    if refused:
        assert message.startswith("flask_apps: shop: jobs and backup are started by systemd, which")


def test_a_schedule_that_never_comes_on_the_host_is_refused(
    tmp_path, units, systemctl, monkeypatch
):
    monkeypatch.setattr(job_units, "next_times", lambda given: {each: () for each in given})
    with pytest.raises(HostError, match="its job nightly never runs"):
        changes(tmp_path, with_jobs({}))


def test_one_bad_schedule_does_not_keep_other_applications_from_theirs(
    tmp_path, units, systemctl, monkeypatch
):
    def next_times(schedules):
        if "bad" in [*schedules]:
            raise HostError("systemd cannot read it")
        return dict.fromkeys(schedules, ("t",))

    monkeypatch.setattr(job_units, "next_times", lambda given: next_times([*given]))
    wanted = {name: [WantedJob("a", name)] for name in ("good", "bad")}
    plan = JobPlan(str(tmp_path), wanted)
    assert plan.of("good")["a"].next == ("t",)
    with pytest.raises(HostError, match="cannot read"):
        plan.of("bad")


def test_a_plan_without_jobs_asks_neither_systemd_nor_the_disk_twice(tmp_path, units, monkeypatch):
    for name in ("_systemctl", "next_times"):
        monkeypatch.setattr(job_units, name, lambda *_words: pytest.fail("was called"))
    assert JobPlan(str(tmp_path), {"shop": ()}).of("shop") == {}
    assert JobPlan(str(tmp_path), {}).of("shop") == {}  # a rollback


def test_a_rollback_leaves_jobs_as_they_are(tmp_path, units):
    wanted = with_jobs({})
    assert release_plan._wanted(wanted, given(tmp_path, action="rollback")).jobs is None
    (job,) = release_plan._wanted(wanted, given(tmp_path, action="deploy")).jobs
    assert (job.name, job.schedule) == ("nightly", "*-*-* 03:00")


def test_only_applications_with_a_change_are_locked_for_their_jobs():
    jobs = {"shop": {"a": JobState(), "b": JobState(change="is new")}, "blog": {"a": JobState()}}
    planned = Planned(jobs=jobs)
    assert planned.with_jobs == ["shop"]
    assert planned.sentences == ["shop: its job b is new"]


def test_a_job_is_written_only_for_what_serves(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        finish.job_units, "apply", lambda _root, files, *_more: written.append([*files.apps])
    )
    files = JobFiles({name: {} for name in ("shop", "blog", "lost")})
    outcomes = [Outcome(Work("shop", OLD), "failed"), Outcome(Work("blog", OLD), "live")]
    end = finish.Finish(str(tmp_path), str(tmp_path), Lock("t"), outcomes, jobs=files)
    end._write_jobs(["shop", "blog"])
    assert written == [["blog"]]
    end._write_jobs(["shop"])
    assert written == [["blog"]]


def test_the_renewal_leaves_the_program_of_jobs(tmp_path):
    """Where no certificate is renewed any more, its files are removed."""
    for path, text in {
        "usr/local/lib/flaskops/flaskops-0a.pyz": "",
        "usr/local/lib/flaskops/flaskops-0b.pyz": "",
        "etc/systemd/system/flaskops-renew.service": "x /usr/local/lib/flaskops/flaskops-0a.pyz y",
        "etc/systemd/system/flaskops-job-shop_a.service": "x flaskops-0b.pyz job",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = gather.renewal(gather.Places(system=tmp_path)).files
    assert "/usr/local/lib/flaskops/flaskops-0a.pyz" in found
    assert "/usr/local/lib/flaskops/flaskops-0b.pyz" not in found


def test_the_container_of_a_job_is_nothing_that_a_run_has_left(tmp_path):
    labels = job_container(release(), "nightly", "x")["labels"]
    entry = {"Names": f"shop-{OLD}-job_nightly", "State": "exited", "Labels": labels}

    class Engine:
        command = "docker"
        plugins = {"buildx": True, "compose": True}  # noqa: RUF012

        def containers(self, _label):
            return [entry]

    plan = Plan(str(tmp_path), str(tmp_path), [], ["gone"], (), Engine())
    plan.run()
    assert plan.orphans("shop") == []


def test_the_plan_says_when_a_job_runs():
    state = JobState("*-*-* 03:00", ("Sun 03:00", "Mon 03:00"), None, "is new")
    assert state.words == "is new: *-*-* 03:00, next Sun 03:00, Mon 03:00"
    assert JobState(change="is removed").words == "is removed"


def test_the_status_has_a_line_for_each_job():
    job = {"schedule": "*-*-* 03:00", "next": ["t1", "t2"], "last": None}
    last = {"begun": "B", "code": 124, "seconds": 5.0, "reason": "late", "release": OLD}
    lines = report._jobs(
        {
            "new": job,
            "done": {**job, "last": last},
            "runs": {**job, "last": {**last, "code": None}},
        }
    )
    assert lines == [
        "job new did not run yet; next t1, t2 (*-*-* 03:00)",
        "job done of B ended with 124 after 5 s (late); next t1, t2 (*-*-* 03:00)",
        "job runs runs since B, or was interrupted; next t1, t2 (*-*-* 03:00)",
    ]


# --- the program ----------------------------------------------------------------------------------

# Containers are processes of this machine, and live in files of a directory.
DOCKER = """#!{python}
import json, os, signal, subprocess, sys, time
from pathlib import Path

home, words = Path({home!r}), sys.argv[1:]
name = words[-1]
with open(home / "calls", "a") as file:
    file.write(" ".join(words[:2]) + chr(10))

def state(name):
    file = home / f"{{name}}.json"
    return json.loads(file.read_text()) if file.exists() else None

def save(name, found):
    (home / f"{{name}}.tmp").write_text(json.dumps(found))
    (home / f"{{name}}.tmp").rename(home / f"{{name}}.json")

if words[:2] == ["image", "inspect"]:
    print(json.dumps([{{"Id": "i", "Config": {{}}}}]))
elif words[:2] == ["container", "inspect"]:
    found = state(name)
    print(json.dumps([found] if found else []))
elif words[0] == "create":
    name = words[words.index("--name") + 1]
    labels = dict(words[i + 1].split("=", 1) for i, w in enumerate(words) if w == "--label")
    save(name, {{"Name": "/" + name, "Command": words[-1], "Labels": labels,
                 "NetworkSettings": {{"Networks": {{}}}},
                 "State": {{"Running": False, "ExitCode": 0, "Status": "created"}}}})
elif words[0] == "start":
    found = state(name)
    child = subprocess.Popen(["sh", "-c", found["Command"]], start_new_session=True)
    found["State"] = {{"Running": True, "ExitCode": 0, "Pid": child.pid}}
    save(name, found)
    code = child.wait()
    if state(name):
        found["State"] = {{"Running": False, "ExitCode": code if code >= 0 else 128 - code}}
        save(name, found)
    sys.exit(found["State"]["ExitCode"])
elif words[0] in ("stop", "rm"):
    found = state(name)
    if found and found["State"]["Running"]:
        os.killpg(found["State"]["Pid"], signal.SIGKILL)
    if found and words[0] == "rm":
        (home / f"{{name}}.json").unlink()
elif words[0] == "ps":
    for file in home.glob("*.json"):
        found = json.loads(file.read_text())
        print(json.dumps({{"Names": found["Name"][1:], "State": "x", "Labels": found["Labels"]}}))
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host where shop serves, with a docker that runs commands here."""
    monkeypatch.setattr(engine, "DOCKER", (str(tmp_path / "docker"),))
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "docker").write_text(DOCKER.format(python=sys.executable, home=str(home)))
    (tmp_path / "docker").chmod(0o755)
    known = release(engine="command")
    directory = tmp_path / "root/apps/shop/releases" / OLD
    (directory / "spool").mkdir(parents=True)
    (tmp_path / "root/apps/shop/jobs").mkdir()
    (tmp_path / "e").touch()
    container = {**known.container, "env_file": str(tmp_path / "e")}
    record = {**known.to_record(), "app": "shop", "id": OLD, "container": container}
    (directory / "release.json").write_text(json.dumps(record))
    link = tmp_path / "nginx/flaskops/default/shop.conf"
    link.parent.mkdir(parents=True)
    link.symlink_to(directory / "nginx.conf")
    notify = tmp_path / "notify"
    notify.write_text(f"#!/bin/sh\ncat >> {tmp_path}/events\n")
    notify.chmod(0o755)
    monkeypatch.setattr(program.notify, "problem", lambda _program: "")

    def order(command, name="nightly", **more):
        job = Job(name, "*-*-* 03:00", command, **more)
        places = str(tmp_path / "root"), str(tmp_path / "nginx")
        made = Order("shop", job, *places, str(notify))
        made.place.order.write_text(made.text)
        return made.place

    order.link, order.home, order.path = link, home, tmp_path
    return order


def events(host):
    file = host.path / "events"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def containers(host):
    return [path.stem for path in host.home.glob("*.json")]


@pytest.mark.parametrize("who", ["a restore", "an upgrade of a service"])
def test_no_job_writes_to_data_that_is_replaced(host, who):
    """What it writes would be lost with the data of before; a deploy takes nothing from it."""
    place = host("true")
    lock = place.directory.parent / "lock"
    lock.write_text(json.dumps({"token": "t", "who": who}))
    assert main.main(["job", str(place.order)]) == 125
    assert "its data is being replaced: shop is locked by" in Result.of(place).reason
    lock.write_text(json.dumps({"token": "t", "who": "root@here"}))
    assert main.main(["job", str(place.order)]) == 0


def test_a_job_passes_on_its_output_and_its_exit_code(host, capfd):
    place = host("echo hello; exit 3")
    assert main.main(["job", str(place.order)]) == 3
    out, said = capfd.readouterr()
    assert out == "hello\n"
    assert "nightly of shop ended with exit code 3 after" in said
    result = Result.of(place)
    assert (result.release, result.code, result.reason) == (OLD, 3, "")
    assert containers(host) == []
    (event,) = events(host)
    expected = {"event": "job_failed", "app": "shop", "job": "nightly", "release": OLD, "code": 3}
    assert expected.items() <= event.items()
    assert event["begun"] == result.begun and event["seconds"] == result.seconds


def test_a_job_that_succeeds_has_no_event(host):
    place = host("true")
    assert program.run(place.order) == 0
    assert Result.of(place).code == 0 and events(host) == []


def test_a_job_runs_once_at_a_time(host, capfd):
    place = host("sleep 2")
    beside = threading.Thread(target=_in_a_process, args=(program.run, place.order))
    beside.start()
    while not containers(host):
        time.sleep(0.01)
    assert program.run(place.order) == program.BUSY
    beside.join()
    assert "runs already" in capfd.readouterr().err
    assert Result.of(place).code == 0 and events(host) == []


def wait_for_its_start(host):
    """Until the start of the container is recorded: what is recorded later would bring it back."""
    while not (there := containers(host)) or not json.loads(
        (host.home / f"{there[0]}.json").read_text()
    )["State"].get("Pid"):
        time.sleep(0.01)


def _in_a_process(function, *arguments):
    """Its exit code in a child process."""
    child = os.fork()
    if not child:
        os._exit(function(*arguments))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_job_that_hangs_is_ended_with_its_container(host):
    place = host("sleep 60", seconds=1)
    begun = time.monotonic()
    assert program.run(place.order) == program.LATE
    assert time.monotonic() - begun < 20
    assert Result.of(place).reason == "it did not end within 1 s (seconds)"
    assert containers(host) == [] and len(events(host)) == 1


def test_a_job_that_is_stopped_takes_its_container_with_it(host):
    place = host("sleep 60")
    child = os.fork()
    if not child:
        os._exit(program.run(place.order))
    wait_for_its_start(host)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == program.STOPPED
    assert Result.of(place).reason == "it was stopped" and containers(host) == []


def test_after_a_kill_of_the_program_its_container_is_removed(host, monkeypatch):
    place = host("sleep 60")
    child = os.fork()
    if not child:
        os._exit(program.run(place.order))
    wait_for_its_start(host)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert Result.of(place).code is None
    monkeypatch.setenv("SERVICE_RESULT", "signal")
    assert main.main(["end-job", str(place.order)]) == 0
    result = Result.of(place)
    assert (result.code, result.reason) == (137, "what supervises it was killed (signal)")
    assert containers(host) == [] and len(events(host)) == 1
    assert program.end(place.order) == 0
    assert len(events(host)) == 1  # nothing is left to do


def test_what_a_killed_program_has_left_does_not_run_beside_the_next_one(host):
    place = host("true")
    labels = job_container(release(), "nightly", "x")["labels"]
    left = f"shop-{OLD}-job_nightly"
    stale = {"Name": f"/{left}", "Labels": labels, "State": {"Running": False}, "Command": "x"}
    (host.home / f"{left}.json").write_text(json.dumps(stale))
    assert program.run(place.order) == 0
    assert containers(host) == [] and events(host) == []


def test_the_next_run_reports_a_reboot_during_a_job(host):
    place = host("true")
    place.result.write_text(Result(OLD, "2026-11-28T03:00:00Z").text)
    assert program.run(place.order) == 0
    (event,) = events(host)
    assert event["begun"] == "2026-11-28T03:00:00Z" and "as by a reboot" in event["reason"]


def test_a_job_of_a_stopped_application_is_not_run(host, capfd):
    host.link.unlink()
    host.link.symlink_to(host.path / "root/apps/shop/releases" / OLD / "stopped.conf")
    place = host("touch /nowhere")
    assert program.run(place.order) == 0
    assert "shop is stopped; nightly was not started." in capfd.readouterr().err
    assert Result.of(place) is None


def test_a_job_of_what_does_not_serve_fails(host):
    host.link.unlink()
    place = host("true")
    assert program.run(place.order) == program.NOT_STARTED
    assert "no release of shop serves" in Result.of(place).reason and len(events(host)) == 1


def test_a_container_that_is_removed_meanwhile_counts_as_killed(host):
    # The start of it is recorded by then.
    place = host(f"sleep 1 && rm {host.home}/shop-{OLD}-job_nightly.json")
    assert program.run(place.order) == program.KILLED
    assert Result.of(place).reason == "its container was removed"


def test_a_missing_or_moved_order_is_refused(host, capsys):
    place = host("true")
    moved = place.order.with_name("other.json")
    shutil.copy(place.order, moved)
    assert main.main(["job", str(moved)]) == program.NOT_STARTED
    assert "cannot be read" in capsys.readouterr().err
    place.order.unlink()
    assert main.main(["job", str(place.order)]) == program.NOT_STARTED


def test_the_status_reads_orders_and_results(host, monkeypatch):
    monkeypatch.setattr(job_units, "next_times", lambda given: {each: ("t",) for each in given})
    place = host("exit 1", timezone="UTC")
    program.run(place.order)
    Path(place.directory, "broken.json").write_text("{")
    found = job_units.job_states(str(host.path / "root"), ["shop", "blog"])
    assert list(found) == ["shop"] and list(found["shop"]) == ["nightly"]
    state = found["shop"]["nightly"]
    assert (state.schedule, state.next) == ("*-*-* 03:00 UTC", ("t",))
    assert state.last.code == 1
