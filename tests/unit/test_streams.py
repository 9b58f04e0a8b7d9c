# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the log contains when open streams hold all threads of a process."""

import importlib.util
import os
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.advice import advice

RUNTIME = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime"
PLAIN = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "PATH_INFO": "/",
    "CONTENT_LENGTH": "",
}


@pytest.fixture
def wsgi(monkeypatch):
    monkeypatch.syspath_prepend(str(RUNTIME))
    spec = importlib.util.spec_from_file_location(
        "flaskops_wsgi_of_streams", RUNTIME / "flaskops_wsgi.py"
    )
    module = importlib.util.module_from_spec(spec)
    monkeypatch.delenv("FLASKOPS_MODULE", raising=False)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HELD", 0.1)
    monkeypatch.setattr(module, "PAUSE", 0.05)
    yield module
    sys.modules.pop("flaskops_fork", None)


def uwsgi_of(threads):
    return SimpleNamespace(
        opt=dict(threads),
        worker_id=lambda: 0,
        numproc=2,
        connection_fd=lambda: os.open(os.devnull, os.O_RDONLY),
    )


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return iter([b"data: 1\n\n", b"data: 2\n\n"])


def short(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def opened(app, **more):
    return app({**PLAIN, **more}, lambda *_words: lambda _part: None)


def logged(capsys, seconds=0.6):
    time.sleep(seconds)
    return capsys.readouterr().out


@pytest.fixture
def gunicorn(wsgi, monkeypatch):
    monkeypatch.setattr(wsgi, "uwsgi", None)
    monkeypatch.setenv("FLASKOPS_THREADS", "2")
    return wsgi


def test_streams_on_all_threads_are_reported_once_with_the_key(gunicorn, capsys):
    app = gunicorn.wrap(stream, "")
    answers = [opened(app) for _number in range(2)]
    words = logged(capsys)
    assert words.count("\n") == 1
    assert (
        words.startswith("flaskops: open streams hold all 2 threads of a process")
        and "websocket: true" in words
    )
    assert "gunicorn.threads" in words
    assert advice(words, {}) == [words.strip().removeprefix("flaskops: ")]
    for answer in answers:
        answer.close()
    assert [opened(app) for _number in range(2)] and logged(capsys) == ""


@pytest.mark.parametrize("count", [1, 0])
def test_nothing_is_reported_while_a_thread_is_free(gunicorn, capsys, count):
    app = gunicorn.wrap(stream, "")
    answers = [opened(app) for _number in range(count)]
    assert [list(opened(gunicorn.wrap(short, ""))) for _number in range(9)] == [[b"ok"]] * 9
    assert logged(capsys) == "" and len(answers) == count


def test_streams_that_end_are_not_reported(gunicorn, capsys):
    app = gunicorn.wrap(stream, "")
    for _number in range(9):
        answer = opened(app)
        assert len(list(answer)) == 2
        answer.close()
    assert logged(capsys) == ""


def test_a_later_shortage_is_reported_if_the_first_one_was_short(gunicorn, capsys, monkeypatch):
    app = gunicorn.wrap(stream, "")
    for answer in [opened(app) for _number in range(2)]:
        answer.close()
    assert logged(capsys) == ""
    answers = [opened(app) for _number in range(2)]
    assert "open streams" in logged(capsys) and answers


def test_an_answer_with_a_length_is_unchanged(gunicorn):
    given = [b"ok"]
    assert (
        opened(gunicorn.wrap(lambda environ, begin: (short(environ, begin), given)[1], "")) is given
    )


def test_a_websocket_holds_a_thread_as_well(gunicorn, capsys):
    """While a websocket is open, the application has not returned."""
    lines = []

    def talk(environ, _start_response):
        lines.append(logged(capsys))
        return []

    app = gunicorn.wrap(
        lambda environ, begin: (
            talk(environ, begin) if "HTTP_UPGRADE" in environ else stream(environ, begin)
        ),
        "",
    )
    answer = opened(app)
    opened(app, HTTP_UPGRADE="websocket")
    assert "open streams hold all 2 threads" in lines[0] and answer


@pytest.mark.parametrize(
    "opt", [{"gevent": b"100"}, {"gevent": b"100", "threads": b"2"}, {}], ids=str
)
def test_greenlets_are_not_counted(wsgi, monkeypatch, opt):
    monkeypatch.setattr(wsgi, "uwsgi", uwsgi_of(opt))
    assert wsgi._streams() is None
    monkeypatch.setattr(wsgi, "uwsgi", None)
    monkeypatch.setenv("FLASKOPS_THREADS", "")
    assert wsgi._streams() is None


@pytest.fixture
def listener(tmp_path):
    one = socket.socket(socket.AF_UNIX)
    one.bind(str(tmp_path / "s"))
    one.listen(5)
    yield one
    one.close()


def test_under_uwsgi_streams_are_reported_while_a_client_waits(wsgi, monkeypatch, capsys, listener):
    """Another process with a free thread accepts the connection."""
    monkeypatch.setattr(wsgi, "uwsgi", uwsgi_of({"threads": [b"4", b"1"]}))
    app = wsgi.wrap(stream, "")
    answer = opened(app)
    assert logged(capsys) == ""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(listener.getsockname())
        words = logged(capsys)
    assert "hold all 1 threads" in words and "uwsgi.threads" in words
    assert list(answer)[-1] == b"0\r\n\r\n"
    answer.close()


def test_under_uwsgi_a_silent_stream_holds_its_thread(wsgi, monkeypatch, capsys, listener):
    monkeypatch.setattr(wsgi, "uwsgi", uwsgi_of({"threads": b"1"}))
    lines = []

    def silent(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/event-stream")])

        def events():
            lines.append(logged(capsys))
            yield b"data: 1\n\n"

        return events()

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(listener.getsockname())
        opened(wsgi.wrap(silent, "")).close()
    assert "open streams hold all 1 threads" in lines[0]


def test_a_stream_that_breaks_holds_no_thread(wsgi, monkeypatch, listener):
    monkeypatch.setattr(wsgi, "uwsgi", uwsgi_of({"threads": b"1"}))
    streams = wsgi._streams()

    def broken(_environ, start_response):
        start_response("200 OK", [])
        yield from ()
        raise RuntimeError

    opened(wsgi._chunked(broken, streams))
    assert streams.open == 0


@pytest.mark.parametrize(
    ("own", "arguments", "threads"),
    [
        ("", "", "4"),
        ("threads = 7\n", "", "7"),
        ("", "--threads 9 --timeout 5", "9"),
        ("worker_class = 'gevent'\n", "", ""),
        ("", "-k gevent", ""),
        ("", "--worker-class=gevent", ""),
    ],
)
def test_gunicorn_passes_on_its_number_of_threads(tmp_path, monkeypatch, own, arguments, threads):
    (tmp_path / "release.py").write_text("worker_class = 'gthread'\nthreads = 4\n")
    (tmp_path / "own.py").write_text(own)
    monkeypatch.setenv("FLASKOPS_GUNICORN_CONF", str(tmp_path / "own.py") if own else "")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", arguments)
    monkeypatch.setenv("FLASKOPS_THREADS", "0")
    text = (
        (RUNTIME / "flaskops_gunicorn.py")
        .read_text()
        .replace("/etc/flaskops/gunicorn.conf.py", str(tmp_path / "release.py"))
    )
    exec(compile(text, "flaskops_gunicorn.py", "exec"), {"__name__": "__config__"})
    assert os.environ["FLASKOPS_THREADS"] == threads
