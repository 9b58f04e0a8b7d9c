# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much one client may request of an application; a real Nginx."""

from __future__ import annotations

import re
import threading
import time

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import RATES
from test_nginx import render
from test_proxy import PAGE, SPA, base, needs_nginx, place  # noqa: F401
from test_trusted_proxies import CLIENT, OTHER, PROXY, ask, site  # noqa: F401

ONE = {"requests_per_second": 1, "burst": 2}  # three at once, then one each second


def busy(made):
    """An application that refuses requests itself."""

    def answer(self):
        self.send_response(429)
        self.send_header("Retry-After", "77")
        self.end_headers()
        self.wfile.write(b"mine")

    made.app.do_GET = answer


@needs_nginx
def test_a_client_beyond_its_limit_gets_429_and_when_to_try_again(place):  # noqa: F811
    made = place(proxy={"limits": ONE})
    made.file("/shop/static/a.css", "a")
    answers = [made.get("/shop/") for _time in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["Retry-After"] for answer in answers] == [None] * 3 + ["1"] * 2
    assert made.get("/shop/other", "POST", b"x").status == 429
    assert [made.get("/shop/static/a.css").status for _time in range(9)] == [200] * 9
    time.sleep(1.1)
    assert made.get("/shop/").status == 200


@needs_nginx
def test_each_client_has_its_own_limit_and_the_host_has_none(site):  # noqa: F811
    site([], proxy={"limits": ONE})
    assert [ask(OTHER)[0] for _time in range(4)] == [200, 200, 200, 429]
    assert [ask(PROXY)[0] for _time in range(4)] == [200, 200, 200, 429]
    assert [ask(CLIENT)[0] for _time in range(9)] == [200] * 9
    assert ask(CLIENT, X_Forwarded_For="127.0.0.1")[0] == 200  # counted: a proxy forwards it
    assert [ask(CLIENT, X_Forwarded_For=OTHER)[0] for _time in range(3)] == [200, 200, 429]


@needs_nginx
def test_a_network_of_ipv6_is_one_client(site):  # noqa: F811
    site([PROXY], proxy={"limits": ONE})

    def status(address):
        return ask(PROXY, X_Forwarded_For=address)[0]

    near = [f"2001:db8:0:7::{host}" for host in ("a", "0a0a", "ffff:1", "1")]
    assert [status(address) for address in near] == [200, 200, 200, 429]
    assert status("2001:db8:0:8::1") == 200
    assert [status(f"192.0.2.{host}") for host in (1, 2, 3, 4)] == [200] * 4


@needs_nginx
def test_a_client_has_only_so_many_requests_in_progress(place):  # noqa: F811
    made = place(proxy={"limits": {"connections": 2}})
    inside, leave, found = threading.Semaphore(0), threading.Event(), []

    def answer(self):
        inside.release()
        leave.wait(10)
        self.send_response(200)
        self.end_headers()

    made.app.do_GET = answer
    made.start()
    both = [
        threading.Thread(target=lambda: found.append(made.get("/shop/slow").status))
        for _time in range(2)
    ]
    for thread in both:
        thread.start()
    assert all(inside.acquire(timeout=10) for _thread in both)
    refused = made.get("/shop/")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    leave.set()
    for thread in both:
        thread.join()
    assert found == [200, 200]
    assert made.get("/shop/").status == 200


@needs_nginx
@pytest.mark.parametrize(
    ("static", "body"), [([], b"mine"), (SPA, b"<html>")], ids=["the answer", "its status"]
)
def test_the_429_of_an_application_says_when_to_try_again(place, static, body):  # noqa: F811
    """With static.fallback, its body is lost."""
    made = place(proxy={"limits": ONE}, static=static)
    busy(made)
    for headers in ({}, PAGE):
        answer = made.get("/shop/x", **headers)
        assert (answer.status, answer.headers.get_all("Retry-After")) == (429, ["77"])
        assert answer.body.startswith(body)


@needs_nginx
def test_a_page_beyond_the_limit_says_when_to_try_again(place):  # noqa: F811
    made = place(proxy={"limits": {**ONE, "burst": 0}}, static=SPA)
    answers = [made.get("/shop/x", **PAGE) for _time in range(2)]
    assert [(each.status, each.headers["Retry-After"]) for each in answers] == [
        (200, None),
        (429, "1"),
    ]


@needs_nginx
def test_the_health_check_of_an_application_under_maintenance_is_limited(place):  # noqa: F811
    made = place(proxy={"limits": {**ONE, "burst": 0}}, health={"path": "/up"})
    made.serves = "maintenance.conf"
    assert [made.get("/shop/up").status for _time in range(2)] == [200, 429]


def test_each_rate_has_a_zone():
    names = render()["conf.d/flaskops.conf"]
    zones = re.findall(
        r"limit_req_zone \$flaskops_counted zone=flaskops_(\d+):2m rate=(.*);", names
    )
    assert zones == [(rate, f"{rate}r/s") for rate in RATES]
