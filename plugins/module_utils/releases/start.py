# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a release whose image is built, until it answers: its release command, its container, its
health check, and its processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..host.container import Container, settle
from ..host.engine import Docker
from ..host.files import HostError
from ..host.places import ReleaseName
from . import gate, one_off
from .container_log import log_words
from .lock import renew
from .record import release_of
from .uids import run_as


@dataclass(frozen=True)
class Request:
    """The request: the options of M(flaskops.host.release_start)."""

    root: str
    name: str
    id: str
    token: str
    uid: int
    host: str
    scheme: str
    start: bool = True
    recreate: bool = False
    restart: str = "no"
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)
    release_command: Sequence[str] = ()
    release_command_seconds: float = 600

    @classmethod
    def from_dict(cls, params: Mapping[str, Any]) -> Request:
        return cls(**{each.name: params[each.name] for each in fields(cls)})

    @property
    def log(self) -> list[str]:
        """The arguments of docker create for the log of a container."""
        return log_words(self.log_driver, self.log_options)


class Start:
    """One release of an application; containers that already run as wanted are not touched.

    Raises:
        HostError: the release is not on this host, or its release.json is incomplete.
    """

    def __init__(self, request: Request, docker: Docker | None = None) -> None:
        self.request, self.name = request, request.name
        self.docker = docker or Docker()
        self.release = release_of(request.root, request.name, request.id)
        try:
            directory = str(self.release.place.directory)
            self.container, *self.processes = [
                Container.from_dict(run_as(options, request.uid, directory))
                for options in self.release.containers
            ]
        except (KeyError, TypeError) as error:
            raise HostError(
                f"release.json of {request.name} is incomplete ({error}); deploy it again."
            ) from error
        self.actions: list[str] = []
        self.warnings: list[str] = []
        self.said: list[str] = []  # output of its release command

    def run(self) -> gate.Answer | None:
        """Run its release command, start its container, wait for its health check, and create the
        containers of its processes. Returns the good answer, when it was started.

        The actions, the output of the command, and the warnings are in attributes, also when a
        later step fails.
        """
        if self.request.release_command:
            self._command()
        if not self.request.start:
            return None
        self._settle(self.container, start=True)
        answer = self._wait()
        for container in self.processes:
            self._settle(container, start=False)
        return answer

    def _command(self) -> None:
        """Run the release command in a container of the new image with the new environment, before
        the new code serves.
        """
        own = replace(
            self.container,
            name=ReleaseName(self.name, self.request.id).command,
            command=self.request.release_command,
        )
        with _named(f"release_command of {self.name} failed:"):
            self._renew("release command")
            settle(self.docker, own, recreate=True, log=self.request.log)
            self.said, advice = one_off.run(
                self.docker, own.name, self.request.release_command_seconds
            )
        self.actions.append("ran its release_command")
        self.warnings += [
            f"release_command of {self.name} ended well, but its output shows a fault. {each}"
            for each in advice
        ]

    def _settle(self, container: Container, start: bool) -> None:
        done = "started" if start else "created"
        with _named(f"The container {container.name} could not be {done}:"):
            self._renew("start")
            changed = settle(
                self.docker,
                container,
                self.request.restart,
                self.request.recreate,
                self.request.log,
                start,
            )
        if changed:
            self.actions.append(f"{done} the container {container.name}")

    def _wait(self) -> gate.Answer:
        container = self.container.name
        check = gate.HealthCheck(
            container,
            str(self.release.place.socket),
            self.request.host,
            self.release.app_path,
            self.release.health,
            self.request.scheme,
        )
        with _named(f"{self.name} did not pass its health check:"):
            self._renew("health check")
            answer = gate.Gate(check, self.docker).run()
        self.warnings += [
            f"{self.name} is healthy, but docker logs {container} shows a fault. {words}"
            for words in answer.advice
        ]
        return answer

    def _renew(self, step: str) -> None:
        """A run that has lost the lock changes nothing more."""
        renew(self.request.root, [self.name], self.request.token, step)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Begin errors with what failed."""
    try:
        yield
    except (HostError, OSError) as error:
        raise HostError(f"{what} {error}") from error
