# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What results from the path of an application, for each kind; every user of the path gets the same
facts.
"""

from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import gate as release_gate
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Health
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath
from ansible_collections.flaskops.host.plugins.module_utils.releases.probe import Question
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Work

SITES = [{"name": "default", "server_names": [], "port": 80}]
KINDS = {
    "at the root": (
        {"path": "/", "path_mode": "script_name", "engine": "uwsgi"},
        "",
        False,
        False,
        "",
        "",
        "",
    ),
    "at the root, foreign": (
        {"path": "/", "path_mode": "script_name", "engine": "command"},
        "",
        False,
        False,
        "",
        "",
        "",
    ),
    "knows its path": (
        {"path": "/shop/", "path_mode": "domain", "engine": "uwsgi"},
        "/shop",
        False,
        False,
        "/shop",
        "/shop",
        "",
    ),
    "ours": (
        {"path": "/shop", "path_mode": "script_name", "engine": "gunicorn"},
        "/shop",
        True,
        False,
        "/shop",
        "",
        "/shop",
    ),
    "knows its path, foreign": (
        {"path": "/a/b", "path_mode": "domain", "engine": "command"},
        "/a/b",
        False,
        False,
        "/a/b",
        "/a/b",
        "",
    ),
    "foreign": (
        {"path": "/shop", "path_mode": "script_name", "engine": "command"},
        "/shop",
        True,
        True,
        "",
        "",
        "",
    ),
    "foreign Gunicorn": (
        {"path": "/shop", "path_mode": "script_name", "engine": "command", "script_name": "/shop"},
        "/shop",
        True,
        False,
        "/shop",
        "",
        "",
    ),
}


@pytest.mark.parametrize(
    ("facts", "prefix", "mapped", "stripped", "inside", "domain", "mount"),
    KINDS.values(),
    ids=KINDS,
)
def test_each_fact_follows_from_the_entry(facts, prefix, mapped, stripped, inside, domain, mount):
    path = AppPath.of(facts)
    assert path.words() == {
        "prefix": prefix,
        "mapped": mapped,
        "stripped": stripped,
        "socket_prefix": inside,
        "cookie_path": f"{prefix}/" if mapped else prefix,
    }
    assert (path.domain, path.mount) == (domain, mount)
    assert (path.at_socket("/well"), path.at_nginx("/well")) == (f"{inside}/well", f"{prefix}/well")


@pytest.mark.parametrize(
    ("facts", "prefix", "inside"),
    [(kind[0], kind[1], kind[4]) for kind in KINDS.values()],
    ids=KINDS,
)
def test_the_gate_and_the_switch_use_the_path(monkeypatch, facts, prefix, inside):
    monkeypatch.setattr(release_gate, "Docker", object)
    check = release_gate.HealthCheck(
        "shop-1", "/x", "localhost", AppPath.of(facts), Health(path="/well")
    )
    gate = release_gate.Gate(check)
    assert gate.asked == f"{inside}/well"
    assert gate._followed(f"http://localhost{prefix}/login") == f"http://localhost{inside}/login"
    health = {"path": "/well", "status": ["2xx"]}
    work = Work.from_dict({**facts, "name": "shop", "id": "1", "site": "default", "health": health})
    asked = Question.of(work, SITES, Path("nginx.conf"))
    assert (asked.prefix, asked.path) == (prefix, f"{prefix}/well")
    release = Release.from_dict({**facts, "name": "shop", "id": "1", "site": "default"})
    assert release.url(SITES, "10.0.0.1") == f"http://10.0.0.1{prefix}/"


def test_a_link_leads_only_to_releases_that_expect_the_same_path():
    routes = {kind: AppPath.of(facts).route for kind, (facts, *_more) in KINDS.items()}
    assert routes["at the root"] == routes["at the root, foreign"] == "route-80e19280"
    assert routes["knows its path"] == routes["ours"] == routes["foreign Gunicorn"]
    assert (
        len(
            {
                routes["ours"],
                routes["foreign"],
                routes["at the root"],
                routes["knows its path, foreign"],
            }
        )
        == 4
    )
