# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What the tests of all scenarios share: a browser and a websocket client on the test host, and what Docker says there.

The clients are small and use the standard library only, so that a test host needs no curl and a role cannot come to
depend on one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

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
    f"GET {ask['path']} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
    f"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: {key}\\r\\n\\r\\n"
).encode())
stream = line.makefile("rb")
status = stream.readline().decode().strip()
headers = {}
for header in iter(stream.readline, b"\\r\\n"):
    name, value = header.decode().split(":", 1)
    headers[name.lower()] = value.strip()
expected = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
messages = []
if status.split()[1] == "101":
    mask, payload = os.urandom(4), ask["text"].encode()
    line.sendall(bytes([0x81, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
    while len(messages) < ask["messages"]:
        head, length = stream.read(2)
        length = length if length < 126 else int.from_bytes(stream.read(2), "big")
        content = stream.read(length).decode()
        if head & 15 == 1:
            messages.append(content)
print(json.dumps({"status": status, "accepted": headers.get("sec-websocket-accept") == expected, "messages": messages}))
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
    """bin/test counts from these files, a new one for each call."""
    if reports := os.environ.get("FLASKOPS_TEST_REPORTS"):
        name = os.environ.get("MOLECULE_SCENARIO_NAME", "scenario")
        config.option.xmlpath = str(Path(reports, f"molecule-{name}-{time.time_ns()}.xml"))


@pytest.fixture
def http(host: Any) -> Callable[..., Answer]:
    """Asks the host's Nginx, from the host itself."""

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
        question = {"address": address, "port": port, "method": method, "path": path, "headers": sent, "body": body}
        return Answer(**json.loads(on_host(host, HTTP_CLIENT, question)))

    return ask


@pytest.fixture
def websocket(host: Any) -> Callable[..., WebsocketAnswer]:
    """Opens a websocket through the host's Nginx, sends a text and collects the answers."""

    def talk(path: str, text: str, messages: int = 1) -> WebsocketAnswer:
        question = {"path": path, "text": text, "messages": messages}
        return WebsocketAnswer(**json.loads(on_host(host, WEBSOCKET_CLIENT, question)))

    return talk


def on_host(host: Any, program: str, question: dict[str, Any]) -> str:
    result = host.run("python3 -c %s %s", program, json.dumps(question))
    assert result.rc == 0, f"{question}: {result.stderr}"
    return str(result.stdout)


@pytest.fixture(scope="module")
def container(host: Any) -> Callable[[str], dict[str, Any]]:
    """The one running container of an app, as `docker inspect` shows it."""

    @cache
    def inspect(app: str) -> dict[str, Any]:
        names = host.check_output("docker ps --quiet --filter label=host.flaskops.app=%s", app).split()
        assert len(names) == 1, f"{app}: {names}"
        return json.loads(host.check_output("docker inspect %s", names[0]))[0]

    return inspect
