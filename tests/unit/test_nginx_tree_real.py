"""The transaction with a real Nginx in a separate directory; skipped without Nginx or namespace."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.nginx.process import Host
from ansible_collections.flaskops.host.plugins.module_utils.nginx.steps import (
    NginxError,
    parse_wanted,
)
from ansible_collections.flaskops.host.plugins.module_utils.nginx.tree import NginxTree, Settings

# bin/test sets it; then these tests must run.
NGINX = os.environ.get("FLASKOPS_TEST_NGINX", "/usr/sbin/nginx")
NAMESPACE = ["unshare", "--mount", "true"]

pytestmark = pytest.mark.skipif(
    "FLASKOPS_TEST_NGINX" not in os.environ
    and (
        not os.access(NGINX, os.X_OK)
        or subprocess.run(NAMESPACE, capture_output=True, check=False).returncode != 0
    ),
    reason="needs Nginx and the right to make a mount namespace",
)

MAIN = """
pid {base}/nginx.pid;
error_log {base}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    include {root}/conf.d/*.conf;
    server {{
        listen unix:{base}/web.sock;
        include {root}/site/*.conf;
    }}
}}
"""


class Place:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.masters: list[int | None] = []
        self.root = base / "tree"
        for name in ("conf.d", "site"):
            (self.root / name).mkdir(parents=True)
        (self.root / "nginx.conf").write_text(MAIN.format(base=base, root=self.root))
        for name in "ab":
            (base / f"{name}.conf").write_text(f"location = /{name} {{ return 200 {name}; }}\n")
        self.settings = Settings(self.root, base / "lock", base / "runtime", base / "backups", 10)
        self.host = Host(NGINX, 5)

    def start(self) -> None:
        subprocess.run([NGINX, "-c", self.root / "nginx.conf"], check=True)
        deadline = time.monotonic() + 20
        while (master := self.host.master(self.root)) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.masters.append(master)

    def stop(self) -> None:
        # By process id: a test may have removed the pid file.
        for master in filter(None, self.masters):
            with contextlib.suppress(ProcessLookupError):
                os.kill(master, signal.SIGTERM)

    def change(self, **params):
        return NginxTree(parse_wanted(self.root, params), self.settings, self.host).run()

    def link(self, name: str, target: str) -> dict[str, str]:
        return {"path": f"site/{name}.conf", "target": str(self.base / f"{target}.conf")}

    def get(self, path: str) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{self.base}/web.sock")
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while chunk := client.recv(4096):
                answer += chunk
        return (
            answer.decode().split("\r\n\r\n", 1)[1]
            if b" 200 " in answer
            else answer.decode().split()[1]
        )

    def accepted(self) -> bool:
        command = [NGINX, "-t", "-c", self.root / "nginx.conf"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.start()
    yield place
    place.stop()


def test_a_change_is_served_when_it_returns(place):
    result = place.change(links=[place.link("one", "a")])
    assert result["reloaded"] and place.get("/a") == "a"
    assert not place.change(links=[place.link("one", "a")])["changed"]
    place.change(links=[place.link("one", "b")])
    assert (place.get("/a"), place.get("/b")) == ("404", "b")


def test_an_invalid_file_is_refused_with_the_error_of_nginx_and_never_written(place):
    with pytest.raises(NginxError) as caught:
        place.change(files=[{"path": "conf.d/x.conf", "content": "bad;\n"}])
    assert (
        str(caught.value)
        == 'Nginx refuses the new configuration:\n[emerg] unknown directive "bad" in '
        f"{place.root}/conf.d/x.conf:1\nNothing was changed, the old configuration goes on serving."
    )
    assert not (place.root / "conf.d/x.conf").exists()


def test_a_port_in_use_fails_the_reload_and_the_old_configuration_is_restored(place):
    place.change(links=[place.link("one", "a")])
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = f"server {{ listen 127.0.0.1:{port}; }}\n"
        with pytest.raises(NginxError) as caught:
            place.change(
                files=[{"path": "conf.d/x.conf", "content": server}],
                links=[place.link("two", "b")],
                absent=["site/one.conf"],
            )
    assert f"[emerg] bind() to 127.0.0.1:{port} failed (98: Address already in use)" in str(
        caught.value
    )
    assert str(caught.value).endswith("The old configuration is back in its place and loaded.")
    assert (place.get("/a"), place.get("/b")) == ("a", "404")
    assert sorted(path.name for path in place.root.rglob("*") if not path.is_dir()) == [
        "nginx.conf",
        "one.conf",
    ]


def test_two_apps_swap_their_paths(place):
    place.change(links=[place.link("one", "a"), place.link("two", "b")])
    assert place.change(links=[place.link("one", "b"), place.link("two", "a")])["changed"]
    assert (place.get("/a"), place.get("/b")) == ("a", "b")


def test_the_master_of_another_configuration_is_not_reloaded(place):
    (place.base / "nginx.pid").unlink()
    assert place.host.master(place.root) is None


def test_a_stopped_nginx_is_tested_and_not_reloaded(place):
    place.stop()
    time.sleep(0.2)
    result = place.change(links=[place.link("one", "a")])
    assert result["tested"] and not result["reloaded"]


def test_a_kill_at_any_step_leaves_a_valid_tree_and_the_next_run_completes_the_change(place):
    """kill -9 of a real process at each rename and at the reload; test_nginx_tree.py covers the
    kills in between.
    """
    place.change(links=[place.link("one", "a"), place.link("two", "b")])
    swap = {"links": [place.link("one", "b"), place.link("two", "a")]}
    back = {
        "links": [place.link("one", "a"), place.link("two", "b")],
        "absent": ["conf.d/x.conf", "conf.d/y.conf"],
    }
    swap["files"] = [
        {"path": "conf.d/x.conf", "content": "map $uri $x { default $y; }\n"},
        {"path": "conf.d/y.conf", "content": "map $uri $y { default 1; }\n"},
    ]
    number = 0
    while True:
        number += 1
        child = os.fork()
        if child == 0:
            die_at(number)
            place.change(**swap)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert place.accepted(), f"kill {number}"
        place.change(**swap)
        assert (place.get("/a"), place.get("/b")) == ("a", "b"), f"kill {number}"
        assert not [path for path in place.root.rglob(".*")], f"kill {number}"
        assert not list(place.settings.runtime.iterdir()), f"kill {number}"
        place.change(**back)
        if not os.WIFSIGNALED(status):
            break
    assert number > 4


def die_at(number: int) -> None:
    """Kill this process before its n-th relevant call."""
    calls = 0

    def mortal(original):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    os.rename = mortal(os.rename)
    Host.reload = mortal(Host.reload)


def test_two_concurrent_changes_are_both_applied(place):
    children = []
    for name in "ab":
        child = os.fork()
        if child == 0:
            try:
                place.change(links=[place.link(name, name)])
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert (place.get("/a"), place.get("/b")) == ("a", "b")
