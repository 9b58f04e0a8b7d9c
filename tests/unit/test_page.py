# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The warnings about the first page of a live release, and the end of a redirect of its health
check.
"""

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.nginx.site import Site
from ansible_collections.flaskops.host.plugins.module_utils.releases import gate as release_gate
from ansible_collections.flaskops.host.plugins.module_utils.releases import page as _page
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Health
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Work

HOST = "shop.example.org"


class Server(BaseHTTPRequestHandler):
    """Answer by a table: the text of a page, a status, or a status with a location; all with the
    same delay.
    """

    table: dict
    asked: list
    delay: float

    def do_GET(self):
        self.asked.append(self.path)
        time.sleep(self.delay)
        found = self.table.get(self.path, 404)
        kind: list[str] = []
        status, location, body, cookie = (
            (200, "", found, "") if isinstance(found, str) else (found, "", "", "")
        )
        if isinstance(found, tuple):
            status, location, cookie = (*found, "")[:3]
        if callable(found):
            status, location, body, cookie, *kind = found(self.headers)
        self.send_response(status)
        for name, value in (("Location", location), ("Set-Cookie", cookie)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Type", *(kind or ["text/html; charset=utf-8"]))
        self.end_headers()
        with suppress(OSError):  # the client does not read the whole answer
            self.wfile.write(body.encode())

    def log_message(self, *_words):
        pass


@pytest.fixture
def look():
    servers = []

    def run(table, neighbours=(), delay=0.0, tls=False, host=HOST, **keys):
        server = type("Table", (Server,), {"table": table, "asked": [], "delay": delay})
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), server))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        release = {"path": "/shop", "path_mode": "script_name", "engine": "uwsgi", **keys}
        run.asked = server.asked
        site = Site("default", (host,), http_port=servers[-1].server_port, https_in_front=tls)
        return _page.look(site, Work("shop", "1", **release), neighbours)

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


GOOD = """<!doctype html><title>Shop</title>
<link rel=stylesheet href="/shop/static/a.css"><script src="static/a.js"></script>
<img src="data:image/gif;base64,AA"><img src="https://cdn.example.org/x.png">
<a href="cart">cart</a> <a href="#top">top</a> <a href="mailto:a@b.c">mail</a>
<a href="javascript:void(0)">x</a><a href="https://other.example.org/">there</a>
<form action=""></form>"""
FILES = {"/shop/static/a.css": "x", "/shop/static/a.js": "x"}


def test_a_correct_page_gives_no_warning(look):
    assert look({"/shop/": GOOD, **FILES}) == []
    assert look.asked == ["/shop/", "/shop/static/a.js", "/shop/static/a.css"] or set(
        look.asked
    ) == {"/shop/", *FILES}


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_protected_and_missing_pages_are_ignored(look, status):
    assert look({"/shop/": status}) == []


def test_missing_files_are_listed(look):
    (warning,) = look({"/shop/": GOOD, "/shop/static/a.css": 500})
    assert warning.startswith("/shop/ asks for missing files: ")
    assert (
        "/shop/static/a.js (404)" in warning
        and "/shop/static/a.css (500)" in warning
        and "static: [{url: /static" in warning
    )


def test_at_most_twenty_files_are_requested(look):
    page = "".join(f'<script src="{number}.js"></script>' for number in range(50))
    (warning,) = look({"/shop/": page})
    assert len(look.asked) == 21
    assert warning.count("(404)") == _page.EXAMPLES and "and 15 more" in warning


def test_all_files_together_have_one_second(look, monkeypatch):
    monkeypatch.setattr(_page, "FILE_SECONDS", 0.2)
    page = "".join(f'<script src="{number}.js"></script>' for number in range(20))
    started = time.monotonic()
    look({"/shop/": page}, delay=0.15)
    assert time.monotonic() - started < 0.2 + 0.15 + 0.7
    assert len(look.asked) < 6


def test_an_endless_page_is_read_until_its_timeout(look, monkeypatch):
    monkeypatch.setattr(_page, "PAGE_SECONDS", 0.3)
    started = time.monotonic()
    assert look({"/shop/": GOOD}, delay=3) == []
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({}, "url_for"),
        ({"path_mode": "domain"}, "write path_mode: script_name"),
        ({"engine": "command"}, "env: {SCRIPT_NAME: /shop}"),
    ],
    ids=str,
)
def test_links_that_leave_the_path_are_reported_with_the_key(look, keys, key):
    page = (
        '<a href="/inside">here</a> <form action="/send" method="post"></form> <a'
        ' href="../z">z</a> '
    )
    page += '<a href="cart">x</a> <a href="/shop/y">y</a>'
    (warning,) = look({"/shop/": page}, **keys)
    assert warning.startswith(
        "3 of 5 links of /shop/ lead out of its path /shop: /inside, /send, /z. "
    )
    assert key in warning and "path: /" in warning


def test_one_external_link_and_links_to_another_application_are_accepted(look):
    page = '<a href="/about">about</a> <a href="cart">cart</a> <a href="/shop/x">x</a>'
    assert look({"/shop/": page}) == []
    portal = '<a href="/blog/">blog</a> <a href="/wiki">wiki</a> <a href="/blogger">x</a>'
    assert look({"/shop/": portal}, ["/blog"])[0].startswith("2 of 3 links")
    assert look({"/shop/": portal}, ["/blog", "/wiki", "/blogger"]) == []
    assert look({"/shop/": portal}, [""]) == []


def test_at_the_root_nothing_leaves(look):
    assert (
        look({"/": '<a href="/inside">x</a><script src="/x.js"></script>', "/x.js": "x"}, path="/")
        == []
    )


def test_a_stylesheet_outside_the_path_is_reported(look):
    (warning,) = look({"/shop/": '<link rel="stylesheet" href="/static/a.css"><a href="x">x</a>'})
    assert warning.startswith("1 of 1 files of /shop/ lead out of its path /shop: /static/a.css.")
    assert (
        look(
            {
                "/shop/": '<link rel="stylesheet" href="/static/a.css">',
                "/static/a.css": "somebody has it",
            }
        )
        == []
    )


def test_a_base_element_is_respected(look):
    (warning,) = look({"/shop/": '<base href="/other/"><a href="a">a</a>'})
    assert "/other/a" in warning


def test_a_redirect_is_followed_to_its_page(look):
    (warning,) = look(
        {"/shop/": (302, "/shop/login"), "/shop/login": '<script src="x.js"></script>'}
    )
    assert warning.startswith("/shop/login asks for missing files: /shop/x.js (404)")


@pytest.mark.parametrize(
    ("table", "keys", "words"),
    [
        (
            {"/shop/": (302, "/inside")},
            {"path_mode": "domain"},
            "redirects to http://shop.example.org/inside, out of its path /shop. ",
        ),
        (
            {"/shop/": (302, "login"), "/shop/login": 500},
            {},
            "/shop/ redirects to /shop/login, which answers 500",
        ),
        ({"/shop/": (302, "login")}, {}, "/shop/ redirects to /shop/login, which answers 404"),
        ({"/shop/": 500}, {}, "/shop/ answers 500"),
        ({"/shop/": (302, "/shop/")}, {}, "/shop/ redirects to /shop/, and so on, in a circle."),
        (
            {"/shop/": (301, f"https://{HOST}/shop/")},
            {},
            "write its address in nginx_trusted_proxies",
        ),
    ],
)
def test_a_redirect_that_leads_nowhere_is_reported(look, table, keys, words):
    (warning,) = look(table, **keys)
    assert words in warning


@pytest.mark.parametrize(
    ("location", "keys", "neighbours"),
    [
        ("https://sso.example.org/login", {}, []),
        (f"https://{HOST}/shop/", {"tls": True}, []),
        ("/login", {}, ["/login"]),
        ("http://[", {}, []),
        ("http://shop.example.org:99999999/x", {}, []),
    ],
)
def test_a_redirect_that_may_be_intended_is_not_reported(look, location, keys, neighbours):
    assert look({"/shop/": (302, location)}, neighbours, **keys) == []


def test_a_cookie_from_a_redirect_is_sent(look):
    def page(headers):
        return (
            (200, "", "in", "")
            if "seen=1" in headers.get("Cookie", "")
            else (302, "/shop/", "", "seen=1; Path=/shop/; HttpOnly")
        )

    assert look({"/shop/": page}) == []
    assert look.asked == ["/shop/"] * 2


def test_text_of_a_page_is_shown_without_control_characters(look):
    (warning,) = look({"/shop/": '<a href="/\x1b[2J\u202e">x</a>'})
    assert "\x1b" not in warning and "\u202e" not in warning


@pytest.mark.parametrize(
    "page",
    [
        "<a " * 90000, "<!--" * 60000, "<a href='" * 30000, "<![" * 80000, "</" * 130000,
        "<" * 260000, "<a href=x>" * 26000, "<script>" * 30000, "<a " + "x " * 130000,
        "&#" * 130000, "<!doctype" * 29000, "<?" * 130000, "<a href=\"" + "x" * 260000,
    ],
    ids=lambda page: page[:9],
)  # fmt: skip
def test_no_page_slows_the_run_down(page):
    started = time.monotonic()
    read = _page.Page()
    read.read(page, started + 1)
    assert time.monotonic() - started < 3
    assert len(read.links) <= _page.NAMED


# --- other broken pages of healthy releases -------------------------------------------------------


OWN = (
    "It has its own setting for its path (shop/a.py, line 3): write env: {SHOP_URL_PREFIX: /shop}."
)


@pytest.mark.parametrize(
    "table",
    [{"/shop/": '<a href="/in">x</a><a href="/out">y</a>'}, {"/shop/": (302, "/in")}],
    ids=str,
)
def test_a_prefix_setting_of_the_application_takes_precedence_over_the_general_advice(look, table):
    (warning,) = look(table, own_prefix=OWN)
    assert warning.endswith(OWN) and "url_for" not in warning


def test_a_page_that_knows_its_path_does_not_need_the_prefix_setting(look):
    (warning,) = look(
        {"/shop/": '<a href="/">x</a><img src="/shop/a.png">', "/shop/a.png": "x"}, own_prefix=OWN
    )
    assert "need url_for" in warning and OWN not in warning
    for mode in ({"path_mode": "domain"}, {"engine": "command"}):
        (warning,) = look(
            {"/shop/": '<a href="/">x</a><img src="/shop/a.png">', "/shop/a.png": "x"}, **mode
        )
        assert (
            "/. Addresses that are written by hand need url_for" in warning
            and "DOMAIN" not in warning
            and "SCRIPT_NAME" not in warning
        )


def test_if_all_links_leave_the_path_the_application_may_replace_script_name(look):
    page = '<a href="/in">x</a><a href="/out">y</a><link rel=stylesheet href="/static/a.css">'
    (warning,) = look({"/shop/": page})
    assert "something in it replaces SCRIPT_NAME" in warning and "url_for" in warning
    assert "replaces" not in look({"/shop/": page + '<a href="cart">z</a>'})[0]
    assert "replaces" not in look({"/shop/": page}, path_mode="domain")[0]
    # A Gunicorn of the image gets SCRIPT_NAME as well; another server does not.
    (warning,) = look({"/shop/": page}, engine="command", script_name="/shop")
    assert "something in it replaces SCRIPT_NAME" in warning and "env: {SCRIPT_NAME" not in warning
    assert "replaces" not in look({"/shop/": page}, engine="command")[0]


def test_a_base_element_outside_the_path_is_named(look):
    (warning,) = look({"/shop/": '<base href="/"><a href="cart">x</a><script src="a.js"></script>'})
    assert warning.startswith(
        "1 of 1 links of /shop/ lead out of its path /shop: /a.js, /cart. Its <base href> leads"
        " there; "
    )
    assert warning.endswith('below this path it is <base href="/shop/">.')
    assert look({"/shop/": '<base href="/shop/"><a href="cart">x</a>'}) == []


def test_the_option_of_a_frontend_build_is_named(look):
    (warning,) = look(
        {"/shop/": '<div id=root></div><script type="module" src="/assets/x.js"></script>'}
    )
    assert "A build has an option for that, such as base: /shop/ of Vite." in warning


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:5000/in",
        "http://127.0.0.1/shop/in",
        "https://localhost/in",
        "http://[::1]:80/in",
    ],
)
def test_a_redirect_to_localhost_is_reported(look, target):
    (warning,) = look({"/shop/": (302, target)})
    assert (
        warning.startswith(
            f"/shop/ redirects to {target}, which is another machine for each browser. "
        )
        and "SERVER_NAME" in warning
    )


def test_a_site_named_localhost_may_redirect_to_itself(look):
    assert (
        look(
            {"/shop/": (302, "http://localhost/shop/in"), "/shop/in": GOOD, **FILES},
            host="localhost",
        )
        == []
    )
    assert "out of its path" in look({"/shop/": (302, "http://localhost/in")}, host="localhost")[0]


def test_files_of_a_development_server_are_reported_and_its_links_are_not(look):
    (warning,) = look(
        {
            "/shop/": (
                '<script type=module src="http://localhost:5173/@vite/client"></script><a'
                ' href="http://localhost:80/x">x</a>'
            )
        }
    )
    assert warning.startswith(
        "/shop/ asks for http://localhost:5173/@vite/client, which is another machine for each"
        " browser. "
    )
    assert "build_command" in warning


def typed(kind, text):
    return lambda _headers: (200, "", text, "", kind)


@pytest.mark.parametrize(
    "text",
    [
        'fetch("/api/items")', "fetch('/api/items', {method: 'POST'})",
        "window.fetch(`/api/items`)", "x = await fetch( '/api/items')",
        'new EventSource("/api/items")', 'r.open("GET", "/api/items")', 'a();fetch("/api/items")',
    ],
)  # fmt: skip
def test_a_script_call_that_leaves_the_path_is_reported_and_not_made(look, text):
    (warning,) = look({"/shop/": f"<a href=x>x</a><script>{text}</script>"})
    assert warning.startswith("/shop/ has scripts that call out of its path /shop: /api/items. ")
    (warning,) = look(
        {"/shop/": '<script src="a.js"></script>', "/shop/a.js": typed("text/javascript", text)}
    )
    assert "/api/items" in warning and "/api/items" not in look.asked


@pytest.mark.parametrize(
    "text",
    [
        'fetch("api/items")', 'fetch("/shop/api")', 'fetch(root + "/api")', "fetch(`${root}/api`)",
        'client.fetch("/api")', 'prefetch("/api")', 'axios.get("/api")', '// fetch("/api")',
        'x = 1; // fetch("/api")', '/* fetch("/api") */', 'fetch("//cdn.example.org/x")',
        'fetch("https://example.org/x")', 'window.open("/api")', 'open("GET", "/api")',
        'fetch("/blog/feed")', 'fetch("/" + name)',
    ],
)  # fmt: skip
def test_a_script_call_that_may_be_right_is_not_reported(look, text):
    assert look({"/shop/": f"<a href=x>x</a><script>{text}</script>"}, ["/blog"]) == []


@pytest.mark.parametrize(
    "text", ["var socket = io();", "const s=io.connect()", "let s = io('/chat')", "use(io( ))"]
)
def test_a_websocket_at_the_root_of_the_site_is_reported(look, text):
    wanted = "/shop/ has a script that opens Socket.IO at /socket.io/, out of its path /shop. "
    wanted += 'Write its path there: io({path: "/shop/socket.io/"}).'
    assert look({"/shop/": f"<script>{text}</script>"}) == [wanted]
    assert look(
        {"/shop/": '<script src="a.js"></script>', "/shop/a.js": typed("text/javascript", text)}
    ) == [wanted]


@pytest.mark.parametrize(
    "text",
    [
        "s = io({path: root})", "s = io('/chat', {path: '/shop/socket.io/'})", "s = io(place)",
        "s = audio()", "s = a.io()", "// s = io()", "/* s = io() */",
    ],
)  # fmt: skip
def test_a_websocket_that_may_be_right_is_not_reported(look, text):
    assert look({"/shop/": f"<script>{text}</script>"}) == []


def test_a_stylesheet_that_requests_files_outside_the_path_is_reported(look):
    style = (
        "a { background: url('/static/a.png') } b { background: url(img/b.png) } c { background:"
        " url(data:image/png;base64,AA) }"
    )
    table = {
        "/shop/": '<link rel=stylesheet href="a.css"><a href=x>x</a>',
        "/shop/a.css": typed("text/css", style),
    }
    (warning,) = look(table)
    assert warning.startswith("1 of 2 files of /shop/ lead out of its path /shop: /static/a.png. ")
    assert look({**table, "/static/a.png": typed("image/png", "x")}) == []
    (warning,) = look({"/shop/": f"<style>{style}</style>"})
    assert "/static/a.png" in warning


def test_each_entry_of_a_srcset_is_a_file(look):
    page = '<img srcset="a.png 1x, /b.png 2x" alt=x><picture><source srcset="c.png"></picture>'
    (warning,) = look({"/shop/": page, "/shop/a.png": "x", "/shop/c.png": "x"})
    assert "/b.png" in warning.split(". ")[0]
    (warning,) = look({"/shop/": '<img srcset="a.png 1x, b.png 2x">', "/shop/a.png": "x"})
    assert warning.startswith("/shop/ asks for missing files: /shop/b.png (404)")


def test_a_refresh_counts_as_a_link(look):
    assert "/Login" in look({"/shop/": '<meta http-equiv="refresh" content="0; URL=/Login">'})[0]
    assert look({"/shop/": '<meta http-equiv="refresh" content="30">'}) == []
    assert look({"/shop/": '<meta http-equiv="refresh" content="0; url=login">'}) == []


def test_an_answer_that_is_not_html_is_not_read(look):
    assert look({"/shop/": typed("application/json", '{"a": "<a href=\'/x\'>x</a>"}')}) == []


def test_only_the_start_of_a_long_page_is_read(look):
    started = time.monotonic()
    assert look({"/shop/": "<p>" + "x" * 5_000_000 + '<a href="/in">x</a>'}) == []
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        "/*" * 30000,
        "fetch(" * 10000,
        " \n" * 30000,
        "url(/" * 12000,
        ".open('GET'," * 5000,
        "//\n" * 20000,
    ],
)
def test_no_script_slows_the_run_down(text):
    started = time.monotonic()
    for pattern in (_page._STYLED, _page._CALLED):
        _page._addresses(pattern, text, "http://shop/")
    assert time.monotonic() - started < 1


# --- the gate -------------------------------------------------------------------------------------


@pytest.fixture
def gate(monkeypatch):
    """The gate in front of an application that answers by a table; returns the message of its
    refusal, or "".
    """

    def run(table, **params):
        asked = []

        def answer(path):
            asked.append(path)
            found = table.get(path, 404)
            return found if isinstance(found, tuple) else (found, "")

        class Engine:
            def inspect(self, _name):
                return {"State": {"Running": True}, "Config": {}, "Mounts": []}

            def run(self, *_words, **_how):
                return ""

        monkeypatch.setattr(release_gate, "Docker", Engine)
        monkeypatch.setattr(
            release_gate, "ask", lambda _connection, path, _headers: (answer(path)[0], "well")
        )
        monkeypatch.setattr(
            release_gate,
            "fetch",
            lambda _connection, path, _headers, _size: release_gate.Fetched(*answer(path), (), ""),
        )
        status = params.pop("status", Health().status)
        check = release_gate.HealthCheck(
            "shop-1",
            "/x",
            "localhost",
            AppPath(**{"path": "/shop", **params}),
            Health(status=status, deadline_seconds=0.3, interval_seconds=0.1),
        )
        run.asked = asked
        try:
            return str(release_gate.Gate(check).run().status)
        except release_gate.HostError as error:
            return str(error)

    return run


@pytest.mark.parametrize(
    ("table", "params"),
    [
        ({"/shop/": (302, "/shop/login"), "/shop/login": 200}, {}),
        ({"/shop/": (302, "/shop/login"), "/shop/login": 401}, {}),
        ({"/shop/": (302, "/shop/static/index.html")}, {}),  # Nginx may serve it
        ({"/shop/": (302, "https://sso.example.org/")}, {}),
        (
            {"/shop/": (302, "/elsewhere"), "/elsewhere": 500},
            {},
        ),  # with path_mode: domain it belongs to another application
        ({"/shop/": (302, "/shop/")}, {}),
        (
            {"/shop/": (302, "/shop/login"), "/shop/login": 500},
            {"status": ["302"]},
        ),  # the entry expects this answer
    ],
)
def test_a_redirect_to_a_good_answer_passes(gate, table, params):
    assert gate(table, **params) == "302"


@pytest.mark.parametrize(
    ("table", "params"),
    [
        ({"/shop/": (302, "login"), "/shop/login": 500}, {}),
        ({"/shop/": (302, "http://localhost/shop/login"), "/shop/login": 503}, {}),
        ({"/shop/": (302, "https://localhost/shop/login"), "/shop/login": 503}, {}),
        ({"/shop/": (302, "/login"), "/shop/login": 500}, {"path_mode": "script_name"}),
        ({"/": (302, "/login"), "/login": 500}, {"path_mode": "script_name", "engine": "command"}),
        (
            {"/": (302, "/shop/login"), "/login": 500},
            {"path_mode": "script_name", "engine": "command"},
        ),
        ({"/shop/": (302, "/shop/a"), "/shop/a": (307, "/shop/b"), "/shop/b": 500}, {}),
    ],
)
def test_a_redirect_to_an_error_is_refused(gate, table, params):
    refused = gate(table, **params)
    assert "no answer was one of" in refused
    assert "302 well, which leads to " in refused and ": 50" in refused
