"""What cannot work is refused with a message that names the remedy; the rest is still deployed."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ENTRIES

REPOSITORY = Path(os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY", "."), "plain.git")
MOVED = f"moved at {time.time_ns()}"
BROKEN = {
    "name": "broken",
    "source": "uwsgi-nginx-flask/broken",
    "path": "/broken",
    "path_mode": "script_name",
}


def push_to_the_branch(directory):
    """Push a commit to main that changes the page."""
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run([*git, "clone", "--quiet", REPOSITORY, directory], check=True)
    app = directory / "app.py"
    app.write_text(re.sub(r'return "[^"\\\\]*', f'return "{MOVED}', app.read_text(), count=1))
    subprocess.run(
        [*git, "-C", directory, "commit", "--quiet", "--all", "--message", "Say something else"],
        check=True,
    )
    subprocess.run([*git, "-C", directory, "push", "--quiet", "origin", "main"], check=True)


@pytest.fixture(scope="module")
def mixed(host, deploy, tmp_path_factory):
    """One run with an application without a callable, one that may not write, one that does not
    know its path, and one whose branch has moved.
    """
    before = host.check_output("readlink /etc/nginx/flaskops/default/from-git.conf")
    push_to_the_branch(tmp_path_factory.mktemp("branch") / "work")
    writes = {**ENTRIES["writes"], "name": "refused", "path": "/refused"}
    del writes["writable"]
    lost = {"name": "lost", "source": "plain", "path": "/lost"}
    return before, deploy(
        {**BROKEN, "module": "main", "callable": "app"}, writes, lost, ENTRIES["from-git"]
    )


def test_the_run_fails(mixed):
    assert mixed[1].code != 0


def test_the_container_of_an_application_without_a_callable_says_what_is_missing(mixed):
    """In the failure of the play, which contains the log of the container."""
    assert "broken did not pass its health check: its container exited with code" in mixed[1].text
    assert (
        "flaskops: main has no 'app'; its callables: none. Write module and callable."
        in mixed[1].text
    )


def test_it_has_neither_a_route_nor_a_container(host, mixed, get):
    assert get("/broken/").status == 404
    assert host.check_output("docker ps --quiet --filter label=host.flaskops.app=broken") == ""


def test_for_one_that_writes_to_a_read_only_place_the_message_names_the_key(mixed, get):
    assert "writable: [/app/counter]" in mixed[1].text
    assert get("/refused/").status == 404


def test_for_one_that_does_not_know_its_path_the_message_names_the_key(mixed):
    assert (
        "It answers at /, so it does not know its path: write path_mode: script_name."
        in mixed[1].text
    )


def test_a_branch_that_has_moved_is_a_new_release_beside_those_that_failed(host, mixed, get):
    assert get("/from-git/").body == f"{MOVED}\n"
    assert host.check_output("readlink /etc/nginx/flaskops/default/from-git.conf") != mixed[0]


def test_an_application_outside_the_run_keeps_serving(mixed, get):
    assert get("/uwsgi-simple/").status == 200


@pytest.mark.long
def test_a_source_without_an_application_is_refused_with_the_places_that_were_searched(deploy, get):
    run = deploy(BROKEN)
    assert run.code != 0
    assert "no Flask application was found in" in run.text
    assert "write module and callable" in run.text
    assert get("/broken/").status == 404
