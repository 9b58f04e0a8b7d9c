# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a new release answers its health check.

It asks through the socket of the release, with the headers that Nginx will send, until the answer
is good or the deadline is over. A redirect is followed while it stays below the path; one that
leads to an answer of 5xx is not good. A redirect whose status is a wanted one is good without being
followed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..host.engine import Docker, logs
from ..host.files import HostError
from ..host.shown import shown_line
from ..nginx.site import SCHEME, heard
from . import advice, memory, page
from .app import Health
from .app_path import AppPath
from .probe import (
    PROBLEMS,
    SHOWN_BYTES,
    Fetched,
    SocketConnection,
    accepts,
    ask,
    fetch,
    headers_for,
    host_advice,
    problem,
    summary,
)

LOG_LINES = 40
READ_LINES = 1000  # in which advice is looked for
# A module may have an application that another module adds routes to.
OTHER_MODULE = (
    "When it has such a page, its routes may be added by another module (write module and callable)"
    " or by a separate program that starts a server (write engine: command, command and port)."
)
# An application that has answered only 404 for this long does not know its path, and waiting does
# not help.
NOT_FOUND_SECONDS = 10
TRACEBACK = "Traceback (most recent call last)"
# One that has answered only 500 for this long may have logged the cause, and then waiting does not
# help.
FAILING_SECONDS = 10
# How long a healthy container is watched that has no memory left, or has lost a process for lack of
# it.
MEMORY_SECONDS = 5


@dataclass(frozen=True)
class HealthCheck:
    """The request that a new container must answer.

    Args:
        container: its name.
        socket: where the requests are sent.
        host: the host name in the requests.
        path: that of its application.
        health: the page, the good answers and the deadline.
        scheme: what clients speak.
    """

    container: str
    socket: str
    host: str
    path: AppPath
    health: Health
    scheme: str = SCHEME


@dataclass(frozen=True)
class Answer:
    """The good answer of a release.

    Args:
        status: its status.
        seconds: how long it took.
        advice: what to write differently, by the log of its container.
    """

    status: int
    seconds: float
    advice: tuple[str, ...] = ()


class Gate:
    """A bad release never serves: the gate stops it."""

    def __init__(self, check: HealthCheck, docker: Docker | None = None) -> None:
        self.check, self.path, self.health = check, check.path, check.health
        self.asked = self.path.at_socket(check.health.path)
        self.docker = docker or Docker()
        self.answers: list[str] = []
        self.started = time.monotonic()
        self.found = 0.0  # when an answer other than 404 came last
        self.failing = 0.0  # the same for 500

    def run(self) -> Answer:
        """Send requests until an answer is good.

        Raises:
            HostError: with the reason, the answers, the end of the log, and what to write.
        """
        while self._seconds() < self.health.deadline_seconds:
            container = self.docker.inspect(self.check.container)
            state = container.get("State", {})
            if not state.get("Running"):
                code = state.get("ExitCode", "unknown")
                why = ", out of memory (see resources.memory)" if state.get("OOMKilled") else ""
                raise HostError(
                    self._report(
                        f"its container exited with code {code}{why} after {self._seconds():.1f} s"
                    )
                )
            status = self._ask() or 0
            good = bool(
                status and accepts(status, self.health.status) and self._leads_to_an_answer(status)
            )
            self._memory(container, self.started + self._seconds() + MEMORY_SECONDS if good else 0)
            if good:
                seconds = round(self._seconds(), 2)
                return Answer(status, seconds, tuple(self._said()[1]))
            self.found = self.found if status == 404 else self._seconds()
            self.failing = self.failing if status == 500 else self._seconds()
            if self._seconds() - self.found > NOT_FOUND_SECONDS or self._fails_for_good(container):
                break
            time.sleep(self.health.interval_seconds)
        wanted = ", ".join(self.health.status)
        raise HostError(
            self._report(f"no answer was one of {wanted} within {self._seconds():.0f} s")
        )

    def _fails_for_good(self, container: Mapping[str, Any]) -> bool:
        """Whether it has failed for long enough, and its last traceback shows a cause that waiting
        does not solve.

        Earlier lines may be warnings that the application survives. The log is read once in that
        time.
        """
        if self._seconds() - self.failing <= FAILING_SECONDS:
            return False
        self.failing = self._seconds()
        log = logs(self.docker, self.check.container, READ_LINES, container)
        last = log.rfind(TRACEBACK)
        return last >= 0 and advice.lasts(log[last:], container)

    def _memory(self, container: Mapping[str, Any], until: float) -> None:
        """The kernel kills workers, the server starts them again, and one of them answers: that is
        not healthy.
        """
        pid = int(container["State"].get("Pid") or 0)
        while True:
            count = memory.killed(pid)
            if count >= memory.TOO_MANY:
                raise HostError(self._report(memory.advice(container, count).removesuffix(".")))
            if time.monotonic() > until or not (count or memory.is_full(pid)):
                return
            time.sleep(0.2)

    def _seconds(self) -> float:
        return time.monotonic() - self.started

    def _ask(self) -> int | None:
        connection = SocketConnection(
            self.check.socket, self.started + self.health.deadline_seconds
        )
        try:
            status, body = ask(
                connection, self.asked, headers_for(self.check.host, self.check.scheme)
            )
        except PROBLEMS as error:
            self.answers.append(problem(error))
            return None
        finally:
            connection.close()
        self.answers.append(
            f"{status} {body.splitlines()[0][:120] if body.strip() else ''}".strip()
        )
        return status

    def _leads_to_an_answer(self, status: int) -> bool:
        """Whether a redirect ends well, as far as it stays below the path. One whose status is a
        wanted one is good without being followed.
        """
        if not 300 <= status < 400 or str(status) in self.health.status:
            return True
        try:
            found = page.walk(
                self._get, heard(self.check.host, self.asked, self.check.scheme), self._followed
            )
        except PROBLEMS as error:
            self.answers.append(f"{self.answers.pop()}, which leads to {problem(error)}")
            return False
        if found.answer.status >= 500:
            place = shown_line(page.path_of(found.url))[:SHOWN_BYTES]
            self.answers.append(
                f"{self.answers.pop()}, which leads to {place}: {found.answer.status}"
            )
        return found.answer.status < 500

    def _get(self, url: str, headers: dict[str, str]) -> Fetched:
        """The answer at an address, by the application alone; the body of a page is not needed."""
        connection = SocketConnection(
            self.check.socket, self.started + self.health.deadline_seconds
        )
        try:
            return fetch(
                connection,
                page.path_of(url),
                {**headers_for(self.check.host, url.partition(":")[0]), **headers},
                0,
            )
        finally:
            connection.close()

    def _followed(self, target: str) -> str:
        """The address at the socket for the address of a redirect, as Nginx would map it; "" for
        one that leaves the path.
        """
        host, prefix = self.check.host, self.path.prefix
        if not page.is_own(target, host):
            return ""
        parts = urlsplit(target)
        if page.is_own(target, host, prefix):
            rest = parts.path[len(prefix) :]
        elif self.path.mapped:
            rest = parts.path
        else:
            return ""
        return parts._replace(netloc=host, path=self.path.at_socket(rest)).geturl()

    def _report(self, what: str) -> str:
        """The reason, then the answers and the log of the application."""
        said, advised = self._said()
        asked = (
            f"The requests were GET {self.asked} through {self.check.socket}, with Host:"
            f" {self.check.host}."
        )
        lines = [f"{what}.", asked]
        lines += (
            ["Answers:", *(f"  {answer}" for answer in summary(self.answers))]
            if self.answers
            else ["There was no answer."]
        )
        lines += [
            "The last lines of its log:",
            *(f"  {line}" for line in advice.spoken(said)[-LOG_LINES:]),
        ]
        if self.answers and self.answers[-1].startswith("404"):
            lines.append(self._not_found())
        if self.answers:
            lines += host_advice(self.answers[-1], self.check.host)
        return "\n".join([*lines, *advised])

    def _not_found(self) -> str:
        """What to write for an application that answers 404: its path is the most likely cause."""
        if not self.path.domain:
            return f"It does not know this path. Choose another as health.path. {OTHER_MODULE}"
        self.asked = self.health.path
        if accepts(self._ask() or 0, self.health.status):
            return (
                f"It answers at {self.asked}, so it does not know its path: write path_mode:"
                " script_name."
            )
        return (
            "It does not know this path. Does it put DOMAIN, which is its path in the environment,"
            " before its routes? "
            'A Blueprint with url_prefix=os.environ.get("DOMAIN") does. Or is health.path another?'
            f" {OTHER_MODULE}"
        )

    def _said(self) -> tuple[str, list[str]]:
        """Its log, and the advice on it."""
        name = self.check.container
        details = self.docker.inspect(name)
        log = logs(self.docker, name, READ_LINES, details)
        return log, advice.advice(log, details)
