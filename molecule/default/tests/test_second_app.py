"""The second application on the same host, and what it knows about its visitors."""

import re


def test_the_second_application_answers_under_its_own_path(http):
    assert http("/hello/").body == "Hello from the second application.\n"


def test_the_second_applications_static_file_is_its_own(http):
    assert http("/hello/static/note.txt").body == "A static file of the second application.\n"


def test_the_application_sees_the_clients_address(host, http):
    outside = address_of(host)
    assert http("/hello/whoami").json["remote_addr"] == "127.0.0.1"
    assert http("/hello/whoami", address=outside).json["remote_addr"] == outside


def test_an_address_in_a_clients_headers_is_not_trusted(http):
    claims = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Real-IP": "203.0.113.7",
        "X-Forwarded-Proto": "https",
    }
    seen = http("/hello/whoami", headers=claims).json
    assert seen["remote_addr"] == "127.0.0.1"
    assert seen["scheme"] == "http"
    assert "203.0.113.7" not in seen["forwarded_for"]


def test_a_plain_request_is_not_marked_as_an_upgrade(http):
    assert "upgrade" not in (http("/hello/whoami").json["connection"] or "").lower()


def test_the_default_site_serves_any_host_name(http):
    assert http("/hello/", headers={"Host": "no-such-name.example"}).status == 200


def test_the_release_that_answers_is_shown_on_loopback_only(host, http):
    path = "/hello/.flaskops/release"
    assert re.fullmatch(r"hello [0-9a-f]{12}\n", http(path).body)
    assert http(path, address=address_of(host)).status == 404


def address_of(host):
    """The host's own address in the network, not one of Docker's bridges."""
    return host.interface.default().addresses[0]
