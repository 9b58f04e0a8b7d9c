# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of an entry of flask_apps that a release keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Health:
    """The health check of an application."""

    path: str = "/"
    host: str = ""
    status: tuple[str, ...] = ("2xx", "3xx", "401", "403")
    deadline_seconds: int = 60
    interval_seconds: float = 0.5


@dataclass(frozen=True)
class Static:
    """A directory that Nginx serves."""

    url: str
    path: str
    required: bool = True
    index: bool = False
    fallback: bool = False
    immutable: bool = False


@dataclass(frozen=True)
class Process:
    """A further container of the same image."""

    name: str
    command: str = field(default="", repr=False)
    overlap: bool = True
    ready_seconds: int = 2
    stop_seconds: int = 30


@dataclass(frozen=True)
class Build:
    """How the image of an application is made.

    kind: source (our Dockerfile), dockerfile (its own) or image. code: what of the source a
    Dockerfile without it gets. base: what the runtime is built on, "" for that of the host.
    command: builds something of the source; inputs: what it reads, all of the source without them.
    directory, path: below /app, where the application is started, and where its imports start from
    too. database: where SQLite has its databases, as the source shows.
    """

    kind: str = "source"
    dockerfile: str = ""
    requirements: Mapping[str, Any] = field(default_factory=dict)
    apt_packages: tuple[str, ...] = ()
    image: str = ""
    archive: str = ""
    origin: str = ""
    code: str = ""
    base: str = ""
    server: str = ""
    command: str = ""
    inputs: tuple[str, ...] = ()
    directory: str = ""
    path: str = ""
    database: tuple[str, ...] = ()
