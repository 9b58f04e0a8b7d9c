# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the wrapper finds that an application starts while it loads, and what the deploy reports."""

import contextlib
import importlib.util
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.advice import advice

RUNTIME = Path(__file__).resolve().parents[2] / "roles/flask_apps/files/runtime"


@pytest.fixture
def fork():
    spec = importlib.util.spec_from_file_location("flaskops_fork", RUNTIME / "flaskops_fork.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def started():
    """A thread that runs a function of a module; the fixture ends it."""
    end, running = threading.Event(), []

    def start(module, name="one", **known):
        there = {"__name__": module, "end": end, "begun": (begun := threading.Event()), **known}
        exec("def run():\n    begun.set()\n    end.wait()\n", there)
        running.append(threading.Thread(target=there["run"], name=name, daemon=True))
        running[-1].start()
        begun.wait()

    yield start
    end.set()
    for thread in running:
        thread.join()


def lines(fork, before=None, forks=True, processes=2):
    return list(fork.findings(fork.sockets() if before is None else before, forks, processes))


def test_a_fork_waits_for_imports_of_other_threads(fork, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_to_come.py").write_text("import time\ntime.sleep(0.5)\nTHERE = True\n")
    thread = threading.Thread(target=__import__, args=["slow_to_come"])
    thread.start()
    while "slow_to_come" not in sys.modules:
        time.sleep(0.01)
    fork.settle()
    assert sys.modules["slow_to_come"].THERE
    thread.join()


def test_a_fork_waits_neither_for_other_threads_nor_forever(fork, started, tmp_path, monkeypatch):
    began = time.monotonic()
    started("shop.worker", "consumer")
    fork.settle()
    assert time.monotonic() - began < 0.3
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "never_here.py").write_text("import time\ntime.sleep(1.5)\n")
    thread = threading.Thread(target=__import__, args=["never_here"])
    thread.start()
    time.sleep(0.1)
    fork.settle(0.2)
    assert time.monotonic() - began < 1.2
    thread.join()


def test_an_application_that_starts_nothing_gives_no_finding(fork):
    assert lines(fork) == []


def test_a_thread_is_missing_in_a_forked_process(fork, started):
    started("shop.worker", "consumer")
    assert lines(fork) == ["thread 'consumer' runs in the first process only"]
    assert lines(fork, forks=False) == []


@pytest.mark.parametrize(
    "module", ["apscheduler.schedulers.background", "huey.consumer", "rocketry.core"]
)
def test_a_thread_of_a_scheduler_is_reported_as_a_scheduler(fork, started, module):
    started(module)
    assert lines(fork) == ["scheduler 'one' runs in the first process"]
    assert lines(fork, forks=False, processes=3) == ["scheduler 'one' runs in each of 3 processes"]
    assert lines(fork, forks=False, processes=1) == []


@pytest.mark.parametrize(
    "known",
    [{"any": ModuleType("schedule")}, {"run_pending": type("X", (), {"__module__": "schedule"})}],
)
def test_a_loop_that_uses_a_scheduler_is_reported_too(fork, started, known):
    started("shop.jobs", **known)
    assert lines(fork) == ["scheduler 'one' runs in the first process"]


def test_a_loop_that_uses_a_function_or_method_of_a_scheduler_is_reported_too(fork, started):
    module = ModuleType("schedule")
    exec("def every(): pass\nclass Job:\n    def do(self): pass\n", module.__dict__)
    started("shop.jobs", every=module.every)
    started("shop.more", "two", do=module.Job().do)
    assert lines(fork) == [
        "scheduler 'one' runs in the first process",
        "scheduler 'two' runs in the first process",
    ]


def test_a_proxy_object_is_not_resolved(fork, started):
    class Proxy:
        def __getattribute__(self, name):
            raise RuntimeError("there is no database yet")

    started("shop.worker", "consumer", database=Proxy())
    assert lines(fork) == ["thread 'consumer' runs in the first process only"]


def test_a_thread_beside_a_scheduler_is_not_a_scheduler(fork, started):
    started(
        "shop.jobs",
        "consumer",
        scheduler=type("BackgroundScheduler", (), {"__module__": "apscheduler.schedulers"})(),
    )
    assert lines(fork) == ["thread 'consumer' runs in the first process only"]


def test_a_library_that_restarts_after_a_fork_gives_no_finding(fork, started):
    started("opentelemetry.sdk.trace.export")
    assert lines(fork) == []


def test_a_finding_is_one_line_whatever_the_name_contains(fork, started):
    started("shop", "two\nlines \x1b[31m")
    (line,) = lines(fork)
    assert "\n" not in line
    assert "\x1b" not in line


@pytest.fixture
def opened():
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


def test_a_shared_connection_is_reported(fork, opened):
    server = opened(socket.create_server(("127.0.0.1", 0)))
    before = fork.sockets()
    opened(socket.create_connection(server.getsockname()))
    assert lines(fork, before) == [
        f"connection to '127.0.0.1:{server.getsockname()[1]}' is shared by all processes"
    ]
    assert lines(fork, before, forks=False) == []
    assert lines(fork) == []  # it existed before


def test_a_shared_connection_to_a_unix_socket_is_reported(fork, opened, tmp_path):
    server = opened(socket.socket(socket.AF_UNIX))
    server.bind(f"{tmp_path}/redis.sock")
    server.listen()
    before = fork.sockets()
    opened(socket.socket(socket.AF_UNIX)).connect(f"{tmp_path}/redis.sock")
    assert lines(fork, before) == [
        f"connection to '{tmp_path}/redis.sock' is shared by all processes"
    ]


def test_sockets_without_a_connection_give_no_finding(fork, opened):
    before = fork.sockets()
    opened(socket.create_server(("127.0.0.1", 0)))
    opened(socket.socket())
    opened(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).connect(
        ("127.0.0.1", 9)
    )  # statsd, syslog
    for one in socket.socketpair():  # the event loop of asyncio
        opened(one)
    assert lines(fork, before) == []


def test_the_inspection_of_a_socket_does_not_change_it(fork, opened):
    server = opened(socket.create_server(("127.0.0.1", 0)))
    before = fork.sockets()
    client = opened(socket.create_connection(server.getsockname()))
    lines(fork, before)
    accepted, _ = server.accept()
    with accepted:
        accepted.sendall(b"x")
    assert (client.getblocking(), client.recv(1)) == (True, b"x")


# --- the advice -----------------------------------------------------------------------------------


def container(engine="uwsgi"):
    return {
        "Config": {"Env": [f"FLASKOPS_ENGINE={engine}"], "Labels": {"host.flaskops.app": "shop"}}
    }


def test_the_advice_for_threads_and_connections_names_a_key(fork, started, opened):
    server = opened(socket.create_server(("127.0.0.1", 0)))
    before = fork.sockets()
    opened(socket.create_connection(server.getsockname()))
    started("shop", "consumer")
    logs = "\n".join(["noise", *(f"flaskops: {line}" for line in lines(fork, before)), "more"])
    thread, connection = advice(logs, container())
    assert "thread 'consumer' runs in the first process only." in thread
    assert "uwsgi.lazy_apps: true" in thread
    assert "connection to '127.0.0.1:" in connection
    assert "uwsgi.lazy_apps: true" in connection
    for words in advice(logs, container("gunicorn")):
        assert "preload_app" in words
        assert "lazy_apps" not in words


@pytest.mark.parametrize("forks", [True, False])
def test_the_advice_for_a_scheduler_names_another_key(fork, started, forks):
    started("apscheduler.schedulers")
    logs = (
        "".join(f"flaskops: {line}\n" for line in lines(fork, forks=forks)) * 2
    )  # each worker logs it
    (words,) = advice(logs, container())
    assert "processes: [{name: scheduler" in words
    assert "overlap: false" in words
    assert "lazy_apps" not in words


def test_lines_that_the_application_logs_are_not_findings():
    assert (
        advice(
            "a flaskops: thread 'x' runs in circles\nflaskops: uwsgi runs app:app: 2 processes\n",
            container(),
        )
        == []
    )


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("module", "ended_by"), [("gunicorn.workers.base", signal.SIGTERM), ("shop.web", 0)]
)
def test_a_child_is_ended_by_sigterm_unless_the_application_handles_it(module, ended_by, early):
    """In a separate process, because handlers that run after a fork cannot be removed."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(RUNTIME)!r})
import flaskops_fork

class Worker:
    def handle_exit(self, *_):
        self.alive = False

Worker.__module__ = {module!r}
signal.signal(signal.SIGTERM, Worker().handle_exit)
flaskops_fork.watch()
if {early}:  # while it is forked, before the handlers are gone
    flaskops_fork.signal.getsignal = lambda number, get=signal.getsignal: send() or get(number)

    def send(parent=os.getpid(), sent=[]):
        if os.getpid() != parent and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))

child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGTERM) if not {early} else None
    os._exit(0)
print(os.WTERMSIG(os.waitpid(child, 0)[1]))
assert signal.getsignal(signal.SIGTERM).__name__ == "handle_exit"
assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == (f"{int(ended_by)}\n", "")
