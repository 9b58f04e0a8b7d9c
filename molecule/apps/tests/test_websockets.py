"""Websockets below a path, each through Nginx, which closes a silent connection of these
applications after 2 seconds.
"""

import json
import time

import pytest

PYTHON = "/opt/client/bin/python"
SILENCE = 4

ECHO = """
import sys, time, websocket
connection = websocket.create_connection(f"ws://localhost{sys.argv[1]}", timeout=10)
time.sleep(float(sys.argv[2]))
try:
    connection.send("round trip")
    print(connection.recv() or "closed")
except (OSError, websocket.WebSocketException):
    print("closed")
"""

# One client uses a websocket from the start, the other begins with long polling, as browsers do.
CHAT = """
import json, sys, threading, time, socketio
heard, transports = {"ada": [], "grace": []}, {}
clients = {}
for name, ways in (("ada", ["websocket"]), ("grace", None)):
    clients[name] = socketio.Client(reconnection=False)
    clients[name].on("said", heard[name].append)
    clients[name].connect(
        "http://127.0.0.1", socketio_path="/chat/socket.io", transports=ways, wait_timeout=10
    )
time.sleep(float(sys.argv[1]))
clients["ada"].emit("say", "hello from ada")
clients["grace"].emit("say", "hello from grace")
for _ in range(50):
    if all(len(messages) == 2 for messages in heard.values()):
        break
    time.sleep(0.1)
transports = {name: client.transport() for name, client in clients.items()}
for client in clients.values():
    client.disconnect()
print(json.dumps({"heard": heard, "transports": transports}))
"""


@pytest.mark.parametrize("app", ["sample-uwsgi", "sample-gunicorn"])
def test_the_sample_applications_websocket_answers_under_both_engines(websocket, app):
    answer = websocket(f"/{app}/ws", "round trip")
    assert answer.status.startswith("HTTP/1.1 101")
    assert '"echo"' in answer.messages[0] and "round trip" in answer.messages[0]


def test_flask_sock_answers_below_the_path(host):
    assert host.check_output(f"{PYTHON} -c %s /echo/ws/echo 0", ECHO) == "/ws/echo: round trip"


def test_a_websocket_below_websocket_paths_may_be_silent_for_longer_than_the_timeout(host):
    assert (
        host.check_output(f"{PYTHON} -c %s /echo/ws/echo {SILENCE}", ECHO) == "/ws/echo: round trip"
    )


def test_a_websocket_elsewhere_is_closed(host):
    assert host.check_output(f"{PYTHON} -c %s /echo/other/echo {SILENCE}", ECHO) == "closed"


def test_an_open_websocket_does_not_hold_up_other_requests(host, get):
    host.check_output(f"{PYTHON} -c %s /echo/ws/echo 8 >/dev/null 2>&1 & echo started", ECHO)
    started = time.monotonic()
    assert [get("/echo/").status for _ in range(5)] == [200] * 5
    assert time.monotonic() - started < 8


@pytest.fixture(scope="module")
def chat(host):
    result = host.run(f"{PYTHON} -c %s {SILENCE}", CHAT)
    assert result.rc == 0, result.stderr
    return json.loads(result.stdout)


def test_two_clients_of_a_chat_receive_each_others_messages(chat):
    """After a silence that is longer than the timeout of the proxy."""
    for messages in chat["heard"].values():
        assert {message["text"] for message in messages} == {"hello from ada", "hello from grace"}


def test_both_clients_of_the_chat_use_a_websocket(chat):
    assert chat["transports"] == {"ada": "websocket", "grace": "websocket"}


def test_the_chat_knows_its_path_and_the_addresses_of_its_clients(chat):
    for messages in chat["heard"].values():
        assert {(message["root"], message["remote_addr"]) for message in messages} == {
            ("/chat", "127.0.0.1")
        }
