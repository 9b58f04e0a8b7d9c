# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each application of a host needs: compares what is wanted with what serves, and finds what
an earlier run left behind.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..host.engine import Docker
from ..host.files import file_digest
from ..host.places import APP_LABEL, RELEASE_LABEL, Place, ReleaseName, ReleasePlace
from ..host.typed import plain, read
from . import routes
from .attempts import Attempts
from .container_log import log_of
from .job_units import JobPlan, JobState, titled
from .live_container import job_of, needs_release
from .process_steps import process_of
from .record import Link, Record, live_links, live_release, processes_of, read_release
from .release import FILES
from .services.look import Look
from .work import Wanted, Work


@dataclass(frozen=True)
class DockerFacts:
    """What later steps need to know of the engine: its command, its plugins, and the log driver and
    options of new containers; both are empty where the settings of the daemon apply.
    """

    command: str = ""
    buildx: bool = False
    compose: bool = False
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """The work on a host.

    work: for each application with work. remove: the applications to remove. repairs: what
    interrupted runs have left, by application. failures: why an application has no plan. live: the
    release that serves now, None where none does. unlisted: applications that are not wanted and
    not absent. missing_images: what must be built or pulled first. service_images: what must be
    made of packages for services. known: for each release that is built, the digests of the parts
    of its source that the host has. jobs: by application, each of its jobs; empty in a run that
    leaves them as they are.
    """

    work: tuple[Work, ...] = ()
    remove: tuple[str, ...] = ()
    repairs: Mapping[str, list[str]] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, str | None] = field(default_factory=dict)
    unlisted: tuple[str, ...] = ()
    missing_images: tuple[str, ...] = ()
    service_images: tuple[str, ...] = ()
    docker: DockerFacts = field(default_factory=DockerFacts)
    known: Mapping[str, list[str]] = field(default_factory=dict)
    jobs: Mapping[str, dict[str, JobState]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return plain(self)

    def of(self, names: Collection[str], failures: Mapping[str, str]) -> Planned:
        """The plan of these applications, with more failures. This run does not touch the others,
        and does not lock them.
        """
        return replace(
            self,
            work=tuple(work for work in self.work if work.name in names),
            remove=tuple(name for name in self.remove if name in names),
            failures={**self.failures, **failures},
        )

    @property
    def with_jobs(self) -> list[str]:
        """The applications whose jobs are not as they must be."""
        found = self.jobs.items()
        return [name for name, jobs in found if any(job.change for job in jobs.values())]

    @property
    def sentences(self) -> list[str]:
        """The plan as sentences."""
        words = [
            f"{work.name}: to release {work.id}, {work.state}; now {work.reason}"
            for work in self.work
        ]
        words += [f"{name}: removed, with all its releases" for name in self.remove]
        words += [
            f"{name}: repaired after an interrupted run: {', '.join(found)}"
            for name, found in self.repairs.items()
        ]
        words += [
            f"{name}: {titled(job)} {state.words}"
            for name, jobs in self.jobs.items()
            for job, state in jobs.items()
            if state.change
        ]
        return words


class Plan:
    """One look at the host for all applications.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        wanted: the releases that the applications must have.
        absent: the applications that must not be on the host.
        images: those of this collection that the builds of the wanted releases need.
        log_driver: what docker_daemon_options names; "" where it names none.
        program: the name of the program that runs jobs.
    """

    def __init__(
        self,
        root: str,
        nginx_root: str,
        wanted: Sequence[Wanted],
        absent: Collection[str] = (),
        images: Sequence[str] = (),
        docker: Docker | None = None,
        log_driver: str = "",
        program: str = "",
    ) -> None:
        self.log_driver = log_driver
        self.root, self.wanted, self.absent, self.images = root, wanted, absent, images
        jobs = {each.name: each.jobs for each in wanted if each.jobs is not None}
        self.jobs = JobPlan(root, jobs, program)
        self.links = live_links(nginx_root)
        self.docker = docker or Docker()
        self.attempts = Attempts()
        # By application: the state of its containers by name.
        self.containers: dict[str, dict[str, str]] = {}
        # By application: the release of each container of a process.
        self.processes: dict[str, dict[str, str]] = {}
        # By application: the containers of one-offs that are at work.
        self.one_offs: dict[str, set[str]] = {}
        services = {release.name: release.services for release in wanted}
        self.services = Look(self.docker, root, services)

    def run(self) -> Planned:
        if self.docker.command and (self.wanted or self.absent):
            for entry in self.docker.containers(APP_LABEL):
                name = entry["Labels"][APP_LABEL]
                if job_of(entry):  # its program removes it
                    continue
                self.containers.setdefault(name, {})[entry["Names"]] = entry["State"]
                if process_of(entry):
                    identity = entry["Labels"][RELEASE_LABEL]
                    self.processes.setdefault(name, {})[entry["Names"]] = identity
                if needs_release(entry):
                    self.one_offs.setdefault(name, set()).add(entry["Names"])
        work: list[Work] = []
        repairs: dict[str, list[str]] = {}
        jobs: dict[str, dict[str, JobState]] = {}
        for release in self.wanted:
            with self.attempts.of(release.name, "nothing of it was changed"):
                left_over = self._left_over(release.name, release.id)
                if found := self.jobs.of(release.name):
                    jobs[release.name] = found
                reasons = [
                    self._reason(release),
                    *(
                        f"its service {service} is not wanted any more; its data stays"
                        for service in self.services.dropped(release.name)
                    ),
                ]
                if reason := "; ".join(filter(None, reasons)):
                    work.append(self._work(release, reason))
                if left_over:
                    repairs[release.name] = left_over
        order = self.services.in_order(each.name for each in work)
        work.sort(key=lambda each: order.index(each.name))
        known = (
            {app.directory.name for app in Place(self.root).all_apps()}
            | set(self.links)
            | set(self.containers)
            | set(self.jobs.there)
        )
        there = self.docker.command and any(each.build for each in work)
        wanted = [release.name for release in self.wanted]
        return Planned(
            tuple(work),
            tuple(sorted(known & set(self.absent))),
            repairs,
            self.attempts.failures,
            {name: self._live(name) for name in wanted},
            tuple(sorted(known - {*wanted, *self.absent})),
            tuple(
                image for image in self.images if there and not self.docker.inspect(image, "image")
            ),
            self.services.missing_images(order),
            read(
                DockerFacts,
                {
                    "command": self.docker.command,
                    **self.docker.plugins,
                    **log_of(
                        self.docker.info if work and self.docker.command else {},
                        chosen=self.log_driver,
                    ),
                },
            ),
            jobs=jobs,
        )

    def _links(self, name: str) -> tuple[Link, ...]:
        return self.links.get(name, ())

    def _live(self, name: str) -> str | None:
        return live_release(self._links(name))

    def _work(self, wanted: Wanted, reason: str) -> Work:
        """Which of the steps must be done."""
        name, identity, live = wanted.name, wanted.id, self._live(wanted.name)
        place, image = self._place(name, identity), Record(self.root, name).of(identity).image
        whole = (
            bool(read_release(self.root, name, identity))
            and place.static.is_dir()
            and not self._drift(wanted)
        )
        built = whole and image and image == self._image(name, identity)
        # A running container that has lost its socket or its files does not find them again.
        recreate = live == identity and not (whole and is_socket(place.socket))
        return Work(
            name, identity, wanted.state, live, self._links(name), reason, not built, recreate
        )

    def _image(self, name: str, identity: str) -> str:
        """The id of the image of a release; "" where it is not on the host."""
        if not self.docker.command:
            return ""
        return str(self.docker.inspect(ReleaseName(name, identity).image, "image").get("Id", ""))

    def _place(self, name: str, identity: str) -> ReleasePlace:
        return Place(self.root).app(name).release(identity)

    def _reason(self, wanted: Wanted) -> str:
        """Why there is work for this application; "" when it has none."""
        name, identity, state = wanted.name, wanted.id, wanted.state
        links, live = self._links(name), self._live(name)
        if live is None:
            return "it is not on this host yet"
        if live != identity:
            return f"release {live} serves"
        if links != (Link(wanted.site, identity, FILES[state]),):
            before = ", ".join(f"{link.state} on site {link.site}" for link in links)
            return f"it is {before}"
        if Record(self.root, name).live != identity:
            return "the last run did not finish"
        if found := self._drift(wanted):
            return found
        if found := self.services.reason(name, self._place(name, identity).secrets):
            return found
        running = self.containers.get(name, {}).get(
            ReleaseName(name, identity).container, "missing"
        )
        processes = self._processes(name, identity)
        if state == "stopped":
            up = [
                f"its process {process} is running"
                for process, found in processes.items()
                if found == "running"
            ]
            return "its container is running" if running == "running" else next(iter(up), "")
        if running != "running":
            return f"its container is {running}"
        if down := [
            f"its process {process} is {found}"
            for process, found in processes.items()
            if found != "running"
        ]:
            return ", ".join(down)
        socket = self._place(name, identity).socket
        return "" if is_socket(socket) else f"{socket} is missing"

    def _processes(self, name: str, identity: str) -> dict[str, str]:
        """The state of each process that belongs to a release."""
        there, named = self.containers.get(name, {}), ReleaseName(name, identity)
        return {
            process.name: there.get(named.process(process.name), "missing")
            for process in processes_of(self.root, name, identity)
        }

    def _drift(self, wanted: Wanted) -> str:
        """Which of its files have changed since they were written."""
        place = self._place(wanted.name, wanted.id)
        files = read_release(self.root, wanted.name, wanted.id).get("files")
        if not isinstance(files, dict):
            return "its release.json is missing or broken"
        places = {place.file(file): digest for file, digest in files.items()}
        secrets = wanted.secrets or {}
        places.update({place.secrets / secret: digest for secret, digest in secrets.items()})
        changed = [str(file) for file, digest in places.items() if file_digest(file) != digest]
        return f"{', '.join(changed)} changed on the host" if changed else ""

    def _left_over(self, name: str, wanted: str) -> list[str]:
        """What interrupted runs have left of this application."""
        found = [f"container {container}" for container in self.orphans(name)]
        found += [
            f"release {identity}, which never served" for identity in self.unfinished(name, wanted)
        ]
        found += [f"directory {path}" for path in Place(self.root).builds_of(name)]
        found += [
            f"the route, which leads to {wrong}" for wrong in [self._wrong_route(name)] if wrong
        ]
        found += [f"the pin of release {identity}" for identity in self.unpinned(name)]
        return found

    def _wrong_route(self, name: str) -> str:
        live = self._live(name)
        return routes.wrong(self.root, name, live) if live else ""

    def orphans(self, name: str) -> list[str]:
        """Containers of this collection that belong to no release that serves or is kept. A command
        that is at work may finish.
        """
        linked = {link.id for link in self._links(name)}
        known = Record(self.root, name).releases
        kept = {ReleaseName(name, identity).container for identity in linked}
        kept |= {ReleaseName(name, identity).pin for identity in known}
        kept |= {
            container
            for container, release in self.processes.get(name, {}).items()
            if release in linked
        }
        kept |= self.one_offs.get(name, set())
        return sorted(set(self.containers.get(name, {})) - kept)

    def unfinished(self, name: str, wanted: str) -> list[str]:
        """Releases that were begun and do not serve. The wanted one is left out, because it is
        resumed.
        """
        kept = {wanted, *(link.id for link in self._links(name))}
        return [
            identity
            for identity, known in Record(self.root, name).releases.items()
            if known.state == "prepared" and identity not in kept
        ]

    def unpinned(self, name: str) -> list[str]:
        """Kept releases whose image is there and would not survive C(docker image prune -a)."""
        containers = self.containers.get(name, {})
        return [
            identity
            for identity, known in Record(self.root, name).releases.items()
            if known.state in ("live", "retired")
            if ReleaseName(name, identity).pin not in containers and self._image(name, identity)
        ]


def is_socket(path: Path) -> bool:
    """Whether the path is a socket itself: a link would be the work of the application."""
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False
