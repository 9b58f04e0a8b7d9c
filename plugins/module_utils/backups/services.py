# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of an application in a backup: a dump of each database, and a new data directory
that a throwaway container fills from a dump, beside the one that is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host.container import STOP_SECONDS, Container, settle
from ..host.disk import with_advice
from ..host.engine import Docker, Inspected
from ..host.files import HostError
from ..host.places import Place, ServiceName
from ..host.shown import brief
from ..releases.release import Release
from ..releases.services.engines import ENGINES, PASSWORD, UID, ServiceEngine
from ..releases.services.record import ServiceRecord, read_record
from ..releases.services.run import wait
from .data import Volume, written

SERVICES = "services"  # in a backup, with a directory for each database
# Redis answers when it has read its file.
SECONDS, UNDO_SECONDS = 3600.0, 60.0


@dataclass(frozen=True)
class Saved:
    """What the manifest of a backup says of a service.

    version: of its server. bytes: of its data directory, which a restore fills again. volumes: of
    one without an engine, where each is mounted.
    """

    engine: str = ""
    version: str = ""
    image: str = ""
    bytes: int = 0
    volumes: Mapping[str, str] | None = None


@dataclass(frozen=True)
class LiveService:
    """A service that an application has itself, as it is on its host.

    root: the directory of the releases.
    """

    root: str
    named: ServiceName
    record: ServiceRecord
    container: Inspected

    @property
    def name(self) -> str:
        return self.named.service

    @property
    def engine(self) -> ServiceEngine | None:
        return ENGINES.get(self.record.engine)

    @property
    def runs(self) -> bool:
        state = self.container["State"]
        return bool(state["Running"]) and not state.get("Restarting")

    @property
    def data(self) -> Path:
        """The data directory of one with an engine, on the host."""
        target = self.engine.directory if self.engine else ""
        mounts = self.container.get("Mounts") or []
        source = next((each["Source"] for each in mounts if each["Destination"] == target), "")
        if not source:
            raise HostError(f"its service {self.name} has no data directory; deploy it again.")
        return Path(source)

    def volumes(self, root: str) -> list[Volume]:
        """What one without an engine may write to."""
        if self.engine:
            return []
        # An image may have volumes beside those of the entry, which last as long as a container.
        given = [volume.split(":")[1] for volume in self.record.container.get("volumes", ())]
        return written(self.container, root, given)


def live_services(docker: Docker, release: Release) -> list[LiveService]:
    """The services of the release that serves, without those of other applications.

    Raises:
        HostError: one of them is not on this host.
    """
    found = []
    for each in release.services:
        if each.of:
            continue
        named = ServiceName(release.name, each.name)
        record = read_record(release.root, release.name, each.name)
        container = docker.inspect(named.container)
        if not container or not record.container:
            raise HostError(
                f"its service {each.name} is not on this host; deploy {release.name} again."
            )
        found.append(LiveService(release.root, named, record, container))
    return found


def _engine(service: LiveService) -> ServiceEngine:
    if not service.engine:
        raise HostError(f"its service {service.name} has no dump: nothing is known of its engine.")
    return service.engine


def refuse_stopped(services: Iterable[LiveService]) -> None:
    """A database can be dumped only while it runs.

    Raises:
        HostError: one does not run.
    """
    for each in services:
        if each.engine and not each.runs:
            state = each.container["State"].get("Status", "stopped")
            raise HostError(
                f"its service {each.name} is {state}, so it cannot be saved. Nothing was saved."
                f" `docker logs {each.named.container}` shows why; a deploy of {each.named.app}"
                " starts it."
            )


def dump(docker: Docker, service: LiveService, directory: Path) -> str:
    """Write the dump of a database into a new directory; returns the version of its server.

    Raises:
        HostError: it cannot be saved as a whole.
    """
    engine, container = _engine(service), service.named.container
    try:
        if (words := engine.not_saved()) and (
            others := docker.run("exec", container, *words).split()
        ):
            raise HostError(
                "it has data in other databases than the one of the application, which is not"
                f" saved: {brief(', '.join(others))}. Move it there, or give it a separate service."
            )
        directory.mkdir(mode=0o700)
        for file, words in engine.dump().items():
            docker.pipe("exec", container, *words, target=directory / file)
            if not (directory / file).stat().st_size:
                raise HostError(f"{' '.join(words[:1])} wrote nothing.")
        said = docker.run("exec", container, *engine.asks_version())
    except (HostError, OSError) as error:
        raise HostError(with_advice(f"its service {service.name}: {error}")) from error
    return next(iter(re.findall(r"\d+\.\d+", said)), "")


@dataclass(frozen=True)
class Throwaway:
    """A container of a service that is removed again.

    network: "" for none. log: the options of docker create.
    """

    name: str
    network: str = ""
    log: Sequence[str] = ()


def fill(
    docker: Docker, service: LiveService, own: Throwaway, dumped: Path, directory: Path
) -> None:
    """Start a container of a service with a new data directory, and load a dump into it.

    Args:
        docker: the engine.
        service: the service, with its image, limits and password.
        own: the container, which runs afterwards.
        dumped: the directory of the dump, on the same disk.
        directory: the data directory.

    Raises:
        HostError: the dump cannot be loaded.
    """
    engine, named = _engine(service), service.named
    try:
        directory.mkdir(mode=0o700)
        os.chown(directory, UID, UID)
        for file in engine.placed():
            (dumped / file).rename(directory / file)
            os.chown(directory / file, UID, UID)
        volume = f"{directory}:{engine.directory}"
        words = service.record.container["command"]
        start(docker, service, own, {engine.directory: volume}, engine.to_load(words))
        for file, words in engine.load():
            given = dumped / file if file else None
            if given and file in engine.optional() and not given.exists():
                continue
            docker.pipe("exec", "--interactive", own.name, *words, source=given)
        if engine.keeps_password:
            secret = Place(service.root).service(named.app, named.service).secrets / PASSWORD
            words, text = engine.set_password("", secret.read_text())
            docker.run("exec", "--interactive", own.name, *words, given=text)
    except (HostError, OSError) as error:
        raise HostError(with_advice(f"its service {service.name}: {error}")) from error


def start(
    docker: Docker,
    service: LiveService,
    own: Throwaway,
    volumes: Mapping[str, str],
    command: Sequence[str] | None = None,
) -> None:
    """Start a throwaway container of a service, and wait until it is healthy.

    Args:
        docker: the engine.
        service: the service.
        own: the container.
        volumes: what replaces its volumes, by where each is mounted.
        command: its command; None for that of the service.
    """
    given = dict(service.record.container)
    mounts = []
    for volume in given.get("volumes", ()):
        _source, target, *mode = volume.split(":")
        if target in volumes:
            mounts.append(volumes[target])
        elif "ro" in mode:
            mounts.append(volume)
    options: dict[str, Any] = {
        **given,
        "name": own.name,
        "network_mode": own.network or "none",
        "networks": (),
        "aliases": (service.name,) if own.network else (),
        "volumes": mounts,
        "command": command or given.get("command"),
    }
    settle(docker, Container.from_dict(options), recreate=True, log=own.log, start=True)
    wait(docker, own.name, service.record.health, SECONDS)


def stop_filled(docker: Docker, own: Throwaway) -> None:
    """Stop such a container, so that its data is whole, and remove it.

    Raises:
        HostError: it was killed, or failed.
    """
    docker.run("stop", own.name, seconds=STOP_SECONDS)
    code = docker.inspect(own.name).get("State", {}).get("ExitCode")
    remove(docker, [own.name])
    if code:
        raise HostError(f"the container {own.name} ended with the code {code}.")


def remove(docker: Docker, containers: Iterable[str]) -> None:
    """Remove throwaway containers; a missing one is not an error."""
    for each in containers:
        docker.run("rm", "--force", "--volumes", each, check=False)


def stop(docker: Docker, app: str, names: Iterable[str]) -> None:
    """Stop services of an application, each as long as it needs."""
    for name in names:
        docker.run("stop", ServiceName(app, name).container, check=False, seconds=STOP_SECONDS)


def go_on(
    docker: Docker, root: str, app: str, names: Iterable[str], seconds: float = SECONDS
) -> None:
    """Start services of an application, and wait until they are healthy.

    Raises:
        HostError: one is not.
    """
    names = list(names)
    for name in names:
        docker.run("start", ServiceName(app, name).container)
    for name in names:
        try:
            health = read_record(root, app, name).health
            wait(docker, ServiceName(app, name).container, health, seconds)
        except HostError as error:
            raise HostError(f"its service {name}: {error}") from error


def go_on_anyway(docker: Docker, root: str, app: str, names: Iterable[str]) -> None:
    """The same for an undone restore, which must end: one may have been broken before."""
    for name in names:
        with suppress(HostError):
            go_on(docker, root, app, [name], UNDO_SECONDS)
