# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services of the applications of a host need: compares what is wanted with what runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from ...host.engine import Docker
from ...host.files import file_digest
from ...host.places import Place, ServiceName
from . import rotation
from .engines import PASSWORD
from .record import ServiceRecord, WantedService, digest, read_record
from .run import running


class Look:
    """One look at the services of a host. A host without services is not asked.

    Args:
        docker: the engine.
        root: the directory of the releases.
        wanted: the services that each application must have.
    """

    def __init__(
        self, docker: Docker, root: str, wanted: Mapping[str, Iterable[WantedService]]
    ) -> None:
        self.docker, self.root = docker, root
        self.wanted = {app: tuple(services) for app, services in wanted.items() if services}

    @cached_property
    def states(self) -> dict[str, str]:
        """The state of each container of a service."""
        is_used = self.wanted or Place(self.root).services.is_dir()
        return running(self.docker) if is_used and self.docker.command else {}

    def reason(self, app: str, secrets: Path) -> str:
        """Why there is work for the services of an application; "" without work.

        Args:
            app: its name.
            secrets: where the release that serves has its secrets.
        """
        reasons = [self._reason(app, service, secrets) for service in self.wanted.get(app, ())]
        return next(filter(None, reasons), "")

    def dropped(self, app: str) -> list[str]:
        """The services that it has on the host, and is not to have any more."""
        own = {service.name for service in self.wanted.get(app, ()) if not service.of}
        return [
            name
            for name in Place(self.root).services_of(app)
            if name not in own and ServiceName(app, name).container in self.states
        ]

    def missing_images(self, apps: Iterable[str]) -> tuple[str, ...]:
        """The images that must be made of packages for the services of these applications."""
        if not self.docker.command:  # --check on a bare host
            return ()
        images = {
            service.image: None
            for app in apps
            for service in self.wanted.get(app, ())
            if service.image
        }
        return tuple(image for image in images if not self.docker.inspect(image, "image"))

    def in_order(self, apps: Iterable[str]) -> list[str]:
        """The applications, each after those whose services it shares. Those whose services get
        another password come last: what serves does not know it until the switch.
        """
        result: list[str] = []

        def add(app: str) -> None:
            for owner in self._owners(app):
                if owner in listed and owner not in result and owner != app:
                    add(owner)
            if app not in result:
                result.append(app)

        listed = list(apps)
        for app in listed:
            add(app)
        late: list[str] = []
        for app in result:
            if self._gets_password(app) or {*self._owners(app)} & {*late}:
                late.append(app)
        return [*(app for app in result if app not in late), *late]

    def _gets_password(self, app: str) -> bool:
        """Whether one of its services, own or shared, has a password and gets another one."""
        owners = [
            ServiceName(service.of or app, service.name) for service in self.wanted.get(app, ())
        ]
        return any(
            theirs.password and record.secrets and self._has_other_secrets(theirs, record)
            for owner in owners
            for theirs in [self._of_owner(owner)]
            for record in [read_record(self.root, owner.app, owner.service)]
            if theirs
        )

    def _owners(self, app: str) -> list[str]:
        return [service.of for service in self.wanted.get(app, ()) if service.of]

    def _reason(self, app: str, service: WantedService, secrets: Path) -> str:
        owner = ServiceName(service.of or app, service.name)
        record = read_record(self.root, owner.app, owner.service)
        which = f"its service {service.name}" + (f" of {service.of}" if service.of else "")
        state = self.states.get(owner.container, "missing")
        if state != "running":
            return f"{which} is {state}"
        theirs = service if not service.of else self._of_owner(owner)
        if theirs and self._has_other_secrets(theirs, record):
            return f"{which} gets other secrets"
        if service.fingerprint and record.fingerprint != service.fingerprint:
            return f"{which} changed"
        if service.variable and file_digest(secrets / service.variable) != self._url(
            owner, service.name
        ):
            return f"{which} has another {service.variable}"
        return ""

    def _of_owner(self, owner: ServiceName) -> WantedService | None:
        """The service as its owner is about to have it."""
        theirs = self.wanted.get(owner.app, ())
        return next((each for each in theirs if each.name == owner.service and not each.of), None)

    def _has_other_secrets(self, wanted: WantedService, record: ServiceRecord) -> bool:
        if wanted.password:
            return record.secrets.get(PASSWORD) != wanted.password
        return bool(wanted.fingerprint and not record.engine and record.secrets != wanted.secrets)

    def _url(self, owner: ServiceName, host: str) -> str:
        """The digest of what the application connects to; "" where nobody knows it."""
        try:
            return digest(rotation.url(self.root, owner, host))
        except (OSError, KeyError):
            return ""
