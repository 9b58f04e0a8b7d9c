# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an image that is built to a release that answers: its release command, its container, its
health check, and its processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..host.container import Container, settle
from ..host.engine import Docker
from ..host.files import HostError
from . import gate, one_off
from .lock import renew


class Start:
    """One release of an application; what runs already and is as wanted is not touched.

    Args:
        params: those of M(flaskops.host.release_start).
        docker: the engine.
    """

    def __init__(self, params: Mapping[str, Any], docker: Docker | None = None) -> None:
        self.params, self.name = params, params["name"]
        self.docker = docker or Docker()
        self.container = Container.from_dict(params["container"])
        options = [f"{key}={value}" for key, value in params["log_options"].items()]
        self.log = [*(["--log-driver", params["log_driver"]] if params["log_driver"] else [])]
        self.log += [word for option in options for word in ("--log-opt", option)]
        self.warnings: list[str] = []
        self.said: list[str] = []  # by its release command

    def run(self) -> dict[str, Any]:
        """What M(flaskops.host.release_start) returns. What is to be said beside it is in
        C(warnings), also where a later step fails.
        """
        if self.params["release_command"]:
            self.said = self._command()
        changed, answer = bool(self.params["release_command"]), {}
        if self.params["start"]:
            changed |= self._settle(self.container, start=True)
            answer = self._wait()
            for options in self.params["process_containers"]:
                changed |= self._settle(Container.from_dict(options), start=False)
        return {"changed": changed, "stdout": "\n".join(self.said), **answer}

    def _command(self) -> list[str]:
        """In a container of the new image with the new environment, before the new code serves."""
        own = replace(
            self.container,
            name=f"{self.container.name}-command",
            command=self.params["release_command"],
        )
        params = {
            **self.params,
            "container": own.name,
            "deadline_seconds": self.params["release_command_seconds"],
        }
        with _told(f"release_command of {self.name} failed:"):
            self._renew("release command")
            settle(self.docker, own, recreate=True, log=self.log)
            words, advice = one_off.run(params, self.docker)
        self.warnings += [
            f"release_command of {self.name} ended well, but its output shows a fault. {each}"
            for each in advice
        ]
        return words

    def _settle(self, container: Container, start: bool) -> bool:
        with _told(
            f"The container {container.name} could not be {'started' if start else 'created'}:"
        ):
            self._renew("start")
            return settle(
                self.docker,
                container,
                self.params["restart"],
                self.params["recreate"],
                self.log,
                start,
            )

    def _wait(self) -> dict[str, Any]:
        container = self.container.name
        with _told(f"{self.name} did not get healthy:"):
            found = gate.Gate({**self.params, "container": container}, self.docker).run()
        self.warnings += [
            f"{self.name} is healthy, but docker logs {container} shows a fault. {words}"
            for words in found["advice"]
        ]
        return {"status": found["status"], "seconds": found["seconds"]}

    def _renew(self, step: str) -> None:
        """Whoever has lost the lock meanwhile changes nothing more."""
        renew(self.params["root"], [self.name], self.params["token"], step)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """An error begins with what was to be done and was not."""
    try:
        yield
    except (HostError, OSError) as error:
        raise HostError(f"{what} {error}") from error
