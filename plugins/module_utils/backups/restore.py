# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores the data of an application to a moment: into place, or into a directory beside it.

Into place, everything is read from the backup first, next to where it belongs; of a database, a
throwaway container fills a new data directory from its dump. Then all of it is moved by two renames
for each directory, while the application and its services are stopped. What was there stays beside
it. A journal has what was moved, so that an interrupted restore is undone by the next one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..host import trees as host_trees
from ..host.disk import refuse_without
from ..host.engine import Docker, running_containers
from ..host.files import HostError, write_file
from ..host.places import DataPlace, ServiceName
from ..host.typed import plain, read
from ..releases import audit, drain, lock
from ..releases.uids import uid_of
from . import moves, services, trees
from .data import Live, containers_of, is_inside, refuse_inside, start_again
from .order import BackupOrder
from .restic import Restic, Snapshot, moment_of
from .save import MANIFEST, VOLUMES
from .services import SERVICES, LiveService, Saved, live_services

RESULT = "Nothing was restored."


@dataclass(frozen=True)
class Journal:
    """How far a restore came.

    places: the directories that it moves. containers, services: what was stopped for it; the
    services start first. token: of its lock. moving: whether directories may have been moved.
    """

    places: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    token: str = ""
    moving: bool = False
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Restored:
    """What was restored: from which snapshot, into which directories, and where is what was there
    before, and what was written after an interrupted restore.
    """

    snapshot: str
    saved: str
    bytes: int
    seconds: float
    stopped: float = 0.0
    places: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A directory that is restored: a volume, or the data of a service.

    path: in the backup. service: whose it is; None for a volume of the application.
    """

    place: DataPlace
    path: str
    service: LiveService | None = None


def chosen(snapshots: list[Snapshot], at: str, host: str) -> Snapshot:
    """The snapshot of a moment.

    Args:
        snapshots: all, the newest last.
        at: latest, the id of one or its beginning, or a time: the last one until then.
        host: this one, whose snapshots come first.

    Raises:
        HostError: no snapshot fits.
    """
    if not snapshots:
        raise HostError("there is no backup yet.")
    own = [each for each in snapshots if each.host == host] or snapshots
    if at in ("", "latest"):
        return own[-1]
    named = [each for each in snapshots if len(at) >= 4 and each.id.startswith(at)]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(f"{each.short} ({each.moment})" for each in own[-5:])
    try:
        moment = moment_of(at)
    except ValueError:
        raise HostError(
            f"at must be latest, the id of a snapshot, or a time such as 2026-03-01T02:00Z; got"
            f" {at!r}. The last ones: {listed}"
        ) from None
    before = [each for each in own if each.second <= moment]
    if not before:
        raise HostError(f"nothing was saved until {at}. The oldest is of {own[0].moment}.")
    return before[-1]


class Restore:
    """One restore.

    Args:
        order: of the application.
        at: the moment.
        break_tokens: locks with one of these tokens are taken over.
    """

    def __init__(
        self, order: BackupOrder, at: str = "latest", break_tokens: Iterable[str] = ()
    ) -> None:
        self.order, self.at, self.docker = order, at, Docker()
        self.break_tokens = break_tokens
        self.undone: list[str] = []
        self.restic = Restic(order.repository, order.password_file, order.app)
        self.start = time.monotonic()
        self.snapshot = Snapshot("", "", "", "")
        self.manifest: dict[str, Any] = {}

    def beside(self, directory: Path) -> Restored:
        """Restore into a new directory that only root may enter; nothing else changes."""
        self.check_beside(directory)
        size = self._choose()
        refuse_without(size, [directory.parent], RESULT)
        directory.mkdir(mode=0o700)
        self.restic.restore(self.snapshot, directory)
        for volume in sorted((directory / VOLUMES).glob("*")):
            trees.give(volume, -1, -1)
        return self._restored(size, [str(directory)], [], 0.0)

    def check_beside(self, directory: Path) -> None:
        """
        Raises:
            HostError: nothing can be restored there.
        """
        if not directory.is_absolute() or not directory.parent.is_dir():
            raise HostError(
                f"to must be an absolute path to a new directory, in one that exists; got"
                f" {str(directory)!r}."
            )
        if directory.exists():
            raise HostError(f"{directory} exists; name a directory that does not.")

    def into_place(self) -> Restored:
        """Restore into the volumes of the application, which is stopped meanwhile.

        Raises:
            HostError: it was not restored, and the application has the data of before.
        """
        order = self.order
        self.undo()
        size = self._choose()
        live = Live.of(self.docker, order.root, order.nginx_root, order.app)
        parts = self._parts(live)
        places = [part.place for part in parts]
        refuse_without(self._needed(size), [each.directory.parent for each in places], RESULT)
        journal = Journal(
            tuple(str(place.directory) for place in places),
            services=self._using(live, places),
        )
        owner = lock.Owner(os.urandom(8).hex(), lock.RESTORE, os.uname().nodename, pid=os.getpid())
        lock.acquire(order.root, [order.app], owner, self.break_tokens, 10, "restore")
        journal = replace(journal, token=owner.token)
        try:
            self._write(journal)
            for part in parts:
                self._fetch(part, uid_of(order.root, order.app, live.release.id))
            stopped = self._move(live, journal, places)
        except BaseException as error:
            if not self.undo():
                lock.release(order.root, [order.app], owner.token)
            self._audit(live, owner, str(error) or type(error).__name__)
            raise
        order.place.journal.unlink()
        self._audit(live, owner)
        lock.release(order.root, [order.app], owner.token)
        kept = [str(place.kept) for place in places if place.kept.exists()]
        return self._restored(size, list(journal.places), kept, stopped)

    def undo(self) -> bool:
        """Put back what an interrupted restore has moved, and start what it has stopped; returns
        whether there was one.
        """
        file = self.order.place.journal
        try:
            journal = read(Journal, json.loads(file.read_text()))
        except FileNotFoundError:
            return False
        except (ValueError, TypeError) as error:
            raise HostError(f"{file} cannot be read ({error}); see docs/backups.md.") from error
        places, app = [DataPlace(Path(each)) for each in journal.places], self.order.app
        services.remove(self.docker, [ServiceName(app, each).filling for each in journal.services])
        if journal.moving:
            drain.stop(containers_of(self.docker, app), self.docker)
            services.stop(self.docker, app, journal.services)
            for place in places:
                moves.put_back(place)
            services.go_on_anyway(self.docker, self.order.root, app, journal.services)
            start_again(self.docker, journal.containers)
        for place in places:
            host_trees.delete(place.new)
            self.undone += place.undone
        file.unlink()
        lock.release(self.order.root, [app], journal.token)
        return True

    def _choose(self) -> int:
        """Choose the snapshot, and check whose it is; returns its size."""
        self.restic.ensure(create=False)
        self.snapshot = chosen(self.restic.snapshots(), self.at, self.restic.host)
        self.restic.unlock()
        self.manifest = json.loads(self.restic.read(self.snapshot, f"/{MANIFEST}"))
        if self.manifest.get("app") != self.order.app:
            raise HostError(
                f"the snapshot {self.snapshot.short} is of {self.manifest.get('app')!r}, not of"
                f" {self.order.app}; nothing was restored."
            )
        return self.restic.size(self.snapshot)

    def _parts(self, live: Live) -> list[Part]:
        """What is restored; the application must have all that is in the backup."""
        present = live_services(self.docker, live.release)
        by_name = {service.name: service for service in present}
        there = {each.name: Part(DataPlace(Path(each.source)), f"{VOLUMES}/{each.name}", service)
                 for service in present for each in service.volumes(self.order.root)}  # fmt: skip
        there |= {
            each.name: Part(DataPlace(Path(each.source)), f"{VOLUMES}/{each.name}")
            for each in live.volumes(self.order.root)
        }
        wanted = [*self.manifest["volumes"]]
        wanted += [name for each in self._saved.values() for name in each.volumes or ()]
        engines = {name: each.engine for name, each in self._saved.items() if each.engine}
        lost = [f"the volume {name}" for name in wanted if name not in there]
        lost += [
            f"the service {name} ({engine})"
            for name, engine in engines.items()
            if name not in by_name or by_name[name].record.engine != engine
        ]
        if lost:
            raise HostError(
                f"the snapshot has {', '.join(sorted(lost))}, which the application does not have"
                " now. Restore it beside (-e to=/srv/restored) and copy what you need."
            )
        found = [there[name] for name in sorted(set(wanted))]
        for name in engines:
            by_name[name].data.mkdir(mode=0o700, exist_ok=True)  # it may be what was lost
            place = DataPlace(by_name[name].data)
            found.append(Part(place, f"{SERVICES}/{name}", by_name[name]))
        refuse_inside(self.order.repository, [each.place.directory for each in found])
        for each in found:
            if os.path.ismount(each.place.directory):
                raise HostError(
                    f"{each.place.directory} is a mount, which cannot be moved. Restore it beside"
                    " (-e to=/srv/restored) and copy what you need."
                )
        return found

    def _using(self, live: Live, places: list[DataPlace]) -> tuple[str, ...]:
        """The services of the application that have one of these directories mounted, and must stop
        while it is moved: a container keeps the directory that it was started with.

        Raises:
            HostError: a container of another application has one.
        """
        own = {each.named.container: each for each in live_services(self.docker, live.release)}
        ours = {*containers_of(self.docker, live.app), *own}
        running = {str(each["Name"]).lstrip("/"): each for each in running_containers(self.docker)}
        there = {**running, **{name: each.container for name, each in own.items()}}
        found = {
            name: place.directory
            for name, each in there.items()
            for place in places
            if any(
                is_inside(mount.get("Source") or "/", place.directory)
                for mount in each.get("Mounts") or []
            )
        }
        if others := {name: place for name, place in found.items() if name not in ours}:
            listed = ", ".join(f"{name} ({place})" for name, place in sorted(others.items()))
            raise HostError(
                "other containers use what it would move, and would go on with the data of before:"
                f" {listed}. Stop them (state: stopped for an application), restore, and start them"
                " again; or restore beside (-e to=/srv/restored)."
            )
        return tuple(each.name for container, each in own.items() if container in found)

    @property
    def _saved(self) -> dict[str, Saved]:
        """The services in the backup; one of an earlier version has none."""
        found = self.manifest.get("services") or {}
        return {name: read(Saved, each) for name, each in found.items()}

    def _needed(self, size: int) -> int:
        """The bytes that a restore writes: the backup, and databases that are filled from it."""
        return size + sum(each.bytes for each in self._saved.values())

    def _fetch(self, part: Part, uid: int) -> None:
        """Read a part of the backup beside its place, where only root reaches it."""
        place = part.place
        host_trees.delete(place.new)
        place.new.mkdir(mode=0o700)
        self.restic.restore(self.snapshot, place.new, f"/{part.path}")
        found = place.new / part.path
        if not found.is_dir():
            raise HostError(f"the snapshot has no {part.path}.")
        if part.service and part.service.engine:
            own = services.Throwaway(part.service.named.filling)
            services.fill(self.docker, part.service, own, found, place.filled)
            services.stop_filled(self.docker, own)
        else:
            before = -1 if part.service else int(self.manifest["uid"])
            trees.give(found, before, uid)
            found.rename(place.filled)

    def _move(self, live: Live, journal: Journal, places: list[DataPlace]) -> float:
        """Stop it, move the volumes, and start it again; returns for how many seconds it did not
        answer.
        """
        start = time.monotonic()
        running = containers_of(self.docker, live.app, one_offs=False)
        for place in places:
            host_trees.delete(place.kept)
        journal = replace(journal, containers=tuple(running), moving=True)
        self._write(journal)
        drain.stop(containers_of(self.docker, live.app), self.docker)
        services.stop(self.docker, live.app, journal.services)
        for place in places:
            moves.swap(place)
        services.go_on(self.docker, self.order.root, live.app, journal.services)
        start_again(self.docker, journal.containers)
        if live.name in running:
            self._healthy(live)
        return time.monotonic() - start

    def _healthy(self, live: Live) -> None:
        try:
            moves.wait_for_health(self.docker, live.release, live.name, live.release.place)
        except HostError as error:
            raise HostError(
                f"{live.app} is not healthy with the data of {self.snapshot.short}, so it has the"
                f" data of before again: {error}"
            ) from error

    def _write(self, journal: Journal) -> None:
        write_file(self.order.place.journal, json.dumps(plain(journal)).encode(), 0o600)

    def _audit(self, live: Live, owner: lock.Owner, reason: str = "") -> None:
        with suppress(OSError):
            audit.write(
                self.order.root,
                live.app,
                owner,
                action="restore",
                before=live.release.id,
                to=self.snapshot.id,
                result="failed" if reason else "done",
                reason=reason.splitlines()[0] if reason else "",
                seconds=round(time.monotonic() - self.start, 1),
            )

    def _restored(self, size: int, places: list[str], kept: list[str], stopped: float) -> Restored:
        return Restored(
            self.snapshot.id,
            str(self.manifest["time"]),
            size,
            round(time.monotonic() - self.start, 1),
            round(stopped, 1),
            tuple(places),
            tuple(kept),
            tuple(self.undone),
        )
