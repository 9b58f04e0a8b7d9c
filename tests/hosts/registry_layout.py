#!/usr/bin/env python3
# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""Write a root file system as the storage directory of a container registry (the "distribution"
registry, API v2).

    registry_layout.py ROOTFS.tar DIRECTORY NAME:TAG

A registry that serves DIRECTORY then has NAME:TAG, with one layer, and no engine had to push it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Storage:
    def __init__(self, root: Path, name: str) -> None:
        self.blobs = root / "docker/registry/v2/blobs/sha256"
        self.repository = root / "docker/registry/v2/repositories" / name

    def add_blob(self, file: Path) -> dict[str, object]:
        """Move a file into the blob store; return its descriptor (digest and size)."""
        digest = sha256(file)
        data = self.blobs / digest[:2] / digest / "data"
        data.parent.mkdir(parents=True)
        shutil.move(file, data)
        return {"digest": f"sha256:{digest}", "size": data.stat().st_size}

    def link(self, where: str, digest: str) -> None:
        link = self.repository / where / "link"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(digest)

    def add_image(
        self, config: dict[str, object], layer: dict[str, object], manifest: Path, tag: str
    ) -> None:
        for descriptor in (config, layer):
            self.link(f"_layers/{path_of(descriptor)}", str(descriptor["digest"]))
        added = self.add_blob(manifest)
        digest = str(added["digest"])
        self.link(f"_manifests/revisions/{path_of(added)}", digest)
        self.link(f"_manifests/tags/{tag}/current", digest)
        self.link(f"_manifests/tags/{tag}/index/{path_of(added)}", digest)


def path_of(descriptor: dict[str, object]) -> str:
    return str(descriptor["digest"]).replace(":", "/")


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    rootfs, directory = Path(sys.argv[1]), Path(sys.argv[2])
    name, tag = sys.argv[3].split(":")
    storage = Storage(directory, name)
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        layer_file, config_file, manifest_file = (
            Path(temporary, part) for part in ("layer", "config", "manifest")
        )
        with rootfs.open("rb") as source, gzip.open(layer_file, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        layer = {"mediaType": LAYER_TYPE, **storage.add_blob(layer_file)}
        environment = [
            "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
        ]
        config_file.write_text(
            json.dumps(
                {
                    "architecture": "amd64",
                    "os": "linux",
                    "config": {"Cmd": ["python3"], "Env": environment},
                    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(rootfs)}"]},
                    "history": [{"created_by": "tests/hosts/prepare"}],
                }
            )
        )
        config = {"mediaType": CONFIG_TYPE, **storage.add_blob(config_file)}
        manifest_file.write_text(
            json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": MANIFEST_TYPE,
                    "config": config,
                    "layers": [layer],
                }
            )
        )
        storage.add_image(config, layer, manifest_file, tag)


if __name__ == "__main__":
    main()
