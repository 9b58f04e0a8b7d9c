# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of release_prepare on the host, and the data that its action plugin sends."""

import base64
import gzip
import io
import os
import stat
import tarfile
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.flaskops.host.plugins.action import release_prepare as action
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError, file_digest
from ansible_collections.flaskops.host.plugins.module_utils.images.delta import (
    HEADER,
    SMALL,
    Damaged,
)
from ansible_collections.flaskops.host.plugins.module_utils.releases import prepare
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Build, Static
from ansible_collections.flaskops.host.plugins.module_utils.releases.record import Recorded
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release

ID = "0123456789ab"
SOURCE = Build(kind="source")
IMAGE = Build(kind="image", image="shop:1")
ARCHIVE = Build(kind="image", image="shop:1", archive="/x/shop.tar")
REQUEST = {
    "nginx_root": "/n", "token": "t", "group": "www", "uids": "70000-79999", "networks_pool": ""
}  # fmt: skip
BUILT = [
    "write its files",
    "send its source",
    "create its network",
    "unpack its source",
    "build its image",
    "keep its image",
    "copy its static files",
    "create its volumes",
]


def release(root, build=SOURCE, **more):
    networks = [{"name": "flaskops-shop"}]
    container = {"volumes": ["data:/data"], "tmpfs": [], "networks": networks}
    static = (Static("/static", "static"),)
    kept = {"container": container, "static": static, "build": build, "root": str(root)}
    return Release(name="shop", id=ID, site="default", path="/shop", **{**kept, **more})


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Prepare a release; each step is only recorded, and one may fail."""

    def steps(made, fails="", error=HostError, **request):
        noted = []

        def note(step):
            noted.append(step)
            if step == fails:
                raise error("of this cause")

        def does(result, step=""):
            def call(*_arguments, **_more):
                if step == fails and step:
                    raise error("of this cause")
                return result

            return call

        def unpack(params):
            params["path"].mkdir(parents=True)
            return ["--secret=id=x"]

        def directory(*_arguments):
            return SimpleNamespace(
                changed=True, create=does(None), write=does(None), restore=does(None)
            )

        volumes = SimpleNamespace(prepare=does(["of the volumes"], "create its volumes"))
        fakes = {
            "renew": lambda _root, _names, _token, step: note(step),
            "Uids": lambda *_: SimpleNamespace(of=does(70000)),
            "Directory": directory,
            "Record": lambda *_: SimpleNamespace(
                of=lambda _id: Recorded(),
                mark=does(None),
                note=lambda *_, **__: None,
                save=does(None),
            ),
            "ReadyImage": lambda *_: SimpleNamespace(fetch=lambda path: noted.append(path)),
            "ImageFiles": lambda *_: SimpleNamespace(first=does("")),
            "Volumes": lambda *_: volumes,
            "assemble": does(None),
            "unpack": unpack,
            "build": does(["of the build"]),
            "refuse_labels": does(None),
            "pin": does("sha256:1"),
            "write_static": does(3),
            "write_accounts": does(None),
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(prepare, name, fake)
        monkeypatch.setattr(prepare.grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=33))
        monkeypatch.setattr(prepare.networks, "ensure", does(True))
        monkeypatch.setattr(prepare.os, "chown", does(None))
        docker = SimpleNamespace(inspect=does({"Id": "sha256:1"}))
        asked = prepare.Request(**REQUEST, **request)
        return noted, prepare.Prepare(asked, made, docker)

    return steps


def test_a_source_becomes_an_image(run, tmp_path):
    made = release(tmp_path)
    noted, begun = run(made, inline="eA==")
    assert begun.run() == prepare.Prepared(70000, True, "sha256:1", 3)
    assert noted == BUILT
    assert begun.actions == [
        f"recorded release {ID}",
        "wrote its files",
        "created its network",
        "built its image",
    ]
    assert begun.warnings == ["shop: of the build", "of the volumes"]
    assert not made.build_directory.exists()


@pytest.mark.parametrize("step", BUILT)
def test_a_failure_names_its_step_and_removes_the_build(run, tmp_path, step):
    made = release(tmp_path)
    noted, begun = run(made, fails=step, inline="eA==")
    with pytest.raises(prepare.Failed, match="of this cause") as failed:
        begun.run()
    assert (failed.value.step, failed.value.lacks, noted[-1]) == (step, "", step)
    assert not made.build_directory.exists()


@pytest.mark.parametrize(
    "error", [OSError, tarfile.ReadError, lambda _text: prepare.subprocess.TimeoutExpired("x", 1)]
)
def test_every_failure_has_a_message(run, tmp_path, error):
    _, begun = run(release(tmp_path), fails="build its image", error=error)
    with pytest.raises(prepare.Failed, match=f"Release {ID} of shop: "):
        begun.run()


def test_a_damaged_kept_source_is_sent_again(run, tmp_path):
    _, begun = run(release(tmp_path), fails="send its source", error=Damaged, inline="eA==")
    with pytest.raises(prepare.Failed, match="The source of shop could not be put toge") as failed:
        begun.run()
    assert failed.value.lacks == "source"
    assert "created its network" not in begun.actions  # the next call reports it


def test_without_a_build_only_files_are_written(run, tmp_path):
    noted, begun = run(release(tmp_path), build=False)
    assert begun.run() == prepare.Prepared(70000, True)
    assert noted == ["write its files", "create its network"]
    assert begun.warnings == ["of the volumes"]


def test_the_source_of_an_earlier_release_is_on_the_host(run, tmp_path):
    noted, begun = run(release(tmp_path), restore=True)
    begun.run()
    assert noted == [step for step in BUILT if step != "send its source"]


def test_an_image_is_pulled(run, tmp_path):
    noted, begun = run(release(tmp_path, IMAGE))
    begun.run()
    assert noted[1:4] == ["create its network", "pull its image", None]


def test_an_archive_is_requested_unless_the_release_has_it(run, tmp_path):
    made = release(tmp_path, ARCHIVE)
    place = made.place.image_archive
    place.parent.mkdir(parents=True)
    place.write_text("of an earlier attempt")
    _, begun = run(made, archive_digest="another")
    with pytest.raises(prepare.Failed, match="The archive of shop could not be sent") as failed:
        begun.run()
    assert failed.value.lacks == "archive"
    noted, begun = run(made, archive_digest=file_digest(place))
    begun.run()
    assert noted[3:5] == ["load its image", place]


def test_an_archive_that_was_sent_is_kept_with_the_release(run, tmp_path):
    made = release(tmp_path / "root", ARCHIVE)
    sent = tmp_path / "sent"
    sent.write_text("new")
    made.place.directory.mkdir(parents=True)
    _, begun = run(made, archive=str(sent))
    begun.run()
    place = made.place.image_archive
    assert (place.read_text(), stat.S_IMODE(place.stat().st_mode)) == ("new", 0o600)
    assert [path.name for path in made.place.directory.iterdir()] == ["image.tar"]
    assert not sent.exists()


def test_an_archive_that_did_not_fit_is_removed(run, tmp_path, monkeypatch):
    made = release(tmp_path / "root", ARCHIVE)
    made.place.directory.mkdir(parents=True)

    def move(_source, target, **_how):
        target.write_text("ne")
        raise OSError(28, "No space left on device")

    _, begun = run(made, archive="/sent")
    monkeypatch.setattr(prepare.shutil, "move", move)
    with pytest.raises(prepare.Failed, match="No space left on device"):
        begun.run()
    assert list(made.place.directory.iterdir()) == []


# --- the action plugin ----------------------------------------------------------------------------


@pytest.fixture
def send(tmp_path, monkeypatch):
    """What the action plugin sends: the arguments of each call, and the result of the last."""
    monkeypatch.setattr(action.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(action.SendingAction, "run", lambda *_: None)

    def run(made, results=({},), room=True, **arguments):
        plugin = object.__new__(action.ActionModule)
        given = {"release": made.to_dict(), "group": "www", **arguments}
        plugin._task = SimpleNamespace(args=given)
        shell = SimpleNamespace(tmpdir=None, join_path=os.path.join)
        plugin._connection = SimpleNamespace(_shell=shell)
        calls, left = [], results if hasattr(results, "pop") else list(results)

        def make():
            if room is not True:
                raise AnsibleConnectionFailure(room or "mkdir: No space left on device")
            return "/remote"

        def execute(_module, module_args, task_vars):
            calls.append(module_args)
            return left.pop(0)

        plugin._make_tmp_path = make
        plugin._transfer_file = lambda _local, remote: remote
        plugin._fixup_perms2 = lambda _paths: None
        plugin._execute_module = execute
        return calls, plugin.run()

    return run


@pytest.fixture
def source(tmp_path):
    place = tmp_path / "source"
    place.mkdir()
    (place / "main.py").write_text("app = 1\n" * SMALL)
    return place


def members(call):
    """The sent files, and which of them are left out."""
    packed = io.BytesIO(gzip.decompress(base64.b64decode(call["inline"])))
    with tarfile.open(fileobj=packed) as archive:
        return {member.name: HEADER in member.pax_headers for member in archive}


def test_a_small_source_needs_one_call_and_no_file(send, source):
    calls, _ = send(release("/r", source_path=str(source)), room=False)
    assert len(calls) == 1
    assert members(calls[0]) == {"app/main.py": False}
    assert not {"release", "known"} & calls[0].keys()


def test_files_that_the_host_has_are_sent_only_if_damaged(send, source):
    known = [file_digest(source / "main.py")]
    made = release("/r", source_path=str(source))
    calls, result = send(
        made, [{"failed": True, "lacks": "source"}, {"changed": True}], known=known
    )
    assert [members(call) for call in calls] == [{"app/main.py": True}, {"app/main.py": False}]
    assert result == {"changed": True}


def test_a_large_source_is_a_file(send, source):
    (source / "big").write_bytes(os.urandom(1 << 20))
    calls, _ = send(release("/r", source_path=str(source)))
    assert [call["delta"] for call in calls] == ["/remote/context.delta"]


def test_an_archive_is_sent_when_the_host_lacks_it(send, tmp_path):
    archive = tmp_path / "shop.tar"
    archive.write_text("x")
    made = release("/r", Build(kind="image", image="shop:1", archive=str(archive)))
    calls, _ = send(made, [{"lacks": "archive"}, {}])
    assert [call.get("archive") for call in calls] == [None, "/remote/image.tar"]
    assert {call["archive_digest"] for call in calls} == {file_digest(archive)}


@pytest.mark.parametrize(
    ("build", "what"), [(SOURCE, "The source"), (ARCHIVE, "The archive")], ids=["source", "archive"]
)
def test_a_host_without_room_for_ansible_fails_and_is_not_unreachable(send, source, build, what):
    (source / "big").write_bytes(os.urandom(1 << 20))
    _, result = send(
        release("/r", build, source_path=str(source)), [{"lacks": "archive"}], room=False
    )
    assert result == {
        "failed": True,
        "msg": f"{what} of shop could not be sent: mkdir: No space left on device",
    }


def test_what_cannot_be_sent_fails_whatever_the_words_are(send, source):
    """A quota, or a directory that cannot be created: Ansible has few words for it."""
    (source / "big").write_bytes(os.urandom(1 << 20))
    _, result = send(release("/r", source_path=str(source)), room="Failed to create a directory")
    assert result["msg"] == "The source of shop could not be sent: Failed to create a directory"


def test_an_archive_that_changed_while_it_was_sent_is_refused(run, tmp_path):
    sent = tmp_path / "sent.tar"
    sent.write_text("other")
    made = release(tmp_path / "root", ARCHIVE)
    made.place.directory.mkdir(parents=True)
    _, begun = run(made, archive=str(sent), archive_digest="0" * 64)
    with pytest.raises(prepare.Failed, match="it changed while it was sent; run again"):
        begun.run()
    assert not made.place.image_archive.exists()


def test_a_host_that_is_lost_during_a_build_is_unreachable(send, source):
    def lost():
        raise AnsibleConnectionFailure("Failed to connect to the host via ssh")

    class Lost(list):
        def pop(self, _index):
            lost()

    with pytest.raises(AnsibleConnectionFailure, match="via ssh"):
        send(release("/r", source_path=str(source)), Lost())


@pytest.mark.parametrize("arguments", [{"restore": True}, {"build": False}])
def test_a_source_that_is_not_built_is_not_read(send, arguments):
    calls, _ = send(release("/r", source_path="/nowhere"), **arguments)
    assert len(calls) == 1
    assert not {"inline", "delta"} & calls[0].keys()


def test_a_missing_source_has_a_message(send, tmp_path):
    made = release("/r", source_path=str(tmp_path / "gone"))
    _, result = send(made)
    assert result["msg"].startswith("The source of shop could not be read: ")
