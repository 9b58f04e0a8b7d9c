# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a deploy, computed from releases and the plan."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.typed import plain
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    our_images,
    report,
    restore,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.link_moves import Moves
from ansible_collections.flaskops.host.plugins.module_utils.releases.probe import Question
from ansible_collections.flaskops.host.plugins.module_utils.releases.record import Link
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import (
    Wanted,
    Work,
    outcomes,
)

NEW, OLD = "222222222222", "111111111111"
RELEASES = "/var/lib/flaskops/apps/shop/releases"
DEFAULT = {"name": "default", "server_names": [], "port": 80}
WWW = {"name": "www", "server_names": ["*.example.com", "www.example.com"], "http_port": 8080}
SITES = [DEFAULT, WWW]


def release(name="shop", identity=NEW, site="default", path="/shop", state="present", **more):
    """A release of the lookup, with the fields that the steps read."""
    app = {
        "name": name,
        "site": site,
        "path": path,
        "path_mode": "domain",
        "engine": "uwsgi",
        "script_name": "",
        "module": "app",
        "callable": "app",
        "health": {
            "path": "/health",
            "host": "",
            "status": ["2xx"],
            "deadline_seconds": 60,
            "interval_seconds": 0.5,
        },
        "drain_seconds": 30,
        "keep_releases": 5,
        "static": [],
        "build": {"kind": "source"},
        "state": state,
        "processes": [],
        "uid": 0,
    }
    whole = {
        **app,
        "id": identity,
        "container": {"name": f"{name}-{identity}", "volumes": []},
        "process_containers": [],
        "secrets": {"KEY": "hunter2"},
        "variables": ["KEY"],
        "dockerfile": "FROM x\n",
        "source": "digest",
        "route": "route-75c14037",
        **more,
    }
    return Release.from_dict(whole)


def work(live=None, sites=()):
    """An entry of the plan."""
    links = tuple(Link(site, identity, "nginx.conf") for site, identity in sites)
    return Work("shop", NEW, live=live, links=links, reason="x")


def ready(before, **more):
    """What the switch gets from the plan."""
    made = release(**more)
    return before.with_release(made, SITES)


def steps(**more):
    moves = Moves.of(ready(**more), "/var/lib/flaskops", "/etc/nginx")
    back = moves.back
    return moves.to_links(), list(moves.absent), back.to_links(), list(back.absent)


def link(site, target):
    return {"path": f"/etc/nginx/flaskops/{site}/shop.conf", "target": f"{RELEASES}/{target}"}


# --- the switch -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "links", "absent", "back_links", "back_absent"),
    [
        (
            {"before": work()},
            [link("default", f"{NEW}/nginx.conf")],
            [],
            [],
            [link("default", "")["path"]],
        ),
        (
            {"before": work(OLD, [("default", OLD)])},
            [link("default", f"{NEW}/nginx.conf")],
            [],
            [link("default", f"{OLD}/nginx.conf")],
            [],
        ),
        (
            {"site": "www", "before": work(OLD, [("default", OLD)])},
            [link("www", f"{NEW}/nginx.conf")],
            [link("default", "")["path"]],
            [link("default", f"{OLD}/nginx.conf")],
            [link("www", "")["path"]],
        ),
        (
            {"state": "maintenance", "before": work(NEW, [("default", NEW)])},
            [link("default", f"{NEW}/maintenance.conf")],
            [],
            [link("default", f"{NEW}/nginx.conf")],
            [],
        ),
        (
            {"state": "stopped", "before": work(OLD, [("default", OLD)])},
            [link("default", f"{NEW}/stopped.conf")],
            [],
            [link("default", f"{OLD}/nginx.conf")],
            [],
        ),
    ],
    ids=["first deploy", "new release", "another site", "maintenance", "stopped"],
)
def test_the_switch_moves_links_and_knows_the_links_of_a_rollback(
    keys, links, absent, back_links, back_absent
):
    assert steps(**keys) == (links, absent, back_links, back_absent)


def question(file="nginx.conf", **more):
    return Question.of(ready(work(), **more), SITES, Path(RELEASES, NEW, file))


def test_the_public_check_uses_the_name_of_the_site():
    wanted = Question("shop", NEW, "/shop", "/shop/health", "localhost", 80, ("2xx",))
    assert question() == wanted
    assert question(site="www") == replace(wanted, host="www.example.com", port=8080)
    assert question(path="/").path == "/health"


@pytest.mark.parametrize(
    ("file", "path", "status"),
    [
        ("nginx.conf", "/", ["2xx"]),
        ("maintenance.conf", "/", ["503"]),
        ("maintenance.conf", "/health", ["2xx"]),
        ("stopped.conf", "/health", ["503"]),
    ],
)
def test_the_state_decides_which_answer_is_good(file, path, status):
    asked = question(file, health={"path": path, "status": ["2xx"]})
    assert asked.status == tuple(status)


# --- the end of the run ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "live", "result", "reason"),
    [
        ({}, ["shop"], "live", ""),
        ({"shop": "no"}, [], "failed", "no"),
        ({}, [], "failed", "the run ended before it was released"),
    ],
)
def test_the_outcome_of_an_application(failed, live, result, reason):
    (found,) = outcomes([ready(work(OLD))], failed, live)
    assert (found.result, found.reason, found.is_live) == (result, reason, bool(live))
    assert (found.work.id, found.work.live, found.work.state) == (NEW, OLD, "present")
    assert (found.work.drain_seconds, found.work.keep_releases) == (30, 5)


def test_the_record_of_a_release_is_enough_for_a_rollback():
    facts = {**release().to_record(), "app": "shop", "id": NEW}
    kept = Release.from_record(json.loads(json.dumps(facts)), "/var/lib/flaskops", "maintenance")
    assert kept == replace(release(), state="maintenance", secrets={})
    assert (str(kept.place.directory), kept.image) == (
        f"{RELEASES}/{NEW}",
        f"flaskops/shop:{NEW}",
    )


def test_a_release_survives_the_way_to_ansible_and_back():
    """Also within the tasks of the role, where the entry is available too."""
    more = {
        "processes": [{"name": "worker", "command": "celery", "overlap": False}],
        "static": [{"url": "/static", "path": "static", "required": False}],
        "login": {"username": "u", "password": "p"},
        "release_command": ["sh", "-c", "x"],
    }
    made = release(**more)
    for given in (made.to_dict(), restore.for_tasks(made)):
        assert Release.from_dict(json.loads(json.dumps(given))) == made
    assert "hunter2" not in repr(made) and "'p'" not in repr(made)


def test_a_release_of_an_older_version_without_route_and_uid_can_be_rolled_back_to():
    facts = {**release().to_record(), "app": "shop", "id": NEW}
    for key in ("route", "uid", "variables", "script_name"):
        del facts[key]
    del facts["health"]["host"], facts["build"]["base"]
    again = Release.from_record(facts, "/var/lib/flaskops").to_record()
    assert (again["route"], again["uid"], again["variables"]) == ("", 0, [])
    assert (again["health"]["host"], again["build"]["base"]) == ("", "")


def test_the_status_of_all_hosts_is_one_table():
    app = {
        **{
            "name": "shop",
            "state": "present",
            "release": NEW,
            "since": None,
            "health": "ok (200)",
            "image": "x",
            "container": "c",
        },
        **{
            "path": "/shop",
            "url": "http://h/shop/",
            "memory": "1MiB",
            "disk": "0 B",
            "restarts": 0,
            "previous": [OLD],
            "locked_by": None,
        },
        "processes": {},
        "reason": None,
    }
    head, line = report.status_table({"www1": [app], "www2": []})
    assert line.split()[:8] == ["www1", "shop", "present", NEW, "-", "ok", "(200)", "x"]
    assert line.split()[8:] == ["c", "/shop", "http://h/shop/", "1MiB", "0", "B", "0", OLD]
    assert head.split()[:4] == ["host", "app", "state", "release"]
    assert report.status_table({"www2": []}) == ["There is no application on these hosts."]


def test_the_status_shows_a_column_for_processes_only_if_there_are_some():
    keys = (
        "state",
        "release",
        "since",
        "health",
        "image",
        "container",
        "path",
        "url",
        "memory",
        "disk",
        "restarts",
    )
    app = {
        **dict.fromkeys(keys, "x"),
        "previous": [],
        "locked_by": None,
        "processes": {},
        "reason": None,
    }
    working = {
        **app,
        "name": "shop",
        "processes": {"worker": "running", "beat": "exited (3 restarts)"},
    }
    database = {**app, "name": "data", "services": {"db": "ok 34MiB/512MiB", "cache": "missing"}}
    head, data = report.status_table({"www": [database]})
    assert head.split()[-1] == "services"
    assert data.endswith("  none      db ok 34MiB/512MiB, cache missing")
    head, shop, blog = report.status_table({"www": [working, {**app, "name": "blog"}]})
    assert head.split()[-1] == "processes"
    assert shop.endswith("  none      worker running, beat exited (3 restarts)")
    assert blog.split()[-2:] == ["none", "-"]


def test_the_status_shows_a_column_for_reasons_only_if_there_are_some():
    keys = (
        "state",
        "release",
        "since",
        "health",
        "image",
        "container",
        "path",
        "url",
        "memory",
        "disk",
        "restarts",
        "reason",
    )
    app = {
        **dict.fromkeys(keys),
        "name": "shop",
        "previous": [],
        "locked_by": None,
        "processes": {},
        "state": "present",
    }
    head, shop, blog = report.status_table(
        {
            "www": [
                {**app, "state": "refused", "reason": "it was not healthy"},
                {**app, "name": "blog"},
            ]
        }
    )
    assert head.split()[-1] == "reason"
    assert shop.endswith("  none      it was not healthy")
    assert blog.split()[-2:] == ["none", "-"]


# --- what the plan and the record contain ---------------------------------------------------------


def test_the_plan_gets_digests_of_secrets_without_their_contents():
    secrets = {"KEY": sha256(b"hunter2").hexdigest()}
    wanted = {
        "name": "shop",
        "id": NEW,
        "site": "default",
        "state": "present",
        "secrets": secrets,
        "variables": ["KEY"],
    }
    wanted |= {"uid": 0, "volumes": False, "services": [], "jobs": None}
    assert plain(Wanted.of(release())) == wanted


def test_the_work_contains_no_command_of_a_process():
    """The plan is shown with -v, and the address of a broker contains a password."""
    process = {
        "name": "worker",
        "command": "celery --broker redis://:s3cret@db/0",
        "ready_seconds": 2,
        "overlap": True,
    }
    found = ready(work(OLD), processes=[process]).to_dict()
    assert found["processes"] == [
        {"name": "worker", "command": "", "ready_seconds": 2, "overlap": True, "stop_seconds": 30}
    ]
    assert "s3cret" not in json.dumps(found)


def test_the_work_of_an_application_is_complete_and_contains_no_secret():
    found = ready(work(OLD), site="www").to_dict()
    assert (found["name"], found["live"], found["site"], found["drain_seconds"]) == (
        "shop",
        OLD,
        "www",
        30,
    )
    assert found["health_host"] == "www.example.com"
    assert "hunter2" not in json.dumps(found)


@pytest.mark.parametrize(
    ("mounted", "found"),
    [
        ([], False),
        ([f"{RELEASES}/{NEW}/run:/run/flaskops/{NEW}", f"{RELEASES}/{NEW}/spool:/var/tmp"], False),
        ([f"{RELEASES}/{NEW}/run:/run/flaskops/{NEW}", "shop-data:/data"], True),
        (["/srv/media:/media:ro"], True),
        ([f"{RELEASES}/{NEW}0/run:/data"], True),
    ],
)
def test_mounts_of_the_release_itself_do_not_count_as_volumes(mounted, found):
    container = {"name": f"shop-{NEW}", "volumes": mounted}
    assert Wanted.of(release(container=container)).volumes is found


def test_the_record_of_a_release_contains_names_of_secrets_without_values():
    facts = release().to_record()
    assert (facts["secrets"], facts["variables"]) == (["KEY"], ["KEY"])
    assert "hunter2" not in json.dumps(facts)
    assert {
        "image",
        "container",
        "dockerfile",
        "source",
        "site",
        "path",
        "module",
        "callable",
        "health",
        "static",
    } <= set(facts)


# --- messages and outputs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "result", "message"),
    [
        (
            None,
            {"msg": " no. "},
            f"shop: release {NEW} failed at 'release | Build'; it serves nothing yet.\nno.",
        ),
        (
            OLD,
            {"msg": "no", "stderr": "why\n", "stdout": "not shown"},
            (
                f"shop: release {NEW} failed at 'release | Build'; release {OLD} goes on"
                " serving.\nno\nwhy"
            ),
        ),
    ],
)
def test_a_failure_reports_what_where_why_and_which_release_serves(live, result, message):
    assert report.failure(work(live).to_dict(), "release | Build", result) == message


def test_a_failure_names_the_step_within_its_task():
    result = {"msg": "no.", "step": "build its image", "log": "said"}
    first = report.failure(work(OLD).to_dict(), "release | Build", result).splitlines()[0]
    assert first == (
        f"shop: release {NEW} failed at 'release | Build' (build its image), where its log is"
        f" shown; release {OLD} goes on serving."
    )


def test_the_failure_of_a_loop_is_the_failure_of_its_item():
    result = {
        "msg": "One or more items failed",
        "results": [{"msg": "built"}, {"failed": True, "msg": "no base image"}],
    }
    assert report.failure({}, "image | Build or pull the runtime image", result).endswith(
        "\nno base image"
    )


def test_a_failure_of_the_runtime_image_names_no_application():
    message = report.failure(
        {},
        "build | Build with BuildKit",
        {"msg": "non-zero return code", "stderr": "No space left on device"},
    )
    first, *_reason, advice = message.splitlines()
    assert first.startswith(
        "The runtime image failed at 'build | Build with BuildKit'; no application was released,"
        " and what served "
    )
    assert advice.startswith("A disk of this host is full.")


def live(*releases, plan=(), failed=(), check=False):
    found = {
        "work": [each.to_dict() for each in plan],
        "live": {"shop": plan[0].live if plan else OLD if failed else NEW},
        "failures": {} if plan else dict.fromkeys(failed, "x"),
    }
    became = outcomes(plan, dict.fromkeys(failed, "x"), {"shop"} - set(failed))
    return report.live_releases(
        [each.to_dict() for each in releases],
        found,
        SITES,
        "192.0.2.1",
        None if check else {each.work.name: each.to_dict() for each in became},
    )


def test_an_unchanged_application_is_reported_as_unchanged():
    assert live(release()) == [
        {
            "name": "shop",
            "release": NEW,
            "wanted": NEW,
            "site": "default",
            "path": "/shop",
            "url": "http://192.0.2.1/shop/",
            "changed": False,
        }
    ]


@pytest.mark.parametrize(
    ("plan", "failed", "check", "expected"),
    [
        ([work()], [], False, (NEW, True)),
        ([work(OLD)], [], False, (NEW, True)),
        ([work(NEW)], [], False, (NEW, True)),
        ([work(OLD)], ["shop"], False, (OLD, False)),
        ([work()], ["shop"], False, (None, False)),
        ([work(NEW)], ["shop"], False, (NEW, False)),
        ([], ["shop"], False, (OLD, False)),
        ([work(OLD)], [], True, (OLD, False)),
        ([work()], [], True, (None, False)),
        ([], [], True, (NEW, False)),
    ],
    ids=[
        "first",
        "new",
        "repaired",
        "failed",
        "failed first",
        "not repaired",
        "not planned",
        "check",
        "check first",
        "check unchanged",
    ],
)
def test_the_live_release_after_the_run_is_reported(plan, failed, check, expected):
    found = live(release(), plan=plan, failed=failed, check=check)
    assert [(entry["release"], entry["changed"], entry["wanted"]) for entry in found] == [
        (*expected, NEW)
    ]


@pytest.mark.parametrize(
    ("site", "path", "url"),
    [
        ("default", "/", "http://192.0.2.1/"),
        ("www", "/shop", "http://www.example.com:8080/shop/"),
        ("www", "/", "http://www.example.com:8080/"),
    ],
)
def test_the_url_is_the_one_that_users_type(site, path, url):
    assert live(release(site=site, path=path))[0]["url"] == url


def test_a_retired_release_is_rebuilt_on_the_current_runtime_image():
    text = (
        "FROM flaskops/runtime:0123456789ab-build AS build\nFROM"
        " flaskops/runtime:0123456789ab\nCOPY app/ /app/\n"
    )
    # A record of an older version does not contain the base.
    (restored,) = restore.restored_releases(
        [release(dockerfile=text)], {"": "flaskops/runtime:ba9876543210"}, []
    )
    assert (
        restored.dockerfile
        == restored.to_record()["dockerfile"]
        == text.replace("0123456789ab", "ba9876543210")
    )
    assert our_images.needed_images([restored]) == [
        "flaskops/runtime:ba9876543210-build",
        "flaskops/runtime:ba9876543210",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "FROM {0}-seed\n",
        "ARG FLASKOPS_RUNTIME={0}\nFROM ${{FLASKOPS_RUNTIME}}-seed\n",
        "FROM $FLASKOPS_RUNTIME-seed\n",
    ],
)
def test_a_release_that_predates_the_compat_name_is_rebuilt_on_the_current_compat_image(text):
    old, new = "flaskops/runtime:0123456789ab", "flaskops/runtime:ba9876543210"
    kept = Release("shop", OLD, "default", "/", dockerfile=text.format(old))
    (release,) = restore.restored_releases([kept], {"": new}, [])
    assert release.dockerfile == text.format(new).replace("-seed", "-compat")
    assert our_images.needed_images([release]) == [f"{new}-compat"]


def test_the_advice_is_below_the_table_of_the_status():
    keys = (
        "state",
        "release",
        "since",
        "health",
        "image",
        "container",
        "path",
        "url",
        "memory",
        "disk",
        "restarts",
    )
    app = {
        **dict.fromkeys(keys, "x"),
        "previous": [],
        "locked_by": None,
        "processes": {},
        "reason": None,
        "name": "shop",
    }
    advised = {**app, "advice": ["write writable: [/a\x1b].", "and more."]}
    assert report.status_table({"www": [advised]})[2:] == [
        "shop: write writable: [/a\\x1b].",
        "shop: and more.",
    ]
    assert (
        report.status_table({"www": [advised], "api": [app]})[3]
        == "www: shop: write writable: [/a\\x1b]."
    )
