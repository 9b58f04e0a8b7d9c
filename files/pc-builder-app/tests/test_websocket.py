"""The websocket: the answer without a handshake, and a real round trip through the development
server.
"""

from __future__ import annotations

import json
import logging
import threading

import pytest
import simple_websocket
from app import catalogue, create_app
from pcbuilder import live, market
from pcbuilder.websocket import Closed
from werkzeug.serving import make_server


def test_a_plain_get_is_answered_with_upgrade_required(client, prefix):
    answer = client.get(prefix + "/ws")
    assert answer.status_code == 426
    assert answer.headers["Upgrade"] == "websocket"
    assert answer.json == {"error": "Open this address as a websocket."}


def test_a_handshake_that_no_server_can_answer_is_a_bad_request(client, prefix):
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert client.get(prefix + "/ws", headers=handshake).status_code == 400


@pytest.fixture
def address(prefix):
    environ = {"ENV": "PROD", "DOMAIN": prefix} if prefix else {}
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, create_app(environ), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"ws://127.0.0.1:{server.port}{prefix}/ws"
    server.shutdown()
    thread.join()


def test_a_message_is_echoed(address):
    client = simple_websocket.Client.connect(address)
    for text in ("ping", "Grüße ⚙"):
        client.send(text)
        assert json.loads(client.receive(timeout=5)) == {"type": "echo", "text": text}
    client.close()


class FakeConnection:
    """A client that sends `texts` one by one and then leaves."""

    def __init__(self, texts: list[str | None]) -> None:
        self.texts = texts
        self.sent: list[dict] = []

    def receive(self, timeout: float) -> str | None:
        if not self.texts:
            raise Closed
        return self.texts.pop(0)

    def send(self, text: str) -> None:
        self.sent.append(json.loads(text))


def test_prices_are_sent_since_the_tick_that_the_client_shows(monkeypatch):
    monkeypatch.setattr(market, "TICK_SECONDS", 0)
    monkeypatch.setattr(market, "current_tick", lambda: 1000)
    connection = FakeConnection([None, None])
    live.stream(connection, catalogue, since=900)
    first, second = connection.sent
    assert first == {
        "type": "prices",
        "tick": 1000,
        "changes": market.changes(catalogue.components, 900, 1000),
    }
    assert len(first["changes"]) > 50
    assert second == {
        "type": "prices",
        "tick": 1000,
        "changes": [],  # sent nevertheless, so that the connection is not idle
    }


def test_the_first_message_is_the_answer_and_not_the_prices():
    connection = FakeConnection(["ping"])
    live.stream(connection, catalogue, since=0)
    assert connection.sent == [{"type": "echo", "text": "ping"}]
