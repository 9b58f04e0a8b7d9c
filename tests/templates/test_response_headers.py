# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The headers that Nginx adds to the answers of an application; a real Nginx."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps import schema
from ansible_collections.flaskops.host.plugins.module_utils.inputs.options import convert
from ansible_collections.flaskops.host.plugins.module_utils.releases.response_headers import (
    BY_DEFAULT,
    HSTS,
    VARIABLES,
)
from entries import normalize_apps
from hypothesis import given, settings
from hypothesis import strategies as st
from test_nginx import render
from test_proxy import PAGE, ROLE, SPA, STRIPPED, base, needs_nginx, place, release  # noqa: F401

SITE = 'set $flaskops_hsts "max-age=9";\nadd_header Strict-Transport-Security $flaskops_sent_hsts'
DEFAULTS = {
    HSTS: "max-age=9",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "SAMEORIGIN",
}
OPTION = schema.OPTIONS["proxy"].options["security_headers"]
ALL = [
    {},
    {"path": "/"},
    {**STRIPPED},
    {"path_mode": "script_name", "static": SPA},
    {
        "static": SPA,
        "health": {"path": "/up"},
        "proxy": {
            "websocket_paths": ["/ws"],
            "streamed_uploads": ["/up"],
            "limits": {"requests_per_second": 1},
            "static_headers": {"Access-Control-Allow-Origin": "*"},
            "cache_seconds": 1,
        },
    },
    {"proxy": {"error_pages": True, "directives": ["add_header X-Mine 1", "gzip off"]}},
]


def sent(answer, *names):
    """Each header with all its values; None without one."""
    return {name: answer.headers.get_all(name) for name in names or DEFAULTS}


def once(values):
    return {name: [value] for name, value in values.items()}


def says(made, headers, status=200):
    """The application answers with these headers."""

    def answer(self):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"mine")

    made.app.do_GET = answer


# --- none is forgotten ----------------------------------------------------------------------------


@pytest.mark.parametrize("keys", ALL, ids=str)
def test_each_location_of_an_application_sends_all_headers(base, keys):  # noqa: F811
    files = release(base, **keys)["files"]
    for name in ("nginx.conf", "maintenance.conf", "stopped.conf"):
        locations = re.split(r"(?m)^ *location ", files[name])[1:]
        assert locations
        for text in locations:
            written = set(re.findall(r"add_header (\S+)", text))
            if "/.flaskops/release {" in text:  # for the host alone
                assert not written
            else:
                assert written >= set(DEFAULTS), f"{name}: {text}"


def test_headers_are_added_in_one_place():
    found = {
        file.name: file.read_text().count("    add_header ") for file in ROLE.glob("templates/*.j2")
    }
    macros = (ROLE / "templates/macros.j2").read_text()
    begin = macros[macros.index("{% macro begin(") :]
    inside = begin[: begin.index("{% endmacro %}")].count("    add_header ")
    assert {name: count for name, count in found.items() if count} == {"macros.j2": inside}


def test_each_header_that_an_application_overrides_has_its_names():
    names = render()["conf.d/flaskops.conf"]
    for name, variable in VARIABLES.items():
        assert f"map '' $flaskops_{variable} {{" in names
        header = name.lower().replace("-", "_")
        assert re.search(
            rf'map "?\$upstream_http_{header}\b[^{{]* \$flaskops_sent_{variable} {{\n    volatile;',
            names,
        ), name
    defaults = dict(re.findall(r"map '' \$flaskops_(\w+) \{\n    default ([^;']+);", names))
    assert {VARIABLES[name]: DEFAULTS[name] for name in BY_DEFAULT} == defaults


@needs_nginx
@pytest.mark.parametrize("keys", [{}, {"path_mode": "script_name"}], ids=str)
def test_every_answer_has_each_header_once(place, keys):  # noqa: F811
    made = place(static=SPA, proxy={"limits": {"requests_per_second": 1, "burst": 40}}, **keys)
    made.others = f"{SITE} always;"
    made.file("/shop/static/a.css", "a")
    made.file("/shop/static/index.html", "a")
    made.file("/shop/static/old.css", "a", made.before)
    for path in ("/shop", "/shop/", "/shop/x", "/shop/static/a.css", "/shop/static/old.css",
                 "/shop/static/missing", "/shop/missing/route"):  # fmt: skip
        for method in ("GET", "HEAD", "POST"):
            answer = made.get(path, method, **PAGE)
            assert sent(answer) == once(DEFAULTS), (path, method, answer.status)
    refused = [made.get("/shop/x") for _time in range(60)][-1]
    assert (refused.status, sent(refused)) == (429, once(DEFAULTS))
    beyond = made.get("/shop/static/a.css", Range="bytes=9-")  # Nginx writes its headers twice
    assert (beyond.status, {name: {*all} for name, all in sent(beyond).items()}) == (
        416, {name: {value} for name, value in DEFAULTS.items()},
    )  # fmt: skip


@needs_nginx
@pytest.mark.parametrize("pages", [False, True])
def test_every_error_of_nginx_has_each_header_once(place, pages):  # noqa: F811
    made = place(proxy={"error_pages": pages, "body_size": "1k"})
    made.others = f"{SITE} always;"
    made.server.server_close()
    assert (made.get("/shop/").status, sent(made.get("/shop/"))) == (502, once(DEFAULTS))
    large = made.get("/shop/", "POST", b"x" * 2000)
    assert (large.status, sent(large)) == (413, once(DEFAULTS))
    host = made.raw("GET /shop/ HTTP/1.1\nHost: a;b\nConnection: close\n\n")
    assert (host.status, sent(host)) == (400, once(DEFAULTS))


@needs_nginx
@pytest.mark.parametrize("state", ["maintenance", "stopped"])
def test_the_pages_of_other_states_have_each_header_once(place, state):  # noqa: F811
    made = place(proxy={"security_headers": {"X-Frame-Options": "DENY"}}, health={"path": "/up"})
    made.others = f"{SITE} always;"
    made.serves = f"{state}.conf"
    (made.directory / "maintenance.html").write_text("later")
    for path in ("/shop", "/shop/", "/shop/x"):
        answer = made.get(path)
        assert (answer.status, sent(answer)) == (503, once({**DEFAULTS, "X-Frame-Options": "DENY"}))


# --- the application's own ------------------------------------------------------------------------


@needs_nginx
@pytest.mark.parametrize("status", [200, 404, 500])
def test_the_application_overrides_each_header(place, status):  # noqa: F811
    ours = {name: "ours" for name in VARIABLES if name != HSTS}
    theirs = {name: f"theirs of {name}" for name in VARIABLES}
    made = place(static=SPA, proxy={"security_headers": ours, "cache_seconds": 9})
    made.others = f"{SITE} always;"
    made.file("/shop/static/index.html", "a")
    assert sent(made.get("/shop/x"), *VARIABLES) == once({**ours, HSTS: "max-age=9"})
    says(made, theirs, status)
    for _time in range(2):  # then from the cache
        assert sent(made.get("/shop/y"), *VARIABLES) == once(theirs)
    says(made, {"X-Frame-Options": "DENY"}, status)
    assert sent(made.get("/shop/z"), *VARIABLES) == once(
        {**ours, HSTS: "max-age=9", "X-Frame-Options": "DENY"}
    )


@needs_nginx
def test_a_page_instead_of_a_404_has_our_headers(place):  # noqa: F811
    """Nothing of the application's answer is sent."""
    made = place(static=SPA)
    made.others = f"{SITE} always;"
    made.file("/shop/static/index.html", "page")
    says(made, dict.fromkeys(DEFAULTS, "theirs"), 404)
    answer = made.get("/shop/route", **PAGE)
    assert (answer.status, answer.body, sent(answer)) == (200, b"page", once(DEFAULTS))


@needs_nginx
@pytest.mark.parametrize(
    ("policy", "framing"),
    [
        ("default-src 'self'", ["SAMEORIGIN"]),
        ("default-src 'self'; frame-ancestors https://partner.example", None),
        ("Frame-Ancestors 'none'", None),
        ("default-src 'self',frame-ancestors", None),
        ("report-uri /frame-ancestors", ["SAMEORIGIN"]),
        ("default-src 'self'; x-frame-ancestors 'none'", ["SAMEORIGIN"]),
    ],
)
def test_a_policy_about_frames_replaces_x_frame_options(place, policy, framing):  # noqa: F811
    made = place()
    says(made, {"Content-Security-Policy": policy})
    answer = made.get("/shop/")
    assert answer.headers.get_all("X-Frame-Options") == framing
    assert answer.headers.get_all("Content-Security-Policy") == [policy]


@needs_nginx
def test_our_own_policy_about_frames_does_too(place):  # noqa: F811
    policy = "frame-ancestors https://partner.example"
    made = place(proxy={"security_headers": {"content-security-policy": policy}})
    made.file("/shop/static/a.css", "a")
    for path in ("/shop/", "/shop/static/a.css"):
        answer = made.get(path)
        assert answer.headers.get_all("X-Frame-Options") is None
        assert answer.headers.get_all("Content-Security-Policy") == [policy]


@needs_nginx
def test_with_both_written_both_are_sent(place):  # noqa: F811
    headers = {"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY"}
    made = place(proxy={"security_headers": headers})
    assert sent(made.get("/shop/"), *headers) == once(headers)


# --- proxy.security_headers -----------------------------------------------------------------------


@needs_nginx
def test_a_user_adds_replaces_and_takes_away(place):  # noqa: F811
    headers = {
        "x-frame-options": "",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=()",
        "X-Robots-Tag": "noindex",
    }
    made = place(proxy={"security_headers": headers})
    made.file("/shop/static/a.css", "a")
    names = [*headers, "X-Content-Type-Options"]
    wanted = [None, *([value] for value in [*headers.values()][1:]), ["nosniff"]]
    for path in ("/shop/", "/shop/static/a.css"):
        assert [*sent(made.get(path), *names).values()] == wanted
    says(made, {"X-Robots-Tag": "all"})  # a name that flaskops.conf does not know
    assert made.get("/shop/").headers.get_all("X-Robots-Tag") == ["noindex"]


@needs_nginx
def test_static_headers_and_directives_take_precedence(place):  # noqa: F811
    made = place(
        proxy={
            "security_headers": {"X-Frame-Options": "DENY", "X-Robots-Tag": "noindex"},
            "static_headers": {"x-frame-options": "static", "X-Robots-Tag": "static"},
            "directives": [
                'add_header "X-Frame-Options" directive always',
                "add_header X-Robots-Tag directive",
                "add_header Content-Security-Policy \"frame-ancestors 'none'\" always",
            ],
        }
    )
    made.file("/shop/static/a.css", "a")
    names = ("X-Frame-Options", "X-Robots-Tag")
    assert sent(made.get("/shop/static/a.css"), *names) == once(dict.fromkeys(names, "static"))
    assert sent(made.get("/shop/"), *names) == once(dict.fromkeys(names, "directive"))


@needs_nginx
def test_a_directive_about_frames_replaces_x_frame_options(place):  # noqa: F811
    made = place(
        proxy={"directives": ["add_header Content-Security-Policy \"frame-ancestors 'none'\""]}
    )
    assert made.get("/shop/").headers.get_all("X-Frame-Options") is None


VALUES = [
    'a"b', "a\\", "\\", '"', '\\"', "'", ";", "}", "{", "#", "a; } server { listen 1; }", "\\n",
    "{{ 7 * 7 }}", "{% raw %}", "~^x", "default", "on", "off", "volatile", "x" * 2000, "%24host",
    "\\x41", "'; return 200 'x", "camera=(), geolocation=(self \"https://a.example\")", "/*",
    "`id`",
]  # fmt: skip


@needs_nginx
def test_any_value_reaches_the_client_unchanged(place):  # noqa: F811
    headers = {f"X-T-{number}": value for number, value in enumerate(VALUES)}
    known = dict(zip([name for name in VARIABLES if name != HSTS], VALUES, strict=False))
    made = place(proxy={"security_headers": {**headers, **known}})
    made.file("/shop/static/a.css", "a")
    for path in ("/shop/", "/shop/static/a.css"):
        answer = made.get(path)
        assert sent(answer, *headers, *known) == once({**headers, **known})


NASTY = [";", "}", "{", "\n", "\r", "\0", "\t", "$", "${x}", '"', "'", "\\", "#", " ", "ü", "\x7f"]
texts = st.lists(st.one_of(st.sampled_from([*NASTY, "a", "DENY", "-"]), st.text(max_size=3)),
                 max_size=6).map("".join)  # fmt: skip


@settings(max_examples=400)
@given(st.dictionaries(st.one_of(texts, st.sampled_from([*VARIABLES])), texts, max_size=3))
def test_what_is_accepted_cannot_leave_its_quotes(headers):
    """Only letters, digits and - in a name, and printable ASCII without $ in a value."""
    value, problems = convert(headers, OPTION, "proxy.security_headers")
    bad = [
        name
        for name, text in headers.items()
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", name)
        or not re.fullmatch(r"[ -#%-~]*", text)
    ]
    for name, text in value.items():
        assert name not in bad or headers[name] != text or problems
    assert not bad or problems


ALLOWED = "one line of at most 2000 ASCII characters without $, such as DENY, or '' for none"
NAME = (
    "; a header such as Permissions-Policy, except those that describe the body or that others set,"
    " such as Set-Cookie, or Strict-Transport-Security, which is hsts_seconds of the site."
)
BAD = [
    *(
        ({name: "x"}, f" has the name {shown}{NAME}")
        for name, shown in [
            ("Strict-Transport-Security", "'Strict-Transport-Security'"),
            ("strict-transport-security", "'strict-transport-security'"),
            ("Content-Type", "'Content-Type'"),
            ("Content-Length", "'Content-Length'"),
            ("ETag", "'ETag'"),
            ("Set-Cookie", "'Set-Cookie'"),
            ("Location", "'Location'"),
            ("Cache-Control", "'Cache-Control'"),
            ("Retry-After", "'Retry-After'"),
            ("WWW-Authenticate", "'WWW-Authenticate'"),
            ("X-Accel-Redirect", "'X-Accel-Redirect'"),
            ("Server", "'Server'"),
            ("Vary", "'Vary'"),
            ("X_Frame_Options", "'X_Frame_Options'"),
            ("", "''"),
            ("-X", "'-X'"),
            ("7X", "'7X'"),
            ("X Y", "'X…'"),
            ("X:", "'X…'"),
            ("X;", "'X;'"),
            ("X\n", "'X…'"),
            ("$x", "'$x'"),
            ("X-Ü", "'X-Ü'"),
            ("x" * 65, f"'{'x' * 65}'"),
            (True, "True"),
            (7, "7"),
        ]
    ),
    *(
        ({"X-Mine": value}, f": X-Mine must be {ALLOWED}; got {shown}.")
        for value, shown in [
            ("$host", "'$host'"),
            ("a$", "'a$'"),
            ("a\nb", r"'a\nb'"),
            ("a\r", r"'a\r'"),
            ("a\0", r"'a\x00'"),
            ("\t", r"'\t'"),
            (" a", "' a'"),
            ("a ", "'a '"),
            (" ", "' '"),
            ("größe", "'größe'"),
            ("x" * 2001, f"'{'x' * 120}…'"),
            (True, "True"),
            (None, "None"),
            ([], "a list"),
            ({}, "a dictionary"),
        ]
    ),
    (["X-Frame-Options"], " must be a dictionary; got a list."),
    ("DENY", " must be a dictionary; got 'DENY'."),
    (
        {"X-Frame-Options": "DENY", "x-frame-options": ""},
        " has x-frame-options twice; the case of a name does not count, so leave one out.",
    ),
]


@pytest.mark.parametrize(("headers", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_headers_are_refused_with_what_to_write(tmp_path, headers, words):
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    entry = {"name": "shop", "source": str(tmp_path), "path": "/shop"}
    found = normalize_apps([{**entry, "proxy": {"security_headers": headers}}])[1]
    where = "proxy." if " twice" in words else "proxy: "
    assert found == [f"flask_apps: shop: {where}security_headers{words}"]


# --- an upgrade -----------------------------------------------------------------------------------

EARLIER = Path(__file__).with_name("earlier.nginx.conf")


def test_the_names_of_earlier_fragments_stay_defined():
    names = render()["conf.d/flaskops.conf"]
    used = set(re.findall(r"\$(flaskops_\w+)", EARLIER.read_text())) - {"flaskops_rest"}
    assert used <= set(re.findall(r"(?m)^(?:map|geo) .*\$(\w+) \{$", names))


@needs_nginx
def test_an_earlier_fragment_serves_after_the_upgrade_and_after_a_rollback(place):  # noqa: F811
    made = place(path_mode="script_name", static=SPA)
    made.others = f"{SITE} always;"
    made.file("/shop/static/a.css", "a")
    made.release["files"]["earlier"] = EARLIER.read_text().replace("@base@", str(made.base))
    made.serves = "earlier"
    made.accepted = {"add_header_redefinition"}  # why it was changed
    assert made.get("/shop/x").received["path"] == "/shop/x"
    assert made.get("/shop/static/a.css").body == b"a"
    assert made.get("/shop/x").headers.get_all(HSTS) == ["max-age=9"]
