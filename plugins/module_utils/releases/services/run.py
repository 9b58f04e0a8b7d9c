# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the services of an application on its host, before one of its releases starts: a service
that is changed replaces the one before only when it is healthy.
"""

from __future__ import annotations

import json
import os
import secrets as random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...host.container import STOP_SECONDS, Container, env_lines, settle, variables_of
from ...host.engine import Docker, Inspected, logs
from ...host.files import HostError, file_digest, make_directory, now, write_file
from ...host.places import SERVICE_LABEL, Place, ServiceName, ServicePlace
from .. import networks
from . import image as images
from . import rotation
from .engines import ENGINES, PASSWORD, UID
from .record import ServiceRecord, digest, is_own, owner_of, read_record, write_record
from .remove import disconnect
from .service import ServiceSpec
from .spec import network_of

# Without these options a container reaches the bridge, an address of the host.
CLOSED = ("--internal", "--opt", "com.docker.network.bridge.inhibit_ipv4=true")
PAUSE_SECONDS, SETTLED_SECONDS, ASK_SECONDS = 0.5, 2, 10
FIRST_SECONDS = 300  # a new database is created on a slow disk, too
LOG_LINES = 20
INTERFACES = 40  # of a container that this many applications share


class Services:
    """The services of one application.

    Args:
        docker: the engine.
        root: the directory of the releases.
        app: the name of the application.
        pool: the pool that its network is taken from.
        log: the options of docker create for the log of a container.
    """

    def __init__(
        self, docker: Docker, root: str, app: str, pool: str, log: Sequence[str] = ()
    ) -> None:
        self.docker, self.root, self.app, self.pool = docker, root, app, pool
        self.log = log
        self.place = Place(root)
        self.actions: list[str] = []
        self.network_made = False

    def ensure(self, specs: Sequence[ServiceSpec], processes: int = 0) -> dict[str, str]:
        """Start and change them until all are healthy.

        Args:
            specs: the services.
            processes: how many the application has, which must fit into their network.

        Returns:
            The values of the variables that the application gets.

        Raises:
            HostError: one is not healthy; what ran before runs again.
        """
        variables = {}
        self.network_made = self._create_network(networks.containers_of(processes, len(specs)))
        if self.network_made:
            self.actions.append("created the network of its services")
        for spec in specs:
            try:
                owner = self._borrow(spec) if spec.of else self._own(spec)
            except (HostError, OSError) as error:
                raise HostError(f"service {spec.name}: {error}") from error
            if spec.variable:
                variables[spec.variable] = rotation.url(self.root, owner, spec.name)
        return variables

    def _create_network(self, containers: int) -> bool:
        name = network_of(self.app)
        return networks.ensure(
            self.docker, self.root, self.app, self.pool, name, CLOSED, containers
        )

    def _borrow(self, spec: ServiceSpec) -> ServiceName:
        """Let the application reach the service of another one, by its own name for it."""
        owner, network = ServiceName(spec.of, spec.name), network_of(self.app)
        found = self.docker.inspect(owner.container)
        unfinished = self.place.service(spec.of, spec.name).unfinished.exists()
        if unfinished or not found.get("State", {}).get("Running"):
            raise HostError(f"{spec.of} has no running service {spec.name} on this host.")
        if network not in found["NetworkSettings"]["Networks"]:
            self._connect(network, owner.container, spec.name)
            self.actions.append(f"connected it to the service {spec.name} of {spec.of}")
        return owner

    def _connect(self, network: str, container: str, alias: str) -> None:
        """Connect a running container to a network. An engine that was restarted counts the
        interfaces of what has gone on from 0 again, and counts on with each attempt.
        """
        words = ("network", "connect", "--alias", alias, network, container)
        for attempt in range(INTERFACES):
            try:
                self.docker.run(*words)
                return
            except HostError as error:
                if attempt + 1 == INTERFACES or "file exists" not in str(error):
                    raise

    def _own(self, spec: ServiceSpec) -> ServiceName:
        named = ServiceName(self.app, spec.name)
        self._refuse_others(named)
        self._recover(named)
        self._begin_again(named)
        record = read_record(self.root, self.app, spec.name)
        if not spec.fingerprint:  # an earlier release is to serve again
            self._start(named, record)
            return named
        place = self.place.service(self.app, spec.name)
        image = images.ensure(self.docker, self.root, spec)
        self._refuse_other_data(spec, named, image)
        for path in (self.place.services, place.directory.parent, place.directory):
            make_directory(path, 0o700)
        values, before = self._values(spec, place), self._read(place)
        digests = {name: digest(value) for name, value in values.items()}
        container = Container.from_dict(spec.container)
        if not spec.engine:
            container = replace(container, user=(image.get("Config") or {}).get("User") or "")
        write_file(place.environment, spec.env.encode(), 0o600)
        self._create_volumes(spec, container)
        changes_password = bool(spec.engine and before and before != values)
        if changes_password:
            rotation.keep(self.root, self.app, spec.name, before.get(PASSWORD, ""))
        if self._differs(container, image) or (not spec.engine and record.secrets != digests):
            self._replace(spec, named, container, (values, before))
        else:
            self._start(named, replace(record, health=spec.health), spec.deadline_seconds)
            if changes_password:
                rotation.set_password(self.docker, self.root, self.app, spec.name, values[PASSWORD])
                record = read_record(self.root, self.app, spec.name)
                self.actions.append(f"gave its service {spec.name} another password")
        wanted = ServiceRecord(
            spec.engine,
            spec.fingerprint,
            digests,
            container.to_dict(),
            spec.health,
            str(image["Id"]),
            record.since,
        )
        if wanted != record:
            write_record(self.root, self.app, spec.name, replace(wanted, since=now()))
        return named

    def _values(self, spec: ServiceSpec, place: ServicePlace) -> dict[str, str]:
        """The content of its secret files. A password that is not given is created once."""
        engine = ENGINES.get(spec.engine)
        if not engine:
            return dict(spec.secrets)
        known = self._read(place).get(PASSWORD, "")
        return engine.files(spec.password or known or random.token_urlsafe(24))

    def _read(self, place: ServicePlace) -> dict[str, str]:
        return (
            {path.name: path.read_text() for path in place.secrets.iterdir()}
            if place.secrets.is_dir()
            else {}
        )

    def _write(self, spec: ServiceSpec, place: ServicePlace, values: Mapping[str, str]) -> None:
        """Write its secret files. Nobody but root comes past the directories above them."""
        if not values and not place.secrets.exists():
            return
        group = UID if spec.engine else 0
        make_directory(place.secrets, 0o550 if group else 0o555, 0, group)
        for file in place.secrets.iterdir():
            if file.name not in values:
                file.unlink()
        for name, value in values.items():
            if file_digest(place.secrets / name) != digest(value):
                mode = 0o440 if group else 0o444
                write_file(place.secrets / name, value.encode(), mode, 0, group)

    def _create_volumes(self, spec: ServiceSpec, container: Container) -> None:
        """Create its named volumes; the one of an engine belongs to its user."""
        mounts = dict(each.split(":")[:2] for each in container.volumes)
        new = [name for name in mounts if name[0] != "/" and not self._mountpoint(name)]
        if new and not self.docker.inspect(container.name):
            unfinished = self.place.service(self.app, spec.name).unfinished
            write_file(unfinished, "\n".join(new).encode(), 0o600)
        for volume in new:
            target = mounts[volume]
            label = ServiceName(self.app, spec.name).label
            self.docker.run("volume", "create", "--label", label, volume)
            if spec.engine:
                self._give(self._mountpoint(volume), container.image, f"{volume}:{target}")

    def _begin_again(self, named: ServiceName) -> None:
        """Remove what a first start has left that was not healthy, such as half of a database: it
        never served, and a server would take it for a whole one. A volume that anything else uses
        stays.
        """
        unfinished = self.place.service(self.app, named.service).unfinished
        if unfinished.exists():
            self.docker.run("rm", "--force", "--volumes", named.container, check=False)
            for volume in unfinished.read_text().split():
                if is_own(self.docker.inspect(volume, "volume"), named):
                    self.docker.run("volume", "rm", volume, check=False)
            unfinished.unlink()
            self.actions.append(f"removed what a first start of {named.service} has left")

    def _give(self, place: str, image: str, mount: str) -> None:
        # The engine gives a new volume the owner and the content that the image has there, once.
        words = ("create", "--network", "none", "--volume", mount, image)
        self.docker.run("rm", self.docker.run(*words).strip())
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(handle, UID, UID)
            os.fchmod(handle, 0o700)
        finally:
            os.close(handle)

    def _mountpoint(self, volume: str) -> str:
        return str(self.docker.inspect(volume, "volume").get("Mountpoint", ""))

    def _refuse_others(self, named: ServiceName) -> None:
        """Fail where its container, or its volume, is of another service, or of nobody here."""
        found = self.docker.inspect(named.container)
        if found and not is_own(found, named):
            whose = (
                f"of {owner}" if (owner := owner_of(found)) else "that is not of this collection"
            )
            raise HostError(
                f"there is a container {named.container} {whose}. Nothing was changed. Choose"
                " another name for the service, or remove that container."
            )
        volume = self.docker.inspect(named.volume, "volume")
        if (whose := owner_of(volume)) and not is_own(volume, named):
            raise HostError(
                f"the volume {named.volume} has the data of {whose}. Nothing was changed. Choose"
                " another name for the service."
            )

    def _refuse_other_data(self, spec: ServiceSpec, named: ServiceName, image: Inspected) -> None:
        """PostgreSQL cannot read the data of another major version."""
        if spec.engine != "postgresql" or not (place := self._mountpoint(named.volume)):
            return
        there = _first_line(Path(place, "pgdata", "PG_VERSION"))
        major = variables_of(image).get("PG_MAJOR", "")
        if there and major and there != major:
            raise HostError(
                f"its data is of PostgreSQL {there}, and {spec.container['image']} is {major},"
                f" which cannot read it. Nothing was changed. Keep version: '{there}', or save the"
                " data with the old version and load it into the new one: ansible-playbook"
                f" playbooks/upgrade_service.yml -e app={named.app} -e service={named.service}"
            )

    def _differs(self, container: Container, image: Inspected) -> bool:
        found = self.docker.inspect(container.name)
        environment = env_lines(Path(container.env_file).read_text())
        if not found or container.differences(found, image, environment):
            return True
        # It outlives releases, so that a variable that is taken out must go, too.
        wanted = {**variables_of(image), **dict(line.partition("=")[::2] for line in environment)}
        return variables_of(found) != wanted

    def _start(self, named: ServiceName, record: ServiceRecord, seconds: float = 60) -> None:
        """Start it where it does not run, as its record has it; it stays as it is."""
        found = self.docker.inspect(named.container)
        if not found and not record.container:
            raise HostError("it is not on this host; deploy its application again.")
        if not found:  # removed with a later release
            container = Container.from_dict({"volumes": [], **record.container})
            settle(self.docker, container, "unless-stopped", log=self.log, start=True)
            self.actions.append(f"started its service {named.service}")
        elif not found["State"]["Running"]:
            self._forget_networks(found)
            self.docker.run("update", "--restart", "unless-stopped", named.container)
            self.docker.run("start", named.container)
            self.actions.append(f"started its service {named.service}")
        wait(self.docker, named.container, record.health, seconds)

    def _forget_networks(self, found: Inspected) -> None:
        """Disconnect a stopped container from networks that were removed: it could not start."""
        for network, given in [*(found["NetworkSettings"]["Networks"] or {}).items()]:
            known = self.docker.inspect(network, "network").get("Id")
            if network != network_of(self.app) and known != given.get("NetworkID"):
                disconnect(self.docker, network, str(found["Name"]).lstrip("/"))

    def _replace(
        self,
        spec: ServiceSpec,
        named: ServiceName,
        container: Container,
        secrets: tuple[Mapping[str, str], Mapping[str, str]],
    ) -> None:
        """Replace its container, or create the first one. The one before, stopped, is kept until
        the new one is healthy.
        """
        place = self.place.service(self.app, spec.name)
        found = self.docker.inspect(named.container)
        if found:
            self.docker.run("stop", named.container, seconds=STOP_SECONDS)
            self.docker.run("update", "--restart", "no", named.container)
            self.docker.run("rename", named.container, named.before)
        try:
            self._write(spec, place, secrets[0])
            settle(self.docker, container, log=self.log, start=True)
            seconds = spec.deadline_seconds
            if spec.engine and not found:
                seconds = max(seconds, FIRST_SECONDS)
            wait(self.docker, named.container, spec.health, seconds)
            place.unfinished.unlink(missing_ok=True)  # from now on it may have data
            if spec.engine and ENGINES[spec.engine].keeps_password:
                words, text = ENGINES[spec.engine].set_password("", secrets[0][PASSWORD])
                self.docker.run("exec", "--interactive", named.container, *words, given=text)
            self._reconnect(named, found)
            self.docker.run("update", "--restart", "unless-stopped", named.container)
        except (HostError, OSError) as error:
            back = self._undo(spec, named, secrets[1] if found else None)
            raise HostError(f"{error}{back}") from error
        if found:
            self.docker.run("rm", "--force", "--volumes", named.before)
        done = "replaced" if found else "started"
        self.actions.append(f"{done} its service {spec.name} ({container.image})")

    def _undo(self, spec: ServiceSpec, named: ServiceName, before: Mapping[str, str] | None) -> str:
        """Let the container before run again; returns what to add to the reason."""
        if before is None:
            self.docker.run("rm", "--force", "--volumes", named.container, check=False)
            with suppress(HostError, OSError):  # the next run tries again
                self._begin_again(named)
            return ""
        self._write(spec, self.place.service(self.app, spec.name), before)
        try:
            self._recover(named)
        except HostError as error:
            return f"\nThe one before could not be put back: {error}"
        return "\nThe one before runs again."

    def _recover(self, named: ServiceName) -> None:
        """Put back the container that one was about to replace when the run ended."""
        if self.docker.inspect(named.before):
            self.docker.run("rm", "--force", "--volumes", named.container, check=False)
            self.docker.run("rename", named.before, named.container)
            self.docker.run("update", "--restart", "unless-stopped", named.container)
            self.docker.run("start", named.container)

    def _reconnect(self, named: ServiceName, before: Inspected) -> None:
        """Connect it to the networks of the applications that share it."""
        for network in (before.get("NetworkSettings") or {}).get("Networks") or {}:
            if network != network_of(self.app):
                self.docker.run(
                    "network", "connect", "--alias", named.service, network, named.container
                )


def running(docker: Docker) -> dict[str, str]:
    """The state of the container of each service, by its name."""
    label = f'"of":{{{{json (.Label "{SERVICE_LABEL}")}}}}'
    line = f'{{"name":{{{{json .Names}}}},"state":{{{{json .State}}}},{label}}}'
    words = ("ps", "--all", "--filter", f"label={SERVICE_LABEL}", "--format", line)
    found: list[dict[str, Any]] = [json.loads(text) for text in docker.run(*words).splitlines()]
    return {
        each["name"]: each["state"]
        for each in found
        if each["name"] == ServiceName(*each["of"].split("/", 1)).container
    }


def wait(docker: Docker, container: str, health: Sequence[str], seconds: float) -> None:
    """Wait until a service is healthy.

    Raises:
        HostError: it ended, or the time is over; with the end of its log.
    """
    begin, said = time.monotonic(), ""
    while True:
        details = docker.inspect(container)
        state = details.get("State") or {}
        if not state.get("Running"):
            ended = f"it ended with the code {state.get('ExitCode')}"
            raise HostError(f"{ended}:\n{logs(docker, container, LOG_LINES, details)}")
        waited = time.monotonic() - begin
        if health:
            said = _ask(docker, container, health)
            if not said:
                return
        elif waited >= SETTLED_SECONDS:
            return
        if waited >= seconds:
            raise HostError(
                f"it is not healthy after {seconds:.0f} s ({said}):\n"
                f"{logs(docker, container, LOG_LINES, details)}"
            )
        time.sleep(PAUSE_SECONDS)


def is_healthy(docker: Docker, container: str, health: Sequence[str]) -> bool:
    """Whether a running service answers; one without a health check does."""
    return not health or not _ask(docker, container, health)


def _ask(docker: Docker, container: str, health: Sequence[str]) -> str:
    """Ask it once; returns "" or what is wrong."""
    try:
        docker.run("exec", container, *health, seconds=ASK_SECONDS)
    except HostError as error:
        return str(error).strip() or "no answer"
    return ""


def _first_line(path: Path) -> str:
    """A short line of a file that a container wrote; a link is not followed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as file:
        return file.read(32).decode(errors="replace").strip()
