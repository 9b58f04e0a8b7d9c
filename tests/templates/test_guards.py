# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clients reach an application and its static files; a real Nginx on loopback."""

from __future__ import annotations

import base64
import json
import re
import time

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import probe
from test_proxy import SPA, base, needs_nginx, place, release  # noqa: F401
from test_trusted_proxies import CLIENT, FAR, OTHER, PROXY, ask, public_check, site  # noqa: F401

WHERE = ["/shop/", "/shop", "/shop/static/a.css", "/shop/static/drawn", "/shop/ws", "/shop/ws/x"]


@needs_nginx
@pytest.mark.parametrize("keys", [{}, {"static": SPA}, {"path_mode": "script_name"}], ids=str)
def test_only_the_allowed_clients_reach_an_application_and_its_files(site, keys):  # noqa: F811
    proxy = {"allow": [OTHER], "websocket_paths": ["/ws"]}
    made = site([], proxy=proxy, **keys)
    (made.directory / "release.txt").write_text("shop 0123\n")
    made.file("/shop/static/a.css", "a")
    made.file("/shop/static/index.html", "a")
    made.file("/shop/static/old.css", "a", made.before)
    slash = {"/shop"} if keys.get("path_mode") else set()  # where Nginx redirects before it looks
    for path in {*WHERE, "/shop/static/old.css", "/shop/static/index.html"} - slash:
        assert (ask(CLIENT, path)[0], ask(OTHER, path)[0]) == (403, 200), path
    assert ask(CLIENT, "/shop/.flaskops/release") == (200, b"shop 0123\n")


@needs_nginx
def test_the_allowed_client_is_the_one_behind_a_trusted_proxy(site):  # noqa: F811
    site([PROXY], proxy={"allow": ["203.0.113.0/24"]})
    assert ask(PROXY, X_Forwarded_For=FAR)[0] == 200
    assert ask(PROXY, X_Forwarded_For="192.0.2.1")[0] == 403
    assert ask(OTHER, X_Forwarded_For=FAR)[0] == 403


def test_each_location_of_an_application_is_guarded(place):  # noqa: F811
    allow = ["192.0.2.7/32", "2001:DB8::/32", "192.0.2.7"]
    made = place(static=SPA, proxy={"allow": allow}, health={"path": "/up"})
    for name in ("nginx.conf", "maintenance.conf"):
        for location in re.split(r"(?m)^ *location ", made.release["files"][name])[1:]:
            reaches = "proxy_pass " in location or "try_files " in location
            rule = "    allow 192.0.2.7;\n    allow 2001:db8::/32;\n    deny all;\n"
            assert (rule in location.replace(" " * 8, " " * 4)) == reaches, location


def login(user, password):
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


def guarded(place, **keys):  # noqa: F811
    """An application with a login, and its password file."""
    users = {"ann": "käse: 1", "bob@example.org": "x" * 255}
    made = place(proxy={"basic_auth": {"users": users}, "websocket_paths": ["/ws"]}, **keys)
    (made.directory / "nginx.passwords").write_text(made.release["files"]["nginx.passwords"])
    return made


@needs_nginx
def test_nginx_asks_for_the_password_of_an_application_and_its_files(place):  # noqa: F811
    made = guarded(place, static=SPA)
    made.file("/shop/static/a.css", "a")
    made.file("/shop/static/index.html", "a")
    made.file("/shop/static/old.css", "a", made.before)
    good, wrong = login("ann", "käse: 1"), login("ann", "Käse: 1")
    for path in [*WHERE, "/shop/static/old.css", "/shop/static/index.html", "/shop/missing"]:
        asked = made.get(path)
        assert asked.status == 401, path
        assert asked.headers["WWW-Authenticate"] == 'Basic realm="Login to shop"'
        assert made.get(path, **wrong).status == 401
        assert made.get(path, **login("eve", "")).status == 401
        assert made.get(path, **good).status == (404 if path == "/shop/missing" else 200)
    assert made.get("/shop/ws", **login("bob@example.org", "x" * 255)).status == 200


@needs_nginx
def test_the_application_does_not_get_the_password(place):  # noqa: F811
    made = guarded(place)
    assert "authorization" not in made.get("/shop/", **login("ann", "käse: 1")).received["headers"]


@needs_nginx
def test_the_application_gets_other_logins(place):  # noqa: F811
    headers = place().get("/shop/", **login("ann", "x")).received["headers"]
    assert headers["authorization"].startswith("Basic ")


@needs_nginx
def test_without_its_password_file_an_application_is_closed(place):  # noqa: F811
    made = guarded(place)
    (made.directory / "nginx.passwords").unlink()
    assert made.get("/shop/", **login("ann", "käse: 1")).status == 403


@needs_nginx
def test_allow_and_a_login_may_be_alternatives(site):  # noqa: F811
    proxy = {
        "allow": [OTHER],
        "basic_auth": {"users": {"ann": "x"}},
        "directives": ["satisfy any"],
    }
    made = site([], proxy=proxy)
    (made.directory / "nginx.passwords").write_text(made.release["files"]["nginx.passwords"])
    made.file("/shop/static/a.css", "a")
    for path in ("/shop/", "/shop/static/a.css"):
        assert (ask(OTHER, path)[0], ask(CLIENT, path)[0]) == (200, 401)
        assert ask(CLIENT, path, **login("ann", "x"))[0] == 200


def test_a_changed_password_is_a_new_release_and_no_file_contains_it(base):  # noqa: F811
    first, again, changed = (
        release(
            base,
            health={"path": "/up"},
            proxy={"basic_auth": {"users": {"ann": word}, "realm": "Shop (staff)"}},
        )
        for word in ("a password", "a password", "another one")
    )
    assert first["id"] == again["id"] != changed["id"]
    assert first["files"] == again["files"]
    for part in (first["files"], first["container"], first["secrets"]):
        assert "a password" not in json.dumps(part)
    for name in ("nginx.conf", "maintenance.conf"):
        file = f"{base}/apps/shop/releases/{first['id']}/nginx.passwords"
        assert f"    auth_basic_user_file {file};\n" in first["files"][name]
        assert '    auth_basic "Shop (staff)";\n' in first["files"][name]
    assert "/run/secrets" not in json.dumps(first["container"])


@needs_nginx
@pytest.mark.parametrize(
    ("proxy", "status"),
    [
        ({"allow": [FAR]}, 403),
        ({"basic_auth": {"users": {"ann": "x"}}}, 401),
        ({"limits": {"requests_per_second": 1, "burst": 0}}, 200),
    ],
    ids=["allow", "basic_auth", "limits"],
)
def test_the_public_check_finds_a_guarded_release(site, proxy, status):  # noqa: F811
    """It asks from the host, several times if it must."""
    made = site([PROXY], proxy=proxy)
    question = public_check(made)
    for _time in range(3):
        assert ask(CLIENT, "/shop/up")[0] == status
        assert probe.check(question, time.monotonic() + 5) == ""
