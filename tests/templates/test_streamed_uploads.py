# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When an application gets an upload; a real Nginx."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest
from test_proxy import Answer, base, needs_nginx, place  # noqa: F401


def upload(made, path, arrived):
    """Send half of an upload, then the rest; whether the application had the first half by then."""
    begun = threading.Event()

    def answer(self):
        begun.set()
        rest = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(rest)

    made.app.do_POST = answer
    made.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(f"{made.base}/web")
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n"
        client.sendall(f"{head}1234".encode())
        early = begun.wait(5 if arrived else 0.3)
        client.sendall(b"5678")
        response = socket_answer(client)
    assert (response.status, response.body) == (200, b"12345678")
    return early


def socket_answer(client):
    response = http.client.HTTPResponse(client)
    response.begin()
    return Answer(response)


@needs_nginx
@pytest.mark.parametrize(
    ("path", "streamed"),
    [
        ("/shop/up", True),
        ("/shop/up/a/b", True),
        ("/shop/upper", False),
        ("/shop/", False),
        ("/shop/x/up", False),
    ],
)
def test_an_upload_is_streamed_below_the_listed_paths(place, path, streamed):  # noqa: F811
    made = place(proxy={"streamed_uploads": ["/up/"]})
    assert upload(made, path, streamed) == streamed


@needs_nginx
def test_the_largest_body_is_that_of_the_application(place):  # noqa: F811
    made = place(proxy={"streamed_uploads": ["/up"], "body_size": "1k"})
    assert made.get("/shop/up", "POST", b"x" * 2000).status == 413


@needs_nginx
def test_an_application_without_its_path_gets_streamed_uploads(place):  # noqa: F811
    made = place(proxy={"streamed_uploads": ["/up"]}, path_mode="script_name", engine="command")
    assert made.get("/shop/up/x", "POST", b"x").received["path"] == "/up/x"
