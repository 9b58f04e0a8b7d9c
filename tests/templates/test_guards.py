# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which clients reach an application and its static files; a real Nginx on loopback."""

from __future__ import annotations

import re

import pytest
from test_proxy import SPA, base, needs_nginx, place  # noqa: F401
from test_trusted_proxies import CLIENT, FAR, OTHER, PROXY, ask, site  # noqa: F401

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
            reaches = "proxy_pass " in location or "    root " in location
            rule = "    allow 192.0.2.7;\n    allow 2001:db8::/32;\n    deny all;\n"
            assert (rule in location.replace(" " * 8, " " * 4)) == reaches, location
