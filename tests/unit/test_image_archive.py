# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine gets only the requested image of an archive, under the name of the release, whatever
else the archive contains.
"""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import time
from pathlib import Path

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host import files as _files
from ansible_collections.flaskops.host.plugins.module_utils.images import archive as _image_archive
from ansible_collections.flaskops.host.plugins.module_utils.releases.app import Build
from ansible_collections.flaskops.host.plugins.module_utils.releases.ready_image import ReadyImage
from ansible_collections.flaskops.host.plugins.module_utils.releases.record import Record
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from ansible_collections.flaskops.host.plugins.modules import runtime_image
from entries import normalize_apps

RUNTIME = "flaskops/runtime:0123456789ab"
OURS = f"flaskops/shop:{'2' * 12}"


def member(name, **more):
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    return info


def saved(path, images, extra=(), pack=None, manifest=None):
    """What docker save would write: images by name, with a comma between several names, and further
    members.
    """
    files, entries = [], []
    for number, (names, layers) in enumerate(images.items()):
        config = f"blobs/sha256/c{number}"
        files += [
            (config, f"config of {names}".encode()),
            *((f"blobs/sha256/{layer}", layer.encode() * 1000) for layer in layers),
        ]
        layers = [f"blobs/sha256/{layer}" for layer in layers]
        entries.append(
            {"Config": config, "RepoTags": names.split(",") if names else None, "Layers": layers}
        )
    repositories = {
        name.split(":")[0]: {name.split(":")[1]: "0" * 64}
        for names in images
        for name in names.split(",")
        if name
    }
    index = {
        "manifests": [
            {"annotations": {"io.containerd.image.name": name}}
            for names in images
            for name in names.split(",")
        ]
    }
    files += [
        ("repositories", json.dumps(repositories).encode()),
        ("index.json", json.dumps(index).encode()),
    ]
    files += [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]
    files += [("manifest.json", json.dumps(entries).encode() if manifest is None else manifest)]
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in [
            *files,
            *((one, two) for one, two in extra if not isinstance(one, tarfile.TarInfo)),
        ]:
            archive.addfile(member(name, size=len(data)), io.BytesIO(data))
        for info, data in extra:
            if isinstance(info, tarfile.TarInfo):
                archive.addfile(info, io.BytesIO(data))
    path.write_bytes(pack(content.getvalue()) if pack else content.getvalue())
    return str(path)


class Engine:
    """An engine that loads images and keeps its input."""

    def __init__(self, tmp_path, code=0):
        self.got, self.calls = tmp_path / "got.tar", []
        program = tmp_path / "docker"
        program.write_text(
            f'#!/bin/sh\n[ "$*" = load ] || exit 9\ncat > {self.got}\necho the engine spoke\nexit'
            f" {code}\n"
        )
        program.chmod(0o755)
        self.command = str(program)

    def inspect(self, name, _kind="container"):
        return {"Id": "sha256:new", "RepoTags": [name], "RepoDigests": []}

    def run(self, *words, **_more):
        self.calls.append(words)
        return ""

    def loaded(self):
        """The names of the received files, and the layers of each image name."""
        with tarfile.open(self.got) as archive:
            names, layers = archive.getnames(), {}
            for entry in json.load(archive.extractfile("manifest.json")):
                for name in entry["RepoTags"]:
                    layers[name] = [archive.extractfile(layer).read(3) for layer in entry["Layers"]]
        return names, layers


@pytest.fixture
def take(tmp_path, monkeypatch):
    """Load an image of an archive for a release; return what the engine got."""
    monkeypatch.setattr(_files.os, "fchown", lambda *_: None)

    def run(archive, reference="shop:1", **more):
        engine = Engine(tmp_path, **more)
        release = Release(
            name="shop",
            id="2" * 12,
            site="default",
            path="/",
            root=str(tmp_path),
            build=Build(kind="image", image=reference, archive="shop.tar"),
        )
        ReadyImage(release, Record(str(tmp_path), "shop"), engine).fetch(Path(archive))
        return engine.loaded()

    return run


@pytest.mark.parametrize("pack", [None, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("names", ["shop:1", f"shop:1,{RUNTIME}", f"{RUNTIME},shop:1,postgres:16"])
def test_only_the_requested_image_is_loaded_under_the_name_of_the_release(
    take, tmp_path, names, pack
):
    archive = saved(
        tmp_path / "image.tar",
        {names: ["aaa", "bbb"], RUNTIME: ["evil"], "redis:7": ["aaa", "red"]},
        pack=pack,
    )
    files, layers = take(archive)
    assert layers == {OURS: [b"aaa", b"bbb"]}
    assert sorted(files) == ["content/0", "content/1", "content/2", "manifest.json"]


@pytest.mark.parametrize(
    ("names", "reference"),
    [
        ("shop:latest", "shop"),
        ("docker.io/library/shop:1", "shop:1"),
        ("acme/shop:1", "docker.io/acme/shop:1"),
        ("localhost/shop:1", "localhost/shop:1"),
        ("shop:1", f"registry.example.org/shop@sha256:{'1' * 64}"),
        ("", f"registry.example.org/shop@sha256:{'1' * 64}"),
    ],
)
def test_an_image_is_found_by_any_of_its_names(take, tmp_path, names, reference):
    assert take(saved(tmp_path / "image.tar", {names: ["aaa"]}), reference)[1] == {OURS: [b"aaa"]}


@pytest.mark.parametrize(
    ("images", "reference", "words"),
    [
        ({"other:2": ["aaa"]}, "shop:1", "holds other:2; write one of these as image"),
        ({"shop:2": ["aaa"], "other:2": []}, "shop:1", "holds shop:2, other:2;"),
        ({RUNTIME: ["aaa"]}, RUNTIME, f"holds {RUNTIME}"),
        ({f"docker.io/{RUNTIME}": ["aaa"]}, f"docker.io/{RUNTIME}", "holds docker.io"),
        ({RUNTIME: ["aaa"]}, f"registry.example.org/shop@sha256:{'1' * 64}", "holds flaskops"),
        ({}, "shop:1", "holds no image"),
        ({"a\x1b[2J:1": []}, "shop:1", r"holds a\\x1b\[2J:1;"),
    ],
)
def test_an_archive_without_the_image_is_refused_before_anything_is_loaded(
    take, tmp_path, images, reference, words
):
    with pytest.raises(_files.HostError, match=words):
        take(saved(tmp_path / "image.tar", images), reference)
    assert not (tmp_path / "got.tar").exists()


def test_linked_layers_are_followed_only_inside_the_archive(take, tmp_path):
    links = [
        (member("one/layer.tar", type=tarfile.SYMTYPE, linkname="../blobs/sha256/aaa"), b""),
        (member("two/layer.tar", type=tarfile.LNKTYPE, linkname="blobs/sha256/bbb"), b""),
    ]
    manifest = [
        {
            "Config": "blobs/sha256/c0",
            "RepoTags": ["shop:1"],
            "Layers": ["one/layer.tar", "two/layer.tar"],
        }
    ]
    archive = saved(
        tmp_path / "image.tar",
        {"shop:1": ["aaa", "bbb"]},
        links,
        manifest=json.dumps(manifest).encode(),
    )
    assert take(archive)[1] == {OURS: [b"aaa", b"bbb"]}


EVIL = json.dumps(
    [{"Config": "blobs/sha256/c0", "RepoTags": [RUNTIME], "Layers": ["blobs/sha256/aaa"]}]
).encode()


@pytest.mark.parametrize(
    "extra",
    [
        [("./repositories", b'{"flaskops/runtime": {"0123456789ab": "0"}}')],
        [(member("a", type=tarfile.SYMTYPE, linkname="."), b""), ("a/manifest.json", EVIL)],
        [(member("../../etc/cron.d/x", size=3), b"abc")],
        [
            (
                "index.json",
                (
                    b'{"manifests":[{"annotations":{"io.containerd.image.name":"flaskops/'
                    b'runtime:0123456789ab"}}]}'
                ),
            )
        ],
    ],
)
def test_nothing_else_of_the_archive_reaches_the_engine(take, tmp_path, extra):
    files, layers = take(saved(tmp_path / "image.tar", {"shop:1": ["aaa"]}, extra))
    assert layers == {OURS: [b"aaa"]}
    assert sorted(files) == ["content/0", "content/1", "manifest.json"]


@pytest.mark.parametrize("place", ["Config", "Layers"])
@pytest.mark.parametrize(
    "name", ["manifest.json", "./manifest.json", "index.json", "oci-layout", "repositories"]
)
def test_no_content_can_replace_a_list_of_names(take, tmp_path, name, place):
    image = {"Config": "blobs/sha256/c0", "RepoTags": ["shop:1"], "Layers": ["blobs/sha256/aaa"]}
    image[place] = name if place == "Config" else [*image["Layers"], name]
    evil = {"Config": "blobs/sha256/c0", "RepoTags": [RUNTIME], "Layers": ["blobs/sha256/aaa"]}
    archive = saved(
        tmp_path / "image.tar", {"shop:1": ["aaa"]}, manifest=json.dumps([evil, image]).encode()
    )
    files, layers = take(archive)
    assert list(layers) == [OURS]
    assert files[0] == "manifest.json"
    assert all(file.startswith("content/") for file in files[1:])


@pytest.mark.parametrize(
    "name", ["manifest.json", "./manifest.json", "/manifest.json", "x/../manifest.json"]
)
def test_the_last_of_two_lists_counts_and_its_names_are_checked(take, tmp_path, name):
    with pytest.raises(_files.HostError, match=f"holds {RUNTIME}"):
        take(
            saved(
                tmp_path / "image.tar", {"shop:1": ["aaa"]}, [(member(name, size=len(EVIL)), EVIL)]
            )
        )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"x" * 10240, "cannot be read"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 1000, "compressed by zstd; write it as .tar or .tar.gz"),
        (gzip.compress(b"x" * 100000)[:50], "cannot be read"),
    ],
)
def test_a_file_that_is_not_an_archive_is_refused(take, tmp_path, content, words):
    (tmp_path / "image.tar").write_bytes(content)
    with pytest.raises(_files.HostError, match=words):
        take(str(tmp_path / "image.tar"))


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{",
        b"1",
        b"null",
        b"[1]",
        b"[null]",
        b'{"a": 1}',
        b'[{"Config": 1}]',
        b'[{"Config": "c", "Layers": "x"}]',
        b"[" * 100000,
        b'[{"Config": "nowhere", "RepoTags": ["shop:1"], "Layers": []}]',
        b'[{"Config": "../../../etc/shadow", "RepoTags": ["shop:1"]}]',
        b'[{"Config": "blobs/sha256/c0", "RepoTags": "shop:1"}]',
        b'[{"Config": "blobs/sha256/c0", "RepoTags": [1]}]',
        b"[" + b" " * (1 << 20) + b"]",
        b"\xff\xfe",
    ],
)
def test_an_invalid_list_is_refused(take, tmp_path, manifest):
    with pytest.raises(_files.HostError, match="its archive cannot be read"):
        take(saved(tmp_path / "image.tar", {"shop:1": ["aaa"]}, manifest=manifest))


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_that_is_larger_than_any_name_is_not_read(take, tmp_path, kind):
    size = 8 << 30
    (tmp_path / "image.tar").write_bytes(
        member("x", type=kind, size=size).tobuf(tarfile.GNU_FORMAT) + bytes(10240)
    )
    with pytest.raises(_files.HostError, match="cannot be read"):
        take(str(tmp_path / "image.tar"))


def test_an_archive_that_is_too_large_is_refused(take, tmp_path, monkeypatch):
    monkeypatch.setattr(_image_archive, "ARCHIVE_BYTES", 5000)
    with pytest.raises(_files.HostError, match="cannot be read"):
        take(saved(tmp_path / "image.tar", {"shop:1": ["aaa", "bbb"]}))


def test_the_error_of_the_engine_is_reported(take, tmp_path):
    with pytest.raises(_files.HostError, match="could not be loaded: the engine spoke"):
        take(saved(tmp_path / "image.tar", {"shop:1": ["aaa"]}), code=1)


def test_an_engine_that_does_not_read_runs_into_the_timeout(take, tmp_path, monkeypatch):
    archive = saved(tmp_path / "image.tar", {"shop:1": ["aaa" * 1000]})
    monkeypatch.setattr(_image_archive, "SECONDS", 0.5)
    engine = Engine(tmp_path)
    (tmp_path / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    started = time.monotonic()
    with pytest.raises(_files.HostError, match="could not be loaded"):
        _image_archive.Archive(archive).load(engine, {"shop:1": OURS})
    assert time.monotonic() - started < 5


# --- the runtime image ----------------------------------------------------------------------------


def runtime(tmp_path, archive, *images):
    engine = Engine(tmp_path)
    params = {name: option.get("default", "") for name, option in runtime_image.ARGUMENTS.items()}
    entries = [{"image": image, "base": "", "target": "", "first": True} for image in images]
    archives = {"image_archive": "ours.tar", "sent": archive}
    runtime_image.make({**params, "images": entries, **archives}, engine)
    return engine.loaded()[1]


def test_only_the_expected_tags_of_a_runtime_archive_are_loaded(tmp_path):
    images = {
        f"{RUNTIME}-build": ["aaa"],
        f"{RUNTIME},postgres:16": ["bbb"],
        "flaskops/shop:2": ["ccc"],
        "flaskops/runtime:fff": ["ddd"],
    }
    archive = saved(tmp_path / "runtime.tgz", images, pack=gzip.compress)
    assert runtime(tmp_path, archive, f"{RUNTIME}-build", RUNTIME) == {
        f"{RUNTIME}-build": [b"aaa"],
        RUNTIME: [b"bbb"],
    }


def test_an_archive_of_another_recipe_is_refused(tmp_path):
    with pytest.raises(
        _files.HostError, match=f"the archive has no {RUNTIME}-build, it has {RUNTIME}"
    ):
        runtime(
            tmp_path,
            saved(tmp_path / "runtime.tar", {RUNTIME: ["aaa"]}),
            f"{RUNTIME}-build",
            RUNTIME,
        )


@pytest.mark.parametrize(
    "image",
    [RUNTIME, f"docker.io/{RUNTIME}", "index.docker.io/flaskops/shop:1", "flaskops/neighbour:2"],
)
def test_a_runtime_image_is_refused_as_the_image_of_an_application(image):
    _apps, problems = normalize_apps([{"name": "shop", "path": "/", "image": image, "port": 80}])
    assert any("names that begin with flaskops/ are reserved" in problem for problem in problems)


def test_another_registry_may_have_the_same_name():
    _apps, problems = normalize_apps(
        [{"name": "shop", "path": "/", "image": "registry.example.org/flaskops/shop:1", "port": 80}]
    )
    assert problems == []
