# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Clients that send what no browser sends; an application that sends Nginx to its neighbours."""

from __future__ import annotations

import json

import pytest
from clients import INVALID_HOSTS, NOT_OURS, SETTINGS, TUNNELS

SEND = """
import json, socket, sys
with socket.create_connection(("127.0.0.1", 80), 10) as line:
    line.settimeout(10)
    line.sendall(sys.argv[1].replace("\\n", "\\r\\n").encode("latin-1") + sys.argv[2].encode())
    text = b""
    while part := line.recv(65536):
        text += part
print(json.dumps(text.decode("latin-1")))
"""
SEEN = (
    "import json; from flask import request; print(json.dumps([request.host,"
    " dict(request.headers)]))"
)


@pytest.fixture
def send(host):
    """Send the head of a request as it is written, with the program that the intruder runs; return
    the status and the body of the answer.
    """

    def run(head: str, program: str = SEEN) -> tuple[int, str]:
        whole = f"{head}\nContent-Length: {len(program)}\nConnection: close\n\n"
        answer = json.loads(host.check_output("python3 -c %s %s %s", SEND, whole, program))
        return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]

    return run


@pytest.mark.parametrize("host_header", ["evil.example", "neighbour.example:81"])
def test_a_request_line_with_a_host_takes_precedence_over_another_host(send, host_header):
    status, body = send(
        f"POST http://localhost:8080/intruder/run HTTP/1.1\nHost: {host_header}\nX-Forwarded-Host:"
        f" {host_header}"
    )
    assert status == 200
    seen, headers = json.loads(body)
    assert (seen, headers["Host"], headers["X-Forwarded-Host"]) == (
        "localhost:8080",
        "localhost:8080",
        "localhost:8080",
    )
    assert host_header not in body


@pytest.mark.parametrize("host_header", INVALID_HOSTS)
def test_an_invalid_host_never_reaches_an_application(send, host_header):
    assert send(f"POST /intruder/run HTTP/1.1\nHost: {host_header}")[0] == 400


@pytest.mark.parametrize("upgrade", TUNNELS)
def test_no_tunnel_bypasses_nginx(send, upgrade):
    extra = f"Upgrade: {upgrade}\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: {SETTINGS}"
    status, body = send(f"POST /intruder/run HTTP/1.1\nHost: localhost\n{extra}")
    assert status == 200
    assert "h2c" not in body.lower() and "http2" not in body.lower()


@pytest.mark.parametrize("header", NOT_OURS)
def test_a_header_with_an_underscore_does_not_replace_our_header(send, header):
    status, body = send(f"POST /intruder/run HTTP/1.1\nHost: localhost\n{header}: 203.0.113.9")
    assert status == 200
    assert "203.0.113.9" not in body


@pytest.mark.parametrize(
    "to",
    [
        "/neighbour/token",
        "@flaskops_neighbour",
        "/neighbour/.flaskops/maintenance",
        "/neighbour/static/",
    ],
)
def test_an_application_cannot_redirect_nginx(send, to):
    program = f"""
from flask import after_this_request

@after_this_request
def lead(answer):
    answer.headers["X-Accel-Redirect"] = {to!r}
    return answer

print("still here")
"""
    assert send("POST /intruder/run HTTP/1.1\nHost: localhost", program) == (200, "still here\n")
