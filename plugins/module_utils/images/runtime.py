# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime image, which applications are built on: built from its recipe, or taken from a
registry or an archive. Its tags name the recipe, so all three give the same.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import Place
from . import pull
from .archive import Archive
from .bootstrap import Bootstrap
from .build import build
from .unpack import unpack

ADVICE = (
    "These tags belong to this version of the collection and to the base image of this inventory."
    " Leave flask_apps_runtime_image out once to have them built on a host, and bring them from"
    ' there: docs/sources.md, chapter "A runtime image that is ready".'
)


@dataclass(frozen=True)
class Stage:
    """One image of a runtime.

    base: the image that it is built on; "" for that of the host. target: the stage of the
    Dockerfile. first: whether it is the first of its runtime.
    """

    image: str
    base: str
    target: str
    first: bool

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Stage:
        """One of C(missing_images) of a plan."""
        return cls(found["image"], found["base"], found["target"], bool(found["first"]))


@dataclass(frozen=True)
class Recipe:
    """What a runtime image is built from on the host.

    archive: the recipe as a tar archive. base: the image of the host. bootstrap: how that one is
    made; None where a registry has it. refresh: the word of flask_apps_base_refresh.
    """

    archive: str
    base: str
    bootstrap: Bootstrap | None
    refresh: str
    ca_bundle: str
    index_url: str

    def build(self, docker: Docker, place: Place, stages: Iterable[Stage]) -> None:
        """Build these images, in a directory that is removed again."""
        if self.bootstrap:
            self.bootstrap.make(docker, place.builds)
        path = place.builds / "runtime"
        try:
            secrets = self._unpack(path)
            for stage in stages:
                self._build(docker, str(path), stage, secrets)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _unpack(self, path: Path) -> list[str]:
        trust = {"ca_bundle": self.ca_bundle, "index_url": self.index_url}
        try:
            return unpack({"path": path, "archive": self.archive, "dockerfile": "", **trust})
        except (OSError, tarfile.TarError) as error:
            raise HostError(f"its recipe could not be unpacked: {error}") from error

    def _build(self, docker: Docker, path: str, stage: Stage, secrets: Sequence[str]) -> None:
        options = [
            f"--build-arg=BASE={stage.base or self.base}",
            f"--build-arg=REFRESH={self.refresh}",
        ]
        options += [f"--target={stage.target}"] if stage.target else []
        # All stages of one image have the same base: only the first of them asks the registry.
        options += ["--pull"] if self.refresh and stage.first and not self.bootstrap else []
        try:
            build(docker, path, stage.image, secrets, options)
        except HostError as error:
            raise HostError(f"{stage.image} could not be built: {error}") from error


def load(docker: Docker, images: Sequence[str], path: str) -> None:
    """Load these images from an archive of docker save, and no other of it."""
    archive = Archive(path)
    if missing := [image for image in images if image not in archive.images]:
        raise HostError(f"the archive has no {missing[0]}, it has {archive.names}. {ADVICE}")
    archive.load(docker, {image: image for image in images})


def pull_all(
    docker: Docker, images: Iterable[str], repository: str, username: str = "", password: str = ""
) -> None:
    """Pull these images from a repository that has them under the same tags."""
    for image in images:
        known = pull.names(docker)
        reference = f"{repository}:{image.rpartition(':')[2]}"
        try:
            found = pull.pull(docker, reference, username, password)
        except HostError as error:
            raise HostError(
                f"{error}\nA login for it is that of flask_apps_defaults.registry. {ADVICE}"
            ) from error
        docker.run("tag", found["Id"], image)
        pull.forget_names(docker, found, known | {image})


def make_directories(place: Place, group: int) -> None:
    """Create the directory of the releases and the one of builds; -1 leaves the group as it is.

    What serves goes through the first of them while an image is built.
    """
    for path in (place.directory, place.builds):
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, -1, group)
        path.chmod(0o710 if group >= 0 else 0o700)
