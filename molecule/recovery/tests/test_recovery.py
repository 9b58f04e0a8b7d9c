# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""After each failure, the live release keeps serving, and the next run completes the interrupted
one; counted under load.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import OWNER, SCENARIO, audit, nothing_lost, shop, wait_for

BAD_FRAGMENT = {"proxy": {"body_size": "99999999999999999999g"}}
BAD_MIGRATION = {"release_command": "echo cannot migrate; exit 3"}
# The tasks at which the controller is killed; a task that is renamed is renamed here too.
BUILD = "release | Write its files and build its image"
START = "release | Start it and wait for its health check"
SWITCH = "releases | Switch to those that are healthy"
LAST = "releases | Remove what must go, drain, stop what served before, prune and unlock"
STEPS = [BUILD, START, SWITCH, LAST, "releases | Set flask_apps_live"]


# --- failures before the switch -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"env": {"CRASH": "1"}}, "this version crashes at start"),
        pytest.param(BAD_FRAGMENT, "was refused by Nginx", marks=pytest.mark.long),
        pytest.param(BAD_MIGRATION, "cannot migrate", marks=pytest.mark.long),
        pytest.param(
            {"env": {"UNWELL": "1"}, "health": {"deadline_seconds": 12}},
            "500 unwell",
            marks=pytest.mark.long,
        ),
    ],
    ids=["crashes at start", "fragment refused", "migration fails", "never healthy"],
)
def test_a_bad_version(serving, deploy, version, load, left, bad, words):
    before = left()["running"]
    with load() as found:
        assert words in deploy(shop("bad", **bad)).failed().output
        assert version() == serving
    nothing_lost(found)
    assert left()["running"] == before
    good = f"good, without '{words}'"
    deploy(shop(good)).ok()
    assert version() == good != serving


def test_one_bad_application_does_not_hold_up_the_others(serving, deploy, version, http, load):
    bad = {"other": BAD_FRAGMENT, "third": BAD_MIGRATION}
    entries = [{**shop(1, **more), "name": name, "path": f"/{name}"} for name, more in bad.items()]
    with load() as found:
        run = deploy(shop("beside bad ones"), *entries).failed()
    nothing_lost(found)
    output = " ".join(run.output.split())
    for name in bad:
        assert f"{name}: release" in output
        assert http(f"/{name}/").status == 404
    assert "cannot migrate" in output
    assert "was refused by Nginx" in output
    assert version() == "beside bad ones" != serving
    gone = [{"name": name, "state": "absent"} for name in bad]
    deploy(shop("beside bad ones"), *gone).ok()


# --- two at once, and interrupted runs ------------------------------------------------------------


def test_two_deploys_at_the_same_moment(serving, start, version, listed, load, host):
    with load() as found:
        first, second = (start("deploy", [shop(name)]) for name in ("left", "right"))
        outputs = [process.communicate(timeout=300)[0] for process in (first, second)]
    nothing_lost(found)
    codes = [first.returncode, second.returncode]
    if sorted(codes) == [0, 2]:
        refused = outputs[codes.index(2)]
        assert "shop is locked by " in refused, refused
        assert "flask_apps_break_lock=" in refused
    else:  # one had finished before the other began to change something
        assert codes == [0, 0], outputs
    assert version() in ("left", "right")
    assert not host.file("/var/lib/flaskops/apps/shop/lock").exists
    listed[:] = [shop(version())]  # the deploy of one of them was successful


# Also within a step: while files are written or the image is built, and while the container starts.
CUTS = [
    pytest.param(step, after, id=f"{step.split(' | ')[1]} {after:g}")
    for step, after in [
        *((step, 0.0) for step in STEPS),
        (BUILD, 0.4),
        (BUILD, 1.0),
        (START, 2.0),
    ]
]


def is_complete(there):
    assert len(there["running"]) == 1, there
    assert (there["builds"], there["dangling"]) == ([], [])
    assert "lock" not in there["app"]


def cut(start, step, name, after=0.0):
    process = start(
        "deploy",
        [shop(name)],
        {"FLASKOPS_KILL_AT": step, "FLASKOPS_KILL_AFTER": str(after), **KILLER},
    )
    process.communicate(timeout=300)
    return process.returncode


KILLER = {
    "ANSIBLE_CALLBACK_PLUGINS": str(SCENARIO / "callback"),
    "ANSIBLE_CALLBACKS_ENABLED": "kill_at",
}


@pytest.mark.long
@pytest.mark.parametrize(("step", "after"), CUTS)
def test_the_controller_is_killed_at(serving, start, deploy, version, load, left, step, after):
    with load() as found:
        assert cut(start, step, f"cut {step} {after}", after) in (
            (-signal.SIGKILL, 0) if after else (-signal.SIGKILL,)
        )
        assert version()
        deploy(shop(f"after {step} {after}")).ok()
        assert version() == f"after {step} {after}"
    nothing_lost(found)
    is_complete(left())
    assert deploy(shop(f"after {step} {after}")).ok().changed == 0


@pytest.mark.long
@pytest.mark.parametrize(
    "step", [BUILD, START, SWITCH], ids=["Build", "Start it", "Switch to them"]
)
def test_an_interrupted_release_is_replaced_by_the_previous_one(serving, start, deploy, left, step):
    before = left()
    assert cut(start, step, f"given up {step}") == -signal.SIGKILL
    deploy(shop(serving)).ok()
    assert left() == before
    assert deploy(shop(serving)).ok().changed == 0


@pytest.mark.parametrize(
    "after",
    [0.2, pytest.param(0.3, marks=pytest.mark.long), pytest.param(0.45, marks=pytest.mark.long)],
)
def test_the_controller_is_killed_during_the_switch(
    serving, start, deploy, version, load, left, host, after
):
    with load() as found:
        assert cut(start, SWITCH, f"cut after {after}", after) in (-signal.SIGKILL, 0)
        assert version()
        # The step on the host is still running: the next run waits for it.
        deploy(shop(f"cut after {after}")).ok()
        assert version() == f"cut after {after}" != serving
    nothing_lost(found)
    is_complete(left())
    assert deploy(shop(f"cut after {after}")).ok().changed == 0
    lines = [
        json.loads(line)
        for line in host.check_output("cat /var/lib/flaskops/apps/shop/audit.jsonl").splitlines()
    ]
    # Recorded by the run itself, or by the next one.
    assert [line["result"] for line in lines if line["to"] == lines[-1]["to"]].count("live") == 1, (
        lines[-3:]
    )


def test_the_lock_of_another_controller_is_respected_until_it_is_broken(
    serving, deploy, host, version
):
    lock = {
        "who": "ann@elsewhere",
        "controller": "elsewhere",
        "pid": 1,
        "since": "2026-01-01T00:00:00Z",
        "token": "abcdef123456",
    }
    host.check_output("echo %s > /var/lib/flaskops/apps/shop/lock", json.dumps(lock))
    refused = deploy(shop("locked")).failed()
    assert (
        "shop is locked by ann@elsewhere (process 1) since 2026-01-01T00:00:00Z" in refused.output
    )
    assert refused.changed == 0
    assert version() == serving != "locked"
    deploy(shop("locked"), flask_apps_break_lock="abcdef123456").ok()
    assert version() == "locked"


# --- a full disk ----------------------------------------------------------------------------------


FULL = {"flask_apps_free_space": "0"}  # no check in advance: the run must meet the full disk


@pytest.fixture
def fails_for_want_of_room(serving, deploy, version, left, host):
    """A deploy that meets a full disk: the message names the step and the remedy, and nothing is
    left.
    """

    def run(where, app, **variables):
        before, written = left(), len(audit(host))
        output = deploy(app, **FULL, **variables).failed().output
        assert "no space left on device" in output.lower(), output
        assert "A disk of this host is full. Make room and run again" in output, output
        assert where in output, output
        assert version() == serving
        assert left() == before
        assert host.check_output("find /var/lib/flaskops -mindepth 1 -name '.*'") == ""
        state = json.loads(host.check_output("cat /var/lib/flaskops/apps/shop/state.json"))
        assert [
            state["releases"][state["live"]]["state"],
            *(entry["state"] for entry in state["releases"].values()),
        ].count("live") == 2
        assert len(audit(host)) in (written, written + 1)  # each line is complete

    return run


@pytest.mark.long
def test_a_full_disk_during_a_build(disk, fails_for_want_of_room, deploy, version, load, tmp_path):
    source = tmp_path / "app"
    shutil.copytree(SCENARIO / "app", source)
    # Each of these steps needs eight MiB: sending, unpacking, passing to the builder, copying into
    # the image; and copying the static files out of it for each URL. The builder may free space
    # meanwhile, so the cases are far apart.
    served = {
        "static": [{"url": url, "path": "static"} for url in ("/static", "/again", "/and-again")]
    }
    cases = {
        "The run could not begin": 0,
        "could not be put together": 4,
        "could not be unpacked": 12,
        "docker build": 24,
        f"failed at '{BUILD}' (copy its static files)": 40,
    }
    with load() as found:
        for where, room in cases.items():
            (source / "static/big").write_bytes(os.urandom(8 << 20))
            disk.room(room)
            fails_for_want_of_room(where, shop("big", source=str(source), **served))
        disk.room(500)
        deploy(shop("big", source=str(source), **served), **FULL).ok()
        assert version() == "big"
    nothing_lost(found)


@pytest.mark.long
def test_a_full_disk_during_a_release(disk, fails_for_want_of_room, deploy, version, load, host):
    volume = host.check_output(
        "docker volume create shop-data > /dev/null; docker volume inspect -f '{{.Mountpoint}}'"
        " shop-data"
    )
    host.check_output(f"chown {OWNER} {volume}")
    on_it = {"volumes": ["shop-data:/data"]}
    command_fills = {"release_command": "cat /dev/zero > /data/filled; true"}
    app_fills = {"env": {"FILL": "/data/filled"}}
    with load() as found:
        # The step at which the first one fails depends on the space that the container of its
        # command has freed.
        for where, fills in [
            ("goes on serving", command_fills),
            ("could not be recorded", app_fills),
        ]:
            disk.room(40)
            fails_for_want_of_room(where, shop("full", **on_it, **fills))
            host.check_output(f"rm {volume}/filled")
        deploy(shop("room again", **on_it), **FULL).ok()
        assert version() == "room again"
    nothing_lost(found)


@pytest.mark.long
def test_a_full_disk_while_the_runtime_image_is_built(
    disk, fails_for_want_of_room, deploy, version, host
):
    tags = host.check_output(
        "docker image ls --format '{{.Repository}}:{{.Tag}}' flaskops/runtime"
    ).split()
    host.check_output(f"docker image rm {' '.join(tags)} && docker builder prune --all --force")
    disk.room(1)
    fails_for_want_of_room(
        "The runtime image failed at 'image | Build or pull the runtime image", shop("without")
    )
    disk.room(2000)
    deploy(shop("with")).ok()
    assert version() == "with"


@pytest.mark.long
def test_no_room_for_the_files_of_ansible_itself(
    serving, fails_for_want_of_room, deploy, host, tmp_path
):
    # A small source is sent without a file.
    source = tmp_path / "app"
    shutil.copytree(SCENARIO / "app", source)
    (source / "static/big").write_bytes(os.urandom(1 << 20))
    unsent = shop("unsent", source=str(source))
    host.check_output("mkdir -p /run/full && mount -t tmpfs -o nr_inodes=1 full /run/full")
    try:
        fails_for_want_of_room("could not be sent", unsent, ansible_remote_tmp="/run/full/ansible")
    finally:
        host.check_output("umount /run/full")
    deploy(unsent).ok()


# --- processes without a route --------------------------------------------------------------------


def jobs(version, **more):
    """The application with a worker, and with a scheduler that never runs twice."""
    worker = {"name": "worker", "command": "python3 work.py worker", "stop_seconds": 5}
    scheduler = {
        "name": "beat",
        "command": "python3 work.py beat",
        "overlap": False,
        "ready_seconds": 1,
        "stop_seconds": 5,
    }
    return shop(version, volumes=["/srv/jobs:/jobs"], processes=[worker, scheduler], **more)


@pytest.fixture
def working(host, deploy, version, listed):
    """Version 1 and its processes run."""
    if listed != [jobs(1)]:
        if not version():
            deploy(shop(1)).ok()
        host.check_output(f"mkdir -p /srv/jobs && chown -R {OWNER} /srv/jobs")
        deploy(jobs(1)).ok()
    host.check_output("rm -f /srv/jobs/*.log")
    assert version() == "1"


@pytest.fixture
def lives(host):
    """The versions of a process that are running now."""

    def look(name="worker"):
        host.check_output(f"rm -f /srv/jobs/{name}.[!l]*")
        time.sleep(1)
        return sorted(
            host.check_output(f"cd /srv/jobs && ls | grep '^{name}[.][^l]' || true")
            .replace(f"{name}.", "")
            .split()
        )

    return look


def noted(host, name):
    """The log of the process: the version and the word of each line."""
    return [
        tuple(line.split()[1:])
        for line in host.check_output(f"cat /srv/jobs/{name}.log || true").splitlines()
    ]


def names(left):
    """The running processes of the application."""
    return sorted(name.split("-")[2] for name in left()["running"] if name.count("-") > 1)


def test_a_release_with_a_broken_process_is_refused(
    working, deploy, host, version, lives, load, left
):
    before = left()["running"]
    with load() as found:
        output = deploy(jobs("bad", env={"BREAK": "worker"})).failed().output
    nothing_lost(found)
    assert "its process worker of release" in output
    assert "this worker is broken" in output
    assert left()["running"] == before
    assert (version(), lives("worker"), lives("beat")) == ("1", ["1"], ["1"])
    assert noted(host, "beat")[:1] + noted(host, "beat")[-1:] == [("1", "end"), ("1", "begin")]
    assert deploy(jobs(1)).ok().changed == 0


def test_processes_are_released_with_the_application(working, deploy, host, lives, load, left):
    with load() as found:
        deploy(jobs(2)).ok()
    nothing_lost(found)
    assert noted(host, "beat") == [("1", "end"), ("2", "begin")]  # never two
    assert noted(host, "worker") == [("2", "begin"), ("1", "end")]  # never none
    assert (lives("worker"), lives("beat"), names(left)) == (["2"], ["2"], ["beat", "worker"])
    assert deploy(jobs(2)).ok().changed == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "after", "then"),
    [
        (START, 0.0, "1"),
        (START, 2.0, "1"),
        (SWITCH, 0.0, "2"),
        (SWITCH, 1.5, "1"),
        (SWITCH, 3.0, "2"),
        (LAST, 0.0, "1"),
        (LAST, 1.0, "2"),
    ],
)
def test_the_controller_is_killed_while_processes_change(
    working, start, deploy, version, lives, load, left, step, after, then
):
    with load() as found:
        environment = {"FLASKOPS_KILL_AT": step, "FLASKOPS_KILL_AFTER": str(after), **KILLER}
        process = start("deploy", [jobs(2)], environment)
        process.communicate(timeout=300)
        assert process.returncode in (-signal.SIGKILL, 0)
        deploy(jobs(then)).ok()
    nothing_lost(found)
    assert (version(), lives("worker"), lives("beat"), names(left)) == (
        then,
        [then],
        [then],
        ["beat", "worker"],
    )
    assert deploy(jobs(then)).ok().changed == 0


@pytest.mark.long
def test_after_a_refused_route_the_scheduler_runs_again(
    working, deploy, version, lives, names_of_all
):
    assert "was refused by Nginx" in deploy(jobs("bad", **BAD_FRAGMENT)).failed().output
    assert (version(), lives("worker"), lives("beat")) == ("1", ["1"], ["1"])
    assert names_of_all() == ["beat", "worker"]


@pytest.fixture
def names_of_all(left):
    """The processes of the application, including stopped ones."""
    return lambda: sorted(
        name.split("-")[2]
        for name in left()["containers"]
        if name.count("-") > 1 and not name.endswith("-pin")
    )


@pytest.mark.long
def test_processes_follow_a_rollback_and_every_state(
    working, deploy, play, version, lives, left, names_of_all
):
    deploy(jobs(2)).ok()
    play("rollback").ok()
    assert (version(), lives("worker"), lives("beat"), names(left)) == (
        "1",
        ["1"],
        ["1"],
        ["beat", "worker"],
    )
    deploy(jobs(1, state="maintenance")).ok()
    assert (lives("worker"), lives("beat")) == (["1"], ["1"])
    deploy(jobs(1, state="stopped")).ok()
    assert (lives("worker"), lives("beat"), left()["running"]) == ([], [], [])
    assert deploy(jobs(1, state="stopped")).ok().changed == 0
    deploy(jobs(1)).ok()
    assert (version(), lives("worker"), lives("beat")) == ("1", ["1"], ["1"])
    deploy(shop(1)).ok()  # an application may lose its processes
    assert (lives("worker"), lives("beat"), names_of_all()) == ([], [], [])
    deploy(jobs(1)).ok()
    deploy({"name": "shop", "state": "absent"}).ok()
    assert (lives("worker"), lives("beat")) == ([], [])
    assert deploy({"name": "shop", "state": "absent"}).ok().changed == 0


@pytest.mark.long
def test_a_process_that_is_down_is_reported_and_started(working, deploy, play, host, lives, left):
    (worker,) = (name for name in left()["running"] if name.endswith("-worker"))
    host.check_output(f"docker stop {worker}")
    assert "worker exited" in play("status").ok().output
    assert (
        "its process worker is exited"
        in play("deploy", [jobs(1)], arguments=["--check", "--diff"]).ok().output
    )
    deploy(jobs(1)).ok()
    assert lives("worker") == ["1"]
    host.check_output(f"docker rm --force {worker}")
    deploy(jobs(1)).ok()
    assert lives("worker") == ["1"]
    assert (
        "beat running, worker running" in play("status").ok().output
        or "worker running, beat running" in play("status").ok().output
    )


@pytest.mark.long
def test_processes_start_again_with_the_host(working, deploy, host, lives, left, version):
    before = left()["running"]
    boot_again(host)
    wait_for(lambda: version() == "1", 60, "the release after the reboot")
    wait_for(lambda: left()["running"] == before, 30, "the same containers")
    assert (lives("worker"), lives("beat")) == (["1"], ["1"])
    assert deploy(jobs(1)).ok().changed == 0


# --- prunes ---------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_rollback_after_a_system_prune(serving, deploy, play, version, host, tmp_path):
    # Another source: the same source has the same image, and an image in use is not pruned.
    shutil.copytree(SCENARIO / "app", tmp_path / "app")
    (tmp_path / "app/more.txt").write_text("more")
    deploy(shop("pruned too", source=str(tmp_path / "app"))).ok()
    host.check_output("docker system prune --all --force")

    def images():
        return set(host.check_output("docker image ls --quiet flaskops/shop").split())

    before = images()
    play("rollback").ok()
    assert images() > before
    assert version() == serving


@pytest.mark.long
def test_images_are_rebuilt_on_request(serving, deploy, play, version, host):
    def images():
        return set(host.check_output("docker image ls --quiet --no-trunc flaskops/runtime").split())

    before = images()
    deploy(shop(serving), flask_apps_base_refresh="2026-12").ok()
    assert len(images() - before) == 2  # the runtime image, and its build stage
    assert deploy(shop(serving), flask_apps_base_refresh="2026-12").ok().changed == 0
    # A rollback restores the release that was built on the previous images.
    play("rollback").ok()
    assert version() == serving


# --- many deploys, and the machine ----------------------------------------------------------------


def open_files(host):
    return {
        name: int(host.check_output(f"ls /proc/$(pidof -s {name})/fd | wc -l"))
        for name in ("nginx", "dockerd", "containerd")
    }


@pytest.mark.long
def test_twenty_deploys_in_a_row_leave_nothing_behind(serving, deploy, version, host, load, left):
    for number in range(6):
        deploy(shop(f"warm {number}")).ok()
    before, files = left(), open_files(host)
    with load() as found:
        for number in range(20):
            deploy(shop(f"row {number}")).ok()
    nothing_lost(found)
    assert version() == "row 19"
    wait_for(lambda: not left()["workers"], 10, "the old workers to leave")
    after = left()
    assert {name: len(entries) for name, entries in after.items()} == {
        name: len(entries) for name, entries in before.items()
    }
    assert len(after["releases"]) == len(after["images"]) == 5
    assert len(after["containers"]) == 6  # five pins and the one that serves
    # The engine closes the pipes of its builds and containers after a while; it never closes leaked
    # ones.
    wait_for(
        lambda: all(count - files[name] <= 10 for name, count in open_files(host).items()),
        120,
        f"no more open files than {files}",
    )


@pytest.mark.long
def test_a_killed_worker_and_a_killed_master_are_restarted(serving, host, version):
    first = host.check_output("docker inspect -f '{{.State.Pid}}' $(docker ps -q)")
    pid = host.check_output(f"pgrep -P {first}")  # the engine's init has one child, the master
    worker = host.check_output(f"pgrep -P {pid} | head -n 1")
    host.check_output(f"kill -KILL {worker}")
    took = wait_for(lambda: version() == serving, 20, "the service after its worker was killed")
    host.check_output(f"kill -KILL {pid}")
    back = wait_for(lambda: version() == serving, 30, "the service after its master was killed")
    print(f"worker: {took:.1f} s, master: {back:.1f} s")


@pytest.mark.long
def test_a_restart_of_the_docker_daemon(serving, host, version, load, deploy):
    with load() as found:
        host.check_output("systemctl restart docker")
        time.sleep(3)
    nothing_lost(found)
    assert deploy(shop(serving)).ok().changed == 0
    deploy(shop("after the restart")).ok()
    assert version() == "after the restart"


@pytest.mark.long
def test_a_reload_of_nginx(serving, host, load):
    with load() as found:
        for _ in range(3):
            host.check_output("systemctl reload nginx")
            time.sleep(1)
    nothing_lost(found)


def boot_again(host):
    name = host.check_output("hostname")
    subprocess.run(
        ["docker", "restart", "--time", "20", name], check=True, stdout=subprocess.DEVNULL
    )
    wait_for(
        lambda: host.run("systemctl is-system-running --wait").rc in (0, 1), 60, "the host to boot"
    )


@pytest.mark.long
def test_a_reboot_of_the_host(serving, deploy, host, version):
    boot_again(host)
    took = wait_for(lambda: version() == serving, 60, "the release after the reboot")
    print(f"back {took:.1f} s after systemd")
    assert_mounted_without_set_uid(host)
    assert deploy(shop(serving)).ok().changed == 0


def assert_mounted_without_set_uid(host):
    # The mount that forbids set-uid programs existed before Docker started the container again.
    process = host.check_output(
        "docker inspect --format '{{.State.Pid}}' $(docker ps --quiet --filter"
        " label=host.flaskops.app=shop)"
    )
    assert "nosuid,nodev" in host.check_output(f"grep ' /var/tmp ' /proc/{process}/mountinfo")


def test_a_bad_fragment_and_a_reboot(restored, deploy, host, version, http):
    other = {**shop(1), "name": "other", "path": "/other"}
    serving = restored(other)
    host.check_output("echo broken > $(readlink -f /etc/nginx/flaskops/default/other.conf)")
    boot_again(host)
    wait_for(lambda: version() == serving, 60, "the other application")
    assert_mounted_without_set_uid(host)
    assert http("/other/").status == 404
    deploy(shop(serving), other).ok()
    assert http("/other/").status == 200
