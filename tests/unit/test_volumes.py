# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new named volume belongs to the application from the start; a volume that may belong to another
program is kept and reported.
"""

import json
import os

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.releases.volumes import Volumes, named

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives directories away")
UID = 70000


class Engine:
    """An engine that keeps volumes below a directory and copies a file of the image into empty
    ones.
    """

    def __init__(self, place):
        self.place, self.volumes, self.calls = place, {}, []

    def add(self, name, owner=0, files=(), mode=0o755, **more):
        path = self.place / name
        path.mkdir()
        for file in files:
            (path / file).write_text("theirs")
        os.chown(path, owner, owner)
        path.chmod(mode)
        self.volumes[name] = {
            "Name": name,
            "Driver": "local",
            "Options": None,
            "Labels": None,
            "Mountpoint": str(path),
            **more,
        }

    def inspect(self, _container):
        return {}

    def run(self, *words, **_how):
        self.calls.append(words)
        if words[:2] == ("volume", "inspect"):
            return json.dumps([self.volumes[name] for name in words[2:] if name in self.volumes])
        if words[:2] == ("volume", "create"):
            self.add(words[-1], Labels=dict([words[3].split("=")]))
        if words[0] == "create":
            for at in (at for at, word in enumerate(words) if word == "--volume"):
                path = self.place / words[at + 1].split(":")[0]
                if not list(path.iterdir()):
                    (path / "seed").write_text("of the image")
                    os.chown(path, 1000, 1000)
        return ""

    def owner(self, name):
        return (self.place / name).stat().st_uid


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "uids.json").write_text(
        json.dumps({"own": {}, "moving": {}, "current": {"shop": UID, "blog": 70001}})
    )
    return Engine(tmp_path)


def prepare(engine, *volumes, uid=UID):
    return Volumes(engine, str(engine.place), "shop", "1", uid).prepare("flaskops/shop:1", volumes)


def test_only_named_writable_volumes_count():
    assert named(["/srv/x:/x", "a1:/a", "b1:/b:ro", "c1:/c:rw"]) == {"a1": "/a", "c1": "/c"}


def test_a_new_volume_has_the_files_of_the_image_and_belongs_to_the_application(engine):
    assert prepare(engine, "d1:/data") == []
    assert engine.owner("d1") == UID
    assert (engine.place / "d1/seed").stat().st_uid == 0  # only the top directory
    assert engine.calls[-1][0] == "volume"


def test_an_application_without_volumes_costs_no_call(engine):
    assert prepare(engine, "/srv/x:/x", "d1:/data:ro") == []
    assert engine.calls == []


def test_a_volume_of_the_right_owner_costs_one_call(engine):
    engine.add("d1", UID, ["app.db"])
    assert prepare(engine, "d1:/data") == []
    assert [words[:2] for words in engine.calls] == [("volume", "inspect")]


def test_a_volume_that_an_earlier_run_left_empty_gets_the_owner(engine):
    engine.add("d1")
    assert prepare(engine, "d1:/data") == []
    assert engine.owner("d1") == UID


def test_a_volume_that_an_interrupted_run_filled_gets_the_owner(engine):
    engine.add("d1", files=["seed"], Labels={"host.flaskops.app": "shop"})
    assert prepare(engine, "d1:/data") == []
    assert engine.owner("d1") == UID


@pytest.mark.parametrize(
    ("owner", "files", "labels", "write"),
    [
        (0, ["theirs"], None, "on the host: chown -R 70000:70000 "),
        (0, ["theirs"], {"host.flaskops.app": "blog"}, "on the host: chown -R 70000:70000 "),
        (
            999,
            ["theirs"],
            None,
            (
                "write uid: 999 in its entry, or if it is its own data, on the host: chown -R"
                " 70000:70000 "
            ),
        ),
        (999, [], None, "write uid: 999 in its entry, or "),
        (999, [], {"host.flaskops.app": "shop"}, "write uid: 999 in its entry, or "),
        (
            70001,
            ["theirs"],
            None,
            "give both entries the same key uid, or this one a separate volume.",
        ),
    ],
)
def test_a_volume_with_foreign_data_is_kept_and_reported(engine, owner, files, labels, write):
    engine.add("d1", owner, files, Labels=labels)
    (words,) = prepare(engine, "d1:/data")
    assert engine.owner("d1") == owner
    of = ", of blog" if owner == 70001 else ""
    assert words.startswith(
        f"shop: the volume d1 (/data) belongs to uid {owner}{of}, and is left as it is"
    )
    assert write in words


@pytest.mark.parametrize(("owner", "mode"), [(999, 0o777), (70000, 0o700)])
def test_a_volume_that_the_application_can_write_to_gives_no_warning(engine, owner, mode):
    engine.add("d1", owner, ["theirs"], mode)
    assert prepare(engine, "d1:/data") == []
    assert engine.owner("d1") == owner


@pytest.mark.parametrize("more", [{"Driver": "nfs"}, {"Options": {"type": "nfs"}}])
def test_a_network_share_is_left_alone(engine, more):
    engine.add("d1", **more)
    assert prepare(engine, "d1:/data") == []
    assert engine.owner("d1") == 0


def test_the_copying_container_is_removed_even_after_a_failure(engine):
    original = engine.run

    def run(*words, **how):
        if words[0] == "create":
            raise OSError("no room")
        return original(*words, **how)

    engine.run = run
    with pytest.raises(OSError, match="no room"):
        prepare(engine, "d1:/data")
    assert engine.calls[-1] == ("rm", "--force", "--volumes", "shop-1-pin.volumes")
    engine.run = original
    assert prepare(engine, "d1:/data") == []  # and the next run continues
    assert engine.owner("d1") == UID
