# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bin/flaskops starts on a host: the arguments of docker and journalctl that reach the
containers of an application, to which it adds the command of the user.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ..host import kept_logs
from ..host.container import command_to_create
from ..host.engine import Docker, Listed, inspected
from ..host.files import HostError, moment
from ..host.places import (
    APP_LABEL,
    KEPT_LOGS,
    ONE_OFF_LABEL,
    PROCESS_LABEL,
    RELEASE_LABEL,
    Place,
    ReleaseName,
    ServiceName,
    is_pin,
)
from . import container_log
from .live_container import live, one_off, with_secrets
from .lock import refuse_moving
from .process_steps import process_of
from .record import Link, Record, live_links, processes_of
from .release import Release

WEB = "web"  # the container that answers requests, where no process has this name
# Keys that detach a terminal from its container: nobody types these. By default Ctrl-P is one,
# which shells use.
KEYS = ("--detach-keys", "ctrl-],ctrl-_,ctrl-],ctrl-_")
# By this variable the processes of an interrupted command are found.
MARK = "FLASKOPS_ATTACHED"


@dataclass(frozen=True)
class Task:
    """What hands/attached.py does on the host.

    before: commands that must succeed first. words: the command that gets the terminal. own: which
    of them the command of the user is added to. container: what is removed at the end. mark: the
    variable of a process that is ended with the connection.
    """

    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    own: str = "words"
    container: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Source:
    """A log: the command that shows it, and whether it is journalctl's JSON. name: the release, and
    the process, of a container's log.
    """

    words: tuple[str, ...]
    journal: bool = False
    name: str = ""


class Attach:
    """One application of a host.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        name: the application.
        process: one of its processes; "" for the container that answers requests, and for logs all.
        terminal: whether the command gets a terminal.
    """

    def __init__(
        self,
        root: str,
        nginx_root: str,
        name: str,
        process: str = "",
        terminal: bool = False,
        docker: Docker | None = None,
    ) -> None:
        self.root, self.nginx_root, self.name, self.process = root, nginx_root, name, process
        self.terminal, self.docker = terminal, docker or Docker()

    @property
    def is_there(self) -> bool:
        """Whether the host has the application."""
        links = live_links(self.nginx_root)
        return self.name in links or Place(self.root).app(self.name).directory.is_dir()

    def exec(self) -> dict[str, Any]:
        """A command in a container that runs."""
        release = self._live()
        options = self._options(release)
        container = str(options["name"])
        state = self.docker.inspect(container)
        if not state.get("State", {}).get("Running"):
            status = state.get("State", {}).get("Status", "missing")
            raise HostError(
                f"the container {container} must run; it is {status}. flaskops run"
                f" {self.name} -- COMMAND starts another one."
            )
        mark = secrets.token_hex(8)
        entrypoint = with_secrets(release, state, options)
        words = ["exec", *KEYS, *self._terminal, "--env", f"{MARK}={mark}", container, *entrypoint]
        return asdict(Task(self._docker(words), mark=f"{MARK}={mark}"))

    def run(self) -> dict[str, Any]:
        """A command in a new container of the live release."""
        release = self._live()
        refuse_moving(self.root, self.name)
        container = one_off(release, "run")
        # What is shown or typed in it is nobody else's: it has no log.
        given = ["--rm", "--log-driver", "none", *self._terminal]
        create = command_to_create(container, given)
        connect = [
            self._docker(["network", "connect", network, container.name])
            for network in container.more_networks
        ]
        start = ["start", *KEYS, "--attach", "--interactive", container.name]
        before = (self._docker(create), *connect)
        return asdict(Task(self._docker(start), before, "create", container.name))

    def logs(self, seconds: float, lines: int, follow: bool) -> dict[str, Any]:
        """The logs of its containers, those that are gone too.

        Args:
            seconds: how old they may be; 0 for any age.
            lines: how many of the end of each; 0 for all.
            follow: whether new lines are shown as they come.
        """
        since = f"{time.time() - seconds:.0f}" if seconds else ""
        journal = self._journal(since, lines, follow) if container_log.has_journal() else None
        sources = [journal] if journal else []
        if not follow:
            sources += [
                Source(("cat", str(file)), name=name)
                for file in kept_logs.logs_of(KEPT_LOGS / self.name)
                if (name := self._kept_name(file.stem))
            ]
        for entry in self._with_log():
            words = ["logs", "--timestamps", *(["--follow"] if follow else [])]
            words += ["--since", since] if since else []
            words += ["--tail", str(lines)] if lines else []
            words = [*words, entry["Names"]]
            sources.append(Source(self._docker(words), name=_named(entry)))
        return {
            "note": self._note(),
            "sources": [asdict(source) for source in sources],
            "since": moment(float(since)) if since else "",
            "lines": lines,
            "follow": follow,
        }

    def releases(self) -> list[dict[str, Any]]:
        """Its releases, the newest first."""
        record, links = Record(self.root, self.name), live_links(self.nginx_root)
        serves = links.get(self.name, (Link("", "", ""),))[0].id
        order = {identity: number for number, identity in enumerate(record.served)}
        known = sorted(record.releases, key=lambda each: order.get(each, len(order)))
        return [
            {
                "id": identity,
                "state": record.of(identity).state if identity != serves else "live",
                "since": _since(record, identity),
                "back": record.before(serves) == identity,
                "reason": (record.of(identity).reason or "").partition("\n")[0],
            }
            for identity in known
        ]

    def _note(self) -> str:
        """Where nothing on the host has this process, that; a log may be empty without it."""
        if not self.process or self.process == WEB:
            return ""
        known = {
            *(process_of(entry) for entry in self.docker.containers(f"{APP_LABEL}={self.name}")),
            *(
                each.name
                for release in Record(self.root, self.name).releases
                for each in processes_of(self.root, self.name, release)
            ),
        } - {""}
        if self.process in known:
            return ""
        if self.process in Place(self.root).services_of(self.name):
            container = ServiceName(self.name, self.process).container
            return (
                f"{self.process} is a service; on its host, docker logs {container} shows its log."
            )
        return (
            f"no release of {self.name} on this host has a process {self.process!r}; there is"
            f" {', '.join([WEB, *sorted(known - {WEB})])}."
        )

    def _live(self) -> Release:
        release = live(self.root, self.nginx_root, self.name)
        names = [process.name for process in release.processes]
        if self.process and self.process not in (WEB, *names):
            there = ", ".join([WEB, *names])
            raise HostError(
                f"{self.name} has no process {self.process!r}; it must be one of {there}."
            )
        return release

    def _options(self, release: Release) -> Mapping[str, Any]:
        """Those of the container that is meant."""
        for process, options in zip(release.processes, release.process_containers, strict=True):
            if process.name == self.process:
                return options
        return release.container

    @property
    def _terminal(self) -> list[str]:
        return ["--interactive", *(["--tty"] if self.terminal else [])]

    def _docker(self, words: Sequence[str]) -> tuple[str, ...]:
        return (self.docker.command, *words)

    def _with_log(self) -> list[Listed]:
        """The containers that are there and do not log to the journal, the oldest first."""
        entries = {
            entry["Names"]: entry
            for entry in self.docker.containers(f"{APP_LABEL}={self.name}")
            if not is_pin(entry["Names"]) and self._is_meant(entry)
        }
        elsewhere = ("none", container_log.JOURNAL)
        created = {
            name: found["Created"]
            for name, found in inspected(self.docker, entries).items()
            if found["HostConfig"]["LogConfig"]["Type"] not in elsewhere
        }
        return [entries[name] for name in sorted(created, key=lambda name: created[name])]

    def _kept_name(self, container: str) -> str:
        """The release and process of a container that is gone; "" where it is not meant."""
        release, _dash, process = container.removeprefix(f"{self.name}-").partition("-")
        meant = not self.process or process == ("" if self._is_web else self.process)
        return f"{release} {process}".strip() if meant else ""

    def _is_meant(self, entry: Listed) -> bool:
        process = process_of(entry)
        if self._is_web:
            return entry["Names"] == _release(entry).container
        return not self.process or process == self.process

    @cached_property
    def _is_web(self) -> bool:
        """Whether the container that answers requests is meant: no process has this name."""
        if self.process != WEB:
            return False
        serves = live_links(self.nginx_root).get(self.name, ())
        known = [processes_of(self.root, self.name, link.id) for link in serves[:1]]
        return not any(each.name == WEB for processes in known for each in processes)

    def _journal(self, since: str, lines: int, follow: bool) -> Source:
        """Its messages in the journal. Only the engine, which is root's, writes them: other users
        can write messages with the same fields.
        """
        words = ["journalctl", "--quiet", "--no-pager", "--all", "--output", "json"]
        words += ["--lines", str(lines) if lines else "all"]
        words += ["--since", f"@{since}"] if since else []
        words += ["--follow"] if follow else []
        words += ["_UID=0", "_COMM=dockerd", f"{container_log.field(APP_LABEL)}={self.name}"]
        if self._is_web:
            releases = Record(self.root, self.name).releases
            words += [
                f"CONTAINER_NAME={ReleaseName(self.name, identity).container}"
                for identity in releases
            ]
        elif self.process:
            words.append(f"{container_log.field(PROCESS_LABEL)}={self.process}")
        return Source(tuple(words), journal=True)


def _release(entry: Listed) -> ReleaseName:
    return ReleaseName(entry["Labels"][APP_LABEL], entry["Labels"][RELEASE_LABEL])


def _named(entry: Listed) -> str:
    """The release of a container, with what it is unless it answers requests."""
    release = _release(entry)
    what = process_of(entry) or entry["Labels"][ONE_OFF_LABEL]
    if not what and entry["Names"] == release.command:
        what = "command"
    return f"{release.id} {what}".strip()


def _since(record: Record, identity: str) -> str:
    known = record.of(identity)
    return str(getattr(known, known.state, None) or known.live or "-") if known.state else "-"


def applications(root: str, nginx_root: str) -> list[str]:
    """The names of the applications of a host."""
    names = {app.directory.name for app in Place(root).all_apps()}
    return sorted(names | set(live_links(nginx_root)))
