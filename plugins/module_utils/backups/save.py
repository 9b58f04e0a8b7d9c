# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves the data of an application: a copy of its volumes, of which restic makes a snapshot."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from ..host import trees as host_trees
from ..host.engine import Docker
from ..host.files import HostError, now
from ..releases.uids import uid_of
from .data import Live, Volume, containers_of, hook, paused, sqlite
from .order import BackupOrder
from .restic import Restic
from .trees import BESIDE, Copy

MANIFEST, VOLUMES = "manifest.json", "volumes"
RESERVE = 256 << 20  # bytes that stay free beside the copy


class Save:
    """One backup.

    Args:
        order: what is saved, and where to.
    """

    def __init__(self, order: BackupOrder, docker: Docker | None = None) -> None:
        self.order, self.docker = order, docker or Docker()
        self.work = order.place.work
        self.release = ""
        self.paused: float | None = None
        self.skipped = self.bytes = 0
        self.snapshot = ""

    def run(self) -> None:
        """Save; the attributes have the result, also where a step failed.

        Raises:
            HostError: it was not saved.
        """
        order, backup = self.order, self.order.backup
        restic = Restic(order.repository, order.password_file, order.app)
        restic.ensure()
        restic.unlock()
        live = Live.of(self.docker, order.root, order.nginx_root, order.app)
        self.release = live.release
        volumes = live.volumes(order.root)
        if not volumes:
            raise HostError("its container has no volumes, so there is nothing to save.")
        host_trees.delete(self.work)
        self._room(volumes)
        self.work.mkdir(mode=0o700)
        try:
            try:
                hook(self.docker, live, backup.before, "backup.before")
                self._copy(live, volumes)
            finally:
                self._after(live)
            self._manifest(live, volumes)
            self.snapshot, self.bytes = restic.save(self.work, backup.keep)
        finally:
            host_trees.delete(self.work)

    def _after(self, live: Live) -> None:
        hook(self.docker, live, self.order.backup.after, "backup.after")

    def _room(self, volumes: list[Volume]) -> None:
        """Fail where the copy has no room."""
        needed = host_trees.size([Path(each.source) for each in volumes], 60).bytes + RESERVE
        room = os.statvfs(self.work.parent)
        free = room.f_bavail * room.f_frsize
        if free < needed:
            raise HostError(
                f"a copy of its volumes needs {needed >> 20} MiB on the disk of"
                f" {self.work.parent}, and {free >> 20} MiB are free. Nothing was saved."
            )

    def _copy(self, live: Live, volumes: list[Volume]) -> None:
        """Twice with a pause: the second copy, while the application is paused, has only what
        has changed since.
        """
        top = self.work / VOLUMES
        top.mkdir(mode=0o700)
        copies = [
            Copy(Path(each.source), top / each.name, without_sqlite=live.runs) for each in volumes
        ]
        for copy in copies:
            copy.run()
        if live.runs:
            for copy, volume in zip(copies, volumes, strict=True):
                for file in copy.sqlite:
                    sqlite(self.docker, live, f"{volume.target}/{file}", copy.target / file)
        if self.order.backup.pause and live.runs:
            start = time.monotonic()
            with paused(self.docker, containers_of(self.docker, live.app)):
                for copy in copies:
                    copy.run()
            self.paused = round(time.monotonic() - start, 2)
        if live.runs:
            for copy in copies:
                for file in copy.sqlite:
                    for end in BESIDE:
                        (copy.target / f"{file}{end}").unlink(missing_ok=True)
        self.skipped = sum(copy.skipped for copy in copies)

    def _manifest(self, live: Live, volumes: list[Volume]) -> None:
        with suppress(FileNotFoundError):
            (self.work / MANIFEST).unlink()
        facts = {
            "format": 1,
            "app": self.order.app,
            "host": os.uname().nodename,
            "release": live.release,
            "time": now(),
            "uid": uid_of(self.order.root, self.order.app, live.release),
            "volumes": {each.name: each.target for each in volumes},
            "skipped": self.skipped,
        }
        text = json.dumps(facts, indent=2, sort_keys=True)
        (self.work / MANIFEST).write_text(f"{text}\n")
