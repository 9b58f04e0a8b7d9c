# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores the data of an application to a moment: into place, or into a directory beside it.

Into place, everything is read from the backup first, next to where it belongs, and then moved by
two renames for each volume, while the application is stopped. What was there stays beside it. A
journal has what was moved, so that an interrupted restore is undone by the next one.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..host import trees as host_trees
from ..host.engine import Docker
from ..host.files import HostError, write_file
from ..host.places import DataPlace, ReleasePlace
from ..host.typed import plain, read
from ..nginx.site import SCHEME
from ..releases import audit, drain, gate, lock
from ..releases.record import read_release
from ..releases.release import Release
from ..releases.uids import uid_of
from . import trees
from .data import Live, Volume, containers_of
from .order import BackupOrder
from .restic import Restic, Snapshot
from .save import MANIFEST, RESERVE, VOLUMES

WHO = "a restore"


@dataclass(frozen=True)
class Journal:
    """How far a restore came. moving: whether volumes may have been moved. token: of its lock."""

    places: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    token: str = ""
    moving: bool = False


@dataclass(frozen=True)
class Restored:
    """What was restored: from which snapshot, into which directories, and where is what was there
    before.
    """

    snapshot: str
    saved: str
    bytes: int
    seconds: float
    stopped: float = 0.0
    places: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


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
    listed = ", ".join(f"{each.short} ({each.time[:19]})" for each in own[-5:])
    try:
        moment = _moment(at)
    except ValueError:
        raise HostError(
            f"at must be latest, the id of a snapshot, or a time such as 2026-03-01T02:00Z; got"
            f" {at!r}. The last ones: {listed}"
        ) from None
    before = [each for each in own if _moment(each.time) <= moment]
    if not before:
        raise HostError(f"nothing was saved until {at}. The oldest is of {own[0].time[:19]}.")
    return before[-1]


def _moment(text: str) -> datetime:
    """A time; one without a zone is UTC. Before Python 3.11 fractions must have six digits."""
    whole, dot, rest = text.strip().replace("Z", "+00:00").partition(".")
    zone = rest.lstrip("0123456789") if dot else ""
    found = datetime.fromisoformat(f"{whole}{zone}")
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


class Restore:
    """One restore.

    Args:
        order: of the application.
        at: the moment.
    """

    def __init__(self, order: BackupOrder, at: str = "latest") -> None:
        self.order, self.at, self.docker = order, at, Docker()
        self.restic = Restic(order.repository, order.password_file, order.app)
        self.start = time.monotonic()
        self.snapshot = Snapshot("", "", "", "")
        self.manifest: dict[str, Any] = {}

    def beside(self, directory: Path) -> Restored:
        """Restore into a new directory that only root may enter; nothing else changes."""
        if directory.exists():
            raise HostError(f"{directory} exists; name a directory that does not.")
        size = self._choose()
        self._room({directory.parent: size})
        directory.mkdir(mode=0o700)
        self.restic.restore(self.snapshot, directory)
        for volume in sorted((directory / VOLUMES).iterdir()):
            trees.give(volume, -1, -1)
        return self._restored(size, [str(directory)], [], 0.0)

    def into_place(self) -> Restored:
        """Restore into the volumes of the application, which is stopped meanwhile.

        Raises:
            HostError: it was not restored, and the application has the data of before.
        """
        order = self.order
        self.undo()
        size = self._choose()
        live = Live.of(self.docker, order.root, order.nginx_root, order.app)
        volumes = self._volumes(live)
        places = [DataPlace(Path(each.source)) for each in volumes]
        self._room({place.directory.parent: size for place in places})
        owner = lock.Owner(os.urandom(8).hex(), WHO, os.uname().nodename, pid=os.getpid())
        lock.acquire(order.root, [order.app], owner, seconds=10, action="restore")
        journal = Journal(tuple(str(place.directory) for place in places), token=owner.token)
        try:
            self._write(journal)
            self._fetch(volumes, places, uid_of(order.root, order.app, live.release))
            stopped = self._move(live, journal, places)
        except BaseException as error:
            self.undo()
            self._audit(live, owner, str(error))
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
        places = [DataPlace(Path(each)) for each in journal.places]
        if journal.moving:
            drain.stop(containers_of(self.docker, self.order.app), self.docker)
            for place in places:
                # One of an earlier restore was deleted before the journal said that it moves.
                if place.kept.exists():
                    if place.directory.exists():
                        place.new.mkdir(mode=0o700, exist_ok=True)
                        place.directory.rename(place.new / "undone")
                    place.kept.rename(place.directory)
            self._start(journal.containers)
        for place in places:
            host_trees.delete(place.new)
        file.unlink()
        lock.release(self.order.root, [self.order.app], journal.token)
        return True

    def _choose(self) -> int:
        """Choose the snapshot, and check whose it is; returns its size."""
        self.restic.ensure(create=False)
        self.snapshot = chosen(self.restic.snapshots(), self.at, self.restic.host)
        self.manifest = json.loads(self.restic.read(self.snapshot, f"/{MANIFEST}"))
        if self.manifest.get("app") != self.order.app:
            raise HostError(
                f"the snapshot {self.snapshot.short} is of {self.manifest.get('app')!r}, not of"
                f" {self.order.app}; nothing was restored."
            )
        return self.restic.size(self.snapshot)

    def _volumes(self, live: Live) -> list[Volume]:
        """The volumes that are restored; each must be in the backup."""
        volumes = live.volumes(self.order.root)
        saved = set(self.manifest["volumes"])
        if lost := sorted(saved - {each.name for each in volumes}):
            raise HostError(
                f"the snapshot has the volumes {', '.join(lost)}, which the application does not"
                " have now. Restore it beside (-e to=/srv/restored) and copy what you need."
            )
        found = [each for each in volumes if each.name in saved]
        for each in found:
            if os.path.ismount(each.source):
                raise HostError(
                    f"{each.source} is a mount, which cannot be moved. Restore it beside (-e"
                    " to=/srv/restored) and copy what you need."
                )
        return found

    def _room(self, needed: dict[Path, int]) -> None:
        for place, size in needed.items():
            room = os.statvfs(place)
            free = room.f_bavail * room.f_frsize
            if free < size + RESERVE:
                raise HostError(
                    f"{(size + RESERVE) >> 20} MiB are needed on the disk of {place}, and"
                    f" {free >> 20} MiB are free. Nothing was restored."
                )

    def _fetch(self, volumes: list[Volume], places: list[DataPlace], uid: int) -> None:
        """Read the backup, beside each volume, where only root reaches it."""
        for volume, place in zip(volumes, places, strict=True):
            host_trees.delete(place.new)
            inner = place.new / VOLUMES / volume.name
            place.new.mkdir(mode=0o700)
            self.restic.restore(self.snapshot, place.new, f"/{VOLUMES}/{volume.name}")
            if not inner.is_dir():
                raise HostError(f"the snapshot has no data of the volume {volume.name}.")
            trees.give(inner, int(self.manifest["uid"]), uid)

    def _move(self, live: Live, journal: Journal, places: list[DataPlace]) -> float:
        """Stop it, move the volumes, and start it again; returns for how many seconds it did not
        answer.
        """
        start = time.monotonic()
        running = containers_of(self.docker, live.app)
        for place in places:
            host_trees.delete(place.kept)
        journal = Journal(journal.places, tuple(running), journal.token, True)
        self._write(journal)
        drain.stop(running, self.docker)
        for place in places:
            inner = next((place.new / VOLUMES).iterdir())
            place.directory.rename(place.kept)
            inner.rename(place.directory)
            host_trees.delete(place.new)
        self._start(journal.containers)
        if live.name in running:
            self._healthy(live)
        return time.monotonic() - start

    def _start(self, containers: tuple[str, ...]) -> None:
        if containers:
            self.docker.run("start", *containers)

    def _healthy(self, live: Live) -> None:
        try:
            self._ask(self._release(live), live.name, live.place)
        except HostError as error:
            raise HostError(
                f"{live.app} is not healthy with the data of {self.snapshot.short}, so it has the"
                f" data of before again: {error}"
            ) from error

    def _release(self, live: Live) -> Release:
        """The release that serves, from its record."""
        facts = read_release(self.order.root, live.app, live.release)
        return Release.from_record(facts, self.order.root)

    def _ask(self, release: Release, container: str, place: ReleasePlace) -> None:
        """Wait for the health check of a container with the restored data.

        Raises:
            HostError: it is not healthy.
        """
        host, socket = release.health.host or "localhost", str(place.socket)
        check = gate.HealthCheck(container, socket, host, release.app_path, release.health, SCHEME)
        gate.Gate(check, self.docker).run()

    def _write(self, journal: Journal) -> None:
        write_file(self.order.place.journal, json.dumps(plain(journal)).encode(), 0o600)

    def _audit(self, live: Live, owner: lock.Owner, reason: str = "") -> None:
        with suppress(OSError):
            audit.write(
                self.order.root,
                live.app,
                owner,
                action="restore",
                before=live.release,
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
        )
