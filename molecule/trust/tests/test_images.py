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
from typing import Any

import pytest
from conftest import APPS, ENTRIES


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., str]:
    """Write an archive like that of docker save, with an empty image that has these names."""

    def make(*names: str, **config: Any) -> str:
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
        path = tmp_path / "image.tar"
        path.write_bytes(gzip.compress(content.getvalue()))
        return str(path)

    return make


@pytest.fixture
def images(host: Any) -> Callable[[], dict[str, str]]:
    """All names of images on the host, each with the ID of its image."""

    def look() -> dict[str, str]:
        lines = host.check_output(
            "docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'"
        ).splitlines()
        return dict(line.split() for line in lines)

    return look


@pytest.fixture
def taken(deploy: Callable[..., Any]) -> Any:
    """Deploy an application from an archive; it is removed at the end."""

    def run(path: str, **keys: Any) -> Any:
        return deploy(
            {
                "name": "taken",
                "image": "taken:1",
                "image_archive": path,
                "path": "/taken",
                "port": 80,
                "static": [],
                **keys,
            }
        )

    yield run
    deploy({"name": "taken", "state": "absent"}).ok()


def test_an_archive_replaces_no_image_of_others(archive, images, taken):
    before = images()
    runtime = next(
        name
        for name in before
        if name.startswith("flaskops/runtime:") and not name.endswith(("-build", "-compat"))
    )
    (neighbour,) = [name for name in before if name.startswith("flaskops/neighbour:")][:1]
    run = taken(archive(runtime, neighbour, "taken:1", "postgres:16"))
    assert "postgres:16" not in images(), run.output
    assert {
        name: image for name, image in images().items() if not name.startswith("flaskops/taken:")
    } == before


def test_an_archive_without_the_wanted_image_is_refused_before_it_is_loaded(archive, images, taken):
    before = images()
    run = taken(archive("other:1", "postgres:16")).failed()
    assert "its image_archive holds other:1, postgres:16; write one of these as image" in run.output
    assert images() == before


def test_an_image_with_our_labels_is_refused_before_it_runs(archive, host, taken):
    run = taken(
        archive("taken:1", Labels={"host.flaskops.app": "neighbour", "host.flaskops.process": "x"})
    ).failed()
    assert "has the label host.flaskops.app, host.flaskops.process" in run.output
    assert "taken-" not in host.check_output("docker ps --all --format '{{.Names}}'")


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
