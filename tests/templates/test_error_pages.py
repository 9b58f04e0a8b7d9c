# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client gets where an application does not answer; a real Nginx."""

from __future__ import annotations

import re

import pytest
from test_proxy import ROLE, base, needs_nginx, place  # noqa: F401

PATHS = ["/shop/", "/shop/x", "/shop/ws", "/shop/up", "/shop/static/missing"]
KEYS = {"error_pages": True, "websocket_paths": ["/ws"], "streamed_uploads": ["/up"]}


def is_ours(answer):
    return b"<h1>No answer</h1>" in answer.body


@needs_nginx
@pytest.mark.parametrize("keys", [{}, {"path_mode": "script_name"}], ids=str)
def test_a_page_of_the_role_replaces_that_of_nginx(place, keys):  # noqa: F811
    made = place(proxy=KEYS, **keys)
    made.server.server_close()
    for path in PATHS:
        for method in ("GET", "POST"):
            answer = made.get(path, method)
            assert (answer.status, is_ours(answer)) == (502, True), (path, method)
            assert answer.headers["Retry-After"] == "5"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
    assert (made.get("/shop/", "HEAD").status, made.get("/shop/", "HEAD").body) == (502, b"")
    assert made.get("/shop/.flaskops/error").status == 404


@needs_nginx
def test_a_site_at_the_root_has_the_page_too(place):  # noqa: F811
    made = place(path="/", proxy=KEYS)
    made.server.server_close()
    assert is_ours(made.get("/x"))


@needs_nginx
def test_a_slow_application_gets_504_with_the_page(place):  # noqa: F811
    made = place(proxy={"error_pages": True, "read_timeout_seconds": 1})
    made.app.do_GET = lambda self: self.rfile.read(1)
    answer = made.get("/shop/")
    assert (answer.status, is_ours(answer), answer.headers["Retry-After"]) == (504, True, "5")


@needs_nginx
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_the_errors_of_the_application_stay(place, status):  # noqa: F811
    def answer(self):
        self.send_response(status)
        self.send_header("Retry-After", "77")
        self.end_headers()
        self.wfile.write(b"mine")

    made = place(proxy=KEYS)
    made.app.do_GET = answer
    for path in ["/shop", *PATHS]:
        found = made.get(path)
        assert (found.status, found.body, found.headers["Retry-After"]) == (status, b"mine", "77")


@needs_nginx
def test_without_the_key_nginx_has_its_own_page(place):  # noqa: F811
    made = place()
    made.server.server_close()
    answer = made.get("/shop/")
    assert (answer.status, is_ours(answer), answer.headers["Retry-After"]) == (502, False, None)


@needs_nginx
def test_limits_and_error_pages_go_together(place):  # noqa: F811
    made = place(proxy={**KEYS, "limits": {"requests_per_second": 1, "burst": 0}})
    made.server.server_close()
    answers = [made.get("/shop/") for _time in range(2)]
    assert [(each.status, each.headers["Retry-After"]) for each in answers] == [
        (502, "5"),
        (429, "1"),
    ]


@needs_nginx
@pytest.mark.parametrize("path", ["/shop", "/"])
def test_a_page_of_the_application_replaces_that_of_the_role(place, path):  # noqa: F811
    made = place(path=path, proxy={"error_page": "/static/sorry.html"})
    prefix = path.rstrip("/")
    made.file(f"{prefix}/static/sorry.html", "<h1>Sorry</h1>")
    made.server.server_close()
    for method in ("GET", "POST", "DELETE"):
        answer = made.get(f"{prefix}/x", method, If_None_Match="*", Range="bytes=0-1")
        assert (answer.status, answer.body) == (502, b"<h1>Sorry</h1>")
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers.get_all("Cache-Control") == ["no-store"]
        assert answer.headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
    assert made.get(f"{prefix}/x", "HEAD").body == b""
    # It is a static file like the others.
    assert made.get(f"{prefix}/static/sorry.html").status == 200


@needs_nginx
def test_a_release_without_its_page_sends_that_of_the_role(place):  # noqa: F811
    made = place(proxy={"error_page": "/static/sorry.html"})
    made.server.server_close()
    for method in ("GET", "POST"):
        answer = made.get("/shop/x", method)
        assert (answer.status, is_ours(answer), answer.headers["Retry-After"]) == (502, True, "5")


@needs_nginx
def test_a_page_that_is_a_link_is_not_sent(place, tmp_path):  # noqa: F811
    made = place(proxy={"error_page": "/static/sorry.html"})
    (tmp_path / "secret").write_text("secret")
    page = made.file("/shop/static/other.html", "x").with_name("sorry.html")
    page.symlink_to(tmp_path / "secret")
    made.server.server_close()
    answer = made.get("/shop/x")
    assert b"secret" not in answer.body and answer.status in (403, 502)


def test_the_page_fits_between_the_quotes_of_a_directive():
    page = re.sub(r"(?s)\{#.*?#\}", "", (ROLE / "templates/error.html.j2").read_text())
    assert not set(page.replace("{{ '' -}}", "")) & set("'\\$") and len(page.encode()) < 4000
