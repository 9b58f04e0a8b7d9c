"""A second run with nothing new."""

import pytest


@pytest.fixture(scope="module")
def again(deploy):
    run = deploy()
    assert run.code == 0, run.output
    return run


def test_it_changes_nothing(again):
    assert again.changed == 0, again.output


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("uwsgi-nginx-conf", ["nginx.conf", "proxy.fragment"]),
        ("uwsgi-settings", ["LISTEN_PORT"]),
        ("uwsgi-settings", ["NGINX_WORKER_PROCESSES", "nginx_worker_processes"]),
    ],
)
def test_it_says_what_of_an_image_has_its_place_elsewhere_now(again, app, words):
    lines = [line for line in again.text.split("flask_apps: ") if line.startswith(f"{app}: ")]
    assert any(all(word in line for word in words) for line in lines), again.output
