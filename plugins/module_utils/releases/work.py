# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan requires of one application, and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..host.places import ReleaseName
from ..host.typed import plain, read
from ..nginx.site import SCHEME, site_named
from .app import Health, Process
from .app_path import AppPath
from .job_units import WantedJob
from .record import Link
from .release import FILES, Release


@dataclass(frozen=True)
class Wanted:
    """The release that an application must have, as the plan knows it. secrets: the digests of its
    secrets, by name; the host gets only these.

    variables: the names of the secrets that are also variables. uid: the uid that its entry names;
    0 for the application's own. volumes: whether it has volumes. jobs: those that it must have;
    None where the run leaves them as they are.
    """

    name: str
    id: str
    site: str
    state: str = "present"
    secrets: Mapping[str, str] | None = None
    variables: tuple[str, ...] = ()
    uid: int = 0
    volumes: bool = False
    jobs: tuple[WantedJob, ...] | None = None

    @classmethod
    def of(cls, release: Release, jobs: tuple[WantedJob, ...] | None = None) -> Wanted:
        return cls(
            release.name,
            release.id,
            release.site,
            release.state,
            release.digests,
            release.variables,
            release.uid,
            release.has_volumes,
            jobs,
        )


@dataclass(frozen=True)
class Work:
    """The work for one application.

    name, id, state: those of the wanted release. live, links: what serves now, and where. reason: a
    sentence. build, recreate: whether its image is built, and its containers are created again. The
    rest is what later steps need of the release; the controller adds it. health_host,
    health_scheme: the host name and the scheme of its health check. own_prefix: what to write where
    its links leave the path.
    """

    name: str
    id: str
    state: str = "present"
    live: str | None = None
    links: tuple[Link, ...] = ()
    reason: str = ""
    build: bool = True
    recreate: bool = False
    site: str = ""
    path: str = "/"
    path_mode: str = "domain"
    engine: str = ""
    script_name: str = ""
    health: Health = field(default_factory=Health)
    processes: tuple[Process, ...] = ()
    drain_seconds: int = 0
    keep_releases: int = 5
    health_host: str = "localhost"
    health_scheme: str = SCHEME
    own_prefix: str = ""

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Work:
        return read(cls, given)

    def to_dict(self) -> dict[str, Any]:
        return plain(self)

    def with_release(
        self, release: Release, sites: Iterable[Mapping[str, Any]], own_prefix: str = ""
    ) -> Work:
        """The same, with what later steps need of its release and its site. It contains no secrets;
        a command could.
        """
        site = site_named(release.site, sites)
        return replace(
            self,
            state=release.state,
            site=release.site,
            path=release.path,
            path_mode=release.path_mode,
            engine=release.engine,
            script_name=release.script_name,
            health=release.health,
            processes=tuple(replace(process, command="") for process in release.processes),
            drain_seconds=release.drain_seconds,
            keep_releases=release.keep_releases,
            health_host=release.health.host or site.host,
            health_scheme=site.scheme,
            own_prefix=own_prefix,
        )

    @property
    def named(self) -> ReleaseName:
        return ReleaseName(self.name, self.id)

    @property
    def container(self) -> str:
        """The container that answers requests."""
        return self.named.container

    @property
    def containers(self) -> list[str]:
        """All containers of the release."""
        return [
            self.container,
            *(self.named.process(process.name) for process in self.processes),
        ]

    @property
    def runs(self) -> bool:
        """Whether its containers run when it is live."""
        return self.state != "stopped"

    @property
    def file(self) -> str:
        """The file that the link of Nginx leads to."""
        return FILES[self.state]

    @property
    def app_path(self) -> AppPath:
        return AppPath(self.path, self.path_mode, self.engine, self.script_name)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one application with work: live, or failed with the reason."""

    work: Work
    result: str
    reason: str = ""

    @property
    def is_live(self) -> bool:
        return self.result == "live"

    def to_dict(self) -> dict[str, str]:
        return {"release": self.work.id, "result": self.result, "reason": self.reason}


def outcomes(
    work: Iterable[Work], failed: Mapping[str, str], live: Iterable[str]
) -> tuple[Outcome, ...]:
    """The outcome of each application with work.

    Args:
        work: that of the plan.
        failed: why an application failed, by name.
        live: the applications whose new release serves.
    """
    serving = set(live)
    return tuple(
        Outcome(each, "live", failed.get(each.name, ""))
        if each.name in serving
        else Outcome(each, "failed", failed.get(each.name, "the run ended before it was released"))
        for each in work
    )


def still_serves(live: str | None, identity: str) -> str:
    """What serves when a release has failed."""
    if live == identity:
        return f"release {live} is the one that its route leads to, and it may be down"
    return f"release {live} goes on serving" if live else "it serves nothing yet"
