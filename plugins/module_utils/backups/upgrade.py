# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the data of a service to another major version, which cannot read it: a dump with the old
container, a new data directory that the new image fills from it, and two renames.

The applications stop before the dump, so that none of their writes is lost. Until all of them are
healthy again, a journal has what an interrupted run must put back.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..host import trees as host_trees
from ..host.container import Container, settle
from ..host.disk import refuse_without
from ..host.engine import Docker
from ..host.files import HostError, write_file
from ..host.places import DataPlace, Place, ServiceName
from ..host.typed import plain, read
from ..releases import audit, drain, lock
from ..releases.container_log import log_words
from ..releases.services import image as images
from ..releases.services.engines import PASSWORD
from ..releases.services.record import ServiceRecord, digest, write_record
from ..releases.services.run import Services
from ..releases.services.service import ServiceSpec
from ..releases.services.spec import network_of
from . import moves, services
from .data import Live, containers_of, start_again
from .services import LiveService, Throwaway, live_services


@dataclass(frozen=True)
class Journal:
    """What an interrupted run must put back.

    record: of the service before. networks: those of the applications that share it. apps,
    containers: what was stopped. token: of the lock. place: the data directory. log: the options of
    docker create for the log of the service. moving: whether the data may have been moved.
    """

    record: ServiceRecord = field(default_factory=ServiceRecord)
    networks: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    token: str = ""
    place: str = ""
    log: tuple[str, ...] = ()
    moving: bool = False


@dataclass(frozen=True)
class Upgraded:
    """Which image replaced which, for how long the application was stopped, and where the data of
    before is, and what was written after an interrupted upgrade.
    """

    before: str
    image: str
    bytes: int = 0
    stopped: float = 0.0
    kept: str = ""
    undone: tuple[str, ...] = ()


@dataclass
class Upgrade:
    """One service of an application.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        app: the application.
        spec: the service as its entry has it now.
        pool: what networks are taken from.
        break_tokens: locks with one of these tokens are taken over.
    """

    root: str
    nginx_root: str
    app: str
    spec: ServiceSpec
    pool: str
    docker: Docker = field(default_factory=Docker)
    break_tokens: Collection[str] = ()
    undone: list[str] = field(default_factory=list)

    def run(self) -> Upgraded:
        """
        Raises:
            HostError: it has its version, and its data, of before.
        """
        self.undo()
        live = Live.of(self.docker, self.root, self.nginx_root, self.app)
        service = self._service(live)
        before, wanted = (str(each.container["image"]) for each in (service.record, self.spec))
        done = Upgraded(before, wanted, undone=tuple(self.undone))
        if before == wanted:
            return done
        image = images.ensure(self.docker, self.root, self.spec)
        place = DataPlace(service.data)
        size = host_trees.size([place.directory], 60).bytes
        refuse_without(2 * size, [place.directory.parent], "Nothing was changed.")
        networks = tuple(
            name
            for name in service.container["NetworkSettings"]["Networks"]
            if name != network_of(self.app)
        )
        sharing = [path.directory.name for path in Place(self.root).all_apps()]
        apps = (self.app, *(each for each in sharing if network_of(each) in networks))
        owner = lock.Owner(os.urandom(8).hex(), lock.UPGRADE, os.uname().nodename, pid=os.getpid())
        lock.acquire(self.root, apps, owner, self.break_tokens, 10, "upgrade")
        given = service.container["HostConfig"]["LogConfig"]
        journal = Journal(
            service.record,
            networks,
            apps,
            token=owner.token,
            place=str(place.directory),
            log=tuple(log_words(given["Type"], given["Config"])),
        )
        start = time.monotonic()
        try:
            running = [
                name for app in apps for name in containers_of(self.docker, app, one_offs=False)
            ]
            served = self._served(apps, running)
            journal = replace(journal, containers=tuple(running))
            self._write(journal)
            for app in apps:
                drain.stop(containers_of(self.docker, app), self.docker)
            self._fill(service, str(image["Id"]), place)
            host_trees.delete(place.kept)
            self._write(replace(journal, moving=True))
            self._swap(place, journal.log)
            start_again(self.docker, running)
            for each in served:
                moves.wait_for_health(self.docker, each.release, each.name, each.release.place)
        except BaseException as error:
            if not self.undo():
                lock.release(self.root, apps, owner.token)
            self._audit(live, owner, done, str(error) or type(error).__name__)
            raise
        self._journal.unlink()
        self._audit(live, owner, done)
        lock.release(self.root, apps, owner.token)
        stopped = round(time.monotonic() - start, 1)
        return replace(done, bytes=size, stopped=stopped, kept=str(place.kept))

    def undo(self) -> bool:
        """Put back what an interrupted run has changed; returns whether there was one."""
        try:
            journal = read(Journal, json.loads(self._journal.read_text()))
        except FileNotFoundError:
            return False
        except (ValueError, TypeError) as error:
            raise HostError(f"{self._journal} cannot be read ({error}).") from error
        named, place = self._named, DataPlace(Path(journal.place))
        services.remove(self.docker, [named.filling])
        for app in journal.apps:
            drain.stop(containers_of(self.docker, app), self.docker)
        if journal.moving and place.kept.exists():
            services.stop(self.docker, self.app, [named.service])
            services.remove(self.docker, [named.container, named.before])
            moves.put_back(place)
            write_record(self.root, self.app, named.service, journal.record)
            container = Container.from_dict({"volumes": [], **journal.record.container})
            settle(self.docker, container, "unless-stopped", log=journal.log, start=True)
            for network in journal.networks:
                words = ("--alias", named.service, network, named.container)
                self.docker.run("network", "connect", *words)
        services.go_on_anyway(self.docker, self.root, self.app, [named.service])
        start_again(self.docker, journal.containers)
        host_trees.delete(place.new)
        self.undone += place.undone
        self._journal.unlink()
        lock.release(self.root, journal.apps, journal.token)
        return True

    def _served(self, apps: Iterable[str], running: Collection[str]) -> list[Live]:
        """The applications that must be healthy again: those that ran."""
        found = []
        for app in apps:
            with suppress(HostError):  # nothing of it serves
                found.append(Live.of(self.docker, self.root, self.nginx_root, app))
        return [live for live in found if live.name in running]

    def _service(self, live: Live) -> LiveService:
        """The service as it runs."""
        name = self.spec.name
        found = {each.name: each for each in live_services(self.docker, live.release)}
        if (
            name not in found
            or not found[name].engine
            or self.spec.engine != (found[name].record.engine)
        ):
            raise HostError(f"it runs no service {name} with the engine {self.spec.engine!r}.")
        services.refuse_stopped([found[name]])
        record = found[name].record
        if self.spec.password and record.secrets.get(PASSWORD) != digest(self.spec.password):
            raise HostError(
                f"its service {name} gets another password too. Keep version and image, and deploy"
                " the password first."
            )
        return found[name]

    def _fill(self, service: LiveService, image: str, place: DataPlace) -> None:
        """Fill a new data directory, beside the present one, with the new image."""
        host_trees.delete(place.new)
        place.new.mkdir(mode=0o700)
        dumped = place.new / "dump"
        services.dump(self.docker, service, dumped)
        spec = self.spec
        record = replace(service.record, image=image, container=spec.container, health=spec.health)
        own = Throwaway(service.named.filling)
        services.fill(self.docker, replace(service, record=record), own, dumped, place.filled)
        services.stop_filled(self.docker, own)

    def _swap(self, place: DataPlace, log: Sequence[str]) -> None:
        """Move the directories, and replace the container."""
        services.stop(self.docker, self.app, [self.spec.name])
        moves.swap(place)
        Services(self.docker, self.root, self.app, self.pool, log).ensure([self.spec])

    @property
    def _named(self) -> ServiceName:
        return ServiceName(self.app, self.spec.name)

    @property
    def _journal(self) -> Path:
        return Place(self.root).service(self.app, self.spec.name).journal

    def _write(self, journal: Journal) -> None:
        write_file(self._journal, json.dumps(plain(journal)).encode(), 0o600)

    def _audit(self, live: Live, owner: lock.Owner, done: Upgraded, reason: str = "") -> None:
        with suppress(OSError):
            audit.write(
                self.root,
                self.app,
                owner,
                action="upgrade",
                before=live.release.id,
                to=live.release.id,
                result="failed" if reason else "done",
                reason=reason.splitlines()[0] if reason else f"{done.before} to {done.image}",
            )
