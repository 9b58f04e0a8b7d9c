# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""On a full disk the message says what to do, no file is incomplete, and the run can be undone."""

import errno
import json
import os
import subprocess

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.normalize import normalize_apps
from ansible_collections.flaskops.host.plugins.module_utils.host import disk as _room
from ansible_collections.flaskops.host.plugins.module_utils.host import files
from ansible_collections.flaskops.host.plugins.module_utils.host.size import bytes_of
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    container_log,
    lock,
    report,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases import record as _record

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
OWNER = lock.Owner("a", "ann@laptop")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    return tmp_path


@pytest.fixture
def fill(monkeypatch):
    """From now on every write to the disk fails, optionally after some that succeed."""

    def full(after=0):
        left, real = [after], os.fsync

        def fsync(descriptor):
            if not os.path.isdir(f"/proc/self/fd/{descriptor}"):
                left[0] -= 1
                if left[0] < 0:
                    raise FULL
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return full


@pytest.mark.parametrize(
    ("reason", "full"),
    [
        (FULL, True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        ("ERROR: failed to solve: write /x: no space left on device", True),
        ("[Errno 28] No space left on device: '/var/lib/flaskops/apps/shop/.lock.12'", True),
        (OSError(errno.EACCES, "Permission denied"), False),
        ("exit code 1", False),
    ],
)
def test_a_full_disk_is_recognised_by_errno_and_by_message(reason, full):
    assert _room.no_room(reason) is full
    assert (_room.ADVICE in _room.with_advice(reason)) is full


@pytest.mark.parametrize(
    ("used", "full"), [(0, False), (15 << 20, False), ((16 << 20) - 4096, True), (16 << 20, True)]
)
def test_a_disk_with_less_than_a_megabyte_is_full(tmp_path, used, full):
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "small", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount")
    try:
        (tmp_path / "data").write_bytes(bytes(used))
        assert _room.is_full(str(tmp_path)) is full
        assert not _room.is_full(str(tmp_path / "missing"))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_the_advice_is_given_once():
    once = _room.with_advice(FULL)
    assert _room.with_advice(once) == once
    message = report.failure(
        {"name": "shop", "id": "1", "live": "0"},
        "release | Build",
        {"msg": once, "stderr": str(FULL)},
    )
    assert message.count(_room.ADVICE) == 1
    assert "release 0 goes on serving" in message


def test_a_file_is_unchanged_and_no_temporary_file_remains(root, fill):
    path = root / "file"
    files.write_file(path, b"old")
    fill()
    with pytest.raises(OSError, match="No space left"):
        files.write_file(path, b"new")
    assert [entry.name for entry in root.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_line_is_appended_completely_or_not_at_all(root, monkeypatch):
    path, real = root / "audit.jsonl", os.write
    files.append_line(path, "one")
    room = [4]

    def write(descriptor, content):
        if not room[0]:
            raise FULL
        taken, room[0] = real(descriptor, content[: room[0]]), 0
        return taken

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        files.append_line(path, "another")
    assert path.read_text() == "one\n"


def test_a_staged_record_needs_no_more_space_and_may_be_discarded(root, fill):
    (root / "apps/shop").mkdir(parents=True)
    record = _record.Record(str(root), "shop")
    record.mark("1", "live")
    record.stage()
    assert not record.path.exists()
    assert len(files.left_aside(record.path.parent)) == 1
    fill()
    record.commit()
    assert json.loads(record.path.read_text())["live"] == "1"
    with pytest.raises(OSError, match="No space left"):
        record.stage()
    record.discard()
    assert files.left_aside(record.path.parent) == []
    assert json.loads(record.path.read_text())["live"] == "1"


def test_all_locks_are_acquired_or_none(root, fill):
    fill(after=1)
    with pytest.raises(OSError, match="No space left"):
        lock.acquire(str(root), ["blog", "shop"], OWNER)
    assert [lock.holder(str(root), name) for name in ("blog", "shop")] == [None, None]
    assert files.left_aside(root / "apps/shop") == []


def test_a_run_that_holds_its_lock_can_continue_and_unlock(root, fill):
    lock.acquire(str(root), ["shop"], OWNER)
    fill()
    lock.renew(str(root), ["shop"], "a", "drain")
    assert lock.holder(str(root), "shop").phase == "begin"
    with pytest.raises(files.HostError, match="does not hold the lock"):
        lock.renew(str(root), ["shop"], "b", "drain")
    lock.release(str(root), ["shop"], "a")
    assert lock.holder(str(root), "shop") is None


@pytest.mark.parametrize(
    ("size", "bytes_"),
    [
        ("0", 0),
        (0, 0),
        ("1g", 1024**3),
        ("500m", 500 * 1024**2),
        ("1.5G", 3 * 1024**3 // 2),
        ("2 t", 2 * 1024**4),
        (7, 7),
        ("7b", 7),
        ("512m", 2**29),
    ],
)
def test_a_size_is_converted_to_bytes(size, bytes_):
    assert bytes_of(size) == bytes_


def test_a_temporary_link_is_ignored_too(tmp_path):
    (tmp_path / "releases/1").mkdir(parents=True)
    for name in (".route-1.12", "route-1"):
        (tmp_path / name).symlink_to("releases/1")
    assert files.left_aside(tmp_path) == [tmp_path / ".route-1.12"]


@pytest.mark.parametrize(
    "size",
    ["", "x", "-1", "1gb", "1 g b", None, "1e9", [], {}, True, "g", "9" * 400, "\u0661", "1\u212a"],
)
def test_an_invalid_size_is_refused(size):
    with pytest.raises(ValueError, match="must be a size such as 512m or 2g; got"):
        bytes_of(size)


def test_an_invalid_free_space_is_a_problem_of_the_inputs():
    assert normalize_apps([], free_space="1gb")[-1] == [
        "flask_apps_free_space must be a size such as 1g or 500m, or 0 for no check; got '1gb'."
    ]


class Disk:
    """The result of statvfs."""

    f_frsize, f_files, f_favail = 4096, 100_000, 50_000

    def __init__(self, free, **more):
        self.f_bavail = free // 4096
        vars(self).update(more)


@pytest.mark.parametrize(
    ("disk", "wanted", "words"),
    [
        (Disk(1 << 30), 1 << 30, ""),
        (Disk(100 << 20), 0, ""),
        (
            Disk(100 << 20),
            1 << 30,
            (
                "100 MiB are free on the disk of {} and {}/data, and a deploy needs 1024 MiB."
                " Nothing was changed."
            ),
        ),
        (
            Disk(1 << 40, f_favail=12),
            1,
            "12 inodes are free on the disk of {} and {}/data, and a deploy needs 10000.",
        ),
        (Disk(1 << 40, f_files=0, f_favail=0), 1, ""),  # for example btrfs
    ],
)
def test_too_little_free_space_is_reported(tmp_path, monkeypatch, disk, wanted, words):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(os, "statvfs", lambda _path: disk)
    found = _room.too_little([tmp_path / "missing/flaskops", tmp_path / "data"], wanted)
    assert found.startswith(words.format(tmp_path, tmp_path))
    assert bool(found) is bool(words)
    assert (
        "docker builder prune" in found and "flask_apps_free_space; 0 turns it off" in found
    ) is bool(words)


def test_what_is_written_leaves_a_reserve(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _path: Disk(300 << 20))
    _room.refuse_without(40 << 20, [tmp_path], "Nothing was saved.")
    said = f"301 MiB are needed on the disk of {tmp_path}, and 300 MiB are free. Nothing was saved."
    with pytest.raises(files.HostError, match=f"^{said}$"):
        _room.refuse_without(45 << 20, [tmp_path], "Nothing was saved.")


OURS = {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize(
    ("driver", "daemon", "options"),
    [
        ("json-file", None, OURS),
        ("json-file", {}, OURS),
        ("local", {"log-driver": "local"}, OURS),
        ("json-file", {"log-opts": {"max-size": "100m"}}, {}),
        ("json-file", {"log-opts": {"max-file": "9"}}, {"max-size": "10m"}),
        ("json-file", {"log-opts": None}, OURS),
        ("json-file", ["no", "dictionary"], OURS),
        ("journald", {}, {}),
        ("none", {}, {}),
        ("", {}, {}),
    ],
)
def test_the_log_of_a_container_is_limited(tmp_path, driver, daemon, options):
    file = tmp_path / "daemon.json"
    if daemon is not None:
        file.write_text(json.dumps(daemon))
    assert container_log.log_of({"LoggingDriver": driver}, str(file)) == {
        "log_driver": driver if options else "",
        "log_options": options,
    }
