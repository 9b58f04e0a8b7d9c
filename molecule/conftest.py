# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What the tests of all scenarios share: an HTTP client and a websocket client on the test host,
and what Docker reports there.

The clients are small and use the standard library only: a test host needs no curl, and no role can
come to depend on it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROJECT = Path(os.environ.get("MOLECULE_PROJECT_DIRECTORY", Path(__file__).parents[1]))
SCENARIO = Path(os.environ.get("MOLECULE_SCENARIO_DIRECTORY", Path(__file__).parent))
INVENTORY = os.environ.get("MOLECULE_INVENTORY_FILE", "")
sys.path.append(str(PROJECT / "tests"))
from long_cases import pytest_collection_modifyitems  # noqa: F401  # a hook

HTTP_CLIENT = """
import http.client, json, sys
ask = json.loads(sys.argv[1])
connection = http.client.HTTPConnection(ask["address"], ask["port"], timeout=30)
connection.request(ask["method"], ask["path"], body=ask["body"], headers=ask["headers"])
answer = connection.getresponse()
print(json.dumps({
    "status": answer.status,
    "headers": {name.lower(): value for name, value in answer.getheaders()},
    "body": answer.read().decode("utf-8", "replace"),
}))
"""

WEBSOCKET_CLIENT = """
import base64, hashlib, json, os, socket, sys
ask = json.loads(sys.argv[1])
key = base64.b64encode(os.urandom(16)).decode()
line = socket.create_connection(("127.0.0.1", 80), timeout=30)
line.sendall((
    f"GET {ask['path']} HTTP/1.1\\r\\nHost: localhost\\r\\n"
    "Connection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
    f"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: {key}\\r\\n\\r\\n"
).encode())
stream = line.makefile("rb")
status = stream.readline().decode().strip()
headers = {}
for header in iter(stream.readline, b"\\r\\n"):
    name, value = header.decode().split(":", 1)
    headers[name.lower()] = value.strip()
guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
expected = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
messages = []
if status.split()[1] == "101":
    mask, payload = os.urandom(4), ask["text"].encode()
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    line.sendall(bytes([0x81, 0x80 | len(payload)]) + mask + masked)
    while len(messages) < ask["messages"]:
        head, length = stream.read(2)
        length = length if length < 126 else int.from_bytes(stream.read(2), "big")
        content = stream.read(length).decode()
        if head & 15 == 1:
            messages.append(content)
accepted = headers.get("sec-websocket-accept") == expected
print(json.dumps({"status": status, "accepted": accepted, "messages": messages}))
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebsocketAnswer(NamedTuple):
    status: str
    accepted: bool
    messages: list[str]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Write a new report file for each call of pytest; bin/test counts the results in them."""
    if reports := os.environ.get("FLASKOPS_TEST_REPORTS"):
        name = os.environ.get("MOLECULE_SCENARIO_NAME", "scenario")
        config.option.xmlpath = str(Path(reports, f"molecule-{name}-{time.time_ns()}.xml"))


class Run(NamedTuple):
    """The result of a run of ansible-playbook."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        return sum(int(number) for number in re.findall(r" changed=(\d+) ", self.output))

    def ok(self) -> Run:
        assert self.code == 0, self.output
        return self

    def failed(self) -> Run:
        assert self.code not in (0, -9), self.output
        return self


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("controller") / "release.key")


@pytest.fixture(scope="session")
def warm() -> dict[str, str]:
    """The environment that speeds up hundreds of runs of the same tree: shared/callback/warm.py."""
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(PROJECT / "molecule/shared/callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "flaskops.host.summary,warm",
    }


@pytest.fixture(scope="session")
def start(key_file: str, warm: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Start a playbook of the collection in its own process group."""

    def run(
        playbook: str,
        apps: list[dict[str, Any]] | None = None,
        environment: dict[str, str] | None = None,
        arguments: Sequence[str] = (),
        **variables: Any,
    ) -> Any:
        values = {
            "flask_apps_source_root": str(SCENARIO),
            "flask_apps_release_key_file": key_file,
            **variables,
        }
        if apps is not None:
            values["flask_apps"] = apps
        command = [
            "ansible-playbook",
            "-i",
            INVENTORY,
            str(PROJECT / f"playbooks/{playbook}.yml"),
            "-e",
            json.dumps(values),
            *arguments,
        ]
        known = {
            **os.environ,
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            **warm,
            **(environment or {}),
        }
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env=known,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return run


@pytest.fixture(scope="session")
def play(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Run]:
    """Run a playbook of the collection and return when it has ended."""

    def run(*words: Any, seconds: float = 900, **variables: Any) -> Run:
        process = start(*words, **variables)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # It has its own session, and would go on and change the host of the next tests.
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            pytest.fail(f"{words[0]} had not ended after {seconds} s:\n{output}")
        return Run(process.returncode, output)

    return run


@pytest.fixture(scope="session")
def deploy(play: Callable[..., Run]) -> Callable[..., Run]:
    def run(*entries: dict[str, Any], **variables: Any) -> Run:
        return play("deploy", list(entries), **variables)

    return run


@pytest.fixture
def http(host: Any) -> Callable[..., Answer]:
    """Send a request to the host's Nginx, from the host itself."""

    def ask(
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: str | None = None,
        address: str = "127.0.0.1",
        port: int = 80,
    ) -> Answer:
        sent = {"Host": "localhost"} | (headers or {})
        question = {
            "address": address,
            "port": port,
            "method": method,
            "path": path,
            "headers": sent,
            "body": body,
        }
        return Answer(**json.loads(on_host(host, HTTP_CLIENT, question)))

    return ask


@pytest.fixture
def websocket(host: Any) -> Callable[..., WebsocketAnswer]:
    """Open a websocket through the host's Nginx, send a text and collect the answers."""

    def talk(path: str, text: str, messages: int = 1) -> WebsocketAnswer:
        question = {"path": path, "text": text, "messages": messages}
        return WebsocketAnswer(**json.loads(on_host(host, WEBSOCKET_CLIENT, question)))

    return talk


@pytest.fixture
def findings(tmp_path: Path) -> Callable[[Any], list[str]]:
    """What gixy finds in the files of a host's Nginx that the roles write, without what is
    accepted.
    """
    from nginx_findings import findings

    def look(host: Any) -> list[str]:
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(host.check_output("nginx -T"))
        parts = re.split(r"(?m)^# configuration file (\S+):$", configuration.read_text())[1:]
        ours = [
            path
            for path, text in zip(parts[::2], parts[1::2], strict=True)
            if path.startswith("/etc/nginx/flaskops/") or "Written by flaskops.host" in text
        ]
        assert "/etc/nginx/conf.d/flaskops.conf" in ours
        return findings(configuration, files=ours)

    return look


def on_host(host: Any, program: str, question: dict[str, Any]) -> str:
    result = host.run("python3 -c %s %s", program, json.dumps(question))
    assert result.rc == 0, f"{question}: {result.stderr}"
    return str(result.stdout)


@pytest.fixture(scope="module")
def container(host: Any) -> Callable[[str], dict[str, Any]]:
    """The only running container of an app, as `docker inspect` shows it."""

    @cache
    def inspect(app: str) -> dict[str, Any]:
        names = host.check_output(
            "docker ps --quiet --filter label=host.flaskops.app=%s", app
        ).split()
        assert len(names) == 1, f"{app}: {names}"
        return json.loads(host.check_output("docker inspect %s", names[0]))[0]

    return inspect
