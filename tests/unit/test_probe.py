# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to an application that tries to delay, flood or mislead its client."""

import json
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases import gate as release_gate
from ansible_collections.flaskops.host.plugins.module_utils.releases import probe
from ansible_collections.flaskops.host.plugins.module_utils.releases import status as _status
from ansible_collections.flaskops.host.plugins.module_utils.releases import switch as _switch
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Health
from ansible_collections.flaskops.host.plugins.module_utils.releases.app_path import AppPath
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Work

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
HEAD = b"HTTP/1.1 200 OK\r\n"
SECONDS = 1.0
# What it sends first, what it repeats forever, the pause, and whether it may pass all the same: its
# header is complete and its body begins.
ENDLESS = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0, False),
    "100 Continue, slowly": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.2, False),
    "one byte after the other of a status": (b"HTTP/1.1 200 ", b"O", 0.2, False),
    "one byte after the other of a header": (HEAD + b"X: ", b"x", 0.2, False),
    "a header without an end": (HEAD + b"X: ", b"x" * 4096, 0, False),
    "headers without an end": (HEAD, b"X: y\r\n", 0, False),
    "large headers": (HEAD, b"X: " + b"y" * 16000 + b"\r\n", 0, False),
    "large headers of 100 Continue": (
        b"",
        b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 16000 + b"\r\n\r\n",
        0,
        False,
    ),
    "a body": (HEAD + b"\r\n", b"x" * 4096, 0, True),
    "a body, slowly": (HEAD + b"\r\n", b"x", 0.2, True),
    "an extension of a chunk": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;",
        b"x" * 100,
        0,
        False,
    ),
    "chunks of nothing but an extension, slowly": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        b";",
        0.2,
        False,
    ),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", 0, False),
    "trailers, slowly": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X: y\r\n",
        0.2,
        False,
    ),
    "nothing": (b"", b"", 0.2, False),
    "nothing after its header": (HEAD + b"Content-Length: 5\r\n\r\n", b"", 0.2, False),
}


@contextmanager
def served(path, first, again=b"", pause=0.0, family=socket.AF_UNIX, requests=None):
    """A server at a path or a port: what it sends first, and what it repeats."""
    listener = socket.socket(family)
    listener.bind(str(path) if family == socket.AF_UNIX else ("127.0.0.1", 0))
    listener.listen(300)
    over = threading.Event()

    def answer(line):
        with line, suppress(OSError):
            request = line.recv(65536)
            if requests is not None:
                requests.append(request.decode())
            line.sendall(first)
            while (again or pause) and not over.is_set():
                line.sendall(again)
                if pause:
                    over.wait(pause)

    def run():
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield listener.getsockname()[1] if family == socket.AF_INET else path
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def asked(path, seconds=SECONDS):
    """The status or the kind of error, and the time that it took."""
    started = time.monotonic()
    connection = probe.SocketConnection(str(path), started + seconds)
    try:
        found = probe.ask(connection, "/", probe.headers_for("localhost"))[0]
    except probe.PROBLEMS as error:
        found = probe.problem(error)
    finally:
        connection.close()
    return found, time.monotonic() - started


@pytest.mark.parametrize("what", ENDLESS)
def test_no_answer_outlasts_the_timeout_of_its_request(tmp_path, what):
    first, again, pause, well = ENDLESS[what]
    with served(tmp_path / "s", first, again, pause) as path:
        found, seconds = asked(path)
    assert seconds < SECONDS + 0.5
    assert (found == 200) is well, found


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff\xfe\x00",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\nx",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 60000 + b"\r\nx\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"A: b\r\n" * 130 + b"\r\n",
        HEAD + b"\xf0\x9f: \xff\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200\x1b[2J OK\r\n\r\n",
        b"\x1b]0;owned\x07 HTTP\r\n",
        b"",
    ],
)
def test_an_invalid_answer_is_described_in_words(tmp_path, answer):
    with served(tmp_path / "s", answer) as path:
        found, seconds = asked(path)
    assert seconds < SECONDS + 0.5
    assert isinstance(found, int) or found.isprintable()


def test_a_server_that_accepts_no_connection_runs_into_the_timeout(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        waiting = []
        for _ in range(5):  # its queue is full
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(str(tmp_path / "s"))
            waiting.append(one)
        found, seconds = asked(tmp_path / "s")
        for one in waiting:
            one.close()
    assert found == "TimeoutError: timed out"
    assert seconds < SECONDS + 0.5


def test_a_request_takes_at_most_ten_seconds_however_late_the_deadline_is():
    connection = probe.Connection(time.monotonic() + 3600)
    connection.begin()
    assert 9 < connection.left() <= 10


def test_a_good_answer_passes_and_the_connection_is_reused(tmp_path):
    with served(tmp_path / "s", b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD) as path:
        assert asked(path)[0] == 200


# --- paths of sockets -----------------------------------------------------------------------------


def test_a_link_to_a_socket_is_not_followed(tmp_path):
    with served(tmp_path / "neighbour", GOOD) as path:
        (tmp_path / "s").symlink_to(path)
        assert (
            "Too many levels of symbolic links" in asked(tmp_path / "s")[0]
            or "not a socket" in asked(tmp_path / "s")[0]
        )
        assert asked(path)[0] == 200


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: open(path, "w").close(), lambda path: None]
)
def test_a_file_that_is_not_a_socket_is_not_asked(tmp_path, make):
    make(tmp_path / "s")
    found, seconds = asked(tmp_path / "s")
    assert ("is not a socket" in found or "No such file" in found) and seconds < 0.5


def test_a_path_may_be_longer_than_a_socket_address(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    os.chdir(deep)
    with served("s", GOOD):
        assert asked(deep / "s")[0] == 200


# --- through Nginx --------------------------------------------------------------------------------

FACTS = {"site": "default", "path": "/shop", "health": {"path": "/", "status": ["2xx"]}}
SITES = [{"name": "default", "server_names": [], "port": 80}]


def question(port, **health):
    work = Work.from_dict(
        {**FACTS, "name": "shop", "id": "1", "health": {**FACTS["health"], **health}}
    )
    asked = probe.Question.of(work, SITES, Path("nginx.conf"))
    return replace(asked, port=port, config="0123456789ab")


@pytest.mark.parametrize("what", [what for what in ENDLESS if not ENDLESS[what][3]])
def test_an_answer_through_nginx_has_the_same_timeout(what):
    first, again, pause, _well = ENDLESS[what]
    with served("", first, again, pause, socket.AF_INET) as port:
        started = time.monotonic()
        assert "Nginx answered" in probe.check(question(port), started + SECONDS)
        assert time.monotonic() - started < SECONDS + 1


class Nginx:
    """Routes requests by host name to an application that answers to one name."""

    def __init__(self, routed, known):
        self.routed, self.known, self.asked = routed, known, []

    def ask(self, _connection, path, headers):
        host = headers["Host"]
        self.asked.append((host, path))
        if "/release?" in path:
            return (200, "shop 1\n") if host in self.routed else (404, "not here")
        return (200, "ok") if host in self.known else (400, "<!doctype html>")


@pytest.mark.parametrize(
    ("routed", "known", "host", "words"),
    [
        (["localhost"], ["localhost"], "", ""),
        (["localhost", "shop.example.org"], ["shop.example.org"], "shop.example.org", ""),
        # Nginx routes this name elsewhere: only the name of the site gives the result.
        (["localhost"], ["localhost", "inside"], "inside", ""),
        (["localhost"], ["shop.example.org"], "", "write one of them as health.host"),
    ],
)
def test_nginx_is_asked_by_the_name_that_the_application_answers_to(
    monkeypatch, routed, known, host, words
):
    nginx = Nginx(routed, known)
    monkeypatch.setattr(probe, "ask", nginx.ask)
    monkeypatch.setattr(probe, "UNWELL_SECONDS", 0.1)
    found = probe.check(question(1, **({"host": host} if host else {})), time.monotonic() + 1)
    assert words in found if words else found == ""


# --- the gate and the status ----------------------------------------------------------------------

HEALTH = Health(status=("2xx",), deadline_seconds=1, interval_seconds=0.1)


class Engine:
    command = ""

    def inspect(self, *_words):
        return {"State": {"Running": True, "Pid": 0}}

    def run(self, *words, **_how):
        if words[0] == "inspect":
            return json.dumps(
                [
                    {"Name": f"/{name}", "State": {"Running": True, "Status": "running"}}
                    for name in words[3:]
                ]
            )
        return ""


@pytest.mark.parametrize(
    "what", ["100 Continue", "one byte after the other of a header", "nothing"]
)
def test_the_gate_ends_with_its_deadline(tmp_path, monkeypatch, what):
    first, again, pause, _well = ENDLESS[what]
    monkeypatch.setattr(release_gate, "Docker", Engine)
    started = time.monotonic()
    with (
        served(tmp_path / "s", first, again, pause) as path,
        pytest.raises(release_gate.HostError, match="no answer was one of"),
    ):
        check = release_gate.HealthCheck("shop-1", str(path), "localhost", AppPath("/shop"), HEALTH)
        release_gate.Gate(check).run()
    assert time.monotonic() - started < HEALTH.deadline_seconds + 1


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with many applications that listen and answer in some way; queries its status."""
    nginx, servers = tmp_path / "nginx", []

    def ask(count, first, again, pause):
        (nginx / "flaskops/default").mkdir(parents=True)
        for number in range(count):
            directory = tmp_path / f"apps/a{number}/releases/1"
            (directory / "run").mkdir(parents=True)
            facts = {"app": f"a{number}", "id": "1", "container": {}, "processes": [], **FACTS}
            (directory / "release.json").write_text(json.dumps(facts))
            (nginx / f"flaskops/default/a{number}.conf").symlink_to(directory / "nginx.conf")
            server = served(os.path.relpath(directory / "run/app.sock"), first, again, pause)
            server.__enter__()
            servers.append(server)
        monkeypatch.setattr(_status, "Docker", Engine)
        return [app.to_dict() for app in _status.Status(str(tmp_path), str(nginx)).apps()]

    monkeypatch.chdir(tmp_path)
    yield ask
    for server in servers:
        server.__exit__(None, None, None)


@pytest.mark.parametrize("what", ["one byte after the other of a header", "nothing"])
def test_the_status_of_twenty_that_hang_takes_as_long_as_that_of_one(host, monkeypatch, what):
    monkeypatch.setattr(probe, "QUESTION_SECONDS", 1)
    first, again, pause, _well = ENDLESS[what]
    started = time.monotonic()
    found = host(20, first, again, pause)
    assert [app["health"] for app in found] == ["bad (TimeoutError: timed out)"] * 20
    assert time.monotonic() - started < 3


def test_the_status_of_an_application_that_answers(host):
    assert [app["health"] for app in host(1, GOOD, b"", 0)] == ["ok (200)"]


def test_the_status_reads_what_a_release_is_made_of_once(host, monkeypatch):
    files, read_text = [], Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, **how: files.append(self.name) or read_text(self, **how)
    )
    host(2, GOOD, b"", 0)
    assert files.count("release.json") == 2


def test_a_release_that_nobody_can_read_does_not_hide_the_others(host, monkeypatch):
    processes = {"a0": [7], "a1": [{"name": "worker", "command": "w"}]}

    def read_release(_root, name, _id):
        return {**FACTS, "app": name, "id": "1", "container": {}, "processes": processes[name]}

    monkeypatch.setattr(_status, "read_release", read_release)
    first, second = host(2, GOOD, b"", 0)
    assert (first["state"], second["processes"]) == ("unreadable", {"worker": "running"})
    assert first["reason"] and not second["reason"]


def test_an_application_that_does_not_answer_through_nginx_does_not_delay_the_others(
    tmp_path, monkeypatch
):
    def check(question, deadline):
        assert deadline - time.monotonic() > 14, "its time has been taken"
        time.sleep(1 if question.name != "b" else 0)
        return "" if question.name == "b" else "timed out"

    monkeypatch.setattr(_switch, "Docker", Engine)
    monkeypatch.setattr(_switch, "check", check)
    work = [Work.from_dict({**FACTS, "name": name, "id": "1"}) for name in "abc"]
    switch = _switch.Switch(str(tmp_path), str(tmp_path), "t", SITES, work)
    started = time.monotonic()
    switch._check(["a", "b", "c"])
    assert sorted(switch.failures) == ["a", "c"]
    assert time.monotonic() - started < 1.8


@pytest.mark.parametrize("killed", [0, 3])
def test_the_status_shows_the_advice_from_the_live_log(host, monkeypatch, killed):
    log = (
        "OSError: [Errno 30] Read-only file system: '/app/uploads'\nflaskops: open streams hold all"
        " 4 threads of a process, and so on."
    )
    run = Engine.run
    monkeypatch.setattr(
        Engine,
        "run",
        lambda self, *words, **how: log if words[0] == "logs" else run(self, *words, **how),
    )
    monkeypatch.setattr(_status.memory, "killed", lambda _pid: killed)
    (app,) = host(1, GOOD, b"", 0)
    assert [words for words in app["advice"] if "writable: [/app/uploads]" in words]
    assert "open streams hold all 4 threads of a process, and so on." in app["advice"]
    assert [words for words in app["advice"] if "resources.memory" in words] == app["advice"][2:]
    assert bool(app["advice"][2:]) is bool(killed)


START = "2026-11-28T10:00:00.5Z"


@pytest.mark.parametrize(
    ("finished", "restarts", "since"),
    [
        ("2026-11-28T09:59:58.123Z", 0, ("--since", START)),  # such as by a restore
        ("0001-01-01T00:00:00Z", 0, ()),  # its first start
        ("2026-11-28T10:00:01Z", 0, ()),  # it has ended
        ("2026-11-28T09:59:58.123Z", 2, ()),  # the engine starts it again and again
        (None, None, ()),
    ],
)
def test_what_a_container_said_before_it_was_started_again_is_over(
    monkeypatch, finished, restarts, since
):
    asked = []
    monkeypatch.setattr(_status, "Docker", Engine)
    monkeypatch.setattr(Engine, "run", lambda _self, *words, **_how: asked.append(words) or "")
    state = {"Running": True, "Pid": 0, "StartedAt": START, "FinishedAt": finished}
    details = {"Name": "/shop-1", "State": state, "Config": {}, "RestartCount": restarts}
    if finished is None:
        del state["StartedAt"], state["FinishedAt"], details["RestartCount"]
    assert _status.Status(".", "nginx", SITES)._advice(details) == []
    assert asked == [("logs", "--tail", asked[0][2], *since, "shop-1")]


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({}, "/shop/"),
        ({"engine": "command", "path_mode": "script_name"}, "/"),
        ({"engine": "command", "path_mode": "script_name", "script_name": "/shop"}, "/shop/"),
    ],
    ids=str,
)
def test_the_status_requests_the_path_that_the_socket_expects(tmp_path, monkeypatch, more, asked):
    requests = []
    (tmp_path / "apps/a/releases/1/run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_status, "Docker", Engine)
    status = _status.Status(".", "nginx", SITES)
    with served("apps/a/releases/1/run/app.sock", GOOD, requests=requests):
        status._health(Release.from_record({**FACTS, "app": "a", "id": "1", **more}, "."), {})
    assert requests[0].startswith(f"GET {asked} ")
