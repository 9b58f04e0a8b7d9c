# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The files of an application on the host are closed to its neighbours and to the other users of
the host.
"""

import json
import os

import pytest

APPS = "/var/lib/flaskops/apps"
# In the container: writes a set-uid program into directories that outlive the request, and opens
# them as far as the application can.
PROGRAM = """
import os, shutil
os.chmod("/var/tmp", 0o777)
for place in ("/var/tmp", os.path.dirname(os.environ["FLASKOPS_SOCKET"])):
    shutil.copy("/bin/cat", place + "/cat")
    os.chmod(place + "/cat", 0o6755)
"""


@pytest.fixture(scope="module")
def live(host):
    return {
        app: json.loads(host.check_output(f"cat {APPS}/{app}/state.json"))["live"]
        for app in ("intruder", "neighbour")
    }


def test_another_user_reaches_no_set_uid_program_of_an_application(host, inside, mallory, live):
    assert inside(PROGRAM) == ""
    release = f"{APPS}/intruder/releases/{live['intruder']}"
    for place in ("spool", "run"):
        assert host.file(f"{release}/{place}/cat").exists
        tried = mallory(f"{release}/{place}/cat {release}/secrets/OWN")
        assert (tried.rc, tried.stdout) == (126 if "denied" in tried.stderr else tried.rc, "")
        assert "ermission denied" in tried.stderr


def test_writable_directories_are_mounted_without_set_uid_and_devices(host, inside):
    """In the container, where it writes, and on the host, where its files are stored."""
    assert "nosuid" in host.check_output(f"findmnt -no OPTIONS {APPS}").split(",")
    found = inside(
        "import os; print(*(os.statvfs(place).f_flag & 6 for place in ('/var/tmp',"
        " os.path.dirname(os.environ['FLASKOPS_SOCKET']))))"
    )
    assert found.split() == [str(os.ST_NOSUID | os.ST_NODEV)] * 2


def test_the_next_run_creates_a_missing_mount_again(host, redeploy):
    host.check_output(f"umount {APPS}")
    try:
        redeploy("intruder", "neighbour").ok()
        assert "nosuid" in host.check_output(f"findmnt -no OPTIONS {APPS}").split(",")
    finally:
        host.run(f"mountpoint -q {APPS} || systemctl restart flaskops-mount")
    assert host.check_output("systemctl is-enabled flaskops-mount") == "enabled"
    assert host.check_output(f"findmnt -no TARGET {APPS} | wc -l") == "1"


@pytest.mark.parametrize(
    "path",
    ["", "/intruder", "/neighbour/releases", "/neighbour/state.json", "/neighbour/audit.jsonl"],
)
def test_another_user_sees_nothing_below_the_parents(mallory, path):
    assert "ermission denied" in mallory(f"ls {APPS}{path}").stderr


def test_another_user_connects_to_no_application(mallory, live):
    socket = f"{APPS}/neighbour/releases/{live['neighbour']}/run/app.sock"
    assert (
        "ermission"
        in mallory(
            f"python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('{socket}')\""
        ).stderr
    )


def test_secrets_belong_to_root_and_only_their_group_reads_them(host, inside, live):
    place = f"{APPS}/neighbour/releases/{live['neighbour']}/secrets"
    assert host.check_output(f"stat -c '%U %a' {place}") == "root 550"
    assert host.check_output(f"stat -c '%U %a' {place}/TOKEN") == "root 440"
    output = inside("import os; os.unlink('/run/secrets/OWN')")
    assert "Read-only file system" in output


def test_parents_are_open_to_nginx_only(host):
    for path in ("/var/lib/flaskops", APPS, f"{APPS}/neighbour", f"{APPS}/neighbour/releases"):
        assert host.check_output(f"stat -c '%U %G %a' {path}") == "root www-data 710"


def test_a_rollback_does_not_accept_a_link_as_a_secret(host, http, play):
    """With an older version of the collection, the application owned the files of its secrets, so
    it may have replaced one with a link. The test of the mount has released the intruder again.
    """
    before = json.loads(host.check_output(f"cat {APPS}/intruder/state.json"))
    old = next(
        identity
        for identity, data in before["releases"].items()
        if data["state"] == "retired" and data.get("number")
    )
    place = f"{APPS}/intruder/releases/{before['live']}/secrets"
    host.check_output("echo only root reads this >/root/private && chmod 600 /root/private")
    host.check_output(
        f"chown 10001:10001 {place} && rm {place}/OWN && ln -s /root/private {place}/OWN"
    )
    play("rollback", flask_apps_only="intruder").failed()
    assert (
        "only root reads this"
        not in host.run(f"cat {APPS}/intruder/releases/{old}/secrets/OWN").stdout
    )
    assert http("/intruder/").body == "intruder\n"
