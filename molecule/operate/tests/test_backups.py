"""A backup, the way back, and the drill that shows whether there is one."""

import json
import os
import re
import subprocess

import pytest
from conftest import FORM, deployed

HOST = f"{os.environ.get('FLASKOPS_TEST_PREFIX', 'flaskops')}-operate"
testinfra_hosts = [f"ansible://{HOST}"]
DATA = "/var/lib/docker/volumes/notes-data/_data"


@pytest.fixture
def do(play, here):
    """A playbook about the application, with the keys that it is deployed with."""

    def run(playbook, **variables):
        return play(playbook, arguments=here, app="notes", **variables)

    return run


def backup_of_notes():
    listed = deployed()
    return next(each["backup"] for each in listed["flask_apps"] if each["name"] == "notes")


def write(http, text):
    assert http("/notes/", method="POST", headers=FORM, body=f"text={text}").status == 200


def test_destroyed_data_comes_back(do, http, host):
    write(http, "kept")
    do("backup").ok()
    write(http, "later")
    host.check_output(f"rm -r {DATA} && mkdir {DATA}")
    do("restore").ok()
    assert http("/notes/").json == ["kept"]


@pytest.mark.long
def test_a_restore_beside_changes_nothing_of_the_application(do, http, host):
    known = http("/notes/").json
    do("restore", to="/srv/restored").ok()
    assert http("/notes/").json == known
    assert host.check_output("stat -c '%U %a' /srv/restored") == "root 700"
    assert host.check_output("ls -A /srv/restored/volumes/notes-data")
    again = do("restore", to="/srv/restored").failed().output
    assert "/srv/restored exists; name a directory that does not" in " ".join(again.split())
    host.check_output("rm -r /srv/restored")


@pytest.mark.long
def test_a_drill_is_green_and_changes_nothing(host, http):
    before = http("/notes/").json
    host.check_output("systemctl start flaskops-job-notes_drill.service")
    assert http("/notes/").json == before
    assert "drill" not in host.check_output("docker ps --all --format '{{.Names}}'")


@pytest.mark.long
def test_a_volume_of_links_fifos_and_set_uid_files(do, http, host):
    """The application may write anything there; a backup follows nothing and keeps no set-uid."""
    host.check_output(
        f"cd {DATA} && mkdir odd && cd odd && ln -s /etc/shadow link && ln -s . loop && mkfifo pipe"
        " && cp /bin/sh shell && chmod 4755 shell && chown --reference=.. ."
        " && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'"
    )
    do("backup").ok()
    host.check_output(f"rm -r {DATA}/odd")
    do("restore").ok()
    assert host.check_output(f"cd {DATA}/odd && ls") == "link\nloop\nshell"
    assert host.check_output(f"readlink {DATA}/odd/link") == "/etc/shadow"
    assert host.check_output(f"stat -c %a {DATA}/odd/shell") == "755"
    assert http("/notes/").status == 200


@pytest.mark.long
def test_hooks_and_a_pause(do, http, host, redeploy):
    hooks = {name: f"echo {name} >> /data/hooks" for name in ("before", "after")}
    try:
        redeploy("notes", backup={**backup_of_notes(), **hooks, "pause": True}).ok()
        do("backup").ok()
        assert host.check_output(f"cat {DATA}/hooks").split() == ["before", "after"]
        result = json.loads(
            host.check_output("cat /var/lib/flaskops/apps/notes/jobs/backup.last.json")
        )
        assert 0 < result["paused"] < 1
        assert http("/notes/").status == 200
    finally:
        redeploy("notes").ok()


@pytest.mark.long
def test_keep_removes_older_ones_of_this_host_alone(do, host, redeploy):
    password = "/var/lib/flaskops/apps/notes/jobs/backup.password"
    restic = f"restic --quiet --repo /srv/backups/notes --password-file {password}"
    days = [host.check_output(f"date -d '{day} days ago' +%F") for day in range(6)]
    own = host.check_output("uname -n")

    def known():
        return json.loads(host.check_output(f"{restic} snapshots --json"))

    def made():
        return sorted((each["hostname"], each["time"][:10]) for each in known())

    older = [("elsewhere", days[5]), (own, days[4]), (own, days[3]), (own, days[2])]
    for name, day in older:
        words = f"--tag flaskops-app=notes --host {name} --time '{day} 12:00:00'"
        host.check_output(f"{restic} backup {words} /etc/hostname")
    try:
        assert {*older} <= {*made()}
        redeploy("notes", backup={**backup_of_notes(), "keep": {"daily": 2, "weekly": 0}}).ok()
        do("backup").ok()
        do("backup").ok()
        # All of the last two days, and the last one of the day before that.
        (before, *today) = sorted({each for each in made() if each[0] == own})
        assert (before, *today) == (older[3], (own, days[0]))
        assert made().count((own, days[0])) >= 2 and older[0] in made()
        assert host.run(f"{restic} check --read-data").rc == 0
    finally:
        others = " ".join(each["id"] for each in known() if each["hostname"] == "elsewhere")
        host.check_output(f"{restic} forget {others}")
        redeploy("notes").ok()


@pytest.mark.long
def test_a_stopped_application_is_saved_and_restored(do, http, host, redeploy):
    write(http, "of a stopped one")
    known = http("/notes/").json
    hooks = {"before": "true"}
    try:
        redeploy("notes", state="stopped", backup={**backup_of_notes(), **hooks}).ok()
        do("backup").ok()
        # A release that never ran has no container.
        redeploy("notes", state="stopped", env={"TEXT": "stopped"}).ok()
        do("backup").ok()
        host.check_output(f"rm -r {DATA} && mkdir {DATA}")
        do("restore").ok()
        host.check_output("systemctl start flaskops-job-notes_drill.service")
        assert not host.check_output("docker ps --quiet --filter name=^notes-")
    finally:
        redeploy("notes").ok()
    assert http("/notes/").json == known


def on_the_other(host, command):
    """Run a command as root on the other host of the scenario."""
    words = ["docker", "exec", f"{host.backend.host}-bookworm", "sh", "-c", command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.long
def test_a_backup_on_another_host(do, http, host, redeploy):
    """By SFTP, as a user there who can do nothing else."""
    address = on_the_other(host, "hostname -i").split()[0]
    there = {**backup_of_notes(), "to": f"sftp:keeper@{address}:backups"}
    on_the_other(
        host,
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq"
        " --no-install-recommends openssh-server >/dev/null"
        " && { id keeper 2>/dev/null || useradd --create-home keeper; }"
        " && printf 'Match User keeper\\n ForceCommand internal-sftp\\n' >> /etc/ssh/sshd_config"
        " && install -d -o keeper -m 0700 ~keeper/.ssh ~keeper/backups && systemctl restart ssh",
    )
    said = redeploy("notes", backup=there).failed().output
    assert f"{there['to']}/notes cannot be reached by ssh: Host key verification" in said, said
    assert http("/notes/").status == 200
    host.check_output(
        "test -e ~/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519"
    )
    host.check_output("ssh-keyscan -T 60 %s > ~/.ssh/known_hosts", address)
    key = host.check_output("cat ~/.ssh/id_ed25519.pub")
    on_the_other(
        host, f"echo '{key}' > ~keeper/.ssh/authorized_keys && chown -R keeper: ~keeper/.ssh"
    )
    try:
        redeploy("notes", backup=there).ok()
        write(http, "on another host")
        known = http("/notes/").json
        do("backup").ok()
        host.check_output(f"rm -r {DATA} && mkdir {DATA}")
        do("restore").ok()
        assert http("/notes/").json == known
        host.check_output("systemctl start flaskops-job-notes_drill.service")
        assert on_the_other(host, "ls ~keeper/backups/notes/snapshots")
    finally:
        redeploy("notes").ok()


@pytest.mark.long
def test_a_drill_of_a_damaged_backup_is_red(host, play, here):
    host.check_output("cp -a /srv/backups/notes /srv/backups/notes.kept")
    packs = "find /srv/backups/notes/data -type f"
    host.check_output(f"{packs} -exec chmod u+w {{}} + && {packs} -exec truncate --size 9 {{}} +")
    try:
        assert host.run("systemctl start flaskops-job-notes_drill.service").rc != 0
        shown = play("status", [], arguments=here).ok().output
    finally:
        host.check_output(
            "rm -r /srv/backups/notes && mv /srv/backups/notes.kept /srv/backups/notes"
        )
    assert re.search(r"notes: its restore drill of \S+ FAILED", shown), shown
