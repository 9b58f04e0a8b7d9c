"""Secrets of an application: only its processes have them, as variables and as files."""

import json

import pytest
from conftest import ENTRIES

TEXTS = ("the key of the vault", "of the env file", "of the file")


@pytest.fixture(scope="module")
def given(host):
    program = (
        "import urllib.request as u;"
        " print(u.urlopen('http://localhost/vaulted/given').read().decode())"
    )
    return json.loads(host.check_output("python3 -c %s", program))


def test_an_application_finds_its_secrets_in_its_environment(given):
    assert (
        given["variables"]["SECRET_KEY"]
        == given["file"]
        == given["child"].strip()
        == "the key of the vault"
    )
    assert given["told"] is None


def test_an_application_finds_the_variables_of_its_env_file_too(given):
    assert (given["variables"]["API_TOKEN"], given["variables"]["COLOUR"]) == (
        "of the env file # 1",
        "red",
    )


def test_a_secret_whose_name_controls_a_process_is_only_a_file(given):
    assert given["steering"] == "/of/the/vault"
    assert "/of/the/vault" not in given["variables"]["PYTHONPATH"]


def test_env_takes_precedence_over_a_secret(given):
    assert given["variables"]["GREETING"] == "of the entry"


def test_a_config_file_is_at_its_path_and_cannot_be_changed(given):
    assert given["config"] == "of the file"
    assert (given["config_mode"], given["writable"]) == ("440 0", False)


def test_the_server_of_another_image_has_them_too(whoami):
    assert whoami("own-server")["secret"] == "the key of the vault"


@pytest.mark.parametrize("app", ["vaulted", "own-server"])
def test_the_release_command_and_the_processes_have_them_too(host, app):
    """Otherwise they exit immediately, and the release is refused."""
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
        output = host.check_output(command)
        assert not [text for text in TEXTS if text in output], command


def test_the_environment_of_the_first_process_does_not_have_them(host):
    """The kernel shows environments to root: only the application has them, not what starts it."""
    file = (
        "/proc/$(docker inspect --format '{{.State.Pid}}' $(docker ps --quiet --filter"
        " name=^vaulted-[0-9a-f]*$))/environ"
    )
    assert "the key of the vault" not in host.check_output(f"tr '\\0' '\\n' < {file}")
