# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client gets through the fragment of an application: a real Nginx in a separate directory,
and an application that answers with the request. Skipped without Nginx.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import gzip
import http.client
import json
import mimetypes
import os
import re
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import test_nginx
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.flaskops.host.plugins.module_utils.apps import normalize
from ansible_collections.flaskops.host.plugins.module_utils.apps.draft import Draft
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import App
from entries import normalize_apps
from flask import Flask
from nginx_findings import findings

# bin/test sets it; then the tests that need Nginx must run.
NGINX = os.environ.get("FLASKOPS_TEST_NGINX", "/usr/sbin/nginx")
ROLE = Path(__file__).resolve().parents[2] / "roles/flask_apps"
TYPES = ROLE.parent / "nginx/templates/flaskops.types.j2"
DOCUMENT = ROLE.parents[1] / "docs/proxy.md"
KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SPA = [{"url": "/static", "path": "static", "index": True, "fallback": True}]
STRIPPED = {"engine": "command", "path_mode": "script_name"}
FOREVER = "public, max-age=31536000, immutable"

needs_nginx = pytest.mark.skipif(
    "FLASKOPS_TEST_NGINX" not in os.environ and not os.access(NGINX, os.X_OK), reason="needs Nginx"
)


@functools.cache
def names_of_nginx() -> str:
    """conf.d/flaskops.conf."""
    return test_nginx.render()["conf.d/flaskops.conf"]


_releases: dict[str, dict] = {}


def release(base: Path, path="/shop", engine="uwsgi", server="", beside=(), **keys):
    """The release of one application; keys are as the user writes them. Its root is short, because
    the paths of sockets must be. beside: other entries.

    The same words are rendered once, if no other file in base can have a part in it.
    """
    source = base / "source"
    source.mkdir(exist_ok=True)
    (source / "app.py").write_text("app = 1\n")
    (source / "requirements.txt").write_text("flask\n")
    usual = {source, source / "app.py", source / "requirements.txt"}
    words = repr((base, path, engine, server, beside, keys))
    if words in _releases and set(base.rglob("*")) == usual:
        return copy.deepcopy(_releases[words])
    made = _release(base, source, path, engine, server, beside, keys)
    if set(base.rglob("*")) == usual:
        _releases[words] = copy.deepcopy(made)
    return made


def _release(base: Path, source: Path, path, engine, server, beside, keys):
    apps, problems = normalize_apps(
        [
            {"name": "shop", "source": str(source), "path": path, **keys},
            *({"source": str(source), **other} for other in beside),
        ],
        source_root=str(base),
        root=str(base),
    )
    assert problems == []
    entry = {**apps[0], "engine": engine, "build": {**apps[0]["build"], "server": server}}
    draft = Draft(App.from_dict(entry), {}, {})
    normalize._finish(draft)
    apps[0] = draft.app.to_dict()
    known = {"ansible_managed": "Ansible managed", "ansible_search_path": [str(ROLE)]}
    loader = DataLoader()
    lookup = lookup_loader.get(
        "flaskops.host.releases", loader=loader, templar=Templar(loader, variables=known)
    )
    options = {
        "templates": str(ROLE / "templates"),
        "key_file": str(base / "release.key"),
        "root": str(base),
    }
    return lookup.run(
        [apps], variables=known, runtimes={"": "flaskops/runtime:0123456789ab"}, **options
    )[0]


class Echo(BaseHTTPRequestHandler):
    """An application that answers with the request that it received."""

    protocol_version = "HTTP/1.0"
    count = 0
    bare, location = 200, ""  # its answer at its path without the slash

    def do_GET(self):
        type(self).count += 1
        length = int(self.headers.get("Content-Length") or 0)
        if length:
            self.rfile.read(length)
        plain = self.path.split("?")[0]
        self.send_response(404 if "missing" in plain else self.bare if plain == "/shop" else 200)
        if plain.endswith("/login"):
            for cookie in (
                "session=1; Path=/; HttpOnly",
                "here=1; Path=/shop/",
                "deep=1; path=/admin",
                "none=1",
            ):
                self.send_header("Set-Cookie", cookie)
        if plain.endswith("/huge-header"):
            self.send_header("X-Big", "x" * 40000)
        if self.location:
            self.send_header("Location", self.location)
        if plain.endswith("/etag"):
            self.send_header("ETag", '"1"')
        if plain.endswith("/accel"):
            self.send_header("X-Accel-Redirect", "/other/internal")
            self.send_header("X-Accel-Limit-Rate", "off")
        if plain.endswith("/private"):
            self.send_header("Cache-Control", "private")
        if plain.endswith("/big-header"):
            self.send_header("X-Big", "x" * 9000)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = {
            "method": self.command,
            "path": self.path,
            "headers": headers,
            "count": self.count,
            "length": length,
        }
        self.wfile.write(json.dumps(received).encode())

    do_POST = do_HEAD = do_PUT = do_GET

    def log_message(self, *_words):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        return super().get_request()[0], ("", 0)

    def handle_error(self, request, client_address):
        """Nginx closes the connection when it has enough, as after HEAD."""


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def received(self):
        return json.loads(self.body)


@functools.cache
def found_in(base: Path, _configuration: str) -> list[str]:
    """What gixy finds in the configuration in base; each text is read once."""
    return findings(base / "nginx.conf")


class Place:
    """Nginx, the application behind it, and its static files."""

    def __init__(self, base: Path, **keys) -> None:
        self.base, self.release = base, release(base, **keys)
        self.directory = base / "apps/shop/releases" / self.release["id"]
        (self.directory / "run").mkdir(parents=True)
        self.static = self.directory / "static"
        self.before = base / "apps/shop/releases/before/static"
        for tree in (self.static, self.before):
            tree.mkdir(parents=True)
        (base / "apps/shop/before").symlink_to(self.before)
        (base / "apps/shop" / self.release["route"]).symlink_to(self.directory)
        self.app = type("App", (Echo,), {"count": 0})
        self.server = Server(str(self.directory / "run/app.sock"), self.app)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.nginx = None
        self.server_names, self.serves, self.others, self.log = "_", "nginx.conf", "", "off"
        self.accepted: set[str] = set()  # findings of gixy, by the names of its checks

    def file(self, path: str, content: str | bytes, tree: Path | None = None) -> Path:
        file = Path(f"{tree or self.static}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def start(self) -> None:
        names = names_of_nginx().replace("/var/cache/", f"{self.base}/")
        (self.base / "flaskops.types").write_text(re.sub(r"(?s)\{\{.*?\}\}", "", TYPES.read_text()))
        fragment = self.release["files"][self.serves].replace("/etc/nginx/conf.d/", f"{self.base}/")
        temporary = "\n".join(f"{kind}_temp_path {self.base}/{kind};" for kind in KINDS)
        user = "user root root;" if os.geteuid() == 0 else ""
        (self.base / "nginx.conf").write_text(
            f"{user}\npid {self.base}/pid;\nerror_log {self.base}/error.log;\nevents {{}}\nhttp"
            " {\nserver_tokens off;\n"
            "types { text/html html; text/css css; application/javascript js; }\n"
            f"{temporary}\n{names}\naccess_log {self.log};\nserver {{\n"
            f"listen unix:{self.base}/web;\nserver_name {self.server_names or chr(34) * 2};\n"
            f"{self.others}\n{fragment}\n}}\n}}\n"
        )
        command = [NGINX, "-e", "stderr", "-c", f"{self.base}/nginx.conf", "-g", "daemon off;"]
        self.nginx = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.nginx.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(f"{self.base}/web")
                found = found_in(self.base, (self.base / "nginx.conf").read_text())
                assert {each.split(":")[0] for each in found} == self.accepted, found
                return
            time.sleep(0.02)
        self.nginx.kill()
        raise AssertionError(self.nginx.communicate()[1])

    def get(self, path: str, method="GET", body=None, **headers) -> Answer:
        if self.nginx is None:
            self.start()
        connection = http.client.HTTPConnection("shop.example.org")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(f"{self.base}/web")
        with contextlib.closing(connection):
            connection.request(
                method,
                path,
                body,
                {name.replace("_", "-"): value for name, value in headers.items()},
            )
            return Answer(connection.getresponse())

    def raw(self, request: str) -> Answer:
        """The answer to a hand-written request, sent unchanged."""
        if self.nginx is None:
            self.start()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(f"{self.base}/web")
            client.sendall(request.replace("\n", "\r\n").encode("latin-1"))
            response = http.client.HTTPResponse(client)
            response.begin()
            return Answer(response)

    def stop(self) -> None:
        if self.nginx is not None and self.nginx.poll() is None:
            self.nginx.terminate()
            self.nginx.communicate(timeout=10)
        self.server.shutdown()
        self.server.server_close()


@functools.cache
def path_of_base() -> Path:
    return Path(tempfile.mkdtemp(prefix="fo-"))


@pytest.fixture
def base():
    """An empty directory, at the same path in all tests: so the texts with it repeat themselves."""
    directory = path_of_base()
    directory.mkdir(0o700, exist_ok=True)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def place(base):
    places = []

    def make(**keys):
        places.append(Place(base, **keys))
        return places[-1]

    yield make
    for one in places:
        one.stop()


# --- static files ---------------------------------------------------------------------------------


@needs_nginx
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("app.js", "no-cache"),
        ("app.3f2a9c41.js", FOREVER),
        ("app-0a1b2c3d4e5f60718293.css", FOREVER),
        ("app.3f2a9c41.js.map", FOREVER),
        ("3f2a9c41.js", FOREVER),
        ("report-20240131.pdf", "no-cache"),
        ("defacade.js", "no-cache"),
        ("app.3f2a9c4.js", "no-cache"),
        ("app.3F2A9C41.js", "no-cache"),
        ("3f2a9c41/app.js", "no-cache"),
        ("app.x3f2a9c41.js", "no-cache"),
    ],
)
def test_files_with_a_hash_are_cached_forever_and_others_are_revalidated(place, name, wanted):
    here = place()
    here.file(f"/shop/static/{name}", "x")
    answer = here.get(f"/shop/static/{name}")
    assert (answer.status, answer.body) == (200, b"x")
    assert answer.headers.get_all("Cache-Control") == [wanted]


@needs_nginx
def test_with_immutable_names_every_file_is_cached_forever(place):
    here = place(static=[{"url": "/static", "path": "static", "immutable": True}])
    here.file("/shop/static/app.js", "x")
    assert here.get("/shop/static/app.js").headers["Cache-Control"] == FOREVER


@needs_nginx
def test_an_unchanged_file_is_304_a_part_is_206_and_head_has_no_body(place):
    here = place()
    here.file("/shop/static/a.css", "0123456789")
    answer = here.get("/shop/static/a.css")
    assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == (
        "text/css; charset=utf-8",
        "10",
    )
    again = here.get("/shop/static/a.css", If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body, again.headers["Cache-Control"]) == (304, b"", "no-cache")
    assert (
        here.get("/shop/static/a.css", If_Modified_Since=answer.headers["Last-Modified"]).status
        == 304
    )
    part = here.get("/shop/static/a.css", Range="bytes=2-4")
    assert (part.status, part.body) == (206, b"234")
    head = here.get("/shop/static/a.css", "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "10")


@needs_nginx
def test_a_precompressed_file_is_sent_to_clients_that_accept_it_with_a_separate_etag(place):
    here = place()
    plain = here.file("/shop/static/app.js", "let a = 1;")
    packed = here.file("/shop/static/app.js.gz", gzip.compress(b"let a = 1;", mtime=0))
    os.utime(plain, (1000, 1000))
    os.utime(packed, (2000, 2000))
    as_is, small = (
        here.get("/shop/static/app.js"),
        here.get("/shop/static/app.js", Accept_Encoding="gzip"),
    )
    assert (as_is.body, as_is.headers["Content-Encoding"]) == (b"let a = 1;", None)
    assert (gzip.decompress(small.body), small.headers["Content-Encoding"]) == (
        b"let a = 1;",
        "gzip",
    )
    assert as_is.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"
    assert (
        as_is.headers["Content-Type"]
        == small.headers["Content-Type"]
        == "text/javascript; charset=utf-8"
    )
    assert as_is.headers["ETag"] != small.headers["ETag"]
    for answer, encoding in ((as_is, "identity"), (small, "gzip")):
        assert (
            here.get(
                "/shop/static/app.js",
                Accept_Encoding=encoding,
                If_None_Match=answer.headers["ETag"],
            ).status
            == 304
        )
    assert (
        here.get(
            "/shop/static/app.js", Accept_Encoding="gzip", If_None_Match=as_is.headers["ETag"]
        ).status
        == 200
    )


@needs_nginx
def test_a_link_in_the_static_files_is_not_followed(place):
    here = place()
    here.file("/shop/static/real.txt", "x")
    (here.static / "shop/static/link.txt").symlink_to("/etc/passwd")
    (here.static / "shop/static/link.gz").symlink_to("/etc/passwd")
    here.file("/shop/static/link", "plain")
    assert b"root:" not in here.get("/shop/static/link.txt").body
    assert b"root:" not in here.get("/shop/static/link", Accept_Encoding="gzip").body


@needs_nginx
def test_a_missing_file_is_that_of_the_previous_release_or_of_the_application(place):
    here = place()
    here.file("/shop/static/old.3f2a9c41.js", "old", here.before)
    old = here.get("/shop/static/old.3f2a9c41.js")
    assert (old.body, old.headers["Cache-Control"]) == (b"old", FOREVER)
    asked = here.get("/shop/static/drawn.svg?x=1")
    assert (asked.received["path"], asked.headers["Cache-Control"]) == (
        "/shop/static/drawn.svg?x=1",
        None,
    )


PINNED = {
    "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8", "txt": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8", "md": "text/markdown; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8", "ics": "text/calendar; charset=utf-8",
    "xml": "text/xml; charset=utf-8", "html": "text/html; charset=utf-8",
    "HTML": "text/html; charset=utf-8", "svg": "image/svg+xml; charset=utf-8",
    "webmanifest": "application/manifest+json", "json": "application/json",
    "map": "application/json", "wasm": "application/wasm", "ttf": "font/ttf", "otf": "font/otf",
    "woff": "font/woff", "woff2": "font/woff2", "png": "image/png", "webp": "image/webp",
    "avif": "image/avif", "ico": "image/vnd.microsoft.icon", "pdf": "application/pdf",
    "mp4": "video/mp4", "unknown": "application/octet-stream", "gz": "application/octet-stream",
}  # fmt: skip


def types_table():
    """The type of each extension in the file of the role."""
    block = re.search(r"^types \{\n(.*?)^\}", TYPES.read_text(), re.DOTALL | re.MULTILINE)[1]
    rows = [line.strip().rstrip(";").split() for line in block.splitlines() if line.strip()]
    return {extension: row[0] for row in rows for extension in row[1:]}


@needs_nginx
def test_types_and_charsets_of_static_files_are_those_of_flask(place, tmp_path, monkeypatch):
    table = types_table()
    assert len(table) > 200
    monkeypatch.setattr(mimetypes, "_db", mimetypes.MimeTypes())
    for extension, kind in table.items():
        mimetypes.add_type(kind, f".{extension}")
    flask = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static").test_client()
    here = place()
    for extension in [*table, *PINNED, "no.such"]:
        (tmp_path / f"a.{extension}").write_text("x")
        here.file(f"/shop/static/a.{extension}", "x")
        wanted = flask.get(f"/static/a.{extension}").headers["Content-Type"]
        assert here.get(f"/shop/static/a.{extension}").headers.get_all("Content-Type") == [
            wanted
        ], extension
        assert PINNED.get(extension, wanted) == wanted, extension


def test_python_in_the_container_reads_the_same_table():
    rows = [
        line.split()
        for line in (ROLE / "files/runtime/mime.types").read_text().splitlines()
        if line[0] != "#"
    ]
    assert {extension: row[0] for row in rows for extension in row[1:]} == types_table()


def test_the_table_agrees_with_the_one_of_python():
    """In the oldest and the newest Python: they differ in a few types."""
    differ = {"js", "mjs", "rtf", "3gp", "3gpp", "3g2", "3gpp2"}
    table = types_table()
    python = {extension[1:]: kind for extension, kind in mimetypes._types_map_default.items()}
    assert {
        extension for extension, kind in python.items() if table.get(extension) != kind
    } <= differ


@needs_nginx
def test_headers_of_static_files_are_sent(place):
    headers = {
        "Access-Control-Allow-Origin": "*",
        "X-Frame-Options": "DENY",
        "Report-To": '{"group": "a\\b", "max_age": 1}',
    }
    here = place(static=SPA, proxy={"static_headers": headers})
    here.file("/shop/static/index.html", "page")
    here.file("/shop/static/a.woff2", "font")
    here.file("/shop/static/old.woff2", "font", here.before)
    for path in ("/shop/", "/shop/static/a.woff2", "/shop/static/old.woff2", "/shop/missing/route"):
        answer = here.get(path, **PAGE)
        assert {name: answer.headers[name] for name in headers} == headers, path
        assert answer.headers.get_all("Cache-Control") == ["no-cache"]
    assert (
        here.get("/shop/static/a.woff2", Range="bytes=9-").headers["X-Frame-Options"] == "DENY"
    )  # 416
    assert here.get("/shop/x").headers.get_all("X-Frame-Options") == ["SAMEORIGIN"]


@needs_nginx
def test_a_header_may_set_how_long_files_are_cached(place):
    here = place(proxy={"static_headers": {"cache-control": "private, max-age=60"}})
    here.file("/shop/static/a.3f2a9c41.js", "x")
    assert here.get("/shop/static/a.3f2a9c41.js").headers.get_all("Cache-Control") == [
        "private, max-age=60"
    ]


@needs_nginx
@pytest.mark.parametrize(
    "directives",
    [
        ["deny all"],
        ["allow 192.0.2.1", "deny all"],
        ["auth_basic closed", "auth_basic_user_file /nonexistent"],
        ["auth_request /closed"],
        [
            "satisfy any",
            "deny all",
            'auth_basic "closed; to all"',
            "auth_basic_user_file /nonexistent",
        ],
    ],
    ids=str,
)
def test_a_client_that_may_not_use_the_application_does_not_get_its_files(place, directives):
    here = place(static=SPA, proxy={"directives": directives, "websocket_paths": ["/ws"]})
    here.others = "location = /closed { internal; return 403; }"
    here.file("/shop/static/index.html", "page")
    here.file("/shop/static/a.js", "x")
    here.file("/shop/static/old.js", "x", here.before)
    for path in (
        "",
        "/",
        "/x",
        "/ws",
        "/static/a.js",
        "/static/old.js",
        "/static/none",
        "/missing",
    ):
        path = f"/shop{path}"
        answer = here.get(path, **PAGE)
        assert answer.status in (401, 403), path
        assert answer.body not in (b"x", b"page")
    assert here.app.count == 0


@needs_nginx
@pytest.mark.parametrize(("directives", "etag"), [([], 'W/"1"'), (["gzip off"], '"1"')], ids=str)
def test_a_file_compressed_by_nginx_has_a_weak_etag_and_without_gzip_a_strong_one(
    place, directives, etag
):
    """If-Match needs strong etags: docs/proxy.md shows what to write."""
    here = place(proxy={"directives": directives})
    here.others = "gzip on; gzip_types application/json; gzip_min_length 1;"
    assert here.get("/shop/etag", Accept_Encoding="gzip").headers["ETag"] == etag


# --- a single page application --------------------------------------------------------------------


@needs_nginx
def test_the_path_shows_the_index_of_the_directory(place):
    here = place(static=SPA)
    here.file("/shop/static/index.html", "<h1>shop</h1>")
    answer = here.get("/shop/?q=1", **PAGE)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (
        200,
        b"<h1>shop</h1>",
        "text/html; charset=utf-8",
    )
    assert answer.headers["Cache-Control"] == "no-cache"
    assert here.get("/shop/", If_None_Match=answer.headers["ETag"]).status == 304
    assert here.get("/shop/", "HEAD").headers["Content-Length"] == "13"
    # As with STATIC_INDEX=1: it is a file, and files do not accept POST.
    assert here.get("/shop/", "POST", b"x").status == 405
    assert here.get("/shop/api").received["path"] == "/shop/api"


@needs_nginx
def test_at_the_root_the_path_shows_the_index_too(place):
    here = place(path="/", static=SPA)
    here.file("/static/index.html", "root")
    assert here.get("/").body == b"root"
    assert here.get("/api").received["path"] == "/api"
    assert here.get("/missing/route", **PAGE).body == b"root"


@needs_nginx
def test_without_the_index_file_the_application_answers(place):
    assert place(static=SPA).get("/shop/").received["path"] == "/shop/"


@needs_nginx
def test_a_client_side_route_gets_the_page_and_a_404_of_the_api_stays(place):
    here = place(static=SPA)
    here.file("/shop/static/index.html", "page")
    answer = here.get("/shop/missing/route", **PAGE)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (
        200,
        b"page",
        "text/html; charset=utf-8",
    )
    assert answer.headers["Cache-Control"] == "no-cache"
    head = here.get("/shop/missing/route", "HEAD", **PAGE)
    assert (head.status, head.body) == (200, b"")
    api = [
        here.get("/shop/missing"),
        here.get("/shop/missing", "POST", b"x", **PAGE),
        here.get("/shop/static/missing.js", **PAGE),
    ]
    for answer in api:
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
        assert answer.received["path"].startswith("/shop/")
    assert here.get("/shop/known", **PAGE).received["path"] == "/shop/known"


@needs_nginx
def test_without_the_fallback_a_404_of_the_application_stays(place):
    assert place().get("/shop/missing", **PAGE).status == 404


# --- the path -------------------------------------------------------------------------------------

RAW = [
    "/a%2Fb",
    "/a%20b",
    "/a%3Fb?c=%26&d=1",
    "/a//b",
    "/",
    "/?x=%2F",
    "/%E2%82%AC",
    "/a;b",
    "/a+b",
    "/a/../b",
]


@needs_nginx
@pytest.mark.parametrize("rest", RAW)
@pytest.mark.parametrize("path", ["/shop", "/a.b/shop~x"])
def test_a_server_of_an_image_gets_the_request_without_the_path(place, path, rest):
    answer = place(path=path, **STRIPPED, static=[]).get(f"{path}{rest}").received
    assert (answer["path"], answer["headers"]["x-forwarded-prefix"]) == (rest, path)


@needs_nginx
def test_another_spelling_of_the_path_is_not_found(place):
    here = place(path="/a.b", **STRIPPED)
    for path in ("/%61.b/x", "/y/..%2Fa.b/x"):
        assert here.get(path).status == 404, path
    assert here.get("/aXb/x").status == 404
    assert here.app.count == 0


@needs_nginx
@pytest.mark.parametrize("path", ["//a.b/shop", "/a.b//shop", "///a.b///shop"])
def test_extra_slashes_in_the_path_are_removed_with_it(place, path):
    here = place(path="/a.b/shop", **STRIPPED, static=[])
    assert here.get(f"{path}/a//x%2F").received["path"] == "/a//x%2F"


@needs_nginx
def test_an_application_with_a_stripped_path_answers_for_missing_static_files(place):
    assert place(**STRIPPED).get("/shop/static/x%20y.css").received["path"] == "/static/x%20y.css"


@needs_nginx
@pytest.mark.parametrize("mode", ["domain", "script_name"])
@pytest.mark.parametrize("rest", RAW)
def test_in_other_modes_the_whole_path_is_passed_on(place, rest, mode):
    assert place(static=[], path_mode=mode).get(f"/shop{rest}").received["path"] == f"/shop{rest}"


@needs_nginx
def test_the_prefix_header_is_sent_only_to_an_application_that_does_not_know_its_path(place):
    headers = {"X_Forwarded_Prefix": "/evil", "X_Forwarded_For": "6.6.6.6"}
    received = place(path_mode="script_name").get("/shop/x", **headers).received
    assert (received["path"], received["headers"]["x-forwarded-prefix"]) == ("/shop/x", "/shop")
    assert "6.6.6.6" not in str(received)


@needs_nginx
@pytest.mark.parametrize("keys", [{}, {"path_mode": "script_name", "path": "/"}], ids=str)
def test_the_prefix_header_is_not_sent_to_other_applications(place, keys):
    assert (
        "x-forwarded-prefix"
        not in place(**keys).get("/shop/x", X_Forwarded_Prefix="/evil").received["headers"]
    )


@needs_nginx
@pytest.mark.parametrize(("mode", "path"), [("script_name", "/shop/"), ("domain", "/shop")])
def test_a_cookie_for_the_root_is_one_for_the_prefix(place, mode, path):
    """If the application answers at /shop, it needs the cookie there: /shop/ would not match."""
    own = ["here=1; Path=/shop/", "deep=1; path=/admin", "none=1"]
    assert place(path_mode=mode).get("/shop/login").headers.get_all("Set-Cookie") == [
        f"session=1; Path={path}; HttpOnly",
        *own,
    ]


@needs_nginx
@pytest.mark.parametrize("keys", [{"proxy": {"cookie_path": "keep"}}, {"path": "/"}], ids=str)
@pytest.mark.parametrize("mode", ["script_name", "domain"])
def test_a_cookie_is_unchanged_at_the_root_and_on_request(place, keys, mode):
    assert (
        place(path_mode=mode, **keys).get("/shop/login").headers.get_all("Set-Cookie")[0]
        == "session=1; Path=/; HttpOnly"
    )


# --- the path without its slash -------------------------------------------------------------------


@needs_nginx
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
@pytest.mark.parametrize("engine", ["uwsgi", "gunicorn", "command"])
def test_the_bare_path_belongs_to_an_application_that_knows_it(place, method, engine):
    here = place(engine=engine)
    here.app.bare = 201
    answer = here.get("/shop?a=%2F&b", method, b"order" if method in ("POST", "PUT") else None)
    assert answer.status == 201
    if method != "HEAD":
        length = 5 if method in ("POST", "PUT") else 0
        assert (answer.received["method"], answer.received["path"], answer.received["length"]) == (
            method,
            "/shop?a=%2F&b",
            length,
        )


@needs_nginx
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
@pytest.mark.parametrize(
    "keys", [{"path_mode": "script_name"}, STRIPPED, {"static": SPA}, {}], ids=str
)
def test_otherwise_the_bare_path_redirects_and_keeps_method_and_query(place, method, keys):
    here = place(**keys)
    here.app.bare = 404
    answer = here.get(
        "/shop?a=%2F&b", method, b"order" if method in ("POST", "PUT") else None, **PAGE
    )
    assert (answer.status, answer.headers["Location"]) == (308, "/shop/?a=%2F&b")
    assert here.app.count == (0 if "path_mode" in keys else 1)


@needs_nginx
@pytest.mark.parametrize("status", [301, 308, 401, 403, 405, 500, 503])
def test_other_answers_of_the_application_at_the_bare_path_reach_its_clients(place, status):
    here = place()
    here.app.bare = status
    assert here.get("/shop").status == status


@needs_nginx
@pytest.mark.parametrize(
    ("location", "seen"),
    [
        # Flask redirects to the slash like this: behind a TLS proxy the scheme would be wrong.
        ("http://shop.example.org:81/shop/?a=1", "/shop/?a=1"),
        ("/shop/?a=1", "/shop/?a=1"),
        ("https://shop.example.org:81/shop/", "https://shop.example.org:81/shop/"),
        ("http://www.example.org/shop/", "http://www.example.org/shop/"),
        ("http://shop.example.org:81/shopping/", "http://shop.example.org:81/shopping/"),
    ],
)
def test_a_redirect_of_the_application_to_the_slash_is_relative(place, location, seen):
    here = place()
    here.app.bare, here.app.location = 308, location
    assert here.get("/shop", Host="Shop.example.org:81").headers["Location"] == seen


@needs_nginx
@pytest.mark.parametrize("file", ["maintenance.conf", "stopped.conf"])
@pytest.mark.parametrize("mode", ["script_name", "domain"])
def test_under_maintenance_and_when_stopped_clients_get_503(place, file, mode):
    here = place(path_mode=mode, health={"path": "/up"})
    (here.directory / "maintenance.html").write_text("back soon")
    here.serves = file
    for path in ("/shop", "/shop/", "/shop/x", "/shop?x=1"):
        for method in ("GET", "POST"):
            answer = here.get(path, method)
            assert answer.status == 503, path
            assert (answer.headers["Retry-After"], b"back soon" in answer.body) == (
                ("120", True) if file[0] == "m" else (None, False)
            )
    assert here.get("/shop/up").status == (200 if file[0] == "m" else 503)
    assert here.get("/shop/upx").status == 503


@needs_nginx
@pytest.mark.parametrize(
    "health", ["/healthz", "/other", "/other/ws", "/ws", "/static/up", "/?x=1", "//up", "/a%20b"]
)
@pytest.mark.parametrize("file", ["nginx.conf", "maintenance.conf", "stopped.conf"])
def test_a_health_check_does_not_replace_another_location(place, file, health):
    """All locations of one site: its page, and another application with its path, its websocket and
    its files.
    """
    here = place(path="/", health={"path": health}, proxy={"websocket_paths": ["/ws"]})
    here.others = "\n".join(
        f"location {head} {{ return 204; }}"
        for head in ("= /healthz", "= /other", "^~ /other/", "= /other/ws")
    )
    here.serves = file
    assert (
        here.get("/healthz").status
        == here.get("/other").status
        == here.get("/other/ws").status
        == 204
    )


# --- internal redirects ---------------------------------------------------------------------------

OTHER = "location /other/internal { internal; return 200 secret; }"


@needs_nginx
@pytest.mark.parametrize("path", ["/shop/accel", "/shop/static/accel", "/shop/ws/accel"])
def test_an_answer_cannot_trigger_an_internal_redirect(place, path):
    here = place(proxy={"websocket_paths": ["/ws"]})
    here.others = OTHER
    answer = here.get(path)
    assert (answer.status, answer.received["path"], answer.headers["X-Accel-Redirect"]) == (
        200,
        path,
        None,
    )


@needs_nginx
def test_custom_directives_do_not_enable_internal_redirects(place):
    here = place(proxy={"directives": ["proxy_ignore_headers Cache-Control"]})
    here.others = OTHER
    assert here.get("/shop/accel").received["path"] == "/shop/accel"


@needs_nginx
def test_an_internal_redirect_works_if_it_is_allowed(place):
    here = place(proxy={"accel_redirect": True})
    here.others = OTHER
    assert here.get("/shop/accel").body == b"secret"


@needs_nginx
def test_a_session_that_fills_a_cookie_is_accepted(place):
    assert place().get("/shop/big-header").status == 200


# --- unusual clients ------------------------------------------------------------------------------


@needs_nginx
@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("Upgrade: websocket\nConnection: Upgrade", True),
        ("upgrade: WebSocket\nConnection: keep-alive, Upgrade", True),
        (
            (
                "Upgrade: h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings:"
                " AAMAAABkAARAAAAAAAIAAAAA"
            ),
            False,
        ),
        ("Upgrade: H2C\nConnection: upgrade", False),
        (
            "Upgrade: websocket, h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAMA",
            False,
        ),
        ("Upgrade: h2c, websocket\nConnection: Upgrade", False),
        ("Upgrade: h2c\nUpgrade: websocket\nConnection: Upgrade", False),
        ("Upgrade: websocketx\nConnection: Upgrade", False),
        ("Upgrade: TLS/1.2\nConnection: Upgrade", False),
        ("Upgrade: \nConnection: Upgrade", False),
        ("Connection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAMA\nHttp2-settings: BBBB", False),
    ],
)
def test_only_websocket_upgrades_are_passed_on(place, sent, passed):
    here = place(proxy={"websocket_paths": ["/ws"]})
    wanted = {"upgrade": "websocket", "connection": "upgrade"} if passed else {}
    for path in ("/shop/x", "/shop/ws", "/shop/static/x"):
        headers = here.raw(f"GET {path} HTTP/1.1\nHost: shop.example.org\n{sent}\n\n").received[
            "headers"
        ]
        assert {
            name: headers[name]
            for name in ("upgrade", "connection", "http2-settings")
            if name in headers
        } == wanted


@needs_nginx
def test_only_the_websocket_of_two_upgrades_is_passed_on(place):
    headers = (
        place()
        .raw(
            "GET /shop/x HTTP/1.1\nHost: x\nUpgrade: websocket\nUpgrade: h2c\nConnection:"
            " Upgrade\n\n"
        )
        .received["headers"]
    )
    assert headers.get("upgrade") in (None, "websocket")


@needs_nginx
@pytest.mark.parametrize(
    ("target", "host", "seen"),
    [
        ("/shop/x", "shop.example.org", "shop.example.org"),
        ("/shop/x", "Shop.EXAMPLE.org:8080", "shop.example.org:8080"),
        ("/shop/x", "shop.example.org.", "shop.example.org"),
        ("/shop/x", "shop.example.org.:81", "shop.example.org:81"),
        ("/shop/x", "shop.example.org:", "shop.example.org"),
        ("/shop/x", "my_shop", "my_shop"),
        ("/shop/x", "192.0.2.7:8080", "192.0.2.7:8080"),
        ("/shop/x", "[2001:DB8::7]:8080", "[2001:db8::7]:8080"),
        ("/shop/x", "[::1]", "[::1]"),
        # The request line takes precedence over Host, as in RFC 9112.
        ("http://localhost/shop/x", "evil.example", "localhost"),
        ("http://localhost:8080/shop/x", "evil.example:99", "localhost:8080"),
        ("http://LOCALHOST/shop/x", "shop.example.org:80", "localhost"),
        ("HTTPS://localhost./shop/x", "shop.example.org", "localhost"),
        ("http://[::1]:81/shop/x", "shop.example.org", "[::1]:81"),
        ("http://localhost/shop/x?to=http://evil.example/", "evil.example", "localhost"),
        ("/shop/x?to=http://evil.example/", "localhost", "localhost"),
        ("/shop/http://evil.example/", "localhost", "localhost"),
    ],
)
def test_the_application_gets_the_host_that_selected_the_site(place, target, host, seen):
    here = place(path_mode="script_name")
    headers = here.raw(
        f"GET {target} HTTP/1.1\nHost: {host}\nX-Forwarded-Host: evil.example\n\n"
    ).received["headers"]
    assert (headers["host"], headers["x-forwarded-host"]) == (seen, seen)
    assert "evil" not in str(headers)


@needs_nginx
@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "shop@evil.example", "shop.example.org:80@evil.example",
     "shop.example.org:x", "shop.example.org:80:", ":80", ".", ".shop", "a..b", "<script>", 'shop"',
     "shop\\evil", "shop,evil.example", "::1", "[::1", "[::1]evil.example", "[shop]", "shop:123456",
     "sh\u00f6p", "shop%2eevil", "shop;evil", "shop?x", "shop#x", "*", "shop\tx", "$host"],
)  # fmt: skip
def test_an_invalid_host_is_refused(place, host):
    here = place(proxy={"websocket_paths": ["/ws"]})
    for path in ("/shop/x", "/shop/static/x", "/shop/ws", "/shop/"):
        assert here.raw(f"GET {path} HTTP/1.1\nHost: {host}\n\n").status == 400
    assert here.app.count == 0


@needs_nginx
@pytest.mark.parametrize(
    "target",
    [
        "http:///shop/x",
        "http://user@localhost/shop/x",
        "http://a b/shop/x",
        "localhost:80",
        "http://:80/shop/x",
    ],
)
def test_a_request_line_with_an_invalid_host_is_refused(place, target):
    here = place()
    assert here.raw(f"GET {target} HTTP/1.1\nHost: shop.example.org\n\n").status == 400
    assert here.app.count == 0


@needs_nginx
def test_the_application_gets_the_one_of_two_hosts_that_selected_the_site(place):
    """Newer versions of Nginx refuse it."""
    answer = place().raw("GET /shop/x HTTP/1.1\nHost: shop.example.org\nHost: evil.example\n\n")
    assert answer.status == 400 or answer.received["headers"]["host"] == "shop.example.org"


@needs_nginx
@pytest.mark.parametrize(
    ("names", "seen"),
    [
        *((name, "localhost") for name in ("", "_", "*.example.org", "~^shop")),
        ("Shop.example.org _", "shop.example.org"),
    ],
)
def test_a_request_without_a_host_gets_one_that_reaches_the_site(place, names, seen):
    here = place()
    here.server_names = names
    assert here.raw("GET /shop/x HTTP/1.0\n\n").received["headers"]["host"] == seen
    assert (
        here.raw("GET http://localhost:81/shop/x HTTP/1.0\n\n").received["headers"]["host"]
        == "localhost:81"
    )


@needs_nginx
@pytest.mark.parametrize(
    ("address", "seen"), [("127.0.0.1", "127.0.0.1:{port}"), ("[::1]", "[::1]:{port}")]
)
def test_over_tcp_the_host_is_the_address_and_the_port(place, address, seen):
    here = place()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address.strip("[]"), 0))
        port = probe.getsockname()[1]
    here.server_names = f"_; listen {address}:{port}"
    here.start()
    with socket.create_connection((address.strip("[]"), port), 10) as client:
        client.sendall(b"GET /shop/x HTTP/1.0\r\n\r\n")
        response = http.client.HTTPResponse(client)
        response.begin()
        assert Answer(response).received["headers"]["host"] == seen.format(port=port)


# --- the cache ------------------------------------------------------------------------------------

CACHED = {"proxy": {"cache_seconds": 60, "cache_bypass_cookies": ["session", "token"]}}


@needs_nginx
def test_a_cached_answer_is_sent_to_every_client(place):
    here = place(**CACHED)
    assert [here.get("/shop/page?a=1").received["count"] for _ in range(3)] == [1, 1, 1]
    assert here.get("/shop/page?a=2").received["count"] == 2
    assert here.get("/shop/page?a=1", Host="other.example.org").received["count"] == 3
    assert here.get("/shop/page?a=1", Cookie="theme=dark").received["count"] == 1
    head = here.get("/shop/page?a=1", "HEAD")
    assert (head.status, head.body, here.app.count) == (200, b"", 3)


@needs_nginx
@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "session=abc"},
        {"Cookie": "x=1; token=0"},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "0"},
        {"Upgrade": "x"},
    ],
    ids=str,
)
def test_authenticated_clients_bypass_the_cache(place, headers):
    here = place(**CACHED)
    assert [here.get("/shop/page", **headers).received["count"] for _ in range(2)] == [1, 2]
    assert here.get("/shop/page").received["count"] == 3
    assert here.get("/shop/page", **headers).received["count"] == 4
    assert here.get("/shop/page").received["count"] == 3


@needs_nginx
@pytest.mark.parametrize("path", ["/shop/login", "/shop/private", "/shop/missing"])
def test_answers_with_cookies_no_store_or_errors_are_not_cached(place, path):
    here = place(**CACHED)
    assert [here.get(path).received["count"] for _ in range(2)] == [1, 2]


@needs_nginx
def test_a_post_is_not_cached(place):
    here = place(**CACHED)
    assert [here.get("/shop/page", "POST", b"x").received["count"] for _ in range(2)] == [1, 2]


@needs_nginx
def test_concurrent_requests_become_one_request_to_the_application(place):
    here = place(**CACHED)
    here.start()
    wait = here.app.do_GET
    here.app.do_GET = lambda self: (time.sleep(0.3), wait(self))
    threads = [threading.Thread(target=here.get, args=("/shop/slow",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert here.app.count == 1


def test_another_release_does_not_send_cached_answers_of_this_one(base):
    one, two = release(base, **CACHED), release(base, **CACHED, env={"A": "1"})
    assert one["id"] != two["id"]
    for made in (one, two):
        assert set(re.findall(r"proxy_cache_key (.*);", made["files"]["nginx.conf"])) == {
            f'"shop {made["id"]} $flaskops_scheme://$flaskops_host$request_uri"'
        }


def test_caching_is_off_by_default(base):
    assert "proxy_cache" not in release(base)["files"]["nginx.conf"]


# --- websockets, directives, a custom fragment ----------------------------------------------------


def test_websockets_may_be_idle_for_long_on_their_paths(base):
    proxy = {
        "websocket_paths": ["/ws", "/live/"],
        "websocket_timeout_seconds": 7200,
        "cache_seconds": 1,
    }
    text = release(base, proxy=proxy)["files"]["nginx.conf"]
    found = dict(re.findall(r"^location ([^{]+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE))
    for head in ("= /shop/ws", "^~ /shop/ws/", "= /shop/live", "^~ /shop/live/"):
        assert "proxy_read_timeout 7200s;" in found[head]
        assert "proxy_send_timeout 7200s;" in found[head]
        assert "proxy_cache " not in found[head]
    assert "proxy_read_timeout 60s;" in found["^~ /shop/"]


@needs_nginx
def test_a_websocket_path_does_not_match_paths_with_the_same_prefix(place):
    here = place(proxy={"websocket_paths": ["/ws"], "cache_seconds": 60})
    assert [here.get("/shop/ws").received["count"] for _ in range(2)] == [1, 2]
    assert [here.get("/shop/wsx").received["count"] for _ in range(2)] == [3, 3]


@needs_nginx
def test_custom_directives_are_applied(place):
    here = place(
        proxy={
            "directives": ["add_header X-Frame-Options DENY always", "proxy_set_header X-Mine 1"]
        }
    )
    for path in ("/shop/x", "/shop/static/x"):
        answer = here.get(path)
        assert (answer.headers["X-Frame-Options"], answer.received["headers"]["x-mine"]) == (
            "DENY",
            "1",
        )
        assert answer.received["headers"]["host"] == "shop.example.org"


EVERY_DIRECTIVE = [
    "root /nonexistent",
    "proxy_pass http://unix:{socket}", "proxy_http_version 1.0", "proxy_redirect http://a/ /",
    "proxy_cookie_path / /mine/", "proxy_connect_timeout 7s", "proxy_send_timeout 7s",
    "proxy_read_timeout\t7s", "proxy_buffer_size 32k", "proxy_buffers 16 32k", "proxy_buffering on",
    "proxy_max_temp_file_size 7m", "client_max_body_size 7m", "proxy_intercept_errors off",
    "absolute_redirect on", "proxy_cache off", "proxy_cache_key $uri", "proxy_cache_valid any 7s",
    "proxy_cache_lock off", "proxy_cache_use_stale off",
    # Directives that Nginx accumulates.
    "proxy_ignore_headers Vary", "proxy_cache_bypass $arg_fresh", "proxy_no_cache $arg_fresh",
    "proxy_set_header Host mine",
]  # fmt: skip
ALL_OF_OURS = [
    {"static": SPA, "proxy": {"websocket_paths": ["/ws"], "cache_seconds": 9, "body_size": "9m"}},
    {"proxy": {"buffering": False}},
    STRIPPED,
]


def written(text):
    """The directives of each location that proxies requests, by its head."""
    blocks = re.findall(r"^location ([^{]+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    found = {
        head: [line.split()[0] for line in block.splitlines() if re.match("    [a-z]", line)]
        for head, block in blocks
    }
    return {head: names for head, names in found.items() if "proxy_pass" in names}


@needs_nginx
@pytest.mark.parametrize("keys", ALL_OF_OURS, ids=str)
def test_a_custom_directive_replaces_that_of_the_role(place, base, keys):
    """The list has every directive that the role writes: add new ones of the templates here."""
    known = {line.split()[0] for line in EVERY_DIRECTIVE} | {
        "add_header",
        "if",
        "error_page",
        "set",
    }  # Nginx accepts several of these
    ours = release(base, **keys)
    for head, names in written(ours["files"]["nginx.conf"]).items():
        assert set(names) <= known, head
    socket_path = (
        "http://unix:$document_root" if keys is STRIPPED else f"http://unix:{base}/app.sock"
    )
    directives = [
        line.format(socket=socket_path.removeprefix("http://unix:")) for line in EVERY_DIRECTIVE
    ]
    here = place(**{**keys, "proxy": {**keys.get("proxy", {}), "directives": directives}})
    for file in ("nginx.conf", "maintenance.conf"):
        here.serves = file
        for head, names in written(here.release["files"][file]).items():
            many = {
                "proxy_set_header",
                "proxy_ignore_headers",
                "proxy_cache_bypass",
                "proxy_no_cache",
                "add_header",
                "if",
                "error_page",
                "set",
            }
            assert [name for name in set(names) - many if names.count(name) > 1] == [], head
    here.serves = "nginx.conf"
    here.start()


@needs_nginx
def test_personal_answers_are_never_cached_whatever_directives_are_added(place):
    here = place(
        proxy={
            "cache_seconds": 60,
            "directives": ["proxy_cache_bypass $arg_fresh", "proxy_no_cache $arg_fresh"],
        }
    )
    assert [here.get("/shop/page", Cookie="session=1").received["count"] for _ in range(2)] == [
        1,
        2,
    ]
    assert [here.get("/shop/page?fresh=1").received["count"] for _ in range(2)] == [3, 4]


@needs_nginx
@pytest.mark.parametrize(
    ("keys", "status"), [({}, 502), ({"header_buffer_size": "64k"}, 200)], ids=str
)
def test_the_headers_of_an_answer_may_be_larger(place, keys, status):
    assert place(proxy=keys).get("/shop/huge-header").status == status


@needs_nginx
def test_a_header_that_a_directive_sets_is_not_sent_twice(place):
    here = place(proxy={"directives": ["proxy_set_header X-Forwarded-Proto https"]})
    assert here.get("/shop/x").received["headers"]["x-forwarded-proto"] == "https"


FRAGMENT = """
location {{ app.prefix }}/ {
    proxy_pass http://unix:{{ socket }};
    proxy_set_header X-Backlog {{ backlog }};
    add_header X-Where {{ directory }};
}

"""


@needs_nginx
def test_a_custom_fragment_replaces_the_one_of_the_role(place, base):
    (base / "shop.conf.j2").write_text(FRAGMENT)
    here = place(proxy={"fragment": "shop.conf.j2"})
    answer = here.get("/shop/static/x")
    assert answer.headers["X-Where"] == str(base / "apps/shop" / here.release["route"])
    assert answer.received["headers"]["x-backlog"] == "1024"
    # Over a unix socket Nginx has no client address, so it cannot recognise the host itself.
    assert "location = /shop/.flaskops/release {" in here.release["files"]["nginx.conf"]
    assert here.get("/shop/.flaskops/release").status == 404
    assert here.release["files"]["maintenance.conf"].count("return 503;") == 2


@needs_nginx
def test_a_custom_fragment_may_use_the_macros_of_the_role(place, base):
    (base / "shop.conf.j2").write_text(
        "{% from 'macros.j2' import proxy with context %}\nlocation {{ app.prefix }}/ {\n{{ proxy()"
        " -}}\n    add_header X-Mine 1;\n}\n"
    )
    answer = place(proxy={"fragment": "shop.conf.j2"}).get("/shop/x")
    assert (answer.headers["X-Mine"], answer.received["headers"]["x-forwarded-proto"]) == (
        "1",
        "http",
    )


@needs_nginx
def test_the_fragment_of_the_documentation_sends_our_headers(place, base):
    [example] = re.findall(r"(?s)```jinja\n(.*?)```", DOCUMENT.read_text())
    (base / "shop.conf.j2").write_text(example)
    here = place(proxy={"fragment": "shop.conf.j2", "static_headers": {"X-Mine": "1"}})
    here.file("/shop/static/a.css", "a")
    page, static = here.get("/shop/x"), here.get("/shop/static/a.css")
    assert (page.received["path"], static.body) == ("/shop/x", b"a")
    assert page.headers["Referrer-Policy"] == static.headers["Referrer-Policy"] is not None
    assert (page.headers["X-Mine"], static.headers["X-Mine"]) == (None, "1")


def test_another_fragment_is_another_release(base):
    (base / "shop.conf.j2").write_text(FRAGMENT)
    first = release(base, proxy={"fragment": "shop.conf.j2"})
    (base / "shop.conf.j2").write_text(FRAGMENT.replace("X-Where", "X-There"))
    assert release(base, proxy={"fragment": "shop.conf.j2"})["id"] != first["id"]


@pytest.mark.parametrize(
    "keys",
    [
        {"static": SPA},
        STRIPPED,
        CACHED,
        {
            "proxy": {"websocket_paths": ["/ws"], "directives": ["proxy_set_header X-Mine 1"]},
            "static": [],
        },
        {"static": [], "path": "/", **CACHED},
        {"proxy": {"fragment": "shop.conf.j2"}},
    ],
    ids=str,
)
def test_the_fragments_are_readable(base, keys):
    (base / "shop.conf.j2").write_text(FRAGMENT)
    for name, text in release(base, **keys)["files"].items():
        if name.endswith(".conf"):
            assert text.endswith("\n") and not text.endswith("\n\n"), name
            assert "\n\n\n" not in text and "\t" not in text, name
            assert "\n\n}" not in text and "{\n\n" not in text, name
            assert not re.search(r" +$", text, re.MULTILINE), name
            assert not re.search(r"\{\{|\}\}|\{%|%\}|None|False|True", text), name
            assert all((len(line) - len(line.lstrip())) % 4 == 0 for line in text.splitlines()), (
                name
            )
