# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""On a full disk the message says what to do, no file is half written, and what was begun can be undone."""

import errno
import json
import os

import pytest
from ansible_collections.flaskops.host.plugins.module_utils import _audit, _deploy, _host, _lock, _room

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
OWNER = {"who": "ann@laptop", "controller": "laptop", "pid": 1, "token": "a"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    return tmp_path


@pytest.fixture
def fill(monkeypatch):
    """From now on no file can be brought onto the disk; optionally only after some that still can."""

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
def test_a_full_disk_is_known_by_its_number_and_by_its_words(reason, full):
    assert _room.no_room(reason) is full
    assert (_room.ADVICE in _room.with_advice(reason)) is full


def test_the_advice_is_given_once():
    once = _room.with_advice(FULL)
    assert _room.with_advice(once) == once
    message = _deploy.failure({"name": "shop", "id": "1", "live": "0"}, "release | Build", {"msg": once, "stderr": str(FULL)})
    assert message.count(_room.ADVICE) == 1
    assert "release 0 goes on serving" in message


def test_a_file_stays_as_it_was_and_nothing_lies_beside_it(root, fill):
    path = root / "file"
    _host.write_file(path, b"old")
    fill()
    with pytest.raises(OSError, match="No space left"):
        _host.write_file(path, b"new")
    assert [entry.name for entry in root.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_line_is_added_whole_or_not_at_all(root, monkeypatch):
    path, real = root / "audit.jsonl", os.write
    _audit.append_line(path, "one")
    room = [4]

    def write(descriptor, content):
        if not room[0]:
            raise FULL
        taken, room[0] = real(descriptor, content[: room[0]]), 0
        return taken

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        _audit.append_line(path, "another")
    assert path.read_text() == "one\n"


def test_a_record_that_is_staged_needs_no_room_any_more_and_may_be_discarded(root, fill):
    (root / "apps/shop").mkdir(parents=True)
    record = _host.Record(str(root), "shop")
    record.mark("1", "live")
    record.stage()
    assert not record.path.exists()
    assert len(_host.left_aside(record.path.parent)) == 1
    fill()
    record.commit()
    assert json.loads(record.path.read_text())["live"] == "1"
    with pytest.raises(OSError, match="No space left"):
        record.stage()
    record.discard()
    assert _host.left_aside(record.path.parent) == []
    assert json.loads(record.path.read_text())["live"] == "1"


def test_all_locks_are_taken_or_none(root, fill):
    fill(after=1)
    with pytest.raises(OSError, match="No space left"):
        _lock.acquire(str(root), ["blog", "shop"], OWNER)
    assert [_lock.holder(str(root), name) for name in ("blog", "shop")] == [{}, {}]
    assert _host.left_aside(root / "apps/shop") == []


def test_a_run_that_holds_its_lock_may_go_on_and_give_it_back(root, fill):
    _lock.acquire(str(root), ["shop"], OWNER)
    fill()
    _lock.renew(str(root), ["shop"], "a", "drain")
    assert _lock.holder(str(root), "shop")["phase"] == "begin"
    with pytest.raises(_host.HostError, match="does not hold the lock"):
        _lock.renew(str(root), ["shop"], "b", "drain")
    _lock.release(str(root), ["shop"], "a")
    assert _lock.holder(str(root), "shop") == {}
