# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wrapper that both servers call: alone, and, with FLASKOPS_TEST_SERVERS=<a venv with uwsgi,
gunicorn, flask-sock>, under them.
"""

import importlib.util
import io
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

RUNTIME = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime"
SERVERS = os.environ.get("FLASKOPS_TEST_SERVERS", "")
SERVERS_FILE = Path(__file__).with_name("servers.txt")


@pytest.fixture
def wrapper(monkeypatch):
    monkeypatch.delenv("FLASKOPS_MODULE", raising=False)
    spec = importlib.util.spec_from_file_location("flaskops_wsgi", RUNTIME / "flaskops_wsgi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def echo(environ, start_response):
    start_response("200 OK", [])
    return [dict(environ)]


def call(application, **environ):
    """What the application saw, or the status and the headers of an answer of the wrapper."""
    answer = []
    body = application(
        {"PATH_INFO": "/", "SCRIPT_NAME": "", "wsgi.url_scheme": "http", **environ},
        lambda *words: answer.extend(words),
    )
    return body[0] if answer[0] == "200 OK" else tuple(answer)


# --- the client -----------------------------------------------------------------------------------


def test_the_servers_of_this_test_are_those_of_the_runtime_image():
    pins = [
        dict(re.findall(r"^([a-z-]+)==([\w.]+)", file.read_text(), re.M))
        for file in (SERVERS_FILE, RUNTIME / "requirements.txt")
    ]
    assert {name: pins[0][name] for name in ("gunicorn", "gevent")} == {
        name: pins[1][name] for name in ("gunicorn", "gevent")
    }
    assert (
        pins[0]["pyuwsgi"].split(".")[:2] == pins[1]["uwsgi"].split(".")[:2]
    )  # its wheels are released later


def test_the_address_and_the_scheme_come_from_nginx(wrapper):
    seen = call(
        wrapper.wrap(echo, ""),
        HTTP_X_REAL_IP="192.0.2.7",
        HTTP_X_FORWARDED_PROTO="https",
        REMOTE_ADDR="",
    )
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("192.0.2.7", "https")


def test_values_without_a_header_are_unchanged(wrapper):
    seen = call(wrapper.wrap(echo, ""), REMOTE_ADDR="127.0.0.1", PATH_INFO="/shop/x")
    assert (
        seen["REMOTE_ADDR"],
        seen["wsgi.url_scheme"],
        seen["PATH_INFO"],
        seen["SCRIPT_NAME"],
    ) == ("127.0.0.1", "http", "/shop/x", "")


# --- the path -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/shop/", "/"),
        ("/shop/a/b", "/a/b"),
        ("/shop//", "//"),
        ("/shop/shop/x", "/shop/x"),
        ("/shop/ü", "/ü"),
    ],
)
def test_the_path_is_removed_and_passed(wrapper, path, rest):
    seen = call(wrapper.wrap(echo, "/shop"), PATH_INFO=path)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/shop", rest)


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("//shop/cart/x", "/x"),
        ("/shop//cart/x//y", "/x//y"),
        ("///shop///cart//", "//"),
        ("/./shop/cart/./x", "/./x"),
        ("/other/../shop/cart/x", "/x"),
        ("/shop/../shop/cart/", "/"),
        ("/../shop/cart/x/../y", "/x/../y"),
    ],
)
def test_the_path_is_matched_as_nginx_matches_it(wrapper, path, rest):
    seen = call(wrapper.wrap(echo, "/shop/cart"), PATH_INFO=path)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/shop/cart", rest)


def test_the_path_without_its_slash_is_found_too(wrapper):
    assert (
        dict(call(wrapper.wrap(echo, "/shop/cart"), PATH_INFO="//shop//cart")[1])["Location"]
        == "/shop/cart/"
    )


@pytest.mark.parametrize(("query", "target"), [("", "/shop/"), ("a=1&b=2", "/shop/?a=1&b=2")])
def test_the_path_without_its_slash_is_redirected_relatively(wrapper, query, target):
    status, headers = call(wrapper.wrap(echo, "/shop"), PATH_INFO="/shop", QUERY_STRING=query)
    assert (status, dict(headers)["Location"]) == ("308 Permanent Redirect", target)


@pytest.mark.parametrize(
    "path", ["/", "/shopping", "/x/shop/", "", "//", "//shopping", "/shop.", "/.."]
)
def test_requests_outside_the_path_are_not_found(wrapper, path):
    assert call(wrapper.wrap(echo, "/shop"), PATH_INFO=path)[0] == "404 Not Found"


# --- the application ------------------------------------------------------------------------------


@pytest.fixture
def modules(tmp_path, monkeypatch):
    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    return write


@pytest.mark.parametrize("name", ["app", "create_app()"])
def test_a_callable_and_a_factory_are_loaded(wrapper, modules, name):
    modules(wsgi_sample="def app(*_): return 'answer'\ndef create_app(): return app\n")
    assert wrapper.load("wsgi_sample", name)() == "answer"


def test_a_factory_gets_the_configured_arguments(wrapper, modules):
    modules(
        shop=(
            "def create_app(config='dev', *, debug=False):\n    return lambda *_: (config, debug)\n"
        )
    )
    assert wrapper.load("shop", "create_app()")() == ("dev", False)
    assert wrapper.load("shop", "create_app('prod', debug=True)")() == ("prod", True)
    with pytest.raises(RuntimeError, match="must be constants"):
        wrapper.load("shop", "create_app(os.environ)")


def test_an_application_is_loaded_from_a_file(wrapper, modules):
    place = modules(
        some_file="import sys\nthere = __name__ in sys.modules\ndef application(*_): return there\n"
    )
    assert wrapper.load(f"{place}/some_file.py", "application")() is True


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (
            "def web(): pass\n_x = len\n",
            "app",
            r"flaskops: broken_0 has no 'app'; its callables: web\. Write module",
        ),
        (
            "app = 7\n",
            "app",
            r"flaskops: 'app' of broken_1 must be callable; got int\. Write module",
        ),
        (
            "def make(): pass\n",
            "make()",
            r"flaskops: 'make\(\)' of broken_2 must be callable; got NoneType",
        ),
        (
            "raise SystemExit('no database')\n",
            "app",
            r"flaskops: broken_3 ended the program while it was imported: no database",
        ),
    ],
    ids=["0", "1", "2", "3"],
)
def test_a_broken_application_ends_the_server_with_a_message(
    wrapper, modules, request, text, name, words
):
    module = f"broken_{request.node.callspec.id}"
    modules(**{module: text})
    with pytest.raises(RuntimeError, match=words):
        wrapper.load(module, name)


# --- websockets under uWSGI -----------------------------------------------------------------------


@pytest.fixture
def under_uwsgi(wrapper, monkeypatch):
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(
        wrapper, "uwsgi", SimpleNamespace(connection_fd=ours.fileno, opt={"threads": b"4"})
    )
    yield wrapper, theirs
    ours.close()
    theirs.close()


def test_a_library_that_needs_the_socket_gets_a_copy(under_uwsgi):
    wrapper, theirs = under_uwsgi

    def app(environ, _start_response):
        environ["gunicorn.socket"].sendall(b"hello")
        raise StopIteration

    assert wrapper.wrap(app, "")({"HTTP_UPGRADE": "websocket"}, None) == []
    assert theirs.recv(9) == b"hello"
    os.fstat(wrapper.uwsgi.connection_fd())


def test_libraries_that_use_the_uwsgi_api_do_not_get_the_socket(under_uwsgi, monkeypatch):
    wrapper, _ = under_uwsgi
    monkeypatch.setattr(wrapper.os, "dup", lambda _descriptor: pytest.fail("taken"))
    assert call(wrapper.wrap(echo, ""), HTTP_UPGRADE="websocket")["HTTP_UPGRADE"] == "websocket"
    assert "gunicorn.socket" not in call(wrapper.wrap(echo, ""))


@pytest.mark.parametrize(("length", "rest"), [(99999, 99999), (100000, 0), (3000000, 0)])
def test_a_large_request_is_read_after_the_answer(under_uwsgi, length, rest):
    wrapper, _ = under_uwsgi
    closed = []
    request = io.BytesIO(b"x" * length)

    class Answer(list):
        def close(self):
            closed.append(request.tell())

    def app(_environ, start_response):
        start_response("413 Too Large", [])
        return Answer([b"no"])

    environ = {"CONTENT_LENGTH": str(length), "wsgi.input": request}
    body = wrapper.wrap(app, "")(environ, lambda *_: None)
    assert list(body) == [b"no"]
    body.close()
    assert closed == [0]
    assert len(request.read()) == rest


def test_a_child_of_a_thread_of_uwsgi_gets_signals(under_uwsgi):
    wrapper, _ = under_uwsgi
    codes = []

    def app(_environ, start_response):
        child = subprocess.Popen(["sleep", "60"])
        child.terminate()
        try:
            codes.append(child.wait(5))
        except subprocess.TimeoutExpired:
            child.kill()
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    def thread():
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())  # like uWSGI
        for _ in range(2):
            call(wrapper.wrap(app, ""))

    running = threading.Thread(target=thread)
    running.start()
    running.join()
    assert codes == [-signal.SIGTERM] * 2


# --- an answer without a length, under uWSGI ------------------------------------------------------


class Parts:
    """An answer that comes in parts; an exception as a part interrupts it."""

    def __init__(self, *parts):
        self.parts = list(parts)
        self.closed = 0

    def __iter__(self):
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self):
        self.closed += 1


class Exchange:
    """One request, as uWSGI runs it: the data that was sent, in order, and the exception that ended
    it.
    """

    def __init__(self, wrapper, app, **environ):
        self.sent, self.error = [], None
        try:
            answer = wrapper.wrap(app, "")(
                {"SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "GET", **environ}, self.start
            )
        except RuntimeError as error:
            self.error = error
            return
        try:
            for part in answer:
                self.sent.append(part)
        except RuntimeError as error:
            self.error = error
        finally:
            if hasattr(answer, "close"):
                answer.close()

    def start(self, status, headers, exc_info=None):
        self.sent.append((status, headers))
        return self.sent.append

    @property
    def body(self):
        return b"".join(part for part in self.sent[1:])


CHUNKED = ("Transfer-Encoding", "chunked")


def answers(parts, status="200 OK", headers=()):
    def app(_environ, start_response):
        start_response(status, list(headers))
        return parts

    return app


def test_an_answer_without_a_length_is_sent_in_chunks(under_uwsgi):
    parts = Parts(b"one", b"", b"x" * 300)
    seen = Exchange(under_uwsgi[0], answers(parts, headers=[("Content-Type", "text/csv")]))
    assert seen.sent[0] == ("200 OK", [("Content-Type", "text/csv"), CHUNKED])
    assert seen.body == b"3\r\none\r\n12c\r\n" + b"x" * 300 + b"\r\n0\r\n\r\n"
    assert parts.closed == 1


@pytest.mark.parametrize("parts", [[], [b""], None, b"", "", iter(())], ids=repr)
def test_an_empty_answer_has_its_last_chunk(under_uwsgi, parts):
    seen = Exchange(under_uwsgi[0], answers(parts))
    assert (seen.sent[0], seen.body) == (("200 OK", [CHUNKED]), b"0\r\n\r\n")


@pytest.mark.parametrize(
    "environ", [{"SERVER_PROTOCOL": "HTTP/1.0"}, {"REQUEST_METHOD": "HEAD"}], ids=str
)
@pytest.mark.parametrize("status", ["200 OK", "500 Broken"])
def test_a_client_without_chunk_support_gets_no_chunks(under_uwsgi, environ, status):
    assert Exchange(under_uwsgi[0], answers([b"one"], status), **environ).sent == [
        (status, []),
        b"one",
    ]


@pytest.mark.parametrize(
    "status", ["101 Switching Protocols", "103 Early Hints", "204 No Content", "304 Not Modified"]
)
def test_a_status_that_has_no_body_gets_no_chunks(under_uwsgi, status):
    assert Exchange(under_uwsgi[0], answers([], status)).sent == [(status, [])]


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "content-length", "CONTENT-LENGTH", "Content-length", "Transfer-Encoding"],
)
def test_an_answer_with_a_known_end_is_unchanged(under_uwsgi, name):
    parts = [b"one"]
    app = under_uwsgi[0].wrap(answers(parts, headers=[("X-A", "b"), (name, "3")]), "")
    assert app({"SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "GET"}, lambda *_: None) is parts


def test_an_interrupted_answer_has_no_last_chunk(under_uwsgi):
    parts = Parts(b"one", RuntimeError("no more"), b"two")
    seen = Exchange(under_uwsgi[0], answers(parts))
    assert (str(seen.error), seen.body, parts.closed) == ("no more", b"3\r\none\r\n", 1)


def raises(_environ, _start_response):
    raise RuntimeError("at once")


def raises_after_its_head(_environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    raise RuntimeError("at once")


@pytest.mark.parametrize(
    "app", [answers(Parts(RuntimeError("at once"))), raises, raises_after_its_head]
)
def test_an_answer_that_breaks_before_its_first_part_is_a_server_error(under_uwsgi, capsys, app):
    seen = Exchange(under_uwsgi[0], app)
    status, headers = seen.sent[-2]
    assert (seen.error, status, dict(headers)["Content-Length"]) == (
        None,
        "500 Internal Server Error",
        str(len(seen.sent[-1])),
    )
    assert "RuntimeError: at once" in capsys.readouterr().err


def test_a_broken_answer_is_closed(under_uwsgi):
    parts = Parts(RuntimeError("at once"))
    Exchange(under_uwsgi[0], answers(parts))
    assert parts.closed == 1


def test_no_error_is_written_into_a_websocket(under_uwsgi):
    seen = Exchange(under_uwsgi[0], raises, HTTP_UPGRADE="websocket")
    assert (str(seen.error), seen.sent) == ("at once", [])


def late(parts, headers):
    def app(_environ, start_response):
        start_response("200 OK", list(headers))
        yield from parts

    return app


def test_an_application_may_start_its_answer_at_the_first_read(under_uwsgi):
    wrapper, _ = under_uwsgi
    assert Exchange(wrapper, late([b"one"], [])).body == b"3\r\none\r\n0\r\n\r\n"
    length = [("Content-Length", "6")]
    assert Exchange(wrapper, late([b"one", b"two"], length)).sent == [
        ("200 OK", length),
        b"one",
        b"two",
    ]
    assert (
        Exchange(wrapper, late(Parts(RuntimeError("broken")), length)).sent[-2][0]
        == "500 Internal Server Error"
    )


def test_a_websocket_that_answers_nothing_sends_nothing(under_uwsgi):
    for nothing in ([], "", None):
        assert (
            Exchange(
                under_uwsgi[0], lambda *_, nothing=nothing: nothing, HTTP_UPGRADE="websocket"
            ).sent
            == []
        )


def test_written_data_is_sent_in_chunks_too(under_uwsgi):
    def app(_environ, start_response):
        write = start_response("200 OK", [])
        write(b"first")
        write(b"")
        return [b"second"]

    seen = Exchange(under_uwsgi[0], app)
    assert seen.sent[0] == ("200 OK", [CHUNKED])
    assert seen.body == b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"


def test_an_error_replaces_an_answer_until_something_is_sent(under_uwsgi):
    def app(_environ, start_response, written=b""):
        write = start_response("200 OK", [("X-First", "1")])
        if written:
            write(written)
        try:
            raise RuntimeError("late")
        except RuntimeError:
            start_response("500 Broken", [], sys.exc_info())
        return [b"sorry"]

    assert Exchange(under_uwsgi[0], app).sent[0] == ("500 Broken", [CHUNKED])
    seen = Exchange(under_uwsgi[0], lambda *both: app(*both, b"out"))
    assert (str(seen.error), seen.body) == ("late", b"3\r\nout\r\n")


def test_a_file_is_not_read_line_by_line(under_uwsgi):
    file = io.BytesIO(b"a line\n" * 20000)
    seen = Exchange(under_uwsgi[0], answers(file))
    assert len(seen.sent) < 10
    assert file.closed


# --- under the servers ----------------------------------------------------------------------------

APP = r"""
import os, time
from flask import Flask, request, url_for
from flask_sock import Sock

app = Flask(__name__)

@app.get("/")
def index():
    url = url_for("index", _external=True)
    return {"url": url, "remote": request.remote_addr, "path": request.path}

@app.get("/slow")
def slow():
    time.sleep(1)
    return "whole"

@app.get("/raises")
def raises():
    app.config["PROPAGATE_EXCEPTIONS"] = True
    raise RuntimeError("no more rows")

@app.get("/rows/<int:end>")
def rows(end):
    def made():
        for number in range(10):
            if number == end:
                raise RuntimeError("no more rows")
            yield "x" * 999 + "\n"
    return made(), {"Content-Type": "text/csv"}

@app.get("/ticks")
def ticks():
    def streamed():
        for number in range(3):
            yield f"data: {number}\n\n"
            time.sleep(0.7)
    return streamed(), {"Content-Type": "text/event-stream"}

@app.post("/refuse")
def refuse():
    return "too large", 413

@Sock(app).route("/echo")
def echo(ws):
    ws.send(ws.receive())
"""
UWSGI = [
    "uwsgi",
    "--master",
    "--strict",
    "--need-app",
    "--module",
    "flaskops_wsgi:application",
    "--buffer-size",
    "32768",
]
UWSGI += ["--hook-master-start", "unix_signal:15 gracefully_kill_them_all", "--processes", "1"]
GUNICORN = [
    "gunicorn",
    "--no-control-socket",
    "flaskops_wsgi:application",
    "--umask",
    "0111",
    "--worker-class",
]
KINDS = {
    "uwsgi threads": [*UWSGI, "--threads", "4"],
    "uwsgi gevent": [*UWSGI, "--gevent", "10", "--gevent-monkey-patch"],
    "gunicorn gthread": [*GUNICORN, "gthread", "--threads", "4"],
    "gunicorn gevent": [*GUNICORN, "gevent"],
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def served(request, tmp_path):
    """A server with an application; starts it and answers raw requests."""
    if not SERVERS:
        pytest.skip("needs FLASKOPS_TEST_SERVERS")
    started = []

    def start(text=APP):
        (tmp_path / "main.py").write_text(text)
        env = {
            "PYTHONPATH": f"{tmp_path}:{RUNTIME}",
            "FLASKOPS_MODULE": "main",
            "FLASKOPS_CALLABLE": "app",
            "FLASKOPS_MOUNT": "/shop",
        }
        name, *options = request.param
        path = tmp_path / "app.sock"
        listen = (
            ["--home", SERVERS, "--http-socket", str(path)]
            if name == "uwsgi"
            else ["--bind", f"unix:{path}"]
        )
        env = {**env, "PATH": f"{SERVERS}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}
        log = (tmp_path / "log").open("w")
        process = subprocess.Popen(
            [f"{SERVERS}/bin/{name}", *options, *listen],
            env=env,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
        started.append(process)
        deadline = time.monotonic() + 20
        while not path.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return process, path, lambda: (tmp_path / "log").read_text()

    yield start
    for process in started:
        process.kill()
        process.wait()


HEADERS = b"Host: shop.example\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key:"
    b" dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


def connect(path, target, more=b"Connection: close\r\n"):
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        try:
            client.connect(str(path))
            client.sendall(b"GET " + target + b" HTTP/1.1\r\n" + HEADERS + more + b"\r\n")
            return client
        except OSError:
            client.close()
            time.sleep(0.1)
    raise AssertionError("no connection")


def answer(client):
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_the_application_gets_the_client_address_and_its_path(served):
    _, path, log = served()
    text = answer(connect(path, b"/shop/")).decode()
    assert '"url":"https://shop.example/shop/"' in text, log()
    assert '"remote":"192.0.2.7"' in text
    assert '"path":"/"' in text
    assert " 404 " in answer(connect(path, b"/other/")).decode().splitlines()[0]


@pytest.mark.parametrize(("end", "whole"), [(99, True), (5, False)])
def test_an_answer_without_a_length_ends_only_when_it_is_complete(served, end, whole):
    _, path, log = served()
    text = answer(connect(path, b"/shop/rows/%d" % end))
    assert b" 200 " in text.splitlines()[0], log()
    assert text.count(b"xxx\n") == min(end, 10)
    assert text.endswith(b"\r\n0\r\n\r\n") == whole
    assert b"\r\nContent-Length" not in text


@pytest.mark.parametrize("target", [b"/shop/rows/0", b"/shop/raises"])
def test_an_answer_that_breaks_before_its_first_part_is_an_error(served, target):
    _, path, log = served()
    assert b" 500 " in answer(connect(path, target)).splitlines()[0], log()
    assert "no more rows" in log()


def test_head_and_an_old_client_get_no_chunks(served):
    _, path, log = served()
    answer(connect(path, b"/shop/"))
    for request in (b"HEAD /shop/rows/99 HTTP/1.1", b"GET /shop/rows/99 HTTP/1.0"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(request + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
            head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0], log()
        assert len(body) == (10000 if request[:3] == b"GET" else 0)


def test_each_event_arrives_when_it_is_sent(served):
    _, path, log = served()
    answer(connect(path, b"/shop/"))
    client, arrived, text = connect(path, b"/shop/ticks"), [], b""
    while part := client.recv(4096):
        text += part
        arrived += [time.monotonic()] * (text.count(b"data: ") - len(arrived))
    assert len(arrived) == 3, log()
    assert min(after - before for before, after in itertools.pairwise(arrived)) > 0.5
    client.close()


def test_flask_sock_works_under_every_server(served):
    _, path, log = served()
    client = connect(path, b"/shop/echo", UPGRADE)
    head = client.recv(4096)
    assert b" 101 " in head.splitlines()[0], (head, log())
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    client.sendall(b"\x81\x82\0\0\0\0hi")
    assert client.recv(100)[:4] == b"\x81\x02hi"
    client.close()


def test_a_request_whose_body_is_not_read_is_answered(served):
    _, path, log = served()
    answer(connect(path, b"/shop/"))
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(
            b"POST /shop/refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\nConnection:"
            b" close\r\n\r\n"
        )
        client.sendall(b"x" * 5_000_000)
        assert b"too large" in b"".join(iter(lambda: client.recv(65536), b"")), log()


def test_sigterm_lets_a_running_request_finish(served):
    process, path, log = served()
    answer(connect(path, b"/shop/"))
    client = connect(path, b"/shop/slow")
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert answer(client).endswith(b"whole"), log()
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    "text", ["api = 1\n", "import none_such\n", "raise SystemExit('crashed')\n"]
)
def test_a_broken_application_ends_the_server(served, text):
    process, _, log = served(text)
    assert process.wait(20) != 0
    assert re.search(
        "flaskops: main has no 'app'|No module named 'none_such'|flaskops: main ended the program"
        " .*: crashed",
        log(),
    )
