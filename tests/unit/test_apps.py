# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of an entry, and the messages for invalid values."""

import os
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.filter import flask_apps as filters
from ansible_collections.flaskops.host.plugins.module_utils.apps import schema
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import find
from ansible_collections.flaskops.host.plugins.module_utils.inputs.options import convert
from entries import normalize_apps
from hypothesis import given, settings
from hypothesis import strategies as st

SOURCE_WORDS = (
    "source is missing; write source: the directory of the application, for example files/shop; or"
    " git: {repo: …}; or image: …"
)
GIT = schema.OPTIONS["git"].options["repo"]
NAME_WORDS = "must be 1 to 40 of a-z, 0-9 and -, not at the ends, for example shop"
PATH_WORDS = f"must be {schema.PATH_WORDS}"
VERIFIER = "http://127.0.0.1:4180/oauth2/auth"
EMPTY = (
    "proxy.forward_auth has no url; write url: http://127.0.0.1:4180/oauth2/auth, or app and path,"
    " or leave forward_auth out."
)
# Characters with a meaning in Nginx, a shell, YAML, a URL or a file system.
MEANINGFUL = set(" \t\r\n\0\"'`$\\;{}()[]<>|&*?!#%^=,:@+")


@pytest.fixture
def source(tmp_path):
    """The directory of a complete application."""
    place = tmp_path / "shop"
    place.mkdir()
    (place / "app.py").write_text("from flask import Flask\n\napp = Flask(__name__)\n")
    (place / "requirements.txt").write_text("flask\n")
    return place


@pytest.fixture
def check(source):
    """Normalise one entry; the test may replace its name, source and path."""

    def run(**keys):
        entry = {"name": "shop", "source": str(source), "path": "/shop", **keys}
        apps, problems = normalize_apps(
            [{key: value for key, value in entry.items() if value is not ...}]
        )
        return (apps[0] if apps else {}), problems

    return run


# --- a minimal entry ------------------------------------------------------------------------------


def test_name_source_and_path_are_enough(check, source):
    app, problems = check()
    assert problems == []
    assert app == {
        "name": "shop",
        "source": str(source),
        "git": {"repo": "", "version": "HEAD", "directory": "", "key_file": ""},
        "image": "",
        "image_archive": "",
        "registry": {"username": "", "password": ""},
        "dockerfile": "",
        "python": "",
        "base_image": "",
        "requirements": "",
        "apt_packages": [],
        "build_command": "",
        "build_inputs": [],
        "path": "/shop",
        "prefix": "/shop",
        "script_name": "",
        "cookie_path": "/shop",
        "socket_prefix": "/shop",
        "mapped": False,
        "sends_error_page": False,
        "stripped": False,
        "site": "default",
        "path_mode": "domain",
        "engine": "uwsgi",
        "command": "",
        "port": 0,
        "module": "app",
        "callable": "app",
        "websocket": False,
        "uwsgi": {
            "processes": "auto",
            "threads": 4,
            "gevent": 100,
            "harakiri_seconds": 0,
            "cheaper": 0,
            "cheaper_algorithm": "spare",
            "max_requests": 0,
            "buffer_size": 65535,
            "offload_threads": 0,
            "lazy_apps": False,
            "stats": False,
            "options": {},
        },
        "gunicorn": {
            "workers": "auto",
            "threads": 4,
            "gevent": 100,
            "timeout_seconds": 60,
            "max_requests": 0,
            "max_requests_jitter": 0,
            "log_level": "info",
        },
        "env": {},
        "secrets": {},
        "secrets_as": "environment",
        "env_file": "",
        "private_env": {},
        "config_files": [],
        "health": {
            "path": "/",
            "host": "",
            "status": ["2xx", "3xx", "401", "403"],
            "deadline_seconds": 60,
            "interval_seconds": 0.5,
        },
        "release_command": "",
        "release_command_seconds": 600,
        "drain_seconds": 30,
        "keep_releases": 5,
        "resources": {"memory": "512m", "pids": 512, "cpus": 0, "tmp": "64m"},
        "uid": 0,
        "writable": [],
        "volumes": [],
        "data_files": [],
        "networks": [],
        "internet": False,
        "host_access": False,
        "static": [
            {
                "url": "/static",
                "path": "static",
                "required": False,
                "index": False,
                "fallback": False,
                "immutable": False,
            }
        ],
        "proxy": {
            "connect_timeout_seconds": 60,
            "read_timeout_seconds": 60,
            "temp_file_size": "256m",
            "body_size": "",
            "buffering": True,
            "header_buffer_size": "16k",
            "static_headers": {},
            "cookie_path": "app",
            "accel_redirect": False,
            "websocket_paths": [],
            "websocket_timeout_seconds": 3600,
            "cache_seconds": 0,
            "cache_bypass_cookies": ["session"],
            "directives": [],
            "fragment": "",
            "allow": None,
            "basic_auth": {"users": {}, "realm": ""},
            "limits": {"requests_per_second": None, "burst": 20, "connections": None},
            "streamed_uploads": [],
            "error_pages": False,
            "error_page": "",
            "security_headers": {},
            "forward_auth": {"url": "", "app": "", "path": "", "login": "", "headers": []},
        },
        "processes": [],
        "services": [],
        "jobs": [],
        "backup": {
            "to": "",
            "schedule": "",
            "password": "",
            "timezone": "",
            "keep": {"daily": 7, "weekly": 4, "monthly": 0},
            "before": "",
            "after": "",
            "pause": False,
            "seconds": 21600,
            "drill": {"schedule": "", "secrets": []},
        },
        "state": "present",
        "maintenance": {"page": "", "retry_after_seconds": 120},
        "preset": "",
        "notes": [],
        "build": {
            "kind": "source",
            "dockerfile": "",
            "requirements": {
                "kind": "pip",
                "file": "requirements.txt",
                "files": ["requirements.txt"],
                "packages": [],
                "whole": False,
                "git": False,
                "left_out": [],
                "exporter": "",
                "frozen": False,
                "own": False,
                "project": {},
                "old": [],
            },
            "apt_packages": [],
            "image": "",
            "archive": "",
            "origin": "",
            "code": "",
            "base": "",
            "server": "",
            "command": "",
            "inputs": [],
            "database": [],
            "directory": "",
            "path": "",
        },
    }


def test_an_absent_application_needs_only_a_name(check):
    apps, problems = normalize_apps([{"name": "shop", "state": "absent"}])
    assert problems == []
    assert [(app["name"], app["state"]) for app in apps] == [("shop", "absent")]


def test_an_application_cannot_be_present_and_absent_at_once(source):
    entries = [
        {"name": "shop", "source": str(source), "path": "/shop"},
        {"name": "shop", "state": "absent"},
    ]
    assert normalize_apps(entries)[1] == [
        "flask_apps: shop: it is absent and listed twice; keep one entry."
    ]


def test_the_maintenance_page_must_exist(check, tmp_path):
    _app, problems = check(maintenance={"page": "gone.html"})
    assert problems[0].startswith("flask_apps: shop: maintenance.page is not a file: ")
    (tmp_path / "page.html").write_text("soon")
    app, problems = check(maintenance={"page": str(tmp_path / "page.html")})
    assert (problems, app["maintenance"]["page"]) == ([], str(tmp_path / "page.html"))


def test_a_custom_fragment_must_exist(check, tmp_path):
    _app, problems = check(proxy={"fragment": "gone.conf.j2"})
    assert problems[0].startswith("flask_apps: shop: proxy.fragment is not a file: ")
    assert problems[0].endswith("/gone.conf.j2. It starts from flask_apps_source_root.")
    (tmp_path / "shop.conf.j2").write_text("x")
    app, problems = check(proxy={"fragment": str(tmp_path / "shop.conf.j2")})
    assert (problems, app["proxy"]["fragment"]) == ([], str(tmp_path / "shop.conf.j2"))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            {
                "static": [
                    {"url": "/a", "path": "a", "index": True},
                    {"url": "/b", "path": "b", "index": True},
                ]
            },
            "static: index is set for /a and /b; keep it for one of them.",
        ),
        (
            {"proxy": {"cache_seconds": 1, "buffering": False}},
            (
                "proxy.cache_seconds needs what proxy.buffering: false takes away; leave one of"
                " them out."
            ),
        ),
        (
            {"proxy": {"websocket_paths": ["/static/"]}},
            "'/shop/static/' on site 'default' is static and websocket; change one of them.",
        ),
        (
            {"proxy": {"websocket_paths": ["/ws", "/ws/"]}},
            "'/shop/ws/' on site 'default' is websocket twice; change one of them.",
        ),
        (
            {"proxy": {"allow": ["192.0.2.7"], "directives": ["deny all", "allow 10.0.0.1"]}},
            "proxy.allow and deny and allow in proxy.directives are written; keep one of them.",
        ),
        (
            {
                "proxy": {
                    "streamed_uploads": ["/up"],
                    "directives": ["proxy_request_buffering off"],
                }
            },
            (
                "proxy.streamed_uploads and proxy_request_buffering in proxy.directives are"
                " written; keep one of them."
            ),
        ),
        (
            {"proxy": {"streamed_uploads": ["/static"]}},
            "'/shop/static/' on site 'default' is static and upload; change one of them.",
        ),
        (
            {"proxy": {"streamed_uploads": ["/up", "/up/"]}},
            "'/shop/up/' on site 'default' is upload twice; change one of them.",
        ),
        (
            {"proxy": {"streamed_uploads": ["/ws"], "websocket_paths": ["/ws"]}},
            "'/shop/ws/' on site 'default' is websocket and upload; change one of them.",
        ),
        (
            {"proxy": {"error_pages": True, "directives": ["error_page 502 /x"]}},
            "proxy.error_pages and error_page in proxy.directives are written; keep one of them.",
        ),
        (
            {
                "proxy": {"error_pages": "yes"},
                "static": [{"url": "/a", "path": "a", "fallback": True}],
            },
            (
                "proxy.error_pages would replace the errors of the application too, because of"
                " static: fallback; leave one of them out."
            ),
        ),
        (
            {"proxy": {"error_page": "/sorry.html"}},
            ("proxy.error_page must be one of the static files, below /static; got '/sorry.html'."),
        ),
        (
            {"proxy": {"error_page": "/a/sorry.html"}, "static": []},
            (
                "proxy.error_page must be one of the static files, below a url of static; got"
                " '/a/sorry.html'."
            ),
        ),
        (
            {"proxy": {"error_page": "/static/x.html", "directives": ["error_page 502 /x"]}},
            "proxy.error_pages and error_page in proxy.directives are written; keep one of them.",
        ),
        (
            {"proxy": {"limits": {"connections": 1}, "directives": ["limit_conn mine 1"]}},
            "proxy.limits and limit_conn in proxy.directives are written; keep one of them.",
        ),
        (
            {"proxy": {"basic_auth": {"users": {"a": "b"}}, "directives": ["auth_basic off"]}},
            "proxy.basic_auth and auth_basic in proxy.directives are written; keep one of them.",
        ),
        (
            {"proxy": {"forward_auth": {"url": VERIFIER}, "directives": ["auth_request off"]}},
            "proxy.forward_auth and auth_request in proxy.directives are written; keep one of"
            " them.",
        ),
        (
            {"proxy": {"forward_auth": {"url": VERIFIER}, "cache_seconds": 1}},
            "proxy.cache_seconds would give an answer for one user to others, because of"
            " proxy.forward_auth; leave one of them out.",
        ),
        (
            {
                "proxy": {
                    "forward_auth": {"url": VERIFIER, "headers": ["Remote-User"]},
                    "directives": ['proxy_set_header "remote-user" x'],
                }
            },
            "proxy.forward_auth.headers has Remote-User, which proxy_set_header in"
            " proxy.directives replaces; keep one of them.",
        ),
        (
            {"proxy": {"forward_auth": {"url": VERIFIER, "headers": ["X-A", "x-a"]}}},
            "proxy.forward_auth.headers has x-a twice; leave one out.",
        ),
        *(
            ({"proxy": {"forward_auth": given}}, problem)
            for given, problem in [
                ({}, EMPTY),
                ({"login": "https://login.example.org/"}, EMPTY),
                ({"url": None}, EMPTY),
                (
                    {"url": VERIFIER, "path": "/verify"},
                    "proxy.forward_auth.path is written, and app is not; write both, or url alone.",
                ),
            ]
        ),
    ],
)
def test_combinations_that_nginx_does_not_support_are_refused(check, keys, problem):
    assert check(**keys)[1] == [f"flask_apps: shop: {problem}"]


@pytest.mark.parametrize(
    ("key", "value", "directive"),
    [
        ("allow", ["192.0.2.7"], "allow"),
        ("basic_auth", {"users": {"ann": "x"}}, "auth_basic"),
        ("forward_auth", {"url": VERIFIER}, "auth_request"),
        ("limits", {"connections": 5}, "limit_req"),
        ("streamed_uploads", ["/up"], "proxy_request_buffering"),
        ("error_pages", True, "error_page"),
    ],
)
def test_a_key_that_a_custom_fragment_would_not_have_is_refused(
    check, tmp_path, key, value, directive
):
    (tmp_path / "shop.conf.j2").write_text("x")
    assert check(proxy={"fragment": str(tmp_path / "shop.conf.j2"), key: value})[1] == [
        f"flask_apps: shop: proxy.{key} has no effect on the locations of proxy.fragment; write"
        f" {directive} into that template, and leave proxy.{key} out."
    ]


@given(st.text(alphabet=st.sampled_from("azAZ09 .:/_-@+;{}'\"\\$#%\n\r\t\0ä,()"), max_size=12))
def test_no_value_of_a_guard_ends_its_word_in_nginx(text):
    """A value is refused, or it has no character that Nginx reads as more than itself."""
    options = schema.OPTIONS["proxy"].options
    for key, value in [
        ("allow", [text]),
        ("basic_auth", {"users": {text: "x"}}),
        ("basic_auth", {"users": {"ann": "x"}, "realm": text}),
        ("limits", {"requests_per_second": text}),
        ("streamed_uploads", [text]),
        ("forward_auth", {"app": text}),
        ("forward_auth", {"headers": [text]}),
    ]:
        _value, problems = convert(value, options[key], key)
        assert problems or not set(text) & set(";{}'\"\\$#%\n\r\t\0ä"), (key, text)


@given(
    st.sampled_from(["", "http://127.0.0.1", "http://127.0.0.1/", "https://a.example", "/a"]),
    st.text(alphabet=st.sampled_from("azAZ09 .:/_-@+;{}'\"\\$#%?&=\n\r\t\0ä,()[]"), max_size=12),
)
def test_no_address_of_a_verifier_ends_its_word_in_nginx(begin, text):
    options = schema.OPTIONS["proxy"].options["forward_auth"].options
    for key in ("url", "path", "login"):
        _value, problems = convert(begin + text, options[key], key)
        assert problems or not set(text) & set(" ;{}'\"\\$#\n\r\t\0ä()"), (key, text)


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        (
            {"app": "blog", "path": "/v"},
            "proxy.forward_auth.app is 'blog'; there is sso. Write the name of one that is present,"
            " or the url of a verifier.",
        ),
        (
            {"app": "shop", "path": "/v"},
            "proxy.forward_auth.app is the application itself; write another one, or"
            " forward_auth: null to lift what flask_apps_defaults says.",
        ),
        (
            {"app": "sso", "path": "/v", "url": VERIFIER},
            "proxy.forward_auth has url and app; keep one of them.",
        ),
        (
            {"app": "sso"},
            "proxy.forward_auth.app is written, and path is not; write both, or url alone.",
        ),
        (
            {"app": "sso", "path": "/v", "login": "/shop/login?a="},
            "proxy.forward_auth.login is '/shop/login?a=', a path of the application itself, which"
            " nobody reaches without a login; write one of another application, or an address.",
        ),
        ({"app": "sso", "path": "/v", "login": "/sso/login"}, ""),
        ({"app": "sso", "path": "/v", "login": "/shopping"}, ""),
        ({"app": "sso", "path": "/v", "login": "/shop/sso"}, ""),
    ],
)
def test_another_application_that_decides_exists_and_its_login_is_open(source, auth, problem):
    apps = [
        {"name": "shop", "source": str(source), "path": "/shop", "proxy": {"forward_auth": auth}},
        {
            "name": "sso",
            "source": str(source),
            "path": "/shop/sso" if auth.get("login") == "/shop/sso" else "/sso",
        },
    ]
    found = normalize_apps(apps)[1]
    assert found == ([f"flask_apps: shop: {problem}"] if problem else [])


def test_a_key_that_is_not_used_goes_with_its_directives(check):
    directives = ["allow 192.0.2.7", "deny all", "auth_basic x", "error_page 502 /x"]
    proxy = {"directives": directives, "allow": None, "basic_auth": None, "error_pages": False}
    assert check(proxy=proxy)[1] == []


@pytest.mark.parametrize(
    ("proxy", "sent"),
    [
        ({}, False),
        ({"error_pages": True}, True),
        ({"error_page": "/static/x.html"}, True),
        ({"error_page": "/static/x.html", "error_pages": False}, True),
    ],
)
def test_either_key_sends_an_error_page_and_what_was_written_stays(check, proxy, sent):
    app, problems = check(proxy=proxy)
    assert (problems, app["sends_error_page"]) == ([], sent)
    assert app["proxy"]["error_pages"] == proxy.get("error_pages", False)


def test_a_websocket_path_has_one_spelling(check):
    app, problems = check(proxy={"websocket_paths": ["/ws/", "/live"]})
    assert (problems, app["proxy"]["websocket_paths"]) == ([], ["/ws", "/live"])


def test_an_empty_list_of_applications_is_valid():
    assert normalize_apps([]) == ([], [])


@pytest.mark.parametrize(
    ("path", "kept", "prefix"),
    [
        ("/", "/", ""),
        ("/shop", "/shop", "/shop"),
        ("/shop/", "/shop", "/shop"),
        ("/a/b-c_d.e~f", "/a/b-c_d.e~f", "/a/b-c_d.e~f"),
    ],
)
def test_a_trailing_slash_of_a_path_is_removed(check, path, kept, prefix):
    app, problems = check(path=path)
    assert (problems, app["path"], app["prefix"]) == ([], kept, prefix)


def test_every_value_may_be_text_as_on_the_command_line(check):
    app, problems = check(
        websocket="yes",
        drain_seconds="5",
        uwsgi={"processes": 3, "threads": "2"},
        resources={"cpus": "1.5"},
    )
    assert problems == []
    assert (
        app["websocket"],
        app["drain_seconds"],
        app["uwsgi"]["processes"],
        app["uwsgi"]["threads"],
    ) == (True, 5, "3", 2)
    assert app["resources"]["cpus"] == 1.5


# --- invalid values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Shop",
        "my_shop",
        "-shop",
        "shop-",
        "a" * 41,
        "",
        "shop/../x",
        "shop shop",
        "shop\n",
        "a;b",
        "größe",
        "..",
        "shop.web",
    ],
)
def test_bad_names_are_refused(check, name):
    _, problems = check(name=name)
    assert problems == [f"flask_apps: {name}: name {NAME_WORDS}; got {name!r}."]


@pytest.mark.parametrize("name", ["a", "shop", "pc-builder-app", "7", "a" * 40])
def test_good_names_are_accepted(check, name):
    assert check(name=name)[1] == []


@pytest.mark.parametrize(
    "path",
    [
        "shop",
        "",
        "//shop",
        "/shop//x",
        "/shop;",
        "/{shop}",
        "/sh op",
        "/shop\n",
        "/shop\nlocation",
        "/$uri",
        "/../etc",
        "/shop/..",
        "/shop/../etc",
        "/.well-known",
        "/.",
        "/shop/.flaskops",
        "/~^shop$",
        "/shop?x=1",
        "/shop#x",
        "/shop%2e",
        "/\\shop",
        '/"shop"',
        "/'",
        "/größe",
        "http://x/shop",
    ],
)
def test_bad_paths_are_refused(check, path):
    _, problems = check(path=path)
    assert problems == [f"flask_apps: shop: path {PATH_WORDS}; got {path!r}."]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            {"name": ...},
            (
                "flask_apps[0]: name is missing; write name: 1 to 40 of a-z, 0-9 and -, not at the"
                " ends, for example shop"
            ),
        ),
        (
            {"name": None},
            (
                "flask_apps[0]: name is missing; write name: 1 to 40 of a-z, 0-9 and -, not at the"
                " ends, for example shop"
            ),
        ),
        ({"name": ["shop"]}, f"flask_apps[0]: name {NAME_WORDS}; got a list."),
        ({"name": {"a": 1}}, f"flask_apps[0]: name {NAME_WORDS}; got a dictionary."),
        ({"path": ...}, f"flask_apps: shop: path is missing; write path: {schema.PATH_WORDS}"),
        ({"path": 5}, f"flask_apps: shop: path {PATH_WORDS}; got 5."),
        ({"source": ...}, f"flask_apps: shop: {SOURCE_WORDS}"),
        (
            {"git": {"repo": "/srv/shop"}},
            (
                "flask_apps: shop: source and git are written; an application comes from one of"
                " source, git and image, so keep one."
            ),
        ),
        (
            {"source": ..., "git": {"version": "main"}},
            f"flask_apps: shop: git: repo is missing; write repo: {GIT.allowed}",
        ),
        (
            {"source": ..., "git": {"repo": "/srv/shop"}},
            "flask_apps: shop: git: /srv/shop has not been fetched.",
        ),
        (
            {"env": {"FLASKOPS_X": "1"}},
            (
                "flask_apps: shop: env sets FLASKOPS_X; names that begin with FLASKOPS_ are ours;"
                " leave it out."
            ),
        ),
        (
            {"pth": "/x"},
            (
                "flask_apps: shop: 'pth' is not a known key (its value is hidden); did you mean"
                " 'path'?"
            ),
        ),
        (
            {"websockets": True},
            (
                "flask_apps: shop: 'websockets' is not a known key (its value is hidden); did you"
                " mean 'websocket'?"
            ),
        ),
        (
            {"memory": "1g"},
            (
                "flask_apps: shop: 'memory' is not a known key (its value is hidden); did you mean"
                " resources.memory?"
            ),
        ),
        (
            {"workers": 2},
            (
                "flask_apps: shop: 'workers' is not a known key (its value is hidden); did you mean"
                " gunicorn.workers?"
            ),
        ),
        (
            {"uwsgi": {"thread": 2}},
            (
                "flask_apps: shop: uwsgi: 'thread' is not a known key (its value is hidden); did"
                " you mean 'threads'?"
            ),
        ),
        (
            {"engine": "gunicron"},
            "flask_apps: shop: engine must be uwsgi, gunicorn or command; got 'gunicron'.",
        ),
        (
            {"path_mode": "strip"},
            "flask_apps: shop: path_mode must be domain or script_name; got 'strip'.",
        ),
        ({"websocket": "maybe"}, "flask_apps: shop: websocket must be true or false; got 'maybe'."),
        (
            {"module": "shop/web"},
            (
                "flask_apps: shop: module must be a Python module such as main or shop.web; got"
                " 'shop/web'."
            ),
        ),
        (
            {"callable": "app; x"},
            (
                "flask_apps: shop: callable must be a name in the module such as app, create_app()"
                " or create_app('production'); got 'app; x'."
            ),
        ),
        (
            {"env": {"A B": "x"}},
            "flask_apps: shop: env has the name 'A…'; names are made of letters, digits and _.",
        ),
        (
            {"env": {"A": "x\ny"}},
            (
                "flask_apps: shop: env: A must be one line (longer values go into secrets); its"
                " value is hidden."
            ),
        ),
        (
            {"env": {"A": "x" * 60_001}},
            (
                "flask_apps: shop: env: A must have at most 60000 bytes (longer values go into"
                " secrets); its value is hidden."
            ),
        ),
        (
            {"release_command": "x" * 60_001},
            (
                "flask_apps: shop: release_command must have at most 60000 bytes (longer values go"
                " into secrets); its value is hidden."
            ),
        ),
        (
            {"env": {"DEBUG": True}},
            "flask_apps: shop: env: DEBUG must be a string in quotes; its value is hidden.",
        ),
        (
            {"env": {"DOMAIN": "/x"}},
            "flask_apps: shop: env sets DOMAIN, which we set from path; leave it out.",
        ),
        (
            {"env": {"FLASKOPS_APP": "x"}},
            "flask_apps: shop: env sets FLASKOPS_APP, which we set from name; leave it out.",
        ),
        (
            {"env": {"FLASKOPS_RELEASE": "x"}},
            (
                "flask_apps: shop: env sets FLASKOPS_RELEASE, which we set from the release; leave"
                " it out."
            ),
        ),
        (
            {"env": {"KEY_FILE": "/x"}, "secrets": {"KEY": "x"}},
            "flask_apps: shop: env sets KEY_FILE, which we set from secrets; leave it out.",
        ),
        (
            {"secrets": {"../KEY": "x"}},
            (
                "flask_apps: shop: secrets has the name '../KEY'; names are made of letters, digits"
                " and _."
            ),
        ),
        (
            {"site": "www"},
            (
                "flask_apps: shop: no site 'www'; defined sites: default. Add it to nginx_sites or"
                " choose one of these."
            ),
        ),
        (
            {"health": {"path": "health"}},
            (
                "flask_apps: shop: health: path must be a path below the application's own, such as"
                " /health; got 'health'."
            ),
        ),
        (
            {"health": {"status": ["ok"]}},
            "flask_apps: shop: health: status[0] must be a status such as 200 or 2xx; got 'ok'.",
        ),
        ({"health": {"status": 200}}, "flask_apps: shop: health: status must be a list; got 200."),
        (
            {"health": {"deadline_seconds": 0}},
            (
                "flask_apps: shop: health: deadline_seconds must be a number of seconds, at least"
                " 1; got 0."
            ),
        ),
        (
            {"drain_seconds": -1},
            "flask_apps: shop: drain_seconds must be a number of seconds, at least 0; got -1.",
        ),
        (
            {"resources": {"memory": "512"}},
            "flask_apps: shop: resources: memory must be a size such as 512m or 2g; got '512'.",
        ),
        (
            {"uwsgi": {"processes": 0}},
            (
                "flask_apps: shop: uwsgi: processes must be auto (from the CPU limit) or a number"
                " from 1 to 999; got 0."
            ),
        ),
        ({"uwsgi": "many"}, "flask_apps: shop: uwsgi must be a dictionary; got 'many'."),
        (
            {"writable": ["cache"]},
            (
                "flask_apps: shop: writable[0] must be an absolute path such as /app/cache; got"
                " 'cache'."
            ),
        ),
        (
            {"writable": ["/app/../etc"]},
            "flask_apps: shop: writable[0] must have no '..' in it; got '/app/../etc'.",
        ),
        (
            {"networks": ["host"]},
            (
                "flask_apps: shop: networks[0] must be the name of a Docker network such as"
                " backend, not host or none; got 'host'."
            ),
        ),
        (
            {"proxy": {"body_size": "20 MB"}},
            (
                "flask_apps: shop: proxy: body_size must be a size such as 20m, 0 for no limit, or"
                " '' for the host's; got '20 MB'."
            ),
        ),
        (
            {"static": [{"url": "/static"}]},
            (
                "flask_apps: shop: static[0]: path is missing; write path: a directory of the"
                " image, absolute or below /app, such as static"
            ),
        ),
        (
            {"static": [{"url": "/st;atic", "path": "static"}]},
            (
                "flask_apps: shop: static[0]: url must be a path below the application's own, such"
                " as /static; got '/st;atic'."
            ),
        ),
        (
            {"static": [{"url": "/static", "path": "../etc"}]},
            (
                "flask_apps: shop: static[0]: path must be a directory of the image, absolute or"
                " below /app, such as static; got '../etc'."
            ),
        ),
        (
            {"proxy": {"allow": []}},
            (
                "flask_apps: shop: proxy: allow is an empty list; leave it out, or write an address"
                " or a network such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32."
            ),
        ),
        ({"proxy": {"allow": "all"}}, "flask_apps: shop: proxy: allow must be a list; got 'all'."),
        *(
            (
                {"proxy": {"basic_auth": {"users": {"ann": given}}}},
                (
                    "flask_apps: shop: proxy: basic_auth: users: ann must be a password in quotes,"
                    " one line of 1 to 255 characters; its value is hidden."
                ),
            )
            for given in ("", 12345678, True, "a\nb", "x" * 256, "\0", ["x"])
        ),
        *(
            (
                {"proxy": {"basic_auth": {"users": {given: "x"}}}},
                (
                    f"flask_apps: shop: proxy: basic_auth: users has the name {shown}; 1 to 64 of"
                    " letters, digits and . _ @ + -, for example ann."
                ),
            )
            for given, shown in [
                ("", "''"),
                ("a:b", "'a…'"),
                ("#ann", "'#ann'"),
                ("ann\n", "'ann…'"),
                ("änn", "'änn'"),
                ("x" * 65, f"'{'x' * 65}'"),
                (7, "7"),
            ]
        ),
        *(
            (
                {"proxy": {"basic_auth": {"users": {"ann": "x"}, "realm": given}}},
                (
                    "flask_apps: shop: proxy: basic_auth: realm must be 1 to 80 of letters, digits,"
                    f" spaces and . _ : , ( ) / @ + -, and not off; got {given!r}."
                ),
            )
            for given in ("off", '"', "$host", "a;b", "a\nb", " a", "x\\", "x" * 81, "ä")
        ),
        (
            {"proxy": {"basic_auth": {"users": ["ann"]}}},
            (
                "flask_apps: shop: proxy: basic_auth: users must be a dictionary; its value is"
                " hidden."
            ),
        ),
        (
            {"proxy": {"basic_auth": "ann:x"}},
            "flask_apps: shop: proxy: basic_auth must be a dictionary; its value is hidden.",
        ),
        (
            {"proxy": {"basic_auth": {"password": "x"}}},
            (
                "flask_apps: shop: proxy: basic_auth: 'password' is not a known key (its value is"
                " hidden); allowed are realm, users."
            ),
        ),
        *(
            (
                {"proxy": {"basic_auth": given}},
                (
                    "flask_apps: shop: proxy.basic_auth has no users; write users: {ann: a"
                    " password}, or leave basic_auth out."
                ),
            )
            for given in ({}, {"users": {}}, {"users": None}, {"realm": "Shop"})
        ),
        *(
            (
                {"proxy": {"limits": {"requests_per_second": given}}},
                (
                    "flask_apps: shop: proxy: limits: requests_per_second must be 1, 2, 5, 10, 20,"
                    f" 50, 100, 200, 500 or 1000; got {given!r}."
                ),
            )
            for given in (0, 3, "10r/s", "5;", "")
        ),
        *(
            (
                {"proxy": {"limits": {"requests_per_second": 5, key: given}}},
                (
                    f"flask_apps: shop: proxy: limits: {key} must be a number of requests{rest};"
                    f" got {given!r}."
                ),
            )
            for key, given, rest in [
                ("burst", -1, ", at least 0"),
                ("burst", 10001, ", at most 10000"),
                ("burst", "2 delay=1", ""),
                ("connections", 0, ", at least 1"),
                ("connections", 10001, ", at most 10000"),
                ("connections", "1;", ""),
                ("connections", True, ""),
            ]
        ),
        *(
            (
                {"proxy": {"limits": given}},
                (
                    "flask_apps: shop: proxy.limits limits nothing; write requests_per_second or"
                    " connections, or leave limits out."
                ),
            )
            for given in ({}, {"burst": 5}, {"connections": None})
        ),
        (
            {"proxy": {"limits": {"connections": 5, "burst": 5}}},
            (
                "flask_apps: shop: proxy.limits.burst is beyond requests_per_second, which is not"
                " written; write it, or leave burst out."
            ),
        ),
        *(
            (
                {"proxy": {"forward_auth": {"url": given}}},
                (
                    "flask_apps: shop: proxy: forward_auth: url must be an address of plain HTTP"
                    " with a path, such as http://127.0.0.1:4180/oauth2/auth; got"
                    f" {given!r}."
                ),
            )
            for given in (
                "https://127.0.0.1/",
                "http://127.0.0.1",
                "http://localhost/",
                "http://a.b/",
                "http://127.0.0.1/;",
                "http://127.0.0.1/$uri",
                "http://127.0.0.1/a b",
                "http://127.0.0.1/\n",
                "http://127.0.0.1/{",
                "unix:/a",
                'http://127.0.0.1/"',
                "/verify",
                "http://127.0.0.1:/",
                "http://[::1/",
                "http://127.0.0.1/#a",
                "http://127.0.0.1/ä",
                "HTTP://127.0.0.1/",
            )
        ),
        *(
            (
                {"proxy": {"forward_auth": {"url": given}}},
                f"flask_apps: shop: proxy: forward_auth: url must {words}; got {given!r}.",
            )
            for given, words in [
                ("http://127.0.0.256/", "have an address such as 127.0.0.1 or [::1] as its host"),
                ("http://[1:2]/", "have an address such as 127.0.0.1 or [::1] as its host"),
                ("http://127.0.0.1:0/", "have a port of 1 to 65535"),
                ("http://[::1]:65536/", "have a port of 1 to 65535"),
            ]
        ),
        *(
            (
                {"proxy": {"forward_auth": {"path": given}}},
                (
                    "flask_apps: shop: proxy: forward_auth: path must be a path below that"
                    f" application's own, such as /verify; got {given!r}."
                ),
            )
            for given in ("verify", "/a;", "/a b", "/$uri", "/a\n", "/{")
        ),
        (
            {"proxy": {"forward_auth": {"app": "s/o", "path": "/verify"}}},
            (
                "flask_apps: shop: proxy: forward_auth: app must be the name of another application"
                " of this host; got 's/o'."
            ),
        ),
        *(
            (
                {"proxy": {"forward_auth": {"url": VERIFIER, "login": given}}},
                (
                    "flask_apps: shop: proxy: forward_auth: login must be an address such as"
                    " https://login.example.org/start, or a path of the site such as"
                    f" /oauth2/start; got {given!r}."
                ),
            )
            for given in (
                "login",
                "//evil.example/",
                "https://a.example",
                "https://a.example//b",
                "javascript:alert(1)",
                "https://a.example/;",
                "https://a.example/$uri",
                'https://a.example/"',
                "https://a.example/\r\nX: y",
                "https://a.example/#a",
                "https://-a.example/",
                "ftp://a.example/",
            )
        ),
        *(
            (
                {"proxy": {"forward_auth": {"url": VERIFIER, "login": given}}},
                f"flask_apps: shop: proxy: forward_auth: login must {words}; got {given!r}.",
            )
            for given, words in [
                ("https://a.example/?a?b", "have one ?, and a name before a last ="),
                ("https://a.example/a=", "have one ?, and a name before a last ="),
                ("https://a.example/?=", "have one ?, and a name before a last ="),
                ("https://a.example:70000/", "have a port of 1 to 65535"),
            ]
        ),
        *(
            (
                {"proxy": {"forward_auth": {"url": VERIFIER, "headers": [given]}}},
                (
                    "flask_apps: shop: proxy: forward_auth: headers[0] must be the name of a header"
                    " such as X-Auth-Request-User, none that Nginx sets itself or that describes a"
                    f" request; got {given!r}."
                ),
            )
            for given in (
                "Host",
                "connection",
                "X-Forwarded-For",
                "X-Real-IP",
                "Content-Length",
                "Cookie",
                "Transfer-Encoding",
                "X_User",
                "X-User;",
                "X User",
                "",
                "-a",
                "ä",
                "$a",
                7,
                "X-Original-URL",
                "If-Match",
                "Proxy-Authorization",
                "x" * 64,
                "X-A\n",
            )
        ),
        (
            {
                "proxy": {
                    "forward_auth": {"url": VERIFIER, "headers": [f"X-{n}" for n in range(21)]}
                }
            },
            (
                "flask_apps: shop: proxy: forward_auth: headers must have at most 20 elements; got"
                " 21."
            ),
        ),
        (
            {"proxy": {"forward_auth": VERIFIER}},
            f"flask_apps: shop: proxy: forward_auth must be a dictionary; got '{VERIFIER}'.",
        ),
        (
            {"proxy": {"limits": 5}},
            "flask_apps: shop: proxy: limits must be a dictionary; got 5.",
        ),
        *(
            (
                {"proxy": {"streamed_uploads": [given]}},
                (
                    "flask_apps: shop: proxy: streamed_uploads[0] must be a path below the"
                    f" application's own, such as /upload; got {given!r}."
                ),
            )
            for given in ("upload", "/", "/a;b", "/a b", "/../b", "/.flaskops", "/a\n", "")
        ),
        (
            {"proxy": {"error_pages": "/sorry.html"}},
            "flask_apps: shop: proxy: error_pages must be true or false; got '/sorry.html'.",
        ),
        *(
            (
                {"proxy": {"error_page": given}},
                (
                    "flask_apps: shop: proxy: error_page must be the path of a static file of the"
                    f" application, such as /static/sorry.html; got {given!r}."
                ),
            )
            for given in (
                "static/x.html",
                "/static/",
                "/static/x.php",
                "/static/../x.html",
                "/static/$uri.html",
                "/static/x.html;",
                "/static/x.html\n",
                "/static/.x.html",
            )
        ),
        *(
            (
                {"proxy": {"allow": [given]}},
                (
                    "flask_apps: shop: proxy: allow[0] must be an address or a network such as"
                    f" 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32{beside}; got {shown}."
                ),
            )
            for given, beside, shown in [
                ("all", "", "'all'"),
                ("unix:", "", "'unix:'"),
                (10, "", "10"),
                ("", "", "''"),
                ("192.0.2.7 ", "", "'192.0.2.7 '"),
                ("192.0.2.256", "", "'192.0.2.256'"),
                ("192.0.2.0/33", "", "'192.0.2.0/33'"),
                ("192.0.2.0/255.255.255.0", "", "'192.0.2.0/255.255.255.0'"),
                ("fe80::1%a; return 200", "", "'fe80::1%a; return 200'"),
                ("shop.example.org", "", "'shop.example.org'"),
                ("192.0.2.7/24", ", without bits beside the network", "'192.0.2.7/24'"),
            ]
        ),
        (
            {"proxy": {"allow": ["0.0.0.0/0"]}},
            (
                "flask_apps: shop: proxy: allow[0] must be narrower than every client; got"
                " '0.0.0.0/0'."
            ),
        ),
    ],
)
def test_every_problem_names_application_key_value_and_what_is_allowed(check, keys, problem):
    assert check(**keys)[1] == [problem]


@pytest.mark.parametrize(
    ("apps", "problem"),
    [
        (
            {"name": "shop"},
            (
                "flask_apps must be a list of dictionaries with name, source and path; got a"
                " dictionary."
            ),
        ),
        (
            "shop",
            "flask_apps must be a list of dictionaries with name, source and path; got 'shop'.",
        ),
        (["shop"], "flask_apps[0] must be a dictionary with name, source and path; got 'shop'."),
    ],
)
def test_flask_apps_is_a_list_of_dictionaries(apps, problem):
    assert normalize_apps(apps) == ([], [problem])


@pytest.mark.parametrize(
    ("volume", "good"),
    [
        ("shop-data:/data", True),
        ("/srv/media:/media:ro", True),
        ("/srv/media", False),
        ("/srv/../etc:/x", False),
        ("data:/x:rw,z", False),
        ("$HOME:/x", False),
        ("./data:/data", False),
    ],
)
def test_volumes_are_validated(check, volume, good):
    assert (check(volumes=[volume])[1] == []) is good


# --- the source -----------------------------------------------------------------------------------


def test_a_missing_source_is_named_by_its_absolute_path(tmp_path):
    _, problems = normalize_apps(
        [{"name": "shop", "source": "files/shop", "path": "/"}], source_root=str(tmp_path)
    )
    assert problems == [
        f"flask_apps: shop: source is not a directory: {tmp_path}/files/shop. Relative sources"
        " start from flask_apps_source_root."
    ]


def test_a_relative_source_starts_from_the_source_root(source):
    apps, problems = normalize_apps(
        [{"name": "shop", "source": "shop", "path": "/"}], source_root=str(source.parent)
    )
    assert (problems, apps[0]["source"]) == ([], str(source))


def test_an_empty_source_is_refused(tmp_path):
    _, problems = normalize_apps([{"name": "shop", "source": str(tmp_path), "path": "/"}])
    assert problems == [f"flask_apps: shop: source is an empty directory: {tmp_path}."]


def test_a_source_without_requirements_is_refused(check, source):
    (source / "requirements.txt").unlink()
    assert check()[1] == [
        f"flask_apps: shop: source has no requirements.txt: {source}. Write one; it must name"
        " at least Flask."
    ]


def test_missing_requirements_and_a_missing_application_are_both_reported(check, source):
    (source / "requirements.txt").unlink()
    (source / "app.py").unlink()
    (source / "README").write_text("")
    assert len(check()[1]) == 2


@pytest.mark.parametrize(
    ("files", "keys", "found"),
    [
        ({"app.py": "app = Flask(__name__)"}, {}, ("app", "app")),
        ({"main.py": "application = Flask(__name__)"}, {}, ("main", "application")),
        ({"wsgi.py": "from shop import app", "app.py": "app = 1"}, {}, ("wsgi", "app")),
        ({"app.py": "def create_app():\n    return Flask(__name__)"}, {}, ("app", "create_app()")),
        (
            {"app.py": "def create_app(config=None, *, debug=False):\n    return 1"},
            {},
            ("app", "create_app()"),
        ),
        ({"app.py": "def make_app():\n    return 1"}, {}, ("app", "make_app()")),
        ({"app.py": "app: Flask = Flask(__name__)"}, {}, ("app", "app")),
        ({"app.py": "app, socket = make()"}, {}, ("app", "app")),
        ({"app.py": "if True:\n    app = 1\nelse:\n    app = 2"}, {}, ("app", "app")),
        (
            {"app.py": "try:\n    from a import app\nexcept ImportError:\n    app = None"},
            {},
            ("app", "app"),
        ),
        ({"app/__init__.py": "app = 1"}, {}, ("app", "app")),
        ({"app/__init__.py": "", "app/main.py": "app = 1"}, {}, ("app.main", "app")),
        ({"app/__init__.py": "from app.factory import create_app"}, {}, ("app", "create_app()")),
        ({"my_shop.py": "app = 1"}, {"name": "my-shop"}, ("my_shop", "app")),
        (
            {"shop/web.py": "site = 1"},
            {"module": "shop.web", "callable": "site"},
            ("shop.web", "site"),
        ),
        ({"web.py": "app = 1"}, {"module": "web"}, ("web", "app")),
        ({"main.py": "server = 1"}, {"callable": "server"}, ("main", "server")),
        ({"app.py": "def build():\n    return 1"}, {"callable": "build()"}, ("app", "build()")),
        # The requirements may contain them.
        ({"README": ""}, {"module": "elsewhere", "callable": "app"}, ("elsewhere", "app")),
        # Syntax of a Python newer than the controller's.
        (
            {"app.py": "this is not Python of today"},
            {"module": "app", "callable": "app"},
            ("app", "app"),
        ),
    ],
)
def test_the_application_is_found_by_convention(tmp_path, files, keys, found):
    (tmp_path / "requirements.txt").write_text("flask\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    apps, problems = normalize_apps(
        [{"name": "shop", "source": str(tmp_path), "path": "/", **keys}]
    )
    assert (problems, (apps[0]["module"], apps[0]["callable"])) == ([], found)


@pytest.mark.parametrize(
    ("files", "keys", "looked"),
    [
        (
            {},
            {},
            (
                "app, application, create_app(), make_app() in the modules wsgi, app, main,"
                " application, app.main, shop, none of which exists"
            ),
        ),
        ({"app.py": "server = 1"}, {}, "app, application, create_app(), make_app() in app.py"),
        (
            {"app.py": "def f():\n    app = 1"},
            {},
            "app, application, create_app(), make_app() in app.py",
        ),
        (
            {"app.py": "", "main.py": ""},
            {},
            "app, application, create_app(), make_app() in app.py, main.py",
        ),
        ({"app.py": "site = 1"}, {"callable": "server"}, "server in app.py"),
        (
            {"app.py": "x = 1"},
            {"module": "web"},
            "app, application, create_app(), make_app() in the modules web, none of which exists",
        ),
    ],
)
def test_the_message_lists_where_the_application_was_searched(tmp_path, files, keys, looked):
    (tmp_path / "requirements.txt").write_text("flask\n")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    _, problems = normalize_apps([{"name": "shop", "source": str(tmp_path), "path": "/", **keys}])
    assert problems == [
        f"flask_apps: shop: no Flask application was found in {tmp_path}: looked for {looked}; "
        "write module and callable, for example module: shop.web, callable: app."
    ]


@pytest.mark.parametrize(
    ("text", "keys", "line"),
    [
        *(
            (
                f"def create_app({arguments}): ...",
                {},
                "app.py has create_app: write module: app, callable: create_app('…').",
            )
            for arguments in ("config", "*, config", "config, /")
        ),
        ("app = 1", {"callable": "server"}, "app.py has app: write module: app."),
        ("app = 1", {"module": "web"}, "app.py has app: write module: app."),
    ],
)
def test_the_message_suggests_what_may_be_meant(tmp_path, text, keys, line):
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "app.py").write_text(text)
    (problem,) = normalize_apps([{"name": "shop", "source": str(tmp_path), "path": "/", **keys}])[1]
    assert problem.startswith(
        f"flask_apps: shop: no Flask application was found in {tmp_path}: looked for "
    )
    assert problem.endswith(line)


def test_the_source_is_read_and_never_run(check, source):
    (source / "app.py").write_text(f"open({str(source / 'ran')!r}, 'w')\napp = 1\n")
    assert check()[1] == []
    assert not (source / "ran").exists()


# --- several applications, and all problems together ----------------------------------------------


def entries(source, *places):
    return [
        {"name": name, "source": str(source), "path": path, **(more[0] if more else {})}
        for name, path, *more in places
    ]


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        (
            [("shop", "/a"), ("shop", "/b")],
            "flask_apps: shop: 2 entries have this name; names must differ.",
        ),
        (
            [("a", "/x"), ("b", "/x")],
            "flask_apps: a and b: path is '/x' on site 'default' in each; give each its own.",
        ),
        (
            [("a", "/x"), ("b", "/x/")],
            "flask_apps: a and b: path is '/x' on site 'default' in each; give each its own.",
        ),
        (
            [("a", "/"), ("b", "/")],
            "flask_apps: a and b: path is '/' on site 'default' in each; give each its own.",
        ),
        (
            [("a", "/x"), ("b", "/x/static")],
            (
                "flask_apps: a and b: '/x/static/' on site 'default' is static of a and path of b;"
                " change one of them."
            ),
        ),
        (
            [("a", "/"), ("b", "/static")],
            (
                "flask_apps: a and b: '/static/' on site 'default' is static of a and path of b;"
                " change one of them."
            ),
        ),
    ],
)
def test_two_applications_in_one_place_are_refused(source, pairs, problem):
    assert normalize_apps(entries(source, *pairs))[1] == [problem]


def test_the_same_static_url_twice_is_refused(check):
    static = [{"url": "/static", "path": "static"}, {"url": "/static/", "path": "more"}]
    assert check(static=static)[1] == [
        "flask_apps: shop: '/shop/static/' on site 'default' is static twice; change one of them."
    ]


def test_applications_beside_and_below_each_other_are_valid(source):
    assert (
        normalize_apps(entries(source, ("a", "/"), ("b", "/x"), ("c", "/x2"), ("d", "/x/admin")))[1]
        == []
    )


def test_one_path_on_two_sites_is_valid(source):
    apps = entries(source, ("a", "/x"), ("b", "/x", {"site": "www"}))
    assert normalize_apps(apps, sites=["default", "www"])[1] == []


def test_a_socket_path_that_is_too_long_is_refused(source):
    root = "/srv/" + "x" * 40
    _, problems = normalize_apps(
        [{"name": "a" * 40, "source": str(source), "path": "/"}], root=root
    )
    socket = f"{root}/apps/{'a' * 40}/releases/000000000000/run/app.sock"
    assert problems == [
        f"flask_apps: {'a' * 40}: the socket {socket} has {len(socket)} bytes and Linux allows 107;"
        " choose a shorter name or a shorter flask_apps_root."
    ]


def test_the_longest_name_fits_into_the_default_root(source):
    assert normalize_apps([{"name": "a" * 40, "source": str(source), "path": "/"}])[1] == []


def test_defaults_apply_to_every_entry(source):
    apps = entries(
        source,
        ("a", "/a"),
        ("b", "/b", {"uwsgi": {"threads": 8}, "env": {"A": "2"}, "networks": []}),
    )
    defaults = {
        "uwsgi": {"processes": 2, "threads": 1},
        "env": {"A": "1", "B": "1"},
        "networks": ["bridge"],
    }
    (first, second), problems = normalize_apps(apps, defaults=defaults)
    assert problems == []
    assert (first["uwsgi"]["processes"], first["uwsgi"]["threads"], first["env"]) == (
        "2",
        1,
        {"A": "1", "B": "1"},
    )
    assert (second["uwsgi"]["processes"], second["uwsgi"]["threads"], second["env"]) == (
        "2",
        8,
        {"A": "2", "B": "1"},
    )
    assert (first["networks"], second["networks"]) == (["bridge"], [])


def test_defaults_cannot_contain_keys_of_a_single_application(source):
    _, problems = normalize_apps(entries(source, ("a", "/a")), defaults={"path": "/x", "name": "y"})
    assert problems == [
        (
            "flask_apps_defaults: 'name' belongs to one application; write it into its entry of"
            " flask_apps."
        ),
        (
            "flask_apps_defaults: 'path' belongs to one application; write it into its entry of"
            " flask_apps."
        ),
    ]


def test_defaults_must_be_a_dictionary():
    assert normalize_apps([], defaults=["a"])[1] == [
        "flask_apps_defaults must be a dictionary of keys as in an entry of flask_apps; got a list."
    ]


def test_all_problems_of_all_applications_are_one_message(source, tmp_path):
    apps = [
        {"name": "Shop", "source": "nowhere", "path": "shop", "engin": "x"},
        {"name": "blog", "source": str(tmp_path / "none"), "path": "/blog", "site": "www"},
        {"name": "wiki", "source": str(source), "path": "/blog", "site": "www"},
        "x",
    ]
    found = filters.normalize_apps(apps)
    assert (found["sites"], found["drain_seconds"]) == (
        [],
        0,
    )  # the host does not check an invalid path
    lines = found["message"].splitlines()
    assert lines == [
        "9 problems in the inputs; nothing was changed.",
        (
            "flask_apps: Shop: 'engin' is not a known key (its value is hidden); did you mean"
            " 'engine'?"
        ),
        f"flask_apps: Shop: name {NAME_WORDS}; got 'Shop'.",
        f"flask_apps: Shop: path {PATH_WORDS}; got 'shop'.",
        (
            f"flask_apps: Shop: source is not a directory: {Path.cwd()}/nowhere. Relative sources"
            " start from flask_apps_source_root."
        ),
        (
            "flask_apps: blog: no site 'www'; defined sites: default. Add it to nginx_sites or"
            " choose one of these."
        ),
        (
            f"flask_apps: blog: source is not a directory: {tmp_path}/none. Relative sources start"
            " from flask_apps_source_root."
        ),
        (
            "flask_apps: wiki: no site 'www'; defined sites: default. Add it to nginx_sites or"
            " choose one of these."
        ),
        "flask_apps[3] must be a dictionary with name, source and path; got 'x'.",
        "flask_apps: blog and wiki: path is '/blog' on site 'www' in each; give each its own.",
    ]


def test_the_values_of_secrets_are_in_no_message(check):
    for keys in (
        {"secrets": {"KEY": ["hunter2"]}},
        {"secrets": "hunter2"},
        {"secret": {"KEY": "hunter2"}},
        {"db_password": "hunter2"},
    ):
        _, problems = check(**keys)
        assert len(problems) == 1
        assert "hidden" in problems[0]
        assert "hunter2" not in problems[0]


# --- accepted values are harmless -----------------------------------------------------------------


@given(st.one_of(st.from_regex(schema.NAME, fullmatch=True), st.text(max_size=50)))
def test_a_valid_name_is_safe_in_nginx_and_in_a_shell(name):
    _, problems = normalize_apps([{"name": name, "source": "/nowhere", "path": "/"}])
    if not any("name must be" in problem for problem in problems):
        assert re.fullmatch("[a-z0-9-]{1,40}", name, re.ASCII)
        assert not name.startswith("-")


@given(
    st.one_of(
        st.from_regex(schema.PATH, fullmatch=True),
        st.text(max_size=50),
        st.text(st.sampled_from("/a.~-;{}$ \n"), max_size=12),
    )
)
def test_a_valid_path_is_safe_in_nginx_and_in_a_shell(path):
    _, problems = normalize_apps([{"name": "shop", "source": "/nowhere", "path": path}])
    if not any("path must be" in problem for problem in problems):
        assert path.startswith("/")
        assert path.isascii()
        assert not MEANINGFUL & set(path)
        assert "//" not in path
        assert not any(part.startswith(".") for part in path.split("/"))


@settings(max_examples=100 if os.environ.get("FLASKOPS_TEST_ALL") else 35)
@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(),
        st.lists(st.text()),
        st.dictionaries(st.text(), st.text()),
    )
)
def test_any_value_is_answered_in_sentences(value):
    """Any value at any key may give problems, never a traceback."""
    for key in schema.OPTIONS:
        _, problems = normalize_apps(
            [{"name": "shop", "source": "/nowhere", "path": "/", key: value}] * 2
        )
        assert problems
        assert all(isinstance(problem, str) for problem in problems)


# --- paths in use on the host ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["base", "runtime"])
def test_names_that_are_reserved_for_the_images_of_the_collection_are_refused(check, name):
    assert check(name=name)[1] == [
        f"flask_apps: {name}: name must not be {name!r}, which is reserved for this collection's"
        " images."
    ]


@pytest.mark.parametrize(("path", "url"), [("/", "/healthz"), ("/shop", "/up/"), ("/shop/", "/up")])
def test_a_websocket_where_the_site_itself_answers_is_refused(source, path, url):
    apps = [
        {
            "name": "shop",
            "source": str(source),
            "path": path,
            "proxy": {"websocket_paths": ["/ws", url]},
        }
    ]
    (problem,) = normalize_apps(apps, taken_paths=["/healthz", "/shop/up"])[1]
    words = (
        f"proxy.websocket_paths must not have {url.rstrip('/')!r}, where the site itself answers"
        " (nginx_health_path)."
    )
    assert problem == f"flask_apps: shop: {words}"
    assert normalize_apps(apps, taken_paths=["/health", "/healthz/x"])[1] == []


@pytest.mark.parametrize(
    "health", ["/.flaskops", "/.flaskops/release", "/.flaskops?x=1", "//.flaskops/release"]
)
def test_a_health_check_at_a_reserved_path_is_refused(source, health):
    apps = [{"name": "shop", "source": str(source), "path": "/shop", "health": {"path": health}}]
    assert normalize_apps(apps)[1] == [
        f"flask_apps: shop: health.path must be a page of the application; got {health!r}, where"
        " the role itself answers. Choose another."
    ]


@pytest.mark.parametrize(
    "health", ["/healthz", "/ws", "/.flaskopsx", "/a/.flaskops", "/.well-known/health"]
)
def test_a_health_check_may_share_a_path_with_another_location(source, health):
    """The health check runs in the container; under maintenance its location is inside that of the
    application.
    """
    apps = [
        {
            "name": "shop",
            "source": str(source),
            "path": "/",
            "health": {"path": health},
            "proxy": {"websocket_paths": ["/ws"]},
        }
    ]
    assert normalize_apps(apps, taken_paths=["/healthz"])[1] == []


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ({"cookie_path": "root"}, "cookie_path"),
        ({"header_buffer_size": "64"}, "header_buffer_size"),
        ({"header_buffer_size": "1000k"}, "header_buffer_size"),
        ({"header_buffer_size": "64k; deny all"}, "header_buffer_size"),
        ({"accel_redirect": "perhaps"}, "accel_redirect"),
        *(
            ({"static_headers": {name: "x"}}, name)
            for name in ("content-Type", "ETag", "Last-Modified", "X_Y", "", "-x")
        ),
        *(
            ({"static_headers": {name: "x"}}, "'X…'") for name in ("X Y", "X:")
        ),  # a word after a name may be its value
        *(
            ({"static_headers": {"X-Mine": value}}, "X-Mine")
            for value in ("", "a\nb", "$host", "\0", [], {})
        ),
    ],
    ids=str,
)
def test_values_that_nginx_rejects_are_refused(source, proxy, words):
    problems = normalize_apps(
        [{"name": "shop", "source": str(source), "path": "/shop", "proxy": proxy}]
    )[1]
    assert len(problems) == 1 and words in problems[0], problems


def test_a_path_where_the_site_itself_answers_is_refused(source):
    apps = [{"name": "shop", "source": str(source), "path": "/healthz"}]
    assert normalize_apps(apps, taken_paths=["/healthz"])[1] == [
        "flask_apps: shop: path must not be '/healthz', where the site itself answers"
        " (nginx_health_path)."
    ]


def test_requirements_outside_the_build_context_are_refused(check, source):
    (source / ".dockerignore").write_text("*.txt\n")
    assert check()[1] == [
        "flask_apps: shop: source has no requirements.txt that .dockerignore lets through:"
        f" {source}. Write one; it must name at least Flask."
    ]


def test_a_volume_cannot_be_a_relative_path(check):
    assert "; got 'shop/data:/data'." in check(volumes=["shop/data:/data"])[1][0]
    assert check(volumes=["shop-data:/data", "/srv/media:/media:ro"])[1] == []


@pytest.mark.parametrize("root", ["/srv/my apps", "var", "/", "/var/lib/x;y", "/var/../x"])
def test_a_root_that_nginx_or_docker_would_misread_is_refused(root):
    words = "an absolute path of letters, digits and . _ -, such as /var/lib/flaskops"
    assert normalize_apps([], root=root)[1] == [f"flask_apps_root must be {words}; got {root!r}."]


def test_a_uid_of_the_range_must_be_set_in_all_entries_that_share_it(tmp_path):
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "requirements.txt").write_text("flask\n")
    one, two = (
        {"name": name, "source": str(tmp_path), "path": f"/{name}", "uid": 70000}
        for name in ("one", "two")
    )
    assert normalize_apps([one, two])[1] == []
    assert normalize_apps([{**one, "uid": 20001}])[1] == []
    (problem,) = normalize_apps([one, {**two, "uid": 0}])[1]
    assert problem.startswith(
        "flask_apps: one: uid must be outside of flask_apps_uids (70000-99999), of which each"
        " application gets its own"
    )


@pytest.mark.parametrize(
    "uids",
    [
        "0-10",
        "70000",
        "99999-70000",
        "70000-70000",
        "-1",
        "7e4-8e4",
        "70000-99999999999",
        70000,
        "",
        None,
    ],
)
def test_no_container_runs_as_root_or_as_a_user_of_the_host(uids):
    words = "must be a range of user ids from 1000 on, such as 70000-99999"
    assert normalize_apps([], uids=uids)[1] == [f"flask_apps_uids {words}; got {uids!r}."]


def test_a_number_that_nginx_rejects_is_refused(check):
    assert "at most 1000000" in check(proxy={"read_timeout_seconds": 10**20})[1][0]


def test_a_source_that_cannot_be_read_names_the_application(check, source):
    (source / ".dockerignore").write_bytes(b"\xff")
    assert check()[1][0].startswith(
        f"flask_apps: shop: source {source} cannot be read: '.dockerignore' must be UTF-8"
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"base_refresh": "next month"}, "flask_apps_base_refresh must be a word of letters"),
        (
            {"runtime_image": "registry.example.org/flaskops/runtime:1"},
            "flask_apps_runtime_image must be a repository without a tag",
        ),
        (
            {"runtime_image": "images/runtime.tar"},
            "flask_apps_runtime_image: there is no file /srv/nowhere/images/runtime.tar. It starts",
        ),
    ],
)
def test_invalid_settings_of_the_runtime_image_are_refused(given, words):
    (problem,) = normalize_apps([], source_root="/srv/nowhere", **given)[1]
    assert words in problem


def test_a_prebuilt_runtime_image_is_accepted(tmp_path):
    (tmp_path / "runtime.tgz").write_bytes(b"")
    for image in (
        "",
        "runtime.tgz",
        "registry.example.org:5000/flaskops/runtime",
        "flaskops/runtime",
    ):
        assert (
            normalize_apps(
                [], source_root=str(tmp_path), base_refresh="2026-12", runtime_image=image
            )[1]
            == []
        )


@pytest.mark.parametrize("line", ['label = f"{d["a"]}"', "type X = int", "def f[T](x: T): ..."])
def test_syntax_newer_than_the_controllers_python_is_left_to_the_container(
    tmp_path, line, monkeypatch
):
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "app.py").write_text(f"d = {{}}\n{line}\napp = 1\n")

    def refuse(_file):
        raise SyntaxError("as an older Python says")

    monkeypatch.setattr(find, "defined_names", refuse)
    (app,), problems = normalize_apps([{"name": "shop", "source": str(tmp_path), "path": "/"}])
    assert problems == []
    assert "is not Python that this controller reads" in " ".join(app["notes"])
    assert not app["module"] and not app["callable"]


def test_a_factory_may_have_arguments(tmp_path):
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "main.py").write_text("def create_app(config='dev'): ...\n")
    entry = {"name": "shop", "source": str(tmp_path), "path": "/"}
    (app,), problems = normalize_apps([{**entry, "env": {"APP_MODULE": "main:create_app('prod')"}}])
    assert (problems, app["module"], app["callable"]) == ([], "main", "create_app('prod')")
    (app,), problems = normalize_apps([{**entry, "callable": "create_app('prod')"}])
    assert (problems, app["module"]) == ([], "main")
    (problem,) = normalize_apps([{**entry, "env": {"APP_MODULE": "main:create_app(config)"}}])[1]
    assert "env: APP_MODULE must be a module" in problem
    (problem,) = normalize_apps([{**entry, "module": "main", "callable": "create_app(open('x'))"}])[
        1
    ]
    assert "callable must have constants as arguments" in problem


@pytest.mark.parametrize(
    ("directive", "good"),
    [
        ('add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always', True),
        ("""add_header X-Data '{"a": 1}'""", True),
        (r"rewrite ^/a\.html$ /b last", True),
        ("internal", True),
        ('add_header Alt-Svc h3=":443"', True),
        ('sub_filter href="/ href="/shop/', True),
        (r"rewrite \.php$ /", True),
        ("add_header X #gone", False),
        ('add_header X "open', False),
        ("add_header X a; deny all", False),
        ('add_header X a"b; } location / { c"', False),
        ("add_header X a\\", False),
        ("if ($x) { return 403; }", False),
    ],
)
def test_a_directive_is_exactly_one_complete_directive(check, directive, good):
    problems = check(proxy={"directives": [directive]})[1]
    assert (problems == []) is good, problems


def test_the_variable_static_url_of_an_ordinary_application_is_left_to_it(check):
    app, problems = check(env={"STATIC_URL": "https://cdn.example.org/static/"})
    assert problems == []
    assert app["static"][0]["url"] == "/static"
    assert "STATIC_URL is left to the application" in " ".join(app["notes"])


# --- what all roles get from the entries ----------------------------------------------------------

NGINX = {
    "manage": True,
    "sites": [{"name": "www", "server_names": ["www.example.org"]}],
    "health_path": "/healthz",
}


@pytest.fixture
def nginx(root):
    """The inputs of the nginx role, as its variables have them."""
    defaults = yaml.safe_load((root / "roles/nginx/defaults/main.yml").read_text())
    given = {name.removeprefix("nginx_"): value for name, value in defaults.items()}
    return {
        **given,
        "required_sites": [],
        "required_shutdown_timeout_seconds": 0,
        "default_site_enabled": True,
        **NGINX,
    }


def test_nginx_gets_the_sites_and_the_longest_drain(source, nginx):
    shop = {"name": "a", "source": str(source), "path": "/a"}
    apps = [
        shop,
        {**shop, "name": "b", "path": "/b", "site": "www", "drain_seconds": "70"},
        {"name": "c", "state": "absent"},
    ]
    found = filters.normalize_apps(apps, nginx=nginx, defaults={"drain_seconds": 60})
    assert (found["problems"], found["sites"], found["drain_seconds"], found["absent"]) == (
        [],
        ["default", "www"],
        70,
        ["c"],
    )
    assert filters.normalize_apps([])["drain_seconds"] == 0


def test_the_sites_come_from_the_inputs_of_nginx(source, nginx):
    shop = {"name": "a", "source": str(source), "path": "/healthz", "site": "shop"}
    assert filters.normalize_apps([shop], nginx=nginx)["problems"] == [
        (
            "flask_apps: a: no site 'shop'; defined sites: default, www. Add it to nginx_sites or"
            " choose one of these."
        ),
        (
            "flask_apps: a: path must not be '/healthz', where the site itself answers"
            " (nginx_health_path)."
        ),
    ]
    # The sites of an unmanaged Nginx are read on the host.
    found = filters.normalize_apps([shop], nginx={**nginx, "manage": False})
    assert (found["problems"], found["sites"]) == ([], ["shop"])


def test_invalid_sites_are_left_to_the_nginx_role(source, nginx):
    shop = {"name": "a", "source": str(source), "path": "/a", "site": "www"}
    assert filters.normalize_apps([shop], nginx={**nginx, "sites": {"www": {}}})["problems"] == []


def test_bin_dev_runs_no_hook_and_reports_no_missing_hook(source):
    dev = {"source": str(source), "entry": {}}
    assert (
        filters.normalize_apps([], hooks=["/none.yml"], dev=dev, source_root=".")["problems"] == []
    )


def test_a_missing_hook_is_reported_with_the_other_problems(source, tmp_path):
    (tmp_path / "there.yml").touch()
    hooks = ["", str(tmp_path / "there.yml"), str(tmp_path / "none.yml")]
    first, second = filters.normalize_apps([5], hooks=hooks)["problems"]
    assert first.startswith("flask_apps[0]")
    assert (
        second
        == f"{tmp_path}/none.yml is not a file on the controller; name it from {{{{ playbook_dir"
        " }}/ on."
    )


def test_a_rollback_is_possible_when_the_entries_are_invalid(root):
    kept = {
        "name": "shop",
        "id": "0123456789ab",
        "site": "default",
        "path": "/shop",
        "dockerfile": "FROM flaskops/runtime:0123456789ab\n",
        "build": {"base": "python:3.12"},
    }
    apps = [{"name": "shop", "registry": {"username": "u", "password": "p"}, "path": "wrong"}]
    found = filters.normalize_apps(
        apps,
        restored=[kept],
        recipe=str(root / "roles/flask_apps/files/runtime"),
        base_image="python:3.13",
    )
    (release,) = found["restored"]
    assert (found["problems"], release["login"]) == ([], {"username": "u", "password": "p"})
    assert (
        release["runtime"] == found["runtimes"]["python:3.12"]
        and release["dockerfile"] == f"FROM {release['runtime']}\n"
    )
