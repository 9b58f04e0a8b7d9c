# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release: one immutable version of an application, as the controller derives it and as the host
keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..host.places import ROOT, Place, ReleaseName, ReleasePlace
from ..host.typed import plain, read
from ..nginx.site import site_named
from .app import Backup, Build, Health, Job, Login, Process, Static
from .app_path import AppPath
from .services.service import ServiceSpec

# Raised when a release that an older collection wrote can no longer be used by this one.
FORMAT = 3
# Placeholder in the options of a container for its user, which the host decides and records.
UID_PLACEHOLDER = "@flaskops-uid@"
# The file that the link of Nginx leads to, by the state of an application that is on the host.
FILES = {"present": "nginx.conf", "maintenance": "maintenance.conf", "stopped": "stopped.conf"}
# What release.json keeps under the names of the fields.
_RECORDED = (
    "site",
    "path",
    "path_mode",
    "engine",
    "script_name",
    "module",
    "callable",
    "health",
    "drain_seconds",
    "keep_releases",
    "static",
    "processes",
    "build",
    "image",
    "container",
    "process_containers",
    "dockerfile",
    "source",
    "route",
    "uid",
    "variables",
)


@dataclass(frozen=True)
class Release:
    """One immutable version of an application.

    Args:
        name: the application.
        id: 12 hex digits over everything that makes the release.
        state: whether it answers, shows its maintenance page, or is stopped.
        container, process_containers: the options of host/container.py, with a placeholder for the
        uid, which the host decides.
        source: the digest of its source; "" for an image.
        source_path: the directory of the source, on the controller; "" for an earlier release.
        route: the name of the link through which Nginx reaches it; "" in one of an older version.
        uid: the uid that its entry names; 0 for the application's own.
        files: the text of each rendered file, by name; empty for an earlier release, whose files
        are on the host.
        secrets: the content of each file with a secret, by name; empty for an earlier release.
        variables: the names of the secrets that are also variables.
        runtime: the reference of the runtime image.
        jobs: those of the entry, which are not part of the release; empty for an earlier one.
        backup: the same, for its backup.
        release_command: the words of the container that runs it; empty for none.
        services: those of its application, which do not belong to it; of an earlier release only
        their names, and the variables that it gets.
        root: the directory of the releases on the host.
    """

    name: str
    id: str
    site: str
    path: str
    path_mode: str = "domain"
    engine: str = ""
    script_name: str = ""
    state: str = "present"
    module: str | None = None
    callable: str | None = None
    health: Health = field(default_factory=Health)
    drain_seconds: int = 30
    keep_releases: int = 5
    static: tuple[Static, ...] = ()
    processes: tuple[Process, ...] = ()
    build: Build = field(default_factory=Build)
    container: Mapping[str, Any] = field(default_factory=dict)
    process_containers: tuple[Mapping[str, Any], ...] = ()
    dockerfile: str = ""
    source: str = ""
    source_path: str = ""
    route: str = ""
    uid: int = 0
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: tuple[str, ...] = ()
    runtime: str = ""
    login: Login = field(default_factory=Login)
    jobs: tuple[Job, ...] = ()
    backup: Backup = field(default_factory=Backup)
    release_command: tuple[str, ...] = field(default=(), repr=False)
    release_command_seconds: int = 600
    services: tuple[ServiceSpec, ...] = ()
    root: str = ROOT

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Release:
        """A release as P(flaskops.host.releases#lookup) and to_dict return it."""
        return read(cls, given)

    @classmethod
    def from_record(cls, facts: Mapping[str, Any], root: str, state: str = "present") -> Release:
        """The release that a release.json describes, for a rollback. An older version wrote fewer
        keys; the files and the secrets are on the host.
        """
        known = {key: facts[key] for key in (*_RECORDED, "services") if key in facts}
        return read(cls, {**known, "name": facts["app"], "id": facts["id"], "state": state,
                          "root": root})  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The fields."""
        return plain(self)

    def to_record(self) -> dict[str, Any]:
        """The content of release.json: enough to check, start and route the release again without
        its sources. It has only the names of its secrets.
        """
        known = {"image": self.image, **plain(self)}
        services = {"services": [service.to_record() for service in self.services]}
        return {
            **{key: known[key] for key in _RECORDED},
            "secrets": sorted(self.secrets),
            **(services if self.services else {}),
        }

    @property
    def image(self) -> str:
        """The reference of its image."""
        return ReleaseName(self.name, self.id).image

    @property
    def containers(self) -> tuple[Mapping[str, Any], ...]:
        """The options of all its containers; the first one answers requests."""
        return (self.container, *self.process_containers)

    @property
    def place(self) -> ReleasePlace:
        """Where it is on the host."""
        return Place(self.root).app(self.name).release(self.id)

    @property
    def build_directory(self) -> Path:
        """Where its image is built on the host."""
        return Place(self.root).build(self.name, self.id)

    @property
    def app_path(self) -> AppPath:
        """Its path: what strips it, and which path is requested."""
        return AppPath(self.path, self.path_mode, self.engine, self.script_name)

    def url(self, sites: Iterable[Mapping[str, Any]], address: str) -> str:
        """The URL for users; with the address of the host where its site has no name."""
        return site_named(self.site, sites).url(self.app_path.at_nginx("/"), address)

    @property
    def fragment(self) -> str:
        """The name of the file that the link of Nginx leads to in its state."""
        return FILES[self.state]

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each of its secrets, by name."""
        return {name: sha256(text.encode()).hexdigest() for name, text in self.secrets.items()}

    @property
    def has_volumes(self) -> bool:
        """Whether its container mounts anything outside of the directory of the release."""
        return has_volumes(self.container, str(self.place.directory))


def has_volumes(container: Mapping[str, Any], directory: str) -> bool:
    """Whether a container mounts anything outside of the directory of its release."""
    return any(not volume.startswith(f"{directory}/") for volume in container["volumes"])


def own_network(name: str) -> str:
    """The Docker network of an application with internet: true."""
    return f"flaskops-{name}"
