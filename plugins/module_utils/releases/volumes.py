# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The named volumes of an application: a new one is its user's from the start, and nobody else's
data is ever given away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from .drain import remove
from .release import LABEL
from .uids import app_of


def named(volumes: Iterable[str]) -> dict[str, str]:
    """The named volumes of a container that may be written to, and where each is mounted."""
    parts = [volume.split(":") for volume in volumes]
    return {
        source: target
        for source, target, *mode in parts
        if not source.startswith("/") and "ro" not in mode
    }


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
        """Make those that are missing, with what the image has in their place, and give their top
        directories to the user.

        Returns:
            What is to be said of those that hold data of somebody else's.
        """
        wanted = named(volumes)
        there = self._inspect(list(wanted))
        missing = [volume for volume in wanted if volume not in there]
        # One that Docker made for a run before this, or that this application's was cut off with.
        begun = [volume for volume, found in there.items() if self._is_begun(found)]
        for volume in missing:
            self.docker.run("volume", "create", "--label", f"{LABEL}.app={self.name}", volume)
        if missing or begun:
            self._fill(image, {volume: wanted[volume] for volume in (*missing, *begun)})
            for found in self._inspect([*missing, *begun]).values():
                self._give(found["Mountpoint"])
        theirs = [
            volume
            for volume, found in there.items()
            if volume not in begun and self._keeps_out(found)
        ]
        return [self._of_others(there[volume], wanted[volume]) for volume in theirs]

    def _inspect(self, volumes: list[str]) -> dict[str, dict[str, Any]]:
        found = (
            json.loads(self.docker.run("volume", "inspect", *volumes, check=False) or "[]")
            if volumes
            else []
        )
        return {volume["Name"]: volume for volume in found}

    def _is_begun(self, found: Mapping[str, Any]) -> bool:
        """Whether it is root's still and nobody's data: it is empty, or was made for this
        application.
        """
        if not _is_plain(found) or os.stat(found["Mountpoint"]).st_uid != 0:
            return False
        ours = (found.get("Labels") or {}).get(f"{LABEL}.app") == self.name
        return self.uid != 0 and (ours or not any(Path(found["Mountpoint"]).iterdir()))

    def _fill(self, image: str, volumes: Mapping[str, str]) -> None:
        """Have the engine copy what the image has in their place, as it does when a container is
        made; so the owner comes after it.
        """
        container = f"{self.name}-{self.release}-pin.volumes"
        remove([container], self.docker)
        labels = (
            word
            for label in (f"app={self.name}", f"release={self.release}")
            for word in ("--label", f"{LABEL}.{label}")
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

    def _keeps_out(self, found: Mapping[str, Any]) -> bool:
        """Whether the user cannot write to its top directory."""
        if not _is_plain(found):
            return False  # a share has owners of its own
        state = os.stat(found["Mountpoint"])
        bit = 0o200 if state.st_uid == self.uid else 0o020 if state.st_gid == self.uid else 0o002
        return not state.st_mode & bit

    def _of_others(self, found: Mapping[str, Any], target: str) -> str:
        place, uid = found["Mountpoint"], os.stat(found["Mountpoint"]).st_uid
        other = app_of(self.root, uid, self.name)
        words = (
            f"{self.name}: the volume {found['Name']} ({target}) belongs to uid"
            f" {uid}{f', of {other}' if other else ''}, and is left as it is, for it may hold"
            f" somebody else's data. The application runs as uid {self.uid} and cannot write to"
            " it: "
        )
        if other:
            return f"{words}give both entries the same key uid, or this one a volume of its own."
        key = f"write uid: {uid} in its entry, or " if uid else ""
        return (
            f"{words}{key}if it is its own data, on the host: chown -R {self.uid}:{self.uid}"
            f" {place}"
        )


def _is_plain(found: Mapping[str, Any]) -> bool:
    """Whether it is a directory of this host that Docker made: no share, and no place that somebody
    named.
    """
    return (
        found.get("Driver") == "local"
        and not found.get("Options")
        and bool(found.get("Mountpoint"))
    )
