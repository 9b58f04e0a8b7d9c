# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""An archive replaces only the image of its application, and a label does not assign a container to
another application.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import APPS, ENTRIES


def archive(place: Path, *names: str, **config: Any) -> str:
    """Write an archive like that of docker save, with an empty image that has these names."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    diff = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff]},
    }
    manifest = [{"Config": "config.json", "RepoTags": list(names), "Layers": ["layer.tar"]}]
    repositories = {name.split(":")[0]: {name.split(":")[1]: "layer"} for name in names}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        for name, data in (
            ("layer.tar", layer.getvalue()),
            ("config.json", json.dumps(image).encode()),
            ("repositories", json.dumps(repositories).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    path = place / "image.tar"
    path.write_bytes(gzip.compress(content.getvalue()))
    return str(path)


def images(host: Any) -> dict[str, str]:
    """All names of images on the host, each with the ID of its image."""
    lines = host.check_output(
        "docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'"
    ).splitlines()
    return dict(line.split() for line in lines)


class Taken(NamedTuple):
    """The names of images before and after a run, and its output on one line."""

    before: dict[str, str]
    after: dict[str, str]
    output: str


@pytest.fixture(scope="module")
def taken(host: Any, deploy: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """One run with an application for each archive: one with the names of other images too, one
    without the wanted image, and one whose image has our labels.
    """
    before = images(host)
    runtime = next(
        name
        for name in before
        if name.startswith("flaskops/runtime:") and not name.endswith(("-build", "-compat"))
    )
    neighbour = next(name for name in before if name.startswith("flaskops/neighbour:"))
    labels = {"host.flaskops.app": "neighbour", "host.flaskops.process": "x"}
    archives: dict[str, tuple[list[str], dict[str, Any]]] = {
        "taken": ([runtime, neighbour, "taken:1", "postgres:16"], {}),
        "lacking": (["other:1", "postgres:16"], {}),
        "labelled": (["labelled:1"], {"Labels": labels}),
    }
    entries = [
        {
            "name": name,
            "image": f"{name}:1",
            "image_archive": archive(tmp_path_factory.mktemp(name), *names, **config),
            "path": f"/{name}",
            "port": 80,
            "static": [],
        }
        for name, (names, config) in archives.items()
    ]
    output = deploy(*entries).failed().output
    return Taken(before, images(host), " ".join(output.split()))


def test_an_archive_replaces_no_image_of_others(taken):
    """What it does leave is the image of its application, by the name of its release."""
    assert "postgres:16" not in taken.after, taken.output
    own = ("flaskops/taken:", "flaskops/labelled:")
    assert {
        name: image for name, image in taken.after.items() if not name.startswith(own)
    } == taken.before


def test_an_archive_without_the_wanted_image_is_refused_before_it_is_loaded(taken):
    assert (
        "its image_archive holds other:1, postgres:16; write one of these as image" in taken.output
    )
    assert not [name for name in taken.after if name.startswith(("flaskops/lacking:", "other:"))]


def test_an_image_with_our_labels_is_refused_before_it_runs(taken, host):
    assert "has the label host.flaskops.app, host.flaskops.process" in taken.output
    assert "labelled-" not in host.check_output("docker ps --all --format '{{.Names}}'")


def test_a_container_with_forged_labels_is_not_treated_as_a_process(host, deploy, http):
    """A container from the time before such labels were refused. docker ps joins labels with
    commas, which must not be split.
    """
    name = host.check_output(
        "docker ps --filter label=host.flaskops.app=neighbour --format '{{.Names}}'"
    )
    image = host.check_output("docker inspect --format '{{.Image}}' %s", name)
    release = name.rpartition("-")[2]
    ours = {"app": "neighbour", "process": "x", "release": release}
    label = ",".join(["a=b", *(f"host.flaskops.{key}={value}" for key, value in ours.items())])
    host.check_output(
        "docker run --detach --name bystander --label %s --entrypoint sleep %s 600", label, image
    )
    host.check_output(
        "docker run --detach --name bystander-2 --label host.flaskops.app=neighbour --entrypoint"
        " sleep %s 600",
        image,
    )
    try:
        entry = {**ENTRIES["neighbour"], "env": {"CHANGE": "labels"}}
        deploy(entry, flask_apps_source_root=str(APPS)).ok()
        there = host.check_output("docker ps --format '{{.Names}}'").split()
        assert {"bystander", "bystander-2"} < set(there)
        assert http("/neighbour/").status == 403
    finally:
        host.run("docker rm --force bystander bystander-2")


def test_a_dockerfile_with_our_labels_is_refused_on_the_controller(deploy, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL host.flaskops.app=neighbour\n")
    run = deploy(
        {
            "name": "own",
            "source": str(tmp_path),
            "dockerfile": "Dockerfile",
            "path": "/own",
            "port": 80,
        }
    ).failed()
    assert (
        "sets the label host.flaskops.app; labels that begin with host.flaskops are reserved"
        in run.output
    )
