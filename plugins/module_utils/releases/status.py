# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a host, whether it is healthy, and what its logs show."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from ..host.disk import is_full
from ..host.engine import Docker, inspected, logs
from ..host.files import HostError
from ..host.places import Place, ReleaseName, ServiceName
from ..host.trees import Size, size
from ..host.typed import plain
from ..nginx.site import site_named
from . import advice, memory
from .interrupted import interrupted
from .job_units import JobState, job_states
from .lock import holder
from .probe import (
    PROBLEMS,
    QUESTION_SECONDS,
    SocketConnection,
    accepts,
    ask,
    headers_for,
    problem,
)
from .record import Link, Record, live_links, read_release
from .release import Release
from .services.record import read_record
from .services.run import is_healthy

AT_ONCE = 200  # applications that are asked in parallel; more wait
DISK_SECONDS = 2.0  # for measuring what all applications together have written
LOG_LINES = 2000  # at the end of the log of an application that serves
LAST = 64 * 1024  # bytes at the end of an audit, which hold its last line
RESULTS = {"failed": "refused"}


@dataclass(frozen=True)
class AppStatus:
    """One application, as docs/outputs.yml describes it. The defaults are those of one whose record
    or release cannot be read.
    """

    name: str
    release: str | None = None
    state: str = "unreadable"
    since: str | None = None
    image: str = "-"
    health: str = "-"
    container: str = "-"
    path: str | None = None
    url: str | None = None
    memory: str = "-"
    restarts: int | None = None
    processes: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    previous: tuple[str, ...] = ()
    locked_by: str | None = None
    disk: str = "-"
    disk_bytes: int | None = None
    reason: str | None = None
    advice: tuple[str, ...] = ()
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    backup: Mapping[str, Any] = field(default_factory=dict)
    interrupted: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return plain(self)


@dataclass(frozen=True)
class Ending:
    """How the last run of an application that does not serve ended, by its audit."""

    state: str = "absent"
    since: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Live:
    """What serves of an application, and its release.json, which is read once.

    release: None where release.json is missing or broken. processes: their names. services: by the
    application's own names for them. problem: why nobody can read it.
    """

    link: Link
    release: Release | None = None
    processes: tuple[str, ...] = ()
    services: Mapping[str, ServiceName] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def of(cls, root: str, name: str, link: Link) -> Live:
        try:
            if not (facts := read_release(root, name, link.id)):
                return cls(link)
            release = Release.from_record(facts, root)
            services = {
                each.name: ServiceName(each.of or name, each.name) for each in release.services
            }
            return cls(link, release, tuple(each.name for each in release.processes), services)
        except Exception as error:
            return cls(link, problem=_reason(error))


class Status:
    """Reads links, records and containers of all applications.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        sites: the server blocks.
        address: the address of the host, where a site has no name.
        only: the applications to look at; all without them.
    """

    def __init__(
        self,
        root: str,
        nginx_root: str,
        sites: Sequence[Mapping[str, Any]] = (),
        address: str = "localhost",
        only: Sequence[str] = (),
    ) -> None:
        self.root, self.sites, self.address = root, sites, address
        self.links = live_links(nginx_root)
        self.docker = Docker()
        self.names = applications(root, self.links, only)

    def apps(self) -> list[AppStatus]:
        live = {
            name: Live.of(self.root, name, links[0])
            for name, links in self.links.items()
            if name in self.names
        }
        containers: dict[str, None] = {}
        for name, each in live.items():
            named = ReleaseName(name, each.link.id)
            containers |= dict.fromkeys([named.container, *map(named.process, each.processes)])
            containers |= dict.fromkeys(service.container for service in each.services.values())
        found = inspected(self.docker, containers)
        used = self._memory([name for name, entry in found.items() if entry["State"]["Running"]])
        # In parallel: an application that does not answer does not delay the others.
        with ThreadPoolExecutor(AT_ONCE) as beside:
            apps = list(
                beside.map(
                    lambda name: self._app_or_reason(name, live.get(name), found, used),
                    self.names,
                )
            )
        jobs = job_states(self.root, self.names)
        again = interrupted(self.root, self.names)
        return [
            replace(app, jobs=jobs.get(app.name, {}), interrupted=tuple(again.get(app.name, ())))
            for app in apps
        ]

    def _service(
        self,
        named: ServiceName,
        found: Mapping[str, Mapping[str, Any]],
        used: Mapping[str, str],
    ) -> str:
        """Whether a service works, its memory, and a full disk."""
        details = found.get(named.container, {})
        state = _state(details)
        if details.get("State", {}).get("Running"):
            health = read_record(self.root, named.app, named.service).health
            works = is_healthy(self.docker, named.container, health)
            state = state.replace("running", "ok" if works else "bad", 1)
        # Reading still works then, and its health check may pass.
        if any(is_full(mount["Source"]) for mount in details.get("Mounts", []) if mount["RW"]):
            state += " (its disk is full)"
        memory = used.get(named.container)
        return f"{state} {memory}" if memory else state

    def _app_or_reason(
        self,
        name: str,
        live: Live | None,
        found: Mapping[str, Mapping[str, Any]],
        used: Mapping[str, str],
    ) -> AppStatus:
        """The status of one application; one that cannot be read is shown as such, beside the
        others.
        """
        if live and live.problem:
            return AppStatus(name, live.link.id, reason=live.problem)
        try:
            return self._app(name, live, found, used)
        except Exception as error:
            return AppStatus(name, live.link.id if live else None, reason=_reason(error))

    def _disk(self, name: str) -> Size:
        """The bytes that its containers have written, in all kept releases."""
        places = [
            path
            for release in Place(self.root).app(name).all_releases()
            for path in release.written
        ]
        return size(places, DISK_SECONDS / len(self.names))

    def _ending(self, name: str) -> Ending:
        """Why nothing of it serves: the result of its last run, by the audit."""
        try:
            with Place(self.root).app(name).audit.open("rb") as file:
                file.seek(-min(LAST, os.fstat(file.fileno()).st_size), os.SEEK_END)
                last = json.loads(file.read().splitlines()[-1])
            if last["result"] == "live":
                return Ending()
            state = RESULTS.get(last["result"], last["result"])
            return Ending(state, last["time"], last["reason"])
        except (OSError, ValueError, LookupError, TypeError):
            return Ending()

    def _app(
        self,
        name: str,
        live: Live | None,
        found: Mapping[str, Mapping[str, Any]],
        used: Mapping[str, str],
    ) -> AppStatus:
        record, held, disk = Record(self.root, name), holder(self.root, name), self._disk(name)
        locked_by = held.who if held else None
        if not live:
            ending = self._ending(name)
            return AppStatus(
                name,
                state=ending.state,
                since=ending.since,
                health="container missing",
                previous=tuple(record.served),
                reason=ending.reason,
                locked_by=locked_by,
                disk=str(disk),
                disk_bytes=disk.bytes,
            )
        link, release = live.link, live.release
        named, known = ReleaseName(name, link.id), record.of(link.id)
        details = found.get(named.container, {})
        state = details.get("State", {})
        return AppStatus(
            name,
            link.id,
            link.state,
            known.live,
            (known.image or "-").removeprefix("sha256:")[:12],
            self._health(release, details)
            if state.get("Running")
            else f"container {state.get('Status', 'missing')}",
            named.container,
            release.path if release else None,
            release.url(self.sites, self.address) if release else None,
            used.get(named.container, "-"),
            details.get("RestartCount"),
            {process: _state(found.get(named.process(process), {})) for process in live.processes},
            {service: self._service(each, found, used) for service, each in live.services.items()},
            tuple(release for release in record.served if release != link.id),
            advice=tuple(self._advice(details)),
            locked_by=locked_by,
            disk=str(disk),
            disk_bytes=disk.bytes,
        )

    def _advice(self, details: Mapping[str, Any]) -> list[str]:
        """The faults in its log and in the kernel's counters that a key fixes."""
        if not details.get("State", {}).get("Running"):
            return []
        count = memory.killed(int(details["State"].get("Pid") or 0))
        starved = [memory.advice(details, count)] if count >= memory.TOO_MANY else []
        log = logs(self.docker, details["Name"].lstrip("/"), LOG_LINES, details)
        return advice.advice(log, details) + starved

    def _health(self, release: Release | None, details: Mapping[str, Any]) -> str:
        """The answer to its health check, and whether the kernel kills its processes."""
        if not release:
            raise HostError("its release.json is missing or broken")
        socket = str(release.place.socket)
        connection = SocketConnection(socket, time.monotonic() + QUESTION_SECONDS)
        try:
            path = release.app_path.at_socket(release.health.path)
            site = site_named(release.site, self.sites)
            headers = headers_for(release.health.host or site.host, site.scheme)
            status, _body = ask(connection, path, headers)
        except PROBLEMS as error:
            return f"bad ({problem(error)})"
        finally:
            connection.close()
        good = accepts(status, release.health.status)
        return f"{'ok' if good else 'bad'} ({status}){memory.in_status(details)}"

    def _memory(self, names: Sequence[str]) -> dict[str, str]:
        if not names:
            return {}
        lines = self.docker.run(
            "stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}", *names, check=False
        ).splitlines()
        return {
            name: usage.replace(" / ", "/") for name, usage in (line.split("\t") for line in lines)
        }


def applications(root: str, links: Iterable[str], only: Sequence[str]) -> list[str]:
    """The applications of a host, or the requested ones.

    Raises:
        HostError: one of them is not on the host.
    """
    known = {app.directory.name for app in Place(root).all_apps()} | set(links)
    if unknown := sorted(set(only) - known):
        raise HostError(
            f"there is no {', '.join(unknown)} on this host; there is"
            f" {', '.join(sorted(known)) or 'no application'}."
        )
    return sorted(name for name in known if not only or name in only)


def _reason(error: Exception) -> str:
    """A failure in words; of one that nobody expects, its kind too."""
    known = isinstance(error, (HostError, OSError))
    return str(error) if known else f"{type(error).__name__}: {error}"


def _state(details: Mapping[str, Any]) -> str:
    """The state in words, with the number of restarts if any."""
    state, restarts = details.get("State", {}).get("Status", "missing"), details.get("RestartCount")
    return f"{state} ({restarts} restarts)" if restarts else state
