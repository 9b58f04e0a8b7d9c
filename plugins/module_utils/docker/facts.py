# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role docker knows of a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..host.distribution import Distribution
from ..host.typed import Typed

# The content of a daemon.json: whatever JSON has.
Config = dict[str, Any]


@dataclass(frozen=True)
class Engine(Typed):
    """An engine that answers. started_by: service or hand."""

    version: str
    api_version: str
    podman: bool
    snap: bool
    rootless: bool
    userns_remap: bool
    live_restore: bool
    containers_running: int
    swarm: bool
    pid: int
    started_by: str
    storage_driver: str = ""
    root_dir: str = ""


@dataclass(frozen=True)
class Service(Typed):
    """docker.service. sleeping: its socket listens, and the first call starts it."""

    active: bool
    enabled: bool
    masked: bool
    sleeping: bool
    pid: int
    command: str


@dataclass(frozen=True)
class Cli(Typed):
    """A docker command. kind: docker, podman, snap or other. buildx, compose: the version of the
    plugin.
    """

    path: str
    kind: str
    buildx: str
    compose: str

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """The smaller the better: with the plugins, and the one of the packages."""
        return not self.buildx, not self.compose, self.path != "/usr/bin/docker"


@dataclass(frozen=True)
class DaemonFile(Typed):
    """daemon.json. directory: whether the one that it is in exists. validation: why dockerd refuses
    the wanted one.
    """

    exists: bool
    directory: bool
    text: str
    config: Config
    error: str
    sha256: str
    validation: str


@dataclass(frozen=True)
class Record(Typed):
    """The record of this role on the host. daemon_config: the digests of daemon.json that are ours.
    applied: the one that the engine has taken over.
    """

    apt_key: str | None = None
    daemon_config: tuple[str, ...] = ()
    applied: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Without a key that no repository needs."""
        return {name: value for name, value in super().to_dict().items() if value is not None}


@dataclass(frozen=True)
class AptSource(Typed):
    """One entry of the APT sources."""

    path: str
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str


@dataclass(frozen=True)
class Apt(Typed):
    """key_exists: whether the key of the source that this role writes exists."""

    sources: tuple[AptSource, ...]
    key_exists: bool


@dataclass(frozen=True)
class User(Typed):
    """member: of the group docker."""

    exists: bool
    member: bool


@dataclass(frozen=True)
class Limits(Typed):
    """Open files. handled: Docker's init script already accepts the limit of the host."""

    nofile: int
    may_raise: bool
    handled: bool


@dataclass(frozen=True)
class Facts(Typed):
    """A host. record: None where nothing is noted. log: the last words of an engine that does not
    answer.
    """

    root: bool
    pid1: str
    engine: Engine | None
    engine_error: str
    swarm: bool
    service: Service
    packages: dict[str, str]
    architecture: str
    snap: bool
    clis: tuple[Cli, ...]
    daemon: DaemonFile
    record: Record
    apt: Apt
    users: dict[str, User]
    group: bool
    limits: Limits
    distribution: Distribution
    log: str = ""
    record_file: str = ""

    @property
    def cli(self) -> Cli | None:
        """The command to call: a real one, best with buildx, best the one of the packages."""
        real = [cli for cli in self.clis if cli.kind == "docker"]
        return min(real, key=lambda cli: cli.rank, default=None)


@dataclass(frozen=True)
class Inputs(Typed):
    """The variables of the role, without their prefix."""

    manage: bool
    source: str
    version: str
    channel: str
    apt_url: str
    apt_key_url: str
    users: tuple[str, ...]
    replace_engine: bool
    replace_daemon_config: bool
    daemon_options: Config = field(default_factory=dict)
