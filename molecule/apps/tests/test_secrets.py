"""Secrets of an application: its processes have them as variables and files, and nobody else has
them anywhere.
"""

import json

import pytest
from conftest import ENTRIES

TEXTS = ("the key of the vault", "of the env file", "of the file")


@pytest.fixture(scope="module")
def given(host):
    asked = (
        "import urllib.request as u;"
        " print(u.urlopen('http://localhost/vaulted/given').read().decode())"
    )
    return json.loads(host.check_output("python3 -c %s", asked))


def test_what_an_application_reads_from_its_environment_is_there(given):
    assert (
        given["variables"]["SECRET_KEY"]
        == given["file"]
        == given["child"].strip()
        == "the key of the vault"
    )
    assert given["told"] is None


def test_what_an_env_file_says_is_there_too(given):
    assert (given["variables"]["API_TOKEN"], given["variables"]["COLOUR"]) == (
        "of the env file # 1",
        "red",
    )


def test_a_name_that_steers_a_process_is_a_file_alone(given):
    assert given["steering"] == "/of/the/vault"
    assert "/of/the/vault" not in given["variables"]["PYTHONPATH"]


def test_env_goes_before_a_secret(given):
    assert given["variables"]["GREETING"] == "of the entry"


def test_a_file_of_settings_is_at_its_path_and_cannot_be_changed(given):
    assert given["config"] == "of the file"
    assert (given["config_mode"], given["writable"]) == ("440 0", False)


def test_the_server_of_another_image_has_them_too(whoami):
    assert whoami("own-server")["secret"] == "the key of the vault"


@pytest.mark.parametrize("app", ["vaulted", "own-server"])
def test_so_have_the_release_command_and_the_processes(host, app):
    """Else they end at once, and the release is refused."""
    assert ENTRIES[app]["release_command"].startswith("test -n")
    assert (
        len(host.check_output(f"docker ps --quiet --filter label=host.flaskops.app={app}").split())
        == 2
    )


def test_no_container_image_or_log_has_them(host):
    for command in (
        "docker inspect $(docker ps --all --quiet)",
        "docker image inspect $(docker image ls --quiet)",
        "docker ps --all --no-trunc; docker image ls; ps -eo args",
        "for each in $(docker ps --quiet); do docker logs $each 2>&1; done",
        (
            "cat /var/lib/flaskops/apps/*/releases/*/container.env"
            " /var/lib/flaskops/apps/*/releases/*/release.json"
        ),
    ):
        said = host.check_output(command)
        assert not [text for text in TEXTS if text in said], command


def test_this_process_alone_has_them_on_the_host(host):
    """Where the kernel shows environments, to root: the application, and not what starts it."""
    place = (
        "/proc/$(docker inspect --format '{{.State.Pid}}' $(docker ps --quiet --filter"
        " name=^vaulted-[0-9a-f]*$))/environ"
    )
    assert "the key of the vault" not in host.check_output(f"tr '\\0' '\\n' < {place}")
