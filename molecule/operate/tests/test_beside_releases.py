"""Services stay as they are while releases come and go."""

import os

import pytest
from conftest import PATH, deployed

HOST = f"{os.environ.get('FLASKOPS_TEST_PREFIX', 'flaskops')}-operate"
testinfra_hosts = [f"ansible://{HOST}"]


def test_they_outlive_a_release(order, entries, started, redeploy):
    number, before = order("kept"), started("shop-service-")
    assert len(before) == 2
    redeploy(env={"TEXT": "again"}).ok()
    assert started("shop-service-") == before
    assert number in [each["number"] for each in entries("visitor")]


@pytest.fixture
def fan(play, here, host):
    """An application that shares the database of another one, with another service."""
    listed = deployed()
    shop, notes = listed["flask_apps"]
    image = host.check_output("docker inspect -f '{{.Config.Image}}' shop-service-cache")
    files = {"name": "files", "image": image, "command": "sleep infinity"}

    def deploy(password="", service=None, **keys):
        database, cache = shop["services"]
        services = [{"name": "db", "of": "shop"}, *([{**files, **service}] if service else [])]
        mine = {"name": "fan", "path": "/fan", "volumes": ["fan-data:/data"], **keys}
        entries = [
            {**notes, **mine, "backup": {}, "services": services},
            {**shop, "services": [{**database, "password": password}, cache]},
            notes,
        ]
        more = {"flask_apps_defaults": listed["flask_apps_defaults"]}
        more["flask_apps_remove_data"] = "fan"
        return play("deploy", entries, arguments=[*here, "--diff"], **more)

    yield deploy
    deploy(state="absent").ok()


@pytest.mark.long
def test_a_shared_password_holds_if_both_work_with_it(fan, host, http):
    def url(app):
        name = host.check_output(
            "docker ps --format '{{.Names}}' | grep -E %s", f"^{app}-[0-9a-f]{{12}}$"
        )
        return host.check_output(f"docker exec {name} cat /run/secrets/DATABASE_URL")

    def connects(app):
        return host.run(f"docker exec shop-service-db psql '{url(app)}' -c 'SELECT 1'").rc == 0

    # A container that has outlived it does not get another network at the first attempt.
    host.check_output("systemctl restart docker")
    fan("a-longer-word-of-both").ok()
    assert url("fan") == url("shop") and "a-longer-word-of-both" in url("fan")
    assert connects("fan") and connects("shop")
    broken = {"path": "/missing", "deadline_seconds": 3}
    output = fan("a-longer-word-of-one", health=broken).failed().output
    assert "the password before was put back for db, because fan failed" in " ".join(output.split())
    assert url("fan") == url("shop") and "a-longer-word-of-both" in url("fan")
    assert connects("fan") and connects("shop") and http(f"{PATH}/health").status == 200
    fan("a-longer-word-of-one").ok()
    assert connects("fan") and "a-longer-word-of-one" in url("shop")


@pytest.mark.long
def test_what_is_taken_out_of_a_service_goes_and_a_service_not_without_a_word(fan, host):
    variables = "docker exec fan-service-files env"
    fan(service={"env": {"A": "1", "B": "2"}, "volumes": ["fan-files:/files"]}).ok()
    assert {"A=1", "B=2"} <= {*host.check_output(variables).split()}
    fan(service={"env": {"A": "1"}, "volumes": ["fan-files:/files"]}).ok()
    there = host.check_output(variables).split()
    assert "A=1" in there and "B=2" not in there
    output = " ".join(fan().ok().output.split())
    assert "its service files is not wanted any more; its data stays" in output
    assert "its service files was removed" in output and "docker volume rm fan-files" in output
    assert host.check_output("docker volume ls --quiet --filter name=^fan-files$")
