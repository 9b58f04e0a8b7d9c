# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The files that the intruder leaves on the disk delay nobody for long, are shown, are removed with
its container, and do not stop the run of a neighbour.
"""

from __future__ import annotations

import json
import re
import time

import pytest
from conftest import APPS as SOURCES
from conftest import ENTRIES

APPS = "/var/lib/flaskops/apps"
DEEP = """
import os
here = os.open("/var/tmp", os.O_RDONLY)
for _ in range(3000):
    os.mkdir("d", dir_fd=here)
    here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
    os.close(above)
os.close(here)
"""
ODD = r"""
import os, socket
os.chdir("/var/tmp")
for name in (b"\xff\xfe", b"\n", b"-rf", b"\x1b[31m", b"a" * 255):
    os.makedirs(name + b"/x/y")
    open(name + b"/file", "w").close()
os.mkfifo("fifo")
socket.socket(socket.AF_UNIX).bind("socket")
os.symlink("/etc", "etc")
os.symlink("..", "up")
os.makedirs("closed/in/side")
os.chmod("closed/in", 0)
os.chmod("closed", 0)
"""
MANY = """
import os
for top in range(100):
    os.mkdir(f"/var/tmp/{top}")
    for number in range(2000):
        os.close(os.open(f"/var/tmp/{top}/{number}", os.O_CREAT | os.O_WRONLY))
"""


@pytest.fixture
def audit(host):
    """The results of all runs that changed an application."""

    def read(app: str) -> list[str]:
        return [
            json.loads(line)["result"]
            for line in host.check_output(f"cat {APPS}/{app}/audit.jsonl").splitlines()
        ]

    return read


@pytest.fixture
def releases(host):
    def read(app: str) -> list[str]:
        return sorted(host.check_output(f"ls {APPS}/{app}/releases").split())

    return read


@pytest.fixture
def status(play):
    def read() -> dict[str, str]:
        output = play("status").ok().output
        rows = [line for line in output.splitlines() if len(line.split()) > 5]
        return {row.split()[1]: row for row in rows if row.split()[1] in ("intruder", "neighbour")}

    return read


@pytest.fixture
def both(redeploy, audit, releases, host):
    """Release both again, and check that the end of the run is complete for both."""

    def run(**more):
        before = {app: len(audit(app)) for app in ("intruder", "neighbour")}
        result = redeploy(
            "intruder", "neighbour", flask_apps_defaults={"keep_releases": 2}, **more
        ).ok()
        for app in ("intruder", "neighbour"):
            assert audit(app)[before[app] :] == ["live"], app
            assert len(releases(app)) <= 3, app  # the failed one of an earlier test is one
            assert not host.file(f"{APPS}/{app}/lock").exists
        return result

    return run


ALL_TASKS = {"FLASKOPS_SLOWEST": "1000"}


def seconds_of_tasks(run):
    """The seconds of each task of a run. The time of a whole run varies with the load of the
    machine by more than the limit that is checked here.
    """
    found = {}
    for seconds, task in re.findall(
        r"^ *(\d+\.\d) s  (flaskops\.host\..+)$", run.output, re.MULTILINE
    ):
        found[task] = max(found.get(task, 0), float(seconds))
    assert len(found) > 30, run.output
    return found


def is_clean(host):
    return host.check_output("ls -A /var/lib/flaskops/apps/.trash") == ""


def test_the_files_of_the_intruder_are_deleted_and_the_neighbour_has_its_audit_and_its_prune(
    inside, both, host
):
    """The next test releases again, which prunes the release with the files."""
    inside(DEEP)
    inside(ODD)
    both()
    assert is_clean(host)
    written = host.check_output(
        f"find {APPS}/intruder/releases -mindepth 3 -path '*/spool/*' | wc -l"
    )
    assert written.strip() == "0"


@pytest.mark.long
def test_many_files_delay_no_run_for_long(inside, both, host):
    usual = seconds_of_tasks(both(environment=ALL_TASKS))
    inside(MANY)
    took = seconds_of_tasks(both(environment=ALL_TASKS))
    late = {
        task: (usual.get(task, 0), seconds)
        for task, seconds in took.items()
        if seconds >= usual.get(task, 0) + 10
    }
    assert not late, late
    for _ in range(5):
        if is_clean(host):
            break
        both()
    assert is_clean(host)


def test_the_status_shows_what_was_written_and_it_is_removed_with_the_container(
    inside, both, status, host
):
    inside("open('/var/tmp/big', 'wb').write(bytes(30_000_000))")
    found = status()
    assert "30.0 MB" in found["intruder"], found
    assert "30.0 MB" not in found["neighbour"], found
    both()
    assert "30.0 MB" not in status()["intruder"]
    assert host.run(f"ls {APPS}/intruder/releases/*/spool/big").rc != 0


def test_the_run_after_a_killed_run_completes(inside, start, redeploy, both, audit, host):
    inside(DEEP)
    entries = [{**ENTRIES[name], "env": {"CHANGE": "killed"}} for name in ("intruder", "neighbour")]
    process = start("deploy", entries, flask_apps_source_root=str(SOURCES))
    end = time.monotonic() + 120
    while not host.file(f"{APPS}/neighbour/lock").exists and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(3)
    process.kill()
    process.communicate()
    redeploy("intruder", "neighbour").ok()
    assert audit("neighbour")[-2:] == ["cut off", "live"]
    both()
    assert is_clean(host)


def test_a_deploy_without_room_is_refused_before_anything_is_changed(redeploy, audit, releases):
    before = audit("neighbour"), releases("neighbour")
    result = redeploy("neighbour", flask_apps_free_space="900t").failed()
    assert "a deploy needs" in result.output
    assert "flask_apps_free_space; 0 turns it off" in result.output
    assert result.changed == 0
    assert (audit("neighbour"), releases("neighbour")) == before


def test_the_log_of_each_container_has_a_limit(host):
    names = host.check_output("docker ps --quiet").split()
    for found in json.loads(host.check_output(f"docker inspect {' '.join(names)}")):
        log = found["HostConfig"]["LogConfig"]
        assert log["Type"] not in ("json-file", "local") or "max-size" in log["Config"], found[
            "Name"
        ]
