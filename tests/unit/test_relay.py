# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The relay, as a process with real servers behind it."""

import importlib.util
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.command import shell_line

RELAY = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/relay.py"
# Answers with the path of the request, for /slow after a second; SIGTERM lets requests finish.
SERVER = """
import http.server, os, signal, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(1 if self.path == "/slow" else 0)
        self.answer(self.path.encode())
    def do_POST(self):
        self.answer(str(len(self.rfile.read(int(self.headers["Content-Length"])))).encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    if len(sys.argv) > 2:
        import socket
        address_family = socket.AF_UNIX
        def server_bind(self):
            self.socket.bind(self.server_address)
            self.server_name, self.server_port = "x", 0
        def get_request(self):
            return self.socket.accept()[0], ("x", 0)

server = Server(("127.0.0.1", int(sys.argv[1])) if len(sys.argv) == 2 else sys.argv[2], Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
sys.exit(3)
"""


def load():
    spec = importlib.util.spec_from_file_location("relay", RELAY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def relay(tmp_path):
    """Starts the relay; its output is in a file."""
    (tmp_path / "server.py").write_text(SERVER)
    processes = []

    def start(*arguments, **env):
        known = {
            "PATH": "/usr/bin:/bin",
            "FLASKOPS_SOCKET": str(tmp_path / "app.sock"),
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        log = (tmp_path / "log").open("w")
        process = subprocess.Popen(
            [sys.executable, str(RELAY), *arguments],
            env=known,
            stdout=log,
            stderr=log,
            cwd=tmp_path,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.wait(15)


def ask(path, request, tries=100):
    """The answer over the socket, as soon as it is available."""
    for _ in range(tries):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            try:
                client.connect(str(path))
                client.sendall(request)
                found = b"".join(iter(lambda: client.recv(65536), b""))
            except OSError:
                found = b""
            if found:
                return found
        time.sleep(0.05)
    return b""


def get(path):
    return f"GET {path} HTTP/1.0\r\n\r\n".encode()


def test_a_server_on_a_port_is_reached_over_the_socket(relay, port, tmp_path):
    process = relay(
        FLASKOPS_COMMAND=shell_line(f"{sys.executable} server.py {port}"), FLASKOPS_PORT=str(port)
    )
    socket_file = tmp_path / "app.sock"
    assert ask(socket_file, get("/hello")).endswith(b"\r\n\r\n/hello")
    assert stat.S_IMODE(socket_file.stat().st_mode) == 0o666
    body = b"x" * 3_000_000
    assert ask(socket_file, b"POST / HTTP/1.0\r\nContent-Length: 3000000\r\n\r\n" + body).endswith(
        b"\r\n\r\n3000000"
    )
    assert (
        f"flaskops: starts sh -c exec {sys.executable} server.py {port}, relayed to port {port}\n"
        == (tmp_path / "log").read_text()
    )
    process.terminate()
    assert process.wait(15) == 3
    assert not socket_file.exists()


@pytest.mark.parametrize("before", ["", "A=1 "])
def test_sigterm_lets_a_running_request_finish(relay, port, tmp_path, before):
    process = relay(
        FLASKOPS_COMMAND=shell_line(f"{before}{sys.executable} server.py {port}"),
        FLASKOPS_PORT=str(port),
    )
    ask(tmp_path / "app.sock", get("/"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "app.sock"))
        client.sendall(get("/slow"))
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"/slow")
    assert process.wait(15) == 3


def test_the_command_of_the_image_is_started_unchanged(relay, port, tmp_path):
    relay(sys.executable, "server.py", str(port), FLASKOPS_PORT=str(port))
    assert ask(tmp_path / "app.sock", get("/own")).endswith(b"/own")


def test_a_socket_that_the_server_creates_is_opened_to_nginx(relay, tmp_path):
    relay(FLASKOPS_COMMAND=f"umask 077; {sys.executable} server.py 0 $FLASKOPS_SOCKET")
    assert ask(tmp_path / "app.sock", get("/unix")).endswith(b"/unix")
    deadline = time.monotonic() + 20
    while (
        stat.S_IMODE((tmp_path / "app.sock").stat().st_mode) != 0o666
        and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert stat.S_IMODE((tmp_path / "app.sock").stat().st_mode) == 0o666


def test_a_running_request_finishes_behind_a_shell_too(relay, port, tmp_path):
    process = relay(
        FLASKOPS_COMMAND=f"umask 077; {sys.executable} server.py {port}", FLASKOPS_PORT=str(port)
    )
    ask(tmp_path / "app.sock", get("/"))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "app.sock"))
        client.sendall(get("/slow"))
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"/slow")
    process.wait(15)
    with (
        socket.socket() as again,
        pytest.raises(ConnectionRefusedError),
    ):  # the server has exited as well
        again.connect(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("words", "code", "output"),
    [
        ({"FLASKOPS_COMMAND": "exit 7"}, 7, ""),
        ({"FLASKOPS_COMMAND": "kill -9 $$; true"}, 137, ""),
        ({}, 1, "the image has no command; write command"),
        (
            {"arguments": ["/none/such"]},
            127,
            "/none/such cannot be started: No such file or directory",
        ),
    ],
    ids=["its code", "a signal", "none", "no file"],
)
def test_the_container_exits_with_the_server(relay, tmp_path, port, words, code, output):
    arguments = words.pop("arguments", [])
    for more in ({}, {"FLASKOPS_PORT": str(port)}):
        assert relay(*arguments, **words, **more).wait(15) == code
        assert output in (tmp_path / "log").read_text()


def test_a_missing_program_is_reported_with_the_existing_ones(tmp_path):
    script = tmp_path / "relay.py"
    (tmp_path / "bin").mkdir()
    for name in ("shop", "python3", "pip3", "flask"):
        (tmp_path / "bin" / name).touch()
    text = RELAY.read_text()
    assert '("/opt/app/bin", "/opt/project/bin")' in text
    script.write_text(
        text.replace("/opt/app/bin", str(tmp_path / "bin")).replace(
            "/opt/project/bin", str(tmp_path / "none")
        )
    )
    env = {
        **os.environ,
        "FLASKOPS_SOCKET": str(tmp_path / "app.sock"),
        "FLASKOPS_COMMAND": "no-such-shop --port 80",
    }
    done = subprocess.run(
        [sys.executable, str(script)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 127
    assert "flaskops: programs that its packages brought: flask, shop\n" in done.stdout


def test_unreadable_programs_are_not_listed(monkeypatch, tmp_path, capsys):
    relay = load()
    (tmp_path / "shop").touch()
    monkeypatch.setattr(relay, "PROGRAMS", ("/closed", str(tmp_path)))
    listed = os.listdir

    def listdir(place):
        if place == "/closed":
            raise PermissionError(13, "Permission denied", place)
        return listed(place)

    monkeypatch.setattr(os, "listdir", listdir)
    monkeypatch.setattr(os.path, "isdir", lambda place: True)
    relay.show_programs()
    assert capsys.readouterr().out == "flaskops: programs that its packages brought: shop\n"
