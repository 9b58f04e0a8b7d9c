# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switch of all releases of a run: their processes start, their links move as one transaction,
each is checked through Nginx, and what serves is recorded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..host.disk import with_advice
from ..host.engine import Docker, logs, tail
from ..host.files import HostError
from ..host.places import Place
from ..host.reason import apart, told_by
from ..nginx.site import site_named
from ..nginx.steps import NginxError
from ..nginx.tree import move_links
from . import memory, process_steps, routes
from .app_path import AppPath
from .link_moves import Moves, Route
from .lock import renew
from .page import look
from .probe import Question, check
from .record import Record, live_links, read_release
from .work import Work, still_serves

AT_ONCE = 32  # applications that are asked in parallel


@dataclass(frozen=True)
class Switched:
    """The result of a switch: which releases serve, and why the others do not, with the end of
    their logs. token: the lock of the run. reverted: those that served, and were taken back.
    """

    token: str
    live: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    reverted: tuple[str, ...] = ()

    def of(self, token: str) -> Switched:
        """The same for the run with this lock; empty for another run, or without a switch."""
        return self if self.token == token else Switched(token)


class Switch:
    """One switch.

    Args:
        root: the directory of the releases.
        nginx_root: that of the Nginx configuration.
        token: the lock of the run.
        sites: the server blocks.
        work: the applications whose releases are ready.
        remove: applications that this run removes.
        rollback: whether this is a rollback, which does not make a release the newest.
        deadline_seconds: how long the public checks may take together.
    """

    def __init__(
        self,
        root: str,
        nginx_root: str,
        token: str,
        sites: Sequence[Mapping[str, Any]],
        work: Iterable[Work],
        remove: Sequence[str] = (),
        rollback: bool = False,
        deadline_seconds: float = 15,
    ) -> None:
        self.root, self.nginx_root, self.token, self.sites = root, nginx_root, token, sites
        self.rollback, self.deadline_seconds = rollback, deadline_seconds
        self.work = {each.name: each for each in work}
        self.moves = {
            name: Moves.of(each, root, nginx_root, self._displaced(each, remove))
            for name, each in self.work.items()
        }
        self.docker = Docker()
        self.records: dict[str, Record] = {}
        self.failures: dict[str, str] = {}
        self.warnings: list[str] = []
        self.reverted: dict[str, None] = {}

    def run(self) -> Switched:
        renew(self.root, self.work, self.token, "switch")
        try:
            self._stage()
            self.failures.update(
                process_steps.StartProcesses(self.root, self.docker).run(
                    [self.work[name] for name in self._left()]
                )
            )
            self._refuse_starved(self._left())
            self._enable_restart(self._left())
            self._move(self._left())
            moved = self._left()
            self._check(moved)
            self._move_back(moved)
            self._record(self._left())
            self._look(self._left())
        finally:
            for record in self.records.values():
                record.discard()
        parts = {name: apart(text) for name, text in self.failures.items()}
        return Switched(
            self.token,
            tuple(self._left()),
            {
                name: "\n".join(filter(None, (reason, told_by(log, reason))))
                for name, (reason, log) in parts.items()
            },
            {name: log for name, (_reason, log) in parts.items() if log},
            tuple(self.reverted),
        )

    def _displaced(self, work: Work, remove: Sequence[str]) -> list[Route]:
        """The routes of applications that this run removes and that a release replaces: a renamed
        application.
        """
        links = live_links(self.nginx_root)
        there = [Route(name, link) for name in remove for link in links.get(name, ())]
        place = (work.site, work.app_path.prefix)
        return [
            route
            for route in there
            for known in [read_release(self.root, route.app, route.link.id)]
            if (route.link.site, AppPath(known.get("path", "")).prefix) == place
        ]

    def _left(self) -> list[str]:
        """The applications that have not failed."""
        return [name for name in self.work if name not in self.failures]

    def _stage(self) -> None:
        """Do what needs room on the disk before anything moves."""
        for name, work in self.work.items():
            try:
                self._remember_static(work)
                record = self.records[name] = Record(self.root, name)
                record.mark(work.id, "live", self.rollback, run=self.token)
                record.stage()
            except (HostError, OSError) as error:
                self._failed(name, "could not be recorded", error)

    def _check(self, moved: list[str]) -> None:
        """Check in parallel, so that an application that does not answer takes no time from the
        others.
        """
        deadline = time.monotonic() + self.deadline_seconds
        with ThreadPoolExecutor(AT_ONCE) as beside:
            answers = list(beside.map(lambda name: check(self._question(name), deadline), moved))
        for name, why in zip(moved, answers, strict=True):
            if why:
                work = self.work[name]
                self.failures[name] = (
                    f"{name}: release {work.id} did not serve and was taken back:"
                    f" {why}{self._log(work)}"
                )

    def _look(self, names: list[str]) -> None:
        """Check the first page of each release that serves, in parallel. Findings are warnings."""
        pages = [name for name in names if self.work[name].state == "present"]
        served = self._served() if pages else []
        with ThreadPoolExecutor(AT_ONCE) as beside:
            found = list(beside.map(lambda name: self._wrong(name, served), pages))
        for name, sentences in zip(pages, found, strict=True):
            self.warnings += [f"{name} serves, but {sentence}" for sentence in sentences]

    def _wrong(self, name: str, served: list[tuple[str, str, str]]) -> list[str]:
        work = self.work[name]
        return look(site_named(work.site, self.sites), work, self._neighbours(name, served))

    def _served(self) -> list[tuple[str, str, str]]:
        """Each application that Nginx serves, with its site and its path without the last slash."""
        links = [
            (name, link) for name, found in live_links(self.nginx_root).items() for link in found
        ]
        known = [
            (name, link.site, read_release(self.root, name, link.id).get("path"))
            for name, link in links
        ]
        return [(name, site, AppPath(path).prefix) for name, site, path in known if path]

    def _neighbours(self, name: str, served: list[tuple[str, str, str]]) -> list[str]:
        """The paths of the other applications of its site."""
        return [
            path for other, site, path in served if other != name and site == self.work[name].site
        ]

    def _question(self, name: str) -> Question:
        work = self.work[name]
        fragment = Place(self.root).app(name).release(work.id).file(work.file)
        return Question.of(work, self.sites, fragment)

    def _remember_static(self, work: Work) -> None:
        """Keep the files of the release before for its pages, until the next switch."""
        if not work.live or work.live == work.id:
            return
        app = Place(self.root).app(work.name)
        link = app.before
        aside = link.with_name(f".before.{os.getpid()}")
        with suppress(FileNotFoundError):
            aside.unlink()
        aside.symlink_to(app.release(work.live).static)
        os.replace(aside, link)

    def _move(self, names: list[str]) -> None:
        """Move all at once, and if that is refused, one by one."""
        if not names:
            return
        try:
            self._forward(names)
            return
        except NginxError as error:
            if len(names) == 1:
                self._failed(names[0], "was refused by Nginx", error)
                return
        for name in names:
            try:
                self._forward([name])
            except NginxError as error:
                self._failed(name, "was refused by Nginx", error)

    def _forward(self, names: list[str]) -> None:
        for name in names:
            routes.make(self.root, name, self.work[name].id)
        self._apply([self.moves[name] for name in names])
        for name in names:
            try:
                routes.lead(self.root, name, self.work[name].id)
            except OSError as error:
                self._failed(name, "could not be led to, and is taken back", error)

    def _backward(self, names: list[str]) -> None:
        for name in names:
            if live := self.work[name].live:
                routes.lead(self.root, name, live)
        self._apply([self.moves[name].back for name in names])

    def _failed(self, name: str, what: str, error: Exception) -> None:
        work = self.work[name]
        serves = still_serves(work.live, work.id)
        self.failures[name] = with_advice(f"{name}: release {work.id} {what}; {serves}.\n{error}")

    def _apply(self, moves: list[Moves]) -> None:
        links = [link for each in moves for link in each.to_links()]
        absent = [path for each in moves for path in each.absent]
        self.warnings += move_links(self.nginx_root, links, absent)

    def _move_back(self, moved: list[str]) -> None:
        """Move the failed releases back; where another has their place by now, move all of this
        switch back.
        """
        failed = [name for name in moved if name in self.failures]
        if not failed:
            return
        self.reverted |= dict.fromkeys(failed)
        try:
            self._backward(failed)
        except NginxError as error:
            if failed == moved:
                raise
            for name in self._left():
                self._failed(
                    name,
                    f"was taken back, for {', '.join(failed)} did not serve and must have its"
                    " place again",
                    error,
                )
            self.reverted |= dict.fromkeys(moved)
            self._backward(moved)

    def _log(self, work: Work) -> str:
        words = logs(self.docker, work.container, 20)
        return "".join(
            ["\nThe last lines of its log:", *(f"\n  {line}" for line in tail(words, 20))]
        )

    def _refuse_starved(self, names: list[str]) -> None:
        """Refuse releases that were healthy, and whose processes the kernel has killed for lack of
        memory since.
        """
        starved = memory.starved(
            self.docker, [self.work[name].container for name in names if self.work[name].runs]
        )
        for name in names:
            if words := starved.get(self.work[name].container):
                self._failed(name, "runs out of memory", HostError(words))

    def _enable_restart(self, names: list[str]) -> None:
        """Enable the restart policies before the routes move: what they lead to then starts with
        the host.
        """
        running = [
            container
            for name in names
            if self.work[name].runs
            for container in self.work[name].containers
        ]
        try:
            if running:
                self.docker.run("update", "--restart", "unless-stopped", *running)
        except HostError as error:
            for name in names:
                self._failed(name, "would not start again after a reboot", error)

    def _record(self, live: list[str]) -> None:
        """Record that the releases serve."""
        for name in live:
            try:
                self.records[name].commit()
            except OSError as error:
                self._failed(name, "could not be recorded and was taken back", error)
        self._move_back([name for name in live if name in self.failures])
