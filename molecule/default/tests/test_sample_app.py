"""What a visitor of the sample application sees: pages, redirects, static files, a websocket."""

import re

import pytest


def test_the_sample_application_answers_under_its_path(http):
    answer = http("/pc-builder-app/")
    assert answer.status == 200
    assert "<title>" in answer.body


@pytest.mark.parametrize("page", ["main", "table", "order"])
def test_every_page_of_the_sample_application_answers(http, page):
    assert http(f"/pc-builder-app/{page}").status == 200


def test_links_of_a_page_stay_under_the_path(http):
    links = re.findall(r'(?:href|src|action)="(/[^"]*)"', http("/pc-builder-app/").body)
    assert len(links) > 3
    assert [link for link in links if not link.startswith("/pc-builder-app/")] == []


def test_the_order_form_sends_an_invalid_order_back(http):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = http("/pc-builder-app/order", method="POST", headers=headers, body="name=&quantity=0")
    assert answer.status == 422


def test_a_static_file_comes_from_nginx_and_not_from_the_application(http):
    page, static = http("/pc-builder-app/"), http("/pc-builder-app/static/js/base.js")
    assert static.status == 200
    assert "javascript" in static.headers["content-type"]
    assert "content-security-policy" in page.headers, "the application sets this header"
    assert "content-security-policy" not in static.headers


def test_the_application_answers_for_a_missing_static_file(http):
    answer = http("/pc-builder-app/static/no-such-file.css")
    assert answer.status == 404
    assert "content-security-policy" in answer.headers, "the application sets this header"


def test_the_path_without_a_slash_redirects_to_the_one_with_it(http):
    answer = http("/pc-builder-app?from=link", headers={"Host": "shop.example:8080"})
    assert answer.status in (301, 308)
    # Relative, or with the host and port that the client asked for.
    assert re.fullmatch(
        r"(http://shop\.example:8080)?/pc-builder-app/\?from=link", answer.headers["location"]
    )


def test_the_path_does_not_match_a_longer_name(http):
    assert http("/pc-builder-app2").status == 404


def test_a_websocket_goes_to_the_application_and_back(websocket):
    answer = websocket("/pc-builder-app/ws", "round trip")
    assert answer.status.startswith("HTTP/1.1 101")
    assert answer.accepted
    assert '"echo"' in answer.messages[0] and "round trip" in answer.messages[0]


def test_the_application_pushes_its_own_messages_over_the_websocket(websocket):
    answer = websocket("/pc-builder-app/ws", "hello", messages=2)
    assert any('"prices"' in message for message in answer.messages), answer.messages


def test_a_plain_request_for_the_websocket_is_answered_with_426(http):
    assert http("/pc-builder-app/ws").status == 426


def test_the_application_sees_the_scheme_and_the_host(http):
    seen = http("/pc-builder-app/api/whoami", headers={"Host": "shop.example:8080"}).json
    assert (seen["scheme"], seen["host"]) == ("http", "shop.example:8080")


def test_the_host_answers_its_own_health_check(http):
    assert http("/healthz").status == 200


def test_nginx_hides_its_version(http):
    assert http("/hello/").headers["server"] == "nginx"
