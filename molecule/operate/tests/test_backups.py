"""A backup, the way back, and the drill that shows whether there is one."""

import os

import pytest

HOST = f"{os.environ.get('FLASKOPS_TEST_PREFIX', 'flaskops')}-operate"
testinfra_hosts = [f"ansible://{HOST}"]
DATA = "/var/lib/docker/volumes/notes-data/_data"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def do(play, here):
    """A playbook about the application, with the keys that it is deployed with."""

    def run(playbook, **variables):
        return play(playbook, arguments=here, app="notes", **variables)

    return run


def write(http, text):
    assert http("/notes/", method="POST", headers=FORM, body=f"text={text}").status == 200


def test_destroyed_data_comes_back(do, http, host):
    write(http, "kept")
    do("backup").ok()
    write(http, "later")
    host.check_output(f"rm -r {DATA} && mkdir {DATA}")
    do("restore").ok()
    assert http("/notes/").json == ["kept"]


def test_a_drill_is_green_and_changes_nothing(host, http):
    before = http("/notes/").json
    host.check_output("systemctl start flaskops-job-notes_drill.service")
    assert http("/notes/").json == before
    assert "drill" not in host.check_output("docker ps --all --format '{{.Names}}'")


def test_a_drill_of_a_damaged_backup_is_red(host, play, here):
    packs = host.check_output("find /srv/backups/notes/data -type f").split()
    for pack in packs:
        host.check_output(f"chmod u+w {pack} && echo damaged > {pack}")
    assert host.run("systemctl start flaskops-job-notes_drill.service").rc != 0
    shown = play("status", [], arguments=here).ok().output
    assert "notes" in shown and "drill" in shown, shown
