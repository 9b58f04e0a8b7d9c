# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The id of a request in the log of its application: the rendered settings of uWSGI and Gunicorn,
and the filter of docs/proxy.md. With FLASKOPS_TEST_SERVERS=<a venv with both>.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time

import pytest
from test_proxy import ROLE, base, release  # noqa: F401

SERVERS = os.environ.get("FLASKOPS_TEST_SERVERS", "")
DOCUMENT = ROLE.parents[1] / "docs/proxy.md"
FILTER = re.search(r"(?s)```python\n(import logging.*?)```", DOCUMENT.read_text())[1]
APP = """
from flask import Flask
app = Flask(__name__)
@app.route("/shop/fail")
def fail():
    raise RuntimeError("broken")
@app.route("/shop/warn")
def warn():
    app.logger.warning("careful")
    return "fine"
@app.route("/shop/busy")
def busy():
    return "later", 503
"""
WEBSOCKET = """
from flask import Flask
from flask_sock import Sock
app = Flask(__name__)
@Sock(app).route("/shop/ws")
def ws(ws):
    ws.send("hello")
"""
BARE = """
def app(environ, start_response):
    raise RuntimeError("broken")
"""


@pytest.fixture(params=["uwsgi", "gunicorn", "gevent"])
def log(request, base):  # noqa: F811
    """Send a request to the application with the settings of its release; its log."""
    if not SERVERS:
        pytest.skip("needs FLASKOPS_TEST_SERVERS")
    keys = {"engine": "gunicorn", "websocket": True} if request.param == "gevent" else {
        "engine": request.param
    }  # fmt: skip
    socket_file, started, answers = base / "app.sock", [], []

    def ask(text, path, identity, more=""):
        (base / "main.py").write_text(text)
        engine = keys["engine"]
        name = {"uwsgi": "uwsgi.ini", "gunicorn": "gunicorn.conf.py"}[engine]
        settings = release(base, **keys)["files"][name]
        settings = re.sub(r"/run/flaskops/\w+/app\.sock", str(socket_file), settings)
        (base / name).write_text(settings)
        command = {
            "uwsgi": ["uwsgi", "--ini", name, "--home", SERVERS],
            "gunicorn": ["gunicorn", "--config", name, "flaskops_wsgi:application"],
        }[engine]
        env = {
            "PYTHONPATH": f"{base}:{ROLE}/files/runtime",
            "FLASKOPS_MODULE": "main",
            "FLASKOPS_CALLABLE": "app",
            "PATH": f"{SERVERS}/bin:{os.environ['PATH']}",
            "HOME": str(base),
        }
        with (base / "log").open("w") as file:
            started.append(
                subprocess.Popen(
                    [f"{SERVERS}/bin/{command[0]}", *command[1:]],
                    env=env, cwd=base, stdout=file, stderr=file,
                )
            )  # fmt: skip
        return identity, wait(path, identity, more)

    def listening():
        """A connection. The socket is there a little before the server listens."""
        deadline = time.monotonic() + 20
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(20)
            try:
                client.connect(str(socket_file))
                return client
            except OSError:
                client.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def wait(path, identity, more):
        with listening() as client:
            client.sendall(
                f"GET {path}?a=1 HTTP/1.1\r\nHost: a\r\nX-Real-IP: 192.0.2.7\r\n"
                f"X-Request-ID: {identity}\r\n{more or 'Connection: close'}\r\n\r\n".encode()
            )
            answers.append(b"".join(iter(lambda: client.recv(65536), b"")))
        time.sleep(0.3)
        return (base / "log").read_text()

    ask.answers = answers
    yield ask
    for process in started:
        process.terminate()
        process.wait(20)


def line(text, *words):
    return [each for each in text.splitlines() if all(word in each for word in words)]


@pytest.mark.parametrize(
    ("text", "path", "status"),
    [(APP, "/shop/fail", 500), (APP, "/shop/busy", 503), (BARE, "/shop/fail", 500)],
    ids=["exception", "status", "without Flask"],
)
def test_a_failed_request_has_a_line_with_its_id(log, text, path, status):
    identity, found = log(text, path, "0b5d1a6f")
    (one,) = line(found, f"id={identity}")
    assert f"GET {path}" in one and str(status) in one and "192.0.2.7" in one
    assert ("RuntimeError: broken" in found) == (status == 500)


def test_other_requests_are_not_logged(log):
    identity, found = log(APP, "/shop/warn", "0b5d1a6f")
    assert "careful" in found and identity not in found


@pytest.mark.parametrize("log", ["gunicorn", "gevent"], indirect=True)
def test_the_end_of_a_websocket_is_not_logged(log):
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    )
    identity, found = log(WEBSOCKET, "/shop/ws", "0b5d1a6f", upgrade)
    assert b" 101 " in log.answers[0] and b"hello" in log.answers[0]
    assert identity not in found


@pytest.mark.parametrize("path", ["/shop/fail", "/shop/warn"])
def test_the_filter_of_the_documentation_adds_the_id(log, path):
    identity, found = log(FILTER + APP, path, "0b5d1a6f")
    word = {"/shop/fail": f"ERROR main id={identity} Exception on /shop/fail [GET]"}.get(
        path, f"WARNING main id={identity} careful"
    )
    assert line(found, word), found
