# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The named volumes of an application: a new one belongs to its user from the start, and data of
others never changes its owner.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from ..host.places import APP_LABEL, RELEASE_LABEL, ReleaseName
from .drain import remove
from .uids import app_of


def named(volumes: Iterable[str]) -> dict[str, str]:
    """The named volumes of a container that may be written to, and where each is mounted."""
    parts = [volume.split(":") for volume in volumes]
    return {
        source: target
        for source, target, *mode in parts
        if not source.startswith("/") and "ro" not in mode
    }


@dataclass(frozen=True)
class _Volume:
    """A named volume of this host; is_plain: whether it is a directory that Docker created, not a
    share or a given path.
    """

    name: str
    place: str
    app: str
    is_plain: bool

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _Volume:
        """From the output of C(docker volume inspect)."""
        place = found.get("Mountpoint") or ""
        is_plain = found.get("Driver") == "local" and not found.get("Options") and bool(place)
        label = (found.get("Labels") or {}).get(APP_LABEL, "")
        return cls(found["Name"], place, label, is_plain)


class Volumes:
    """The named volumes that a release writes to, before one of its containers starts.

    Args:
        docker: the engine.
        root: the directory of the releases.
        name: the application.
        release: the id of the release.
        uid: the user of its containers.
    """

    def __init__(self, docker: Docker, root: str, name: str, release: str, uid: int) -> None:
        self.docker, self.root, self.name, self.release, self.uid = docker, root, name, release, uid

    def prepare(self, image: str, volumes: Iterable[str]) -> list[str]:
        """Create missing volumes with the content that the image has at their paths, and give their
        top directories to the user.

        Returns:
            A sentence for each volume that holds data of another user.
        """
        wanted = named(volumes)
        there = self._inspect(list(wanted))
        missing = [volume for volume in wanted if volume not in there]
        # Volumes that Docker created for an earlier run, or that an interrupted run of this
        # application left.
        begun = [volume for volume, found in there.items() if self._is_begun(found)]
        for volume in missing:
            self.docker.run("volume", "create", "--label", f"{APP_LABEL}={self.name}", volume)
        if missing or begun:
            self._fill(image, {volume: wanted[volume] for volume in (*missing, *begun)})
            for found in self._inspect([*missing, *begun]).values():
                self._give(found.place)
        theirs = [
            volume
            for volume, found in there.items()
            if volume not in begun and self._keeps_out(found)
        ]
        return [self._of_others(there[volume], wanted[volume]) for volume in theirs]

    def _inspect(self, volumes: list[str]) -> dict[str, _Volume]:
        found = (
            json.loads(self.docker.run("volume", "inspect", *volumes, check=False) or "[]")
            if volumes
            else []
        )
        return {each["Name"]: _Volume.of(each) for each in found}

    def _is_begun(self, volume: _Volume) -> bool:
        """Whether it still belongs to root and has no data of others: it is empty, or was created
        for this application.
        """
        if not volume.is_plain or os.stat(volume.place).st_uid != 0:
            return False
        ours = volume.app == self.name
        return self.uid != 0 and (ours or not any(Path(volume.place).iterdir()))

    def _fill(self, image: str, volumes: Mapping[str, str]) -> None:
        """Let the engine copy the content of the image into them, as it does when a container is
        created; therefore the owner is set after it.
        """
        container = f"{ReleaseName(self.name, self.release).pin}.volumes"
        remove([container], self.docker)
        labels = (
            word
            for label in (f"{APP_LABEL}={self.name}", f"{RELEASE_LABEL}={self.release}")
            for word in ("--label", label)
        )
        mounts = (
            word
            for volume, target in volumes.items()
            for word in ("--volume", f"{volume}:{target}")
        )
        try:
            self.docker.run(
                "create", "--name", container, *labels, "--network", "none", *mounts, image, "true"
            )
        finally:
            remove([container], self.docker)

    def _give(self, place: str) -> None:
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(handle, self.uid, self.uid)
        finally:
            os.close(handle)

    def _keeps_out(self, volume: _Volume) -> bool:
        """Whether the user cannot write to its top directory."""
        if not volume.is_plain:
            return False  # a share has its own owners
        state = os.stat(volume.place)
        bit = 0o200 if state.st_uid == self.uid else 0o020 if state.st_gid == self.uid else 0o002
        return not state.st_mode & bit

    def _of_others(self, volume: _Volume, target: str) -> str:
        uid = os.stat(volume.place).st_uid
        other = app_of(self.root, uid, self.name)
        words = (
            f"{self.name}: the volume {volume.name} ({target}) belongs to uid"
            f" {uid}{f', of {other}' if other else ''}, and is left as it is, because it may hold"
            f" somebody else's data. The application runs as uid {self.uid} and cannot write to"
            " it: "
        )
        if other:
            return f"{words}give both entries the same key uid, or this one a separate volume."
        key = f"write uid: {uid} in its entry, or " if uid else ""
        return (
            f"{words}{key}if it is its own data, on the host: chown -R {self.uid}:{self.uid}"
            f" {volume.place}"
        )
