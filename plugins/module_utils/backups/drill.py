# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restore drill: the newest backup is restored into a throwaway directory, and the release that
serves is started against it in a throwaway container, without a network, and asked for its health.
"""

from __future__ import annotations

import calendar
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..host import trees as host_trees
from ..host.container import Container, settle
from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import (
    APP_LABEL,
    CONTAINER_RUN,
    CONTAINER_SPOOL,
    DRILL,
    ONE_OFF_LABEL,
    ReleaseName,
    ReleasePlace,
    job_kind,
)
from ..releases import drain
from ..releases.live_container import job_of
from ..releases.lock import holder
from ..releases.release import Release
from ..releases.uids import run_as, uid_of
from . import trees
from .data import Live
from .order import BackupOrder
from .restore import Restore
from .save import VOLUMES

# Beside an application that serves it gets what is left.
LIMITS = ("--log-driver", "json-file", "--log-opt", "max-size=1m", "--cpu-shares", "2")


class Drilled(Restore):
    """One drill; the attributes have the result, also where it failed."""

    def __init__(self, order: BackupOrder) -> None:
        super().__init__(order)
        self.release = self.saved = ""
        self.bytes = 0
        self.age: int | None = None
        self.work = order.drill.work

    def run(self) -> None:
        """
        Raises:
            HostError: it could not be restored, or its application is not healthy with it.
        """
        order = self.order
        if held := holder(order.root, order.app):
            raise Skipped(f"skipped: {held.sentence}")
        clean(order)
        self.bytes = self._choose()
        self.saved = str(self.manifest["time"])
        self.age = int(time.time() - _seconds(self.saved))
        live = Live.of(self.docker, order.root, order.nginx_root, order.app)
        self.release = live.release
        self._room({self.work.parent: self.bytes})
        self.work.mkdir(mode=0o700)
        try:
            self.restic.restore(self.snapshot, self.work)
            uid = uid_of(order.root, order.app, live.release)
            for name in self.manifest["volumes"]:
                trees.give(self.work / VOLUMES / name, int(self.manifest["uid"]), uid)
            self._try(live, uid)
        finally:
            clean(order)

    def _try(self, live: Live, uid: int) -> None:
        release = self._release(live)
        place = ReleasePlace(self.work)
        for path, mode, owner in ((place.run, 0o1777, 0), (place.spool, 0o700, uid)):
            path.mkdir()
            os.chown(path, owner, owner)
            path.chmod(mode)
        options = self._options(release, live)
        container = Container.from_dict(run_as(options, uid, str(release.place.directory)))
        settle(self.docker, container, recreate=True, log=LIMITS)
        self.docker.run("start", container.name)
        try:
            self._ask(release, container.name, place)
        except HostError as error:
            raise HostError(
                f"{live.app} is not healthy with the backup {self.snapshot.short}: {error}"
            ) from error

    def _options(self, release: Release, live: Live) -> dict[str, Any]:
        """Those of its container, with the restored data, and without a network."""
        restored = {
            target: self.work / VOLUMES / name for name, target in self.manifest["volumes"].items()
        }
        volumes = []
        for volume in release.container["volumes"]:
            source, target, *mode = volume.split(":")
            if target in restored:
                source = str(restored[target])
            elif target == CONTAINER_SPOOL:
                source = str(ReleasePlace(self.work).spool)
            elif target.startswith(f"{CONTAINER_RUN}/"):
                source = str(ReleasePlace(self.work).run)
            elif "ro" not in mode:
                continue  # not in the backup, and not to be written to
            volumes.append(":".join([source, target, *mode]))
        kept = {key: value for key, value in release.container.items() if key != "networks"}
        return {
            **kept,
            "name": ReleaseName(live.app, live.release).job(DRILL),
            "network_mode": "none",
            "volumes": volumes,
            "stop_timeout": 5,
            "labels": {**release.container["labels"], ONE_OFF_LABEL: job_kind(DRILL)},
        }


class Skipped(HostError):
    """A deploy works on the application; the next drill comes later."""


def clean(order: BackupOrder) -> None:
    """Remove the container and the directory of a drill."""
    docker = Docker()
    there = docker.containers(f"{APP_LABEL}={order.app}")
    with suppress(HostError):
        drain.remove([each["Names"] for each in there if job_of(each) == DRILL], docker)
    host_trees.delete(Path(order.drill.work))


def _seconds(moment: str) -> float:
    return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
