# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of a service: what an entry says of it, and what the host gets to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ServiceHealth:
    """How a service is asked whether it works: a command in its container that ends with 0; ""
    only waits until it has run for two seconds.
    """

    command: str = ""
    deadline_seconds: int = 60


@dataclass(frozen=True)
class ServiceResources:
    """What the container of a service may use; memory "" for the default of its engine."""

    memory: str = ""
    pids: int = 512
    cpus: float = 0


@dataclass(frozen=True)
class Service:
    """One of the services of an entry.

    of: the application that has it; "" for the entry itself. engine: postgresql or redis; "" for
    another image. variable: the variable that the application gets; "" for none. The normalisation
    adds the last two: suite, the distribution whose packages its image is made of, "" for an image
    of a registry; refresh, the word of flask_apps_base_refresh.
    """

    name: str
    engine: str = ""
    of: str = ""
    version: str = ""
    image: str = ""
    password: str = field(default="", repr=False)
    variable: str = ""
    command: str = field(default="", repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    volumes: tuple[str, ...] = ()
    health: ServiceHealth = ServiceHealth()
    resources: ServiceResources = ServiceResources()
    suite: str = ""
    refresh: str = ""


@dataclass(frozen=True)
class Recipe:
    """An image of the distribution's packages; no packages for an image of a registry."""

    suite: str = ""
    packages: tuple[str, ...] = ()
    user: str = ""
    home: str = ""
    entrypoint: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceSpec:
    """A service for the host.

    fingerprint: a digest of all that its container is made of, without its secrets. env: the text
    of its environment file. secrets: the content of its files by name; the host adds a password
    where none is given. health: the words that are run in its container.
    """

    name: str
    engine: str = ""
    of: str = ""
    variable: str = ""
    recipe: Recipe = Recipe()
    container: Mapping[str, Any] = field(default_factory=dict)
    env: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    health: tuple[str, ...] = ()
    deadline_seconds: int = 60
    fingerprint: str = ""

    def to_record(self) -> dict[str, str]:
        """What a release keeps of it."""
        return {"name": self.name, "of": self.of, "variable": self.variable}
