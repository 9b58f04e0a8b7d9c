# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves the data of an application: a copy of its volumes and the dumps of its databases, of which
restic makes a snapshot.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..host import trees as host_trees
from ..host.disk import refuse_without
from ..host.engine import Docker
from ..host.files import HostError, now
from ..host.typed import plain
from ..releases.uids import uid_of
from . import services
from .data import (
    Live,
    Volume,
    containers_of,
    hook,
    paused,
    refuse_files,
    refuse_inside,
    refuse_same_names,
    sqlite,
)
from .order import BackupOrder
from .restic import Restic
from .services import SERVICES, LiveService, Saved, live_services
from .trees import BESIDE, Copy

MANIFEST, VOLUMES = "manifest.json", "volumes"


@dataclass
class OwnCopy(Copy):
    """The copy of a volume of the application.

    mounted: where the container has it. saved: its databases of SQLite that are saved.
    """

    mounted: str = ""
    saved: set[str] = field(default_factory=set)


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
        self.services: list[LiveService] = []

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
        self.release = live.release.id
        self.services = live_services(self.docker, live.release)
        services.refuse_stopped(self.services)
        for container in (live.container, *(each.container for each in self.services)):
            refuse_files(container)
        volumes = live.volumes(order.root)
        if not (volumes or self.services):
            raise HostError("it has no volumes and no services, so there is nothing to save.")
        own = [each for service in self.services for each in service.volumes(order.root)]
        places = [Path(each.source) for each in (*volumes, *own)]
        places += [service.data for service in self.services if service.engine]
        refuse_inside(order.repository, places)
        host_trees.delete(self.work)
        # A dump is smaller than the data.
        needed = host_trees.size(places, 60).bytes
        refuse_without(needed, [self.work.parent], "Nothing was saved.")
        self.work.mkdir(mode=0o700)
        try:
            try:
                self._hook(live, backup.before, "backup.before")
                self._copy(live, volumes)
                saved = self._dump()
            except BaseException:
                with suppress(HostError):  # the first reason counts
                    self._hook(live, backup.after, "backup.after")
                raise
            self._hook(live, backup.after, "backup.after")
            self._manifest(live, volumes, saved)
            self.snapshot, self.bytes = restic.save(self.work, backup.keep)
        finally:
            host_trees.delete(self.work)

    def _hook(self, live: Live, command: str, what: str) -> None:
        """Run a command around the copy. A stopped application changes nothing, and needs none; a
        service of another image goes on, and what it writes may need the command.
        """
        if not (live.is_stopped and not self._going_on):
            hook(self.docker, live, command, what)

    @property
    def _going_on(self) -> list[str]:
        """The containers of its services that are copied while they run."""
        return [each.named.container for each in self.services if not each.engine and each.runs]

    def _dump(self) -> dict[str, Saved]:
        """Save the databases of its services; returns what the manifest says of all of them."""
        found = {}
        if self.services:
            (self.work / SERVICES).mkdir(mode=0o700)
        for service in self.services:
            image = str(service.container["Config"]["Image"])
            if not service.engine:
                volumes = {each.name: each.target for each in service.volumes(self.order.root)}
                found[service.name] = Saved(image=image, volumes=volumes)
                continue
            size = host_trees.size([service.data], 60).bytes
            version = services.dump(self.docker, service, self.work / SERVICES / service.name)
            found[service.name] = Saved(service.record.engine, version, image, size)
        return found

    def _copy(self, live: Live, volumes: list[Volume]) -> None:
        """Twice with a pause: the second copy, while the application is paused, has only what
        has changed since.
        """
        top = self.work / VOLUMES
        top.mkdir(mode=0o700)
        # Of a service, no interpreter is known that could save a database of SQLite.
        theirs = [each for service in self.services for each in service.volumes(self.order.root)]
        refuse_same_names([*volumes, *theirs])
        own = {
            each.name: OwnCopy(
                Path(each.source),
                top / each.name,
                without_sqlite=live.runs,
                mounted=each.target,
            )
            for each in volumes
        }
        more = {each.name: Copy(Path(each.source), top / each.name) for each in theirs}
        copies: list[Copy] = list({**more, **own}.values())
        for copy in copies:
            copy.run()
        self._databases(live, own.values())
        if self.order.backup.pause and (live.runs or self._going_on):
            start = time.monotonic()
            running = containers_of(self.docker, live.app, states=("running", "paused"))
            with paused(self.docker, [*running, *self._going_on]):
                for copy in copies:
                    copy.run()
            self.paused = round(time.monotonic() - start, 2)
            self._databases(live, own.values())
        self.skipped = sum(copy.skipped for copy in copies)

    def _databases(self, live: Live, copies: Iterable[OwnCopy]) -> None:
        """Save the databases of SQLite that are not saved yet: those that a copy has left out."""
        for copy in copies if live.runs else ():
            for file in copy.sqlite:
                if file not in copy.saved:
                    sqlite(self.docker, live, f"{copy.mounted}/{file}", copy.target / file)
                    copy.saved.add(file)
                for end in BESIDE:
                    (copy.target / f"{file}{end}").unlink(missing_ok=True)

    def _manifest(self, live: Live, volumes: list[Volume], saved: dict[str, Saved]) -> None:
        with suppress(FileNotFoundError):
            (self.work / MANIFEST).unlink()
        facts = {
            "format": 1,
            "app": self.order.app,
            "host": os.uname().nodename,
            "release": live.release.id,
            "time": now(),
            "uid": uid_of(self.order.root, self.order.app, live.release.id),
            "volumes": {each.name: each.target for each in volumes},
            "services": {name: plain(each) for name, each in saved.items()},
            # They are in the backups of the applications that have them.
            "shared": {each.name: each.of for each in live.release.services if each.of},
            "skipped": self.skipped,
        }
        text = json.dumps(facts, indent=2, sort_keys=True)
        (self.work / MANIFEST).write_text(f"{text}\n")
