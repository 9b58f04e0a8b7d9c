"""The path without its slash, the sessions of neighbours, files and their types: what a client
receives through Nginx.
"""

import json

import pytest
from conftest import APPS, ask, question

KNOWING = ["edge-uwsgi", "edge-gunicorn"]
EDGES = [*KNOWING, "edge-mounted"]
TYPES = {
    "part.mjs": "text/javascript; charset=utf-8",
    "site.webmanifest": "application/manifest+json",
    "table.csv": "text/csv; charset=utf-8",
    "read.md": "text/markdown; charset=utf-8",
    "sub.vtt": "text/vtt; charset=utf-8",
    "font.woff2": "font/woff2",
}


@pytest.mark.parametrize("name", KNOWING)
def test_one_that_knows_its_path_receives_requests_without_the_slash(get, name):
    answer = get(f"/{name}?a=1", method="POST", body="order")
    assert (answer.status, answer.json) == (201, {"body": "order", "query": "a=1"})


def test_for_a_mounted_one_a_redirect_adds_the_slash_and_keeps_the_method(get):
    answer = get("/edge-mounted?a=1", method="POST", body="order")
    assert (answer.status, answer.headers["location"]) == (308, "/edge-mounted/?a=1")


def test_a_login_at_one_does_not_log_out_at_the_others(host, browse):
    """All three set a cookie called session."""
    jar = []
    for name in EDGES:
        jar, _pages = browse(APPS[name], [(f"/login/{name}", None)], jar)
    for name in EDGES:
        _jar, (page,) = browse(APPS[name], [("/", None)], jar)
        assert page.page == f"{name}\n"
    assert len(jar) == 3


@pytest.mark.parametrize("name", EDGES)
def test_files_have_the_types_that_browsers_expect(host, name):
    """From Nginx, and from Flask in the container."""
    answers = ask(host, [question(f"/{name}/static/{file}") for file in TYPES])
    assert {
        file: answer.headers["content-type"] for file, answer in zip(TYPES, answers, strict=True)
    } == TYPES
    own = ask(host, [question(f"/{name}/file/{file}") for file in TYPES])
    assert [answer.headers["content-type"] for answer in own] == list(TYPES.values())
    wanted = "*" if name == "edge-uwsgi" else None
    assert {answer.headers.get("access-control-allow-origin") for answer in answers} == {wanted}


@pytest.mark.parametrize("name", EDGES)
def test_an_answer_does_not_lead_into_another_application(get, name):
    """The first is an internal location that each application of the same site could name."""
    for to in ("/edge-uwsgi/.flaskops/release", "@flaskops_edge-uwsgi", "/edge-gunicorn/"):
        answer = get(f"/{name}/accel?to={to}")
        assert (answer.status, answer.body) == (200, "the application's own")
        assert not [header for header in answer.headers if header.startswith("x-accel")]


RAW = """
import json, socket, sys
answers = []
for request in json.loads(sys.argv[1]):
    with socket.create_connection(("127.0.0.1", 80), 10) as line:
        line.sendall(request.replace("\\n", "\\r\\n").encode("latin-1"))
        line.settimeout(10)
        text = b""
        while part := line.recv(65536):
            text += part
        answers.append(text.decode("latin-1"))
print(json.dumps(answers))
"""


@pytest.fixture
def raw(host):
    """Send requests as they are written; return each answer, from the status line on."""

    def send(*requests: str) -> list[str]:
        return json.loads(host.check_output("python3 -c %s %s", RAW, json.dumps(requests)))

    return send


@pytest.mark.parametrize("name", EDGES)
def test_the_host_is_the_one_that_chose_the_site(raw, name):
    asked = {
        f"GET http://localhost/{name}/whoami HTTP/1.1\nHost: evil.example\nConnection: close\n\n": (
            "localhost"
        ),
        f"GET http://LocalHost:8080/{name}/whoami HTTP/1.1\nHost: evil.example:1\n"
        "Connection: close\n\n": ("localhost:8080"),
        f"GET /{name}/whoami HTTP/1.1\nHost: Shop.Example:81\nConnection: close\n\n": (
            "shop.example:81"
        ),
        f"GET /{name}/whoami HTTP/1.1\nHost: [::1]:81\nConnection: close\n\n": "[::1]:81",
        f"GET /{name}/whoami HTTP/1.0\n\n": "127.0.0.1",
    }
    for answer, host in zip(raw(*asked), asked.values(), strict=True):
        assert json.loads(answer.partition("\r\n\r\n")[2])["host"] == host


def test_an_invalid_host_is_refused(raw):
    hosts = ("evil.example:80@localhost", "<script>", "localhost:x", "a,b", "..", "localhost/x")
    for answer in raw(
        *(f"GET /edge-uwsgi/whoami HTTP/1.1\nHost: {host}\nConnection: close\n\n" for host in hosts)
    ):
        assert answer.startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("upgrade", ["h2c", "H2C", "websocket, h2c", "h2c, websocket"])
def test_no_tunnel_of_http_2_reaches_an_application(raw, name, upgrade):
    head = (
        f"GET /{name}/whoami HTTP/1.1\nHost: localhost\nUpgrade: {upgrade}\nHTTP2-Settings:"
        " AAMAAABkAARAAAAAAAIAAAAA\n"
    )
    (answer,) = raw(f"{head}Connection: Upgrade, HTTP2-Settings, close\n\n")
    assert answer.startswith("HTTP/1.1 200 ")
    assert not {"Upgrade", "Http2-Settings"} & set(
        json.loads(answer.partition("\r\n\r\n")[2])["headers"]
    )


@pytest.mark.parametrize("name", EDGES)
def test_headers_as_long_as_nginx_accepts_them_reach_the_application(raw, name):
    """Nginx accepts four of 8k, unless nginx_header_buffer_size is larger."""
    fields = "".join(f"X-Long-{number}: {'x' * 8000}\n" for number in range(3))
    (answer,) = raw(f"GET /{name}/whoami HTTP/1.1\nHost: localhost\n{fields}Connection: close\n\n")
    assert answer.startswith("HTTP/1.1 200 ")
