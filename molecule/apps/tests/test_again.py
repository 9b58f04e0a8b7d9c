"""A second run without a change."""

import pytest


@pytest.fixture(scope="module")
def again(deploy):
    run = deploy()
    assert run.code == 0, run.output
    return run


def test_it_changes_nothing(again):
    tasks = again.output.split("\nTASK ")
    assert [task for task in tasks if "\nchanged: " in task] == []
    assert again.changed == 0


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("uwsgi-nginx-conf", ["nginx.conf", "proxy.fragment"]),
        ("uwsgi-settings", ["LISTEN_PORT"]),
        ("uwsgi-settings", ["NGINX_WORKER_PROCESSES", "nginx_worker_processes"]),
    ],
)
def test_it_says_which_settings_of_an_image_are_configured_elsewhere_now(again, app, words):
    notes = [note for note in again.text.split("- '") if note.startswith(f"{app}: ")]
    assert any(all(word in note for word in words) for note in notes), notes
