# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each application has a permanent uid; one with data keeps its old uid until it is moved."""

import io
import json
import os
import tarfile
import time
from types import SimpleNamespace

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.releases import (
    accounts,
    begin,
    uid_move,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases import uids as _uids
from ansible_collections.flaskops.host.plugins.module_utils.releases.lock import Owner
from ansible_collections.flaskops.host.plugins.module_utils.releases.plan import Planned
from ansible_collections.flaskops.host.plugins.module_utils.releases.work import Wanted, Work

OLD = 10001


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose users are not checked; an older application has its files in a directory of its
    uid.
    """
    monkeypatch.setattr(_uids, "_is_known", lambda uid: uid in host.known)
    host = SimpleNamespace(known={70001})
    (tmp_path / "f/apps").mkdir(parents=True)
    (tmp_path / "n/flaskops/default").mkdir(parents=True)

    def serve(name, uid=OLD):
        spool = tmp_path / f"f/apps/{name}/releases/{'a' * 12}/spool"
        spool.mkdir(parents=True)
        os.chown(spool, uid, uid)
        (tmp_path / f"n/flaskops/default/{name}.conf").symlink_to(spool.parent / "nginx.conf")

    host.serve = serve
    host.uids = lambda span="70000-70009": _uids.Uids(
        str(tmp_path / "f"), str(tmp_path / "n"), span
    )
    host.file = tmp_path / "f/uids.json"
    return host


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives directories away")


def test_each_application_gets_a_uid_and_keeps_it(host):
    assert [host.uids().of(name) for name in ("a", "b", "a", "c", "b")] == [
        70000,
        70002,
        70000,
        70003,
        70002,
    ]
    assert host.file.stat().st_mode & 0o777 == 0o600


def test_the_uid_of_a_removed_application_is_not_reused(host):
    host.uids().of("a")
    host.uids().of("a", wanted=20001)
    assert host.uids().of("b") == 70002
    assert host.uids().of("a") == 70000


@as_root
def test_after_a_lost_record_no_two_applications_share_a_uid(host):
    for name, uid in (("a", 70000), ("b", 70002), ("data", 70003)):
        host.serve(name, uid)
    assert host.uids().of("new") == 70004
    assert [host.uids().of(name, volumes=name == "data") for name in ("b", "a", "data")] == [
        70002,
        70000,
        70003,
    ]
    assert host.uids().move_of("data") == (0, 0)


@as_root
def test_a_uid_that_two_shared_when_the_record_was_lost_belongs_to_neither(host):
    host.serve("a", 70000)
    host.serve("b", 70000)
    assert [host.uids().of(name) for name in ("a", "b")] == [70002, 70003]


@pytest.mark.parametrize("key", ["own", "current", "moving"])
@pytest.mark.parametrize(
    "section",
    [[], None, 7, "x", {"a": None}, {"a": "70000"}, {"a": True}, {"a": -1}, {"a": [70000]}],
)
def test_a_damaged_record_is_refused_with_a_message(host, key, section):
    host.file.write_text(
        json.dumps({"format": 1, "own": {}, "current": {}, "moving": {}, key: section})
    )
    with pytest.raises(HostError, match=r"cannot be read.*restore it from a backup"):
        host.uids().of("a")


def test_the_key_uid_decides_and_two_entries_may_share_it(host):
    assert (
        host.uids().of("a", wanted=20001, volumes=True)
        == host.uids().of("b", wanted=20001, volumes=True)
        == 20001
    )


def test_a_uid_that_a_key_names_is_given_to_no_other(host):
    host.uids().of("a", wanted=70000)
    assert host.uids().of("b") == 70002


@as_root
def test_an_older_application_without_volumes_moves_and_a_rollback_keeps_its_uid(host):
    host.serve("a")
    assert host.uids().of("a") == 70000
    assert host.uids().of("a", keep=True) == 70000


@as_root
def test_the_uid_of_a_release_that_never_served_is_replaced_by_the_key(host):
    assert host.uids().of("a", volumes=True) == 70000
    assert host.uids().move_of("a", wanted=999) == (0, 0)
    assert host.uids().of("a", wanted=999, volumes=True) == 999
    host.serve("a", 999)
    assert host.uids().of("a", wanted=20001, volumes=True) == 999
    assert host.uids().move_of("a", wanted=20001) == (999, 20001)


@as_root
def test_an_older_application_with_volumes_keeps_its_uid(host):
    host.serve("a")
    assert host.uids().of("a", volumes=True) == OLD
    assert host.uids().of("a", volumes=True) == OLD
    assert host.uids().move_of("a") == (OLD, 70000)


def test_a_rollback_to_data_that_was_not_moved_uses_the_uid_of_the_data(host):
    host.uids().of("a")
    assert host.uids().of("a", volumes=True, keep=True, ran_as=OLD) == OLD
    assert host.uids().of("a", volumes=True) == OLD


def test_existing_accounts_are_kept_if_the_engine_returns_nothing(tmp_path, monkeypatch):
    (tmp_path / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\napp:x:10001:10001:app:/var/tmp:/usr/sbin/nologin\n"
    )
    monkeypatch.setattr(accounts, "_lines", lambda *_: None)
    accounts.write_accounts(SimpleNamespace(command="docker"), "shop-1-pin", tmp_path, 70003)
    assert (tmp_path / "passwd").read_text().splitlines()[0] == "root:x:0:0::/root:/bin/sh"
    assert (tmp_path / "passwd").read_text().count("app:") == 2  # the name, and the description
    assert "70003" in (tmp_path / "passwd").read_text()


@as_root
def test_a_rollback_before_the_first_deploy_keeps_the_older_uid(host):
    host.serve("a")
    assert host.uids().of("a", keep=True) == OLD


@as_root
def test_an_interrupted_move_is_recorded_with_its_old_uid(host):
    host.serve("a")
    host.uids().of("a", volumes=True)
    assert host.uids().begin("a") == (OLD, 70000)
    assert host.uids().moving == ["a"]
    assert host.uids().begin("a") == (OLD, 70000)
    host.uids().end("a", 70000)
    assert host.uids().moving == []
    assert host.uids().of("a", volumes=True) == 70000
    assert host.uids().move_of("a") == (0, 0)


def test_an_exhausted_range_is_refused_with_the_variable(host):
    for name in "abcdefghi":
        host.uids().of(name)
    with pytest.raises(
        HostError,
        match=r"no uid of 70000-70009 is free for j; set flask_apps_uids to a larger range",
    ):
        host.uids().of("j")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"own": {}}'])
def test_an_unreadable_record_is_refused_and_not_overwritten(host, text):
    host.file.write_text(text)
    with pytest.raises(HostError, match="cannot be read"):
        host.uids().of("a")
    assert host.file.read_text() == text


def test_users_and_subordinate_ids_of_the_host_are_known(tmp_path, monkeypatch):
    file = tmp_path / "subuid"
    file.write_text("root:90000:10\nbroken\nx:y:z\n# a comment\n")
    monkeypatch.setattr(_uids, "SUBORDINATE", (file, tmp_path / "missing"))
    assert _uids._is_known(0)
    assert [_uids._is_known(uid) for uid in (89999, 90000, 90009, 90010)] == [
        False,
        True,
        True,
        False,
    ]


def test_the_options_of_a_container_get_the_user_in_either_format():
    for uid in ("10001", "@flaskops-uid@"):
        tmpfs = ["/tmp:rw,mode=1777", f"/a/b:rw,uid={uid},gid={uid},mode=0700"]
        options = {"user": f"{uid}:{uid}", "tmpfs": tmpfs, "volumes": ["/r/run:/run/flaskops/x"]}
        found = _uids.run_as(options, 70003, "/r")
        assert found["user"] == "70003:70003"
        assert found["tmpfs"][0] == "/tmp:rw,mode=1777"
        assert found["tmpfs"][1].endswith(":rw,uid=70003,gid=70003,mode=0700")
        assert found["volumes"] == [
            "/r/run:/run/flaskops/x",
            "/r/passwd:/etc/passwd:ro",
            "/r/group:/etc/group:ro",
        ]


# --- name and home --------------------------------------------------------------------------------


def archive(content, kind=tarfile.REGTYPE, size=None):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        member = tarfile.TarInfo("passwd")
        member.type, member.size, member.linkname = (
            kind,
            len(content) if size is None else size,
            "/etc/shadow",
        )
        tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


def engine(tmp_path, stdout, then="exit 1"):
    """An engine whose docker cp writes this, and then exits or continues."""
    (tmp_path / "said").write_bytes(stdout)
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\n[ "$1" = cp ] && cat {tmp_path}/said\n{then}\n')
    program.chmod(0o755)
    return SimpleNamespace(command=str(program))


IMAGE = (
    b"root:x:0:0:root:/root:/bin/bash\napp:x:10001:10001::/app:/bin/sh\n"
    b"other:x:70003:5::/:/bin/sh\nwww-data:x:33:33::/var/www:\n"
)


@pytest.mark.parametrize(
    ("stdout", "others"),
    [
        (archive(IMAGE), ["root:x:0:0:root:/root:/bin/bash", "www-data:x:33:33::/var/www:"]),
        (archive(b"", tarfile.SYMTYPE), []),
        (archive(b"", tarfile.FIFOTYPE), []),
        (b"", []),
        (b"no archive", []),
        (archive(b"x" * 2_000_000), []),
    ],
    ids=["a file", "a link", "a pipe", "nothing", "garbage", "far too large"],
)
def test_the_user_has_a_name_and_a_home_beside_those_of_the_image(tmp_path, stdout, others):
    accounts.write_accounts(engine(tmp_path, stdout), "shop-1-pin", tmp_path, 70003)
    assert (tmp_path / "passwd").read_text().splitlines() == [
        *others,
        "app:x:70003:70003:app:/var/tmp:/usr/sbin/nologin",
    ]
    assert (tmp_path / "group").read_text().splitlines()[-1] == "app:x:70003:"


@pytest.mark.parametrize("size", [1000, 8 << 30])
def test_only_as_much_of_an_image_is_read_as_accounts_can_be(tmp_path, monkeypatch, size):
    monkeypatch.setattr(accounts, "SECONDS", 1)
    started = time.monotonic()
    head = tarfile.TarInfo("passwd")
    head.size = size
    accounts.write_accounts(
        engine(tmp_path, head.tobuf(), "exec sleep 30"), "shop-1-pin", tmp_path, 70003
    )
    assert (tmp_path / "passwd").read_text() == "app:x:70003:70003:app:/var/tmp:/usr/sbin/nologin\n"
    assert time.monotonic() - started < 10


# --- a move ---------------------------------------------------------------------------------------


class Engine:
    def __init__(self, mounts):
        self.mounts, self.done = mounts, []

    def containers(self, label):
        app = label.partition("=")[2]
        return [{"Names": name} for name in self.mounts if name.startswith(app)]

    def inspect(self, name):
        found = [
            {"Source": source, "RW": writable} for source, writable in self.mounts.get(name, [])
        ]
        return {
            "Mounts": found,
            "Config": {"Labels": {"host.flaskops.app": name.partition("-")[0]}},
        }

    def run(self, *words, **_more):
        self.done.append(words[0])
        return ""


@as_root
def test_a_move_changes_the_owner_of_old_data_and_follows_no_link(host, tmp_path):
    host.serve("a")
    uids = host.uids()
    data, private = tmp_path / "data", tmp_path / "private"
    (data / "deep").mkdir(parents=True)
    for path in (private, data / "deep/own", data / "foreign"):
        path.touch()
    (data / "link").symlink_to(private)
    os.chown(data / "foreign", 0, OLD)
    for path in (data, data / "deep", data / "deep/own", data / "link"):
        os.chown(path, OLD, OLD, follow_symlinks=False)
    engine = Engine(
        {
            "a-1": [
                (str(data), True),
                ("/srv/read-only", False),
                (f"{uids.root}/apps/a/releases/1/run", True),
            ]
        }
    )
    words = uid_move.move(engine, uids, "a", 0)
    assert f"a: moved from uid 10001 to 70000, with {data}; that took " in words
    assert [path.lstat().st_uid for path in (data, data / "deep/own", data / "link")] == [70000] * 3
    assert [(path.lstat().st_uid, path.lstat().st_gid) for path in (data / "foreign", private)] == [
        (0, 70000),
        (0, 0),
    ]
    assert engine.done == ["stop", "inspect", "rm"]
    assert json.loads(host.file.read_text())["current"] == {"a": 70000}


@as_root
def test_data_behind_a_link_of_the_host_is_moved_too(host, tmp_path):
    host.serve("a")
    (tmp_path / "disk").mkdir()
    os.chown(tmp_path / "disk", OLD, OLD)
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    words = uid_move.move(
        Engine({"a-1": [(str(tmp_path / "data"), True), ("", True)]}), host.uids(), "a", 0
    )
    assert f"with {tmp_path / 'disk'}; that took " in words
    assert (tmp_path / "disk").stat().st_uid == 70000


@as_root
def test_a_move_without_a_container_is_refused_unless_it_was_interrupted(host):
    host.serve("a")
    with pytest.raises(
        HostError, match=r"it has no container.*state: present first; nothing was changed"
    ):
        uid_move.move(Engine({}), host.uids(), "a", 0)
    assert not host.file.exists()
    host.uids().begin("a")
    assert "a: moved from uid 10001 to 70000, with no data" in uid_move.move(
        Engine({}), host.uids(), "a", 0
    )


@as_root
@pytest.mark.parametrize("other", ["/srv/media", "/srv/media/b", "/srv", "/"])
def test_data_that_two_applications_write_to_is_not_moved(host, other):
    host.serve("a")
    engine = Engine(
        {"a-1": [("/srv/media", True)], "b-1": [(other, True)], "c-1": [("/srv/media-of-c", True)]}
    )
    with pytest.raises(
        HostError,
        match=(
            r"is on a volume of a and of b, so a alone cannot move\. Give both entries the same"
            r" key uid"
        ),
    ):
        uid_move.move(engine, host.uids(), "a", 0)
    assert engine.done == []


@as_root
@pytest.mark.parametrize("live", ["a" * 12, "b" * 12])
def test_an_interrupted_move_continues_with_a_new_release_too(host, live):
    host.serve("a")
    wanted, uids = Wanted("a", "b" * 12, "default", volumes=True), host.uids()
    nginx_root, planned = (
        str(host.file.parent.parent / "n"),
        Planned((Work("a", "b" * 12, live=live),)),
    )

    def moves(*asked):
        return begin.Begin(
            uids.root, nginx_root, [wanted], Owner("t"), uids="70000-70009", move_uid=asked
        )._uid_moves(planned)

    if live != wanted.id:
        with pytest.raises(HostError, match="a uid moves in a separate run"):
            moves("a")
    uids.begin("a")
    assert moves() == {"a": (OLD, 70000)}


def test_the_engine_does_not_fill_a_named_volume_again():
    options = {"user": "x", "tmpfs": [], "volumes": ["/srv/a:/a", "d1:/data", "d2:/other:ro"]}
    found = _uids.run_as(options, 70003, "/r")["volumes"]
    assert found[:3] == ["/srv/a:/a", "d1:/data:nocopy", "d2:/other:ro"]
