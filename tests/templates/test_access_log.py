# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of the access log in both formats; a real Nginx."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_guards import login
from test_proxy import SPA, base, needs_nginx, place, release  # noqa: F401


@pytest.fixture
def logged(place):  # noqa: F811
    """An application whose requests are logged."""

    def make(form="flaskops_json", **keys):
        made = place(**keys)
        made.log = f"{made.base}/access.log {form}"
        made.others = "set $flaskops_site default;"
        return made

    return make


def lines(made, count, path="access.log"):
    """The lines, when there are so many."""
    file = made.base / path
    for _time in range(100):
        found = file.read_bytes().splitlines() if file.exists() else []
        if len(found) >= count:
            break
        time.sleep(0.02)
    assert len(found) == count, found
    return found


def objects(made, count):
    return [json.loads(line.decode()) for line in lines(made, count)]


def send(made, *requests):
    """Send bytes, each on its own connection, and wait until Nginx has answered, or has closed it
    before it had read them all.
    """
    if made.nginx is None:
        made.start()
    for request in requests:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(f"{made.base}/web")
            with suppress(ConnectionError):
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass


@needs_nginx
def test_a_line_of_json_names_the_application_and_its_release(logged):
    made = logged()
    answer = made.get("/shop/x?a=1", Referer="http://a/", User_Agent="me")
    (found,) = objects(made, 1)
    assert found["request_id"] == answer.received["headers"]["x-request-id"]
    assert {key: found[key] for key in ("site", "app", "release", "scheme", "host")} == {
        "site": "default",
        "app": "shop",
        "release": made.release["id"],
        "scheme": "http",
        "host": "shop.example.org",
    }
    assert found["request"] == "GET /shop/x?a=1 HTTP/1.1"
    assert (found["http_referer"], found["http_user_agent"]) == ("http://a/", "me")
    assert (found["status"], found["upstream_status"]) == (200, 200)
    assert found["body_bytes_sent"] >= len(answer.body)  # with what divides its chunks
    for key in ("request_time", "upstream_connect_time", "upstream_header_time",
                "upstream_response_time"):  # fmt: skip
        assert isinstance(found[key], float), key
    assert found["upstream_addr"].endswith("/run/app.sock")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", found["time"])
    assert (found["remote_user"], found["ssl_protocol"]) == ("", "")


@needs_nginx
def test_a_line_of_the_combined_format_begins_as_everywhere(logged):
    made = logged("flaskops")
    identity = made.get("/shop/x").received["headers"]["x-request-id"]
    text = lines(made, 1)[0].decode()
    assert re.match(
        r'unix: - - \[[^]]+\] "GET /shop/x HTTP/1.1" 200 \d+ "-" "-" host="shop.example.org" ', text
    )
    assert f" id={identity} " in text
    end = f'site="default" app="shop" release="{made.release["id"]}" scheme="http" tls="-"'
    assert text.endswith(end)


@needs_nginx
def test_what_is_not_there_is_null_or_empty(logged):
    made = logged(static=SPA)
    made.file("/shop/static/a.css", "a")
    assert made.get("/shop/static/a.css").status == 200
    made.get("/elsewhere")
    file, elsewhere = objects(made, 2)
    assert (file["app"], file["release"]) == ("shop", made.release["id"])
    assert (elsewhere["app"], elsewhere["release"]) == ("", "")
    for found in (file, elsewhere):
        for key in ("upstream_status", "upstream_connect_time", "upstream_response_time"):
            assert found[key] is None, key
        assert (found["upstream_addr"], found["upstream_cache_status"]) == ("", "")
    made.server.shutdown()
    made.server.server_close()
    made.get("/shop/gone")
    gone = objects(made, 3)[-1]
    assert (gone["status"], gone["upstream_status"], gone["upstream_connect_time"]) == (
        502, 502, None,
    )  # fmt: skip


@needs_nginx
@pytest.mark.parametrize("state", ["maintenance", "stopped"])
def test_the_pages_of_other_states_are_of_the_application(logged, state):
    made = logged()
    (made.directory / "maintenance.html").write_text("later")
    made.serves = f"{state}.conf"
    made.get("/shop/")
    (found,) = objects(made, 1)
    assert (found["status"], found["app"], found["release"]) == (503, "shop", made.release["id"])


@needs_nginx
def test_the_release_is_the_one_that_answers_without_a_reload(logged):
    """A release whose fragment has not changed serves as soon as the link leads to it."""
    made = logged(static=SPA)
    made.file("/shop/static/a.css", "a")
    made.get("/shop/")
    later = made.directory.with_name("0123456789ab")
    made.directory.rename(later)
    link = made.base / "apps/shop" / made.release["route"]
    link.unlink()
    link.symlink_to(later)
    made.get("/shop/")
    made.get("/shop/static/a.css")
    assert [found["release"] for found in objects(made, 3)] == [
        made.release["id"], later.name, later.name,
    ]  # fmt: skip
    assert (made.base / "error.log").read_text() == ""


@needs_nginx
def test_a_user_is_logged_and_no_password_or_cookie(logged):
    made = logged(proxy={"basic_auth": {"users": {"ann": "hunter2"}}})
    (made.directory / "nginx.passwords").write_text(made.release["files"]["nginx.passwords"])
    made.get("/shop/", **login("ann", "hunter2"), Cookie="session=hunter2")
    made.get("/shop/", Authorization="Bearer hunter2", Cookie="session=hunter2")
    found = objects(made, 2)
    assert [each["remote_user"] for each in found] == ["ann", ""]
    assert "hunter2" not in (made.base / "access.log").read_text()


HOSTILE = [
    b'GET /shop/" HTTP/1.1\r\nHost: a\r\nUser-Agent: "\\\r\nReferer: \\"}{\r\n\r\n',
    b"GET /shop/\xff HTTP/1.1\r\nHost: a\r\nUser-Agent: \xfe\xff\r\nReferer: a\xc3\r\n\r\n",
    b"GET /shop/\xc3\xbc HTTP/1.1\r\nHost: a\r\nUser-Agent: gr\xc3\xb6\xc3\x9fe\r\n\r\n",
    b"GET /shop/\xed\xa0\x80 HTTP/1.1\r\nHost: a\r\nUser-Agent: \xf5\x80\x80\x80\r\n\r\n",
    b"GET /shop/\xc0\xaf HTTP/1.1\r\nHost: a\r\nUser-Agent: \xf4\x90\x80\x80 \xe2\x28\xa1\r\n\r\n",
    b"GET /shop/ HTTP/1.1\r\nHost: a\r\nUser-Agent: \x01\x02\x1b[31m\x7f\t\r\n\r\n",
    b"GET /shop/ HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b'GET /shop/ HTTP/1.1\r\nHost: "\r\n\r\n',
    b"GET /shop/\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xff\xfe",
    b"\x00\xff\n\n",
    b"\"\\\xff\x00\r\n\r\n",
    b"GET /shop/\r\n",
    b"GET\r\n\r\n",
    b"GET /shop/ HTTP/9.9\r\n\r\n",
    b"GET /shop/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /shop/ HTTP/1.1\r\nHost: a\r\nAuthorization: Basic /////zo=\r\n\r\n",
    b"GET /shop/ HTTP/1.1\r\nHost: a\r\nAuthorization: Basic IlwBOmE=\r\n\r\n",
    b"GET /shop/" + b"\xc3\xbc" * 3000 + b" HTTP/1.1\r\nHost: a\r\nUser-Agent: "
    + b"x\xff" * 3000 + b"\r\n\r\n",
    b"GET /shop/ HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff" + b"x" * 7000 + b"\xff\r\n\r\n",
    b"POST /shop/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
]  # fmt: skip


@needs_nginx
def test_each_line_is_json_whatever_a_client_sends(logged):
    made = logged()
    send(made, *HOSTILE)
    found = lines(made, len(HOSTILE))
    known = [json.loads(line.decode()) for line in found]
    assert len({tuple(each) for each in known}) == 1
    for each in known:
        assert isinstance(each["status"], int | None) and isinstance(each["request_time"], float)
    assert known[0]["request"] == 'GET /shop/" HTTP/1.1'
    assert (known[0]["http_user_agent"], known[0]["http_referer"]) == ('"\\', '\\"}{')
    assert known[1]["request"] == "GET /shop/\ufffd HTTP/1.1"
    assert (known[1]["http_user_agent"], known[1]["http_referer"]) == ("\ufffd", "a\ufffd")
    assert known[2]["request"] == "GET /shop/ü HTTP/1.1"
    assert known[2]["http_user_agent"] == "größe"
    assert known[-3]["request"] == "GET /shop/" + "ü" * 3000 + " HTTP/1.1"
    assert known[-3]["http_user_agent"] == "x\ufffd"
    assert [each["app"] for each in known[:3]] == ["shop"] * 3
    # A line of the error log ends after 2048 bytes, also in the middle of a character.
    assert b"[alert]" not in (made.base / "error.log").read_bytes()


@needs_nginx
@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=20))
def test_each_line_is_json_with_any_bytes(logged, path, agent, host):
    made = getattr(test_each_line_is_json_with_any_bytes, "made", None)
    if made is None:
        made = test_each_line_is_json_with_any_bytes.made = logged()
    send(made, b"GET /shop/%b HTTP/1.1\r\nUser-Agent: %b\r\nHost: %b\r\n\r\n" % (path, agent, host))
    for line in (made.base / "access.log").read_bytes().splitlines():
        json.loads(line.decode())


def test_an_unchanged_fragment_serves_the_next_release(base):  # noqa: F811
    """No release is in the fragment: Nginx need not be reloaded."""
    first, second = (release(base, env={"VERSION": version}) for version in "12")
    assert first["id"] != second["id"]
    assert first["files"]["nginx.conf"] == second["files"]["nginx.conf"]
