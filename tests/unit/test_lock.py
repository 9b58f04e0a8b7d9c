# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time changes an application; a run that has lost its lock changes nothing more."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases import lock
from ansible_collections.flaskops.host.plugins.module_utils.releases import owner as _owner


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    return str(tmp_path)


def owner(token, **more):
    return lock.Owner(token, f"{token}@laptop", "laptop", pid=1, **more)


def test_a_lock_is_acquired_shown_renewed_and_unlocked(root):
    lock.acquire(root, ["shop"], owner("a"))
    assert lock.holder(root, "shop").who == "a@laptop"
    lock.renew(root, ["shop"], "a", "switch")
    assert lock.holder(root, "shop").phase == "switch"
    assert os.stat(lock.lock_path(root, "shop")).st_mode & 0o777 == 0o600
    lock.release(root, ["shop"], "a")
    assert lock.holder(root, "shop") is None


def test_the_second_run_reports_who_holds_the_lock_since_when_and_how_to_break_it(root):
    lock.acquire(root, ["shop"], owner("a"))
    with pytest.raises(lock.Locked) as refused:
        lock.acquire(root, ["blog", "shop"], owner("b"))
    words = str(refused.value)
    assert "shop is locked by a@laptop (process 1) since 20" in words
    assert "-e flask_apps_break_lock=a" in words
    assert [holder.token for holder in refused.value.holders] == ["a"]


def test_all_locks_are_acquired_or_none(root):
    lock.acquire(root, ["shop"], owner("a"))
    with pytest.raises(lock.Locked):
        lock.acquire(root, ["blog", "shop"], owner("b"))
    assert lock.holder(root, "blog") is None


def test_a_broken_lock_belongs_to_the_second_run_and_the_first_changes_nothing_more(root):
    lock.acquire(root, ["shop"], owner("a"))
    lock.acquire(root, ["shop"], owner("b"), ["a"])
    with pytest.raises(
        HostError, match=r"does not hold the lock of shop any more \(b@laptop has broken it\)"
    ):
        lock.renew(root, ["shop"], "a", "switch")
    lock.release(root, ["shop"], "a")
    assert lock.holder(root, "shop").token == "b"


def test_only_the_lock_that_was_named_is_broken(root):
    lock.acquire(root, ["shop"], owner("a"))
    with pytest.raises(lock.Locked):
        lock.acquire(root, ["shop"], owner("c"), ["b"])


def test_a_removed_lock_stops_the_run(root):
    with pytest.raises(HostError, match="it was removed"):
        lock.renew(root, ["shop"], "a", "switch")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_an_unreadable_lock_is_a_lock_that_can_be_broken(root, text):
    path = lock.lock_path(root, "shop")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(lock.Locked, match="flask_apps_break_lock=unreadable"):
        lock.acquire(root, ["shop"], owner("a"))
    lock.acquire(root, ["shop"], owner("a"), ["unreadable"])


def test_one_of_many_concurrent_runs_gets_the_lock(root):
    got = []

    def run(number):
        try:
            lock.acquire(root, ["blog", "shop"], owner(str(number)))
            got.append(number)
        except lock.Locked:
            pass

    threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


# --- the controller -------------------------------------------------------------------------------


def test_the_current_run_is_alive():
    this = _owner.this_run()
    assert this.pid == os.getpid()
    assert not _owner.is_dead(this)
    assert this.token != _owner.this_run().token


def test_an_ended_process_is_dead():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert _owner.is_dead(replace(_owner.this_run(), pid=ended.pid))


def test_a_process_id_that_was_reused_is_dead():
    assert _owner.is_dead(replace(_owner.this_run(), started="1"))


def test_every_run_from_before_the_last_boot_is_dead(monkeypatch):
    monkeypatch.setattr(_owner, "_node", lambda: "0242ac110002")
    assert _owner.is_dead(replace(_owner.this_run(), boot="another"))


def test_another_machine_of_the_same_name_is_not_this_one_rebooted(monkeypatch):
    this = replace(_owner.this_run(), boot="another")
    for node in ("0242ac110009", ""):  # a cloned machine, and one whose network card cannot be read
        monkeypatch.setattr(_owner, "_node", lambda node=node: node)
        assert not _owner.is_dead(this)


def test_a_controller_recognises_its_runs_after_a_network_change(monkeypatch):
    ended = subprocess.Popen(["true"])
    ended.wait()
    before = replace(_owner.this_run(), pid=ended.pid)
    monkeypatch.setattr(_owner, "_node", lambda: "0242ac110009")
    assert _owner.is_dead(before)


def test_the_state_of_another_controllers_run_is_unknown():
    assert not _owner.is_dead(replace(_owner.this_run(), controller="elsewhere", pid=2**22 + 1))
    assert not _owner.is_dead(lock.Owner("unreadable"))
