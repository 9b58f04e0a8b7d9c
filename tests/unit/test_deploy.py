# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps of a deploy do, worked out from releases and the plan."""

import json
from hashlib import sha256

import pytest
from ansible_collections.flaskops.host.plugins.module_utils import _deploy as deploy

NEW, OLD = "222222222222", "111111111111"
RELEASES = "/var/lib/flaskops/apps/shop/releases"
DEFAULT = {"name": "default", "server_names": [], "port": 80}
WWW = {"name": "www", "server_names": ["*.example.com", "www.example.com"], "port": 8080}
SITES = [DEFAULT, WWW]


def release(name="shop", identity=NEW, site="default", path="/shop", **more):
    """A release as the lookup gives it, as far as the steps read it."""
    app = {
        "name": name,
        "site": site,
        "path": path,
        "prefix": path.rstrip("/"),
        "path_mode": "domain",
        "engine": "uwsgi",
        "module": "app",
        "callable": "app",
        "health": {"path": "/health", "status": ["2xx"], "deadline_seconds": 60, "interval_seconds": 0.5},
        "drain_seconds": 30,
        "static": [],
        "secrets": {"KEY": "hunter2"},
    }
    return {
        "name": name,
        "id": identity,
        "image": f"flaskops/{name}:{identity}",
        "directory": f"/var/lib/flaskops/apps/{name}/releases/{identity}",
        "container": {"name": f"{name}-{identity}"},
        "dockerfile": "FROM x\n",
        "source": "digest",
        "app": app,
        **more,
    }


def work(live=None, sites=(), name="shop"):
    """An entry of the plan."""
    return {"name": name, "id": NEW, "live": live, "links": [{"site": site, "id": identity} for site, identity in sites], "reason": "x"}


def steps(*ready, failed=None):
    return deploy.switch_steps(ready, SITES, "/etc/nginx", failed or {})


# --- the switch ------------------------------------------------------------------------------------------------------


def test_a_first_deploy_sets_a_link_and_replaces_nothing():
    assert steps(release(before=work())) == {
        "links": [{"path": "/etc/nginx/flaskops/default/shop.conf", "target": f"{RELEASES}/{NEW}/nginx.conf"}],
        "absent": [],
        "checks": [
            {"name": "shop", "id": NEW, "prefix": "/shop", "path": "/shop/health", "host": "localhost", "port": 80, "status": ["2xx"]}
        ],
        "back_links": [],
        "back_absent": [],
        "undo": [],
        "failures": {},
        "marks": [{"name": "shop", "id": NEW, "state": "live"}],
        "replaced": [],
    }


def test_a_new_release_moves_the_link_and_stops_the_old_container():
    found = steps(release(before=work(OLD, [("default", OLD)])))
    assert found["links"] == [{"path": "/etc/nginx/flaskops/default/shop.conf", "target": f"{RELEASES}/{NEW}/nginx.conf"}]
    assert (found["absent"], found["back_links"], found["back_absent"]) == ([], [], [])
    assert found["marks"] == [{"name": "shop", "id": NEW, "state": "live"}]
    assert found["replaced"] == [{"container": f"shop-{OLD}", "stop_timeout": 35}]


def test_a_move_to_another_site_takes_the_old_link_away_in_the_same_transaction():
    found = steps(release(site="www", before=work(NEW, [("default", NEW)])))
    assert found["links"] == [{"path": "/etc/nginx/flaskops/www/shop.conf", "target": f"{RELEASES}/{NEW}/nginx.conf"}]
    assert found["absent"] == ["/etc/nginx/flaskops/default/shop.conf"]
    assert found["replaced"] == []
    (check,) = found["checks"]
    assert (check["host"], check["port"]) == ("www.example.com", 8080)


def test_a_new_release_on_another_site():
    found = steps(release(site="www", before=work(OLD, [("default", OLD)])))
    assert found["absent"] == ["/etc/nginx/flaskops/default/shop.conf"]
    assert found["replaced"] == [{"container": f"shop-{OLD}", "stop_timeout": 35}]


def test_a_release_whose_container_was_gone_replaces_nothing():
    found = steps(release(before=work(NEW, [("default", NEW)])))
    assert (found["replaced"], found["absent"]) == ([], [])


def test_at_the_root_of_a_site_the_health_check_has_one_slash():
    assert steps(release(path="/", before=work()))["checks"][0]["path"] == "/health"


@pytest.mark.parametrize(
    ("site", "before", "links", "absent"),
    [
        ("default", work(), [], ["/etc/nginx/flaskops/default/shop.conf"]),
        (
            "default",
            work(OLD, [("default", OLD)]),
            [{"path": "/etc/nginx/flaskops/default/shop.conf", "target": f"{RELEASES}/{OLD}/nginx.conf"}],
            [],
        ),
        (
            "www",
            work(OLD, [("default", OLD)]),
            [{"path": "/etc/nginx/flaskops/default/shop.conf", "target": f"{RELEASES}/{OLD}/nginx.conf"}],
            ["/etc/nginx/flaskops/www/shop.conf"],
        ),
    ],
    ids=["first deploy", "new release", "another site"],
)
def test_a_release_that_does_not_serve_is_taken_back(site, before, links, absent):
    found = steps(release(site=site, before=before), failed={"shop": "Nginx answered 502"})
    assert (found["back_links"], found["back_absent"]) == (links, absent)
    assert found["undo"] == [before]
    assert found["failures"] == {"shop": f"shop: release {NEW} did not serve and was taken back: Nginx answered 502"}
    assert (found["marks"], found["replaced"]) == ([], [])


def test_the_failure_of_one_application_does_not_stop_the_others():
    good = release("blog", path="/blog", before=work(OLD, [("default", OLD)], "blog"))
    bad = release(before=work(OLD, [("default", OLD)]))
    found = steps(good, bad, failed={"shop": "no"})
    assert found["marks"] == [{"name": "blog", "id": NEW, "state": "live"}]
    assert found["replaced"] == [{"container": f"blog-{OLD}", "stop_timeout": 35}]
    assert [entry["path"] for entry in found["back_links"]] == ["/etc/nginx/flaskops/default/shop.conf"]


# --- the names of sites ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["www.example.com"], "www.example.com"),
        (["*.example.com", "example.com"], "example.com"),
        (["*.example.com"], "localhost"),
        (["_"], "localhost"),
        (["~^x"], "localhost"),
        ([".example.com"], "localhost"),
        ([], "localhost"),
        (None, "localhost"),
    ],
)
def test_a_request_for_a_site_carries_its_first_plain_name(names, host):
    assert deploy.site_host("www", [{"name": "www", "server_names": names}]) == host


def test_a_site_that_nobody_described_is_localhost_on_port_80():
    assert (deploy.site_host("x", SITES), deploy.site_port("x", SITES)) == ("localhost", 80)


@pytest.mark.parametrize(
    ("apps", "defaults", "sites"),
    [
        ([], None, []),
        ([{"name": "a"}], None, ["default"]),
        ([{"site": "www"}, {"name": "a"}, {"site": "www"}], None, ["default", "www"]),
        ([{"name": "a"}, {"site": "x"}], {"site": "www"}, ["www", "x"]),
        ([{"site": None}], {"site": None}, ["default"]),
        ("malformed", "malformed", []),
        (["malformed", None, 5], [], []),
    ],
)
def test_the_sites_that_applications_are_on(apps, defaults, sites):
    assert deploy.used_sites(apps, defaults) == sites


# --- what the plan and the record are told ---------------------------------------------------------------------------


def test_the_plan_is_told_digests_of_secrets_and_no_contents():
    assert deploy.wanted_releases([release()]) == [
        {"name": "shop", "id": NEW, "site": "default", "secrets": {"KEY": sha256(b"hunter2").hexdigest()}}
    ]


def test_the_record_of_a_release_names_its_secrets_and_does_not_hold_them():
    facts = deploy.release_facts(release())
    assert facts["secrets"] == ["KEY"]
    assert "hunter2" not in json.dumps(facts)
    assert {"image", "container", "dockerfile", "source", "site", "path", "module", "callable", "health", "static"} <= set(facts)


# --- messages and outputs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "result", "message"),
    [
        (None, {"msg": " no. "}, f"shop: release {NEW} failed at 'release | Build'; it serves nothing yet.\nno."),
        (
            OLD,
            {"msg": "no", "stderr": "why\n", "stdout": "not told"},
            f"shop: release {NEW} failed at 'release | Build'; release {OLD} goes on serving.\nno\nwhy",
        ),
    ],
)
def test_a_failure_says_what_where_why_and_what_serves_now(live, result, message):
    assert deploy.failure(work(live), "release | Build", result) == message


def live(*releases, plan=(), failed=(), **more):
    return deploy.live_releases(releases, {"work": list(plan)}, dict.fromkeys(failed, "x"), SITES, "192.0.2.1", **more)


def test_an_unchanged_application_is_told_as_it_is():
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
    ("plan", "failed", "check", "told"),
    [
        ([work()], [], False, (NEW, True)),
        ([work(OLD)], [], False, (NEW, True)),
        ([work(NEW)], [], False, (NEW, True)),
        ([work(OLD)], ["shop"], False, (OLD, False)),
        ([work()], ["shop"], False, (None, False)),
        ([work(NEW)], ["shop"], False, (NEW, False)),
        ([work(OLD)], [], True, (OLD, False)),
        ([work()], [], True, (None, False)),
        ([], [], True, (NEW, False)),
    ],
    ids=["first", "new", "mended", "failed", "failed first", "not mended", "check", "check first", "check unchanged"],
)
def test_what_serves_after_the_run(plan, failed, check, told):
    found = live(release(), plan=plan, failed=failed, check=check)
    assert [(entry["release"], entry["changed"], entry["wanted"]) for entry in found] == [(*told, NEW)]


@pytest.mark.parametrize(
    ("site", "path", "url"),
    [("default", "/", "http://192.0.2.1/"), ("www", "/shop", "http://www.example.com:8080/shop/"), ("www", "/", "http://www.example.com:8080/")],
)
def test_the_url_is_what_one_types(site, path, url):
    assert live(release(site=site, path=path))[0]["url"] == url
