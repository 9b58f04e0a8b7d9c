"""The database and the cache of an application."""

import json
import re

import pytest
from conftest import FORM, PATH


@pytest.fixture
def ours(containers):
    """All containers of the application, its services too."""
    return containers()


def test_the_application_finds_the_versions_of_the_distribution(http, host):
    """Debian 12 has PostgreSQL 15 and Redis 7.0, Debian 13 has 17 and 8.0."""
    known = {"12": ("15.", "7.0."), "13": ("17.", "8.0.")}[host.system_info.release[:2]]
    found = http(f"{PATH}/versions").json
    assert found["postgresql"].startswith(known[0])
    assert found["redis"].startswith(known[1])


def test_a_worker_and_its_beat_meet_over_redis(http, entries, wait_for):
    assert http(f"{PATH}/tasks", method="POST", headers=FORM, body="text=loud").status == 202
    assert wait_for(lambda: [each for each in entries("worker") if each["text"] == "LOUD"])
    assert wait_for(lambda: entries("beat"))


def test_nothing_of_them_is_published(ours, host):
    assert len(ours) >= 5
    assert [each["Name"] for each in ours if each["HostConfig"]["PortBindings"]] == []
    listening = host.check_output("ss -Hltn")
    assert ":5432 " not in listening and ":6379 " not in listening


def test_no_password_is_where_others_read(ours, host):
    (web,) = [name for each in ours if re.fullmatch("/shop-[0-9a-f]{12}", name := each["Name"])]
    shown = host.check_output(
        f"docker exec {web[1:]} sh -c"
        " 'cat /run/secrets/DATABASE_URL; echo; cat /run/secrets/REDIS_URL'"
    )
    passwords = [url.rsplit("@", 1)[0].rsplit(":", 1)[1] for url in shown.split()]
    assert len(passwords) == 2 and all(len(each) > 15 for each in passwords)
    processes = host.check_output("ps -eo args")
    for password in passwords:
        assert password not in json.dumps(ours)
        assert password not in processes
