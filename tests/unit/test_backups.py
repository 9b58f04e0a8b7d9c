# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups: what an entry may say, copies of hostile directories, which snapshot is chosen, and what
an interrupted restore leaves.
"""

import errno
import json
import os
import re
import socket
import stat
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flaskops.host.plugins.module_utils.backups import (
    data,
    drill,
    moves,
    order,
    restic,
    restore,
    save,
    trees,
    upgrade,
)
from ansible_collections.flaskops.host.plugins.module_utils.backups.data import Live, Volume
from ansible_collections.flaskops.host.plugins.module_utils.backups.order import (
    BackupOrder,
    BackupResult,
)
from ansible_collections.flaskops.host.plugins.module_utils.backups.restic import Snapshot
from ansible_collections.flaskops.host.plugins.module_utils.backups.services import (
    LiveService,
    refuse_stopped,
)
from ansible_collections.flaskops.host.plugins.module_utils.host import disk, files
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.flock import alone
from ansible_collections.flaskops.host.plugins.module_utils.host.places import (
    DataPlace,
    Place,
    ReleasePlace,
    ServiceName,
)
from ansible_collections.flaskops.host.plugins.module_utils.host.typed import plain
from ansible_collections.flaskops.host.plugins.module_utils.program import backup as program
from ansible_collections.flaskops.host.plugins.module_utils.releases import report
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import App, Backup, Drill
from ansible_collections.flaskops.host.plugins.module_utils.releases.interrupted import (
    interrupted,
    refuse_interrupted,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.module_utils.releases.services.engines import ENGINES
from ansible_collections.flaskops.host.plugins.module_utils.releases.services.record import (
    ServiceRecord,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases.services.service import (
    ServiceSpec,
)
from ansible_collections.flaskops.host.plugins.modules import app_backup
from ansible_collections.flaskops.host.plugins.plugin_utils.jobs import Given
from entries import normalize_apps

SHOP = {"name": "shop", "image": "registry.example.org/shop:1", "path": "/shop"}
CONTAINER = {
    "name": "shop-service-db",
    "env_file": "/e",
    "user": "999:999",
    "network_mode": "none",
    "memory": "1g",
    "memory_swap": "1g",
    "pids_limit": 9,
    "stop_timeout": 9,
    "labels": {},
}
BACKUP = {"to": "/srv/backups", "schedule": "*-*-* 02:00", "password": "correct-horse"}


def normalized(given, **more):
    return normalize_apps([{**SHOP, "volumes": ["data:/data"], "backup": given, **more}])


# --- the entry ------------------------------------------------------------------------------------


def test_a_backup_has_sensible_defaults():
    (app,), problems = normalized({**BACKUP, "schedule": "0 2 * * *", "drill": {"schedule": "Sun"}})
    assert problems == []
    backup = App.from_dict(app).backup
    assert (backup.schedule, backup.drill.schedule) == ("*-*-* 02:00", "Sun")
    assert (backup.keep.daily, backup.keep.weekly, backup.pause) == (7, 4, False)
    assert "correct-horse" not in repr(backup)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**BACKUP, "to": ""}, "backup is written without to"),
        ({**BACKUP, "to": "srv/backups"}, "must be a directory, such as"),
        ({**BACKUP, "to": "/srv/../etc"}, "must not contain .."),
        ({**BACKUP, "to": "s3:bucket"}, "must be a directory, such as"),
        ({**BACKUP, "schedule": "2020-01-01"}, "must be a time that comes"),
        ({"to": "/srv/backups", "password": "correct-horse"}, "backup.schedule is missing"),
        ({"to": "/srv/backups", "schedule": "daily"}, "backup.password is missing"),
        ({**BACKUP, "password": "short"}, "8 to 256 printable"),
        ({**BACKUP, "keep": {"daily": 0}}, "daily"),
        ({**BACKUP, "drill": {"schedule": "2020-01-01"}}, "must be a time that comes"),
        ({**BACKUP, "drill": {"secrets": ["KEY"]}}, "got KEY. The entry has no secrets"),
    ],
)
def test_bad_backups_are_refused_on_the_controller(given, words):
    _apps, problems = normalized(given)
    assert len(problems) == 1 and words in problems[0], problems
    assert "short" not in problems[0]


def test_a_backup_of_nothing_is_refused():
    _apps, problems = normalized(BACKUP, volumes=[])
    assert len(problems) == 1 and "has no volumes" in problems[0]


@pytest.mark.parametrize(
    "volume", ["/srv/backups:/b", "/srv:/b", "/srv/backups/shop:/b", "/srv/backups/shop/data:/b"]
)
@pytest.mark.parametrize("whose", ["shop", "blog"])
def test_no_application_writes_to_a_repository(volume, whose):
    """A restore would move the backups away, too; and whose volume it is could remove them."""
    shop = {**SHOP, "backup": BACKUP, "volumes": ["shop-data:/data"]}
    blog = {**SHOP, "name": "blog", "path": "/blog"}
    listed = [shop, blog]
    for each in listed:
        if each["name"] == whose:
            each["volumes"] = [volume]
    _apps, problems = normalize_apps(listed)
    (name, _colon, _target) = volume.partition(":")
    assert len(problems) == 1
    assert (
        f"shop: backup.to is /srv/backups, and {whose} writes to its volume {name};" in problems[0]
    )
    for other in (f"{volume}:ro", "/srv/backups-old:/b", "/srv/backups/blog:/b"):
        for each in listed:
            if each["name"] == whose:
                each["volumes"] = [other, "more:/more"]
        assert normalize_apps(listed)[1] == []


def test_a_repository_behind_a_link_or_in_a_named_volume_is_found_on_the_host(tmp_path):
    inside = tmp_path / "volume/backups"
    inside.mkdir(parents=True)
    (tmp_path / "link").symlink_to(inside)
    for repository in (inside / "shop", tmp_path / "link/shop", tmp_path / "volume"):
        with pytest.raises(HostError, match=r"inside of .*/volume, which is saved there"):
            data.refuse_inside(str(repository), [tmp_path / "other", tmp_path / "volume"])
    data.refuse_inside(str(tmp_path / "volumes/shop"), [tmp_path / "volume"])
    data.refuse_inside("sftp:keeper@host:/volume", ["/volume"])


def test_no_job_takes_the_timer_of_a_backup():
    job = {"name": "backup", "schedule": "daily", "command": "true"}
    _apps, problems = normalize_apps([{**SHOP, "jobs": [job]}])
    assert len(problems) == 1 and "which belongs to the key backup" in problems[0]


@pytest.mark.parametrize("service", [{"name": "db", "engine": "postgresql"},
                                     {"name": "db", "image": "queue:1"}])  # fmt: skip
def test_services_are_enough_for_a_backup(service):
    _apps, problems = normalized(BACKUP, volumes=[], services=[service])
    assert problems == []


def test_a_service_of_another_application_is_not_enough():
    owner = {**SHOP, "name": "owner", "path": "/o", "services": [{"name": "db", "engine": "redis"}]}
    sharing = {**SHOP, "backup": BACKUP, "services": [{"name": "db", "of": "owner"}]}
    _apps, problems = normalize_apps([owner, sharing])
    assert len(problems) == 1 and "no own services" in problems[0]


# --- the files of a host --------------------------------------------------------------------------


def given_order(tmp_path, **more):
    backup = Backup("/srv/backups", "daily", "correct-horse", **more)
    made = BackupOrder("shop", backup, str(tmp_path), "/etc/nginx")
    made.place.directory.mkdir(parents=True, exist_ok=True)
    return made


def test_the_password_is_in_one_closed_file_alone(tmp_path):
    made = given_order(tmp_path)
    files = order.files_of(made, "flaskops-0.pyz")["backup"]
    holders = [path for path, text in files.items() if "correct-horse" in text]
    assert holders == [str(made.password_file)]
    made.place.order.write_text(files[str(made.place.order)])
    assert BackupOrder.of(str(tmp_path), "shop").repository == "/srv/backups/shop"


def test_the_drill_has_a_timer_only_where_it_is_written(tmp_path):
    assert [*order.files_of(given_order(tmp_path), "p")] == ["backup"]
    with_drill = Release.from_dict(
        {"name": "shop", "id": "1", "site": "default", "path": "/"}
        | {"backup": {**BACKUP, "drill": {"schedule": "Sun"}}}
    )
    given = Given(str(tmp_path))
    assert [each.name for each in given.wanted(with_drill)] == ["backup", "drill"]
    stopped = Release.from_dict({**with_drill.to_dict(), "state": "stopped"})
    # Its services go on, and others may share them.
    assert [each.name for each in given.wanted(stopped)] == ["backup", "drill"]


def test_a_backup_and_a_drill_leave_the_disk_and_the_processors_to_others(tmp_path):
    units = order.files_of(given_order(tmp_path, drill=Drill("Sun")), "p")
    assert [*units] == ["backup", "drill"]
    for files_ in units.values():
        (service,) = [text for path, text in files_.items() if path.endswith(".service")]
        assert {"Nice=10", "IOSchedulingClass=idle"} <= {*service.splitlines()}
    assert drill.LIMITS[-2:] == ("--cpu-shares", "2")


def test_a_drill_without_room_restores_nothing(tmp_path, monkeypatch):
    one = drill.Drilled(given_order(tmp_path))
    monkeypatch.setattr(one, "_choose", lambda: 1 << 60)
    one.manifest = {"time": "2026-11-28T00:00:00Z", "volumes": {}}
    release = Release.from_dict({"name": "shop", "id": "1", "site": "default", "path": "/"})
    monkeypatch.setattr(drill.Live, "of", lambda *_: Live(release, {"Mounts": []}))
    monkeypatch.setattr(drill, "clean", lambda _order: None)
    with pytest.raises(HostError, match=r"are needed on the disk of .* Nothing was restored\."):
        one.run()
    assert not one.work.exists()


def test_a_directory_that_cannot_be_created_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    one = fake_restic(tmp_path, monkeypatch, "exit 1")
    one.repository = str(tmp_path / "file" / "below" / "shop")
    with pytest.raises(HostError, match="/file/below cannot be written: Not a directory"):
        one._make()


def test_an_application_without_a_backup_has_no_files(tmp_path):
    bare = Release.from_dict({"name": "shop", "id": "1", "site": "default", "path": "/"})
    assert Given(str(tmp_path)).files(bare) == {}
    with pytest.raises(HostError, match="has no backup on this host"):
        BackupOrder.of(str(tmp_path), "shop")


@pytest.mark.parametrize("of_the_host", [False, True])
def test_a_drill_waits_for_a_backup_and_for_another_drill(tmp_path, monkeypatch, of_the_host):
    """A timer that starts it again comes a week later, and nobody would miss it. Each drill needs
    the memory of a whole application.
    """
    made = given_order(tmp_path, seconds=20)
    done = order.BackupResult("1", "now", 0)
    monkeypatch.setattr(program, "_finish", lambda _order, _kind, _place, result: result.code)
    locked = threading.Event()
    waits_for = Place(str(tmp_path)).drills if of_the_host else made.place.lock

    def backup():
        with alone(waits_for):
            locked.set()
            time.sleep(0.5)
            ended.append(True)

    ended = []
    other = threading.Thread(target=backup)
    other.start()
    locked.wait(10)

    def drilled(_result):
        assert ended
        return done

    assert program._run(made, "drill", made.drill, drilled) == 0
    other.join()


def test_a_backup_that_could_not_begin_is_a_failure(tmp_path, monkeypatch):
    made, events = given_order(tmp_path, seconds=0), []
    monkeypatch.setattr(program.notify, "send", lambda _to, given: events.extend(given) or [])
    with alone(made.place.lock):
        assert program._run(made, "backup", made.place, None) == program.BUSY
    kept = BackupResult.of(made.place)
    assert kept.code == program.BUSY and "another backup, drill or restore of shop" in kept.reason
    assert [each["event"] for each in events] == ["backup_failed"]


@pytest.mark.parametrize("last", [None, BackupResult("1", "before", 1, reason="it is damaged")])
def test_a_drill_that_is_skipped_leaves_the_last_result(tmp_path, monkeypatch, last):
    """It says nothing about the backup, and must not turn a red one green."""
    made, events = given_order(tmp_path), []
    made.place.order.write_text(made.text)
    made.drill.directory.mkdir(exist_ok=True)
    if last:
        made.drill.result.write_text(last.text)
    monkeypatch.setattr(program.notify, "send", lambda _to, given: events.extend(given) or [])
    locked = Place(str(tmp_path)).app("shop").lock
    locked.write_text(json.dumps({"token": "t0k", "who": "ann", "renewed": files.now()}))
    assert program.drill(str(tmp_path), "shop") == 0
    assert BackupResult.of(made.drill) == last and events == []
    audit = json.loads(Place(str(tmp_path)).app("shop").audit.read_text())
    assert audit["result"] == "skipped" and "locked by ann" in audit["reason"]
    # A run that died has left its lock: no drill would ever come.
    for active in ("2020-01-01T00:00:00Z", ""):
        locked.write_text(json.dumps({"token": "t0k", "who": "ann", "since": active}))
        assert program.drill(str(tmp_path), "shop") == program.FAILED
        assert "-e flask_apps_break_lock=t0k" in BackupResult.of(made.drill).reason
    assert [each["event"] for each in events] == ["drill_failed"] * 2


@pytest.mark.parametrize(
    ("password", "code", "refused"),
    [("correct-horse", 1, False), ("another-one", 1, True), ("another-one", 0, True)],
)
def test_a_place_out_of_reach_does_not_stop_deploys(tmp_path, monkeypatch, password, code, refused):
    """Only a new place, or a new password, must open before anything is changed."""
    made = given_order(tmp_path)
    made.place.order.write_text(made.text)
    made.password_file.write_text("correct-horse\n")
    made.place.result.write_text(BackupResult("1", "now", code).text)
    fake_restic(tmp_path, monkeypatch, "echo 'Fatal: the disk is gone' >&2; exit 1")
    backup = replace(made.backup, password=password)
    target, root = app_backup.Target("shop", backup), str(tmp_path)
    assert not target.is_known(root)
    if refused:
        with pytest.raises(HostError, match=r"shop: restic cat .*: Fatal"):
            app_backup.test(root, [target], False)
    else:
        created, (warning,) = app_backup.test(root, [target], False)
        assert not created
        assert re.match("shop: its last backup failed, and so will", warning)
    made.place.result.write_text(BackupResult("1", "now", 0).text)
    assert target.is_known(root) == (password == "correct-horse")


def test_the_names_of_untried_places_are_not_censored(tmp_path, capsys):
    """As all values of an option are that is not logged, on a real exit of a module."""
    backup = {**BACKUP, "to": "/srv/shop"}
    packed = b64encode(json.dumps([{"app": "shop", "backup": backup}]).encode()).decode()
    given = {"action": "known", "root": str(tmp_path), "packed": packed}
    with patch_module_args(given), pytest.raises(SystemExit):
        app_backup.main()
    said = capsys.readouterr().out
    assert json.loads(said)["untried"] == ["shop"]
    assert "correct-horse" not in said and packed not in said


# --- copies ---------------------------------------------------------------------------------------


def test_a_copy_follows_no_link_and_keeps_no_set_uid(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (source / "link").symlink_to(tmp_path / "secret")
    (source / "d" / "up").symlink_to("..")
    (source / "d" / "file").write_text("text")
    (source / "d" / "file").chmod(0o4755)
    os.mkfifo(source / "pipe")
    copy = trees.Copy(source, target)
    done = threading.Thread(target=copy.run)
    done.start()
    done.join(10)
    assert not done.is_alive(), "it waits for a FIFO"
    assert os.readlink(target / "link") == str(tmp_path / "secret")
    assert (target / "d" / "up").is_symlink() and not (target / "pipe").exists()
    assert stat.S_IMODE((target / "d" / "file").stat().st_mode) == 0o755
    assert copy.skipped == 1


def test_a_second_copy_has_only_what_has_changed(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("same", "other", "gone", "kind"):
        (source / name).write_text(name)
    copy = trees.Copy(source, target)
    copy.run()
    first = copy.bytes
    (source / "other").write_text("changed")
    (source / "gone").unlink()
    (source / "kind").unlink()
    (source / "kind").mkdir()
    copy.run()
    assert copy.bytes - first == len("changed")
    assert sorted(path.name for path in target.iterdir()) == ["kind", "other", "same"]
    assert (target / "other").read_text() == "changed" and (target / "kind").is_dir()


@pytest.mark.parametrize("whole", [True, False])
def test_holes_of_a_file_stay_holes(tmp_path, monkeypatch, whole):
    """An application can make a file of any size without using the disk."""
    if not whole:  # between two file systems
        monkeypatch.setattr(os, "copy_file_range", lambda *_: (_ for _ in ()).throw(
            OSError(errno.EXDEV, "")))  # fmt: skip
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    content = {"end": 1 << 30, "middle": 3 << 20, "none": 0}
    for name, size in content.items():
        with (source / name).open("wb") as file:
            file.write(b"begin" if size else b"")
            if name == "middle":
                file.seek(size - 3)
                file.write(b"end")
            file.truncate(size)
    trees.Copy(source, target).run()
    for name, size in content.items():
        found = (target / name).stat()
        assert (found.st_size, found.st_blocks * 512 < 1 << 17) == (size, True)
    middle = (target / "middle").read_bytes()
    assert middle == b"begin" + bytes((3 << 20) - 8) + b"end"


def test_a_file_that_becomes_a_link_meanwhile_is_counted(tmp_path, monkeypatch):
    source, lstat = tmp_path / "source", os.lstat
    source.mkdir()
    (source / "file").write_text("text")
    (source / "other").write_text("text")

    def late(name, **how):
        found = lstat(name, **how)
        if name == "file" and stat.S_ISREG(found.st_mode):
            (source / "file").unlink()
            (source / "file").symlink_to("/etc/shadow")
        return found

    monkeypatch.setattr(trees.os, "lstat", late)
    copy = trees.Copy(source, tmp_path / "target")
    copy.run()
    assert copy.skipped == 1 and (tmp_path / "target/other").read_text() == "text"


def test_two_directories_never_have_one_name_in_a_backup(tmp_path):
    places = [tmp_path / "a_b", tmp_path / "a/b", tmp_path / "a%2Fb"]
    for place in places:
        place.mkdir(parents=True)
    mounts = [{"Source": str(each), "RW": True, "Destination": f"/{n}"}
              for n, each in enumerate(places)]  # fmt: skip
    found = data.written({"Mounts": mounts}, "/var/lib/flaskops")
    assert len({each.name for each in found}) == 3 and not any("/" in each.name for each in found)
    data.refuse_same_names(found)
    data.refuse_same_names([Volume("shared", "/srv/a", "/a"), Volume("shared", "/srv/a", "/b")])
    with pytest.raises(HostError, match="/srv/a and /srv/b have one name in a backup, x, so noth"):
        data.refuse_same_names([Volume("x", "/srv/a", "/a"), Volume("x", "/srv/b", "/b")])


def test_a_reason_of_any_bytes_and_length_can_be_read_by_ansible(tmp_path):
    """A file name of an application may be in it. One that an earlier version kept is read too."""
    name = os.fsdecode(b"a\x1b[31m\n<0>wall\xff.db")
    made = BackupResult("1", "2026-01-01T00:00:00Z", 1, reason=name * 1000)
    assert made.reason.startswith("a\\x1b[31m\n<0>wall\\udcff.db") and len(made.reason) < 5000
    place = given_order(tmp_path).place
    place.directory.mkdir(parents=True, exist_ok=True)
    place.result.write_text(json.dumps({"release": "1", "begun": "", "code": 1, "reason": name}))
    assert BackupResult.of(place).reason.encode() == b"a\\x1b[31m\n<0>wall\\udcff.db"


def test_a_copy_stops_before_the_disk_is_full(tmp_path, monkeypatch):
    """A file with ten names is counted once, and copied ten times."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "0").write_bytes(os.urandom(1 << 20))
    for number in range(1, 10):
        os.link(source / "0", source / str(number))
    room = iter(range(5 << 20, -1, -(1 << 20)))
    monkeypatch.setattr(disk, "RESERVE", 0)
    monkeypatch.setattr(disk, "_free", lambda _room: next(room))
    with pytest.raises(HostError, match=r"1 MiB are needed .* Nothing was saved"):
        trees.Copy(source, tmp_path / "target").run()


def test_a_file_that_is_mounted_alone_is_not_left_out_in_silence(tmp_path):
    (tmp_path / "app.db").write_text("")
    mount = {"Source": str(tmp_path / "app.db"), "Destination": "/data/app.db", "RW": True}
    words = r"shop-1 has the volume .*app\.db, which is a file\. Only directories are saved"
    with pytest.raises(HostError, match=words):
        data.refuse_files({"Name": "/shop-1", "Mounts": [mount]})
    data.refuse_files({"Mounts": [{**mount, "RW": False}, {"Source": "/dev/null", "RW": True},
                                  {"Source": str(tmp_path), "RW": True}]})  # fmt: skip


def test_a_database_of_sqlite_that_begins_between_two_copies_is_saved(tmp_path, monkeypatch):
    source = tmp_path / "volume"
    source.mkdir()
    (source / "old.db").write_bytes(trees.SQLITE)
    (source / "empty.db").write_bytes(b"")
    saved = []

    def sqlite(_docker, _live, file, target):
        saved.append(file)
        target.write_text("saved")

    @contextmanager
    def paused(_docker, _containers):
        for name in ("empty.db", "new.db"):
            (source / name).write_bytes(trees.SQLITE)
        yield

    for name, fake in (
        ("sqlite", sqlite),
        ("paused", paused),
        ("containers_of", lambda *_, **__: []),
    ):
        monkeypatch.setattr(save, name, fake)
    one = save.Save(given_order(tmp_path, pause=True), Called())
    one.work = tmp_path / "work"
    one.work.mkdir()
    release = Release.from_dict({"name": "shop", "id": "1", "site": "default", "path": "/"})
    live = Live(release, {"State": {"Running": True}})
    one._copy(live, [Volume("data", str(source), "/data")])
    assert saved == ["/data/old.db", "/data/empty.db", "/data/new.db"]
    copied = one.work / "volumes/data"
    assert {path.name: path.read_text() for path in copied.iterdir()} == dict.fromkeys(
        ("old.db", "empty.db", "new.db"), "saved"
    )


def test_a_command_around_a_backup_has_the_secrets(tmp_path):
    """As bin/flaskops exec gives them, and as the application has them."""
    given = {"name": "shop", "id": "1", "site": "default", "path": "/"}
    release = Release.from_dict({**given, "container": {"entrypoint": ["/relay"]}})
    docker = Called()
    running = {"State": {"Running": True}, "Config": {}}
    data.hook(docker, Live(release, running), "flask dump", "backup.before")
    release = Release.from_dict({**given, "container": {}})
    running["Config"]["Entrypoint"] = ["/entrypoint"]
    data.hook(docker, Live(release, running), "flask dump", "backup.before")
    assert docker.calls == [
        "exec shop-1 /relay --run sh -c exec flask dump",
        "exec shop-1 /entrypoint sh -c exec flask dump",
    ]
    ended = {"State": {"Running": False}}
    with pytest.raises(HostError, match=r"backup.before cannot run, because shop does not"):
        data.hook(docker, Live(release, ended), "flask dump", "backup.before")


@pytest.mark.parametrize(
    ("stopped", "going_on", "runs"),
    [(False, False, True), (True, False, False), (True, True, True)],
)
def test_around_a_stopped_application_nothing_is_run_unless_a_service_writes(
    tmp_path, database, monkeypatch, stopped, going_on, runs
):
    """Without it, a database of another image would be copied while it writes, and look saved."""
    one = save.Save(given_order(tmp_path, before="dump"), Called())
    one.services = [database("queue", "", State={"Running": going_on}), database("db", "redis")]
    ran = []
    monkeypatch.setattr(save, "hook", lambda _docker, _live, command, what: ran.append(command))
    release = Release.from_dict({"name": "shop", "id": "1", "site": "default", "path": "/"})
    one._hook(Live(release, {}, is_stopped=stopped), "dump", "backup.before")
    assert ran == (["dump"] if runs else [])


def test_a_stopped_application_that_never_ran_has_its_volumes(tmp_path, monkeypatch):
    volumes = [f"{tmp_path}:/a", "shop-data:/data", "not-yet:/b", "/etc:/c:ro"]
    given = {"name": "shop", "id": "1", "site": "default", "path": "/"}
    release = Release.from_dict({**given, "container": {"volumes": volumes}})
    monkeypatch.setattr(data.live_container, "live", lambda *_: release)
    link = SimpleNamespace(file="stopped.conf")
    monkeypatch.setattr(data, "live_links", lambda _root: {"shop": (link,)})
    known = {"shop-data": {"Mountpoint": str(tmp_path)}}
    docker = SimpleNamespace(inspect=lambda name, _kind="": known.get(name, {}))
    live = Live.of(docker, "/r", "/n", "shop")
    assert (live.is_stopped, live.runs) == (True, False)
    found = {each.target: each.name for each in live.volumes("/r")}
    assert {*found} == {"/a", "/data"} and found["/data"] == "shop-data"
    link.file = "locations.conf"
    with pytest.raises(HostError, match="no container of the release 1; deploy shop again"):
        Live.of(docker, "/r", "/n", "shop")


def test_databases_of_sqlite_are_found_by_their_content(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "any").write_bytes(trees.SQLITE + bytes(100))
    (source / "other.db").write_text("text")
    copy = trees.Copy(source, tmp_path / "target", without_sqlite=True)
    copy.run()
    assert copy.sqlite == ["any"]
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["other.db"]


def test_a_restored_tree_is_given_to_the_user_of_today(tmp_path):
    if os.getuid():
        pytest.skip("only root may change owners")
    (tmp_path / "d").mkdir()
    for name, owner in (("d/own", 70001), ("d/other", 33)):
        (tmp_path / name).write_text("")
        os.chown(tmp_path / name, owner, owner)
    (tmp_path / "d" / "own").chmod(0o6755)
    os.mkfifo(tmp_path / "d" / "pipe")
    trees.give(tmp_path / "d", 70001, 70002)
    own, other = (tmp_path / "d" / "own").stat(), (tmp_path / "d" / "other").stat()
    assert (own.st_uid, own.st_gid, stat.S_IMODE(own.st_mode)) == (70002, 70002, 0o755)
    assert other.st_uid == 33 and not (tmp_path / "d" / "pipe").exists()


# --- a restore ------------------------------------------------------------------------------------

ONE = Snapshot("aaaa1111", "2026-03-01T02:00:00.123456789+01:00", "h", "shop")
TWO = Snapshot("bbbb2222", "2026-03-02T02:00:00Z", "h", "shop")
THERE = Snapshot("cccc3333", "2026-03-03T02:00:00Z", "other", "shop")


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        ("latest", TWO),
        ("cccc", THERE),
        ("aaaa1111", ONE),
        ("2026-03-01T01:00:01Z", ONE),
        ("2026-03-01T12:00", ONE),
        ("2027-01-01", TWO),
    ],
)
def test_a_moment_is_a_snapshot(at, wanted):
    assert restore.chosen([ONE, TWO, THERE], at, "h") == wanted


def test_a_moment_that_a_message_shows_is_the_moment_of_that_snapshot():
    """In UTC, as it is read, and to the second: the snapshot itself is not later."""
    with pytest.raises(HostError, match="The last ones: ") as found:
        restore.chosen([ONE, TWO], "x", "h")
    shown = str(found.value).partition("The last ones: ")[2]
    assert shown == "aaaa1111 (2026-03-01T01:00:00Z), bbbb2222 (2026-03-02T02:00:00Z)"
    assert restore.chosen([ONE, TWO], "2026-03-01T01:00:00Z", "h") == ONE


@pytest.mark.parametrize("to", ["restored", "./x", "missing/x"])
def test_beside_is_a_new_directory_in_one_that_exists(tmp_path, to):
    one = restore.Restore(given_order(tmp_path))
    place = tmp_path / to if to == "missing/x" else Path(to)
    with pytest.raises(HostError, match=r"to must be an absolute path to a new directory.*; got"):
        one.beside(place)
    with pytest.raises(HostError, match="exists; name a directory that does not"):
        one.beside(tmp_path)
    one.check_beside(tmp_path / "new")


@pytest.mark.parametrize(
    ("at", "words"), [("yesterday", "at must be latest"), ("2020-01-01", "nothing was saved until")]
)
def test_a_moment_without_a_snapshot_is_refused(at, words):
    with pytest.raises(HostError, match=words):
        restore.chosen([ONE, TWO], at, "h")
    with pytest.raises(HostError, match="there is no backup yet"):
        restore.chosen([], "latest", "h")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "subprocess ssh: Host key verification failed.\nFatal: unable to open repository at"
            " sftp:keeper@store:b: unable to start the sftp session, error: EOF",
            "sftp:keeper@store:b/shop cannot be reached by ssh: Host key verification failed. As"
            " root on this host, ssh keeper@store must connect without a question",
        ),
        (
            "Fatal: unable to start the sftp session, error: EOF",
            "cannot be reached by ssh: Fatal: unable to start the sftp session, error: EOF As root",
        ),
        ("Fatal: wrong password or no key found", "does not open with this password"),
        ("Fatal: unable to open config file: stat: file does not exist", "nothing was saved there"),
        ("Fatal: unable to open config file: permission denied", "cannot be read: Fatal"),
        ("Fatal: the repository is locked", "restic cat sftp:keeper@store:b/shop: Fatal: the rep"),
    ],
)
def test_a_place_that_does_not_open_is_explained(tmp_path, said, words):
    place = restic.Restic("sftp:keeper@store:b/shop", tmp_path / "password", "shop")
    with pytest.raises(HostError, match=re.escape(words)):
        place._fail(["cat", "config"], said)


def fake_restic(tmp_path, monkeypatch, script):
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setattr(restic.shutil, "which", lambda _name: str(program))
    monkeypatch.setattr(restic, "PAUSE", 0.01)
    return restic.Restic("/srv/b/shop", tmp_path / "password", "shop")


def test_the_newest_snapshot_is_the_newest_in_any_time_zone(tmp_path, monkeypatch):
    """As in the night when the clocks are set back, or on a host that was set to UTC."""
    times = {"c": "2026-10-25T02:30:00+01:00", "a": "2026-10-25T02:45:00+02:00",
             "b": "2026-10-25T01:00:00.5Z"}  # fmt: skip
    tags = ["flaskops-app=shop"]
    listed = [{"id": name * 8, "time": time, "tags": tags} for name, time in times.items()]
    one = fake_restic(tmp_path, monkeypatch, f"echo '{json.dumps(listed)}'")
    assert [each.id[0] for each in one.snapshots()] == ["a", "b", "c"]


def test_a_locked_repository_is_waited_for(tmp_path, monkeypatch):
    said = "unable to create lock in backend: repository is already locked exclusively by PID 7"
    script = f'[ -e "$0.free" ] && echo "[]" && exit; : > "$0.free"; echo "{said}" >&2; exit 11'
    assert fake_restic(tmp_path, monkeypatch, script).snapshots() == []
    monkeypatch.setattr(restic, "LOCK_SECONDS", 0.1)
    with pytest.raises(HostError, match="already locked exclusively by PID 7"):
        fake_restic(tmp_path, monkeypatch, f'echo "{said}" >&2; exit 11').snapshots()


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_an_interrupted_restore_is_undone(tmp_path, monkeypatch, moved):
    """After each rename: what was there before is there again."""
    made = given_order(tmp_path)
    place = DataPlace(tmp_path / "_data")
    place.directory.mkdir()
    (place.directory / "file").write_text("before")
    inner = place.new / "volumes" / "data"
    inner.mkdir(parents=True)
    (inner / "file").write_text("restored")
    if moved > 0:
        place.directory.rename(place.kept)
    if moved > 1:
        inner.rename(place.directory)
    journal = {"places": [str(place.directory)], "token": "t", "moving": True}
    made.place.journal.write_text(json.dumps(journal))
    monkeypatch.setattr(restore, "containers_of", lambda _docker, _app: [])
    monkeypatch.setattr(restore.drain, "stop", lambda _names, _docker: None)
    with pytest.raises(HostError, match=r"playbooks/restore\.yml -e app=shop$"):
        refuse_interrupted(str(tmp_path), "shop")
    one = restore.Restore(made)
    assert one.undo()
    assert (place.directory / "file").read_text() == "before"
    assert not place.new.exists() and not made.place.journal.exists()
    # The application may have written to it until then.
    assert len(one.undone) == (moved > 1)
    assert [Path(each, "file").read_text() for each in one.undone] == ["restored"] * (moved > 1)
    with pytest.raises(HostError, match=r"^why") as found, moves.naming(one.undone):
        raise HostError("why")
    assert ("undone" in str(found.value)) == (moved > 1)
    assert not restore.Restore(made).undo()
    refuse_interrupted(str(tmp_path), "shop")


class Called:
    """An engine that keeps the words of its calls."""

    def __init__(self):
        self.calls = []

    def run(self, *words, **_how):
        self.calls.append(" ".join(words))
        return ""

    def inspect(self, _name, _kind="container"):
        return {"State": {"Running": True, "ExitCode": 0}}


@pytest.fixture
def database(tmp_path):
    """A service db of the application, as it is on its host."""

    volumes = tmp_path.with_name(f"{tmp_path.name}-volumes")  # not below the releases

    def make(name="db", engine="postgresql", **container):
        mounts = [{"Source": str(volumes / name), "RW": True, "Destination": "/data"}]
        if engine:
            mounts[0]["Destination"] = ENGINES[engine].directory
        state = {"Running": True, "Status": "running"}
        record = ServiceRecord(engine, container={"volumes": [f"{name}-data:/data"]})
        found = {"State": state, "Mounts": mounts, **container}
        (volumes / name).mkdir(parents=True, exist_ok=True)
        return LiveService(str(tmp_path), ServiceName("shop", name), record, found)

    make.volumes = volumes
    return make


def test_an_interrupted_restore_starts_the_services_before_the_application(tmp_path, monkeypatch):
    made, docker = given_order(tmp_path), Called()
    journal = {"containers": ["shop-1"], "services": ["db"], "token": "t", "moving": True}
    made.place.journal.write_text(json.dumps(journal))
    monkeypatch.setattr(restore, "containers_of", lambda _docker, _app: ["shop-1"])
    one = restore.Restore(made)
    one.docker = docker
    assert one.undo()
    assert docker.calls == [
        "rm --force --volumes shop-service-db.new",
        "stop -t 5 shop-1",
        "stop shop-service-db",
        "start shop-service-db",
        "start shop-1",
    ]


def test_a_container_that_was_removed_meanwhile_keeps_no_other_from_starting(monkeypatch):
    docker = Called()
    monkeypatch.setattr(docker, "inspect", lambda name: {} if name == "gone" else {"State": {}})
    for names in (["gone", "shop-1"], ["gone"], []):
        data.start_again(docker, names)
    assert docker.calls == ["start shop-1"]


def test_a_stopped_job_is_not_started_again():
    """Its program removes its container, and a start of a missing one would fail."""
    labels = {
        "host.flaskops.app": "shop",
        "host.flaskops.release": "1",
        "host.flaskops.one-off": "",
    }
    job = {**labels, "host.flaskops.one-off": "job_often"}

    class There:
        def containers(self, _label):
            return [
                {"Names": "shop-1", "State": "running", "Labels": labels},
                {"Names": "shop-1-pin", "State": "created", "Labels": labels},
                {"Names": "shop-1-w", "State": "restarting", "Labels": labels},
                {"Names": "shop-1-job_often", "State": "running", "Labels": job},
            ]

    assert data.containers_of(There(), "shop") == ["shop-1", "shop-1-w", "shop-1-job_often"]
    assert data.containers_of(There(), "shop", one_offs=False) == ["shop-1", "shop-1-w"]
    assert data.containers_of(There(), "shop", False, ["running"]) == ["shop-1"]


@pytest.fixture
def parts(tmp_path, monkeypatch, database):
    """What a restore of a manifest would move, where the application has a database."""

    def find(manifest, *present):
        monkeypatch.setattr(restore, "live_services", lambda _docker, _release: [*present])
        one = restore.Restore(given_order(tmp_path))
        one.manifest = {"volumes": {}, **manifest}
        release = Release.from_dict({"name": "shop", "id": "1", "site": "default", "path": "/"})
        return one._parts(Live(release, {"Mounts": []}))

    return find


@pytest.fixture
def using(tmp_path, monkeypatch, database):
    """The services that stop for a restore of directories, with these containers on the host."""

    def find(places, services, *others):
        monkeypatch.setattr(restore, "live_services", lambda _docker, _release: services)
        monkeypatch.setattr(restore, "containers_of", lambda _docker, _app: ["shop-1", "shop-1-w"])
        monkeypatch.setattr(restore, "running_containers", lambda _docker: [*others])
        one = restore.Restore(given_order(tmp_path))
        release = Release.from_dict({"name": "shop", "id": "1", "site": "default", "path": "/"})
        return one._using(Live(release, {"Mounts": []}), [DataPlace(place) for place in places])

    return find


def container(name, *sources):
    return {"Name": f"/{name}", "Mounts": [{"Source": str(each)} for each in sources]}


def test_what_has_a_restored_directory_mounted_stops(using, database):
    """Otherwise it goes on with the data of before, which the next restore deletes."""
    queue, db = database("queue", ""), database("db")
    data = database.volumes / "queue"
    mine = container("shop-1", data), container("shop-1-w", data / "below")
    assert using([data], [queue, db], *mine, container("other-1", "/srv/data", "/")) == ("queue",)
    for other in (data, data / "below"):
        with pytest.raises(HostError, match=r"of before: blog-2 \(.*/queue\)\. Stop them"):
            using([data], [queue, db], *mine, container("blog-2", "/x", other))


def test_a_drill_without_the_data_of_a_volume_fails(tmp_path, monkeypatch):
    """It would start without any data, and be healthy."""
    monkeypatch.setattr(drill, "uid_of", lambda *_: 70000)
    one = drill.Drilled(given_order(tmp_path))
    one.snapshot, one.manifest = ONE, {"volumes": {"other": "/srv/data"}}
    volume = tmp_path.with_name(f"{tmp_path.name}-volume")
    volume.mkdir()
    mount = {"Source": str(volume), "Name": "data", "RW": True, "Destination": "/srv/data"}
    release = Release.from_dict({"name": "shop", "id": "1", "site": "default", "path": "/"})
    with pytest.raises(HostError, match="aaaa1111 has no data of the volume data; the next one"):
        one._try(Live(release, {"Mounts": [mount]}), 70000, "")
    # It may be mounted elsewhere since, or twice.
    volumes = ["data:/srv/data", "data:/more", "/etc/x:/etc/x:ro", "/run/some.sock:/sock"]
    release = Release.from_dict({**plain(release), "container": {"volumes": volumes, "labels": {}}})
    restored = {"/srv/data": Path("/drill/data"), "/more": Path("/drill/data")}
    assert one._options(release, restored, "")["volumes"] == [
        "/drill/data:/srv/data", "/drill/data:/more", "/etc/x:/etc/x:ro",
    ]  # fmt: skip


def test_nothing_leads_out_of_a_drill(tmp_path):
    """Not the name server of the host, and not what listens on a socket below a mount."""
    listening = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(listening))
    volumes = ["/run/postgresql:/run/db:ro", f"{listening}:/s:ro", "/run:/r:ro", "/etc/x:/x:ro"]
    container = {"volumes": volumes, "labels": {}, "networks": ["a", "b"], "network_mode": "a"}
    known = {"name": "shop", "id": "1", "site": "default", "path": "/", "container": container}
    one = drill.Drilled(given_order(tmp_path))
    options = one._options(Release.from_dict(known), {}, "flaskops-shop.drill")
    assert options["volumes"] == ["/etc/x:/x:ro"]
    assert options["network_mode"] == "flaskops-shop.drill" and "networks" not in options
    assert list(options["dns"]) == ["192.0.2.1"]


def test_a_drill_has_no_secrets_but_those_it_needs(tmp_path):
    """The others are random, so that it cannot act with them outside."""
    one = drill.Drilled(given_order(tmp_path, drill=Drill("Sun", ("KEY",))))
    names = ("KEY", "OUTSIDE", "DATABASE_URL")
    environment = [f"{name}_FILE=/run/secrets/{name}" for name in names] + ["ENV=PROD"]
    given = Place(str(tmp_path)).app("shop").release("1")
    given.secrets.mkdir(parents=True, mode=0o550)
    given.file("container.env").write_text("\n".join(environment))
    for name in (*names, "OF_DOTENV", "config-0123456789ab"):
        (given.secrets / name).write_text(f"the {name}")
        (given.secrets / name).chmod(0o440)
    services = [{"name": "db", "engine": "postgresql", "variable": "DATABASE_URL"}]
    known = {"name": "shop", "id": "1", "site": "default", "path": "/", "services": services}
    known["container"] = {"volumes": [f"{given.secrets}:/run/secrets:ro"], "labels": {}}
    release = replace(Release.from_dict(known), root=str(tmp_path))
    place = ReleasePlace(one.work)
    one.work.mkdir(parents=True)
    assert one._lay_secrets(release, place, os.getgid()) == ["OUTSIDE"]
    found = {file.name: file.read_text() for file in place.secrets.iterdir()}
    outside = found.pop("OUTSIDE")
    assert re.fullmatch("[0-9a-f]{64}", outside)
    same = ("KEY", "DATABASE_URL", "OF_DOTENV", "config-0123456789ab")
    assert found == {name: f"the {name}" for name in same}
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.secrets.iterdir()} == {0o440}
    assert stat.S_IMODE(place.secrets.stat().st_mode) == 0o550
    assert one._options(release, {}, "")["volumes"] == [f"{place.secrets}:/run/secrets:ro"]
    (given.secrets / "link").symlink_to("/etc/shadow")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        one._lay_secrets(release, place, os.getgid())


def test_a_backup_from_before_there_were_services_leaves_them_alone(parts, database):
    assert parts({}, database()) == []


def test_a_database_is_restored_where_its_data_is(parts, database):
    saved = {"services": {"db": {"engine": "postgresql", "version": "17.5", "bytes": 5}}}
    (part,) = parts(saved, database())
    assert (part.path, part.place.directory) == ("services/db", database.volumes / "db")
    assert part.service.name == "db"


def test_the_volumes_of_a_service_of_another_image_are_restored(parts, database):
    saved = {"services": {"queue": {"image": "queue:1", "volumes": {"queue-data": "/data"}}}}
    own = database("queue", "")
    own.container["Mounts"][0]["Name"] = "queue-data"
    # One of the image alone, which lasts as long as its container, is not in a backup.
    own.container["Mounts"].append({**own.container["Mounts"][0], "Destination": "/other"})
    (part,) = parts(saved, own)
    assert (part.path, part.place.directory) == (
        "volumes/queue-data",
        database.volumes / "queue",
    )


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ({"other": {"engine": "redis"}}, "the service other \\(redis\\)"),
        ({"db": {"engine": "redis"}}, "the service db \\(redis\\)"),
        ({"queue": {"volumes": {"queue-data": "/data"}}}, "the volume queue-data"),
    ],
)
def test_a_service_that_is_not_there_is_not_restored(parts, database, services, words):
    with pytest.raises(HostError, match=f"the snapshot has {words}, which the application"):
        parts({"services": services}, database())


def test_a_database_that_does_not_run_is_named_before_anything_is_saved(database):
    stopped = database(State={"Running": False, "Status": "exited"})
    refuse_stopped([database("queue", "", State={"Running": False})])
    with pytest.raises(HostError, match="its service db is exited, so it cannot be saved"):
        refuse_stopped([database("cache", "redis"), stopped])


def test_no_word_of_a_dump_has_a_password():
    for engine in ENGINES.values():
        said = json.dumps([engine.dump(), engine.load(), engine.not_saved()])
        assert "sesame" not in said and "PASSWORD '" not in said
        assert set(engine.placed()) <= set(engine.dump())


def test_a_dump_is_loaded_into_a_database_that_no_image_has_filled():
    """That of PostGIS creates schemas in a new one, which the dump has too."""
    files = [file for file, _words in ENGINES["postgresql"].load()]
    assert files == ["roles.sql", "", "database.dump", "settings.sql"]
    (_file, words) = ENGINES["postgresql"].load()[1]
    assert "dropdb" in words[-1] and "--template=template0 app" in words[-1]


def test_a_failed_save_of_redis_refuses_no_writes():
    """It does until the next one is due, where it has times to save."""
    words = ENGINES["redis"].command("256m")
    assert words[words.index("--save") + 1] == ""
    assert words[words.index("--appendonly") + 1] == "yes"


def test_redis_reads_a_dump_only_without_its_log_of_writes():
    redis = ENGINES["redis"]
    words = redis.to_load(redis.command("256m"))
    assert words[words.index("--appendonly") + 1] == "no"
    assert len(words) == len(redis.command("256m"))


# --- another major version ---


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_an_interrupted_upgrade_is_undone(tmp_path, monkeypatch, moved):
    """After each rename: the old data is there again, with the old container."""
    where = Place(str(tmp_path)).service("shop", "db")
    where.directory.mkdir(parents=True)
    Place(str(tmp_path)).apps.mkdir()
    place = DataPlace(tmp_path / "_data")
    place.directory.mkdir()
    (place.directory / "version").write_text("15")
    place.filled.mkdir(parents=True)
    (place.filled / "version").write_text("17")
    if moved > 0:
        place.directory.rename(place.kept)
    if moved > 1:
        place.filled.rename(place.directory)
    record = {"engine": "postgresql", "image": "old", "container": {**CONTAINER, "image": "pg:15"}}
    journal = {"record": record, "containers": ["shop-1"], "token": "t"}
    journal["apps"] = ["shop", "reports"]
    where.journal.write_text(json.dumps({**journal, "place": str(place.directory), "moving": True}))
    docker, created = Called(), []
    monkeypatch.setattr(upgrade, "containers_of", lambda _docker, _app: ["shop-1"])
    monkeypatch.setattr(
        upgrade, "settle", lambda _docker, made, *_, **__: created.append(made.image)
    )
    spec = ServiceSpec("db", "postgresql")
    one = upgrade.Upgrade(str(tmp_path), "/etc/nginx", "shop", spec, "10.0.0.0/16", docker)
    apps = ("shop", "reports")  # one that shares the service
    again = ["playbooks/upgrade_service.yml -e app=shop -e service=db"]
    assert interrupted(str(tmp_path), [*apps, "blog"]) == dict.fromkeys(apps, again)
    for app in apps:
        with pytest.raises(HostError, match=r"upgrade_service\.yml -e app=shop -e service=db$"):
            refuse_interrupted(str(tmp_path), app)
    refuse_interrupted(str(tmp_path), "blog")
    assert one.undo() and not one.undo()
    assert [Path(each, "version").read_text() for each in one.undone] == ["17"] * (moved > 1)
    refuse_interrupted(str(tmp_path), "shop")
    assert (place.directory / "version").read_text() == "15"
    assert not place.new.exists() and not place.kept.exists()
    assert created == (["pg:15"] if moved else [])
    assert docker.calls[-2:] == ["start shop-service-db", "start shop-1"]


# --- the status -----------------------------------------------------------------------------------


def test_an_upgrade_waits_for_all_applications_that_ran(monkeypatch):
    """Those that share the service too; one may be stopped, and of another nothing serves."""

    def live(_docker, _root, _nginx_root, app):
        if app == "gone":
            raise HostError("nothing of it serves")
        return SimpleNamespace(name=f"{app}-1")

    monkeypatch.setattr(upgrade.Live, "of", live)
    one = upgrade.Upgrade("", "", "shop", ServiceSpec("db"), "")
    found = one._served(["shop", "gone", "stopped", "blog"], ["shop-1", "blog-1", "blog-1-worker"])
    assert [each.name for each in found] == ["shop-1", "blog-1"]


def test_the_status_shows_the_last_results(tmp_path):
    made = given_order(tmp_path)
    made.place.order.write_text(made.text)
    made.place.result.write_text(BackupResult("1", "now", 1, 2.0, "no room").text)
    found = order.backup_states(str(tmp_path), ["shop", "none"])
    assert [*found] == ["shop"] and found["shop"]["drill"] is None
    assert report._backup(found["shop"]) == ["its backup of now FAILED after 2 s: no room"]
    assert report._backup({}) == []
    assert Place(str(tmp_path)).app("shop").job("backup").result.exists()
