# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A verifier decides about each request (proxy.forward_auth); a real Nginx on loopback, and a
verifier whose answers a test chooses.
"""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import probe
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath
from test_guards import WHERE, login
from test_proxy import PAGE, SPA, STRIPPED, Server, base, needs_nginx, place  # noqa: F401
from test_trusted_proxies import CLIENT, OTHER, ask, public_check, site  # noqa: F401

LOGIN = "https://login.example.org/start"
USER = "X-Auth-Request-User"
GOOD = {"Cookie": "session=ann"}


class Verifier(BaseHTTPRequestHandler):
    """Lets the session of ann in; records what it is asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers))
        good = headers.get("cookie") == "session=ann"
        self.send_response(200 if good else self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        if good:
            self.send_header(USER, "ann")
            self.send_header("Authorization", "Bearer ann")
        self.end_headers()

    do_POST = do_HEAD = do_PUT = do_GET

    def log_message(self, *_words):
        pass


@pytest.fixture
def verifier():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Verifier)
    server.asked, server.status, server.location = [], 401, ""
    server.url = f"http://127.0.0.1:{server.server_address[1]}/oauth2/auth?allowed_groups=staff"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def guarded(place, verifier):  # noqa: F811
    """An application behind the verifier."""

    def make(auth=(), proxy=(), **keys):
        auth = {"url": verifier.url, "login": LOGIN, "headers": [USER, "X-Groups"], **dict(auth)}
        proxy = {"websocket_paths": ["/ws"], "forward_auth": auth, **dict(proxy)}
        return place(proxy=proxy, **keys)

    return make


def to_login(made, answer):
    """Where a browser gets in the end, without the fragment: Nginx encodes the address first."""
    assert (answer.status, answer.headers["Cache-Control"]) == (302, "no-store")
    here, ours = "http://shop.example.org", f"{made.release['path'].rstrip('/')}/.flaskops/login+?/"
    assert answer.headers["Location"].startswith(f"{here}{ours}")
    path = answer.headers["Location"].removeprefix(here).split("#")[0]
    answer = made.raw(f"GET {path} HTTP/1.1\nHost: shop.example.org\nConnection: close\n\n")
    assert (answer.status, answer.headers["Cache-Control"]) == (302, "no-store")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return answer.headers["Location"]


def value(address):
    """What a login page is asked to return to, and all other parameters."""
    query = urlsplit(address).query
    return parse_qs(query, strict_parsing=True, keep_blank_values=True, encoding="latin-1")


@needs_nginx
@pytest.mark.parametrize(
    "keys", [{}, {"static": SPA}, {"path_mode": "script_name"}, STRIPPED], ids=str
)
def test_nobody_gets_in_without_the_verifier(guarded, verifier, keys):
    made = guarded(**keys)
    made.file("/shop/static/a.css", "a")
    made.file("/shop/static/index.html", "a")
    made.file("/shop/static/old.css", "a", made.before)
    slash = {"/shop"} if keys.get("path_mode") else set()  # where Nginx redirects before it looks
    paths = {*WHERE, "/shop/static/old.css", "/shop/static/index.html", "/shop/missing"} - slash
    for path in paths:
        for status in (401, 403):
            verifier.status = status
            assert made.get(path).status == status, path
            assert made.get(path, Cookie="session=eve").status == status, path
        verifier.status = 401
        assert made.get(path, **PAGE).status == 302, path
        assert made.get(path, **GOOD).status == (404 if path == "/shop/missing" else 200), path
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert made.get("/shop/ws", **upgrade).status == 401
    assert all("upgrade" not in headers for _method, _path, headers in verifier.asked)
    assert made.get("/shop/ws", **upgrade, **GOOD).received["headers"]["upgrade"] == "websocket"
    count = made.app.count
    verifier.shutdown()
    verifier.server_close()
    for path in paths:
        assert made.get(path, **GOOD, **PAGE).status == 500, path
    assert made.app.count == count


@needs_nginx
@pytest.mark.parametrize("status", [204, 304, 302, 404, 429, 500, 503])
def test_only_2xx_opens(guarded, verifier, status):
    verifier.status = status
    answer = guarded().get("/shop/")
    assert answer.status == (200 if status == 204 else 500)


@needs_nginx
def test_a_server_block_of_the_owner_does_not_open_it(guarded, verifier):
    made = guarded(auth={"url": "http://127.0.0.1:1/"})
    made.others = (
        "error_page 401 403 500 502 504 =200 /sorry; proxy_intercept_errors on; proxy_cache"
        " flaskops; proxy_cache_valid any 1h; location = /sorry { return 200 sorry; }"
    )
    for _time in range(2):
        answer = made.get("/shop/")
        assert (answer.body, made.app.count) != (b"", 1)
    assert made.app.count == 0


@needs_nginx
def test_a_server_block_of_the_owner_does_not_keep_the_answer(guarded):
    made = guarded()
    made.others = "proxy_cache flaskops; proxy_cache_valid any 1h; proxy_cache_key $request_uri;"
    assert made.get("/shop/", **GOOD).status == 200
    assert made.get("/shop/other").status == 401


@needs_nginx
def test_what_the_verifier_is_asked(guarded, verifier):
    made = guarded()
    body = "x" * 100_000
    answer = made.get(
        "/shop/a%2Fb?c=1&d",
        "POST",
        body,
        X_Auth_Request_User="root",
        X_Forwarded_Uri="/elsewhere",
        X_Original_URL="https://elsewhere/",
        X_Forwarded_For="192.0.2.1",
        If_None_Match="*",
        Range="bytes=0-1",
        Expect="100-continue",
        **GOOD,
    )
    assert answer.received["length"] == len(body)
    [(method, path, headers)] = verifier.asked
    assert (method, path) == ("GET", "/oauth2/auth?allowed_groups=staff")
    expected = {
        "host": "shop.example.org",
        "cookie": "session=ann",
        "x-forwarded-method": "POST",
        "x-forwarded-uri": "/shop/a%2Fb?c=1&d",
        "x-original-method": "POST",
        "x-original-uri": "/shop/a%2Fb?c=1&d",
        "x-original-url": "http://shop.example.org/shop/a%2Fb?c=1&d",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "shop.example.org",
    }
    assert expected.items() <= headers.items()
    gone = ("content-length", "transfer-encoding", "if-none-match", "range", USER.lower())
    assert not headers.keys() & {*gone}
    assert headers.get("x-forwarded-for") != "192.0.2.1"
    # A body without a length.
    head = "POST /shop/ HTTP/1.1\nHost: shop.example.org\nCookie: session=ann\n"
    answer = made.raw(f"{head}Transfer-Encoding: chunked\n\n5\nabcde\n0\n\n")
    assert answer.received["length"] == 5
    assert not verifier.asked[-1][2].keys() & {*gone}


@needs_nginx
def test_the_application_gets_the_headers_of_the_verifier_alone(guarded):
    made = guarded()
    forged = {USER: "root", "x-groups": "admin", "X_Groups": "admin", "X-auth-request-user": "eve"}
    headers = made.get("/shop/", **GOOD, **forged).received["headers"]
    assert headers[USER.lower()] == "ann"
    assert "x-groups" not in headers  # the verifier does not send it
    raw = "GET /shop/ HTTP/1.1\nHost: shop.example.org\nCookie: session=ann\n"
    raw += f"{USER}: root\n{USER}: root\nX_Auth_Request_User: root\nX-Groups: admin\n\n"
    headers = made.raw(raw).received["headers"]
    assert (headers[USER.lower()], headers.get("x-groups")) == ("ann", None)


@needs_nginx
@pytest.mark.parametrize("path", ["/shop", "/"])
def test_a_page_leads_to_the_login_and_back(guarded, path):
    made = guarded(path=path)
    begin = path.rstrip("/")
    for rest in (
        "/",
        "/a?b=1",
        "/a?b=1&rd=https://evil.example/&c=%26%20+;",
        "/a&rd=https://evil.example/?x",
        "/%D0%BF%D0%BE%D0%B8?q=%D0%BF%D0%BE%D0%B8+%D0%BF",
        "//evil.example/%2F..",
        "/\\evil.example/a\\b",
        "/@evil.example:80@a?http://evil.example",
        "/+?" + "&%41+;" * 1200,
        "/" + "%41" * 800 + "?" + "&" * 200 + "+" * 200 + ";" * 200 + "%",
        "/%0d%0aLocation:%20https://evil.example/%0A?%0d%0a%00%250a",
        "/\xe4?\xd0\xbf\xff\x80",
        "/\"'<>^`{|}?\"'<>^`{|}$uri$1${host}\\1??=",
        "/a/../b/./c?/../",
    ):
        head = f"GET {begin}{rest} HTTP/1.1\nHost: shop.example.org\nAccept: text/html\n\n"
        address = to_login(made, made.raw(head))
        assert address.startswith(f"{LOGIN}?rd=http://shop.example.org{begin}/")
        assert value(address) == {"rd": [f"http://shop.example.org{begin}{rest}"]}


@needs_nginx
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("/shop/a\rLocation: x", 400),
        ("/shop/" + "a" * 8150, 302),  # and then too long for the second request
        ("/shop/" + "a" * 8200, 414),
    ],
)
def test_an_address_that_nginx_does_not_take(guarded, line, status):
    made = guarded()
    answer = made.raw(f"GET {line} HTTP/1.1\nHost: shop.example.org\nAccept: text/html\n\n")
    assert answer.status == status
    if status == 302:
        path = answer.headers["Location"].removeprefix("http://shop.example.org")
        assert made.raw(f"GET {path} HTTP/1.1\nHost: shop.example.org\n\n").status == 414


@needs_nginx
def test_a_fragment_stays_in_the_browser(guarded):
    made = guarded()
    raw = "GET /shop/a?b#&rd=c HTTP/1.1\nHost: shop.example.org\nAccept: text/html\n\n"
    assert value(to_login(made, made.raw(raw))) == {"rd": ["http://shop.example.org/shop/a?b"]}


@needs_nginx
@pytest.mark.parametrize("spelling", ["login+", "login%2B", "login%2b", "%6Cogin+", "x/../login+"])
def test_a_login_never_leads_to_another_host(guarded, verifier, spelling):
    made = guarded()
    own = f"{LOGIN}?rd=http://shop.example.org"

    def ask_for(text):
        line = f"GET /shop/.flaskops/{spelling}{text} HTTP/1.1"
        return made.raw(f"{line}\nHost: shop.example.org\nConnection: close\n\n")

    for text in (
        "",
        "?",
        "?@evil.example",
        "?.evil.example/",
        "?:80@evil.example",
        "??/",
        "?%2Fa",
        "?\\evil.example",
        "?http://evil.example/",
    ):
        assert ask_for(text).status == 404, text
    for text in ("//evil.example", "/\\evil.example", "/@evil.example", "/?/&rd=//a%0d%0aX:y"):
        address = ask_for(f"?{text}").headers["Location"]
        assert address.startswith(f"{own}/")
        assert value(address) == {"rd": [f"http://shop.example.org{text}"]}
    assert verifier.asked == [] and made.app.count == 0


@needs_nginx
@pytest.mark.parametrize(
    ("given", "begin"),
    [
        ("https://login.example.org/?next=", "https://login.example.org/?next=http://"),
        ("https://login.example.org/?a=b&to=", "https://login.example.org/?a=b&to=http://"),
        ("https://login.example.org/?a=b", "https://login.example.org/?a=b&rd=http://"),
        ("/sso/start", "http://shop.example.org/sso/start?rd=http://"),
    ],
)
def test_the_address_of_the_login(guarded, given, begin):
    made = guarded(auth={"login": given})
    address = to_login(made, made.get("/shop/?a", **PAGE))
    assert address == f"{begin}shop.example.org/shop/%3Fa"


@needs_nginx
def test_only_pages_lead_to_the_login(guarded):
    made = guarded()
    assert made.get("/shop/").status == 401
    assert made.get("/shop/", "POST", "a", **PAGE).status == 401
    assert made.get("/shop/", "HEAD", **PAGE).status == 302


@needs_nginx
def test_without_a_login_it_is_what_the_verifier_says(guarded, verifier):
    made = guarded(auth={"login": ""})
    assert made.get("/shop/", **PAGE).status == 401
    verifier.location = "https://login.example.org/?rd=x"
    answer = made.get("/shop/", **PAGE)
    assert (answer.status, answer.headers["Location"]) == (302, verifier.location)
    assert made.get("/shop/").status == 401
    verifier.status = 403
    assert made.get("/shop/", **PAGE).status == 403


@needs_nginx
@pytest.mark.parametrize("keys", [{}, {"static": SPA}], ids=str)
def test_a_401_of_the_application_is_its_own(guarded, keys):
    made = guarded(**keys)
    made.app.do_GET = lambda self: (self.send_response(401), self.end_headers())
    assert made.get("/shop/page", **PAGE, **GOOD).status == 401


@needs_nginx
def test_a_password_and_the_verifier_are_both_needed(guarded, verifier):
    made = guarded(proxy={"basic_auth": {"users": {"ann": "x"}}}, static=SPA)
    (made.directory / "nginx.passwords").write_text(made.release["files"]["nginx.passwords"])
    made.file("/shop/static/a.css", "a")
    for path in ("/shop/", "/shop/static/a.css"):
        answer = made.get(path, **PAGE, **GOOD)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert made.get(path, **login("ann", "x")).status == 401
        assert made.get(path, **PAGE, **login("ann", "x")).status == 302
        assert made.get(path, **GOOD, **login("ann", "x")).status == 200
    assert all("authorization" not in headers for _method, _path, headers in verifier.asked)
    received = made.get("/shop/", **GOOD, **login("ann", "x")).received["headers"]
    assert "authorization" not in received


@needs_nginx
def test_the_verifier_may_set_authorization(guarded, verifier):
    made = guarded(
        auth={"headers": ["Authorization"]}, proxy={"basic_auth": {"users": {"ann": "x"}}}
    )
    (made.directory / "nginx.passwords").write_text(made.release["files"]["nginx.passwords"])
    received = made.get("/shop/", **GOOD, **login("ann", "x")).received["headers"]
    assert received["authorization"] == "Bearer ann"
    assert "authorization" not in verifier.asked[-1][2]


@needs_nginx
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_the_verifier_gets_the_token_of_a_client_and_the_application_that_of_the_verifier(
    guarded, verifier, name
):
    made = guarded(auth={"headers": [name, USER]})
    token = {"Authorization": "Bearer token", USER: "root"}
    received = made.get("/shop/", **token, **GOOD).received["headers"]
    assert (received["authorization"], received[USER.lower()]) == ("Bearer ann", "ann")
    asked = verifier.asked[-1][2]
    assert (asked["authorization"], USER.lower() in asked) == ("Bearer token", False)
    verifier.status = 204  # it lets in, and names nobody
    received = made.get("/shop/", **token).received["headers"]
    assert not received.keys() & {"authorization", USER.lower()}


@needs_nginx
def test_how_often_the_verifier_is_asked(guarded, verifier):
    made = guarded(static=SPA)
    made.file("/shop/static/a.css", "a")
    made.file("/shop/static/index.html", "a")
    made.file("/shop/static/old.css", "a", made.before)
    for path, times in (
        ("/shop/page", 1),
        ("/shop/static/a.css", 1),
        ("/shop/", 1),
        ("/shop/static/old.css", 2),
        ("/shop/missing", 2),
        ("/shop/static/drawn", 3),
    ):
        verifier.asked.clear()
        assert made.get(path, **PAGE, **GOOD).status == 200
        assert len(verifier.asked) == times, path


@needs_nginx
@pytest.mark.parametrize("name", ["", "_before", "_page"])
def test_another_application_does_not_lead_past_the_verifier(guarded, name):
    """Each location has its own guard, as proxy.accel_redirect may lead to any."""
    made = guarded(static=SPA)
    made.file("/shop/static/index.html", "secret")
    made.file("/blog/a", "secret", made.before)
    made.others = f"location /blog/ {{ proxy_pass http://unix:{made.directory}/run/app.sock; }}"

    def redirect(self):
        self.send_response(200)
        self.send_header("X-Accel-Redirect", f"@flaskops_shop{name}")
        self.end_headers()

    made.app.do_GET = redirect
    answer = made.get("/blog/a")
    assert (answer.status, b"secret" in answer.body) == (401, False)
    if name:
        assert made.get("/blog/a", **GOOD).body == b"secret"


@needs_nginx
def test_an_address_and_the_verifier_are_both_needed(site, verifier):  # noqa: F811
    auth = {"url": verifier.url}
    made = site([], proxy={"allow": [OTHER], "forward_auth": auth}, static=SPA)
    made.file("/shop/static/a.css", "a")
    for path in ("/shop/", "/shop/static/a.css"):
        assert ask(CLIENT, path, **GOOD)[0] == 403
        assert ask(OTHER, path)[0] == 401
        assert ask(OTHER, path, **GOOD)[0] == 200


@needs_nginx
def test_an_address_and_the_verifier_may_be_alternatives(site, verifier):  # noqa: F811
    proxy = {"allow": [OTHER], "forward_auth": {"url": verifier.url, "headers": [USER]}}
    made = site([], proxy={**proxy, "directives": ["satisfy any"]}, static=SPA)
    made.file("/shop/static/a.css", "a")
    for path in ("/shop/", "/shop/static/a.css"):
        assert (ask(OTHER, path)[0], ask(CLIENT, path)[0]) == (200, 401)
        assert ask(CLIENT, path, **GOOD)[0] == 200
    received = json.loads(ask(OTHER, "/shop/", **{USER: "root"})[1])["headers"]
    assert USER.lower() not in received


@needs_nginx
def test_the_public_check_takes_it_for_a_login(site, verifier):  # noqa: F811
    made = site([], proxy={"forward_auth": {"url": verifier.url, "login": LOGIN}})
    assert probe.check(public_check(made), time.monotonic() + 5) == ""


@needs_nginx
def test_clients_cannot_ask_the_verifier(guarded, verifier):
    made = guarded()
    assert made.get("/shop/.flaskops/verify", **GOOD).status == 404
    assert verifier.asked == []


@needs_nginx
def test_under_maintenance_the_health_check_is_guarded(guarded):
    made = guarded(health={"path": "/up"})
    made.serves = "maintenance.conf"
    assert made.get("/shop/up").status == 401
    assert made.get("/shop/up", **GOOD).status == 200
    back = {"rd": ["http://shop.example.org/shop/up"]}
    assert value(to_login(made, made.get("/shop/up", **PAGE))) == back


@needs_nginx
def test_limits_error_pages_and_a_login_go_together(guarded):
    made = guarded(
        proxy={"limits": {"requests_per_second": 1, "burst": 0}, "error_pages": True},
    )
    statuses = {made.get("/shop/", **PAGE).status for _time in range(3)}
    assert statuses <= {302, 429, 401}


@needs_nginx
@pytest.mark.parametrize(
    ("keys", "asked"),
    [({}, "/sso/verify"), ({**STRIPPED, "command": "server"}, "/verify")],
    ids=["whole", "stripped"],
)
def test_another_application_may_decide(base, place, keys, asked):  # noqa: F811
    other = {"name": "sso", "path": "/sso", **keys}
    auth = {"app": "sso", "path": "/verify?a=b", "login": "/sso/login", "headers": [USER]}
    made = place(proxy={"forward_auth": auth}, beside=[other])
    [route] = re.findall(
        r"unix:(\S+/apps/sso/route-[0-9a-f]+)/", made.release["files"]["nginx.conf"]
    )
    assert Path(route).name == AppPath("/sso", *keys_of(keys)).route
    assert made.get("/shop/", **GOOD).status == 500  # it does not run
    (Path(route) / "run").mkdir(parents=True)
    app = type("App", (Verifier,), {"protocol_version": "HTTP/1.0"})
    server = Server(f"{route}/run/app.sock", app)
    server.asked, server.status, server.location = [], 401, ""
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    assert made.get("/shop/", **GOOD).received["headers"][USER.lower()] == "ann"
    back = {"rd": ["http://shop.example.org/shop/"]}
    assert value(to_login(made, made.get("/shop/", **PAGE))) == back
    assert {path for _method, path, _headers in server.asked} == {f"{asked}?a=b"}
    server.shutdown()
    server.server_close()


def keys_of(keys):
    return keys.get("path_mode", "domain"), keys.get("engine", "uwsgi")


def test_each_location_of_an_application_is_verified(guarded):
    made = guarded(static=SPA, health={"path": "/up"}, proxy={"streamed_uploads": ["/up"]})
    for name in ("nginx.conf", "maintenance.conf"):
        for location in re.split(r"(?m)^ *location ", made.release["files"][name])[1:]:
            asks = location.startswith("= /shop/.flaskops/verify")
            reaches = ("proxy_pass " in location or "try_files " in location) and not asks
            assert ("auth_request /shop/.flaskops/verify;" in location) == reaches, location
